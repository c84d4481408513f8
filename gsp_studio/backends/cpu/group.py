"""The serial kernels of a group: constants, checks, evaluation, search, output.

One search finds the multiplier from the group's moments (`root`). It begins on all entries; entries below the lower end
of its bracket stay zero for good, so once half of them are gone the survivors move to the front of a buffer, and later
steps look only at those. The output array is that buffer, so nothing is allocated.
"""

from __future__ import annotations

import math

import numpy as np

from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.moments import (
    best_single,
    keep_one,
    largest,
    moments,
    shrink,
    survivors,
    weight_constants,
    weighted_best_single,
    weighted_moments,
    weighted_shrink,
)
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
    SEARCHING,
    SINGLE,
    SLACK,
    SPAN,
    STEPS,
    UNCHANGED,
    advance,
    budget,
    carry,
    residual,
    threshold,
)

#: Largest entries outside this range are scaled by a power of two: squares of them, or of entries
#: that are 1e-100 of them, would leave float64's range.
SAFE = (1e-40, 1e120)
#: Survivors are moved only after this many evaluations: moving costs as much as three of them.
_MOVE_AFTER = 8


@compiled()
def slice_weights(w, offsets, i):  # type: ignore[no-untyped-def]
    """The weights of vector i: its own, or the shared ones."""
    if w.size == offsets[i + 1] - offsets[i]:
        return w
    return w[offsets[i] : offsets[i + 1]]


@compiled()
def set_constants(offsets, w, table):  # type: ignore[no-untyped-def]
    """Norm, span, gain and the sparsity of a single entry of every vector, into the table."""
    length, norm = np.int64(-1), 0.0
    low = 1.0
    for i in range(table.shape[1]):
        if w is None:
            if offsets[i + 1] - offsets[i] != length:
                length = offsets[i + 1] - offsets[i]
                norm = math.sqrt(length)
        elif i == 0 or w.size != offsets[i + 1] - offsets[i]:
            norm, low = weight_constants(slice_weights(w, offsets, i))
        table[NORM, i] = norm
        table[LEAST, i] = low
        table[SPAN, i] = norm - low
        table[GAIN, i] = 1.0 / (norm - low)
        table[SINGLE, i] = 0.0


@compiled()
def inspect(c, offsets, table, state):  # type: ignore[no-untyped-def]
    """Refuse NaN, infinity and sizes whose squares leave float64; bound the search by the largest entries."""
    bound = 0.0
    for i in range(table.shape[1]):
        top = largest(c[offsets[i] : offsets[i + 1]])
        if not top < np.inf:
            return NOT_FINITE
        if top > SAFE[1] or 0.0 < top < SAFE[0]:
            return OUT_OF_RANGE
        bound = max(bound, top / table[GAIN, i])
    # Rounding must not leave the largest entry above its own threshold there.
    state[HIGH] = bound * (1.0 + 1e-15)
    return SEARCHING


@compiled()
def evaluate(c, offsets, w, live, kept, table, mu):  # type: ignore[no-untyped-def]
    """Moments of all vectors at mu; of the survivors in `kept` where live[i] counts them, of all entries before."""
    count = 0.0
    for i in range(table.shape[1]):
        t = threshold(table, i, mu)
        if w is None:
            if live[i] >= 0:
                table[M0, i], table[M1, i], table[M2, i] = moments(kept[offsets[i] : offsets[i] + live[i]], t)
            else:
                table[M0, i], table[M1, i], table[M2, i] = moments(c[offsets[i] : offsets[i + 1]], t)
            count += table[M0, i]
        else:
            vector, weight = c[offsets[i] : offsets[i + 1]], slice_weights(w, offsets, i)
            table[M0, i], table[M1, i], table[M2, i] = weighted_moments(vector, weight, t)
            if table[M2, i] == 0.0:
                single = np.float64(weight[weighted_best_single(vector, weight, t, 0.0)])
                table[SINGLE, i] = (single - table[LEAST, i]) / table[SPAN, i]
    return count


@compiled()
def _move_survivors(c, offsets, live, kept, table, mu):  # type: ignore[no-untyped-def]
    for i in range(table.shape[1]):
        t = threshold(table, i, mu)
        a = offsets[i]
        if live[i] >= 0:
            live[i] = survivors(kept[a : a + live[i]], t, kept[a : offsets[i + 1]])
        else:
            live[i] = survivors(c[a : offsets[i + 1]], t, kept[a : offsets[i + 1]])


@compiled()
def search(c, offsets, w, s, live, kept, table, state):  # type: ignore[no-untyped-def]
    """Find the multiplier from ``state[MU]`` on; `kept` is overwritten, and may not be c."""
    r = table.shape[1]
    goal = budget(table, s)
    live[:] = -1
    here = float(offsets[r] - offsets[0])
    while True:
        count = evaluate(c, offsets, w, live, kept, table, state[MU])
        residual(table, s, state)
        mu = state[MU]
        if mu == 0.0 and state[RESIDUAL] <= SLACK * r:
            return UNCHANGED
        outcome = advance(state, r, goal)
        if outcome != SEARCHING:
            return outcome
        if w is None and state[LOW] == mu and state[STEPS] >= _MOVE_AFTER and count < 0.5 * here:
            _move_survivors(c, offsets, live, kept, table, mu)
            here = count


@compiled()
def write(c, offsets, w, table, state, out):  # type: ignore[no-untyped-def]
    """The projected vectors at the multiplier found; `out` may be c."""
    for i in range(table.shape[1]):
        vector = c[offsets[i] : offsets[i + 1]]
        target = out[offsets[i] : offsets[i + 1]]
        t = threshold(table, i, state[MU])
        fine = threshold(table, i, state[FINE] + state[DELTA])
        if w is None:
            if table[M2, i] > 0.0:
                shrink(vector, t, fine, table[COEF, i], target)
            else:
                keep_one(vector, best_single(vector), target)
        else:
            weight = slice_weights(w, offsets, i)
            if table[M2, i] > 0.0:
                weighted_shrink(vector, weight, t, fine, table[COEF, i], target)
            else:
                keep_one(vector, weighted_best_single(vector, weight, t, fine), target)


@compiled()
def project_serial(c, offsets, w, s, checked, live, kept, table, state, out):  # type: ignore[no-untyped-def]
    """Constants, checks, search and output of one group, in one call; nothing is written unless ROOT or UNCHANGED."""
    set_constants(offsets, w, table)
    if checked or state[MU] == 0.0:
        outcome = inspect(c, offsets, table, state)
        if outcome != SEARCHING:
            return outcome
        if w is not None:
            state[HIGH] = np.finfo(np.float64).max
    outcome = search(c, offsets, w, s, live, kept, table, state)
    if outcome == UNCHANGED:
        out[offsets[0] : offsets[-1]] = c[offsets[0] : offsets[-1]]
    elif outcome == ROOT:
        if carry(table, state) > np.finfo(out.dtype).max:
            return LONG
        write(c, offsets, w, table, state, out)
    return outcome
