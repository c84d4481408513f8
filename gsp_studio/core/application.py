"""A fixed basis applied to images that it was not found on: their coefficients, and the error of each.

By `encoding.encode`, as `SparseNMF.transform`; of many images some at a time, so that neither these nor their
coefficients are in memory as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array
from gsp_studio.backends import Backend, get_backend
from gsp_studio.backends.admission import as_real
from gsp_studio.backends.backend import as_compute_dtype, is_out_of_core
from gsp_studio.backends.summation import images_of_block
from gsp_studio.core.encoding import divergence_of, encode, of_coefficients
from gsp_studio.core.masking import apart, check_weights
from gsp_studio.core.matrix import backend_for
from gsp_studio.core.methods import METHODS
from gsp_studio.core.params import Params
from gsp_studio.core.residuals import lengths_left
from gsp_studio.core.validation import check_data

#: Entries of an array that are looked at together.
_ENTRIES = 1 << 23


@dataclass(frozen=True, eq=False)
class Application:
    """Coefficients of some images.

    Attributes
    ----------
    some : slice
        Which images.
    H : ndarray (r, k), >= 0
    left, lengths : ndarray (k,), float64
        ``||x_j - W h_j||`` and ``||x_j||`` over the entries that are there, in the data's unit; under the
        Kullback-Leibler loss that of each image, and its sum.
    is_least_squares : bool
        Which of these.
    """

    some: slice
    H: Array
    left: Array
    lengths: Array
    is_least_squares: bool = True

    @property
    def errors(self) -> Array:
        """`left` over `lengths` (k,), fractions; of a zero image 0 if it is fitted exactly, else infinity."""
        unfitted = np.where(self.left > 0.0, np.inf, 0.0)
        found: Array = np.divide(self.left, self.lengths, out=unfitted, where=self.lengths > 0.0)
        return found

    @property
    def totals(self) -> tuple[float, float]:
        """``||X - W H||_F`` and ``||X||_F`` of all of them, or the sums of losses and images."""
        total = _length if self.is_least_squares else _sum
        return total(self.left), total(self.lengths)

    @property
    def error(self) -> float:
        """The error of all of them, a fraction."""
        return quotient(*self.totals)


def quotient(left: float, of: float) -> float:
    """A residual as a fraction of what it is of; 0 where both are 0, infinity where that alone is."""
    return left / of if of > 0.0 else 0.0 if left == 0.0 else math.inf


def _length(parts: Array) -> float:
    largest = float(parts.max(initial=0.0)) or 1.0  # squares of very large ones overflow
    return largest * math.sqrt(float(np.square(parts / largest).sum()))


def _sum(parts: Array) -> float:
    return float(parts.sum())


def apply_basis(
    X: Any,
    W: npt.ArrayLike,
    params: Params | None = None,
    backend: str | Backend = "auto",
    mask: npt.ArrayLike | None = None,
    row_scale: Array | None = None,
) -> Application:
    """Coefficients of images in a fixed basis, and their errors.

    Parameters
    ----------
    X : array_like (m, n), >= 0, or BlockMatrix
        Pixels by images, as for `factorize`.
    W : array_like (m, r), >= 0
        The basis, of a run on other images for example.
    params : Params, optional
        Of the run that has found the basis: its `sparsity_h` and its loss hold for the coefficients. None: plain
        nonnegative least squares.
    backend : str or Backend
    mask : array_like (m, n) of bool or floating numbers, optional
        True where an entry is missing; or what entries count, from 0, missing, to 1.
    row_scale : ndarray (m,), optional
        What the pixels are divided by before squares are summed: `Result.gram.rows` of a run with `Params.poisson`.

    Returns
    -------
    Application
        Of all images.

    Raises
    ------
    ValueError
        Data, a basis or a mask that cannot be used.

    Examples
    --------
    >>> import numpy as np, gsp_studio as gs
    >>> X = np.random.default_rng(0).random((64, 100))
    >>> result = gs.factorize(X[:, :80], gs.Params(rank=5, sparsity=0.6, max_iter=20))
    >>> found = gs.apply_basis(X[:, 80:], result.W, result.params)
    >>> found.H.shape, found.errors.shape
    ((5, 20), (20,))
    """
    parts = list(applications(X, W, params, backend, mask, row_scale))
    H = np.concatenate([part.H for part in parts], axis=1)
    left, lengths = (np.concatenate([getattr(part, name) for part in parts]) for name in ("left", "lengths"))
    return Application(slice(0, H.shape[1]), H, left, lengths, parts[0].is_least_squares)


def applications(
    X: Any,
    W: npt.ArrayLike,
    params: Params | None = None,
    backend: str | Backend = "auto",
    mask: npt.ArrayLike | None = None,
    row_scale: Array | None = None,
) -> Iterator[Application]:
    """`apply_basis` of some images after others, in their order; all at once where they depend on each other.

    Parameters
    ----------
    X, W, params, backend, mask, row_scale
        As for `apply_basis`.

    Yields
    ------
    Application

    Raises
    ------
    ValueError
        Before the first images where that can be said, else when the images are read that cannot be used.
    """
    X, mask = apart(X, mask)
    X = as_compute_dtype(X)
    V = np.ascontiguousarray(_checked_basis(W, X).T)
    rows = None if row_scale is None else _checked_scale(row_scale, X)
    kept = None if params is None else of_coefficients(replace(params, rank=len(V)))
    if kept is not None:
        device = backend_for(kept, backend)
    else:
        device = get_backend(backend) if isinstance(backend, str) else backend
    missing, weights = (None, None) if mask is None else check_weights(mask, X.shape)
    if is_out_of_core(X):
        for what, is_given in (
            ("a mask", missing is not None),
            ("sparsity_h", kept is not None and kept.sparsity_h is not None),
        ):
            if is_given:
                raise ValueError(f"{what} needs the images in memory; these are in their file")
    elif missing is not None:
        X = np.where(missing, X.dtype.type(0), X)
    if not is_out_of_core(X):
        check_data(X, may_be_zero=True)
    return _in_parts(X, V, device, kept, rows, missing, weights)


def _in_parts(
    X: Any,
    V: Array,
    device: Backend,
    params: Params | None,
    rows: Array | None,
    missing: Array | None,
    weights: Array | None,
) -> Iterator[Application]:
    V = V if rows is None else V / rows
    is_least_squares = params is None or METHODS[params.method].is_least_squares
    for some, images in _parts(X, params is not None and params.sparsity_h is not None):
        counted = [None if part is None else part[:, some] for part in (missing, weights)]
        if rows is not None:
            images = np.asfortranarray(images / rows[:, None])
        H, _ = encode(images, V, device, params, *counted)
        if is_least_squares:
            found = lengths_left(images, V.T, H, *counted)
        else:
            found = divergence_of(images, counted[0], device, counted[1]).of_images(V, H)
        yield Application(some, H, *found, is_least_squares)


def _parts(X: Any, is_one: bool) -> Iterator[tuple[slice, Array]]:
    """Images (m, k) some at a time, whole blocks of the sums over images."""
    m, n = X.shape
    if is_out_of_core(X):
        for some, rows in X.blocks():
            check_data(rows.T, may_be_zero=True)
            yield some, rows.T
        return
    step = images_of_block(m, X.dtype)
    step *= max(1, _ENTRIES // (m * step))
    for a in range(0, n, n if is_one else step):
        some = slice(a, n if is_one else min(n, a + step))
        yield some, X[:, some]


def _checked_basis(W: npt.ArrayLike, X: Any) -> Array:
    W = np.asarray(as_real(W, "W"), X.dtype)
    if X.ndim != 2 or W.ndim != 2 or W.shape[0] != X.shape[0] or not W.shape[1]:
        raise ValueError(f"W has shape {W.shape} and X {X.shape}; accepted is a basis (m, r) for images (m, n)")
    if not np.isfinite(W).all() or W.min() < 0:
        raise ValueError("W holds negative or non-finite values; accepted are finite values >= 0")
    return W


def _checked_scale(row_scale: Array, X: Any) -> Array:
    rows = np.asarray(as_real(row_scale, "row_scale"), X.dtype)
    if rows.shape != X.shape[:1] or not np.isfinite(rows).all() or rows.min() <= 0:
        raise ValueError(f"row_scale has shape {rows.shape}; accepted are {X.shape[0]} finite values > 0")
    return rows
