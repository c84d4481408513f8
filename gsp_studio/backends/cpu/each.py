"""Every vector a group of its own: the same search, one vector at a time, vectors side by side on the threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import prange

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.group import project_serial
from gsp_studio.backends.cpu.parallel import WORTHWHILE
from gsp_studio.backends.cpu.pool import POOL
from gsp_studio.backends.cpu.projection import project_flat
from gsp_studio.backends.cpu.root import (
    COLLAPSED,
    DELTA,
    HIGH,
    LONG,
    MU,
    OUT_OF_RANGE,
    OVERFLOW,
    ROWS,
    SPARSITY,
    STATE,
    STEPS,
)

# Rows of the results, (4, r).
_MU, _SPARSITY, _STEPS, _OUTCOME = range(4)


@compiled()
def _one(c, offsets, w, targets, i, kept, results, out):  # type: ignore[no-untyped-def]
    table = np.empty((ROWS, 1))
    state = np.zeros(STATE)
    state[HIGH] = np.finfo(np.float64).max
    live = np.empty(1, np.int64)
    outcome = project_serial(c, offsets[i : i + 2], w, targets[i], True, live, kept, table, state, out)
    results[_MU, i] = state[MU] + state[DELTA]
    results[_SPARSITY, i] = table[SPARSITY, 0]
    results[_STEPS, i] = state[STEPS]
    results[_OUTCOME, i] = outcome


@compiled()
def _serial(c, offsets, w, targets, kept, results, out):  # type: ignore[no-untyped-def]
    for i in range(len(targets)):
        _one(c, offsets, w, targets, i, kept, results, out)


@compiled(parallel=True)
def _parallel(c, offsets, w, targets, kept, results, out):  # type: ignore[no-untyped-def]
    for i in prange(len(targets)):
        _one(c, offsets, w, targets, i, kept, results, out)


@dataclass(frozen=True, eq=False)
class Solutions:
    """As `Solution`, an entry a vector."""

    mu: Array
    sparsities: Array
    n_iter: Array
    outcomes: Array


def project_each(
    c: Array, offsets: Array, targets: Array, weights: Array | None, out: Array, scratch: Array | None = None
) -> Solutions:
    """Project each vector of a flat buffer to its own target (r,); `out` may be c, `scratch` may not."""
    r = len(targets)
    if scratch is None:
        scratch = out if out is not c else np.empty_like(c)
    results = np.empty((4, r))
    if c.size < WORTHWHILE or r == 1:
        _serial(c, offsets, weights, targets, scratch, results, out)
    else:
        with POOL:
            _parallel(c, offsets, weights, targets, scratch, results, out)
    return settle_some(c, offsets, targets, weights, results, out)


def settle_some(
    c: Array, offsets: Array, targets: Array, weights: Array | None, results: Array, out: Array
) -> Solutions:
    """Settle the vectors whose search needs that; `results` (4, r): multipliers, sparsities, evaluations, outcomes."""
    for i in np.flatnonzero(np.isin(results[_OUTCOME], (COLLAPSED, OUT_OF_RANGE, LONG))):
        _settle_one(c, offsets, weights, float(targets[i]), int(i), results, out)
    return Solutions(results[_MU], results[_SPARSITY], results[_STEPS].astype(np.int64), results[_OUTCOME])


def _settle_one(c: Array, offsets: Array, w: Array | None, s: float, i: int, results: Array, out: Array) -> None:
    a, b = int(offsets[i]), int(offsets[i + 1])
    own = w if w is None or w.size == b - a else w[a:b]
    local = np.array([0, b - a])
    values, solution = project_flat(c[a:b].copy(), local, s, own)
    if solution.outcome != OVERFLOW:
        out[a:b] = values
    results[:, i] = solution.mu, solution.sparsities[0], solution.n_iter, solution.outcome
