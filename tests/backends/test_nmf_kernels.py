"""The CPU kernels against the plain numpy ones, for sizes that fill blocks and that do not."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from gsp_studio.backends import get_backend
from gsp_studio.backends.backend import HALS_BLOCK

REFERENCE = get_backend("reference")
SIZES = [(1, 2, 1), (2, 5, 3), (HALS_BLOCK, 40, 4), (HALS_BLOCK + 1, 7, 5), (700, 33, 9)]


@pytest.fixture(params=[1, 3], ids=["1 thread", "3 threads"])
def cpu(request):
    return get_backend("cpu", threads=request.param)


@pytest.fixture(params=SIZES, ids=lambda size: "n{}_m{}_r{}".format(*size))
def problem(request):
    """Xt (n, m), V (r, m), H (r, n), and G = V V' with its largest eigenvalue."""
    n, m, r = request.param
    rng = np.random.default_rng(n)
    V = rng.random((r, m))
    return rng.random((n, m)), V, rng.random((r, n)), V @ V.T, float(np.linalg.norm(V @ V.T, 2))


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request):
    return request.param


def close(got, expected, dtype):
    rtol = 1e-10 if dtype == np.float64 else 2e-4
    for a, b in zip(got, expected, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1e-30, float(np.abs(b).max())))


def cast(problem, dtype):
    Xt, V, H, G, L = problem
    Xt = Xt.astype(dtype)
    Xt.flags.writeable = False  # as `prepared` gives it: else each kernel is compiled once more
    return Xt, V.astype(dtype), H.astype(dtype), G.astype(dtype), L


def test_products_and_encode(cpu, problem, dtype):
    Xt, V, H, _, _ = cast(problem, dtype)
    with cpu.scope():
        close(cpu.products(Xt, H), REFERENCE.products(Xt, H), dtype)
        close([cpu.encode(Xt, V)], [REFERENCE.encode(Xt, V)], dtype)
        assert cpu.residual(Xt, V, H) == pytest.approx(REFERENCE.residual(Xt, V, H), rel=1e-5)


@pytest.mark.parametrize("n_inner", [1, 2, 10])
def test_coefficients_by_sweeps_and_by_steps(cpu, problem, dtype, n_inner):
    Xt, V, H, _, L = cast(problem, dtype)
    before = H.copy()
    with cpu.scope():
        close(
            cpu.sweep_coefficients(Xt, V, H, n_inner, 0.0), REFERENCE.sweep_coefficients(Xt, V, H, n_inner, 0.0), dtype
        )
        close(
            cpu.descend_coefficients(Xt, V, H, L, n_inner, 0.0),
            REFERENCE.descend_coefficients(Xt, V, H, L, n_inner, 0.0),
            dtype,
        )
    assert np.array_equal(H, before)


def test_blocks_stop_at_the_same_sweep(cpu, problem):
    Xt, V, H, _, L = cast(problem, np.float64)
    with cpu.scope():
        close(cpu.sweep_coefficients(Xt, V, H, 10, 0.3), REFERENCE.sweep_coefficients(Xt, V, H, 10, 0.3), np.float64)
        descended = cpu.descend_coefficients(Xt, V, H, L, 10, 0.3)
        close(descended, REFERENCE.descend_coefficients(Xt, V, H, L, 10, 0.3), np.float64)


def test_one_factor_kernels(cpu, problem, dtype):
    Xt, V, H, G, L = cast(problem, dtype)
    B = REFERENCE.encode(Xt, V)
    with cpu.scope():
        close([cpu.hals(H, B, G, 3, 0.0)], [REFERENCE.hals(H, B, G, 3, 0.0)], dtype)
        close([cpu.gradient_step(H, B, G, L)], [REFERENCE.gradient_step(H, B, G, L)], dtype)
        close([cpu.extrapolate(H, B, H, 0.7)[0]], [REFERENCE.extrapolate(H, B, H, 0.7)[0]], dtype)
        assert cpu.extrapolate(H, B, H, 0.7)[1] == pytest.approx(REFERENCE.extrapolate(H, B, H, 0.7)[1], rel=1e-4)


def test_a_large_gradient_step_goes_to_the_threads_and_agrees():
    cpu = get_backend("cpu", threads=3)
    rng = np.random.default_rng(0)
    Y, G = rng.random((40, 3001)), rng.random((40, 40))
    with cpu.scope():
        close([cpu.gradient_step(Y, 2 * Y, G, 50.0)], [REFERENCE.gradient_step(Y, 2 * Y, G, 50.0)], np.float64)


def test_rows_with_a_zero_gram_diagonal_are_left_alone(cpu):
    V = np.random.default_rng(0).random((3, 50))
    G = np.diag([1.0, 0.0, 2.0])
    new = cpu.hals(V, np.ones((3, 50)), G, 5, 0.0)
    assert np.array_equal(new[1], V[1])
    np.testing.assert_allclose(new[[0, 2]], np.array([[1.0], [0.5]]) * np.ones((2, 50)))


def test_threads_and_blas_are_put_back(cpu):
    import numba

    def state():
        blas = sorted(str(sorted(pool.items())) for pool in threadpool_info() if pool["user_api"] == "blas")
        return numba.get_num_threads(), blas

    before = state()
    with cpu.scope():
        assert numba.get_num_threads() == min(cpu.threads, numba.config.NUMBA_NUM_THREADS)
    assert state() == before


def test_blas_has_one_thread_until_the_last_python_thread_is_out(cpu):
    entered, may_leave = threading.Event(), threading.Event()

    def compute():
        with cpu.scope():
            entered.set()
            may_leave.wait()

    def counts():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    def aside(function, *args, **kwargs):  # threadpoolctl lets nobody else set what a living thread has set
        thread = threading.Thread(target=function, args=args, kwargs=kwargs)
        thread.start()
        return thread

    before = threadpool_info()
    aside(threadpool_limits, 2, user_api="blas").join()
    try:
        other = aside(compute)
        entered.wait()
        with cpu.scope():
            may_leave.set()
            other.join()
            assert set(counts()) == {1}
        assert set(counts()) == {2}
    finally:
        aside(threadpool_limits, before, user_api="blas").join()


def test_the_bits_do_not_depend_on_numbas_cache(tmp_path):
    """A run repeats to the last bit whether its kernels were compiled in the process or came from the cache."""
    code = """
import hashlib, numpy as np, gsp_studio as gs
from gsp_studio.io.resources import sample_path
X = gs.load_dataset(sample_path("faces")).X  # a long run on these parted where the compiler chose the order of sums
for method in ("psnmf", "ahals", "nenmf", "wsnmf", "gsphals"):
    weights = np.linspace(0.1, 1.0, 361) if method == "wsnmf" else None
    result = gs.factorize(X, gs.Params(rank=49, method=method, sparsity=0.85, max_iter=120, weights=weights))
    print(hashlib.sha256(result.W.tobytes() + result.H.tobytes()).hexdigest())
"""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    compiled, cached = (
        subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300).stdout for _ in "12"
    )
    assert any(tmp_path.iterdir())
    assert compiled == cached
