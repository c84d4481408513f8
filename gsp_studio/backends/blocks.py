"""Data that are never in memory as a whole: a matrix whose images are read some at a time, the next ones meanwhile.

A part of the images is such a matrix again: each worker of a cluster has its own (`core.distributed.matrix`). The
kernels over them are in `kernels`.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.backend import Array
from gsp_studio.backends.powers import scale_in_place
from gsp_studio.backends.summation import images_of_block, squared_norms_of_blocks, tree_sum

#: Bytes of the images that are in memory at once, at most: enough work for all threads, little beside the factors.
_BYTES_AT_ONCE = 1 << 26


class Interrupted(Exception):
    """A pass over the data was given up between two blocks."""


class OutOfCoreMatrix(ABC):
    """A matrix X (m, n), an image a column, that is no array in memory: the base of its kinds.

    A kind says `where` its images are, and has `rows`.

    Parameters
    ----------
    shape : (m, n)
    dtype : numpy.dtype
        float32 or float64.
    """

    ndim = 2
    is_out_of_core = True
    keeps_coefficients = False
    where: str
    T: Any

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._check: Callable[[], bool] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise TypeError(f"these images are {self.where}; take columns of them, X[:, 0:100]")

    @property
    def size(self) -> int:
        """Entries."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that it would take in memory."""
        return self.size * self.dtype.itemsize

    def __getitem__(self, key: Any) -> Array:
        """Columns: ``X[:, j]`` (m,), ``X[:, a:b]`` and ``X[:, indices]`` (m, k); pixels cannot be chosen."""
        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (None, None)
        if not (isinstance(rows, slice) and rows == slice(None)):
            raise TypeError(f"of images {self.where} whole columns can be taken: X[:, j], X[:, a:b], X[:, indices]")
        return self.rows(columns).T

    @abstractmethod
    def rows(self, key: Any) -> Array:
        """Images as rows: an int gives (m,), a slice or indices (k, m)."""

    def watched(self, is_unwanted: Callable[[], bool] | None) -> Self:
        """The same data, whose passes end with `Interrupted` when that says so; None: never."""
        other = copy.copy(self)
        other._check = is_unwanted
        return other


#: The data of a solver (m, n), an image a column.
Matrix = Array | OutOfCoreMatrix


class BlockMatrix(OutOfCoreMatrix):
    """A matrix X (m, n), an image a column, that is read in blocks of images.

    It is taken where an ndarray X is: by `iterate`, `factorize` and `residuals`.

    Parameters
    ----------
    shape : (m, n)
    dtype : numpy.dtype
        float32 or float64.
    read : (start, stop, out) -> None
        Writes these images into out (stop - start, m), an image a row, C-contiguous, of `dtype`; called from any
        thread.
    source_bytes : int, optional
        Bytes that the images take where they lie; by default what they would take here.
    """

    where = "read from their file some at a time"

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: npt.DTypeLike,
        read: Callable[[int, int, Array], None],
        source_bytes: int | None = None,
    ) -> None:
        super().__init__(shape, dtype)
        self._read = read
        self._first = 0  # of what this is a part of, for words
        self.source_bytes = self.nbytes if source_bytes is None else source_bytes

    @property
    def images_at_once(self) -> int:
        """Images that are in memory at once, a node of the tree of sums; a pass holds twice as many."""
        m = self.shape[0]
        step = images_of_block(m, self.dtype)
        while 2 * step * m * self.dtype.itemsize <= _BYTES_AT_ONCE:
            step *= 2
        return step

    @property
    def T(self) -> Rows:
        """The images as rows."""
        return Rows(self)

    def rows(self, key: Any) -> Array:
        """Images as rows: an int gives (m,), a slice or indices (k, m)."""
        n = self.shape[1]
        if isinstance(key, slice):
            start, stop, step = key.indices(n)
            if step == 1:
                some = np.empty((max(0, stop - start), self.shape[0]), self.dtype)
                self._read(start, start + len(some), some)
                return some
            key = np.arange(start, stop, step)
        chosen = np.asarray(key)
        if chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        chosen = np.where(chosen < 0, chosen + n, chosen)
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < n:
            raise IndexError(f"there is no such image; accepted are 0 to {n - 1}")
        if chosen.ndim == 0:
            one: Array = self.rows(slice(int(chosen), int(chosen) + 1))[0]
            return one
        out = np.empty((len(chosen), self.shape[0]), self.dtype)
        for k, j in enumerate(chosen):
            self._read(int(j), int(j) + 1, out[k : k + 1])
        return out

    def part(self, start: int, stop: int) -> BlockMatrix:
        """The images start to stop as a matrix of their own, read from the same place."""
        m, n = self.shape
        of_source = self.source_bytes * (stop - start) // max(1, n)
        some = BlockMatrix((m, stop - start), self.dtype, _OffsetReader(self._read, start), of_source)
        some._first = self._first + start
        return some

    def held(self) -> InMemoryBlocks:
        """The same images, read once and kept in memory."""
        rows = np.empty(self.shape[::-1], self.dtype)
        for some, block in self.blocks():
            rows[some] = block
        return InMemoryBlocks(rows, self._first)

    def scaled(self, exponent: int) -> BlockMatrix:
        """The same images times ``2**exponent``, which they are multiplied by as they are read."""
        if exponent == 0:
            return self
        some = BlockMatrix(self.shape, self.dtype, _ScaledReader(self._read, exponent), self.source_bytes)
        some._first, some._check = self._first, self._check
        return some

    def __getstate__(self) -> dict[str, Any]:
        # Another process is not watched from here.
        return {**self.__dict__, "_check": None}

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """One pass: blocks of images as rows (k, m), read-only, and which they are; the next is read ahead.

        A block is good until the next one is asked for: its memory is used again.

        Raises
        ------
        Interrupted
        """
        from concurrent.futures import ThreadPoolExecutor  # not while the window is on its way

        m, n = self.shape
        step = self.images_at_once
        # New memory for every block would cost more than writing into it.
        two = [np.empty((min(n, step), m), self.dtype) for _ in range(2)]
        with ThreadPoolExecutor(1, "gsp-read") as reader:
            ahead = reader.submit(self._read, 0, min(n, step), two[0])
            for k, start in enumerate(range(0, n, step)):
                stop = min(n, start + step)
                ahead.result()
                if stop < n:
                    after = min(n, stop + step)
                    ahead = reader.submit(self._read, stop, after, two[(k + 1) % 2][: after - stop])
                if self._check is not None and self._check():
                    raise Interrupted
                block = two[k % 2][: stop - start].view()
                block.flags.writeable = False  # as numba's kernels are compiled for
                yield slice(start, stop), block

    @property
    def squared_norm(self) -> float:
        """``||X||_F^2``, in float64: infinite or 0 where values are so large or small that their squares are.

        Raises
        ------
        ValueError
            As `largest`.
        """
        return self._seen[0]

    @property
    def largest(self) -> float:
        """The largest value.

        Raises
        ------
        ValueError
            Values that NMF cannot use.
        """
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[float, float]:
        """Squared norm and largest value: the first look at all values, which checks them."""
        found, largest = [], 0.0
        for some, block in self.blocks():
            low, high = float(block.min()), float(block.max())
            where = f"images {self._first + some.start + 1} to {self._first + some.stop}"
            if not (math.isfinite(low) and math.isfinite(high)):
                raise ValueError(f"{where} hold NaN or infinite values")
            if low < 0:
                raise ValueError(f"{where} have negative values; NMF needs values >= 0")
            with np.errstate(over="ignore", under="ignore"):
                found.append(squared_norms_of_blocks(block))
            largest = max(largest, high)
        with np.errstate(over="ignore"):
            return float(tree_sum(np.concatenate(found))), largest


class _ScaledReader:
    """Reads images times a power of two."""

    def __init__(self, read: Callable[[int, int, Array], None], exponent: int) -> None:
        self._plain, self._exponent = read, exponent

    def __call__(self, start: int, stop: int, out: Array) -> None:
        self._plain(start, stop, out)
        scale_in_place(out, self._exponent)


class _OffsetReader:
    """Reads images by their numbers in a part."""

    def __init__(self, read: Callable[[int, int, Array], None], first: int) -> None:
        self._whole, self._first = read, first

    def __call__(self, start: int, stop: int, out: Array) -> None:
        self._whole(self._first + start, self._first + stop, out)


class InMemoryBlocks(BlockMatrix):
    """Images that are in memory, gone through in blocks as if they were not: a pass can be given up, as others can.

    Parameters
    ----------
    rows : ndarray (n, m), float32 or float64, C-contiguous
        Not written to.
    first : int
        The number of the first one in what they are a part of.
    """

    def __init__(self, rows: Array, first: int = 0) -> None:
        super().__init__((rows.shape[1], rows.shape[0]), rows.dtype, self._copy)
        self._rows = rows.view()
        self._rows.flags.writeable = False  # as numba's kernels are compiled for
        self._first = first

    def _copy(self, start: int, stop: int, out: Array) -> None:
        out[:] = self._rows[start:stop]

    def __getstate__(self) -> dict[str, Any]:
        return {"rows": self._rows, "first": self._first}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def part(self, start: int, stop: int) -> InMemoryBlocks:
        """As `BlockMatrix.part`, a view."""
        return InMemoryBlocks(self._rows[start:stop], self._first + start)

    def held(self) -> InMemoryBlocks:
        """Itself."""
        return self

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """As `BlockMatrix.blocks`; nothing is copied."""
        step = self.images_at_once
        for start in range(0, self.shape[1], step):
            if self._check is not None and self._check():
                raise Interrupted
            stop = min(self.shape[1], start + step)
            yield slice(start, stop), self._rows[start:stop]


class ImagesAsRows:
    """A matrix that is elsewhere with an image a row, (n, m)."""

    ndim = 2

    def __init__(self, X: Any) -> None:
        self.T = X
        self.shape: tuple[int, int] = X.shape[::-1]
        self.dtype, self.size = X.dtype, X.size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        found: Array = self.T.rows(key)
        return found


class Rows(ImagesAsRows):
    """A `BlockMatrix` with an image a row, (n, m), as kernels and residuals take it."""

    T: BlockMatrix
