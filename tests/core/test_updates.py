"""One-factor updates against naive oracles, sparse coefficients, transposed problems, dead basis images, streaming."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.updates import gradient_residual, hals, largest_eigenvalue, projected_fast_gradient

BACKENDS = ["cpu", "reference"]


@pytest.fixture
def problem():
    rng = np.random.default_rng(8)
    H, X = rng.random((4, 50)), rng.random((30, 50))
    return rng.random((4, 30)), H @ X.T, H @ H.T  # V, B, G


def value(V, B, G):
    return np.vdot(V, G @ V) - 2 * np.vdot(B, V)


def naive_fast_gradient(V, B, G, steps, tol, project):
    """Entry by entry as MATH has it, with the restart."""
    L = largest_eigenvalue(G)
    Y, old, alpha, first = V.copy(), V.copy(), 0.1, None
    for step in range(steps):
        Z = Y - (G @ Y - B) / L
        Z[Z < 0] = 0
        new = project(Z)
        following = (np.sqrt(alpha**4 + 4 * alpha**2) - alpha**2) / 2
        beta = alpha * (1 - alpha) / (alpha**2 + following)
        alpha = following
        if np.sum((Y - new) * (new - old)) > 0:
            Y, alpha = new.copy(), 0.1
        else:
            Y = new + beta * (new - old)
        moved = np.sum((new - old) ** 2)
        old = new
        if step == 0:
            first = moved
        elif moved <= tol**2 * first:
            break
    return old


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("steps", [1, 5, 60])
def test_fast_gradient_follows_the_naive_loop(backend, steps, problem):
    V, B, G = problem
    device = gs.get_backend(backend)

    def project(Z):
        return gs.group_sparse_projection(Z.T, 0.5).values.T

    new, dense = projected_fast_gradient(V, B, G, device, steps, 0.01, project)
    np.testing.assert_allclose(new, naive_fast_gradient(V, B, G, steps, 0.01, project), rtol=1e-8, atol=1e-12)
    np.testing.assert_array_equal(project(dense), new)


def grams():
    rng = np.random.default_rng(1)
    blocks = np.zeros((6, 6))
    blocks[:3, :3], blocks[3:, 3:] = 1.0, 1.0  # two equal eigenvalues, parts that never meet
    H = rng.random((5, 30))
    sparse = np.where(rng.random((8, 40)) < 0.1, rng.random((8, 40)), 0.0)
    dead = H.copy()
    dead[2] = 0
    factors = [H, H.astype(np.float32), 1e-20 * H, 1e15 * H, sparse, dead, np.eye(4), rng.random((1, 9))]
    return [blocks, np.zeros((3, 3)), *(F @ F.T for F in factors)]


@pytest.mark.parametrize("G", grams())
def test_the_largest_eigenvalue_is_bounded_from_above(G):
    exact = np.linalg.eigvalsh(G.astype(np.float64))[-1]
    rounding = 1 - 10 * np.finfo(G.dtype).eps
    assert rounding * exact <= largest_eigenvalue(G) <= 1.0011 * exact


@pytest.mark.parametrize("backend", BACKENDS)
def test_hals_is_monotone_and_ends_at_a_kkt_point(backend, problem):
    V, B, G = problem
    device = gs.get_backend(backend)
    values = [value(V, B, G)]
    for _ in range(300):
        V, _ = hals(V, B, G, device, 1, 0.0)
        values.append(value(V, B, G))
    assert np.all(np.diff(values) <= 1e-9)
    gradient = G @ V - B
    assert np.all(gradient[V == 0] >= -1e-6)
    assert np.all(np.abs(gradient[V > 0]) <= 1e-6)
    assert gradient_residual(V, B, G, device, lambda Z: Z) < 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_fast_gradient_without_projection_finds_the_minimum_of_hals(backend, problem):
    V, B, G = problem
    device = gs.get_backend(backend)
    by_hals, _ = hals(V, B, G, device, 2000, 0.0)
    by_gradient, _ = projected_fast_gradient(V, B, G, device, 5000, 0.0, lambda Z: Z)
    assert value(by_gradient, B, G) == pytest.approx(value(by_hals, B, G), rel=1e-9)


@pytest.fixture
def X():
    rng = np.random.default_rng(9)
    return (rng.random((40, 4)) * (rng.random((40, 4)) < 0.5)) @ rng.random((4, 60)) + 0.02 * rng.random((40, 60))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ahals", "psnmf", "cpsnmf", "nenmf", "l1ahals"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_of_h_meet_their_target_at_every_iterate(method, backend, X):
    params = gs.Params(rank=4, method=method, sparsity=0.5, sparsity_h=0.6, max_iter=25)
    for it in gs.iterate(X, params, backend):
        assert it.target_h == 0.6
        assert it.sparsity_h >= 0.6 - 1e-10
        assert it.sparsity_h == pytest.approx(gs.hoyer_sparsity(it.H.T).mean())
        assert it.H.min() >= 0
        assert it.error == pytest.approx(np.linalg.norm(X - it.W @ it.H) / np.linalg.norm(X), rel=1e-6)


def test_free_coefficients_have_no_target(X):
    it = next(gs.iterate(X, gs.Params(rank=4)))
    assert np.isnan(it.target_h)
    assert np.isnan(it.sparsity_h)


def test_a_sparse_h_of_the_transposed_problem_costs_as_much_as_a_sparse_w(X):
    """PSNMF of X with sparse W, and of X' with sparse H, are the same problem."""
    of_w = gs.factorize(X, gs.Params(rank=4, method="psnmf", sparsity=0.6, max_iter=600))
    of_h = gs.factorize(X.T, gs.Params(rank=4, method="ahals", sparsity_h=0.6, max_iter=600))
    assert of_h.error == pytest.approx(of_w.error, rel=0.1)


def test_steering_to_sparser_coefficients_drops_what_was_before(X):
    params = gs.Params(rank=4, method="ahals", sparsity_h=0.3, max_iter=40)
    solver = gs.iterate(X, params)
    easy = [next(solver) for _ in range(10)][-1]
    hard = solver.send(replace(params, sparsity_h=0.7))
    from gsp_studio.core.nmf import better

    assert better(hard, easy) is hard


def dying_start(X, rank):
    rng = np.random.default_rng(1)
    W0, H0 = rng.random((len(X), rank)), rng.random((rank, X.shape[1]))
    W0[:, 1] = 0
    H0[1] = 0
    return W0, H0


def test_dead_basis_images_are_reported_and_stay_dead(X):
    result = gs.factorize(X, gs.Params(rank=4, method="ahals", max_iter=20, init=dying_start(X, 4)))
    assert result.dead == (1,)
    assert gs.factorize(X, gs.Params(rank=4, method="ahals", max_iter=20)).dead == ()


@pytest.mark.parametrize("method", ["ahals", "psnmf"])
def test_reseeding_brings_them_back_and_lowers_the_error(method, X):
    params = gs.Params(rank=4, method=method, sparsity=0.4, max_iter=40, init=dying_start(X, 4))
    dead, alive = gs.factorize(X, params), gs.factorize(X, replace(params, reseed_dead=True))
    assert alive.dead == ()
    assert alive.error < dead.error
    again = gs.factorize(X, replace(params, reseed_dead=True))
    np.testing.assert_array_equal(alive.W, again.W)


def test_reseeding_does_nothing_to_the_living(X):
    params = gs.Params(rank=4, max_iter=10)
    np.testing.assert_array_equal(gs.factorize(X, params).W, gs.factorize(X, replace(params, reseed_dead=True)).W)


def test_a_memory_map_is_streamed_not_copied(tmp_path):
    """Images as rows on the disk, transposed: beside the map only factors and blocks are held."""
    rng = np.random.default_rng(0)
    n, m, rank = 20_000, 400, 5
    np.save(tmp_path / "images.npy", rng.random((n, m), np.float32))
    X = np.load(tmp_path / "images.npy", mmap_mode="r").T
    params = gs.Params(rank=rank, max_iter=2)
    gs.factorize(rng.random((m, 100), np.float32), params)  # imports and kernels are not what is measured
    tracemalloc.start()
    result = gs.factorize(X, params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.W.shape == (m, rank)
    assert peak < 0.5 * X.nbytes
    in_memory = gs.factorize(np.asfortranarray(X), params)
    np.testing.assert_array_equal(result.W, in_memory.W)
