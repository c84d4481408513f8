"""Endmembers: samples that are the purest, found by their geometry. VCA and N-FINDR.

Mixtures with coefficients that sum to one lie in a simplex, whose corners are the pure materials. Both methods name
samples of the data, so a corner is found only where a sample is (nearly) pure.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array

#: Up to this smaller side the leading directions come from a full decomposition of the Gram matrix.
_FULL = 4000
#: Rounds of N-FINDR over all endmembers at most; it ends where none changes.
_ROUNDS = 50


def vca(X: npt.ArrayLike, rank: int, seed: int = 0) -> Array:
    """Vertex component analysis: samples at the corners of the simplex, found one after another.

    Parameters
    ----------
    X : array_like (m, n)
        A sample (spectrum, image) a column.
    rank : int
        Number of endmembers, 1 <= rank <= min(m, n).
    seed : int
        Of the random directions.

    Returns
    -------
    ndarray (rank,) of int
        Columns of X, in the order in which they were found.

    Raises
    ------
    ValueError
        A rank out of range, values that are not finite, or fewer different samples than `rank`.

    References
    ----------
    Nascimento & Dias, IEEE Transactions on Geoscience and Remote Sensing 43(4), 2005. Where we deviate: the sample
    itself is taken, not its projection; samples of zeros are never taken.
    """
    X, lit = _checked(X, rank)
    if rank == 1:
        return np.array([lit[np.argmax(np.linalg.norm(X[:, lit], axis=0))]])
    Y = _projected(X[:, lit], rank)
    rng, A, found = np.random.default_rng(seed), np.zeros((rank, rank)), np.empty(rank, np.intp)
    A[-1, 0] = 1.0
    for k in range(rank):
        direction = rng.standard_normal(rank)
        direction -= A @ (np.linalg.pinv(A) @ direction)
        direction /= np.linalg.norm(direction)
        heights = np.abs(direction @ Y)
        heights[found[:k]] = -1.0
        found[k] = np.argmax(heights)
        A[:, k] = Y[:, found[k]]
    return lit[found]


def nfindr(X: npt.ArrayLike, rank: int, seed: int = 0) -> Array:
    """N-FINDR: the samples that span the simplex of the largest volume.

    Parameters
    ----------
    X, rank
        As for `vca`.
    seed : int
        Of the start, which is that of `vca`.

    Returns
    -------
    ndarray (rank,) of int
        Columns of X. No single one can be replaced for a larger volume.

    Raises
    ------
    ValueError
        As for `vca`.

    References
    ----------
    Winter, SPIE 3753, 1999. Each endmember is replaced in turn by the sample that gives the largest volume, until
    none changes.
    """
    found = vca(X, rank, seed)
    if rank == 1:
        return found
    X, _ = _checked(X, rank)
    centred = X - X.mean(axis=1, keepdims=True)
    lifted = np.vstack([np.ones(X.shape[1]), _directions(centred, rank - 1).T @ centred])
    lifted /= np.maximum(np.abs(lifted).max(axis=1, keepdims=True), np.finfo(float).tiny)
    for _ in range(_ROUNDS):
        before = found.copy()
        for k in range(rank):
            others = np.delete(lifted[:, found], k, axis=1)
            # The volume is linear in one corner: the distance to the plane of the others, a vector normal to these.
            normal = np.linalg.svd(others)[0][:, -1]
            volumes = np.abs(normal @ lifted)
            best = int(np.argmax(volumes))
            if volumes[best] > volumes[found[k]] * (1 + 1e-9):
                found[k] = best
        if np.array_equal(found, before):
            break
    return found


#: Methods that find seeds in the data, by the names of the command line.
ENDMEMBERS = {"vca": vca, "nfindr": nfindr}


def _checked(X: npt.ArrayLike, rank: int) -> tuple[Array, Array]:
    """X in float64, scaled to a largest value of 1, and its samples that are not zero."""
    X = np.asarray(X, np.float64)
    if X.ndim != 2 or not 1 <= rank <= min(X.shape):
        raise ValueError(f"{rank} endmembers of data of shape {X.shape}; accepted are 1 to the smaller side")
    largest = float(np.abs(X).max(initial=0.0))
    if not math.isfinite(largest):
        raise ValueError("the data hold NaN or infinite values; endmembers need finite values")
    X = X / (largest or 1.0)
    lit = np.flatnonzero(np.abs(X).max(axis=0) > 0)
    if len(lit) < rank:
        raise ValueError(f"{len(lit)} samples are not zero; accepted are {rank} and more for {rank} endmembers")
    return X, lit


def _directions(X: Array, count: int) -> Array:
    """Leading left singular vectors (m, count)."""
    m, n = X.shape
    if min(m, n) > _FULL:
        from scipy.sparse.linalg import svds

        U, S, _ = svds(X, k=count, v0=np.ones(min(m, n)))
        leading: Array = U[:, np.argsort(-S, kind="stable")]
    elif m <= n:
        leading = np.linalg.eigh(X @ X.T)[1][:, ::-1][:, :count]
    else:
        leading = np.linalg.qr(X @ np.linalg.eigh(X.T @ X)[1][:, ::-1][:, :count])[0]
    signs = np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(count)])  # the same on every machine
    upright: Array = leading * np.where(signs == 0, 1.0, signs)
    return upright


def _projected(X: Array, rank: int) -> Array:
    """Samples (rank, n) in the space in which corners are looked for, which depends on the signal to noise ratio."""
    mean = X.mean(axis=1, keepdims=True)
    centred = X - mean
    inside = _directions(centred, rank).T @ centred
    power, kept = float(np.mean(np.sum(X * X, axis=0))), float(np.mean(np.sum(inside * inside, axis=0)))
    kept += float(np.sum(mean * mean))
    noise = power - kept
    signal = kept - rank / len(X) * power
    ratio = math.inf if noise <= power * 1e-12 else 10 * math.log10(max(signal, 1e-300) / noise)
    if ratio < 15 + 10 * math.log10(rank):
        x = inside[: rank - 1]
        return np.vstack([x, np.full(x.shape[1], math.sqrt(float(np.sum(x * x, axis=0).max())))])
    x = _directions(X, rank).T @ X
    along = x.mean(axis=1) @ x
    # A sample across the mean has no place on the plane, and one nearly so a place far out that means nothing.
    usable = along > 1e-3 * np.abs(along).max()
    on_plane: Array = np.divide(x, along, out=np.zeros_like(x), where=usable)
    return on_plane
