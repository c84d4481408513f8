"""Arrays that stay in their file, of which some images are read at a time.

Sliced along the axis of its images like an ndarray. It is a path and a shape: another process on the same files opens
it for itself, and a file is opened when the first values are wanted.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array

#: (axis, start, stop) -> the values between these along that axis
Read = Callable[[int, int, int], Array]


class LazyArray:
    """An array in a file.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    open_file : () -> (read, close)
        Module-level functions and partials of these, so that they can go to another process.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike, open_file: Callable[[], tuple[Read, Callable[[], object]]]
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.open_file = open_file
        self._opened: tuple[Read, Callable[[], object]] | None = None
        self._lock = threading.Lock()

    @property
    def ndim(self) -> int:
        """Axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        """A slice or indices along the first axis, or along the last one: ``a[i]``, ``a[:, i]``, ``a[..., i]``."""
        axis, chosen = (len(self.shape) - 1, key[1]) if isinstance(key, tuple) else (0, key)
        numbers = np.arange(self.shape[axis])[chosen]
        if not numbers.ndim:  # one place, without its axis
            one: Array = self[(..., slice(numbers, numbers + 1)) if axis else slice(numbers, numbers + 1)]
            return np.squeeze(one, axis)
        if not len(numbers):
            return np.empty((*self.shape[:axis], 0, *self.shape[axis + 1 :]), self.dtype)
        with self._lock:
            if self._opened is None:
                self._opened = self.open_file()
            read = self._opened[0]
            if np.all(np.diff(numbers) == 1):
                return read(axis, int(numbers[0]), int(numbers[-1]) + 1)
            return self._scattered(read, axis, numbers)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _scattered(self, read: Read, axis: int, numbers: Array) -> Array:
        """Values at some places of an axis, in any order."""
        return read_runs(read, axis, numbers)

    def laid_out(self, axes: tuple[int, ...]) -> LazyArray:
        """The same values with their axes in another order, see `laid_out`."""
        if axes == tuple(range(self.ndim)):
            return self
        shape = tuple(1 if a < 0 else self.shape[a] for a in axes)
        return LazyArray(shape, self.dtype, partial(_open_laid_out, self.open_file, self.shape, axes))

    def __reduce__(self) -> tuple[Any, ...]:
        return LazyArray, (self.shape, self.dtype, self.open_file)

    def __del__(self) -> None:
        if getattr(self, "_opened", None) is not None:
            self._opened[1]()  # type: ignore[index]


def read_runs(read: Read, axis: int, numbers: Array) -> Array:
    """Values at some places of an axis, in any order, by a read for each run of them."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return np.concatenate([read(axis, int(run[0]), int(run[-1]) + 1) for run in runs], axis=axis)


def between(axis: int, start: int, stop: int, ndim: int) -> tuple[slice, ...]:
    """An index for values between these along an axis."""
    return tuple(slice(start, stop) if k == axis else slice(None) for k in range(ndim))


def laid_out(values: Any, axes: tuple[int, ...]) -> Any:
    """An array with its axes in this order: a view, or a `LazyArray` of the same file.

    Parameters
    ----------
    values : ndarray or LazyArray
    axes : tuple of int
        Those of `values`; -1 is a new one of length 1. Axes of length 1 may be left out.

    Raises
    ------
    ValueError
        An axis that is left out is longer than 1.
    """
    if isinstance(values, LazyArray):
        return values.laid_out(axes)
    kept = [a for a in axes if a >= 0]
    others = [a for a in range(values.ndim) if a not in kept]
    moved = np.squeeze(values.transpose(*kept, *others), axis=tuple(range(len(kept), values.ndim)))
    return moved[np.newaxis] if axes[0] < 0 else moved


def _open_laid_out(
    open_file: Callable[[], tuple[Read, Callable[[], object]]], shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[Read, Callable[[], object]]:
    read, close = open_file()

    def read_laid_out(axis: int, start: int, stop: int) -> Array:
        if axes[axis] < 0:
            whole: Array = laid_out(read(axes[1], 0, shape[axes[1]]), axes)
            return whole[start:stop]
        part: Array = laid_out(read(axes[axis], start, stop), axes)
        return part

    return read_laid_out, close
