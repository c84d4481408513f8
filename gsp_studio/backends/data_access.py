"""Operations on the data X of a solver that mean the same wherever X lies: in memory, in a file, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gsp_studio.backends.backend import Array, is_out_of_core


def keeps_coefficients(X: Any) -> bool:
    """Whether the coefficients H of a run stay where the images are: on a cluster (`DistributedMatrix`)."""
    return bool(getattr(X, "keeps_coefficients", False))


def watched(X: Any, is_unwanted: Callable[[], bool] | None) -> Any:
    """The same data, whose passes end with `Interrupted` when that says so; an array, which takes none, as it is."""
    return X.watched(is_unwanted) if is_out_of_core(X) else X


def sample(X: Any, most_bytes: int) -> Any:
    """Images spread over the whole, at least two.

    Parameters
    ----------
    X : ndarray (m, n), or OutOfCoreMatrix
    most_bytes : int
        Of the images that are taken.

    Returns
    -------
    ndarray (m, k)
        In Fortran order; X itself where it is an array of no more bytes.
    """
    if not is_out_of_core(X) and X.nbytes <= most_bytes:
        return X
    m, n = X.shape
    return np.asfortranarray(X[:, spread_over(n, most_bytes // max(1, m * X.dtype.itemsize))])


def spread_over(n: int, count: int) -> Array:
    """The numbers of `count` of n images, at least two, at equal distances."""
    return np.unique(np.linspace(0, n - 1, max(2, min(n, count))).astype(int))


def blocks_of(X: Any) -> Iterator[tuple[slice, Array]]:
    """One pass over X (m, n): images as rows (k, m), and which they are; all of an array at once."""
    return X.blocks() if is_out_of_core(X) else iter([(slice(0, X.shape[1]), X.T)])
