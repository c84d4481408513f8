"""The KKT residual: 0 where nothing can be gained, falling along a run, the same whatever the scales."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.optimality import kkt_residual
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.updates import largest_eigenvalue

RNG = np.random.default_rng(2)
W, H = RNG.random((40, 4)), RNG.random((4, 60))
X = W @ H


def test_an_exact_factorization_stands_still():
    assert kkt_residual(X, W, H, gs.Params(rank=4, method="ahals")) < 1e-12
    own = float(np.mean(hoyer_sparsity(W)))
    assert kkt_residual(X, W, H, gs.Params(rank=4, sparsity=own)) < 1e-9  # feasible, so the projection keeps it
    assert kkt_residual(X, W, H, gs.Params(rank=4, sparsity=0.9)) > 1e-2  # not feasible


def test_against_the_definition():
    V, K = RNG.random((40, 4)), RNG.random((4, 60))
    s = 0.5

    def step(A, gradient, L, project):
        return np.linalg.norm(A - project(np.maximum(A - gradient / L, 0))) / np.linalg.norm(A)

    of_basis = step(
        V,
        (V @ K - X) @ K.T,
        largest_eigenvalue(K @ K.T),
        lambda Z: gs.group_sparse_projection(Z, s).values,
    )
    of_coefficients = step(K, V.T @ (V @ K - X), largest_eigenvalue(V.T @ V), lambda Z: Z)
    found = kkt_residual(X, V, K, gs.Params(rank=4, sparsity=s))
    assert found == pytest.approx(math.hypot(of_basis, of_coefficients), rel=1e-6)


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
