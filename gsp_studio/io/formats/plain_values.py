"""Values that lie plainly in a file, at even steps: parts of them are read, never mapped.

A memory map of a file that shrinks meanwhile ends the process (SIGBUS), and its pages count as memory of the process.
Here a file that has become shorter is a DatasetError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.lazy_array import LazyArray, Read

#: Bytes that are read at once where wanted and unwanted values take turns.
_PIECE = 1 << 20
#: Unwanted bytes between two wanted ones that are read faster than skipped.
_GAP = 1 << 12


class PlainArray(LazyArray):
    """An array of a file, sliced along one axis as `LazyArray` is.

    Parameters
    ----------
    path : Path
    dtype : numpy.dtype
        With its byte order.
    offset : int
        Bytes before the first value.
    shape : tuple of int
    strides : tuple of int
        Bytes from one value to the next along each axis, > 0, and no two values in the same place.

    Raises
    ------
    DatasetError
        When values are read that the file does not have any more.
    """

    def __init__(
        self, path: Path, dtype: npt.DTypeLike, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        self._place = (path, np.dtype(dtype), offset, shape, strides)
        super().__init__(shape, dtype, partial(_open, *self._place))

    @property
    def path(self) -> Path:
        """The file."""
        return self._place[0]

    @property
    def end(self) -> int:
        """Bytes that the file has to have."""
        _, dtype, offset, shape, strides = self._place
        return offset + _span(shape, strides, dtype.itemsize)

    def is_outermost(self, axis: int) -> bool:
        """Whether the slices along an axis follow each other in the file, each in one piece."""
        *_, strides = self._place
        return strides[axis] == max(strides)

    def laid_out(self, axes: tuple[int, ...]) -> PlainArray:
        """The same values with their axes in this order; -1 is a new one of length 1, such may be left out.

        Raises
        ------
        ValueError
            An axis that is left out is longer than 1.
        """
        if axes == tuple(range(self.ndim)):
            return self
        path, dtype, offset, shape, strides = self._place
        if any(n != 1 for k, n in enumerate(shape) if k not in axes):
            raise ValueError(f"axes {axes} leave out more than axes of length 1 of {shape}")
        sizes = tuple(1 if k < 0 else shape[k] for k in axes)
        return PlainArray(path, dtype, offset, sizes, tuple(max(strides) if k < 0 else strides[k] for k in axes))

    def __reduce__(self) -> tuple[Any, ...]:
        return PlainArray, self._place

    def _scattered(self, read: Read, axis: int, numbers: Array) -> Array:
        """Values at some places of an axis; one pass over the file where they lie close together."""
        *_, shape, strides = self._place
        outer = max((k for k in range(self.ndim) if k != axis), key=lambda k: strides[k])
        low, high = int(numbers.min()), int(numbers.max()) + 1
        cover = (high - low) * strides[axis]
        if strides[outer] < strides[axis] or cover > 2 * len(numbers) * _GAP:
            return super()._scattered(read, axis, numbers)
        path, dtype, offset, *_ = self._place
        found = np.empty([len(numbers) if k == axis else n for k, n in enumerate(shape)], dtype)
        step = max(1, 16 * _PIECE // strides[outer])
        for start in range(0, shape[outer], step):
            stop = min(shape[outer], start + step)
            part = tuple(stop - start if k == outer else n for k, n in enumerate(shape))
            some = PlainArray(path, dtype, offset + start * strides[outer], part, strides)[
                (slice(None), slice(low, high)) if axis else slice(low, high)
            ]
            at = tuple(slice(start, stop) if k == outer else slice(None) for k in range(self.ndim))
            found[at] = np.take(some, numbers - low, axis)
        return found


def plain_strides(shape: tuple[int, ...], dtype: np.dtype[Any], is_fortran: bool = False) -> tuple[int, ...]:
    """Strides, in bytes, of values that follow each other without gaps; of Fortran the first axis varies fastest."""
    sizes = [max(1, n) for n in (shape if is_fortran else shape[::-1])]
    strides = [dtype.itemsize * math.prod(sizes[:k]) for k in range(len(sizes))]
    return tuple(strides if is_fortran else strides[::-1])


def _open(
    path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[Read, Callable[[], object]]:
    file = path.open("rb", buffering=0)
    order = sorted(range(len(shape)), key=lambda k: strides[k], reverse=True)

    def read(axis: int, start: int, stop: int) -> Array:
        sizes = [stop - start if k == axis else shape[k] for k in order]
        found = np.empty(sizes, dtype)
        if found.size:
            _fill(file, path, found, offset + start * strides[axis], [strides[k] for k in order])
        return found.transpose(np.argsort(order))

    return read, file.close


def _span(shape: tuple[int, ...], strides: Any, itemsize: int) -> int:
    return sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + itemsize if math.prod(shape) else 0


def _fill(file: IO[bytes], path: Path, out: Array, begin: int, strides: list[int]) -> None:
    """Read values into `out`, C-contiguous, the axis of the longest steps first."""
    span = _span(out.shape, strides, out.dtype.itemsize)
    if span == out.nbytes:
        _read_into(file, path, begin, memoryview(out.reshape(-1).view(np.uint8)))  # type: ignore[arg-type]
        return
    if len(out) == 1:
        _fill(file, path, out[0], begin, strides[1:])
        return
    gap = strides[0] - _span(out.shape[1:], strides[1:], out.dtype.itemsize)
    if span <= _PIECE and gap <= _GAP:
        piece = bytearray(span)
        _read_into(file, path, begin, memoryview(piece))
        out[...] = np.ndarray(out.shape, out.dtype, piece, 0, tuple(strides))
        return
    if gap > _GAP and out[0].nbytes == strides[0] - gap:
        view, count = memoryview(out.reshape(-1).view(np.uint8)), out[0].nbytes  # type: ignore[arg-type]
        for k in range(len(out)):
            _read_into(file, path, begin + k * strides[0], view[k * count : (k + 1) * count])
        return
    many = max(1, _PIECE // strides[0]) if gap <= _GAP else 1
    for start in range(0, len(out), many):
        at = begin + start * strides[0]
        if many == 1 and out.ndim > 1:
            _fill(file, path, out[start], at, strides[1:])
        else:
            _fill(file, path, out[start : start + many], at, strides)


def _read_into(file: IO[bytes], path: Path, begin: int, view: memoryview) -> None:
    file.seek(begin)
    done = file.readinto(view)  # type: ignore[attr-defined]
    while done < len(view):  # the system hands out at most 2 GiB at a time
        got = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise DatasetError(f"{path} has changed since it was looked into; open it again")
        done += got
