"""Shared-price HALS on CPUs: sweeps over the basis images under one price on sparsity.

A sweep holds ``R = B' - V' G``, a pixel a row, and takes out of it what every image changes. A sparse image changes few
pixels, and each of these is one run of r neighbours: a sweep over sparse images costs a fraction of its product with G.
Images are cut into pieces of fixed size, whose sums are added in order, so the threads change no bit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from gsp_studio.backends.backend import LARGEST_THRESHOLD, Array
from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.group import set_constants, slice_weights
from gsp_studio.backends.cpu.moments import largest, moments, weighted_moments
from gsp_studio.backends.cpu.pool import POOL
from gsp_studio.backends.cpu.projection import project_rows
from gsp_studio.backends.cpu.root import GAIN, ROWS
from gsp_studio.backends.layout import equal_offsets

_FUSED = {"contract"}
#: Pixels of a piece, and pixels from which on threads are worth their start.
_PIECE, _PARALLEL = 4096, 16384
# Columns of the sums of pieces.
_M1, _M2, _TOP, _MOVED = range(4)


@compiled(fastmath=_FUSED)
def _correlate(V, R, own, k, a, b, out):  # type: ignore[no-untyped-def]
    """``max(0, R + own v)`` of the pixels a to b of image k."""
    zero = V.dtype.type(0)
    for j in range(a, b):
        g = R[j, k] + own * V[k, j]
        out[j] = g if g > zero else zero


@compiled()
def _largest_ratio(g, w):  # type: ignore[no-untyped-def]
    """The threshold from which on nothing is left of ``g - t w``; infinite where an entry costs nothing."""
    if w is None:
        return largest(g)
    top = 0.0
    for j in range(g.size):
        if g[j] > 0:
            top = max(top, np.float64(g[j]) / np.float64(w[j]) if w[j] > 0 else np.inf)
    return top


@compiled()
def _moments_of_piece(g, w, a, b, t, sums):  # type: ignore[no-untyped-def]
    """``w'z`` and ``z'z`` of ``z = (g - t w)_+``."""
    if w is None:
        _, sums[_M1], sums[_M2] = moments(g[a:b], t)
    else:
        _, sums[_M1], sums[_M2] = weighted_moments(g[a:b], w[a:b], t)


@compiled()
def _look_at_piece(V, R, own, w, k, a, b, t, wanted, sums):  # type: ignore[no-untyped-def]
    _correlate(V, R, own, k, a, b, wanted)
    sums[_TOP] = _largest_ratio(wanted[a:b], w if w is None else w[a:b])
    _moments_of_piece(wanted, w, a, b, t, sums)


@compiled(fastmath=_FUSED)
def _replace_piece(V, R, G, w, k, a, b, t, scale, length, wanted, sums):  # type: ignore[no-untyped-def]
    """The new pixels a to b of image k, and their part of R; `wanted` holds g and becomes ``length g``."""
    moved = 0.0
    for j in range(a, b):
        g = np.float64(wanted[j])
        z = g - (t if w is None else t * np.float64(w[j]))
        wanted[j] = g * length
        new = V.dtype.type(z * scale if z > 0.0 else 0.0)
        step = new - V[k, j]
        if step != 0:
            V[k, j] = new
            moved += np.float64(step) * np.float64(step)
            for i in range(G.shape[0]):
                R[j, i] -= step * G[k, i]
    sums[_MOVED] = moved


@compiled(parallel=True)
def _look_at_all(V, R, own, w, k, t, wanted, sums):  # type: ignore[no-untyped-def]
    for p in prange(len(sums)):
        a, b = p * _PIECE, min(V.shape[1], (p + 1) * _PIECE)
        _look_at_piece(V, R, own, w, k, a, b, t, wanted, sums[p])


@compiled(parallel=True)
def _replace_all(V, R, G, w, k, t, scale, length, wanted, sums):  # type: ignore[no-untyped-def]
    for p in prange(len(sums)):
        a, b = p * _PIECE, min(V.shape[1], (p + 1) * _PIECE)
        _replace_piece(V, R, G, w, k, a, b, t, scale, length, wanted, sums[p])


@compiled()
def _total(sums, which):  # type: ignore[no-untyped-def]
    total = 0.0
    for p in range(len(sums)):
        total += sums[p, which]
    return total


@compiled(error_model="numpy")
def _update_image(V, R, G, w, k, price, length, wanted, sums, is_parallel):  # type: ignore[no-untyped-def]
    """The best image k for the others in place; see `reference_price.best_image`. Returns ``||step||^2``."""
    m = V.shape[1]
    own = np.float64(G[k, k])
    t = price / length if length > 0.0 else 0.0
    if is_parallel:
        _look_at_all(V, R, G[k, k], w, k, t, wanted, sums)
    else:
        for p in range(len(sums)):
            _look_at_piece(V, R, G[k, k], w, k, p * _PIECE, min(m, (p + 1) * _PIECE), t, wanted, sums[p])
    most = 0.0
    for p in range(len(sums)):
        most = max(most, sums[p, _TOP])
    if t > LARGEST_THRESHOLD * most:
        t = LARGEST_THRESHOLD * most
        for p in range(len(sums)):
            _moments_of_piece(wanted, w, p * _PIECE, min(m, (p + 1) * _PIECE), t, sums[p])
    scale, m2 = 0.0, _total(sums, _M2)
    if m2 > 0.0:
        # g = z + t w where z is not zero, so g'z needs no other sum.
        fit = m2 + t * _total(sums, _M1)
        length, scale = fit / (math.sqrt(m2) * own), fit / (m2 * own)
    if is_parallel:
        _replace_all(V, R, G, w, k, t, scale, length, wanted, sums)
    else:
        for p in range(len(sums)):
            a, b = p * _PIECE, min(m, (p + 1) * _PIECE)
            _replace_piece(V, R, G, w, k, a, b, t, scale, length, wanted, sums[p])
    return _total(sums, _MOVED)


@compiled()
def _sweep(V, R, G, w, offsets, gains, mu, wanted, sums, is_parallel):  # type: ignore[no-untyped-def]
    """One sweep over the images in place; `wanted` (r, m) gets what the projection finds the next price from."""
    moved = 0.0
    for k in range(V.shape[0]):
        if G[k, k] > 0:
            length = _norm(V[k], sums)
            own = w if w is None else slice_weights(w, offsets, k)
            moved += _update_image(V, R, G, own, k, mu * gains[k], length, wanted[k], sums, is_parallel)
        else:
            wanted[k] = 0
    return moved


@compiled()
def _norm(v, sums):  # type: ignore[no-untyped-def]
    total = 0.0
    for p in range(len(sums)):
        total += moments(v[p * _PIECE : min(v.size, (p + 1) * _PIECE)], 0.0)[2]
    return math.sqrt(total)


@compiled()
def _first_wanted(V, R, G, sums, wanted):  # type: ignore[no-untyped-def]
    """Inputs from which the projection finds a first price: all images at once."""
    for k in range(V.shape[0]):
        _correlate(V, R, G[k, k], k, 0, V.shape[1], wanted[k])
        length = V.dtype.type(_norm(V[k], sums))
        for j in range(V.shape[1]):
            wanted[k, j] *= length


def shared_price(
    V: Array, B: Array, G: Array, s: float, weights: Array | None, mu: float, share: float, n_inner: int, tol: float
) -> tuple[Array, float]:
    """As `Backend.shared_price`; the input V is kept."""
    r, m = V.shape
    V, wanted = V.copy(), np.empty_like(V)
    R = np.ascontiguousarray((B - G @ V).T)
    w = None if weights is None else weights.reshape(-1)
    offsets, table = equal_offsets(r, m), np.empty((ROWS, r))
    set_constants(offsets, w, table)
    sums = np.zeros((-(-m // _PIECE), 4))
    if mu < 0.0:
        _first_wanted(V, R, G, sums, wanted)
        mu = project_rows(wanted, s, weights)[1]
    first, out = 0.0, np.empty_like(V)
    for sweep in range(n_inner):
        with POOL:
            moved = _sweep(V, R, G, w, offsets, table[GAIN], share * mu, wanted, sums, m >= _PARALLEL)
        mu = project_rows(wanted, s, weights, out, mu)[1]
        if sweep == 0:
            first = moved
        elif moved <= tol * tol * first:
            break
    return V, mu
