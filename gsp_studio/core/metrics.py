"""Errors of a factorization from its Gram form, in float64.

``||X - W H||^2 = ||X||^2 - 2 <W, X H'> + <H H', W'W>`` costs O(m r^2) however many images there are. The three terms
nearly cancel when the fit is very good; `GramError.is_accurate` says when the difference still has digits left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.backends.blocks import Rows
from gsp_studio.backends.data_access import blocks_of
from gsp_studio.backends.summation import (
    block_slices,
    fold,
    inner_product,
    squared_norms,
    squared_norms_of_blocks,
    tree_sum,
)
from gsp_studio.backends.summation import self_product as self_product
from gsp_studio.core.units import Unit


def squared_norm(X: Any) -> float:
    """``||X||_F^2``, accumulated in float64 in the one order of `summation`.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64, or BlockMatrix, or DistributedMatrix
        Any memory order.

    Returns
    -------
    float
    """
    if is_out_of_core(X):
        return float(X.squared_norm)
    return float(tree_sum(squared_norms_of_blocks(X.T)))


def mean_image(X: Any) -> Array:
    """The mean of all images.

    Parameters
    ----------
    X : ndarray (m, n), or BlockMatrix

    Returns
    -------
    ndarray (m,), the type of X
    """
    m, n = X.shape
    of_blocks = (
        rows[some].sum(axis=0, dtype=np.float64)
        for _, rows in blocks_of(X)
        for _, some in block_slices(m, len(rows), X.dtype)
    )
    mean: Array = (fold(of_blocks) / n).astype(X.dtype)
    return mean


def squared_norms_of_images(Xt: Any) -> Array:
    """``||x_j||^2`` of images in rows (n, m), float64; of streamed ones in one pass."""
    if isinstance(Xt, Rows):
        return np.concatenate([squared_norms(block) for _, block in Xt.T.blocks()])
    return squared_norms(Xt)


@dataclass(frozen=True, eq=False)
class GramError:
    """The error of any basis against fixed coefficients, without X.

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
    unit : Unit
        In which all of these are: of data of extreme size they would leave the range of their type otherwise. The
        bases that methods take are in the data's unit.
    measure : callable, optional
        The error of a basis where that is no relative residual but another loss, see `methods.Method.loss`.
    rows : ndarray (m,), optional
        What the pixels of X, and so those of a basis, are divided by here (`core.scaling`).
    """

    A: Array
    G: Array
    x_norm2: float
    of: float | None = None
    unit: Unit = field(default_factory=Unit)
    measure: Callable[[Array], float] | None = None
    rows: Array | None = None

    def squared_residual(self, W: Array, own: Array | None = None) -> float:
        """``||X - W H||_F^2`` in `unit`, for a basis W (m, r), as the difference of the Gram form: may be below zero.

        `own` is ``W'W`` as `self_product` gives it, where the caller has it already.
        """
        if self.unit.basis:
            W, own = self.unit.basis_inside(W), None  # its squares may have left the range
        if self.rows is not None:
            W, own = W / self.rows[:, None], None
        own = self_product(W) if own is None else own
        return self.x_norm2 - 2.0 * inner_product(W, self.A) + float(np.vdot(own, self.G.astype(np.float64)))

    def relative_error(self, W: Array, own: Array | None = None) -> float:
        """``||X - W H||_F / ||X||_F`` as a fraction, for a basis W (m, r) and the coefficients behind A and G.

        Parameters
        ----------
        W : ndarray (m, r)
        own : ndarray (r, r), optional
            As for `squared_residual`.

        Returns
        -------
        float
            0 for X = 0 fitted exactly. Digits below the rounding of A are lost: see `is_accurate`. Of another loss than
            least squares that loss, as `measure` has it.
        """
        if self.measure is not None:
            return self.measure(W)
        return self.relative(self.squared_residual(W, own))

    def length_of(self, squared_residual: float) -> float:
        """The root of a squared residual, ``||X - W H||_F``, in the data's unit; infinite if no number is so large."""
        with np.errstate(over="ignore"):
            return float(np.ldexp(math.sqrt(max(0.0, squared_residual)), self.unit.data))

    def relative(self, squared_residual: float) -> float:
        """Convert a squared residual to a relative error."""
        return relative(squared_residual, self.x_norm2 if self.of is None else self.of)

    def is_accurate(self, squared_residual: float) -> bool:
        """Whether a squared residual from the Gram form still has about two digits after the cancellation."""
        return squared_residual > 1e3 * float(np.finfo(self.A.dtype).eps) * self.x_norm2


def unknown_error(W: Array) -> float:
    """Error of a basis where its data are not at hand: NaN."""
    return math.nan


def relative(squared_residual: float, x_norm2: float) -> float:
    """``sqrt(max(0, squared_residual) / x_norm2)``; 0 for a zero X that is fitted exactly, else infinity.

    NaN where the residual is no number, which is not a fit without error.
    """
    if math.isnan(squared_residual):
        return math.nan
    if x_norm2 == 0.0:
        return 0.0 if squared_residual <= 0.0 else math.inf
    return math.sqrt(max(0.0, squared_residual) / x_norm2)


def largest(values: Array, count: int) -> Array:
    """Return the places of the `count` largest values (n,), the largest first; of equal ones the first come first."""
    count = min(count, len(values))
    if count < 1:
        return np.zeros(0, np.intp)
    least = np.partition(values, -count)[-count]
    above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
    places = np.concatenate([above, equal[: count - len(above)]])
    found: Array = places[np.argsort(-values[places], kind="stable")]
    return found
