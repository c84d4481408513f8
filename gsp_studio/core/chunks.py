"""A dask.array as images that are computed some at a time, in whatever process asks; Dask itself is not imported."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from gsp_studio.backends.backend import Array
from gsp_studio.backends.blocks import BlockMatrix


def is_dask(X: Any) -> bool:
    """Whether X is a dask.array."""
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(X, module.Array)


def as_real_matrix(X: Any) -> Any:
    """A dask.array as float32 or float64.

    Raises
    ------
    ValueError
        A dask.array that is no matrix of real numbers, or whose chunks have no known sizes.
    """
    if X.ndim != 2 or X.dtype.kind not in "biuf":
        raise ValueError(f"X has shape {X.shape} of {X.dtype}; expected is a matrix (pixels, images) of real numbers")
    if any(np.isnan(size) for size in X.shape):
        raise ValueError("X has chunks of unknown sizes; X.compute_chunk_sizes() finds them")
    if 0 in X.shape:
        raise ValueError(f"X has shape {X.shape}; expected is a matrix (pixels, images) with at least one entry")
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)


def to_blocks(X: Any) -> BlockMatrix:
    """A dask.array as a matrix that is computed in blocks of images, in this process."""
    return BlockMatrix(X.shape, X.dtype, _Chunks(X))


class _Chunks:
    """Computes chunks of images; the last one is kept, as blocks may be smaller."""

    def __init__(self, X: Any) -> None:
        self._X = X
        self._ends = np.cumsum([width for width in X.chunks[1] if width])
        self._last: tuple[int, int, Array] | None = None

    def __call__(self, start: int, stop: int, out: Array) -> None:
        done = start
        while done < stop:
            first, end, rows = self._chunk_of(done)
            upto = min(stop, end)
            out[done - start : upto - start] = rows[done - first : upto - first]
            done = upto

    def _chunk_of(self, image: int) -> tuple[int, int, Array]:
        last = self._last
        if last is None or not last[0] <= image < last[1]:
            k = int(np.searchsorted(self._ends, image, side="right"))
            first, end = int(self._ends[k - 1]) if k else 0, int(self._ends[k])
            rows = self._X[:, first:end].T.compute(scheduler="threads")
            self._last = last = (first, end, np.asarray(rows))
        return last

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}
