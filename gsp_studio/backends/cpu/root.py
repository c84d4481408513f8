"""The scalar equation of the projection: from a group's moments to its residual, and the next multiplier to try.

With ``z_i = (|c_i| - t_i w_i)_+`` and ``t_i = gain_i mu``, three moments of each vector say everything about the group
at a multiplier: ``m0 = ||w_i|_S||^2``, ``m1 = w_i' z_i`` and ``m2 = ||z_i||^2``. Where they come from (all entries, the
survivors of earlier steps, a sorted path) is not known here, so all of these find the same root in the same way.
"""

from __future__ import annotations

import math

import numpy as np

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu.compiling import compiled

# Rows of a group's table (ROWS, r), float64.
# LEAST is the smallest weight and SPAN what the norm of the weights has above it;
# SINGLE is what a single entry has left to a sparsity of 1.
GAIN, NORM, SPAN, LEAST, M0, M1, M2, SPARSITY, SINGLE, COEF = range(10)
ROWS = 10
# Entries of the search's state, float64. The multiplier is MU + FINE + DELTA: FINE lies below MU's last digit (`ties`),
# DELTA is the last Newton step. SUMMED is the size of what RESIDUAL was summed from: its rounding is in proportion.
MU, LOW, HIGH, DELTA, STEPS, STIFF, RESIDUAL, SLOPE, OLD_MU, OLD_RESIDUAL, OLD_SLOPE, FINE, CROSSING, SUMMED = range(14)
STATE = 14

# Outcomes of a search; the first one says go on.
SEARCHING, ROOT, COLLAPSED, UNCHANGED, NOT_FINITE, OUT_OF_RANGE, JUMP, LONG, OVERFLOW = range(9)

#: The upper end of a bracket that is not known yet.
UNBOUNDED = float(np.finfo(np.float64).max)
#: A mean sparsity this little below the target counts as reached before any step: the rounding of long sums.
SLACK = 5e-14
#: The last Newton step may be this long, measured in ||z_i|| of the vector it changes most: its square is rounding.
_LAST_STEP = 1e-7
#: And the sparsity may change by this much at most if every entry of a vector came or went during that step.
_LAST_CROSSING = 5e-11
#: A mean sparsity this near the target is met, however long the step.
_MET = 1e-13
#: Where less than one over this is summed for a vector, on average, the last two are in proportion to it.
_NEAR = 1e3
#: From this many steps on, every other one halves the bracket.
_PATIENCE = 14


def new_state(mu: float = 0.0) -> Array:
    """The state of a search that starts at mu >= 0."""
    state = np.zeros(STATE)
    state[MU] = mu
    state[LOW] = -1.0 if mu > 0.0 else 0.0
    state[HIGH] = UNBOUNDED
    return state


@compiled()
def threshold(table, i, mu):  # type: ignore[no-untyped-def]
    """``t_i`` at mu, or a part of it; finite, so that times a weight of 0 it is 0."""
    return max(-1e300, min(table[GAIN, i] * mu, 1e300))


@compiled(error_model="numpy")
def budget(table, s):  # type: ignore[no-untyped-def]
    """``sum_i gain_i w_i' x_i`` at a mean sparsity of s, exact where that is near its least."""
    total = table.shape[1] * (1.0 - s)
    for i in range(table.shape[1]):
        total += table[LEAST, i] / table[SPAN, i]
    return total


@compiled(error_model="numpy")
def residual(table, s, state):  # type: ignore[no-untyped-def]
    """``r s`` minus the sum of the sparsities, its slope, and how fast the stiffest vector changes, into state.

    Summed from what each sparsity has left to 1, which keeps its digits where the target is near 1 and weights are 0.
    CROSSING times a step bounds what entries that come or go during that step add to the sparsity of a vector.
    """
    r = table.shape[1]
    missing = 0.0
    summed = 0.0
    slope = 0.0
    stiff = 0.0
    crossing = 0.0
    for i in range(r):
        m2 = table[M2, i]
        if m2 > 0.0:
            m0, m1 = table[M0, i], table[M1, i]
            length = math.sqrt(m2)
            left = (m1 / length - table[LEAST, i]) / table[SPAN, i]
            slope += table[GAIN, i] * max(0.0, m0 - m1 * m1 / m2) / (table[SPAN, i] * length)
            stiff = max(stiff, table[GAIN, i] * math.sqrt(m0) / length)
            crossing = max(crossing, table[GAIN, i] * table[NORM, i] * table[NORM, i] / (table[SPAN, i] * length))
        else:
            left = table[SINGLE, i]
        table[SPARSITY, i] = 1.0 - left
        missing += left - (1.0 - s)
        if left != 0.0:
            summed += left + table[LEAST, i] / table[SPAN, i]
    state[RESIDUAL] = missing
    state[SUMMED] = summed
    state[SLOPE] = slope
    state[STIFF] = stiff
    state[CROSSING] = crossing


@compiled(error_model="numpy")
def _propose(state, goal):  # type: ignore[no-untyped-def]
    """Propose the next place of the root, from the residual y and the slope here and at the step before.

    Later steps evaluate at y = 0 the cubic that passes through both points (y, mu) with the slopes of the inverse
    function. The first is Newton's, unless that leaves the bracket: then it solves ``R(mu)^2 = k^2`` to first order,
    since R, the sum of the ratios of norms, falls like a square root where entries are evenly spread.
    """
    mu, y, slope = state[MU], state[RESIDUAL], state[SLOPE]
    if state[STEPS] > 1.0 and state[OLD_SLOPE] > 0.0 and state[OLD_RESIDUAL] != y:
        width, rise = y - state[OLD_RESIDUAL], mu - state[OLD_MU]
        u = y / width
        here, there = width / slope + rise, -(width / state[OLD_SLOPE] + rise)
        guess = mu - u * rise + u * (1.0 - u) * ((1.0 - u) * here + u * there)
        if state[LOW] < guess < state[HIGH]:
            return guess
    step = y / slope
    if mu + step >= state[HIGH] and goal > 0.0:
        step *= (0.5 * y + goal) / (y + goal)
    return mu + step


@compiled(error_model="numpy")
def _halve(state):  # type: ignore[no-untyped-def]
    """The middle of the bracket: of the numbers while they are alike, else of their bits; up, while it has no end."""
    if state[HIGH] > 1e300 and state[LOW] > 0.0 and state[STEPS] < _PATIENCE:
        return 8.0 * state[LOW]
    if state[HIGH] < 1e3 * state[LOW] or (state[STEPS] < _PATIENCE and state[HIGH] < 1e300):
        return 0.5 * state[LOW] + 0.5 * state[HIGH]
    bits = state.view(np.int64)
    bits[MU] = bits[LOW] + (bits[HIGH] - bits[LOW]) // 2
    return state[MU]


@compiled(error_model="numpy")
def advance(state, r, goal):  # type: ignore[no-untyped-def]
    """The next multiplier, or the end of the search.

    Interpolation inside a bracket that always holds the root, and halving of the bracket where a step leaves it or too
    many were needed. Halving by the numbers' bits finds the power of ten first, then the digits, and ends after 64
    steps at neighbouring numbers. ROOT: ``mu + DELTA`` is the root, DELTA so short that the moments can be carried
    over to it. COLLAPSED: the target is passed between the neighbours LOW and HIGH. A search that starts above 0 has
    LOW = -1 until a lower end is known, and tries 0 before it goes on.
    """
    mu, missing, slope = state[MU], state[RESIDUAL], state[SLOPE]
    state[STEPS] += 1
    state[DELTA] = 0.0
    if missing > 0.0:
        state[LOW] = mu
    else:
        state[HIGH] = mu
    if abs(missing) <= 2e-16 * min(r, state[SUMMED]):
        return ROOT
    near = min(1.0, _NEAR * state[SUMMED] / r)
    step = missing / slope if slope > 0.0 else np.inf
    if state[LOW] <= mu + step <= state[HIGH] and abs(step) * state[STIFF] <= _LAST_STEP:
        if abs(step) * state[CROSSING] <= _LAST_CROSSING * near:
            state[DELTA] = step
            return ROOT
        if abs(missing) <= _MET * near * r:
            # Upwards entries only leave, which overshoots nothing; downwards any number of them might come.
            state[DELTA] = max(0.0, step)
            return ROOT
    guess = _propose(state, goal) if slope > 0.0 else np.inf
    state[OLD_MU], state[OLD_RESIDUAL], state[OLD_SLOPE] = mu, missing, slope
    bits = state.view(np.int64)
    if state[LOW] < 0.0:
        state[MU] = guess if 0.0 < guess < state[HIGH] and state[STEPS] < _PATIENCE else 0.0
    elif bits[HIGH] - bits[LOW] <= 1:
        return COLLAPSED
    elif state[LOW] < guess < state[HIGH] and (state[STEPS] < _PATIENCE or state[STEPS] % 2 == 0):
        state[MU] = guess
    else:
        state[MU] = _halve(state)
    return SEARCHING


@compiled(error_model="numpy")
def carry(table, state):  # type: ignore[no-untyped-def]
    """Sparsities and output factors at ``mu + DELTA``, from the moments at mu; returns the longest vector's norm."""
    delta, longest = state[DELTA], 0.0
    for i in range(table.shape[1]):
        if table[M2, i] <= 0.0:
            table[COEF, i] = 0.0
            continue
        m0, m1, m2 = table[M0, i], table[M1, i], table[M2, i]
        # Entries of weight 0 alone: nothing depends on mu, which may be far beyond their size.
        d = delta * table[GAIN, i] if m0 > 0.0 else 0.0
        m2 = m2 - 2.0 * d * m1 + d * d * m0
        m1 = m1 - d * m0
        table[SPARSITY, i] = 1.0 - (m1 / math.sqrt(m2) - table[LEAST, i]) / table[SPAN, i]
        # alpha / ||z|| with alpha = |c|'z / ||z|| and |c| = z + t w on the support.
        table[COEF, i] = 1.0 + (threshold(table, i, state[MU]) + d) * m1 / m2
        longest = max(longest, table[COEF, i] * math.sqrt(m2))
    return longest
