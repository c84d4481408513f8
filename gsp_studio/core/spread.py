"""Images in parts on several machines: W travels to them, sums over images come back, coefficients stay.

A `Spread` matrix is taken where an ndarray X is; its coefficients are a `Coefficients`, which a run hands on like an
array. What carries orders to the parts is not known here: `core.cluster` does it by Dask. A part that is lost is made
again where there is room, its images read again and their coefficients fitted to the last basis.
"""

from __future__ import annotations

import copy
import itertools
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.backend import Array, Backend
from gsp_studio.backends.blocks import Interrupted, Sums
from gsp_studio.core import parts
from gsp_studio.core.parts import Order, Part, Unknown, Work
from gsp_studio.core.updates import largest_eigenvalue
from gsp_studio.core.workers import ClusterError, Lost, Traffic, Workers

#: Times that a part is made again within one round before it is given up.
_ATTEMPTS = 3
#: HALS sweeps, at most, that fit the coefficients of images whose part was lost, and what they move at least.
_SWEEPS, _MOVES = 200, 1e-3
#: Bytes of coefficients that are fetched at once where they are gone through.
_FETCHED = 1 << 26


class Spread:
    """A matrix X (m, n), an image a column, in parts on several machines.

    Parameters
    ----------
    shape : (m, n)
    dtype : numpy.dtype
        float32 or float64.
    workers : Workers
    """

    ndim = 2
    is_elsewhere = True

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike, workers: Workers) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.workers = workers
        self.traffic = Traffic()
        self._numbers = itertools.count()
        self._dropped: deque[int] = deque()
        self._is_unwanted: Callable[[], bool] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise TypeError("these images are on other machines; take columns of them, X[:, 0:100]")

    @property
    def size(self) -> int:
        """Entries."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that it would take in memory."""
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> SpreadRows:
        """The images as rows."""
        return SpreadRows(self)

    def __getitem__(self, key: Any) -> Array:
        """Columns: ``X[:, j]`` (m,), ``X[:, a:b]`` and ``X[:, indices]`` (m, k); pixels cannot be chosen."""
        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (None, None)
        if not (isinstance(rows, slice) and rows == slice(None)):
            raise TypeError("of a matrix in parts whole columns can be taken: X[:, j], X[:, a:b], X[:, indices]")
        return self.T[columns].T

    def watched(self, is_unwanted: Callable[[], bool]) -> Spread:
        """The same data, whose passes end with `Interrupted` when that says so."""
        other = copy.copy(self)
        other._is_unwanted = is_unwanted
        return other

    @cached_property
    def squared_norm(self) -> float:
        """As `Streamed.squared_norm`: the first look at all values, which checks them."""
        return float(sum(self.each(parts.norm2)))

    def sample(self, most_bytes: int) -> Array:
        """As `Streamed.sample`."""
        m, n = self.shape
        count = max(2, min(n, most_bytes // max(1, m * self.dtype.itemsize)))
        return self[:, np.unique(np.linspace(0, n - 1, count).astype(int))]

    def uniform(self, seed: int, skipped: int, rank: int) -> Coefficients:
        """Uniform coefficients, those that ``default_rng(seed)`` draws after `skipped` numbers, made by the parts."""
        recipe = _Recipe(parts.uniform, (seed, skipped, rank, self.shape[1]))
        return self.made(recipe.work, *recipe.args, rank=rank, recipe=recipe)[1]

    def given(self, H: Array) -> Coefficients:
        """These coefficients, each part's sent to it."""
        each = [(H[:, some],) for some in self.workers.spans]
        return self.made(parts.given, each=each, rank=len(H), recipe=_Recipe(parts.given, (), H))[1]

    def kernels(self, backend: Backend) -> Backend:
        """The backend whose kernels that touch X or H are done by the parts; all others stay as they are."""

        def summed(work: Work, V: Array, H: Coefficients, *args: Any, **more: Any) -> Any:
            answers, new = self.made(work, V, *args, of=H, rank=len(V), recipe=_swept(V))
            return new, *self._sums(answers, len(V))

        return replace(
            backend,
            device=self.workers.device,
            products=lambda Xt, H: self._sums(self.each(parts.products, of=H), len(H)),  # type: ignore[arg-type]
            sweep_coefficients=lambda Xt, V, H, *args: summed(parts.sweep, V, H, *args),
            descend_coefficients=lambda Xt, V, H, *args: summed(parts.descend, V, H, *args),
            encode=lambda Xt, V: np.hstack(self.each(parts.encode, V)),
            residual=lambda Xt, V, H: float(sum(self.each(parts.residual, V, of=H))),  # type: ignore[arg-type]
        )

    def _sums(self, answers: list[tuple[Array, Array]], r: int) -> tuple[Array, Array]:
        total = Sums(r, self.shape[0], self.dtype)
        for B, G in answers:
            total.add(B, G)
        return total.B, total.G

    def made(
        self,
        work: Work,
        *args: Any,
        of: Coefficients | None = None,
        rank: int,
        recipe: _Recipe,
        each: Sequence[tuple[Any, ...]] | None = None,
    ) -> tuple[list[Any], Coefficients]:
        """The answers of all parts, and the coefficients that they have made."""
        new = Coefficients(self, next(self._numbers), rank, recipe)
        return self._round(work, args, of, new, each), new

    def each(self, work: Work, *args: Any, of: Coefficients | None = None) -> list[Any]:
        """The answers of all parts, in the order of their images: one round trip."""
        return self._round(work, args, of, None, None)

    def some(self, i: int, work: Work, *args: Any, of: Coefficients | None = None) -> Any:
        """The answer of one part; not watched, so that what a cancelled run leaves can be fetched."""
        return self._ask({i: Order(work, args, _version(of))}, of, None, None)[i]

    def _round(
        self,
        work: Work,
        args: tuple[Any, ...],
        of: Coefficients | None,
        new: Coefficients | None,
        each: Sequence[tuple[Any, ...]] | None,
    ) -> list[Any]:
        dropped = tuple(self._dropped.popleft() for _ in range(len(self._dropped)))
        number = -1 if new is None else new.number
        orders = {
            i: Order(work, args if each is None else each[i], _version(of), number, dropped)
            for i in range(len(self.workers.spans))
        }
        answers = self._ask(orders, of, new, self._is_unwanted)
        return [answers[i] for i in orders]

    def _ask(
        self,
        orders: dict[int, Order],
        of: Coefficients | None,
        new: Coefficients | None,
        is_unwanted: Callable[[], bool] | None,
    ) -> dict[int, Any]:
        answers = self._call(orders, is_unwanted)
        for _ in range(_ATTEMPTS):
            failed = [i for i, answer in answers.items() if isinstance(answer, Unknown)]
            if not failed:
                return answers
            lost = [i for i in failed if isinstance(answers[i], Lost)]
            if lost:
                self.workers.replace(lost, is_unwanted)
                self.traffic.recoveries += len(lost)
            again = {i: orders[i] for i in failed}
            if of is not None:
                mended = self._call({i: of.mending(i) for i in failed}, is_unwanted)
                again = {i: order for i, order in again.items() if not isinstance(mended[i], Lost)}
            answers |= self._call(again, is_unwanted)
        failed = [i for i, answer in answers.items() if isinstance(answer, Unknown)]
        if not failed:
            return answers
        where = self.workers.spans[failed[0]]
        raise ClusterError(
            f"the worker of images {where.start + 1} to {where.stop} was lost {_ATTEMPTS} times in a row, as happens "
            "when its memory does not do; give the workers more memory, or start more of them"
        )

    def _call(self, orders: dict[int, Order], is_unwanted: Callable[[], bool] | None) -> dict[int, Any]:
        if not orders:
            return {}
        if is_unwanted is not None and is_unwanted():
            raise Interrupted  # passes that take less than a look at them end nowhere else
        answers = self.workers.call(orders, is_unwanted)
        self.traffic.rounds += 1
        self.traffic.messages += len(orders)
        self.traffic.sent += sum(_bytes_of(order.args) + _bytes_of(order.of) for order in orders.values())
        self.traffic.received += sum(map(_bytes_of, answers.values()))
        return answers

    def drop(self, number: int) -> None:
        """Coefficients that nobody holds any more: the parts hear of it with their next order."""
        self._dropped.append(number)


class SpreadRows:
    """A `Spread` matrix with an image a row, (n, m): what kernels take as ``X.T``."""

    ndim = 2

    def __init__(self, X: Spread) -> None:
        self.T = X
        self.shape = X.shape[::-1]
        self.dtype, self.size = X.dtype, X.size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        """Images as rows: an int gives (m,), a slice or indices (k, m)."""
        numbers = np.arange(len(self))[key]
        out = np.empty((numbers.size, self.shape[1]), self.dtype)
        for i, of_part, at in _owned(numbers.ravel(), self.T.workers.spans):
            out[at] = self.T.some(i, parts.pixels, of_part)
        return out if numbers.ndim else out[0]


@dataclass(frozen=True, eq=False)
class _Recipe:
    """How a part gets coefficients anew: work without any before; `H` where they were given from here."""

    work: Work
    args: tuple[Any, ...]
    H: Array | None = None


def _swept(V: Array) -> _Recipe:
    return _Recipe(parts.sweep, (V, _SWEEPS, _MOVES))


class Coefficients:
    """H (r, n), of which each part keeps that of its images; what a run with `Spread` data has for H.

    Columns and rows are fetched when they are asked for: ``H[:, a:b]``, ``H[:, indices]``, ``H[k]``; ``np.asarray(H)``
    fetches all, `blocks` some after another.
    """

    ndim = 2

    def __init__(
        self, X: Spread, number: int, rank: int, recipe: _Recipe, scale: Array | None = None, base: Any = None
    ) -> None:
        self.X, self.number, self.recipe, self.scale = X, number, recipe, scale
        self.shape, self.dtype = (rank, X.shape[1]), X.dtype
        self._base = base  # whose number it shares; that one gives it back
        if base is None:
            weakref.finalize(self, X.drop, number).atexit = False

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def device(self) -> str:
        """What computed them, in words."""
        return self.X.workers.device

    @property
    def size(self) -> int:
        """Entries."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that it would take here."""
        return self.size * self.dtype.itemsize

    def __mul__(self, factors: Array) -> Coefficients:
        """Its rows multiplied by factors (r, 1): done where it is used."""
        column = np.ravel(factors)
        scale = column if self.scale is None else self.scale * column
        base = self if self._base is None else self._base
        return Coefficients(self.X, self.number, len(self), self.recipe, scale, base)

    def __getitem__(self, key: Any) -> Array:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(rows, int | np.integer) and isinstance(columns, slice) and columns == slice(None):
            spans = self.X.workers.spans
            return np.concatenate([self.X.some(i, parts.row, int(rows), of=self) for i in range(len(spans))])
        numbers = np.arange(self.shape[1])[columns]
        out = np.empty((len(self), numbers.size), self.dtype)
        for i, of_part, at in _owned(numbers.ravel(), self.X.workers.spans):
            out[:, at] = self.X.some(i, parts.coefficients, of_part, of=self)
        return (out if numbers.ndim else out[:, 0])[rows]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        out = np.empty(self.shape, dtype or self.dtype)
        for some, block in self.blocks():
            out[:, some] = block
        return out

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Columns (r, k), some megabytes at a time, and which they are."""
        step = max(1, _FETCHED // max(1, len(self) * self.dtype.itemsize))
        for i, span in enumerate(self.X.workers.spans):
            for a in range(span.start, span.stop, step):
                b = min(span.stop, a + step)
                of_part = slice(a - span.start, b - span.start)
                yield slice(a, b), self.X.some(i, parts.coefficients, of_part, of=self)

    def fitted_here(self, V: Array) -> tuple[Array, Array, Array, float]:
        """Coefficients for the basis V (r, m) that they belong to, fitted in this process: for workers that are gone.

        Returns
        -------
        H, B, G : ndarray (r, n), (r, m), (r, r)
            With ``H X'`` and ``H H'``.
        left : float
            ``||X - W H||_F^2``.
        """
        H, left = np.empty(self.shape, self.dtype), 0.0
        total = Sums(len(V), V.shape[1], self.dtype)
        for i, span in enumerate(self.X.workers.spans):
            part = Part(self.X.workers.part(i), span.start, "auto")
            total.add(*part.do(Order(parts.sweep, (V, _SWEEPS, _MOVES), new=0)))
            H[:, span] = part.do(Order(parts.coefficients, (slice(None),), (0, None)))
            left += part.do(Order(parts.residual, (V,), (0, None)))
        return H, total.B, total.G, left

    def mending(self, i: int) -> Order:
        """What part i is asked for when it has lost these."""
        args = self.recipe.args
        if self.recipe.H is not None:
            args = (self.recipe.H[:, self.X.workers.spans[i]],)
        return Order(self.recipe.work, args, new=self.number)


def _version(H: Coefficients | None) -> tuple[int, Array | None] | None:
    return None if H is None else (H.number, H.scale)


def _owned(numbers: Array, spans: Sequence[slice]) -> Iterator[tuple[int, Array, Array]]:
    """For every part with some of these images: its place, their numbers in it, and where they stand in `numbers`."""
    for i, span in enumerate(spans):
        at = np.flatnonzero((numbers >= span.start) & (numbers < span.stop))
        if len(at):
            yield i, numbers[at] - span.start, at


def _bytes_of(sent: Any) -> int:
    if isinstance(sent, np.ndarray):
        return sent.nbytes
    return sum(map(_bytes_of, sent)) if isinstance(sent, tuple | list) else 8 * isinstance(sent, int | float)


def each(Xt: Any, backend: Backend | None, work: Work, *args: Any, of: Any = None) -> list[Any]:
    """The answers of all parts to a piece of work; of images that are here there is one part.

    Parameters
    ----------
    Xt : ndarray (n, m), or Rows, or SpreadRows
    backend : Backend, optional
        For work with kernels, that of `blocks.prepared`.
    work : Work
    *args
        After the images and the coefficients.
    of : ndarray (r, n) or Coefficients, optional
    """
    if isinstance(Xt, SpreadRows):
        return Xt.T.each(work, *args, of=of)
    return [work(parts.Images(Xt, backend), of, *args)[0]]  # type: ignore[arg-type]


def made(Xt: Any, backend: Backend | None, work: Work, *args: Any, of: Any, basis: Array) -> tuple[list[Any], Any]:
    """As `each`, for work that makes coefficients; `basis` (rank, m) is what lost ones are fitted to."""
    if isinstance(Xt, SpreadRows):
        return Xt.T.made(work, *args, of=of, rank=len(basis), recipe=_swept(basis))
    answer, new = work(parts.Images(Xt, backend), of, *args)  # type: ignore[arg-type]
    return [answer], new


def no_coefficients(Xt: Any, V: Array) -> Any:
    """Coefficients of zero for a basis V (r, m), as the kernels for Xt take them."""
    return None if isinstance(Xt, SpreadRows) else np.zeros((len(V), len(Xt)), V.dtype)


def sent(Xt: Any, H: Array) -> Any:
    """Coefficients that were made here, brought to where the images are."""
    return Xt.T.given(H) if isinstance(Xt, SpreadRows) else H


def step_left(Xt: Any, V: Array, H: Any, backend: Backend) -> float:
    """``L ||H - max(0, H - (V V' H - V X) / L)||``, as `updates.gradient_residual` of the coefficients."""
    L = largest_eigenvalue(V @ V.T)
    return L * float(np.sqrt(sum(each(Xt, backend, parts.stationarity, V, L, of=H)))) if L > 0.0 else 0.0
