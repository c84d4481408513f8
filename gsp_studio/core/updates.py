"""One-factor updates on the Gram form.

Each solves ``min_V>=0 <V, G V> - 2 <B, V>`` a little further from V (r, p), with G (r, r) and B (r, p): called with
``V = W', B = H X', G = H H'`` it updates the basis, transposed it would update the coefficients. Momentum lives inside
a call: the two factors change in turn, and an old direction misleads after the other has moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import Backend

#: New V, and the last iterate before its projection (the same array where nothing is projected).
Update = tuple[Array, Array]
_ALPHA = 0.1
Projection = Callable[[Array], Array]


def hals(V: Array, B: Array, G: Array, backend: Backend, n_inner: int, tol: float) -> Update:
    """Accelerated HALS (Gillis & Glineur 2012): up to n_inner sweeps over the rows of V.

    A block of columns stops when a sweep moves it less than ``tol`` times the first sweep: columns are
    independent of each other given G, so those that need no more sweeps get none.
    """
    new = backend.hals(V, B, G, n_inner, tol)
    return new, new


def projected_fast_gradient(
    V: Array, B: Array, G: Array, backend: Backend, n_inner: int, tol: float, project: Projection
) -> Update:
    """Fast projected gradient; every step is clipped at zero, then projected (MATH: PSNMF, WSNMF).

    ``Z = max(0, Y - (G Y - B) / L)``, ``V_t = project(Z)``, ``Y = V_t + beta_t (V_t - V_{t-1})`` with
    ``beta_t = a_t (1 - a_t) / (a_t^2 + a_{t+1})``, ``a_{t+1} = (sqrt(a_t^4 + 4 a_t^2) - a_t^2) / 2``, a_0 = 0.1.
    Stops after n_inner steps, or when a step moves less than ``tol`` times the first. Where a step goes against the
    gradient mapping, ``<Y - V_t, V_t - V_{t-1}> > 0``, the momentum starts anew (O'Donoghue & Candes 2015).

    Returns
    -------
    V, dense : ndarray (r, p)
        The projected iterate and the step before its projection: ``project(dense)`` is V to the last bit.
    """
    L = largest_eigenvalue(backend.get(G))
    if L <= 0.0:  # every coefficient is zero: the error does not depend on V
        return project(V), V
    Y, alpha, first = V, _ALPHA, 0.0
    dense = V
    for step in range(n_inner):
        dense = backend.gradient_step(Y, B, G, L)
        new = project(dense)
        square = alpha * alpha
        following = (np.sqrt(square * square + 4.0 * square) - square) / 2.0
        beta = alpha * (1.0 - alpha) / (square + following)
        alpha = float(following)
        following_Y, moved, uphill = backend.extrapolate(new, V, Y, float(beta))
        if uphill > 0.0:
            Y, alpha = new, _ALPHA
        else:
            Y = following_Y
        V = new
        if step == 0:
            first = moved
        elif moved <= tol * tol * first:
            break
    return V, dense


def largest_eigenvalue(G: Array) -> float:
    """``||G||_2`` of a symmetric matrix (r, r) with entries >= 0, from above by a thousandth at most.

    For any x > 0 the largest of ``(G x)_i / x_i`` bounds it from above, the smallest from below (Collatz and
    Wielandt). Power steps bring the two together: mostly at once, as the Gram matrix of nonnegative factors has one
    dominant eigenvalue. Where they do not (factors with parts that never meet), all eigenvalues are computed.
    """
    x = G.sum(axis=1)
    if not x.any():
        return 0.0
    if x.min() > 0:
        for _ in range(20):
            y = G @ x
            ratios = y / x
            high = float(ratios.max())
            if high - float(ratios.min()) <= 1e-3 * high:
                return high
            x = y / y.max()
            if not x.all():  # a part so weak that its share has vanished
                break
    return float(np.linalg.eigvalsh(G)[-1])


def gradient_residual(V: Array, B: Array, G: Array, backend: Backend, project: Projection) -> float:
    """``sqrt(L) ||V - P(max(0, V - (G V - B) / L))||``: zero where a projected gradient step leads nowhere.

    No less than the change of the fit ``W H`` by that step, in the Frobenius norm.
    """
    L = largest_eigenvalue(backend.get(G))
    if L <= 0.0:
        return 0.0
    return math.sqrt(L) * backend.distance(V, project(backend.gradient_step(V, B, G, L)))
