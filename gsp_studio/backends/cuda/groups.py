"""Groups of vectors on the device: their pieces and constants, and projections of them.

A search that collapses (ties), entries whose squares leave float64 and results beyond their type are rare; the device
says so and the host settles them, with `backends.cpu`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu import group as host
from gsp_studio.backends.cpu.projection import Solution, project_flat
from gsp_studio.backends.cpu.root import (
    COLLAPSED,
    GAIN,
    LONG,
    NORM,
    NOT_FINITE,
    OUT_OF_RANGE,
    ROOT,
    ROWS,
    SPAN,
    UNCHANGED,
)
from gsp_studio.backends.cuda.driver import Device, cp

# What `kind` of the kernel says: no projection, all vectors one group, every vector a group of its own.
FREE, GROUP, EACH = range(3)
#: Outcomes that the kernel and `backends.cpu.root` number alike.
_RARE = (COLLAPSED, OUT_OF_RANGE, LONG)
# Entries of a run's state, and how many.
ALPHA, FIRST, IS_DONE, COUNT, HINT, WORST, RUN = range(7)
#: Entries of a piece at least, and pieces of a group at most, beside one for each vector.
_PIECE, _MOST_PIECES = 1024, 16384
#: Entries up to which one block is quicker than many that wait for each other.
_ALONE = 1 << 16
#: Entries from which survivors are moved together.
_PRUNED = 1 << 20
#: Entries of the sample that tells where the search of a large group begins, and by how much it begins below that.
_SAMPLE, _BELOW = 32_768, 0.98
_SUMS = 5
_STATE = 12
WARP = 32


@dataclass(frozen=True, eq=False)
class Pieces:
    """Where the pieces of the vectors of a flat buffer are, on the device and in int64; see `project.cu`."""

    vector: Any
    start: Any
    stop: Any
    first: Any
    offsets: Any
    count: int
    vectors: int
    entries: int
    longest: int


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of a group and the constants of its sparsity, on the device; `constants` are these on the host."""

    values: Any
    kind: int
    gain: Any
    norm: Any
    span: Any
    constants: Array


def make_pieces(offsets: Array) -> Pieces:
    """Cut vectors into pieces by their lengths alone, so that sums do not depend on the device."""
    lengths = np.diff(offsets)
    entries = int(offsets[-1])
    size = _PIECE
    while entries // size > _MOST_PIECES:
        size *= 2
    counts = -(-lengths // size)
    first = np.concatenate(([0], np.cumsum(counts)))
    vector = np.repeat(np.arange(len(lengths)), counts)
    start = offsets[vector] + (np.arange(len(vector)) - first[vector]) * size
    stop = np.minimum(start + size, offsets[vector + 1])
    return Pieces(
        vector=_table(vector),
        start=_table(start),
        stop=_table(stop),
        first=_table(first),
        offsets=_table(offsets),
        count=len(vector),
        vectors=len(lengths),
        entries=entries,
        longest=int(lengths.max()),
    )


def _table(numbers: Array) -> Any:
    return cp.asarray(np.ascontiguousarray(numbers, np.int64))


def make_weights(offsets: Array, w: Array | None) -> Weights:
    """The constants of a group, computed on the host as for the CPU."""
    table = np.empty((ROWS, len(offsets) - 1))
    host.set_constants(offsets, w, table)
    kind = 0 if w is None else 1 if w.size != offsets[-1] or len(offsets) == 2 else 2
    values = None if w is None else cp.asarray(np.ascontiguousarray(w).reshape(-1))
    gain, norm, span = (cp.asarray(table[row].copy()) for row in (GAIN, NORM, SPAN))
    return Weights(values, kind, gain, norm, span, table)


class Projector:
    """Projections on one device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.pieces = lru_cache(maxsize=16)(self._pieces)
        self._plain = lru_cache(maxsize=16)(self._plain_weights)
        self._last: tuple[Array, tuple[int, int], Weights] | None = None

    def _pieces(self, vectors: int, length: int) -> Pieces:
        return make_pieces(np.arange(vectors + 1, dtype=np.int64) * length)

    def _plain_weights(self, vectors: int, length: int) -> Weights:
        return make_weights(np.arange(vectors + 1, dtype=np.int64) * length, None)

    def weights(self, vectors: int, length: int, w: Array | None) -> Weights:
        """Of vectors of one length; the last ones are kept, as a run asks for the same ones again and again."""
        if w is None:
            return self._plain(vectors, length)
        last = self._last
        if last is None or last[1] != (vectors, length) or not np.array_equal(last[0], w):
            offsets = np.arange(vectors + 1, dtype=np.int64) * length
            last = (w.copy(), (vectors, length), make_weights(offsets, w.reshape(-1)))
            self._last = last
        return last[2]

    def new_run(self, hint: float = 0.0) -> Any:
        """The state of an update, or of a projection alone, that begins at the multiplier `hint`."""
        run = np.zeros(RUN)
        run[ALPHA], run[HINT] = 0.1, hint
        return cp.asarray(run)

    def run_near(self, c: Any, pieces: Pieces, weights: Weights, s: float, mu0: float) -> Any:
        """The state of a projection of a large group: it begins a little below what a sample says, in all likelihood.

        A misleading sample costs passes, and nothing else. It stays on the device, as all of this does.
        """
        r, run = pieces.vectors, self.new_run(mu0)
        if mu0 > 0.0 or weights.kind != 0 or pieces.entries < _PRUNED or pieces.entries != r * pieces.longest:
            return run
        stride = max(1, pieces.entries // _SAMPLE) | 1  # odd: images have even numbers of columns
        some = cp.ascontiguousarray(c.reshape(r, pieces.longest)[:, ::stride])
        shrunk = (pieces.longest / some.shape[1]) ** 0.5
        constants = Weights(None, 0, weights.gain, weights.norm / shrunk, weights.span / shrunk, weights.constants)
        sampled = self.pieces(r, int(some.shape[1]))
        room = Room(sampled, c.dtype, self.new_run())
        self.step(some.reshape(-1), sampled, constants, s, GROUP, room)
        run[HINT : HINT + 1] = room.run[HINT : HINT + 1] * _BELOW
        return run

    def step(
        self,
        c: Any,
        pieces: Pieces,
        weights: Weights,
        s: Any,
        kind: int,
        room: Room,
        moves: Any = None,
        tol: float = 0.0,
    ) -> None:
        """Project c to s into ``room.out``; with ``moves = (V, Y)`` these go on by momentum, as a step of an update.

        For every vector on its own, s holds the targets on the device.
        """
        V, Y = (c, c) if moves is None else moves
        device, prunes = self.device, kind == GROUP and weights.kind == 0 and pieces.entries >= _PRUNED
        grid, block, shared = self._shape(c.dtype, pieces, kind)
        own = c if weights.kind == 0 else weights.values
        tables = (pieces.vector, pieces.start, pieces.stop, pieces.first, pieces.offsets)
        constants = (weights.gain, weights.norm, weights.span)
        asked = (pieces.count, pieces.vectors, 0.0 if kind == EACH else float(s), kind, int(prunes))
        left = (room.sums, room.live, room.coef, room.best, room.sparsities, room.results, room.barrier, room.run)
        going_on = (int(moves is not None), V, Y, float(tol), s if kind == EACH else room.run)
        out = c if kind == FREE else room.out
        arguments = (c, own, weights.kind, *tables, *constants, *asked, out, *left, *going_on)
        device.launch("project", c.dtype, (grid,), block, arguments, shared, together=grid > 1)

    def _shape(self, dtype: Any, pieces: Pieces, kind: int) -> tuple[int, int, int]:
        """Blocks, threads of each and shared memory."""
        device = self.device
        alone = pieces.entries <= _ALONE and kind != EACH
        block = device.alone if alone else device.together
        shared = 8 * (_STATE + 6 * (block // 4) + 1)
        if alone:
            return 1, block, shared
        wanted = pieces.vectors if kind == EACH else -(-pieces.count // (block // WARP))
        return max(1, min(wanted, device.most_together("project", dtype, block, shared))), block, shared


class Room:
    """What a projection works in and leaves behind, on the device."""

    def __init__(self, pieces: Pieces, dtype: Any, run: Any) -> None:
        r = pieces.vectors
        self.out = cp.empty(pieces.entries, dtype)
        self.sums = cp.empty(2 * _SUMS * pieces.count, np.float64)
        self.live = cp.empty(pieces.count, np.int64)
        self.coef, self.sparsities = cp.empty(r, np.float64), cp.empty(r, np.float64)
        self.best = cp.empty(r, np.int64)
        self.results = cp.zeros(3 * r, np.float64)
        # As every barrier leaves it: any number of launches can use it, one after another.
        self.barrier = cp.zeros(2, np.uint32)
        self.run = run


def project(
    projector: Projector,
    c: Any,
    pieces: Pieces,
    weights: Weights,
    s: float,
    mu0: float,
    w: Array | None,
    offsets: Array,
) -> tuple[Any, Solution]:
    """Project the vectors of c, one group: on the device, and where that meets a rare case on the host.

    Returns
    -------
    out : cupy.ndarray (N,)
    solution : Solution
    """
    room = Room(pieces, c.dtype, projector.run_near(c, pieces, weights, s, mu0))
    projector.step(c, pieces, weights, s, GROUP, room)
    mu, steps, outcome = (float(x) for x in cp.asnumpy(room.results[:3]))
    if int(outcome) in _RARE:
        out, solution = project_flat(cp.asnumpy(c).reshape(-1), offsets, s, w)
        return cp.asarray(out), solution
    sparsities = cp.asnumpy(room.sparsities)
    if int(outcome) == UNCHANGED:
        mu = 0.0
    assert int(outcome) in (ROOT, UNCHANGED, NOT_FINITE)
    return room.out, Solution(mu, sparsities, int(steps), int(outcome))
