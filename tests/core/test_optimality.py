"""The KKT residual: 0 where nothing can be gained, falling along a run, the same whatever the scales."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.iteration import Iteration
from gsp_studio.core.optimality import kkt_residual
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.units import unit_of
from gsp_studio.core.updates import largest_eigenvalue

RNG = np.random.default_rng(2)
W, H = RNG.random((40, 4)), RNG.random((4, 60))
X = W @ H


def test_an_exact_factorization_stands_still():
    assert kkt_residual(X, W, H, gs.Params(rank=4, method="ahals")) < 1e-12
    own = float(np.mean(hoyer_sparsity(W)))
    assert kkt_residual(X, W, H, gs.Params(rank=4, sparsity=own)) < 1e-9  # feasible, so the projection keeps it
    assert kkt_residual(X, W, H, gs.Params(rank=4, sparsity=0.9)) > 1e-2  # not feasible


def step_of(A, gradient, L, project):
    return math.sqrt(L) * np.linalg.norm(A - project(np.maximum(A - gradient / L, 0)))


def projected(Z, s):
    return gs.group_sparse_projection(Z, s).values


@pytest.mark.parametrize("sparsity_h", [None, 0.4])
def test_against_the_definition(sparsity_h):
    V, K = RNG.random((40, 4)) * [1, 5, 0.2, 9], RNG.random((4, 60))
    s = 0.5
    lengths = np.linalg.norm(V, axis=0)
    U, T = V / lengths, K * lengths[:, None]
    of_basis = step_of(U, (U @ T - X) @ T.T, largest_eigenvalue(T @ T.T), lambda Z: projected(Z, s))
    if sparsity_h is not None:
        of_rows = np.linalg.norm(K, axis=1)
        U, T = V * of_rows, K / of_rows[:, None]
    of_coefficients = step_of(
        T,
        U.T @ (U @ T - X),
        largest_eigenvalue(U.T @ U),
        lambda Z: Z if sparsity_h is None else projected(Z.T, sparsity_h).T,
    )
    found = kkt_residual(X, V, K, gs.Params(rank=4, sparsity=s, sparsity_h=sparsity_h))
    assert found == pytest.approx(math.hypot(of_basis, of_coefficients) / np.linalg.norm(X), rel=1e-6)


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"method": "ahals"},
        {"method": "cpsnmf"},
        {"method": "wgsphals", "weights": np.linspace(0.1, 1, 40)},
        {"sparsity_h": 0.3},
        {"frozen": (1,)},
    ],
)
def test_scales_of_basis_images_do_not_matter(chosen):
    """The same product W H has the same residual, and so has a run on its way."""
    data = np.maximum(X + 0.05 * RNG.standard_normal(X.shape), 0)
    params = gs.Params(**{"rank": 4, "sparsity": 0.5, "max_iter": 5, "seed": 3, **chosen})
    result = gs.factorize(data, replace(params, frozen=()))
    expected = kkt_residual(data, result.W, result.H, params)
    assert expected > 1e-4
    for scales in ([1e-3, 1.0, 1e3, 7.0], [1e3, 1e-3, 1e-2, 1e2]):
        W, H = result.W * scales, result.H / np.array(scales)[:, None]
        assert kkt_residual(data, W, H, params) == pytest.approx(expected, rel=1e-6)
        assert kkt_residual(1e4 * data, 1e4 * W, H, params) == pytest.approx(expected, rel=1e-6)  # no unit


def test_a_run_measures_the_same():
    params = gs.Params(rank=4, sparsity=0.5)
    device = gs.get_backend("cpu")
    run = Iteration(np.ascontiguousarray(X.T), None, params, device, unit_of(float(X.max())))
    for _ in range(3):
        it = run.step(params)
    assert run.gradient_residual() == pytest.approx(kkt_residual(X, it.W, it.H, params, device), rel=1e-9)


def test_a_point_where_psnmf_stands_still_need_not_be_stationary():
    """Its prices differ between basis images of different lengths; those of one shared price are one."""
    rng = np.random.default_rng(0)
    data = rng.random((60, 5)) ** 3 @ rng.random((5, 90)) ** 2 + 0.05 * rng.standard_normal((60, 90))
    data = np.maximum(data, 0)
    left = {}
    for method in ("psnmf", "gsphals"):
        params = gs.Params(rank=5, method=method, sparsity=0.6, max_iter=1000, tol=0.0)
        before, after = deque(gs.iterate(data, params, "cpu"), maxlen=2)
        assert np.linalg.norm(before.W - after.W) < 1e-9 * np.linalg.norm(after.W), method
        left[method] = kkt_residual(data, after.W, after.H, params, "cpu")
    assert left["gsphals"] < 1e-9
    assert left["psnmf"] > 1e-4


@pytest.mark.parametrize("method", ["psnmf", "ahals", "nenmf", "cpsnmf", "gsphals"])
def test_it_falls_along_a_run(method):
    data = np.maximum(X + 0.05 * RNG.standard_normal(X.shape), 0)
    found = []
    for n in (2, 400):
        result = gs.factorize(data, gs.Params(rank=4, method=method, sparsity=0.4, max_iter=n))
        found.append(kkt_residual(data, result.W, result.H, result.params))
    assert found[1] < 0.2 * found[0]


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scales_do_not_matter(scale):
    V, K = RNG.random((40, 4)), RNG.random((4, 60))
    params = gs.Params(rank=4, sparsity=0.6)
    expected = kkt_residual(X, V, K, params)
    assert kkt_residual(X * scale, V * scale, K, params) == pytest.approx(expected, rel=1e-6)
    assert kkt_residual(X, V * scale, K / scale, params) == pytest.approx(expected, rel=1e-6)


def test_targets_for_the_coefficients_and_weights_count():
    weights = np.linspace(0.1, 1, 40)
    weighted = gs.factorize(X, gs.Params(rank=4, method="wsnmf", sparsity=0.5, weights=weights, max_iter=200))
    assert kkt_residual(X, weighted.W, weighted.H, weighted.params) < 0.05
    sparse = gs.factorize(X, gs.Params(rank=4, sparsity=0.4, sparsity_h=0.4, max_iter=400))
    held = kkt_residual(X, sparse.W, sparse.H, sparse.params)
    free = kkt_residual(X, sparse.W, sparse.H, gs.Params(rank=4, sparsity=0.4))
    assert held < free  # with free coefficients there would be something to gain


def test_what_has_none():
    assert math.isnan(kkt_residual(X, W, H, gs.Params(rank=4, method="l1ahals")))
    assert kkt_residual(X, 0 * W, 0 * H, gs.Params(rank=4)) == 0.0
    with pytest.raises(ValueError, match=r"do not fit X \(40, 60\)"):
        kkt_residual(X, W, H[:, :5], gs.Params(rank=4))
