"""Starting points: scaled uniform factors, or factors that are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def initial_factors(
    init: str | tuple[Any, Any], m: int, n: int, rank: int, seed: int, dtype: npt.DTypeLike
) -> tuple[Array, Array]:
    """W0 (m, rank), Fortran-ordered, and H0 (rank, n), C-ordered, before scaling.

    Parameters
    ----------
    init : "random" or (W0, H0)
        "random" draws W0, then H0, uniform on [0, 1) from ``numpy.random.default_rng(seed)`` in float64.
    m, n, rank, seed : int
    dtype : dtype of the factors

    Returns
    -------
    W0, H0 : ndarray
        New arrays: given factors are copied.

    Raises
    ------
    ValueError
        An unknown name, or given factors of the wrong shape, or with negative or non-finite entries.
    """
    if isinstance(init, str):
        if init != "random":
            raise ValueError(f'init is "{init}"; accepted are "random" or a pair of arrays (W0, H0)')
        rng = np.random.default_rng(seed)
        W0, H0 = rng.random((m, rank)), rng.random((rank, n))
    else:
        W0, H0 = (np.asarray(factor) for factor in init)
        for name, factor, shape in (("W0", W0, (m, rank)), ("H0", H0, (rank, n))):
            if factor.shape != shape:
                raise ValueError(f"init: {name} has shape {factor.shape}; expected is {shape}")
            if not np.all(np.isfinite(factor)) or factor.min(initial=0.0) < 0:
                raise ValueError(f"init: {name} has negative or non-finite entries; factors are finite and >= 0")
    return np.array(W0, dtype=dtype, order="F"), np.array(H0, dtype=dtype, order="C")


def best_scale(B: Array, G: Array, V: Array) -> float:
    """The scalar a that minimises ``||X - a W H||``: ``<W'X, H> / <W'W, H H'>`` (0 when W H = 0).

    ``B = H X'`` (r, m), ``G = H H'`` (r, r) and ``V = W'`` (r, m).
    """
    fit = float(np.vdot(V @ V.T, G))
    return float(np.vdot(V, B)) / fit if fit > 0 else 0.0


def balance(V: Array, H: Array, B: Array, G: Array) -> tuple[Array, Array, Array, Array]:
    """Rows of V and H scaled to equal norms, W H unchanged, with B = H X' and G = H H' scaled along.

    Zero rows are left alone. Without it a factor's scale drifts and the Lipschitz constant of the other's
    gradient step loses its meaning.
    """
    nv = np.sqrt(np.einsum("kj,kj->k", V, V, dtype=np.float64))
    nh = np.sqrt(np.maximum(np.diagonal(G), 0).astype(np.float64))
    alive = (nv > 0) & (nh > 0)
    f = np.ones_like(nv)
    f[alive] = np.sqrt(nh[alive] / nv[alive])
    up = f.astype(V.dtype)[:, None]
    down = (1.0 / f).astype(V.dtype)[:, None]
    return V * up, H * down, B * down, G * down * down.T
