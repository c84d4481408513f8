"""The unit of the data: a power of two by which data of extreme size are divided before anything is computed.

Every step of the solver commutes with powers of two, so results do not depend on the unit, to the last bit, as long
as no square overflows or vanishes. Inside a window of sizes nothing is done. Outside of it the solver computes with X
divided by a power of two that makes its largest value about 1, and gives the factors back in the data's unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.backends.powers import exponent_of, scaled

#: Largest values from 2**-32 to 2**32 are computed with as they are: images of 8 to 32 bits, fractions, counts.
WINDOW = 32


@dataclass(frozen=True)
class Unit:
    """The factors from the numbers inside a computation to those of the data, and the size of the data there.

    Attributes
    ----------
    basis, coefficients : int
        W is ``2**basis`` times the one inside, H ``2**coefficients`` times; X is 2 to the sum of both times.
    exponent : int
        The largest value of X inside is about ``2**exponent``, see `backends.powers.exponent_of`; 0 for data that are
        scaled.
    """

    basis: int = 0
    coefficients: int = 0
    exponent: int = 0

    @property
    def data(self) -> int:
        """X is ``2**data`` times the matrix inside the computation."""
        return self.basis + self.coefficients

    @property
    def size(self) -> float:
        """The size of the data inside, a power of two."""
        return 2.0**self.exponent

    @property
    def balance(self) -> float:
        """``||w_k|| / ||h_k||`` of balanced factors: 1/2 for a size whose root is no power of two."""
        of_basis, of_coefficients = halves(self.exponent)
        return 2.0 ** (of_basis - of_coefficients)

    def data_inside(self, X: Any) -> Any:
        """X (m, n), an array or `BlockMatrix`, as it is computed with: itself in the unit 1, else a copy."""
        return X.scaled(-self.data) if is_out_of_core(X) else scaled(X, -self.data)

    def basis_inside(self, W: Any) -> Any:
        """W as it is computed with."""
        return scaled(W, -self.basis)

    def coefficients_inside(self, H: Any) -> Any:
        """H as it is computed with."""
        return scaled(H, -self.coefficients)

    def start_inside(self, init: Any) -> Any:
        """Given factors ``(W0, H0)`` as they are computed with; names of starts are theirs.

        Only their shape counts, so factors that are still far from 1 then are brought there.
        """
        if isinstance(init, str):
            return init
        W0, H0 = init
        return _near_one(W0, self.basis), _near_one(H0, self.coefficients)

    def shape_inside(self, column: Array) -> Array:
        """A column of a start as it is computed with, of which only the shape counts; see `start_inside`."""
        near: Array = _near_one(column, self.basis)
        return near


def halves(exponent: int) -> tuple[int, int]:
    """The exponents of W and H, whose sum this is."""
    return exponent // 2, exponent - exponent // 2


def is_extreme(exponent: int) -> bool:
    """Whether data of this exponent are scaled before they are computed with."""
    return abs(exponent) > WINDOW


def unit_of(largest: float) -> Unit:
    """The unit in which data with this largest value are computed with."""
    exponent = exponent_of(largest)
    return Unit(*halves(exponent)) if is_extreme(exponent) else Unit(exponent=exponent)


def unit_of_factors(X: Any, W: Array, H: Any) -> Unit:
    """The unit of data (m, n) beside factors that share it in any way.

    That of X; of the product of W and H where X is not here, or zero.
    """
    of_W, largest = exponent_of(_largest(W)), _largest(X) if isinstance(X, np.ndarray) else 0.0
    if largest > 0.0:
        exponent = exponent_of(largest)
    else:
        exponent = of_W + exponent_of(_largest(H)) if isinstance(H, np.ndarray) else 0
    return Unit(of_W, exponent - of_W) if is_extreme(exponent) else Unit()


def _largest(array: Array) -> float:
    return float(array.max()) if array.size else 0.0


def _near_one(factor: Any, exponent: int) -> Any:
    if not isinstance(factor, np.ndarray | list | tuple):
        return factor  # coefficients of a cluster
    array = np.asarray(factor)
    if array.dtype.kind not in "biuf" or array.size == 0:
        return factor  # which is refused later, in words
    size = exponent_of(float(array.max())) - exponent
    return scaled(array, -exponent - size if is_extreme(size) else -exponent)
