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

# The kinds of a kernel: no projection, all vectors one group, every vector a group of its own.
FREE, GROUP, EACH = range(3)
#: Outcomes that the kernel and `backends.cpu.root` number alike.
_RARE = (COLLAPSED, OUT_OF_RANGE, LONG)
# Entries of a run's state, and how many.
ALPHA, FIRST, IS_DONE, COUNT, HINT, WORST, RUN = range(7)
#: A hint that the run holds.
OF_RUN = -1.0
#: Entries of a piece at least, and pieces of a group at most, beside one for each vector.
_PIECE, _MOST_PIECES = 1024, 16384
#: Entries, and multiplications of a gradient, up to which a cluster is quicker than all blocks that there can be.
_CLUSTERED, _CLUSTERED_PRODUCTS = 50_000, 5_000_000
#: Entries from which survivors are moved together.
_PRUNED = 1 << 20
#: Of a multiplier that is close to the one sought: where the search of such a group begins, after a step and a sample.
_BELOW, _BELOW_SAMPLE = 0.98, 0.96
#: Entries of that sample.
_SAMPLE = 32_768
#: Pieces, and entries of a vector that is a group of its own, up to which blocks are small: more share the work.
_FEW, _SHORT = 2048, 4096
# Counts of numbers: of a piece's sums, of a block's state, of the sums of each of its warps.
_SUMS, _TOLD, _NUMBERS = 5, 24, 7
# Numbers that a cluster's blocks have in their shared memory, for a piece and for a vector; see `bring_all`.
_NEAR_PIECE, _NEAR_VECTOR = 2 * _SUMS + 3, 11
#: Pixels of a strip at least, and strips at most; see `price.cu`.
STRIP, _MOST_STRIPS = 32, 4096
#: Rows of a tile of a gradient, as in `steps.cu`.
ROWS_AT_ONCE = 8
WARP = 32


@dataclass(frozen=True, eq=False)
class Pieces:
    """Places of the pieces of the vectors of a flat buffer, on the device and in int64; see `project.cu`."""

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


@dataclass(frozen=True, eq=False)
class Asked:
    """A projection: of the vectors of c to s, which for every vector on its own are targets on the device."""

    c: Any
    pieces: Pieces
    weights: Weights
    s: Any
    kind: int
    room: Room


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
        self._sampled = lru_cache(maxsize=16)(self._sample)
        self._last: tuple[Array, tuple[int, int], Weights] | None = None
        # As every barrier leaves it: any number of launches can use it, one after another.
        self._barrier = cp.zeros(2, np.uint32)

    def _pieces(self, vectors: int, length: int) -> Pieces:
        return make_pieces(np.arange(vectors + 1, dtype=np.int64) * length)

    def _plain_weights(self, vectors: int, length: int) -> Weights:
        return make_weights(np.arange(vectors + 1, dtype=np.int64) * length, None)

    def weights(self, vectors: int, length: int, w: Array | None) -> Weights:
        """Of vectors of one length; the last ones are kept, as a run asks for the same ones again and again."""
        if w is None:
            return self._plain(vectors, length)
        last = self._last
        is_same = last is not None and last[1] == (vectors, length) and last[0].dtype == w.dtype
        if last is None or not is_same or not np.array_equal(last[0], w):
            offsets = np.arange(vectors + 1, dtype=np.int64) * length
            last = (w.copy(), (vectors, length), make_weights(offsets, w.reshape(-1)))
            self._last = last
        return last[2]

    def begin(self, c: Any, pieces: Pieces, weights: Weights, s: float, mu0: float) -> tuple[Any, float, float]:
        """The state of a projection, its hint, and how far below that it begins: a sample says so for a large group.

        A misleading sample costs passes, and nothing else. It stays on the device, as all of this does.
        """
        run, length = cp.empty(RUN, np.float64), pieces.longest
        if mu0 > 0.0 or not self._prunes(pieces, weights, GROUP) or pieces.entries != pieces.vectors * length:
            return run, mu0, _BELOW
        stride = max(1, pieces.entries // _SAMPLE) | 1  # odd: images have even numbers of columns
        some = cp.ascontiguousarray(c.reshape(pieces.vectors, length)[:, ::stride])
        sampled, constants = self._sampled(pieces.vectors, length, int(some.shape[1]))
        self.project(some.reshape(-1), sampled, constants, s, self.room(sampled, c.dtype, run))
        return run, OF_RUN, _BELOW_SAMPLE

    def room(self, pieces: Pieces, dtype: Any, run: Any = None) -> Room:
        """The scratch memory of launches; their barrier is one for all, as they come one after another."""
        return Room(pieces, dtype, cp.empty(RUN, np.float64) if run is None else run, self._barrier)

    def _sample(self, vectors: int, length: int, sampled: int) -> tuple[Pieces, Weights]:
        """Pieces of a sample, and the constants of the whole as they are for it."""
        weights, shrunk = self._plain(vectors, length), (length / sampled) ** 0.5
        constants = Weights(None, 0, weights.gain, weights.norm / shrunk, weights.span / shrunk, weights.constants)
        return self.pieces(vectors, sampled), constants

    def project(
        self, c: Any, pieces: Pieces, weights: Weights, s: float, room: Room, hint: float = 0.0, below: float = 1.0
    ) -> None:
        """Project the vectors of c, one group, to s into ``room.out``."""
        self._launch(Asked(c, pieces, weights, s, GROUP, room), hint, below)

    def project_each(self, c: Any, pieces: Pieces, weights: Weights, targets: Any, room: Room) -> None:
        """Project every vector of c on its own, to its own of the targets on the device."""
        self._launch(Asked(c, pieces, weights, targets, EACH, room), 0.0, 1.0)

    def steps(
        self,
        asked: Asked,
        hint: float,
        moving: tuple[Any, Any, Any],
        quadratic: tuple[Any, Any, float],
        pad: int,
        count: int,
        tol: float,
    ) -> None:
        """Queue steps of an update.

        Parameters
        ----------
        asked : Asked
            The projection of each step.
        hint : float
            The multiplier at which the update begins; it goes on where that is `OF_RUN`.
        moving : tuple
            Where it begins (r, m), V, and where the momentum has brought it.
        quadratic : tuple
            B (r, m), G (r, r), and its largest eigenvalue or 0 for the device to find it.
        pad : int
            The distance of G's rows in shared memory; 0: c holds the gradient step of the one step.
        count : int
            Steps at most.
        tol : float
        """
        old, V, Y = moving
        B, G, L = quadratic
        going_on = (old, V, Y, B, G, float(L), pad, int(count), float(tol))
        self._launch(asked, hint, _BELOW, going_on, pad)

    @staticmethod
    def _prunes(pieces: Pieces, weights: Weights, kind: int) -> bool:
        return kind == GROUP and weights.kind == 0 and pieces.entries >= _PRUNED

    def _launch(
        self, asked: Asked, hint: float, below: float, going_on: tuple[Any, ...] | None = None, pad: int = 0
    ) -> None:
        """Start the kernel."""
        c, pieces, s, kind, room = asked.c, asked.pieces, asked.s, asked.kind, asked.room
        r = pieces.vectors
        arguments = (
            *self._of_group(asked, hint, below),
            *(kind, s if kind == EACH else room.run),
            *((c, c, c, c, c, 0.0, 0, 0, 0.0) if going_on is None else going_on),
        )
        gram = 8 * (2 * r + 2) + r * pad * c.dtype.itemsize if pad else 0
        is_small = pieces.longest <= _SHORT if kind == EACH else pieces.count <= _FEW
        block = self.device.small if is_small else self.device.large
        tiles = -(-pieces.longest // WARP) * (pad // ROWS_AT_ONCE)
        wanted = max(r if kind == EACH else self._blocks_for(pieces.count, block), self._blocks_for(tiles, block))
        self._launch_on("project", pieces, c.dtype, arguments, block, wanted, gram, pad)

    def _of_group(self, asked: Asked, hint: float, below: float) -> tuple[Any, ...]:
        """The arguments that every kernel of a group takes; see `steps.cu`."""
        c, pieces, weights, kind, room = asked.c, asked.pieces, asked.weights, asked.kind, asked.room
        own, prunes = c if weights.kind == 0 else weights.values, self._prunes(pieces, weights, kind)
        return (
            *(c, own, weights.kind, pieces.vector, pieces.start, pieces.stop, pieces.first, pieces.offsets),
            *(weights.gain, weights.norm, weights.span, pieces.count, pieces.vectors),
            *(0.0 if kind == EACH else float(asked.s), int(prunes), below if prunes else 1.0),
            hint if hint == OF_RUN else max(0.0, float(hint)),  # below 0, as it can be by rounding, says otherwise
            c if kind == FREE else room.out,
            *(room.sums, room.live, room.coef, room.best, room.sparsities, room.results, room.barrier, room.told),
            room.run,
        )

    @staticmethod
    def _blocks_for(items: int, block: int) -> int:
        """Blocks whose warps have an item each."""
        return -(-items // (block // WARP))

    def _launch_on(
        self,
        name: str,
        pieces: Pieces,
        dtype: Any,
        arguments: tuple[Any, ...],
        block: int,
        wanted: int,
        more: int = 0,
        pad: int = 0,
    ) -> None:
        """Start a kernel by a cluster, or `wanted` blocks or as many as can meet, with `more` shared memory."""
        if self._is_for_a_cluster(pieces, pad):
            near = 8 * (_NEAR_PIECE * pieces.count + _NEAR_VECTOR * pieces.vectors + 8)
            shared = 8 * self._told(self.device.of_cluster) + near + more
            if shared <= self.device.most_shared:
                name, grid, block = f"{name}_in_cluster", (self.device.cluster,), self.device.of_cluster
                self.device.launch(name, dtype, grid, block, arguments, shared)
                return
        shared = 8 * self._told(block) + more
        grid = (min(wanted, self.device.most_together(name, dtype, block, shared)),)
        self.device.launch(name, dtype, grid, block, arguments, shared, together=grid[0] > 1)

    def price(
        self,
        asked: Asked,
        mu: float,
        quadratic: tuple[Any, Any, Any],
        moving: tuple[Any, Any],
        share: float,
        count: int,
        tol: float,
    ) -> None:
        """Queue an update by shared-price HALS; see `price.cu`.

        Parameters
        ----------
        asked : Asked
            The projection that the price is found by; its c is room for what the images want.
        mu : float
            The price at which the update begins; below 0: none is known.
        quadratic : tuple
            B (r, m), G (r, r) and the product of G with the basis.
        moving : tuple
            The basis (r, m) as it begins, and the new one.
        share : float
            Of the price that is in force.
        count : int
            Sweeps at most.
        tol : float
        """
        (B, G, product), (old, V), pieces, (r, m) = quadratic, moving, asked.pieces, moving[1].shape
        width = STRIP * max(1, -(-m // (STRIP * _MOST_STRIPS)))
        strips = -(-m // width)
        sums = cp.empty((7 + r) * strips + r, np.float64)
        arguments = (
            *self._of_group(asked, OF_RUN if mu < 0.0 else mu, _BELOW),
            *(old, V, cp.empty(r * m, V.dtype), B, product, G),
            *(float(share), width, strips, sums, int(count), float(tol)),
        )
        block = self.device.large
        wanted = self._blocks_for(max(pieces.count, strips), block)
        self._launch_on("price", pieces, V.dtype, arguments, block, wanted)

    def _is_for_a_cluster(self, pieces: Pieces, pad: int) -> bool:
        return self.device.cluster > 0 and pieces.entries <= _CLUSTERED and pad * pieces.entries <= _CLUSTERED_PRODUCTS

    @staticmethod
    def _told(block: int) -> int:
        """Numbers in the shared memory of a block, beside the data."""
        return _TOLD + 2 + _NUMBERS * (block // WARP)

    def pad_of(self, r: int, dtype: Any) -> int:
        """The distance of a Gram matrix's rows in shared memory; 0 where that does not hold it."""
        pad = -(-r // ROWS_AT_ONCE) * ROWS_AT_ONCE
        needed = r * pad * np.dtype(dtype).itemsize + 16 * (r + 1) + 8 * self._told(self.device.large)
        return pad if needed <= self.device.most_shared else 0


class Room:
    """Scratch memory and results of a projection, on the device."""

    def __init__(self, pieces: Pieces, dtype: Any, run: Any, barrier: Any) -> None:
        r = pieces.vectors
        self.out = cp.empty(pieces.entries, dtype)
        self.sums = cp.empty(_SUMS * pieces.count, np.float64)
        self.live = cp.empty(pieces.count, np.int64)
        self.coef, self.sparsities = cp.empty(r, np.float64), cp.empty(r, np.float64)
        self.best = cp.empty(r, np.int64)
        self.results, self.told = cp.empty(3 * r, np.float64), cp.empty(_TOLD, np.float64)
        self.run, self.barrier = run, barrier


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
    run, hint, below = projector.begin(c, pieces, weights, s, mu0)
    room = projector.room(pieces, c.dtype, run)
    projector.project(c, pieces, weights, s, room, hint, below)
    mu, steps, outcome = (float(x) for x in cp.asnumpy(room.results[:3]))
    if int(outcome) in _RARE:
        out, solution = project_flat(cp.asnumpy(c).reshape(-1), offsets, s, w)
        return cp.asarray(out), solution
    sparsities = cp.asnumpy(room.sparsities)
    if int(outcome) == UNCHANGED:
        mu = 0.0
    assert int(outcome) in (ROOT, UNCHANGED, NOT_FINITE)
    return room.out, Solution(mu, sparsities, int(steps), int(outcome))
