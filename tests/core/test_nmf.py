"""The solver: a naive oracle, identities, exact recovery, steering, messages."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.io
from threadpoolctl import threadpool_limits

import gsp_studio as gs
from gsp_studio.backends.backend import HALS_BLOCK
from gsp_studio.core.metrics import GramError
from gsp_studio.core.nmf import better


@pytest.fixture
def faces_like():
    """A small nonnegative matrix of low rank plus noise: 60 pixels, 90 images."""
    rng = np.random.default_rng(3)
    W = rng.random((60, 6)) * (rng.random((60, 6)) < 0.4)
    return W @ rng.random((6, 90)) + 0.02 * rng.random((60, 90))


def params_for(method, **fields):
    """Params of any method: with weights where the method needs them (60 pixels)."""
    weights = 0.5 + np.random.default_rng(7).random(60) if gs.METHODS[method].uses_weights else None
    return gs.Params(method=method, weights=weights, **fields)


def relative_error(X, W, H):
    return np.linalg.norm(X - W @ H) / np.linalg.norm(X)


def naive_hals(V, B, G, n_inner, tol):
    """HALS written out entry by entry, a block of columns at a time."""
    V = V.copy()
    for a in range(0, V.shape[1], HALS_BLOCK):
        first = None
        for _ in range(n_inner):
            moved = 0.0
            for k in range(V.shape[0]):
                for j in range(a, min(V.shape[1], a + HALS_BLOCK)):
                    gradient = sum(G[k, i] * V[i, j] for i in range(V.shape[0])) - B[k, j]
                    new = max(0.0, V[k, j] - gradient / G[k, k])
                    moved += (new - V[k, j]) ** 2
                    V[k, j] = new
            if first is None:
                first = moved
            elif moved <= tol**2 * first:
                break
    return V


def naive_factorize(X, params):
    """The outer loop as the paper's code has it, without Gram tricks for the error; W by HALS."""
    rng = np.random.default_rng(params.seed)
    W, H = rng.random((X.shape[0], params.rank)), rng.random((params.rank, X.shape[1]))
    W *= np.sum((W.T @ X) * H) / np.sum((W.T @ W) * (H @ H.T))
    errors, last, beta = [], None, 0.5
    for _ in range(params.max_iter):
        Y = H
        if last is None:
            for k in range(params.rank):
                f = np.sqrt(np.linalg.norm(H[k]) / np.linalg.norm(W[:, k]))
                W[:, k] *= f
                H[k] /= f
        else:
            Y = H + beta * (H - last[1])
        new = naive_hals(W.T, Y @ X.T, Y @ Y.T, params.n_sweeps, params.inner_tol).T
        W = new if last is None else np.maximum(new + beta * (new - last[0]), 0)
        before, H = H, naive_hals(np.maximum(Y, 0), W.T @ X, W.T @ W, params.n_sweeps, params.inner_tol)
        errors.append(relative_error(X, W, H))
        if last is not None:
            rises = errors[-1] > errors[-2]
            beta = beta / 1.5 if rises else min(1.0, 1.01 * beta)
        last = None if not params.extrapolate or (last is not None and rises) else (new, before)
    return errors


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("extrapolate", [False, True])
def test_ahals_follows_the_naive_loop(extrapolate, backend, faces_like):
    params = gs.Params(rank=4, method="ahals", max_iter=12, seed=5, extrapolate=extrapolate)
    result = gs.factorize(faces_like, params, backend=backend)
    np.testing.assert_allclose(result.history.error, naive_factorize(faces_like, params), rtol=1e-9)


@pytest.mark.parametrize("method", list(gs.METHODS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cpu_backend_follows_the_reference(method, dtype, faces_like):
    X = faces_like.astype(dtype)
    params = params_for(method, rank=5, sparsity=0.6, max_iter=15)
    fast = gs.factorize(X, params, backend="cpu")
    slow = gs.factorize(X, params, backend="reference")
    rtol = 1e-7 if dtype == np.float64 else 2e-3
    np.testing.assert_allclose(fast.history.error, slow.history.error, rtol=rtol)
    np.testing.assert_allclose(fast.history.sparsity, slow.history.sparsity, rtol=rtol)
    assert fast.W.dtype == fast.H.dtype == dtype


@pytest.mark.parametrize("method", ["psnmf", "nenmf", "gsphals"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_do_not_depend_on_the_number_of_threads(method, dtype):
    X = np.random.default_rng(0).random((90, 700)).astype(dtype)
    params = gs.Params(rank=7, method=method, sparsity=0.6, max_iter=6)
    one = gs.factorize(X, params, backend=gs.get_backend("cpu", threads=1))
    for threads in (2, 3, 4):
        other = gs.factorize(X, params, backend=gs.get_backend("cpu", threads=threads))
        assert np.array_equal(other.W, one.W)
        assert np.array_equal(other.H, one.H)


@pytest.mark.parametrize("s", [0.0, 0.3, 0.6, 0.85, 1.0])
def test_every_iterate_of_psnmf_meets_its_target_and_is_nonnegative(s, faces_like):
    for it in gs.iterate(faces_like, gs.Params(rank=5, sparsity=s, max_iter=8)):
        assert it.sparsity >= s - 1e-10
        assert it.meets_target()
        assert it.W.min() >= 0
        assert it.H.min() >= 0
        assert it.sparsity == pytest.approx(np.mean(gs.hoyer_sparsity(it.W)))
        assert it.error == pytest.approx(relative_error(faces_like, it.W, it.H), rel=1e-8)


def test_cpsnmf_brings_every_basis_image_to_the_target(faces_like):
    for it in gs.iterate(faces_like, gs.Params(rank=5, method="cpsnmf", sparsity=0.7, max_iter=8)):
        assert np.all(gs.hoyer_sparsity(it.W) >= 0.7 - 1e-10)
    free = gs.factorize(faces_like, gs.Params(rank=5, method="psnmf", sparsity=0.7, max_iter=200))
    each = gs.factorize(faces_like, gs.Params(rank=5, method="cpsnmf", sparsity=0.7, max_iter=200))
    assert np.ptp(gs.hoyer_sparsity(free.W)) > 10 * np.ptp(gs.hoyer_sparsity(each.W))
    assert free.error < each.error  # the paper's point: an average constraint costs less than one for each


def test_l1ahals_chases_its_target(faces_like):
    dense = gs.factorize(faces_like, gs.Params(rank=5, method="ahals", max_iter=300))
    chased = gs.factorize(faces_like, gs.Params(rank=5, method="l1ahals", sparsity=0.75, max_iter=300, tol=0.0))
    assert dense.sparsity < 0.7
    np.testing.assert_allclose(chased.history.sparsity[-100:], 0.75, atol=0.01)


def test_nenmf_is_an_unconstrained_method_of_the_same_problem(faces_like):
    nenmf = gs.factorize(faces_like, gs.Params(rank=5, method="nenmf", max_iter=300))
    ahals = gs.factorize(faces_like, gs.Params(rank=5, method="ahals", max_iter=300))
    assert nenmf.error == pytest.approx(ahals.error, rel=0.05)


def test_weights_drive_the_basis_away_from_dear_pixels(faces_like):
    weights = np.ones(60)
    weights[:30] = 20.0
    params = gs.Params(rank=5, method="wsnmf", sparsity=0.8, max_iter=100, weights=weights)
    result = gs.factorize(faces_like, params)
    assert np.mean(gs.hoyer_sparsity(result.W, weights)) >= 0.8 - 1e-10
    assert result.sparsity == pytest.approx(np.mean(gs.hoyer_sparsity(result.W, weights)))
    plain = gs.factorize(faces_like, gs.Params(rank=5, method="psnmf", sparsity=0.8, max_iter=100))
    dear = np.linalg.norm(result.W[:30]) / np.linalg.norm(result.W)
    assert dear < 0.9 * np.linalg.norm(plain.W[:30]) / np.linalg.norm(plain.W)
    columns = np.repeat(weights[:, None], 5, axis=1)
    each = gs.factorize(faces_like, replace(params, weights=columns))
    np.testing.assert_allclose(each.W, result.W, rtol=1e-6, atol=1e-9)


def test_params_compare_by_value():
    a = gs.Params(rank=3, weights=np.ones(4), init=(np.ones((4, 3)), np.ones((3, 5))))
    assert a == replace(a, weights=np.ones(4))
    assert a != replace(a, weights=np.zeros(4))
    assert a != replace(a, weights=None)
    assert a != replace(a, sparsity=0.1)


def test_the_dense_basis_projects_to_the_basis_exactly(faces_like):
    *_, it = gs.iterate(faces_like, gs.Params(rank=5, sparsity=0.7, max_iter=5))
    assert np.mean(gs.hoyer_sparsity(it.dense)) < 0.7
    np.testing.assert_allclose(gs.group_sparse_projection(it.dense, 0.7).values, it.W, rtol=1e-12, atol=1e-14)


def test_gram_error_of_any_basis_needs_no_data(faces_like):
    *_, it = gs.iterate(faces_like, gs.Params(rank=5, max_iter=3))
    other = np.random.default_rng(0).random(it.W.shape)
    assert it.gram.relative_error(other) == pytest.approx(relative_error(faces_like, other, it.H), rel=1e-10)


def test_iterates_are_never_written_again(faces_like):
    kept = list(gs.iterate(faces_like, gs.Params(rank=5, max_iter=6)))
    for it in kept:
        assert it.error == pytest.approx(relative_error(faces_like, it.W, it.H), rel=1e-8)


def test_exact_low_rank_data_are_recovered():
    rng = np.random.default_rng(1)
    X = (rng.random((40, 3)) * (rng.random((40, 3)) < 0.5)) @ rng.random((3, 70))
    assert gs.factorize(X, gs.Params(rank=3, method="ahals", max_iter=500)).error < 1e-3


def test_a_very_good_fit_has_an_error_with_digits_in_float32():
    rng = np.random.default_rng(2)
    W, H = rng.random((30, 2)), rng.random((2, 50))
    X = (W @ H).astype(np.float32)
    result = gs.factorize(X, gs.Params(rank=2, method="ahals", max_iter=20, init=(W, H)))
    direct = relative_error(X.astype(float), result.W.astype(float), result.H.astype(float))
    assert direct < 1e-6
    assert result.error == pytest.approx(direct, rel=0.3)


def test_same_seed_same_bits_another_seed_another_result(faces_like):
    params = gs.Params(rank=5, sparsity=0.6, max_iter=10, seed=4)
    a, b = gs.factorize(faces_like, params), gs.factorize(faces_like, params)
    assert np.array_equal(a.W, b.W)
    assert np.array_equal(a.H, b.H)
    assert not np.array_equal(a.W, gs.factorize(faces_like, replace(params, seed=5)).W)


def test_errors_do_not_depend_on_the_threads_that_blas_has_elsewhere():
    """They choose the iterate that is kept: in the app BLAS has one thread, in the script that repeats a run all."""
    X = np.random.default_rng(3).random((361, 2000), np.float32)
    errors = []
    for threads in (1, 2, 3):
        with threadpool_limits(limits=threads, user_api="blas"):
            result = gs.factorize(X, gs.Params(rank=5, sparsity=0.6, max_iter=3), gs.get_backend("cpu", 1))
        errors.append(result.history.error)
    assert np.array_equal(errors[1], errors[0])
    assert np.array_equal(errors[2], errors[0])


@pytest.mark.parametrize("change", [np.ascontiguousarray, np.asfortranarray, lambda X: np.repeat(X, 2, 1)[:, ::2]])
def test_memory_order_does_not_matter_and_the_input_is_kept(change, faces_like):
    X = change(faces_like)
    before = X.copy()
    params = gs.Params(rank=5, sparsity=0.6, max_iter=5)
    assert np.array_equal(gs.factorize(X, params).W, gs.factorize(np.asfortranarray(faces_like), params).W)
    assert np.array_equal(X, before)


def test_integers_are_computed_in_float64():
    X = np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)
    result = gs.factorize(X, gs.Params(rank=3, max_iter=3))
    assert result.W.dtype == np.float64
    assert result.error == pytest.approx(relative_error(X.astype(float), result.W, result.H))


def test_given_factors_start_the_run_and_are_kept(faces_like):
    rng = np.random.default_rng(9)
    W0, H0 = rng.random((60, 5)), rng.random((5, 90))
    copies = W0.copy(), H0.copy()
    params = gs.Params(rank=5, sparsity=0.6, max_iter=4, seed=9)
    given = gs.factorize(faces_like, replace(params, init=(W0, H0)))
    assert np.array_equal(given.W, gs.factorize(faces_like, params).W)
    assert np.array_equal(W0, copies[0])
    assert np.array_equal(H0, copies[1])


def test_scaling_the_data_scales_the_factors_only(faces_like):
    params = gs.Params(rank=5, sparsity=0.6, max_iter=6)
    a, b = gs.factorize(faces_like, params), gs.factorize(1024.0 * faces_like, params)
    np.testing.assert_allclose(a.history.error, b.history.error, rtol=1e-9)


def test_zero_images_and_zero_pixels_survive(faces_like):
    X = faces_like.copy()
    X[:, 7] = 0
    X[11] = 0
    for method in gs.METHODS:
        result = gs.factorize(X, params_for(method, rank=5, sparsity=0.6, max_iter=10))
        assert np.isfinite(result.error)
        np.testing.assert_allclose(result.W[11], 0, atol=1e-12)
        np.testing.assert_allclose(result.H[:, 7], 0, atol=1e-12)


def test_rank_one_and_full_rank(faces_like):
    for rank in (1, 60):
        result = gs.factorize(faces_like, gs.Params(rank=rank, sparsity=0.4, max_iter=5))
        assert result.W.shape == (60, rank)
        assert np.isfinite(result.error)


def test_steering_changes_the_target_of_the_next_iterate(faces_like):
    params = gs.Params(rank=5, sparsity=0.5, max_iter=10)
    solver = gs.iterate(faces_like, params)
    assert next(solver).target == 0.5
    it = solver.send(replace(params, sparsity=0.8))
    assert it.target == 0.8
    assert it.sparsity >= 0.8 - 1e-10
    it = solver.send(replace(params, method="ahals"))
    assert np.isnan(it.target)


def test_steering_refuses_what_is_fixed(faces_like):
    solver = gs.iterate(faces_like, gs.Params(rank=5))
    next(solver)
    with pytest.raises(ValueError, match="rank is fixed while a run goes on"):
        solver.send(gs.Params(rank=6))


def test_the_best_iterate_is_one_that_meets_the_newest_target(faces_like):
    params = gs.Params(rank=5, sparsity=0.4, max_iter=40)
    solver = gs.iterate(faces_like, params)
    easy = [next(solver) for _ in range(20)][-1]
    hard = solver.send(replace(params, sparsity=0.9))
    assert hard.error > easy.error
    assert better(hard, easy) is hard
    assert better(easy, hard) is easy  # judged by the candidate's own, easier target
    assert better(easy, None) is easy


def test_factorize_keeps_the_best(faces_like):
    result = gs.factorize(faces_like, gs.Params(rank=5, sparsity=0.7, max_iter=60))
    assert result.error == result.history.error.min()
    assert result.history.n_iter[result.best_iter - 1] == result.best_iter
    assert result.history.error[result.best_iter - 1] == result.error
    assert np.all(np.diff(result.history.seconds) > 0)
    assert result.error == pytest.approx(relative_error(faces_like, result.W, result.H), rel=1e-8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sparsity": 1.2}, "sparsity is 1.2; accepted is a number from 0 to 1"),
        ({"sparsity": float("nan")}, "sparsity is nan"),
        ({"rank": 61}, r"rank 61 exceeds min\(m, n\) = 60 of the 60 x 90 data"),
        ({"rank": 0}, "rank is 0; accepted is a whole number >= 1"),
        ({"rank": 2.5}, "rank is 2.5"),
        ({"method": "svd"}, 'method "svd" is not known; accepted are psnmf'),
        ({"seed": -1}, "seed is -1"),
        ({"max_iter": 0}, "max_iter is 0"),
        ({"n_sweeps": 0}, "n_sweeps is 0"),
        ({"n_steps": 0}, "n_steps is 0"),
        ({"inner_tol": 1.0}, "inner_tol is 1.0"),
        ({"weights": np.ones(60)}, 'weights are for the methods "wsnmf" and "wgsphals"; "gsphals" takes none'),
        ({"method": "wsnmf"}, 'the method "wsnmf" needs weights'),
        ({"method": "wgsphals"}, 'the method "wgsphals" needs weights'),
        (
            {"method": "wsnmf", "weights": np.ones(59)},
            r"weights have shape \(59,\); accepted are \(60,\) and \(60, 5\)",
        ),
        ({"method": "wsnmf", "weights": -np.ones(60)}, "weights hold negative"),
        ({"method": "wsnmf", "weights": np.zeros(60)}, "weights are zero everywhere"),
        ({"init": "best"}, 'init is "best"; accepted are random, nndsvd'),
        ({"sparsity_h": 1.5}, "sparsity_h is 1.5"),
        ({"continuation": -1}, "continuation is -1"),
        ({"tol": 1.0}, "tol is 1.0"),
        ({"max_seconds": 0.0}, "max_seconds is 0.0"),
        ({"method": "l1ahals", "kkt_tol": 0.1}, 'kkt_tol does not apply to the method "l1ahals"'),
        ({"init": (np.ones((3, 3)), np.ones((3, 3)))}, r"W0 has shape \(3, 3\); expected is \(60, 5\)"),
        ({"init": (-np.ones((60, 5)), np.ones((5, 90)))}, "W0 has negative"),
    ],
)
def test_bad_parameters_get_one_sentence(change, message, faces_like):
    with pytest.raises(ValueError, match=message):
        gs.factorize(faces_like, replace(gs.Params(rank=5), **change))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X: X - 1.0, "negative values"),
        (lambda X: np.where(X == X.max(), np.nan, X), "X holds 1 NaN or infinite values"),
        (lambda X: np.where(X == X.max(), np.inf, X), "X holds 1 NaN or infinite values"),
        (lambda X: X[0], r"X has shape \(90,\)"),
        (lambda X: X[:0], r"X has shape \(0, 90\)"),
        (lambda X: 0 * X, "zero everywhere"),
    ],
)
def test_bad_data_get_one_sentence(spoil, message, faces_like):
    with pytest.raises(ValueError, match=message):
        gs.iterate(spoil(faces_like), gs.Params(rank=1))


def test_an_unknown_backend_is_named(faces_like):
    with pytest.raises(ValueError, match='backend "abacus" is not known'):
        gs.factorize(faces_like, gs.Params(rank=2), backend="abacus")
    with pytest.raises(ValueError, match="threads is 0"):
        gs.get_backend("cpu", threads=0)


def test_gram_error_of_a_zero_matrix():
    zero = GramError(np.zeros((3, 2)), np.zeros((2, 2)), 0.0)
    assert zero.relative_error(np.ones((3, 2))) == 0.0


def test_cbcl_faces_reach_the_papers_error(shared_data):
    X = scipy.io.loadmat(shared_data / "CBCL.mat")["X"].astype(np.float32)
    result = gs.factorize(X, gs.Params(rank=49, method="psnmf", sparsity=0.85, seed=0, max_iter=500))
    assert result.error <= 0.0985
    assert result.sparsity >= 0.85 - 1e-5
    dense = gs.factorize(X, gs.Params(rank=49, method="ahals", seed=0, max_iter=500))
    assert dense.error <= 0.0812  # the authors' code: 8.090 %


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_what_a_consumer_is_handed_cannot_change_the_run(backend):
    X = np.random.default_rng(0).random((30, 40))
    params = gs.Params(rank=3, method="psnmf", sparsity=0.5, max_iter=5)
    expected = gs.factorize(X, params, backend=backend)
    for it in gs.iterate(X, params, backend=backend):
        for array in (it.W, it.H, it.dense, it.gram.A, it.gram.G):
            with pytest.raises(ValueError, match="read-only"):
                array[0, 0] = 7.0
    np.testing.assert_array_equal(it.W, expected.W)
    for array in (expected.W, expected.H, expected.dense, expected.gram.A, expected.gram.G):
        assert not array.flags.writeable
