"""Shared-price HALS in plain numpy: slow, readable, the oracle of the tests.

Basis images are chosen one after another, each the best one while the others stay, under one price on sparsity that all
share. `docs/solvers.md` derives it.
"""

from __future__ import annotations

import numpy as np

from gsp_studio.backends.backend import LARGEST_THRESHOLD, Array
from gsp_studio.backends.reference import make_group, project_rows


def shared_price(
    V: Array, B: Array, G: Array, s: float, weights: Array | None, mu: float, share: float, n_inner: int, tol: float
) -> tuple[Array, float]:
    """As `Backend.shared_price`."""
    V = V.copy()
    group = make_group(list(V), None if weights is None else list(np.broadcast_to(weights, V.shape)))
    if mu < 0.0:
        wanted = np.maximum(B - G @ V + np.diagonal(G)[:, None] * V, 0)
        mu = project_rows(wanted * np.linalg.norm(V, axis=1, keepdims=True).astype(V.dtype), s, weights)[1]
    first = 0.0
    for sweep in range(n_inner):
        before, wanted = V.copy(), np.zeros_like(V)
        for k in range(len(V)):
            own = float(G[k, k])
            if own <= 0.0:
                continue
            g = np.maximum(B[k] - G[k] @ V + G[k, k] * V[k], 0)
            V[k], length = best_image(g, own, share * mu * group.beta[k], group.w[k], float(np.linalg.norm(V[k])))
            wanted[k] = g * V.dtype.type(length)
        mu = project_rows(wanted, s, weights)[1]
        moved = float(np.sum((V - before).astype(np.float64) ** 2))
        if sweep == 0:
            first = moved
        elif moved <= tol * tol * first:
            break
    return V, mu


def best_image(g: Array, own: float, price: float, w: Array, length: float) -> tuple[Array, float]:
    """The image v >= 0 that minimises ``own ||v||^2 / 2 - g'v + price w'v / ||v||``, nearly, and its length.

    For a given length a, v is a multiple of ``z = (g - t w)_+`` with ``t = price / a``; for a given direction the best
    length is ``g'z / (own ||z||)``. The first takes the last `length`: sweeps bring the two together.
    """
    most = largest_ratio(g, w)
    if most == 0.0:
        return np.zeros_like(g), length
    t = min(price / length if length > 0.0 else 0.0, LARGEST_THRESHOLD * most)
    z = np.maximum(g.astype(np.float64) - t * w, 0.0)
    norm = float(np.linalg.norm(z))
    length = float(g @ z) / (norm * own)
    return (z * (length / norm)).astype(g.dtype), length


def largest_ratio(g: Array, w: Array) -> float:
    """The threshold from which on nothing is left of ``g - t w``; infinite where an entry costs nothing."""
    above = g > 0
    with np.errstate(divide="ignore"):
        return float(np.max(g[above] / w[above], initial=0.0))
