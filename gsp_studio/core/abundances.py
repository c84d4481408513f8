"""Coefficients of each image that sum to one: shares of materials in a pixel (Heinz & Chang, IEEE TGRS 2001).

Exactly, by fast gradient steps that are projected onto the simplex; or softly, by a penalty on what the sum lacks,
which stays a problem of nonnegative least squares. Images do not depend on each other.
"""

from __future__ import annotations

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import Backend
from gsp_studio.backends.summation import squared_norms
from gsp_studio.core.updates import largest_eigenvalue

#: Momentum of the first step.
_ALPHA = 1.0


def summed(
    H: Array,
    C: Array,
    own: Array,
    share: float,
    totals: Array,
    backend: Backend,
    steps: int,
    sweeps: int,
    whole: Array | None = None,
) -> Array:
    """New coefficients whose sums are drawn to `totals`.

    Parameters
    ----------
    H : ndarray (r, n)
        Where they begin.
    C, own : ndarray (r, n), (r, r)
        ``W'X`` and ``W'W``.
    share : float
        1 for sums that are exact; below it ``share / (1 - share)`` times the mean ``||w_k||^2`` is the penalty.
    totals : ndarray (n,)
    backend : Backend
    steps, sweeps : int
        Gradient steps and HALS sweeps at most.
    whole : ndarray (r, m), optional
        W', where `C` and `own` are of some of its pixels, or weigh them: the penalty is that of all of W.

    Returns
    -------
    ndarray (r, n)
    """
    if share >= 1.0:
        return _on_simplex(H, C, own, totals, steps)
    squares = np.diagonal(own) if whole is None else squared_norms(whole)
    penalty = own.dtype.type(share / (1.0 - share) * float(np.mean(squares)))
    return backend.hals(H, C + penalty * totals, own + penalty, sweeps, 0.0)


def start_on(H: Array, totals: Array) -> Array:
    """Coefficients scaled to their totals, image by image; those of an image without any are alike."""
    sums = H.sum(axis=0)
    scaled = H * np.divide(totals, sums, out=np.zeros_like(totals), where=sums > 0)
    found: Array = np.where(sums > 0, scaled, totals / len(H)).astype(H.dtype)
    return np.ascontiguousarray(found)


def to_simplex(Z: Array, totals: Array) -> Array:
    """The nearest columns with entries >= 0 that sum to `totals` (n,) > 0."""
    falling = -np.sort(-Z, axis=0)
    over = np.cumsum(falling, axis=0, dtype=np.float64) - totals
    counts = np.arange(1, len(Z) + 1)[:, None]
    last = np.count_nonzero(falling - over / counts > 0, axis=0) - 1
    found: Array = np.maximum(Z - over[last, np.arange(Z.shape[1])] / (last + 1), 0).astype(Z.dtype)
    return found


def _on_simplex(H: Array, C: Array, own: Array, totals: Array, steps: int) -> Array:
    """Fast projected gradient steps; the momentum of an image starts anew where a step goes uphill."""
    L = largest_eigenvalue(own)
    if L <= 0.0:
        return start_on(H, totals)
    inverse = H.dtype.type(1.0 / L)
    H = to_simplex(H, totals)
    Y, alpha = H, np.full(H.shape[1], _ALPHA)
    for _ in range(steps):
        new = to_simplex(Y - (own @ Y - C) * inverse, totals)
        moved = new - H
        is_uphill = np.einsum("kj,kj->j", Y - new, moved, dtype=np.float64) > 0
        following = (1.0 + np.sqrt(1.0 + 4.0 * alpha * alpha)) / 2.0
        beta = np.where(is_uphill, 0.0, (alpha - 1.0) / following).astype(H.dtype)
        alpha = np.where(is_uphill, _ALPHA, following)
        Y, H = new + beta * moved, new
    return H
