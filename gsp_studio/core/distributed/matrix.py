"""Images in parts on several machines: W travels to them, sums over images come back, coefficients stay.

A `DistributedMatrix` is taken where an ndarray X is; its coefficients are a `Coefficients`, which a run hands on like
an array. The carrier of orders to the parts is not known here: `dask_workers` is one, by Dask. A part that is lost is
made again where there is room, its images read again and their coefficients fitted to the last basis.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.backend import Array, Backend
from gsp_studio.backends.blocks import ImagesAsRows, Interrupted, OutOfCoreMatrix
from gsp_studio.backends.summation import Node
from gsp_studio.core.distributed import shards
from gsp_studio.core.distributed.coefficients import Coefficients, Recipe, owned, swept, version_of
from gsp_studio.core.distributed.protocol import ClusterError, Lost, Traffic, Workers
from gsp_studio.core.distributed.shards import Order, Unknown, Work, total_of
from gsp_studio.core.units import WINDOW
from gsp_studio.core.updates import largest_eigenvalue

#: Times that a part is made again within one round before it is given up.
_ATTEMPTS = 3


class DistributedMatrix(OutOfCoreMatrix):
    """A matrix X (m, n), an image a column, in parts on several machines.

    Parameters
    ----------
    shape : (m, n)
    dtype : numpy.dtype
        float32 or float64.
    workers : Workers
    """

    keeps_coefficients = True
    where = "on other machines"

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike, workers: Workers) -> None:
        super().__init__(shape, dtype)
        self.workers = workers
        self.traffic = Traffic()
        self._numbers = itertools.count()
        self._dropped: deque[int] = deque()
        #: Of each part how often it was made. Threads that look at coefficients while a run goes on may find a part
        #: lost that another has made again meanwhile.
        self._made = [1] * len(workers.spans)
        self._mending, self._counting = threading.Lock(), threading.Lock()

    @property
    def T(self) -> DistributedRows:
        """The images as rows."""
        return DistributedRows(self)

    def rows(self, key: Any) -> Array:
        """Images as rows: an int gives (m,), a slice or indices (k, m)."""
        m, n = self.shape
        numbers = np.arange(n)[key]
        out = np.empty((numbers.size, m), self.dtype)
        for i, of_part, at in owned(numbers.ravel(), self.workers.spans):
            out[at] = self.some(i, shards.pixels, of_part)
        return out if numbers.ndim else out[0]

    @property
    def squared_norm(self) -> float:
        """As `BlockMatrix.squared_norm`."""
        return self._seen[0]

    @property
    def largest(self) -> float:
        """As `BlockMatrix.largest`."""
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[float, float]:
        """Squared norm and largest value: the first look at all values, which checks them."""
        squares, largest = zip(*self.each(shards.norm2), strict=True)
        return float(total_of(squares)), max(largest)

    def scaled(self, exponent: int) -> DistributedMatrix:
        """Itself for exponent 0: the parts compute in the unit in which they read."""
        if exponent:
            raise ValueError(
                f"the largest value of X is {self.largest:.3g}; accepted on a cluster are {2.0**-WINDOW:.1e} to "
                f"{2.0**WINDOW:.1e}, multiply the images by 2.0**{exponent}"
            )
        return self

    def uniform(self, seed: int, skipped: int, rank: int) -> Coefficients:
        """Uniform coefficients, those that ``default_rng(seed)`` draws after `skipped` numbers, made by the parts."""
        recipe = Recipe(shards.uniform, (seed, skipped, rank, self.shape[1]))
        return self.made(recipe.work, *recipe.args, rank=rank, recipe=recipe)[1]

    def given(self, H: Array) -> Coefficients:
        """These coefficients, each part's sent to it."""
        each = [(H[:, some],) for some in self.workers.spans]
        return self.made(shards.given, each=each, rank=len(H), recipe=Recipe(shards.given, (), H))[1]

    def has(self, H: Any) -> bool:
        """Whether these are coefficients that the same parts keep."""
        return isinstance(H, Coefficients) and H.X.workers is self.workers

    def kernels(self, backend: Backend) -> Backend:
        """The backend whose kernels that touch X or H are done by the parts; all others stay as they are."""

        def summed(work: Work, V: Array, H: Coefficients, *args: Any, **more: Any) -> Any:
            answers, new = self.made(work, V, *args, of=H, rank=len(V), recipe=swept(V))
            return new, *total_of(answers)

        def ahead(Xt: Any, V: Array, H: Coefficients, old: Coefficients, *args: Any) -> Any:
            answers, new = self.made(shards.ahead, V, *args, of=H, before=old, rank=len(V), recipe=swept(V))
            return new, *total_of(answers)

        return replace(
            backend,
            device=self.workers.device,
            gather=np.asarray,
            scatter=lambda H: H if self.has(H) else self.given(H),
            zero_coefficients=lambda Xt, V: None,
            products=lambda Xt, H: total_of(self.each(shards.products, of=H)),  # type: ignore[arg-type]
            sweep_coefficients=lambda Xt, V, H, *args: summed(shards.sweep, V, H, *args),
            descend_coefficients=lambda Xt, V, H, *args: summed(shards.descend, V, H, *args),
            update_ahead=ahead,
            encode=lambda Xt, V: np.hstack(self.each(shards.encode, V)),
            residual=lambda Xt, V, H: float(total_of(self.each(shards.residual, V, of=H))),  # type: ignore[arg-type]
        )

    def made(
        self,
        work: Work,
        *args: Any,
        of: Coefficients | None = None,
        before: Coefficients | None = None,
        rank: int,
        recipe: Recipe,
        each: Sequence[tuple[Any, ...]] | None = None,
    ) -> tuple[list[Any], Coefficients]:
        """The answers of all parts, and the coefficients that they have made."""
        new = Coefficients(self, next(self._numbers), rank, recipe)
        return self._round(work, args, (of, before), new, each), new

    def each(self, work: Work, *args: Any, of: Coefficients | None = None) -> list[Any]:
        """The answers of all parts, in the order of their images: one round trip."""
        return self._round(work, args, (of, None), None, None)

    def some(self, i: int, work: Work, *args: Any, of: Coefficients | None = None) -> Any:
        """The answer of one part; not watched, so that the coefficients of a cancelled run can be fetched."""
        return self._ask({i: Order(work, args, version_of(of))}, (of, None), None)[i]

    def _round(
        self,
        work: Work,
        args: tuple[Any, ...],
        taken: tuple[Coefficients | None, Coefficients | None],
        new: Coefficients | None,
        each: Sequence[tuple[Any, ...]] | None,
    ) -> list[Any]:
        dropped = tuple(self._taken())
        number = -1 if new is None else new.number
        of, before = map(version_of, taken)
        orders = {
            i: Order(work, args if each is None else each[i], of, before, number, dropped)
            for i in range(len(self.workers.spans))
        }
        answers = self._ask(orders, taken, self._check)
        return [answers[i] for i in orders]

    def _ask(
        self,
        orders: dict[int, Order],
        taken: tuple[Coefficients | None, Coefficients | None],
        is_unwanted: Callable[[], bool] | None,
    ) -> dict[int, Any]:
        made = list(self._made)
        answers = self._call(orders, is_unwanted)
        for _ in range(_ATTEMPTS):
            failed = [i for i, answer in answers.items() if isinstance(answer, Unknown)]
            if not failed:
                return answers
            lost = [i for i in failed if isinstance(answers[i], Lost)]
            if lost:
                with self._mending:
                    gone = [i for i in lost if self._made[i] == made[i]]
                    if gone:
                        self.workers.replace(gone, is_unwanted)
                        self.traffic.recoveries += len(gone)
                    for i in gone:
                        self._made[i] += 1
                made = list(self._made)
            again = {i: orders[i] for i in failed}
            for of in dict.fromkeys(each for each in taken if each is not None):
                mended = self._call({i: of.recovery_order(i) for i in again}, is_unwanted)
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
        with self._counting:
            self.traffic.rounds += 1
            self.traffic.messages += len(orders)
            self.traffic.sent += sum(_bytes_of(order.args) + _bytes_of(order.of) for order in orders.values())
            self.traffic.received += sum(map(_bytes_of, answers.values()))
        return answers

    def _taken(self) -> Iterator[int]:
        """Numbers that the parts have not heard of; other threads add to them and take them, too."""
        with suppress(IndexError):
            while True:
                yield self._dropped.popleft()

    def drop(self, number: int) -> None:
        """Forget coefficients that are not referred to any more; the parts hear of it with their next order."""
        self._dropped.append(number)


class DistributedRows(ImagesAsRows):
    """A `DistributedMatrix` with an image a row, (n, m), as kernels take it."""

    T: DistributedMatrix


def _bytes_of(sent: Any) -> int:
    if isinstance(sent, np.ndarray):
        return sent.nbytes
    if isinstance(sent, Node):
        return 16 + _bytes_of(sent.value)
    return sum(map(_bytes_of, sent)) if isinstance(sent, tuple | list) else 8 * isinstance(sent, int | float)


def each(Xt: Any, backend: Backend | None, work: Work, *args: Any, of: Any = None) -> list[Any]:
    """The answers of all parts to a piece of work; of images that are here there is one part.

    Parameters
    ----------
    Xt : ndarray (n, m), or Rows, or DistributedRows
    backend : Backend, optional
        For work with kernels, that of `blocks.prepared`.
    work : Work
    *args
        After the images and the coefficients.
    of : ndarray (r, n) or Coefficients, optional
    """
    if isinstance(Xt, DistributedRows):
        return Xt.T.each(work, *args, of=of)
    return [work(shards.Images(Xt, backend), of, *args)[0]]  # type: ignore[arg-type]


def made(Xt: Any, backend: Backend | None, work: Work, *args: Any, of: Any, basis: Array) -> tuple[list[Any], Any]:
    """As `each`, for work that makes coefficients; lost ones are fitted to `basis` (rank, m)."""
    if isinstance(Xt, DistributedRows):
        return Xt.T.made(work, *args, of=of, rank=len(basis), recipe=swept(basis))
    answer, new = work(shards.Images(Xt, backend), of, *args)  # type: ignore[arg-type]
    return [answer], new


def step_left(Xt: Any, V: Any, H: Any, lengths: Array, backend: Backend) -> float:
    """``sqrt(L) ||K - max(0, K - (V V' K - V X) / L)||``, as `updates.gradient_residual`; K: rows of H times `lengths`.

    V (r, m) is the basis that belongs to K; `lengths` (r,) are the host's, float64.
    """
    own = V @ V.T
    L = largest_eigenvalue(backend.get(own))
    if L <= 0.0:
        return 0.0
    if isinstance(Xt, DistributedRows):
        return float(np.sqrt(L * total_of(Xt.T.each(shards.stationarity, V, L, lengths, of=H))))
    return math.sqrt(L) * backend.step_distance(H, backend.encode(Xt, V), own, L, Xt.shape[1], lengths)
