"""Sorted vectors with a tree of moments: the group's moments at any multiplier in O(r log n).

Each vector is sorted once, descending by ``|c| / w``, so that the survivors of any threshold are its first k entries.
Their moments are sums over a prefix, and prefix sums of c, c^2 would lose digits where thresholds lie close to the
entries. So blocks of 32 entries keep moments about their own mean, blocks are paired level by level, and a prefix is at
most log2(n / 32) blocks and a few single entries: all terms are positive, and nothing cancels. For a block with total
``S = sum w^2``, mean ``q = sum w c / S`` and spread ``D = sum (c - q w)^2``, at a threshold t below its entries:
``w'z = S (q - t)`` and ``||z||^2 = S (q - t)^2 + D``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.group import inspect, search, set_constants
from gsp_studio.backends.cpu.parallel import WORTHWHILE
from gsp_studio.backends.cpu.pool import get_threads
from gsp_studio.backends.cpu.projection import Solution, conclude
from gsp_studio.backends.cpu.root import (
    COLLAPSED,
    DELTA,
    FINE,
    HIGH,
    LEAST,
    M0,
    M1,
    M2,
    MU,
    NOT_FINITE,
    OUT_OF_RANGE,
    OVERFLOW,
    RESIDUAL,
    ROWS,
    SEARCHING,
    SINGLE,
    SLACK,
    SPAN,
    SPARSITY,
    STEPS,
    STIFF,
    UNCHANGED,
    advance,
    budget,
    carry,
    new_state,
    residual,
    threshold,
)
from gsp_studio.backends.cpu.scale import Scaled, scale_vectors
from gsp_studio.backends.cpu.ties import settle

#: Entries of the smallest block.
BLOCK = 32
#: Ratio of threshold to ||z|| up to which the tree has the digits: near ties are searched on the entries themselves.
_TRUSTED = 1e5
# Rows of the tree.
_TOTAL, _MEAN, _SPREAD = range(3)


@compiled()
def _plant(values, weights, a, b, tree):  # type: ignore[no-untyped-def]
    """The tree of one vector, sorted entries a..b."""
    blocks = (b - a) // BLOCK
    for k in range(blocks):
        total, mean = 0.0, 0.0
        for j in range(a + k * BLOCK, a + (k + 1) * BLOCK):
            w = 1.0 if weights is None else np.float64(weights[j])
            total += w * w
            mean += w * np.float64(values[j])
        mean = mean / total if total > 0.0 else 0.0
        spread = 0.0
        for j in range(a + k * BLOCK, a + (k + 1) * BLOCK):
            w = 1.0 if weights is None else np.float64(weights[j])
            away = np.float64(values[j]) - mean * w
            spread += away * away
        tree[_TOTAL, k], tree[_MEAN, k], tree[_SPREAD, k] = total, mean, spread
    below, count = 0, blocks
    while count > 1:
        pairs = count // 2
        for k in range(pairs):
            i, j, p = below + 2 * k, below + 2 * k + 1, below + count + k
            total = tree[_TOTAL, i] + tree[_TOTAL, j]
            tree[_TOTAL, p] = total
            tree[_MEAN, p] = 0.0
            tree[_SPREAD, p] = tree[_SPREAD, i] + tree[_SPREAD, j]
            if total > 0.0:
                share = tree[_TOTAL, j] / total
                apart = tree[_MEAN, j] - tree[_MEAN, i]
                tree[_MEAN, p] = tree[_MEAN, i] + share * apart
                tree[_SPREAD, p] += tree[_TOTAL, i] * share * apart * apart
        below += count
        count = pairs


@compiled()
def _count_above(values, weights, a, b, t):  # type: ignore[no-untyped-def]
    """Count the sorted entries a..b above the threshold."""
    low, high = a, b
    while low < high:
        middle = (low + high) // 2
        w = 1.0 if weights is None else np.float64(weights[middle])
        if np.float64(values[middle]) - t * w > 0.0:
            low = middle + 1
        else:
            high = middle
    return low - a


@compiled()
def _prefix(values, weights, a, n, kept, tree, t):  # type: ignore[no-untyped-def]
    """Moments of the first `kept` of n sorted entries at the threshold t."""
    m0, m1, m2 = 0.0, 0.0, 0.0
    whole = kept // BLOCK
    below, count, level = 0, n // BLOCK, 0
    while (whole >> level) > 0:
        # An odd number of blocks on this level: the last of them is not part of a larger one.
        if (whole >> level) & 1:
            node = below + (whole >> level) - 1
            total, above = tree[_TOTAL, node], tree[_MEAN, node] - t
            m0 += total
            m1 += total * above
            m2 += total * above * above + tree[_SPREAD, node]
        below += count
        count //= 2
        level += 1
    for j in range(a + whole * BLOCK, a + kept):
        w = 1.0 if weights is None else np.float64(weights[j])
        z = np.float64(values[j]) - t * w
        m0 += w * w
        m1 += w * z
        m2 += z * z
    return m0, m1, m2


@compiled()
def _heaviest_single(values, weights, a, b, t):  # type: ignore[no-untyped-def]
    """The weight of the single entry that is best once all are below the threshold."""
    best, top = 1.0, -np.inf
    if weights is not None:
        for j in range(a, b):
            w = np.float64(weights[j])
            z = np.float64(values[j]) - t * w
            if z > top or (z == top and w < best):
                best, top = w, z
    return best


@compiled()
def evaluate_sorted(values, weights, offsets, nodes, tree, table, mu):  # type: ignore[no-untyped-def]
    """Moments of all vectors at mu."""
    for i in range(table.shape[1]):
        a, b = offsets[i], offsets[i + 1]
        t = threshold(table, i, mu)
        kept = _count_above(values, weights, a, b, t)
        own = tree[:, nodes[i] : nodes[i + 1]]
        table[M0, i], table[M1, i], table[M2, i] = _prefix(values, weights, a, b - a, kept, own, t)
        if weights is not None and table[M2, i] == 0.0:
            table[SINGLE, i] = (_heaviest_single(values, weights, a, b, t) - table[LEAST, i]) / table[SPAN, i]


@compiled()
def search_sorted(values, weights, offsets, nodes, tree, s, table, state):  # type: ignore[no-untyped-def]
    """Find the multiplier from ``state[MU]`` on, as `projection.search` does."""
    r = table.shape[1]
    goal = budget(table, s)
    while True:
        evaluate_sorted(values, weights, offsets, nodes, tree, table, state[MU])
        residual(table, s, state)
        if state[MU] == 0.0 and state[RESIDUAL] <= SLACK * r:
            return UNCHANGED
        outcome = advance(state, r, goal)
        if outcome != SEARCHING:
            return outcome


@compiled()
def _plant_all(values, weights, offsets, nodes, tree):  # type: ignore[no-untyped-def]
    for i in range(len(offsets) - 1):
        _plant(values, weights, offsets[i], offsets[i + 1], tree[:, nodes[i] : nodes[i + 1]])


def _sort_some(c: Array, w: Array | None, offsets: Array, values: Array, weights: Array | None) -> None:
    """Sort the vectors between the first and the last offset, descending, into `values` and `weights`."""
    lengths = np.diff(offsets)
    if w is None and (lengths == lengths[0]).all():
        rows = values[offsets[0] : offsets[-1]].reshape(len(lengths), -1)
        np.abs(c[offsets[0] : offsets[-1]].reshape(rows.shape), out=rows)
        np.negative(rows, out=rows)
        rows.sort(axis=1)
        np.negative(rows, out=rows)
        return
    for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        size = np.abs(c[a:b])
        if w is None or weights is None:
            values[a:b] = -np.sort(-size)
            continue
        own = w if w.size == b - a else w[a:b]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            order = np.argsort(-np.where(size > 0, np.divide(size, own, dtype=np.float64), 0))
        values[a:b], weights[a:b] = size[order], own[order]


class SortedGroup:
    """Vectors of a flat buffer, sorted once, and their projection at any target.

    Parameters
    ----------
    c : ndarray (N,), float32 or float64, contiguous
        Kept, not copied, and not to be changed afterwards.
    offsets : ndarray (r + 1,), int64
    weights : ndarray, optional
        (n,) shared by vectors of one length, or (N,); the dtype of c.

    Attributes
    ----------
    start : ndarray (r,)
        The sparsities of the vectors themselves.
    finite : bool
        False where c holds NaN or infinity; then nothing else is there.
    """

    def __init__(self, c: Array, offsets: Array, weights: Array | None = None) -> None:
        self._c, self._offsets, self._w = c, offsets, weights
        r = len(offsets) - 1
        self._constants = np.empty((ROWS, r))
        self._scaled: Scaled | None = None
        set_constants(offsets, weights, self._constants)
        state = new_state()
        outcome = inspect(c, offsets, self._constants, state)
        self.finite = outcome != NOT_FINITE
        if not self.finite:
            return
        if outcome == OUT_OF_RANGE:
            self._scaled = scale_vectors(c, offsets)
            self._c = self._scaled.c
            self._scaled.set_gains(self._constants)
        self._bound = state[HIGH] if outcome == SEARCHING and weights is None else np.finfo(np.float64).max
        self._sort()
        self.start: Array = self.solve(0.0).sparsities

    def _sort(self) -> None:
        c, offsets = self._c, self._offsets
        self._values = np.empty_like(c)
        self._weights = None if self._w is None else np.empty_like(c)
        blocks = np.diff(offsets) // BLOCK
        self._nodes = np.concatenate(([0], np.cumsum(_tree_sizes(blocks))))
        self._tree = np.empty((3, int(self._nodes[-1])))

        def sort(first: int, last: int) -> None:
            some = offsets[first : last + 1]
            _sort_some(c, self._w, some, self._values, self._weights)
            _plant_all(self._values, self._weights, some, self._nodes[first : last + 1], self._tree)

        r = len(offsets) - 1
        threads = min(get_threads(), r) if c.size >= WORTHWHILE else 1
        if threads == 1:
            sort(0, r)
            return
        cuts = np.linspace(0, r, min(r, 4 * threads) + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(sort, cuts[:-1], cuts[1:]))

    def _search(self, s: float) -> tuple[int, Array, Array]:
        table, state = self._constants.copy(), new_state()
        state[HIGH] = self._bound
        arrays = (self._values, self._weights, self._offsets, self._nodes, self._tree)
        outcome = int(search_sorted(*arrays, s, table, state))
        if outcome == COLLAPSED or state[STIFF] * state[MU] > _TRUSTED:
            steps, state = state[STEPS], new_state(state[MU])
            live, work = np.empty(table.shape[1], np.int64), np.empty_like(self._c)
            outcome = int(search(self._c, self._offsets, self._w, s, live, work, table, state))
            state[STEPS] += steps
        return outcome, table, state

    def solve(self, s: float) -> Solution:
        """Multiplier and sparsities at the target s, without the vectors."""
        outcome, table, state = self._search(s)
        if outcome == COLLAPSED:
            outcome, _ = settle(self._c, self._offsets, self._w, s, table, state)
        if outcome != UNCHANGED:
            carry(table, state)
        return self._solution(outcome, table, state)

    def project(self, s: float, out: Array) -> Solution:
        """The projected vectors at the target s into `out` (N,), which may not be c."""
        outcome, table, state = self._search(s)
        outcome = conclude(self._c, self._offsets, s, self._w, outcome, table, state, out)
        if outcome != OVERFLOW and self._scaled is not None and not self._scaled.restore(out, out):
            outcome = OVERFLOW
        return self._solution(outcome, table, state)

    def _solution(self, outcome: int, table: Array, state: Array) -> Solution:
        mu = float(state[MU] + state[FINE] + state[DELTA])
        if self._scaled is not None:
            mu = self._scaled.multiplier(mu)
        return Solution(mu, table[SPARSITY], int(state[STEPS]), outcome)


def _tree_sizes(blocks: Array) -> Array:
    """Nodes of trees over so many blocks: those, half of them, a quarter, ..."""
    sizes = np.zeros_like(blocks)
    while blocks.any():
        sizes += blocks
        blocks = blocks // 2
    return sizes
