"""The scale of factors: which one fits best at the start, and how W and H share it afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def best_scale(B: Array, G: Array, V: Array) -> float:
    """The scalar a that minimises ``||X - a W H||``: ``<W'X, H> / <W'W, H H'>`` (0 when W H = 0).

    ``B = H X'`` (r, m), ``G = H H'`` (r, r) and ``V = W'`` (r, m).
    """
    fit = float(np.vdot(V @ V.T, G))
    return float(np.vdot(V, B)) / fit if fit > 0 else 0.0


def balance(
    V: Array, H: Array, B: Array, G: Array, frozen: tuple[int, ...] = (), ratio: float = 1.0
) -> tuple[Array, Array, Array, Array]:
    """Rows of V and H scaled to norms of this ratio, W H unchanged, with B = H X' and G = H H' scaled along.

    Zero rows and `frozen` ones are left alone. `ratio` is ``||v_k|| / ||h_k||``, see `units.Unit.balance`: with equal
    norms the bits would depend on the unit of the data. Without balance a factor's scale drifts and the Lipschitz
    constant of the other's gradient step loses its meaning.
    """
    nv = np.sqrt(np.einsum("kj,kj->k", V, V, dtype=np.float64))
    nh = np.sqrt(np.maximum(np.diagonal(G), 0).astype(np.float64))
    alive = (nv > 0) & (nh > 0)
    alive[list(frozen)] = False
    f = np.ones_like(nv)
    f[alive] = np.sqrt(nh[alive] / nv[alive] * ratio)
    up = f.astype(V.dtype)[:, None]
    down = (1.0 / f).astype(V.dtype)[:, None]
    return V * up, H * down, B * down, G * down * down.T
