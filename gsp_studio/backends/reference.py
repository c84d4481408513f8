"""The projection in plain numpy: slow, readable, the oracle of the tests.

It is the definition, evaluated vector by vector, and a bisection down to neighbouring floating-point
numbers: a multiplier that needs more digits than float64 has is not found here. No pruning, no Newton steps, no
threads: what is fast elsewhere is compared with this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gsp_studio.backends.backend import Array

#: A mean sparsity this little below the target counts as reached: the rounding of the sums.
_SLACK = 5e-14


@dataclass(frozen=True, eq=False)
class Group:
    """The vectors of one group, as absolute values, with the constants of their sparsity.

    ``beta = 1 / (||w|| - min w)``; all in float64, weights scaled to a largest weight of 1: sparsity ignores their
    scale.
    """

    c: list[Array]
    w: list[Array]
    norm: list[float]
    low: list[float]
    beta: list[float]


def make_group(vectors: Sequence[Array], weights: Sequence[Array] | None) -> Group:
    """A `Group` of vectors with their weights, 1 for every entry where weights is None."""
    c = [np.abs(v.astype(np.float64)) for v in vectors]
    w = [np.ones(len(v)) if weights is None else weights[i].astype(np.float64) for i, v in enumerate(c)]
    w = [v / v.max() for v in w]
    norm = [float(np.linalg.norm(v)) for v in w]
    low = [float(v.min()) for v in w]
    return Group(c, w, norm, low, [1.0 / (a - b) for a, b in zip(norm, low, strict=True)])


def support(group: Group, i: int, mu: float) -> tuple[Array, Array]:
    """Indices and values of ``x_i(mu)``, a unit vector: the thresholded vector, or its best single entry."""
    c, w = group.c[i], group.w[i]
    scale = c.max() or 1.0
    t = 1e300 if mu / 1e300 > scale else mu / scale * group.beta[i]
    z = c / scale - t * w
    kept = np.flatnonzero(z > 0)
    if len(kept) == 0:
        # A large t swallows c: among equals the lightest, then the largest entry, then the lowest index.
        best = min(np.flatnonzero(z == z.max()), key=lambda j: (w[j], -c[j], j))
        return np.array([best]), np.ones(1)
    x = z[kept] / z[kept].max()
    return kept, x / np.linalg.norm(x)


def sparsity_of(group: Group, i: int, kept: Array, x: Array) -> float:
    """``sp_w`` of the unit vector with the values x at the indices kept; a zero vector counts as 1."""
    if not group.c[i].any():
        return 1.0
    return (group.norm[i] - float(group.w[i][kept] @ x)) / (group.norm[i] - group.low[i])


def sparsities_at(group: Group, mu: float) -> Array:
    """``sp_w(x_i(mu))`` of every vector."""
    return np.array([sparsity_of(group, i, *support(group, i, mu)) for i in range(len(group.c))])


def multiplier(group: Group, s: float) -> tuple[float, float]:
    """Neighbouring multipliers (below, at): the mean sparsity reaches s at the second and not at the first."""
    if s == 0.0 or np.mean(sparsities_at(group, 0.0)) >= s - _SLACK:
        return 0.0, 0.0
    low, high = 0.0, max(float(c.max() / b) for c, b in zip(group.c, group.beta, strict=True))
    while np.mean(sparsities_at(group, high)) < s and high < 1e308:
        low, high = high, high * 2.0
    while True:
        # The multiplier may lie at any power of ten: halve the exponent first, the number afterwards.
        middle = math.sqrt(low) * math.sqrt(high) if high > 4.0 * low > 0.0 else 0.5 * low + 0.5 * high
        if not low < middle < high:
            return low, high
        if np.mean(sparsities_at(group, middle)) >= s:
            high = middle
        else:
            low = middle


def keep_ties(group: Group, s: float, below: float, at: float) -> dict[int, Array]:
    """The entries to keep where s lies inside a jump, for the vectors that need not lose all of their ties.

    Between neighbouring multipliers a vector with tied largest ratios loses all of them but one. The constraint is
    kept by dropping ties in as few vectors as possible, those with the largest gain, the last of equals first; in
    the last of these only as many as needed, the lowest indices kept.
    """
    count = len(group.c)
    before, after = sparsities_at(group, below), sparsities_at(group, at)
    tied = [i for i in range(count) if len(support(group, i, at)[0]) == 1 and after[i] > before[i] + 1e-12]
    needed = s * count - (after.sum() - sum(after[i] - before[i] for i in tied))
    kept = {i: support(group, i, below)[0] for i in tied}
    for i in sorted(tied, key=lambda i: (-round(float(after[i] - before[i]), 12), -i)):
        if needed <= count * _SLACK:
            break
        order = kept[i][np.argsort(group.w[i][kept[i]], kind="stable")]
        for size in range(len(order) - 1, 0, -1):
            part = order[:size]
            w = group.w[i][part]
            gain = sparsity_of(group, i, part, w / (np.linalg.norm(w) or 1.0)) - before[i]
            if gain >= needed - count * _SLACK:
                break
        kept[i] = part if len(order) > 1 else support(group, i, at)[0]
        needed -= after[i] - before[i]
    return kept


def project(vectors: Sequence[Array], s: float, weights: Sequence[Array] | None = None) -> tuple[list[Array], float]:
    """Grouped sparse projection of 1-D vectors: new vectors of the same dtypes, and the multiplier.

    Source: Ohib et al., TMLR 2022, section 3: ``sign(c_i) alpha_i x_i`` with ``alpha_i = |c_i|' x_i``. Where we
    deviate from the authors' code: a group that is sparse enough comes back unchanged.
    """
    group = make_group(vectors, weights)
    below, at = multiplier(group, s)
    if at == 0.0:
        return [v.copy() for v in vectors], 0.0
    ties = keep_ties(group, s, below, at)
    projected = []
    for i, v in enumerate(vectors):
        out = np.zeros_like(v)
        if i in ties:
            out[ties[i]] = v[ties[i]]
        else:
            kept, x = support(group, i, at)
            scale = group.c[i].max()
            alpha = float((group.c[i][kept] / (scale or 1.0)) @ x) * scale
            out[kept] = np.copysign(alpha * x, v[kept]) * (v[kept] != 0)
        projected.append(out)
    return projected, at


def project_rows(
    V: Array, s: float, weights: Array | None = None, out: Array | None = None, mu0: float = 0.0
) -> tuple[Array, float]:
    """Grouped sparse projection of the rows of V (r, m), all in one group; `mu0`, a hint for others, is not used."""
    rows = None if weights is None else list(np.broadcast_to(weights, V.shape))
    projected, mu = project(list(V), float(s), rows)
    out = np.empty_like(V) if out is None else out
    out[...] = projected
    return out, mu
