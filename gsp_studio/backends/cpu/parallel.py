"""Large groups: the loops of `moments` in pieces, on all threads of the pool.

A group too large for the caches costs what its passes over memory cost. A sample of the entries tells about where the
root lies; one pass at a multiplier just below that checks the input, gives the moments, and moves the survivors (a
tenth, say) to the front of their piece of the output buffer; the Newton steps see only them; a last pass writes. Sums
are taken piece by piece and in order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu import group
from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.moments import (
    best_single,
    largest,
    moments,
    shrink,
    survivors,
    weighted_best_single,
    weighted_moments,
    weighted_shrink,
)
from gsp_studio.backends.cpu.pool import POOL
from gsp_studio.backends.cpu.root import (
    COEF,
    DELTA,
    FINE,
    GAIN,
    HIGH,
    LEAST,
    LONG,
    LOW,
    M0,
    M1,
    M2,
    MU,
    NORM,
    NOT_FINITE,
    OUT_OF_RANGE,
    RESIDUAL,
    ROOT,
    ROWS,
    SEARCHING,
    SINGLE,
    SLACK,
    SPAN,
    STEPS,
    UNCHANGED,
    advance,
    budget,
    carry,
    new_state,
    residual,
    threshold,
)

#: Entries from which threads are worth their start.
WORTHWHILE = 150_000
#: Entries of a piece: the loops over it find it in the first-level cache.
_PIECE = 8192
#: Entries of the sample, of one vector's share of it at least, and of a run of neighbours in it.
_SAMPLE, _SHARE, _RUN = 32_768, 512, 16
#: Survivors are moved a second time only in long searches.
_MOVE_AFTER = 4
# Rows of the sums of pieces.
_M0, _M1, _M2, _TOP = range(4)


class _Pieces:
    """Begins and ends of the pieces of vectors, and their vectors."""

    def __init__(self, offsets: Array) -> None:
        lengths = np.diff(offsets)
        counts = -(-lengths // _PIECE)
        self.first = np.concatenate(([0], np.cumsum(counts)))
        self.vector = np.repeat(np.arange(len(lengths)), counts)
        within = np.arange(len(self.vector)) - self.first[self.vector]
        self.start = offsets[self.vector] + within * _PIECE
        self.stop = np.minimum(self.start + _PIECE, offsets[self.vector + 1])


@compiled()
def _piece_weights(w, offsets, i, a, b):  # type: ignore[no-untyped-def]
    if w.size == offsets[i + 1] - offsets[i]:
        return w[a - offsets[i] : b - offsets[i]]
    return w[a:b]


@compiled(parallel=True)
def _first_pass(c, offsets, w, vector, start, stop, table, mu, live, kept, sums):  # type: ignore[no-untyped-def]
    """Largest entry and moments of every piece at mu; without weights the survivors too, if mu is positive."""
    for p in prange(len(start)):
        i, a, b = vector[p], start[p], stop[p]
        piece, t = c[a:b], threshold(table, i, mu)
        sums[_TOP, p] = largest(piece)
        if w is None:
            sums[_M0, p], sums[_M1, p], sums[_M2, p] = moments(piece, t)
            if mu > 0.0:
                live[p] = survivors(piece, t, kept[a:b])
        else:
            sums[_M0, p], sums[_M1, p], sums[_M2, p] = weighted_moments(piece, _piece_weights(w, offsets, i, a, b), t)


@compiled(parallel=True)
def _again(kept, vector, start, live, table, mu, move, sums):  # type: ignore[no-untyped-def]
    """Moments of the survivors at mu, and if `move` the fewer survivors of that."""
    for p in prange(len(start)):
        a, t = start[p], threshold(table, vector[p], mu)
        piece = kept[a : a + live[p]]
        sums[_M0, p], sums[_M1, p], sums[_M2, p] = moments(piece, t)
        if move:
            live[p] = survivors(piece, t, piece)


@compiled()
def _gather(first, sums, table):  # type: ignore[no-untyped-def]
    """Moments of vectors from those of their pieces, and the number of survivors (weighted: the sum of ``m0``)."""
    count = 0.0
    for i in range(table.shape[1]):
        m0, m1, m2 = 0.0, 0.0, 0.0
        for p in range(first[i], first[i + 1]):
            m0 += sums[_M0, p]
            m1 += sums[_M1, p]
            m2 += sums[_M2, p]
        table[M0, i], table[M1, i], table[M2, i] = m0, m1, m2
        count += m0
    return count


@compiled(parallel=True)
def _singles(c, offsets, w, table, mu, fine, best):  # type: ignore[no-untyped-def]
    """For vectors without survivors: the index of the entry that stays, and the sparsity that it gives."""
    for i in prange(table.shape[1]):
        if table[M2, i] <= 0.0:
            vector, t = c[offsets[i] : offsets[i + 1]], threshold(table, i, mu)
            if w is None:
                best[i] = best_single(vector)
            else:
                weight = group.slice_weights(w, offsets, i)
                best[i] = weighted_best_single(vector, weight, t, threshold(table, i, fine))
                table[SINGLE, i] = (np.float64(weight[best[i]]) - table[LEAST, i]) / table[SPAN, i]


@compiled(parallel=True)
def _write_pieces(c, offsets, w, vector, start, stop, table, mu, fine, out):  # type: ignore[no-untyped-def]
    for p in prange(len(start)):
        i, a, b = vector[p], start[p], stop[p]
        t, tail = threshold(table, i, mu), threshold(table, i, fine)
        if table[M2, i] <= 0.0:
            out[a:b] = 0
        elif w is None:
            shrink(c[a:b], t, tail, table[COEF, i], out[a:b])
        else:
            weighted_shrink(c[a:b], _piece_weights(w, offsets, i, a, b), t, tail, table[COEF, i], out[a:b])


@compiled(parallel=True)
def _copy_pieces(c, start, stop, out):  # type: ignore[no-untyped-def]
    for p in prange(len(start)):
        out[start[p] : stop[p]] = c[start[p] : stop[p]]


@compiled()
def _sample(c, offsets, w, table, picked, sampled, some, chosen, own):  # type: ignore[no-untyped-def]
    """Runs of neighbouring entries, evenly spaced, of the picked vectors, with the constants of the whole vectors."""
    for k in range(len(picked)):
        i = picked[k]
        n, size = offsets[i + 1] - offsets[i], sampled[k + 1] - sampled[k]
        runs = max(1, size // _RUN)
        for q in range(size):
            j = q
            if size < n:
                j = (q // _RUN) * (n - _RUN) // max(1, runs - 1) + q % _RUN if runs > 1 else q
            some[sampled[k] + q] = c[offsets[i] + j]
            if w is not None:
                own[sampled[k] + q] = group.slice_weights(w, offsets, i)[j]
        shrunk = np.sqrt(n / size)
        chosen[NORM, k] = table[NORM, i] / shrunk
        chosen[SPAN, k] = table[SPAN, i] / shrunk
        chosen[LEAST, k] = table[LEAST, i] / shrunk
        chosen[GAIN, k] = table[GAIN, i]
        chosen[SINGLE, k] = 0.0


def _estimate(c: Array, offsets: Array, w: Array | None, s: float, table: Array, scratch: Array) -> float:
    """A multiplier a little below the root, in all likelihood: from a sample, less its uncertainty."""
    r = table.shape[1]
    picked = np.unique(np.linspace(0, r - 1, min(r, _SAMPLE // 64)).astype(np.int64))
    share = max(_SHARE, _SAMPLE // len(picked))
    sizes = np.minimum(np.diff(offsets)[picked], share)
    sizes = np.where(sizes == share, sizes // _RUN * _RUN, sizes)
    sampled = np.concatenate(([0], np.cumsum(sizes)))
    count = int(sampled[-1])
    fits = 2 * count <= len(scratch)
    some, work = (scratch[:count], scratch[count : 2 * count]) if fits else np.empty((2, count), c.dtype)
    own = None if w is None else np.empty_like(some)
    chosen = np.empty((ROWS, len(picked)))
    _sample(c, offsets, w, table, picked, sampled, some, chosen, own)
    state, live = new_state(), np.empty(len(picked), np.int64)
    outcome = group.search(some, sampled, own, s, live, work, chosen, state)
    if outcome != ROOT or not np.isfinite(state[MU]):
        return 0.0
    thresholds = chosen[GAIN] * state[MU]
    parts = zip(sampled[:-1], sampled[1:], thresholds, strict=True)
    left = sum(int(np.count_nonzero(np.abs(some[a:b]) > t)) for a, b, t in parts)
    return float(state[MU]) * (1.0 - min(0.5, 0.01 + 1.5 / math.sqrt(max(1, left))))


def project(
    c: Array,
    offsets: Array,
    w: Array | None,
    s: float,
    checked: bool,
    scratch: Array,
    table: Array,
    state: Array,
    out: Array,
) -> int:
    """As `group.project_serial`, on all threads."""
    group.set_constants(offsets, w, table)
    pieces = _Pieces(offsets)
    if state[MU] > 0.0:
        state[MU] *= 0.98
    else:
        state[MU] = _estimate(c, offsets, w, s, table, scratch)
        state[LOW] = -1.0 if state[MU] > 0.0 else 0.0
    with POOL:
        outcome = _search(c, offsets, w, s, checked, scratch, table, state, pieces)
        if outcome == UNCHANGED:
            _copy_pieces(c, pieces.start, pieces.stop, out)
        elif outcome == ROOT:
            if carry(table, state) > float(np.finfo(out.dtype).max):
                return LONG
            _write(c, offsets, w, table, state, out, pieces)
    return outcome


def _search(
    c: Array,
    offsets: Array,
    w: Array | None,
    s: float,
    checked: bool,
    scratch: Array,
    table: Array,
    state: Array,
    pieces: _Pieces,
) -> int:
    r = table.shape[1]
    goal = budget(table, s)
    sums, live = np.empty((4, len(pieces.start))), np.empty(len(pieces.start), np.int64)
    best = np.empty(r, np.int64)
    pruned, here = False, float(c.size)
    while True:
        mu = state[MU]
        if pruned:
            _again(scratch, pieces.vector, pieces.start, live, table, mu, False, sums)
        else:
            _first_pass(c, offsets, w, pieces.vector, pieces.start, pieces.stop, table, mu, live, scratch, sums)
        count = _gather(pieces.first, sums, table)
        if checked and state[STEPS] == 0.0:
            outcome = _inspect(sums, pieces, w, table, state)
            if outcome != SEARCHING:
                return outcome
        if w is not None and not table[M2].all():
            _singles(c, offsets, w, table, mu, 0.0, best)
        residual(table, s, state)
        if mu == 0.0 and state[RESIDUAL] <= SLACK * r:
            return UNCHANGED
        outcome = advance(state, r, goal)
        if outcome != SEARCHING:
            return int(outcome)
        if w is None and state[LOW] == mu > 0.0:
            if pruned and state[STEPS] > _MOVE_AFTER and count < 0.5 * here:
                _again(scratch, pieces.vector, pieces.start, live, table, mu, True, sums)
                here = count
            elif not pruned:
                pruned, here = True, count


def _inspect(sums: Array, pieces: _Pieces, w: Array | None, table: Array, state: Array) -> int:
    """As `group.inspect`, from the largest entries of the pieces."""
    tops = np.maximum.reduceat(sums[_TOP], pieces.first[:-1])
    if not np.isfinite(tops).all():
        return NOT_FINITE
    low, high = group.SAFE
    if tops.max() > high or ((tops > 0.0) & (tops < low)).any():
        return OUT_OF_RANGE
    if w is None:
        state[HIGH] = min(state[HIGH], float((tops / table[GAIN]).max()) * (1.0 + 1e-15))
    return SEARCHING


def _write(c: Array, offsets: Array, w: Array | None, table: Array, state: Array, out: Array, pieces: _Pieces) -> None:
    alone = np.flatnonzero(table[M2] <= 0.0)
    values = np.empty(0, c.dtype)
    fine = state[FINE] + state[DELTA]
    if len(alone):
        best = np.empty(table.shape[1], np.int64)
        _singles(c, offsets, w, table.copy(), state[MU], fine, best)
        alone_at = offsets[alone] + best[alone]
        values = c[alone_at]
    _write_pieces(c, offsets, w, pieces.vector, pieces.start, pieces.stop, table, state[MU], fine, out)
    if len(alone):
        out[alone_at] = values


def write(c: Array, offsets: Array, w: Array | None, table: Array, state: Array, out: Array) -> None:
    """The projected vectors at the multiplier found; `out` may be c."""
    if c.size < WORTHWHILE:
        group.write(c, offsets, w, table, state, out)
        return
    with POOL:
        _write(c, offsets, w, table, state, out, _Pieces(offsets))


def copy(c: Array, out: Array) -> None:
    """``out[:] = c``."""
    if c.size < WORTHWHILE:
        out[:] = c
        return
    pieces = _Pieces(np.array([0, c.size]))
    with POOL:
        _copy_pieces(c, pieces.start, pieces.stop, out)
