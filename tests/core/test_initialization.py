"""Starts: what they promise, and that a better one is worth its name."""

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.initialization import STARTS, initial_factors


@pytest.fixture
def X():
    rng = np.random.default_rng(6)
    return rng.random((40, 5)) @ rng.random((5, 60)) + 0.02 * rng.random((40, 60))


@pytest.mark.parametrize("init", STARTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_start_is_nonnegative_finite_and_repeatable(init, dtype, X):
    X = X.astype(dtype)
    first, second = (initial_factors(init, X, 5, seed=1) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        if a is None:
            continue
        assert a.dtype == dtype
        assert np.all(np.isfinite(a))
        assert a.min() >= 0
        np.testing.assert_array_equal(a, b)
    result = gs.factorize(X, gs.Params(rank=5, method="ahals", max_iter=100, init=init))
    assert result.error < 0.02


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda", "nndsvdar", "images"])
def test_an_informed_start_begins_lower_than_a_random_one(init, X):
    first = {
        name: next(gs.iterate(X, gs.Params(rank=5, method="ahals", n_sweeps=1, init=name))).error
        for name in ("random", init)
    }
    assert first[init] < first["random"]


def test_nndsvd_is_exact_for_rank_one():
    X = np.outer([1.0, 2.0, 3.0], [4.0, 0.0, 1.0, 2.0])
    W, H = initial_factors("nndsvd", X, 1, seed=0)
    np.testing.assert_allclose(W @ H, X, atol=1e-12)


def test_nndsvd_keeps_the_larger_part_of_each_singular_pair(X):
    W, H = initial_factors("nndsvd", X, 4, seed=0)
    U, S, Vt = np.linalg.svd(X)
    for k in range(1, 4):
        parts = [np.outer(np.maximum(g * U[:, k], 0), np.maximum(g * Vt[k], 0)) for g in (1, -1)]
        np.testing.assert_allclose(np.outer(W[:, k], H[k]), S[k] * max(parts, key=np.linalg.norm), atol=1e-10)


def test_nndsvd_fills_differ_only_where_nndsvd_is_zero(X):
    plain, mean, noise = (initial_factors(name, X, 4, seed=0)[0] for name in ("nndsvd", "nndsvda", "nndsvdar"))
    zeros = plain == 0
    assert zeros.any()
    np.testing.assert_allclose(mean[zeros], X.mean())
    assert np.all(noise[zeros] <= X.mean())
    for filled in (mean, noise):
        np.testing.assert_array_equal(filled[~zeros], plain[~zeros])


def test_large_data_are_decomposed_iteratively_and_agree():
    rng = np.random.default_rng(0)
    X = rng.random((1100, 8)) @ np.diag(2.0 ** -np.arange(8)) @ rng.random((8, 1200))
    W, H = initial_factors("nndsvd", X, 3, seed=0)
    U, S, Vt = np.linalg.svd(X, full_matrices=False)
    np.testing.assert_allclose(np.outer(W[:, 0], H[0]), S[0] * np.abs(np.outer(U[:, 0], Vt[0])), rtol=1e-6)
    again = initial_factors("nndsvd", X, 3, seed=0)
    np.testing.assert_array_equal(W, again[0])


def test_images_picks_columns_of_the_data_all_different(X):
    W, H = initial_factors("images", X, 6, seed=3)
    assert H is None
    picked = [int(np.flatnonzero((X == W[:, [k]]).all(axis=0))[0]) for k in range(6)]
    assert len(set(picked)) == 6


def test_images_prefers_far_ones():
    X = np.zeros((3, 100))
    X[0] = 1.0
    X[1, 42], X[2, 77] = 5.0, 5.0
    picks = [set(map(tuple, initial_factors("images", X, 3, seed=seed)[0].T)) for seed in range(20)]
    both = sum({tuple(X[:, 42]), tuple(X[:, 77])} <= picked for picked in picks)
    assert both == 20


def test_copies_of_one_image_can_all_be_picked():
    W, _ = initial_factors("images", np.ones((4, 7)), 5, seed=0)
    np.testing.assert_array_equal(W, np.ones((4, 5)))


def test_another_run_goes_on(X):
    params = gs.Params(rank=5, sparsity=0.5, max_iter=30)
    first = gs.factorize(X, params)
    second = gs.factorize(X, gs.Params(rank=5, sparsity=0.5, max_iter=30, init=(first.W, first.H)))
    assert second.history.error[0] <= first.error * (1 + 1e-6)
    assert second.error < first.error
