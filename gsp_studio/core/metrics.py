"""Errors of a factorization from its Gram form, in float64.

``||X - W H||^2 = ||X||^2 - 2 <W, X H'> + <H H', W'W>`` costs O(m r^2) however many images there are. The three terms
nearly cancel when the fit is very good; `GramError.is_accurate` says when the difference still has digits left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def squared_norm(X: Array) -> float:
    """``||X||_F^2``, accumulated in float64 block by block.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64
        Any memory order.

    Returns
    -------
    float
    """
    rows = X.T if X.flags.f_contiguous else X
    step = max(1, (1 << 18) // max(1, rows.shape[1]))
    total = 0.0
    for a in range(0, len(rows), step):
        block = np.asarray(rows[a : a + step], dtype=np.float64).ravel()
        total += float(block @ block)
    return total


@dataclass(frozen=True, eq=False)
class GramError:
    """What is needed to give the error of any basis against fixed coefficients, without X.

    Attributes
    ----------
    A : ndarray (m, r)
        ``X H'``.
    G : ndarray (r, r)
        ``H H'``.
    x_norm2 : float
        ``||X||_F^2``.
    of : float, optional
        What errors are a fraction of, squared: ``||X||_F^2`` unless entries are masked; then that of the others.
    """

    A: Array
    G: Array
    x_norm2: float
    of: float | None = None

    def squared_residual(self, W: Array) -> float:
        """``||X - W H||_F^2`` for a basis W (m, r), as the difference of the Gram form: may be slightly negative."""
        W64 = np.asarray(W, dtype=np.float64)
        cross = float(np.einsum("ik,ik->", W64, self.A, dtype=np.float64))
        own = float(np.einsum("kl,kl->", W64.T @ W64, self.G, dtype=np.float64))
        return self.x_norm2 - 2.0 * cross + own

    def relative_error(self, W: Array) -> float:
        """``||X - W H||_F / ||X||_F`` as a fraction, for a basis W (m, r) and the coefficients behind A and G.

        Parameters
        ----------
        W : ndarray (m, r)

        Returns
        -------
        float
            0 for X = 0 fitted exactly. Digits below the rounding of A are lost: see `is_accurate`.
        """
        return self.relative(self.squared_residual(W))

    def relative(self, squared_residual: float) -> float:
        """A squared residual as the fraction that errors are told in."""
        return relative(squared_residual, self.x_norm2 if self.of is None else self.of)

    def is_accurate(self, squared_residual: float) -> bool:
        """Whether a squared residual from the Gram form still has about two digits after the cancellation."""
        return squared_residual > 1e3 * float(np.finfo(self.A.dtype).eps) * self.x_norm2


def relative(squared_residual: float, x_norm2: float) -> float:
    """``sqrt(max(0, squared_residual) / x_norm2)``; 0 for a zero X that is fitted exactly, else infinity."""
    if x_norm2 == 0.0:
        return 0.0 if squared_residual <= 0.0 else math.inf
    return math.sqrt(max(0.0, squared_residual) / x_norm2)
