"""Coefficients that sum to one: exactly, softly, in runs and for other images."""

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

import gsp_studio as gs
from gsp_studio.core.abundances import to_simplex
from gsp_studio.core.params import Params

RNG = np.random.default_rng(0)
W = RNG.random((15, 3)) ** 3
X = W @ RNG.dirichlet(np.ones(3), 25).T + 0.02 * RNG.random((15, 25))


def params(**changes):
    return Params(**{"rank": 3, "sparsity": 0.5, "max_iter": 40, "tol": 0.0, "sum_to_one": 1.0, **changes})


def test_the_nearest_point_of_the_simplex():
    Z = RNG.standard_normal((5, 200))
    totals = RNG.uniform(0.5, 2, 200)
    found = to_simplex(Z, totals)
    np.testing.assert_allclose(found.sum(axis=0), totals, rtol=1e-12)
    assert found.min() >= 0
    # Of the nearest point the entries above zero have all moved by the same, the others by no more.
    moved = Z - found
    level = np.max(np.where(found > 0, moved, -np.inf), axis=0)
    np.testing.assert_allclose(np.where(found > 0, moved, level), np.broadcast_to(level, Z.shape), atol=1e-12)
    assert np.all(moved <= level + 1e-12)


@pytest.mark.parametrize("method", ["gsphals", "psnmf", "ahals", "nenmf"])
@pytest.mark.parametrize("poisson", [False, True])
def test_sums_are_one_in_every_iterate(method, poisson):
    for it in gs.iterate(X, params(method=method, poisson=poisson), "cpu"):
        np.testing.assert_allclose(it.H.sum(axis=0), 1.0, rtol=1e-12)
        assert it.H.min() >= 0
        if method in ("gsphals", "psnmf"):
            assert it.sparsity >= 0.5 - 1e-10


def test_errors_fall_to_those_of_the_true_factors():
    found = gs.factorize(X, params(method="ahals", max_iter=300), "cpu")
    assert found.error < 0.05
    assert np.all(np.diff(found.history.error) <= 1e-6)


def test_a_larger_share_draws_sums_nearer_to_one():
    spreads = []
    for share in (0.05, 0.5, 0.95):
        H = gs.apply_basis(3 * X, W, params(sum_to_one=share)).H
        spreads.append(np.abs(H.sum(axis=0) - 1).mean())
    assert spreads[0] > spreads[1] > spreads[2] > 0


def test_coefficients_of_other_images_are_the_constrained_least_squares():
    found = gs.apply_basis(X[:, :3], W, params())
    np.testing.assert_allclose(found.H.sum(axis=0), 1.0, rtol=1e-12)
    for j in range(3):
        best = minimize(
            lambda h, j=j: np.sum((X[:, j] - W @ h) ** 2),
            np.full(3, 1 / 3),
            bounds=[(0, 1)] * 3,
            constraints={"type": "eq", "fun": lambda h: h.sum() - 1},
            tol=1e-12,
        )
        assert np.sum((X[:, j] - W @ found.H[:, j]) ** 2) <= best.fun + 1e-9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sum_to_one": 1.5}, "sum_to_one is 1.5; accepted is a number from 0 to 1"),
        ({"sparsity_h": 0.5}, "sparsity_h does not go with sum_to_one"),
        ({"method": "kl"}, "sum_to_one is for methods of least squares"),
    ],
)
def test_one_sentence_says_what_cannot_be(changes, words):
    with pytest.raises(ValueError, match=words):
        gs.factorize(X, params(**changes), "cpu")


@pytest.mark.parametrize("counts", ["missing", "weights"])
def test_the_penalty_of_soft_sums_is_that_of_the_whole_basis(counts):
    gone = np.random.default_rng(1).random(X.shape) < 0.3
    there = np.where(gone, 0.0, 1.0 if counts == "missing" else 0.5)
    mask = there == 0 if counts == "missing" else there
    found = gs.apply_basis(2 * X, W, params(sum_to_one=0.5), mask=mask)
    root = np.sqrt(np.mean(np.sum(W**2, axis=0)))  # 0.5 / (1 - 0.5) of it
    for j in range(X.shape[1]):
        weigh = np.sqrt(there[:, j])
        best, _ = nnls(np.vstack([weigh[:, None] * W, root * np.ones(3)]), np.append(weigh * 2 * X[:, j], root))
        np.testing.assert_allclose(found.H[:, j], best, atol=1e-5)


def test_other_images_get_the_coefficients_of_the_run_where_entries_are_missing():
    mask = np.random.default_rng(1).random(X.shape) < 0.3
    chosen = params(method="ahals", sum_to_one=0.5, max_iter=3000)
    run = gs.factorize(2 * X, chosen, "cpu", mask=mask)
    found = gs.apply_basis(2 * X, run.W, chosen, mask=mask)
    np.testing.assert_allclose(found.H, run.H, atol=1e-5)
