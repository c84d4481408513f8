"""Coefficients that stay where the images are: H of a run on several machines.

Parts of them are fetched on request: the columns of some images, the row of a basis image, its largest, sums over all.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.distributed import shards
from gsp_studio.core.distributed.protocol import Traffic, Workers
from gsp_studio.core.distributed.shards import Order, Part, Work, total_of
from gsp_studio.core.residuals import Sums

#: HALS sweeps, at most, that fit the coefficients of images whose part was lost, and the least move that goes on.
_SWEEPS, _MOVES = 200, 1e-3
#: Bytes of coefficients that are fetched at once where they are gone through.
_FETCHED = 1 << 26


@dataclass(frozen=True, eq=False)
class Recipe:
    """Recipe of a part's coefficients: work without any before; `H` where they were given from here."""

    work: Work
    args: tuple[Any, ...]
    H: Array | None = None


def swept(V: Array) -> Recipe:
    """Coefficients fitted to a basis (r, m) from zero."""
    return Recipe(shards.sweep, (V, _SWEEPS, _MOVES))


class Parts(Protocol):
    """A matrix whose parts keep coefficients: `DistributedMatrix`."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    workers: Workers
    traffic: Traffic

    def each(self, work: Work, *args: Any, of: Coefficients | None = None) -> list[Any]:
        """The answers of all parts, in the order of their images."""

    def some(self, i: int, work: Work, *args: Any, of: Coefficients | None = None) -> Any:
        """The answer of one part."""

    def drop(self, number: int) -> None:
        """Forget coefficients; the parts hear of it with their next order."""

    def watched(self, is_unwanted: Callable[[], bool] | None) -> Self:
        """The same matrix, whose passes end with `Interrupted` when that says so; None: never."""


class Coefficients:
    """H (r, n), of which each part keeps that of its images.

    Columns and rows are fetched when they are asked for: ``H[:, a:b]``, ``H[:, indices]``, ``H[k]``; ``np.asarray(H)``
    fetches all, `blocks` some after another.
    """

    ndim = 2
    is_out_of_core = True

    def __init__(
        self, X: Parts, number: int, rank: int, recipe: Recipe, scale: Array | None = None, base: Any = None
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
        """The workers that computed them, and how many of these were lost meanwhile, in words."""
        lost = self.X.traffic.recoveries
        return f"{self.X.workers.device}, {lost} lost" if lost else self.X.workers.device

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
            return np.concatenate([self.X.some(i, shards.row, int(rows), of=self) for i in range(len(spans))])
        numbers = np.arange(self.shape[1])[columns]
        out = np.empty((len(self), numbers.size), self.dtype)
        for i, of_part, at in owned(numbers.ravel(), self.X.workers.spans):
            out[:, at] = self.X.some(i, shards.coefficients, of_part, of=self)
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
                yield slice(a, b), self.X.some(i, shards.coefficients, of_part, of=self)

    def _ask(self, work: Work, *args: Any) -> list[Any]:
        """The answers of all parts, also after the run that they are of was cancelled."""
        return self.X.watched(None).each(work, *args, of=self)

    def top(self, k: int, count: int) -> tuple[Array, Array]:
        """The `count` largest coefficients of basis image k, the largest first, and the numbers of their images."""
        count = min(count, self.shape[1])
        found = self._ask(shards.top, k, count)
        values, numbers = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.lexsort((numbers, -values))[:count]
        return values[order], numbers[order]

    def sparsities(self) -> Array:
        """Hoyer sparsity of each row, float64 (r,); see `sparsity.hoyer_sparsity`."""
        sums, squares = total_of(self._ask(shards.lengths))
        root, length = np.sqrt(self.shape[1]), np.sqrt(squares)
        ratio = np.divide(sums, length, out=np.ones_like(length), where=length > 0.0)
        found: Array = (root - ratio) / (root - 1.0)
        return found

    def residual_sums(self, W: Array) -> list[Sums]:
        """Return `residuals.sums_over` of each part's images and this basis (m, r): one pass over X there."""
        return self._ask(shards.residuals, W)

    def fitted_here(self, V: Array) -> tuple[Array, Array, Array, float]:
        """Coefficients for the basis V (r, m) that they belong to, fitted in this process: for workers that are gone.

        Returns
        -------
        H, B, G : ndarray (r, n), (r, m), (r, r)
            With ``H X'`` and ``H H'``.
        left : float
            ``||X - W H||_F^2``.
        """
        H, products, left = np.empty(self.shape, self.dtype), [], []
        for i, span in enumerate(self.X.workers.spans):
            part = Part(self.X.workers.part(i), span.start, self.shape[1], "auto")
            products.append(part.do(Order(shards.sweep, (V, _SWEEPS, _MOVES), new=0)))
            H[:, span] = part.do(Order(shards.coefficients, (slice(None),), (0, None)))
            left.append(part.do(Order(shards.residual, (V,), (0, None))))
        return H, *total_of(products), float(total_of(left))

    def recovery_order(self, i: int) -> Order:
        """Return the order by which part i computes them again after a loss."""
        args = self.recipe.args
        if self.recipe.H is not None:
            args = (self.recipe.H[:, self.X.workers.spans[i]],)
        return Order(self.recipe.work, args, new=self.number)


def version_of(H: Coefficients | None) -> tuple[int, Array | None] | None:
    """Their number and their scale, as orders name them."""
    return None if H is None else (H.number, H.scale)


def owned(numbers: Array, spans: Sequence[slice]) -> Iterator[tuple[int, Array, Array]]:
    """For every part with some of these images: its place, their numbers in it, and where they stand in `numbers`."""
    for i, span in enumerate(spans):
        at = np.flatnonzero((numbers >= span.start) & (numbers < span.stop))
        if len(at):
            yield i, numbers[at] - span.start, at
