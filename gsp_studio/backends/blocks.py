"""Data that are never in memory as a whole: a matrix whose images are read some at a time, and kernels over it.

X enters an iteration only through sums over images (H X', H H', ||X||^2) and through what each image does by itself
(its coefficients). So a backend's kernels run on one block of images after another, and their sums are added; the next
block is read meanwhile. A part of the images is such a matrix again: each worker of a cluster runs this over its own
(`core.spread`), and the sums of the parts are added in the same way.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.backend import HALS_BLOCK, Array, Backend

#: Bytes of a block: enough work for all threads, little beside the factors.
_BLOCK_BYTES = 1 << 26


class Interrupted(Exception):
    """A pass over the data was given up between two blocks."""


class Elsewhere(ABC):
    """A matrix X (m, n), an image a column, that is no array here: what its kinds have in common.

    A kind says `where` its images are, and has `rows`.

    Parameters
    ----------
    shape : (m, n)
    dtype : numpy.dtype
        float32 or float64.
    """

    ndim = 2
    is_elsewhere = True
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

    def sample(self, most_bytes: int) -> Array:
        """Columns (m, k) spread over the whole, at least two, at most so many bytes of them."""
        m, n = self.shape
        count = max(2, min(n, most_bytes // max(1, m * self.dtype.itemsize)))
        return self[:, np.unique(np.linspace(0, n - 1, count).astype(int))]


class Streamed(Elsewhere):
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
    def images_of_block(self) -> int:
        """Images that are in memory at once, whole blocks of HALS; a pass holds two such blocks."""
        return max(1, _BLOCK_BYTES // max(1, self.shape[0] * self.dtype.itemsize) // HALS_BLOCK) * HALS_BLOCK

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

    def part(self, start: int, stop: int) -> Streamed:
        """The images start to stop as a matrix of their own, read from the same place."""
        m, n = self.shape
        of_source = self.source_bytes * (stop - start) // max(1, n)
        some = Streamed((m, stop - start), self.dtype, _Shifted(self._read, start), of_source)
        some._first = self._first + start
        return some

    def held(self) -> Held:
        """The same images, read once and kept in memory."""
        rows = np.empty(self.shape[::-1], self.dtype)
        for some, block in self.blocks():
            rows[some] = block
        return Held(rows, self._first)

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
        step = self.images_of_block
        # New memory for every block would cost more than what is written into it.
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

    @cached_property
    def squared_norm(self) -> float:
        """``||X||_F^2``, in float64; the first look at all values, which checks them.

        Raises
        ------
        ValueError
            Values that NMF cannot use.
        """
        total = 0.0
        for some, block in self.blocks():
            square = float(np.einsum("ij,ij->", block, block, dtype=np.float64))
            where = f"images {self._first + some.start + 1} to {self._first + some.stop}"
            if not np.isfinite(square):
                raise ValueError(f"{where} hold NaN or infinite values")
            if float(block.min()) < 0:
                raise ValueError(f"{where} have negative values; NMF needs values >= 0")
            total += square
        return total


class _Shifted:
    """Reads images by their numbers in a part."""

    def __init__(self, read: Callable[[int, int, Array], None], first: int) -> None:
        self._whole, self._first = read, first

    def __call__(self, start: int, stop: int, out: Array) -> None:
        self._whole(self._first + start, self._first + stop, out)


class Held(Streamed):
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

    def part(self, start: int, stop: int) -> Held:
        """As `Streamed.part`, a view."""
        return Held(self._rows[start:stop], self._first + start)

    def held(self) -> Held:
        """Itself."""
        return self

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """As `Streamed.blocks`; nothing is copied."""
        step = self.images_of_block
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
    """A `Streamed` matrix with an image a row, (n, m): what kernels and residuals take as ``X.T``."""

    T: Streamed


def prepared(X: Any, backend: Backend) -> tuple[Any, Backend]:
    """X as kernels take it, and the kernels that do.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64, or Streamed, or what brings its own kernels (`core.spread`)
    backend : Backend

    Returns
    -------
    Xt : ndarray (n, m) or Rows
        C-contiguous and read-only, as numba's kernels are compiled for; in place where every image is contiguous.
    backend : Backend
    """
    if isinstance(X, Streamed):
        return X.T, streaming(backend) if backend.remote is None else hosted(backend.remote.streamed())
    backend = hosted(backend)
    if hasattr(X, "kernels"):
        return X.T, X.kernels(backend)
    Xt = np.ascontiguousarray(X.T).view()
    Xt.flags.writeable = False
    return Xt, backend


def hosted(backend: Backend) -> Backend:
    """The kernels of a device for arrays of the host, which go there and come back in every call.

    For what is done once, or in parts that keep their coefficients on the host; a run keeps its arrays on the device.
    """
    remote = backend.remote
    if remote is None:
        return backend

    def through(kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            found = kernel(*(remote.put(arg) if isinstance(arg, np.ndarray) else arg for arg in args))
            if isinstance(found, tuple):
                return tuple(remote.get(part) for part in found)
            return found if isinstance(found, float) else remote.get(found)

        return call

    names = ("products", "sweep_coefficients", "descend_coefficients", "encode", "residual", "gradient_step")
    kernels: dict[str, Any] = {name: through(getattr(backend, name)) for name in names}
    return replace(backend, remote=None, **kernels)


def streaming(
    backend: Backend, blocks: Callable[[Rows], Iterator[tuple[slice, Any]]] = lambda Xt: Xt.T.blocks(), xp: Any = np
) -> Backend:
    """A backend whose kernels take `Rows` for Xt: the same kernels, one block of images after another.

    Parameters
    ----------
    backend : Backend
    blocks : Rows -> iterator of (slice, block)
        One pass over the images; of a device its own brings them there.
    xp : module
        Of the arrays: NumPy, or what a device has in its place.
    """

    def part(H: Any, some: slice) -> Any:
        return xp.ascontiguousarray(H[:, some])

    def products(Xt: Rows, H: Any) -> tuple[Any, Any]:
        total = Sums(len(H), Xt.shape[1], H.dtype, xp)
        for some, block in blocks(Xt):
            total.add(*backend.products(block, part(H, some)))
        return total.B, total.G

    def update(kernel: Callable[..., tuple[Any, Any, Any]], Xt: Rows, V: Any, H: Any, *rest: Any) -> Any:
        total, new = Sums(len(H), Xt.shape[1], H.dtype, xp), xp.empty_like(H)
        for some, block in blocks(Xt):
            new[:, some], B, G = kernel(block, V, part(H, some), *rest)
            total.add(B, G)
        return new, total.B, total.G

    def encode(Xt: Rows, V: Any) -> Any:
        out = xp.empty((len(V), len(Xt)), V.dtype)
        for some, block in blocks(Xt):
            out[:, some] = backend.encode(block, V)
        return out

    def residual(Xt: Rows, V: Any, H: Any) -> float:
        return sum(backend.residual(block, V, part(H, some)) for some, block in blocks(Xt))

    return replace(
        backend,
        products=products,  # type: ignore[arg-type]
        sweep_coefficients=lambda *args: update(backend.sweep_coefficients, *args),
        descend_coefficients=lambda *args: update(backend.descend_coefficients, *args),
        encode=encode,  # type: ignore[arg-type]
        residual=residual,  # type: ignore[arg-type]
    )


class Sums:
    """H X' (r, m) and H H' (r, r), summed in float64 over blocks and rounded once."""

    def __init__(self, r: int, m: int, dtype: Any, xp: Any = np) -> None:
        self._B, self._G, self._dtype = xp.zeros((r, m)), xp.zeros((r, r)), dtype

    def add(self, B: Any, G: Any) -> None:
        self._B += B
        self._G += G

    @property
    def B(self) -> Any:
        return self._B.astype(self._dtype)

    @property
    def G(self) -> Any:
        return self._G.astype(self._dtype)
