"""Grouped sparse projection on vectors in the house layout: one flat buffer and offsets.

Small groups go through one serial kernel (`group`), large ones through pieces on all threads (`parallel`); both find
the same root. Targets that no multiplier meets are settled apart (`ties`), and vectors whose squares would overflow
or underflow are scaled first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu import group, parallel
from gsp_studio.backends.cpu.root import (
    COEF,
    COLLAPSED,
    DELTA,
    FINE,
    GAIN,
    LONG,
    M2,
    MU,
    OUT_OF_RANGE,
    OVERFLOW,
    ROOT,
    ROWS,
    SPARSITY,
    STEPS,
    UNCHANGED,
    carry,
    new_state,
    residual,
    threshold,
)
from gsp_studio.backends.cpu.scale import Scaled, scale_vectors
from gsp_studio.backends.cpu.ties import Apart, settle
from gsp_studio.backends.layout import equal_offsets


@dataclass(frozen=True, eq=False)
class Solution:
    """Outcome of a projection.

    Attributes
    ----------
    mu : float
        The multiplier.
    sparsities : ndarray (r,)
        Attained sparsity of every vector.
    n_iter : int
        Evaluations of the moments.
    outcome : int
        ROOT, UNCHANGED, JUMP, NOT_FINITE or OVERFLOW of `root`; nothing is written for the last two.
    """

    mu: float
    sparsities: Array
    n_iter: int
    outcome: int


def project_flat(
    c: Array,
    offsets: Array,
    s: float,
    weights: Array | None = None,
    out: Array | None = None,
    scratch: Array | None = None,
    mu0: float = 0.0,
    checked: bool = True,
) -> tuple[Array, Solution]:
    """Grouped sparse projection of the vectors of a flat buffer.

    Parameters
    ----------
    c : ndarray (N,), float32 or float64, contiguous
    offsets : ndarray (r + 1,), int64
    s : float in [0, 1]
    weights : ndarray, optional
        (n,) shared by vectors of one length, or (N,); the dtype of c.
    out : ndarray (N,), optional
        May be c.
    scratch : ndarray (N,), optional
        Memory to work in, of c's dtype and not c; by default `out`, where that is not c.
    mu0 : float
        Where the search begins: the multiplier of a similar problem saves steps.
    checked : bool
        Look for NaN, infinity and sizes whose squares overflow. Without, these give meaningless values.

    Returns
    -------
    out : ndarray (N,)
    solution : Solution
    """
    if out is None:
        out = np.empty_like(c)
    if scratch is None:
        scratch = out if out is not c else np.empty_like(c)
    r = len(offsets) - 1
    table, state = np.empty((ROWS, r)), new_state(mu0)
    if c.size < parallel.WORTHWHILE:
        live = np.empty(r, np.int64)
        outcome = group.project_serial(c, offsets, weights, s, checked, live, scratch, table, state, out)
    else:
        outcome = parallel.project(c, offsets, weights, s, checked, scratch, table, state, out)
    if outcome == OUT_OF_RANGE:
        outcome = _project_scaled(c, offsets, s, weights, table, state, out)
    elif outcome in (COLLAPSED, LONG):
        outcome = conclude(c, offsets, s, weights, outcome, table, state, out)
    mu = state[MU] + state[FINE] + state[DELTA]
    return out, Solution(float(mu), table[SPARSITY], int(state[STEPS]), outcome)


def conclude(
    c: Array, offsets: Array, s: float, w: Array | None, outcome: int, table: Array, state: Array, out: Array
) -> int:
    """Write what a search has found, settling it first if it collapsed; `out` may be c. OVERFLOW writes nothing."""
    if outcome == UNCHANGED:
        parallel.copy(c, out)
        return outcome
    apart: Apart = {}
    if outcome == LONG:
        outcome = ROOT
    if outcome == COLLAPSED:
        outcome, apart = settle(c, offsets, w, s, table, state)
    most = float(np.finfo(out.dtype).max)
    if carry(table, state) > most and _largest(c, offsets, w, table, state) > most:
        return OVERFLOW
    signs = {i: np.sign(c[offsets[i] + indices]) for i, (indices, _) in apart.items()}
    parallel.write(c, offsets, w, table, state, out)
    for i, (indices, sizes) in apart.items():
        out[offsets[i] : offsets[i + 1]] = 0
        out[offsets[i] + indices] = signs[i] * (sizes * table[COEF, i] if table[M2, i] > 0.0 else sizes)
    return outcome


def _largest(c: Array, offsets: Array, w: Array | None, table: Array, state: Array) -> float:
    """The largest entry that the output will have."""
    lengths = np.diff(offsets)
    t = np.array([threshold(table, i, state[MU]) for i in range(table.shape[1])])
    z = np.abs(c) - np.repeat(t, lengths) * (1.0 if w is None else np.resize(w, c.size))
    return float((z * np.repeat(table[COEF], lengths)).max())


def _project_scaled(c: Array, offsets: Array, s: float, w: Array | None, table: Array, state: Array, out: Array) -> int:
    scaled = scale_vectors(c, offsets)
    group.set_constants(offsets, w, table)
    scaled.set_gains(table)
    state[:] = new_state()
    work = np.empty_like(c)
    outcome = int(group.search(scaled.c, offsets, w, s, np.empty(table.shape[1], np.int64), work, table, state))
    if outcome == UNCHANGED:
        out[...] = c
        return outcome
    outcome = conclude(scaled.c, offsets, s, w, outcome, table, state, work)
    scaled.restore_state(state)
    return outcome if scaled.restore(work, out) else OVERFLOW


def project_rows(
    V: Array, s: float, weights: Array | None = None, out: Array | None = None, mu0: float = 0.0
) -> tuple[Array, float]:
    """Grouped sparse projection of the rows of V (r, m), C-contiguous, all in one group; nothing is checked.

    Returns
    -------
    out : ndarray (r, m)
    mu : float
        The multiplier: a good `mu0` for a similar V.
    """
    r, m = V.shape
    if out is None:
        out = np.empty_like(V)
    flat = V.reshape(-1)
    target = flat if out is V else out.reshape(-1)
    w = None if weights is None else weights.reshape(-1)
    _, solution = project_flat(flat, equal_offsets(r, m), float(s), w, target, None, float(mu0), False)
    return out, solution.mu


def project_at(scaled: Scaled, mu: float, weights: Array | None, out: Array) -> bool:
    """The projected vectors at a multiplier, in the unit of the scaled vectors, into `out`; False as `restore`."""
    c, offsets = scaled.c, scaled.offsets
    table = _scaled_constants(scaled, weights)
    state, work = new_state(mu), np.empty_like(c)
    group.evaluate(c, offsets, weights, np.full(table.shape[1], -1), work, table, mu)
    residual(table, 0.0, state)
    carry(table, state)
    parallel.write(c, offsets, weights, table, state, work)
    return scaled.restore(work, out)


def vanishing_multipliers(scaled: Scaled, weights: Array | None) -> Array:
    """For each entry (N,) the multiplier at which it becomes zero; infinite for the entry that its vector keeps."""
    offsets = scaled.offsets
    table = _scaled_constants(scaled, weights)
    ratios = np.abs(scaled.c, dtype=np.float64)
    if weights is not None:
        w = np.resize(weights, ratios.size)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            ratios = np.where(ratios > 0.0, ratios / w, 0.0)
    with np.errstate(over="ignore"):
        ratios /= np.repeat(table[GAIN], np.diff(offsets))
    for i in np.flatnonzero(np.maximum.reduceat(ratios, offsets[:-1]) > 0.0):
        a, b = offsets[i], offsets[i + 1]
        ratios[a + np.argmax(ratios[a:b])] = np.inf
    return ratios


def _scaled_constants(scaled: Scaled, weights: Array | None) -> Array:
    table = np.empty((ROWS, len(scaled.offsets) - 1))
    group.set_constants(scaled.offsets, weights, table)
    scaled.set_gains(table)
    return table
