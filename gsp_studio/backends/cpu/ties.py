"""Targets that no floating-point multiplier meets: nearly tied entries, and jumps of the sparsity.

A search collapses between neighbouring multipliers for one of two reasons. Largest entries that differ in their last
digits ask for more digits of mu than it has: the search goes on in a second number below it. Largest entries that are
tied leave a vector together: the sparsity jumps past the target. Then the constraint is kept by dropping ties in as few
vectors as possible, those that gain most, the last of equals first; in the last of these only as many ties as needed,
the lowest indices kept. Rare, so written for clarity.
"""

from __future__ import annotations

import numpy as np

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.root import (
    DELTA,
    FINE,
    HIGH,
    JUMP,
    LEAST,
    LOW,
    M0,
    M1,
    M2,
    MU,
    NORM,
    RESIDUAL,
    ROOT,
    SEARCHING,
    SINGLE,
    SLACK,
    SPAN,
    SPARSITY,
    STEPS,
    SUMMED,
    UNBOUNDED,
    advance,
    budget,
    new_state,
    residual,
    threshold,
)

#: A sparsity that changes by less between neighbouring multipliers has no jump there, only rounding.
_CHANGE = 1e-12
#: Below this, squares of what is left of a vector lose digits, and then it cannot be told what leaves first.
_LEAST_SQUARE = 1e-290
#: Splits a float64 into two halves whose products are exact.
_SPLIT = 134217729.0


@compiled()
def _excess(size, weight, thresholds):  # type: ignore[no-untyped-def]
    """``size - weight sum(thresholds)``, of thresholds each below the last digit of the one before.

    Products are subtracted with their rounding, so that entries of different weights leave where they should.
    """
    z, b = size, _SPLIT * weight
    b = b - (b - weight)
    for t in thresholds:
        product = t * weight
        z -= product
        if abs(t) < 1e290:
            a = _SPLIT * t
            a = a - (a - t)
            z -= ((a * b - product) + a * (weight - b) + (t - a) * b) + (t - a) * (weight - b)
    return z


@compiled()
def _excesses(c, w, thresholds):  # type: ignore[no-untyped-def]
    z = np.empty(len(c))
    for j in range(len(c)):
        z[j] = _excess(abs(np.float64(c[j])), w[j], thresholds)
    return z


@compiled()
def _thresholds(table, i, parts):  # type: ignore[no-untyped-def]
    found = np.empty(len(parts))
    for k in range(len(parts)):
        found[k] = threshold(table, i, parts[k])
    return found


@compiled()
def evaluate_parts(c, offsets, w, table, parts):  # type: ignore[no-untyped-def]
    """Moments at the multiplier ``sum(parts)``, each part below the last digit of the one before."""
    for i in range(table.shape[1]):
        thresholds = _thresholds(table, i, parts)
        m0, m1, m2 = 0.0, 0.0, 0.0
        best, top, weight = 1.0, -np.inf, 1.0
        shift = 0 if w is None or w.size == offsets[i + 1] - offsets[i] else offsets[i]
        for j in range(offsets[i + 1] - offsets[i]):
            if w is not None:
                weight = np.float64(w[shift + j])
            z = _excess(abs(np.float64(c[offsets[i] + j])), weight, thresholds)
            if z > 0.0:
                m0 += weight * weight
                m1 += weight * z
                m2 += z * z
            # Squares of what is left of a vector may underflow: then its largest entry speaks for it.
            if z > top or (z == top and weight < best):
                best, top = weight, z
        table[M0, i], table[M1, i], table[M2, i] = m0, m1, m2
        table[SINGLE, i] = (best - table[LEAST, i]) / table[SPAN, i]


class _Vectors:
    """The vectors of a group as numpy views, with the thresholds that belong to each."""

    def __init__(self, c: Array, offsets: Array, w: Array | None, table: Array) -> None:
        self.c, self.offsets, self.w, self.table = c, offsets, w, table

    def entries(self, i: int) -> Array:
        return self.c[self.offsets[i] : self.offsets[i + 1]]

    def weights(self, i: int) -> Array:
        n = int(self.offsets[i + 1] - self.offsets[i])
        if self.w is None:
            return np.ones(n)
        own = self.w if self.w.size == n else self.w[self.offsets[i] : self.offsets[i + 1]]
        return own.astype(np.float64)

    def excesses(self, i: int, parts: Array) -> Array:
        """Return the excess of the entries over the threshold."""
        found: Array = _excesses(self.entries(i), self.weights(i), _thresholds(self.table, i, parts))
        return found

    def kept(self, i: int, parts: Array) -> Array:
        """Indices of the entries above the threshold, else of the best single entry."""
        z = self.excesses(i, parts)
        above = np.flatnonzero(z > 0.0)
        if len(above):
            return above
        equal = np.flatnonzero(z == z.max())
        size, w = np.abs(self.entries(i)[equal]), self.weights(i)
        return equal[np.lexsort((equal, -size, w[equal]))[:1]]

    def remains(self, i: int, parts: Array) -> tuple[Array, Array]:
        """Indices of the entries that are kept, and what the output is in proportion to; equal to it for a single."""
        kept = self.kept(i, parts)
        sizes = np.abs(self.entries(i)[kept])
        return kept, self.excesses(i, parts)[kept] if self.table[M2, i] > 0.0 else sizes

    def tied_exactly(self, i: int, parts: Array) -> bool:
        kept = self.kept(i, parts)
        c, w = np.abs(self.entries(i)[kept].astype(np.float64)), self.weights(i)[kept]
        return bool(np.all(c * w[0] == c[0] * w))

    def sparsities(self, i: int, w: Array) -> Array:
        """The sparsities of a vector whose first 1, 2, ... entries are proportional to their weights w, others zero."""
        found: Array = (self.table[NORM, i] - np.sqrt(np.cumsum(w * w))) / self.table[SPAN, i]
        return found

    def left(self, parts: Array, s: float, state: Array) -> Array:
        """Return the vectors' distance to a sparsity of 1 (r,); moments into the table, their residual into state."""
        table = self.table
        evaluate_parts(self.c, self.offsets, self.w, table, parts)
        residual(table, s, state)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(table[M2] > 0.0, (table[M1] / np.sqrt(table[M2]) - table[LEAST]) / table[SPAN], 0.0)
        return np.where(table[M2] > 0.0, ratios, table[SINGLE])


#: Of vectors that are written apart: the indices of their entries, and what these are in proportion to.
Apart = dict[int, tuple[Array, Array]]


def settle(c: Array, offsets: Array, w: Array | None, s: float, table: Array, state: Array) -> tuple[int, Apart]:
    """Finish a search that has collapsed.

    Returns
    -------
    outcome : int
        ROOT, with table and state ready for the output; or JUMP: the target lies inside a jump.
    apart : dict
        Vectors that need more digits of the multiplier than the output loops have, or that keep some of their ties;
        without moments, their entries as they will be, else to be scaled.
    """
    vectors, r, goal = _Vectors(c, offsets, w, table), table.shape[1], budget(table, s)
    parts, own, moved = np.zeros(0), state.copy(), np.zeros(r, bool)
    _widen(vectors, s, own)
    gap = np.inf
    while True:
        low, high = np.append(parts, own[LOW]), np.append(parts, own[HIGH])
        at_low, squares = vectors.left(low, s, own), table[M2].copy()
        at_high = vectors.left(high, s, own)
        moved |= at_low != at_high
        change = _CHANGE * min(1.0, own[SUMMED] / r)
        if own[RESIDUAL] >= -change * r:
            outcome, parts = ROOT, high
            break
        jumps = np.flatnonzero(at_low - at_high > change)
        width = 4.0 * (own[HIGH] - own[LOW])
        # A bracket that narrows no more lies at the low end of float64: there are no further digits of mu.
        if width >= gap or all(squares[i] < _LEAST_SQUARE or vectors.tied_exactly(int(i), low) for i in jumps):
            outcome, parts = JUMP, high
            break
        gap, own, parts = width, new_state(), low
        own[HIGH] = gap
        outcome = _search(vectors, parts, s, goal, own)
        state[STEPS] += own[STEPS]
        if outcome == ROOT:
            parts = np.append(parts, own[MU])
            break
    state[MU], state[FINE], state[DELTA] = parts[0], parts[1:].sum(), own[DELTA] if outcome == ROOT else 0.0
    apart = {int(i): vectors.remains(int(i), np.append(parts, state[DELTA])) for i in np.flatnonzero(moved)}
    if outcome == JUMP:
        apart.update(_kept_ties(vectors, s, low, 1.0 - at_low, 1.0 - at_high, table))
    return outcome, apart


def _widen(vectors: _Vectors, s: float, state: Array) -> None:
    """Move the ends of the bracket until it holds the root: products have more digits here than in the search."""
    gap = float(state[HIGH] - state[LOW])
    vectors.left(state[LOW:HIGH], s, state)
    while state[RESIDUAL] <= 0.0 < state[LOW]:
        gap *= 4.0
        state[LOW] = max(0.0, state[LOW] - gap)
        vectors.left(state[LOW:HIGH], s, state)
    vectors.left(state[HIGH:DELTA], s, state)
    while state[RESIDUAL] > 0.0 and state[HIGH] < UNBOUNDED:
        gap *= 4.0
        state[HIGH] = min(float(state[HIGH]) + gap, UNBOUNDED)
        vectors.left(state[HIGH:DELTA], s, state)


def _search(vectors: _Vectors, parts: Array, s: float, goal: float, state: Array) -> int:
    """Search the part that follows on `parts`."""
    while True:
        vectors.left(np.append(parts, state[MU]), s, state)
        outcome = int(advance(state, len(vectors.offsets) - 1, goal))
        if outcome != SEARCHING:
            return outcome


def _kept_ties(vectors: _Vectors, s: float, below: Array, at_low: Array, at_high: Array, table: Array) -> Apart:
    """Choose the entries that stay in the vectors that jump; `table` then holds the sparsities that this gives."""
    gain = at_high - at_low
    jumps = [int(i) for i in np.flatnonzero((gain > _CHANGE) & (table[M2] == 0.0))]
    needed = s * len(at_high) - (at_high.sum() - sum(gain[i] for i in jumps))
    slack = SLACK * len(at_high)
    kept = {i: vectors.kept(i, below) for i in jumps}
    table[SPARSITY, jumps] = at_low[jumps]
    for i in sorted(jumps, key=lambda i: (-round(float(gain[i]), 12), -i)):
        if needed <= slack:
            break
        w = vectors.weights(i)[kept[i]]
        order = np.argsort(w, kind="stable")
        table[SPARSITY, i] = at_high[i]
        sparsities = vectors.sparsities(i, w[order])
        enough = np.flatnonzero(sparsities[:-1] - at_low[i] >= needed - slack)
        needed -= gain[i]
        if len(enough):
            kept[i] = kept[i][order[: enough[-1] + 1]]
            table[SPARSITY, i] = sparsities[enough[-1]]
        else:
            del kept[i]
    return {i: (indices, np.abs(vectors.entries(i)[indices])) for i, indices in kept.items()}
