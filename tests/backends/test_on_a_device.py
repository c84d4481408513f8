"""What only a real CUDA device shows: blocks that wait for each other, streams, full memory, its own tensors.

All of these are skipped where there is none; the same code runs on the fake device in `test_cuda`.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio import backends
from gsp_studio.core.path import SparsityPath
from gsp_studio.core.projection import column_sparse_projection, group_sparse_projection
from gsp_studio.engine.run import RunSpec
from gsp_studio.engine.runner import Runner

PROBLEM = backends.available_backends()["cuda"]
if PROBLEM:
    pytest.skip(PROBLEM, allow_module_level=True)
pytestmark = pytest.mark.gpu


@pytest.fixture
def faces_like():
    rng = np.random.default_rng(3)
    W = rng.random((361, 12)) * (rng.random((361, 12)) < 0.4)
    return np.asfortranarray(W @ rng.random((12, 900)) + 0.02 * rng.random((361, 900)), np.float32)


def params_for(method, m=361, **fields):
    weights = 0.5 + np.random.default_rng(7).random(m) if gs.METHODS[method].uses_weights else None
    return gs.Params(**{"rank": 12, "sparsity": 0.6, "max_iter": 8, **fields}, method=method, weights=weights)


@pytest.mark.parametrize("method", [name for name, method in gs.METHODS.items() if method.is_least_squares])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 1e-3)])
def test_runs_follow_the_cpu(method, dtype, rtol, faces_like):
    X = faces_like.astype(dtype)
    expected, found = (gs.factorize(X, params_for(method), backend) for backend in ("cpu", "cuda"))
    np.testing.assert_allclose(found.history.error, expected.history.error, rtol=rtol)
    np.testing.assert_allclose(found.history.sparsity, expected.history.sparsity, rtol=rtol)


@pytest.mark.parametrize("shape", [(100_000, 20), (300_000, 40), (2_000_000, 3), (50, 30_000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_projections_of_all_sizes(shape, dtype):
    """One piece a vector and many, small blocks and large ones, survivors moved together or not, warm starts."""
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    path = SparsityPath(x, backend="cuda")
    atol = 1e-10 if dtype == np.float64 else 1e-5
    for s in (0.3, 0.8, 0.99):
        expected = group_sparse_projection(x, s).values
        for found in (group_sparse_projection(x, s, backend="cuda").values, path.project(s).values):
            np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
    each, expected = (column_sparse_projection(x, 0.7, backend=b).values for b in ("cuda", "cpu"))
    np.testing.assert_allclose(each, expected, rtol=0, atol=atol)


def test_a_large_group_is_repeated_to_the_last_bit():
    """Sums do not depend on which block comes last."""
    backend = gs.get_backend("cuda")
    with backend.scope():
        V = backend.put(np.random.default_rng(1).random((100, 200_000), np.float32))
        first, mu = backend.project_rows(V, 0.8)
        first = backend.get(first)
        for _ in range(50):
            again, same = backend.project_rows(V, 0.8)
            assert same == mu
            np.testing.assert_array_equal(backend.get(again), first)


@pytest.mark.parametrize("method", [name for name, method in gs.METHODS.items() if method.is_least_squares])
def test_runs_repeat_to_the_last_bit_beside_another_run(method, faces_like):
    params = params_for(method, max_iter=30)
    alone = gs.factorize(faces_like, params, "cuda")
    stop = threading.Event()

    def disturb():
        while not stop.is_set():
            gs.factorize(faces_like[:, ::2], params_for("psnmf", max_iter=5), "cuda")

    other = threading.Thread(target=disturb)
    other.start()
    try:
        for _ in range(3):
            again = gs.factorize(faces_like, params, "cuda")
            np.testing.assert_array_equal(again.W, alone.W)
            np.testing.assert_array_equal(again.H, alone.H)
    finally:
        stop.set()
        other.join()


def test_images_that_do_not_fit_are_streamed(faces_like, monkeypatch):
    """From pinned memory on a stream of their own, block after block."""
    from gsp_studio.backends import blocks
    from gsp_studio.backends.blocks import BlockMatrix

    monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", 128 * 361 * 4)
    streamed = BlockMatrix(faces_like.shape, np.float32, lambda a, b, out: np.copyto(out, faces_like.T[a:b]))
    for method in ("psnmf", "nenmf"):
        expected, found = (gs.factorize(X, params_for(method, max_iter=20), "cuda") for X in (faces_like, streamed))
        np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-4)


def test_a_full_device_is_one_sentence_and_is_left_empty(faces_like, tmp_path: Path):
    """In a process of its own, whose memory is in one piece."""
    np.save(tmp_path / "images.npy", faces_like)
    script = """
import sys
import numpy as np
import gsp_studio as gs
from gsp_studio.backends.cuda.driver import cp
from gsp_studio.engine.run import RunSpec
from gsp_studio.engine.runner import Runner

pool = cp.get_default_memory_pool()
spec = RunSpec(np.load(sys.argv[1]), gs.Params(12, "psnmf", 0.6, max_iter=8), "cuda")
gs.get_backend("cuda")
for limit in (400_000, 1_600_000, 0):
    pool.set_limit(size=limit)
    outcome = Runner(spec).run()
    print(outcome.reason.name, outcome.is_out_of_memory, outcome.error_text)
    print(pool.used_bytes())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "images.npy")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, left, second, left_again, third, _ = done.stdout.splitlines()
    for line in (first, second):
        assert line.startswith("FAILED True the memory of ")
        assert line.endswith("the CPU can compute this")
    assert max(int(left), int(left_again)) < 50_000
    assert third.startswith("MAX_ITER False")


def test_a_watched_run_is_cancelled_and_its_iterates_are_those_of_the_cpu(faces_like):
    runner = Runner(RunSpec(faces_like, params_for("psnmf", max_iter=10**6, tol=0.0), "cuda"))
    runner.start()
    seen = []
    while len(seen) < 5:
        poll = runner.poll()
        if poll.iterate is not None:
            seen.append(poll.iterate)
        time.sleep(0.02)
    runner.cancel()
    assert runner.join(30)
    for it in seen:
        projected = group_sparse_projection(np.asarray(it.dense), it.target).values
        np.testing.assert_allclose(it.W, projected, rtol=1e-5, atol=1e-6 * np.abs(it.W).max())


def test_a_drag_shows_what_the_cpu_shows():
    W = np.asfortranarray(np.random.default_rng(0).random((128 * 128, 30), np.float32))
    order = np.argsort(np.random.default_rng(1).random(30))
    there, here = SparsityPath(W, backend="cuda"), SparsityPath(W)
    for s in np.linspace(0.05, 0.98, 12):
        greys, sparsities, tops = there.greys(float(s), order)
        expected, same, largest = here.greys(float(s), order)
        assert np.abs(greys.astype(int) - expected).max() <= 1
        np.testing.assert_allclose(sparsities, same, atol=1e-6)
        np.testing.assert_allclose(tops, largest, rtol=1e-5)


def test_missing_entries_and_large_ranks(faces_like):
    mask = np.random.default_rng(8).random(faces_like.shape) < 0.1
    for fields in ({"rank": 12}, {"rank": 200, "max_iter": 3}):
        params = replace(params_for("psnmf"), **fields)
        expected, found = (gs.factorize(faces_like.astype(np.float64), params, b, mask=mask) for b in ("cpu", "cuda"))
        np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-7)


def test_steps_through_the_library_are_those_of_one_launch(faces_like, monkeypatch):
    from gsp_studio.backends.cuda import solver

    X = faces_like.astype(np.float64)
    expected = gs.factorize(X, params_for("psnmf"), "cuda")
    monkeypatch.setattr(solver, "_LARGE", 0)
    found = gs.factorize(X, params_for("psnmf"), "cuda")
    np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-10)


def test_a_run_is_repeated_from_its_file(faces_like, tmp_path: Path):
    """By the script that an export writes, in another process."""
    pytest.importorskip("PIL")
    np.save(tmp_path / "images.npy", faces_like)
    base = [sys.executable, "-m", "gsp_studio.cli"]
    run = ["fit", str(tmp_path / "images.npy"), "--images-in", "columns", "--image-shape", "19x19"]
    run += ["--rank", "9", "--max-iter", "40"]
    out = tmp_path / "out"
    for command in ([*base, *run, "--backend", "cuda", "--out", str(out)], [sys.executable, str(out / "repeat.py")]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "the factors are the same to the last bit"


def test_workers_of_a_cluster_compute_on_the_device(faces_like):
    da = pytest.importorskip("dask.array")
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local,
        distributed.Client(local, set_as_default=True),
    ):
        X = da.from_array(faces_like, chunks=(361, 300))
        for method in ("psnmf", "nenmf"):
            found = gs.factorize(X, params_for(method), "cuda")
            assert f"2 threads with {gs.get_backend('cuda').device}, tcp:" in found.backend
            expected = gs.factorize(faces_like, params_for(method), "cpu")
            np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-3)
