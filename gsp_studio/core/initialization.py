"""Starting points: uniform factors, the singular vectors' positive parts, images, or factors that are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.data_access import keeps_coefficients, sample
from gsp_studio.backends.powers import scale_in_place, scaled
from gsp_studio.core.units import halves

#: Names of the starts, and what they are.
STARTS = {
    "random": "uniform factors",
    "nndsvd": "positive parts of the leading singular vectors, zeros kept",
    "nndsvda": "the same, zeros filled with the mean of X",
    "nndsvdar": "the same, zeros filled with small random values",
    "images": "images that lie far from each other, picked as k-means++ does",
}
#: Up to this smaller side a full decomposition is quick enough.
_FULL_SVD = 1000
#: Of data with more bytes, wherever they are, starts that look at images look at so many, spread over the whole.
_SAMPLE = 1 << 28


def initial_factors(init: str | tuple[Any, Any], X: Any, rank: int, seed: int, exponent: int = 0) -> tuple[Array, Any]:
    """W0 (m, rank), Fortran-ordered, and H0 (rank, n), C-ordered, before scaling; H0 None: to be fitted to W0.

    Parameters
    ----------
    init : str or (W0, H0)
        A name of `STARTS`. "random" draws W0, then H0, uniform on [0, 1) from ``numpy.random.default_rng(seed)`` in
        float64.
    X : ndarray (m, n), float32 or float64, or BlockMatrix, or DistributedMatrix
        Of data of more than 256 MiB starts that look at images look at a sample, and H0 is None: the same in memory
        and out of core. Of a `DistributedMatrix` a random H0 is `Coefficients`, made where the images are.
    rank, seed : int
    exponent : int
        The largest value of X is about ``2**exponent``, see `backends.powers.exponent_of`: a start has the same shape
        in every unit of the data.

    Returns
    -------
    W0, H0 : ndarray
        New arrays of X's dtype: given factors are copied.

    Raises
    ------
    ValueError
        An unknown name, or given factors of the wrong shape, or with negative or non-finite entries.

    References
    ----------
    Boutsidis & Gallopoulos, Pattern Recognition 2008 (NNDSVD); Arthur & Vassilvitskii, SODA 2007 (k-means++).
    """
    m, n = X.shape
    of_basis, of_coefficients = halves(exponent)
    H0: Any
    if isinstance(init, str) and init in STARTS and init != "random":
        some = sample(X, _SAMPLE)
        if some is not X:
            W0, H0 = initial_factors(init, some, rank, seed, exponent)
            return W0, None if some.shape[1] < n else H0
    if keeps_coefficients(X) and not isinstance(init, str) and X.has(init[1]):
        return np.array(init[0], dtype=X.dtype, order="F"), init[1]
    if not isinstance(init, str):
        W0, H0 = (np.asarray(factor) for factor in init)
        for name, factor, shape in (("W0", W0, (m, rank)), ("H0", H0, (rank, n))):
            if factor.shape != shape:
                raise ValueError(f"init: {name} has shape {factor.shape}; expected is {shape}")
            if not np.all(np.isfinite(factor)) or factor.min(initial=0.0) < 0:
                raise ValueError(f"init: {name} has negative or non-finite entries; factors are finite and >= 0")
    elif init == "random":
        rng = np.random.default_rng(seed)
        W0 = rng.random((m, rank))
        if keeps_coefficients(X):
            return np.array(W0, dtype=X.dtype, order="F"), X.uniform(seed, W0.size, rank) * np.full(
                (rank, 1), 2.0**of_coefficients
            )
        H0 = np.empty((rank, n), X.dtype)
        for row in H0:  # one at a time: many images have many coefficients
            row[:] = rng.random(n)
        scale_in_place(H0, of_coefficients)
    elif init == "images":
        W0, H0 = scaled(X[:, _far_images(X, rank, seed)], -of_coefficients), None
    elif init in STARTS:
        W0, H0 = _nndsvd(scaled(X, -exponent), rank, seed, fill=init[len("nndsvd") :])
        W0, H0 = scaled(W0, of_basis), scaled(H0, of_coefficients)
    else:
        raise ValueError(f'init is "{init}"; accepted are {", ".join(STARTS)} or a pair of arrays (W0, H0)')
    H0 = None if H0 is None else np.array(H0, dtype=X.dtype, order="C", copy=not isinstance(init, str) or None)
    return np.array(W0, dtype=X.dtype, order="F"), H0


def best_scale(B: Array, G: Array, V: Array) -> float:
    """The scalar a that minimises ``||X - a W H||``: ``<W'X, H> / <W'W, H H'>`` (0 when W H = 0).

    ``B = H X'`` (r, m), ``G = H H'`` (r, r) and ``V = W'`` (r, m).
    """
    fit = float(np.vdot(V @ V.T, G))
    return float(np.vdot(V, B)) / fit if fit > 0 else 0.0


def _far_images(X: Array, rank: int, seed: int) -> Array:
    """Indices of `rank` images, each drawn with a chance that grows with its squared distance to those before."""
    rng = np.random.default_rng(seed)
    norms = np.einsum("ij,ij->j", X, X, dtype=np.float64)
    chosen = np.empty(rank, np.int64)
    # The first one by its squared length: a black image is no part of anything.
    far = norms.copy()
    for k in range(rank):
        far[chosen[:k]] = 0.0
        total = far.sum()
        if total > 0:
            chosen[k] = rng.choice(len(far), p=far / total)
        else:  # all that are left equal a chosen one
            chosen[k] = rng.choice(np.setdiff1d(np.arange(len(far)), chosen[:k]))
        distance = norms + norms[chosen[k]] - 2.0 * (X[:, chosen[k]] @ X).astype(np.float64)
        far = np.minimum(far, np.maximum(distance, 0.0))
    return chosen


def _nndsvd(X: Array, rank: int, seed: int, fill: str) -> tuple[Array, Array]:
    U, S, Vt = _leading_singular_vectors(X, rank)
    W, H = np.zeros((len(U), rank)), np.zeros((rank, Vt.shape[1]))
    for k in range(rank):
        # Of u v' the positive part is u+ v+' + u- v-': the larger of the two is kept.
        parts = [(np.maximum(sign * U[:, k], 0), np.maximum(sign * Vt[k], 0)) for sign in (1.0, -1.0)]
        lengths = [np.linalg.norm(u) * np.linalg.norm(v) for u, v in parts]
        (u, v), length = parts[int(np.argmax(lengths))], max(lengths)
        if length > 0:
            W[:, k] = np.sqrt(S[k] * length) * u / np.linalg.norm(u)
            H[k] = np.sqrt(S[k] * length) * v / np.linalg.norm(v)
    if fill:
        mean, rng = float(X.mean(dtype=np.float64)), np.random.default_rng(seed)
        for factor in (W, H):
            empty = factor == 0
            noise = np.abs(rng.standard_normal(int(empty.sum()))) / 100.0
            factor[empty] = mean * (noise if fill == "ar" else 1.0)
    return W, H


def _leading_singular_vectors(X: Array, rank: int) -> tuple[Array, Array, Array]:
    if min(X.shape) <= _FULL_SVD or rank >= min(X.shape):
        U, S, Vt = np.linalg.svd(X, full_matrices=False)
        return U[:, :rank], S[:rank], Vt[:rank]
    from scipy.sparse.linalg import svds

    # A fixed start vector: the same decomposition each time.
    U, S, Vt = svds(X, k=rank, v0=np.ones(min(X.shape), X.dtype))
    largest_first = np.argsort(-S, kind="stable")
    return U[:, largest_first], S[largest_first], Vt[largest_first]
