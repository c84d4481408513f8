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
    advance,
    new_state,
    residual,
    threshold,
)

#: A sparsity that changes by less between neighbouring multipliers has no jump there, only rounding.
_CHANGE = 1e-12


@compiled()
def evaluate_fine(c, offsets, w, table, mu, fine):  # type: ignore[no-untyped-def]
    """Moments at ``mu + fine``, `fine` below mu's last digit; thresholds exactly as in the output loops."""
    for i in range(table.shape[1]):
        t, tail = threshold(table, i, mu), threshold(table, i, fine)
        m0, m1, m2 = 0.0, 0.0, 0.0
        best, top, weight = 1.0, -np.inf, 1.0
        shift = 0 if w is None or w.size == offsets[i + 1] - offsets[i] else offsets[i]
        for j in range(offsets[i + 1] - offsets[i]):
            if w is not None:
                weight = np.float64(w[shift + j])
            z = (abs(np.float64(c[offsets[i] + j])) - t * weight) - tail * weight
            if z > 0.0:
                m0 += weight * weight
                m1 += weight * z
                m2 += z * z
            # Squares of what is left of a vector may underflow: then its largest entry speaks for it.
            if z > top or (z == top and weight < best):
                best, top = weight, z
        table[M0, i], table[M1, i], table[M2, i] = m0, m1, m2
        table[SINGLE, i] = (table[NORM, i] - best) / table[SPAN, i]
    return 0


class _Vectors:
    """The vectors of a group as numpy views, with the threshold that belongs to each."""

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

    def kept(self, i: int, mu: float, fine: float) -> Array:
        """Indices of the entries above the threshold, else of the best single entry."""
        w = self.weights(i)
        t, tail = threshold(self.table, i, mu), threshold(self.table, i, fine)
        z = (np.abs(self.entries(i).astype(np.float64)) - t * w) - tail * w
        above = np.flatnonzero(z > 0.0)
        if len(above):
            return above
        equal = np.flatnonzero(z == z.max())
        size = np.abs(self.entries(i)[equal])
        return equal[np.lexsort((equal, -size, w[equal]))[:1]]

    def tied_exactly(self, i: int, mu: float) -> bool:
        kept = self.kept(i, mu, 0.0)
        c, w = np.abs(self.entries(i)[kept].astype(np.float64)), self.weights(i)[kept]
        return bool(np.all(c * w[0] == c[0] * w))

    def sparsity(self, i: int, w: Array) -> float:
        """The sparsity of a vector whose entries are proportional to their weights w, all others zero."""
        return float((self.table[NORM, i] - np.linalg.norm(w)) / self.table[SPAN, i])


def settle(
    c: Array, offsets: Array, w: Array | None, s: float, table: Array, state: Array
) -> tuple[int, dict[int, Array]]:
    """Finish a search that has collapsed.

    Returns
    -------
    outcome : int
        ROOT, with table and state ready for the output; or JUMP: the target lies inside a jump.
    ties : dict
        For vectors that keep some of their ties: the indices of the entries that stay as they are.
    """
    vectors = _Vectors(c, offsets, w, table)
    low, high = float(state[LOW]), float(state[HIGH])
    at_low, at_high = (_sparsities_at(c, offsets, w, s, table, state, mu, 0.0) for mu in (low, high))
    if state[RESIDUAL] >= -_CHANGE * table.shape[1]:
        state[MU], state[DELTA] = high, 0.0
        return ROOT, {}
    jumps = np.flatnonzero(at_high - at_low > _CHANGE)
    if all(vectors.tied_exactly(int(i), low) for i in jumps):
        state[MU], state[DELTA] = high, 0.0
        return JUMP, _kept_ties(vectors, s, (low, 0.0), at_low, at_high, table)
    fine = new_state()
    fine[HIGH] = 4.0 * (high - low)
    while True:
        evaluate_fine(c, offsets, w, table, low, fine[MU])
        residual(table, s, fine)
        outcome = advance(fine, table.shape[1], 0.0)
        if outcome != SEARCHING:
            break
    state[STEPS] += fine[STEPS]
    state[MU] = low
    if outcome == ROOT:
        state[DELTA] = fine[DELTA]  # what the moments are still to be carried over by
        state[FINE] = fine[MU]
        return ROOT, {}
    at_low = _sparsities_at(c, offsets, w, s, table, state, low, float(fine[LOW]))
    at_high = _sparsities_at(c, offsets, w, s, table, state, low, float(fine[HIGH]))
    state[DELTA], state[FINE] = 0.0, fine[HIGH]
    return JUMP, _kept_ties(vectors, s, (low, float(fine[LOW])), at_low, at_high, table)


def _sparsities_at(
    c: Array, offsets: Array, w: Array | None, s: float, table: Array, state: Array, mu: float, fine: float
) -> Array:
    evaluate_fine(c, offsets, w, table, mu, fine)
    residual(table, s, state)
    sparsities: Array = table[SPARSITY].copy()
    return sparsities


def _kept_ties(
    vectors: _Vectors, s: float, below: tuple[float, float], at_low: Array, at_high: Array, table: Array
) -> dict[int, Array]:
    """Which entries stay in the vectors that jump; `table` then holds the sparsities that this gives."""
    gain = at_high - at_low
    jumps = [int(i) for i in np.flatnonzero((gain > _CHANGE) & (table[M2] == 0.0))]
    needed = s * len(at_high) - (at_high.sum() - sum(gain[i] for i in jumps))
    slack = SLACK * len(at_high)
    kept = {i: vectors.kept(i, *below) for i in jumps}
    table[SPARSITY, jumps] = at_low[jumps]
    for i in sorted(jumps, key=lambda i: (-round(float(gain[i]), 12), -i)):
        if needed <= slack:
            break
        w = vectors.weights(i)[kept[i]]
        order = np.argsort(w, kind="stable")
        table[SPARSITY, i] = at_high[i]
        size = len(order) - 1
        while size > 0 and vectors.sparsity(i, w[order[:size]]) - at_low[i] < needed - slack:
            size -= 1
        needed -= gain[i]
        if size > 0:
            kept[i] = kept[i][order[:size]]
            table[SPARSITY, i] = vectors.sparsity(i, w[order[:size]])
        else:
            del kept[i]
    return kept
