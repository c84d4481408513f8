"""Hoyer sparsity of vectors in the house layout."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.group import SAFE, set_constants, slice_weights
from gsp_studio.backends.cpu.moments import largest, moments, weighted_moments
from gsp_studio.backends.cpu.parallel import WORTHWHILE
from gsp_studio.backends.cpu.pool import POOL
from gsp_studio.backends.cpu.root import NORM, ROWS, SPAN

_LOWEST, _HIGHEST = SAFE
#: Long sums are taken in blocks of so many entries: the rounding of one sum grows with its length.
_BLOCK = 8192


@compiled()
def _one(c, offsets, w, table, i):  # type: ignore[no-untyped-def]
    vector = c[offsets[i] : offsets[i + 1]]
    top = largest(vector)
    if not top < np.inf:
        return np.nan
    if top == 0.0:
        return 1.0
    if top > _HIGHEST or top < _LOWEST:
        vector = vector / vector.dtype.type(top)
    m1, m2 = 0.0, 0.0
    for a in range(0, vector.size, _BLOCK):
        piece = vector[a : a + _BLOCK]
        if w is None:
            _, p1, p2 = moments(piece, 0.0)
        else:
            _, p1, p2 = weighted_moments(piece, slice_weights(w, offsets, i)[a : a + _BLOCK], 0.0)
        m1 += p1
        m2 += p2
    return min(1.0, max(0.0, (table[NORM, i] - m1 / math.sqrt(m2)) / table[SPAN, i]))


@compiled()
def _serial(c, offsets, w, table, sparsities):  # type: ignore[no-untyped-def]
    set_constants(offsets, w, table)
    for i in range(len(sparsities)):
        sparsities[i] = _one(c, offsets, w, table, i)


@compiled(parallel=True)
def _parallel(c, offsets, w, table, sparsities):  # type: ignore[no-untyped-def]
    set_constants(offsets, w, table)
    for i in prange(len(sparsities)):
        sparsities[i] = _one(c, offsets, w, table, i)


def hoyer_flat(c: Array, offsets: Array, weights: Array | None = None) -> Array:
    """Hoyer sparsity (r,) of the vectors of a flat buffer, float64; NaN for a vector that holds NaN or infinity."""
    r = len(offsets) - 1
    table, sparsities = np.empty((ROWS, r)), np.empty(r)
    if c.size < WORTHWHILE or r == 1:
        _serial(c, offsets, weights, table, sparsities)
    else:
        with POOL:
            _parallel(c, offsets, weights, table, sparsities)
    return sparsities
