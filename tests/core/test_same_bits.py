"""A run's bits are those of its images and parameters: whatever the threads, the blocks that are read, the workers."""

import itertools
import json
import os
import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster
from local_workers import LocalWorkers

import gsp_studio as gs
from gsp_studio.backends import blocks
from gsp_studio.backends.blocks import BlockMatrix, InMemoryBlocks
from gsp_studio.core.distributed.matrix import DistributedMatrix
from gsp_studio.core.nmf import METHODS
from gsp_studio.core.residuals import residuals

M, N, RANK = 60, 1650, 6
BLOCK = 128


def data(dtype):
    rng = np.random.default_rng(0)
    X = rng.random((M, RANK)) ** 6 @ rng.random((RANK, N)) ** 2 + 0.03 * rng.random((M, N))
    return np.asfortranarray(X, dtype)


def params(method="psnmf", **more):
    weights = np.linspace(0.1, 1.0, M) if METHODS[method].uses_weights else None
    return gs.Params(RANK, method, 0.6, seed=1, **{"max_iter": 12, "weights": weights, **more})


def streamed(X):
    return BlockMatrix(X.shape, X.dtype, lambda start, stop, out: np.copyto(out, X.T[start:stop]))


def cut(X, *edges):
    """In parts that begin with these blocks."""
    edges = [0, *(BLOCK * edge for edge in edges), X.shape[1]]
    spans = [slice(a, b) for a, b in itertools.pairwise(edges)]
    return DistributedMatrix(X.shape, X.dtype, LocalWorkers(InMemoryBlocks(np.ascontiguousarray(X.T)), spans, "cpu"))


def everywhere(X, monkeypatch):
    """The same images in memory, from the disk in blocks of several sizes, and on one, two and three workers."""
    yield "memory", X
    yield "memory, an image a row", np.ascontiguousarray(X)
    for count in (1, 4, 1 << 20):
        monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", count * BLOCK * M * X.dtype.itemsize)
        yield f"{count} blocks at once", streamed(X)
    for edges in ((), (5,), (1, 12), (3, 4)):
        monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", (2 + len(edges)) * BLOCK * M * X.dtype.itemsize)
        yield f"parts from the blocks 0, {edges}", cut(X, *edges)


def same(X, chosen, monkeypatch, steering=None):
    expected = None
    for where, some in everywhere(X, monkeypatch):
        found = gs.factorize(some, chosen, "cpu", steering=steering)
        expected = found if expected is None else expected
        assert found.n_iter == expected.n_iter, where
        for name in ("error", "sparsity", "target"):
            a, b = (getattr(one.history, name) for one in (found, expected))
            assert np.array_equal(a, b, equal_nan=True), (where, name, np.flatnonzero(a != b)[:3])
        assert np.array_equal(found.W, expected.W), where
        assert np.array_equal(np.asarray(found.H), expected.H), where
    return expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.is_least_squares])
def test_every_method(method, dtype, monkeypatch):
    same(data(dtype), params(method), monkeypatch)


CHOICES = {
    "sparse coefficients": {"sparsity_h": 0.3},
    "continuation": {"continuation": 6},
    "kkt": {"method": "ahals", "kkt_tol": 2e-2, "max_iter": 60},
    "kkt of both": {"sparsity_h": 0.3, "kkt_tol": 1e-2, "max_iter": 40},
    "nndsvd": {"init": "nndsvd"},
    "nndsvdar": {"init": "nndsvdar"},
    "images": {"init": "images"},
    "frozen": {"frozen": (1, 3)},
    "trials": {"method": "gsphals", "continuation": 20, "max_iter": 24},
    "trials with weights": {"method": "wgsphals", "continuation": 20, "max_iter": 24, "frozen": (1,)},
    "trials of both factors": {"method": "gsphals", "sparsity_h": 0.3, "continuation": 20, "max_iter": 24},
    "trials until nothing is gained": {"method": "gsphals", "continuation": 20, "max_iter": 150},
    "tolerance": {"tol": 1e-4, "max_iter": 100},
}


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice(name, monkeypatch):
    same(data("float32"), params(**CHOICES[name]), monkeypatch)


def test_starts_from_a_sample(monkeypatch):
    X = data("float32")
    monkeypatch.setattr("gsp_studio.core.initialization._SAMPLE", 300 * M * 4)
    for init in ("nndsvda", "images"):
        same(X, params(init=init), monkeypatch)


def test_edits_and_steering(monkeypatch):
    steering = {2: gs.Split(0), 4: gs.Reseed(1), 6: [gs.Kill(2), gs.Split(1)], 8: params("ahals")}
    steering[8] = gs.Params(RANK + 1, "ahals", seed=1, max_iter=12)
    for dtype in ("float32", "float64"):
        same(data(dtype), params(), monkeypatch, steering)


def test_versions_that_are_all_alike_are_split_by_size(monkeypatch):
    V = np.ones((1, M))
    H = np.tile([[1.0, 2.0, 4.0, 8.0]], N // 4 + 1)[:, :N]
    same(V.T @ H, gs.Params(1, "ahals", init=(V.T, H), max_iter=4), monkeypatch, {1: gs.Split(0)})


def test_dead_basis_images_are_reseeded(monkeypatch):
    rng = np.random.default_rng(3)
    W0, H0 = rng.random((M, RANK)), rng.random((RANK, N))
    W0[:, 1:3], H0[1:3] = 0.0, 0.0
    assert same(data("float32"), params("ahals", init=(W0, H0), reseed_dead=True), monkeypatch).dead == ()


def test_a_fit_without_digits_in_the_gram_form(monkeypatch):
    rng = np.random.default_rng(5)
    X = np.asfortranarray(rng.random((M, 2)) @ rng.random((2, N)), np.float32)
    assert same(X, gs.Params(2, "ahals", seed=0, max_iter=90), monkeypatch).error < 1e-3


def test_residuals(monkeypatch):
    X = data("float32")
    result = gs.factorize(X, params(), "cpu")
    here = residuals(X, result.W, result.H)
    for edges in ((), (5,), (1, 12)):
        some = cut(X, *edges)
        there = residuals(some, result.W, some.given(result.H))
        for name in ("images", "pixels", "error", "without"):
            assert np.array_equal(getattr(there, name), getattr(here, name)), (edges, name)


@pytest.fixture(scope="module")
def cluster():
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50) as local,
        Client(local, set_as_default=False, timeout=120) as client,
    ):
        yield client


@pytest.mark.parametrize("chunks", [((60,), (550, 550, 550)), ((40, 20), (100, 333, 900, 1, 316)), ((60,), (N,))])
def test_worker_processes_and_any_chunks(chunks, cluster):
    """A real cluster of processes; on fewer workers the same parts are made in this process, see above."""
    from gsp_studio.core.distributed.dask_workers import spread

    X, steering = data("float32"), {3: gs.Split(0), 5: gs.Kill(1)}
    for method, changes in (("psnmf", steering), ("ahals", None), ("nenmf", None), ("gsphals", None)):
        chosen = params(method, max_iter=24, continuation=20) if method == "gsphals" else params(method)
        here = gs.factorize(X, chosen, "cpu", steering=changes)
        there = gs.factorize(spread(da.from_array(X, chunks=chunks), cluster), chosen, steering=changes)
        assert there.backend.startswith("3 workers")
        assert np.array_equal(there.history.error, here.history.error)
        assert np.array_equal(there.W, here.W)
        assert np.array_equal(np.asarray(there.H), here.H)


_RUNS = """
import hashlib, json, sys
import numpy as np
import gsp_studio as gs
from gsp_studio.core.nmf import METHODS

m, n, r = 960, 600, 48  # enough for every kernel that is parallel only where it pays
rng = np.random.default_rng(0)
images = np.asfortranarray(rng.random((m, r)) ** 6 @ rng.random((r, n)) ** 2 + 0.03 * rng.random((m, n)))
mask = rng.random((m, n)) < 0.05
steering = {2: gs.Split(0), 3: [gs.Kill(1), gs.Reseed(2)]}
for threads in map(int, sys.argv[1:]):
    backend, found = gs.get_backend("cpu", threads), {}
    for method in METHODS:
        for dtype in ("float32", "float64"):
            weights = np.linspace(0.1, 1.0, m) if METHODS[method].uses_weights else None
            # What is steered begins as a plain run does.
            edited = {"steering": steering} if METHODS[method].is_least_squares else {}
            for name, more in (("mask", {"mask": mask}), ("steered", edited)):
                params = gs.Params(r, method, 0.7, seed=1, max_iter=4, weights=weights)
                result = gs.factorize(images.astype(dtype), params, backend, **more)
                digest = hashlib.sha256()
                for array in (result.W, result.H, result.history.error, result.history.sparsity):
                    digest.update(np.ascontiguousarray(array).tobytes())
                found[f"{method} {dtype} {name}"] = digest.hexdigest()
    print(json.dumps(found))
"""


def test_threads():
    """One, two, three and seven, on however many cores."""
    counts = ("1", "2", "3", "7")
    done = subprocess.run(
        [sys.executable, "-c", _RUNS, *counts],
        env={**os.environ, "NUMBA_NUM_THREADS": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    first, *others = map(json.loads, done.stdout.splitlines())
    assert len(others) == len(counts) - 1
    for threads, other in zip(counts[1:], others, strict=True):
        assert [name for name in first if first[name] != other[name]] == [], f"with {threads} threads"
    assert len(set(first.values())) == len(first)
