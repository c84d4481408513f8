"""Extrapolation of the factors between outer iterations, without reading X again.

Both factors go on along the line of their last step before they are updated (Ang & Gillis, Neural Computation 2019).
The products that the update of the basis needs follow from known ones, as ``H X'`` is linear in H: for
``Y = H + b (H - H_old)``, ``Y X' = (1 + b) H X' - b H_old X'``, and ``Y Y'`` needs ``C = H H_old'`` besides.
"""

from __future__ import annotations

import math
from typing import Any

from gsp_studio.backends import Backend

#: The first step ahead as a part of the last step, what it grows by while the error falls, and shrinks by where it does
#: not.
_FIRST, _GROWTH, _SHRINK = 0.5, 1.01, 1.5


class Momentum:
    """What a run remembers of its last step, and how far it goes on in its direction.

    Where the error rises, the next update begins at the factors themselves, and later steps ahead are shorter.

    Parameters
    ----------
    of_basis, of_coefficients : bool
        Which factors go ahead. A basis that has to meet a target does not: the projection would move it back.
    """

    def __init__(self, of_basis: bool, of_coefficients: bool) -> None:
        self._of_basis, self.is_on = of_basis, of_coefficients
        self._beta = _FIRST
        self.forget()

    def forget(self) -> None:
        """Begin the next update at the factors themselves: those remembered are about another problem."""
        self._last: tuple[Any, Any, Any, Any, Any] | None = None
        self._error = math.inf

    @property
    def is_moving(self) -> bool:
        """Whether the next update begins ahead of the factors."""
        return self._last is not None

    def products(self, B: Any, G: Any) -> tuple[Any, Any]:
        """``Y X'`` and ``Y Y'`` of the coefficients ahead, from ``B = H X'`` and ``G = H H'`` of the present ones."""
        if self._last is None:
            return B, G
        b = self._beta
        _, _, old_B, old_G, C = self._last
        return (1 + b) * B - b * old_B, (1 + b) ** 2 * G - b * (1 + b) * (C + C.T) + b * b * old_G

    def basis(self, V: Any, backend: Backend) -> Any:
        """The basis ahead of V, which has just been updated."""
        if self._last is None or not self._of_basis:
            return V
        return backend.ahead(V, self._last[0], self._beta)

    def start(self, H: Any) -> tuple[Any, float]:
        """Earlier coefficients and the step ahead, as `Backend.update_ahead` takes them."""
        return (H, 0.0) if self._last is None else (self._last[1], self._beta)

    def see(self, V: Any, H: Any, B: Any, G: Any, C: Any, error: float) -> None:
        """Remember a step: the basis that came of it, the coefficients before it with their products, and its error.

        Parameters
        ----------
        V, H, B, G : array (r, m), (r, n), (r, m), (r, r)
        C : array (r, r)
            New coefficients times the transposed H.
        error : float
        """
        if self._last is not None:
            self._beta = self._beta / _SHRINK if error > self._error else min(1.0, self._beta * _GROWTH)
        self._last = None if self.is_moving and error > self._error else (V, H, B, G, C)
        self._error = error
