"""The CUDA backend: which one is taken and why not, numbers against the CPU, memory, streams, what leaves the device.

Without a device these run on a fake one, whose launches run the kernels' own source; `tests/device` says how.
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from device import emulation, on_fake_device
from local_workers import LocalWorkers

import gsp_studio as gs
from gsp_studio import backends
from gsp_studio.backends import BackendUnavailable, OutOfDeviceMemory
from gsp_studio.backends.blocks import BlockMatrix, InMemoryBlocks
from gsp_studio.backends.kernels import prepared
from gsp_studio.core.distributed.matrix import DistributedMatrix
from gsp_studio.core.distributed.protocol import spans_of
from gsp_studio.core.edits import Kill, Reseed, Split
from gsp_studio.core.optimality import kkt_residual
from gsp_studio.core.path import SparsityPath
from gsp_studio.core.projection import column_sparse_projection, group_sparse_projection
from gsp_studio.core.results import Distant
from gsp_studio.engine.run import FinishReason, RunSpec
from gsp_studio.engine.runner import Runner

pytestmark = pytest.mark.skipif(emulation.compiler() is None, reason="needs a C++ compiler for the fake device")


@pytest.fixture
def machine():
    with on_fake_device() as found:
        yield found


@pytest.fixture
def parts_like():
    rng = np.random.default_rng(3)
    W = rng.random((60, 6)) * (rng.random((60, 6)) < 0.4)
    return W @ rng.random((6, 200)) + 0.02 * rng.random((60, 200))


def params_for(method, **fields):
    weights = 0.5 + np.random.default_rng(7).random(60) if gs.METHODS[method].uses_weights else None
    return gs.Params(**{"rank": 5, "sparsity": 0.6, "max_iter": 5, **fields}, method=method, weights=weights)


# --- choice -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"count": 0}, "there is no CUDA device"),
        ({"error": "cudaErrorNoDevice: no CUDA-capable device is detected"}, "there is no CUDA device"),
        ({"error": "cudaErrorInsufficientDriver: too old", "driver": 0}, "there is no NVIDIA driver"),
        (
            {"error": "cudaErrorInsufficientDriver: too old", "driver": 11040},
            "the NVIDIA driver is too old: it knows CUDA 11.4, CuPy needs 12.9",
        ),
        ({"error": "cudaErrorUnknown: odd"}, "CUDA does not start (cudaErrorUnknown: odd)"),
        ({"capability": "61"}, "Fake 0 is too old: compute capability 6.1; accepted is 7.0 or newer"),
        ({"broken_compiler": "no nvrtc"}, "CuPy does not work (no nvrtc)"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(change, reason, machine, parts_like):
    vars(machine).update(change)
    said = f"backend cuda cannot run here: {reason}"
    assert backends.available_backends() == {"cuda": said, "cpu": "", "reference": ""}
    with pytest.raises(BackendUnavailable, match=re.escape(said)):
        gs.get_backend("cuda")
    fallen = gs.factorize(parts_like, params_for("psnmf", max_iter=1))  # "auto" goes on, and says why
    assert fallen.backend.startswith("cpu: ")
    assert fallen.backend.endswith(f"({reason})")


def test_without_cupy_the_message_says_what_to_install(monkeypatch, parts_like):
    monkeypatch.setitem(sys.modules, "cupy", None)
    for name in [name for name in sys.modules if name.startswith("gsp_studio.backends.cuda")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(backends, "_problem", backends._problem.__wrapped__)
    monkeypatch.setattr(backends, "_on_device", backends._on_device.__wrapped__)
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match=r'CuPy is not installed \(pip install "gsp-studio\[cuda12\]"'):
        gs.get_backend("cuda")
    assert re.fullmatch(r"cpu: \d+ threads?", gs.factorize(parts_like, params_for("ahals", max_iter=1)).backend)


def test_a_device_is_chosen_by_number(machine, parts_like):
    machine.count = 2
    assert gs.get_backend("auto").device == "Fake 0"
    second = gs.get_backend("cuda:1")
    assert (second.name, second.device) == ("cuda:1", "Fake 1")
    assert gs.factorize(parts_like, params_for("ahals", max_iter=1), second).backend == "cuda:1: Fake 1"
    with pytest.raises(BackendUnavailable, match="there is no device 2; accepted are cuda:0 to cuda:1"):
        gs.get_backend("cuda:2")
    machine.count = 1
    with pytest.raises(BackendUnavailable, match="there is no device 7; the only one is cuda:0"):
        gs.get_backend("cuda:7")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "CUDA", ""])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="accepted are auto, cuda, cuda:1, cpu and reference"):
        gs.get_backend(name)


def test_a_user_who_asks_for_tf32_is_told(machine, monkeypatch):
    monkeypatch.setenv("CUPY_TF32", "1")
    assert gs.get_backend("cuda").device == "Fake 0, float32 products in TF32 as CUPY_TF32 asks"


def test_info_names_the_device_and_its_memory(machine, capsys):
    from gsp_studio import cli

    assert cli.main(["info"]) == 0
    assert re.search(r"backend cuda: Fake 0, 1\.\d of 1\.\d GB free", capsys.readouterr().out)


def test_a_full_device_is_one_sentence_on_the_command_line(machine, capsys):
    from gsp_studio import cli
    from gsp_studio.io.resources import sample_path

    gs.get_backend("cuda")
    machine.total = 20_000
    arguments = [str(sample_path("swimmer")), "--rank", "4", "--backend", "cuda"]
    assert cli.main(["compare", *arguments, "--max-iter", "2"]) == 2
    assert "gsp-studio: there is not enough memory: the memory of Fake 0 is full" in capsys.readouterr().err


# --- numbers ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["alone", "cluster", "clustered pieces", "together", "pruned"])
def shape(request, machine, monkeypatch):
    """One block; a cluster; several that meet in global memory; and those with survivors moved together."""
    from gsp_studio.backends.cuda import groups

    if "cluster" in request.param:
        machine.capability = "90"
    if request.param == "alone":
        machine.cooperates = 0
    elif request.param != "cluster":
        monkeypatch.setattr(groups, "_PIECE", 16)
    if request.param == "pruned":
        monkeypatch.setattr(groups, "_PRUNED", 0)
    return gs.get_backend("cuda")


def kinds_of_vectors():
    rng = np.random.default_rng(5)
    ragged = [rng.standard_normal(n) for n in (2, 40, 3, 131)]
    return {
        "ragged": ragged,
        "tied": [rng.choice([0.25, 0.5, 1.0, -1.0], n) for n in (20, 33)],
        "zero": [np.zeros(5), *ragged],
        "huge": [1e200 * v for v in ragged],
        "near": [1.0 + 1e-9 * rng.standard_normal(30), 1.0 + 1e-12 * rng.standard_normal(30)],
    }


@pytest.mark.parametrize("kind", list(kinds_of_vectors()))
@pytest.mark.parametrize("weighted", [False, True])
def test_projections_are_those_of_the_cpu(kind, weighted, shape):
    vectors = kinds_of_vectors()[kind]
    w = [np.random.default_rng(6).random(len(v)) + 0.01 for v in vectors] if weighted else None
    path = SparsityPath(vectors, w, backend=shape)
    for s in (0.0, 0.4, 0.8, 0.97, 1.0):
        expected = group_sparse_projection(vectors, s, w)
        for found in (group_sparse_projection(vectors, s, w, backend=shape), path.project(s)):
            assert found.status is expected.status
            assert found.sparsity == pytest.approx(expected.sparsity, abs=1e-10)
            for a, b in zip(found.values, expected.values, strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * (np.abs(b).max() or 1.0))
        each, expected = (column_sparse_projection(vectors, s, w, backend=b) for b in (shape, "cpu"))
        assert each.status is expected.status
        for a, b in zip(each.values, expected.values, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * (np.abs(b).max() or 1.0))


@pytest.mark.parametrize("held", [0, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_cluster_waits_for_its_slowest_block(held, weighted, machine, monkeypatch):
    """Of these vectors one entry is left, and whose it is is told to blocks that may not have got so far."""
    from gsp_studio.backends.cuda import groups

    monkeypatch.setattr(groups, "_PIECE", 8)
    machine.capability, machine.held = "90", held
    rng = np.random.default_rng(0)
    backend, cpu = gs.get_backend("cuda"), gs.get_backend("cpu")
    for s in 5 * (0.6, 0.999, 1.0):
        V, w = rng.random((4, 40)), 0.5 + rng.random(40) if weighted else None
        with backend.scope():
            found = backend.get(backend.project_rows(backend.put(V), s, w)[0])
        np.testing.assert_allclose(found, cpu.project_rows(V, s, w)[0], rtol=0, atol=1e-12)
    assert set(machine.launches) == {"project_in_cluster"}


@pytest.mark.parametrize("held", [0, 1, 2])
@pytest.mark.parametrize("capability", ["86", "90"])
def test_runs_do_not_depend_on_which_block_is_slow(held, capability, machine, parts_like, monkeypatch):
    from gsp_studio.backends.cuda import groups

    monkeypatch.setattr(groups, "_PIECE", 16)
    machine.capability = capability
    expected = gs.factorize(parts_like, params_for("psnmf"), "cuda")
    machine.held = held
    found = gs.factorize(parts_like, params_for("psnmf"), "cuda")
    np.testing.assert_array_equal(found.W, expected.W)
    np.testing.assert_array_equal(found.H, expected.H)


def test_an_entry_of_zero_stays_zero_where_the_multiplier_ends_below_zero(machine):
    V = np.random.default_rng(0).random((1, 40))
    V[0, :3] = 0.0
    backend, own = gs.get_backend("cuda"), float(gs.hoyer_sparsity(V.T)[0])
    with backend.scope():
        for less in (1e-12, 1e-11):
            found, _ = backend.project_rows(backend.put(V), own - less, None, mu0=1e-13)
            assert not backend.get(found)[0, :3].any()


def test_weights_are_those_of_the_type_that_is_computed_with(machine):
    backend, rng = gs.get_backend("cuda"), np.random.default_rng(0)
    w, V = np.where(rng.random(40) < 0.5, 1.0, 0.5), rng.random((4, 40))
    with backend.scope():
        both = [backend.get(backend.project_rows(backend.put(V.astype(t)), 0.6, w)[0]) for t in "df"]
    np.testing.assert_allclose(*both, rtol=0, atol=1e-6)


@pytest.mark.parametrize("s", [1 - 1e-9, 1 - 1e-12, 1 - 1e-14])
def test_targets_near_one_have_the_digits_of_the_host(s, machine):
    x, w = np.array([[2.37397934e-03], [9.17984556e-19]]), np.array([1.0, 0.0])
    for project in (gs.group_sparse_projection, gs.column_sparse_projection):
        np.testing.assert_array_equal(project(x, s, w, backend="cuda").values, project(x, s, w).values)


def test_ties_are_settled_by_the_host_also_beside_a_vector_that_stays(machine):
    """Each vector a group of its own: the worst of their outcomes counts."""
    backend, B = gs.get_backend("cuda"), np.ones((2, 40))
    B[0] = 0.0
    B[0, [3, 5]] = 1.0, 0.5
    with backend.scope():
        V, B, G = (backend.put(array) for array in (np.full((2, 40), 0.5), B, np.eye(2)))
        assert backend.descend(V, B, G, lambda: 1.0, 1, 0.0, "rows", 0.5, None, 0.0) is None


@pytest.mark.parametrize("shape_of_matrix", [(700, 6), (64, 1), (9, 40)])
def test_a_sample_says_where_the_search_begins(shape_of_matrix, machine, monkeypatch):
    from gsp_studio.backends.cuda import groups

    for name, value in (("_PIECE", 32), ("_PRUNED", 0), ("_SAMPLE", 500)):
        monkeypatch.setattr(groups, name, value)
    rng = np.random.default_rng(1)
    misleading = np.zeros(shape_of_matrix)
    misleading[1::2] = rng.random(misleading[1::2].shape)
    for x in (rng.standard_normal(shape_of_matrix), misleading):
        for s in (0.2, 0.7, 0.95, 1.0):
            found, expected = (group_sparse_projection(x, s, backend=b) for b in ("cuda", "cpu"))
            assert found.status is expected.status
            np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-9)


def test_what_is_not_finite_is_refused_as_on_the_cpu(machine):
    for make in (group_sparse_projection, column_sparse_projection):
        with pytest.raises(ValueError, match="x holds 1 NaN or infinite values, the first in vector 1"):
            make([np.ones(3), np.array([1.0, np.nan])], 0.5, backend="cuda")


@pytest.mark.parametrize("method", [name for name, method in gs.METHODS.items() if method.is_least_squares])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_runs_follow_the_cpu(method, dtype, machine, parts_like):
    X = parts_like.astype(dtype)
    mask = np.random.default_rng(8).random(X.shape) < 0.1
    rtol = 1e-10 if dtype == np.float64 else 2e-4
    for fields, hidden in (
        ({}, None),
        ({"sparsity_h": 0.4, "frozen": (1,)}, None),
        ({}, mask),
        ({"held_out": 0.05, "continuation": 20, "max_iter": 24}, None),
    ):
        params = params_for(method, **fields)
        expected, found = (gs.factorize(X, params, b, mask=hidden) for b in ("cpu", "cuda"))
        np.testing.assert_allclose(found.history.error, expected.history.error, rtol=rtol)
        np.testing.assert_allclose(found.history.sparsity, expected.history.sparsity, rtol=rtol)
        np.testing.assert_allclose(found.history.held_out_error, expected.history.held_out_error, rtol=rtol)
        assert found.W.dtype == found.H.dtype == dtype
        assert found.dead == expected.dead


def test_a_run_repeats_to_the_last_bit_whatever_the_number_of_blocks(machine, parts_like, monkeypatch):
    from gsp_studio.backends.cuda import groups

    monkeypatch.setattr(groups, "_PIECE", 16)
    results = []
    for machine.multiprocessors, machine.cooperates in ((1, 1), (2, 1), (5, 1), (5, 0)):
        backends._on_device.cache_clear()
        results.append(gs.factorize(parts_like, params_for("psnmf"), "cuda"))
    for other in results[1:]:
        np.testing.assert_array_equal(other.W, results[0].W)
        np.testing.assert_array_equal(other.H, results[0].H)


@pytest.mark.parametrize("optin", [4096, 12_000, 99 * 1024])
def test_gram_matrices_that_do_not_fit_pass_through_shared_memory_in_parts(optin, machine, parts_like):
    machine.optin = optin
    backend, cpu = gs.get_backend("cuda"), gs.get_backend("cpu")
    rng = np.random.default_rng(0)
    V, H = rng.random((19, 60)), rng.random((19, 200))
    B, G = H @ parts_like.T, H @ H.T
    with backend.scope():
        there = [backend.put(array) for array in (V, B, G)]
        found = backend.get(backend.hals(*there, 10, 0.1))
        np.testing.assert_allclose(found, cpu.hals(V, B, G, 10, 0.1), rtol=1e-9, atol=1e-12)
        Xt = backend.put(parts_like.T)
        L = float(np.linalg.eigvalsh(V @ V.T)[-1])
        found, *_ = backend.descend_coefficients(Xt, there[0], backend.put(H), L, 10, 0.1)
    images, cpu = prepared(parts_like, cpu)
    expected, *_ = cpu.descend_coefficients(images, V, H, L, 10, 0.1)
    np.testing.assert_allclose(backend.get(found), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("capability", "cooperates"), [("90", 1), ("86", 1), ("86", 0)])
@pytest.mark.parametrize("piece", [16, 1024])
@pytest.mark.parametrize("method", ["psnmf", "wsnmf", "cpsnmf", "nenmf"])
def test_updates_follow_the_cpu(capability, cooperates, piece, method, machine, parts_like, monkeypatch):
    """By a cluster, by blocks that meet in global memory, by one alone."""
    from gsp_studio.backends.cuda import groups

    machine.capability, machine.cooperates = capability, cooperates
    monkeypatch.setattr(groups, "_PIECE", piece)
    expected, found = (gs.factorize(parts_like, params_for(method), backend) for backend in ("cpu", "cuda"))
    np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-10)
    assert ("project_in_cluster" in machine.launches) == (capability == "90")


@pytest.mark.parametrize("capability", ["86", "90"])
def test_a_multiplier_below_zero_by_rounding_is_none(capability, machine):
    machine.capability = capability
    backend, rng = gs.get_backend("cuda"), np.random.default_rng(0)
    V, H = rng.random((5, 40)), rng.random((5, 90))
    with backend.scope():
        there = [backend.put(array) for array in (V, H @ rng.random((90, 40)), H @ H.T)]
        for s in (0.5, 0.01):
            found = [backend.descend(*there, lambda: 1.0, 4, 0.1, "group", s, None, mu0) for mu0 in (0.0, -1e-300)]
            for a, b in zip(*found, strict=True):
                np.testing.assert_array_equal(*(x if isinstance(x, float) else backend.get(x) for x in (a, b)))


def test_parts_that_never_meet(machine):
    """Power steps do not find the largest eigenvalue of such a Gram matrix; the host is asked for it."""
    rng = np.random.default_rng(0)
    X = np.kron(np.eye(4), rng.random((15, 20)) + 0.1)
    init = (np.kron(np.eye(4), rng.random((15, 1))), np.kron(np.eye(4), rng.random((1, 20))))
    params = params_for("psnmf", rank=4, init=init)
    expected, found = (gs.factorize(X, params, backend) for backend in ("cpu", "cuda"))
    np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-10)


def test_a_gram_matrix_for_which_blocks_are_granted_more_shared_memory(machine):
    """They still work together."""
    X = np.random.default_rng(0).random((200, 90))
    params = params_for("psnmf", rank=80, max_iter=2)
    expected, found = (gs.factorize(X, params, backend) for backend in ("cpu", "cuda"))
    assert machine.most_blocks["project"] == machine.multiprocessors
    np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-9)


def test_a_gram_matrix_beyond_shared_memory(machine, parts_like):
    machine.optin = 16 * 1024
    params = params_for("psnmf", rank=50, max_iter=3)
    expected, found = (gs.factorize(parts_like, params, backend) for backend in ("cpu", "cuda"))
    assert "clip_step" in machine.launches
    np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-9)


def test_large_gradient_steps_go_through_the_library(machine, parts_like, monkeypatch):
    from gsp_studio.backends.cuda import solver

    expected = gs.factorize(parts_like, params_for("psnmf"), "cuda")
    monkeypatch.setattr(solver, "_LARGE", 0)
    found = gs.factorize(parts_like, params_for("psnmf"), "cuda")
    np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-12)
    assert "clip_step" in machine.launches


# --- where the data are ---------------------------------------------------------------------------------------------


def test_data_stay_on_the_device(machine, parts_like):
    params = params_for("psnmf", max_iter=1)
    gs.factorize(parts_like, params, "cuda")
    of_one, machine.uploaded, machine.downloaded = (machine.uploaded, machine.downloaded), 0, 0
    gs.factorize(parts_like, replace(params, max_iter=11), "cuda")
    each = (machine.uploaded - of_one[0]) / 10, (machine.downloaded - of_one[1]) / 10
    # Per iteration go up the state of an update and which rows are held, and come down G and the numbers that are told.
    assert each[0] < 400
    assert each[1] < 1200
    assert parts_like.nbytes < of_one[0] < 1.3 * parts_like.nbytes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", [name for name, method in gs.METHODS.items() if method.is_least_squares])
def test_the_unit_of_the_data_is_not_part_of_a_run(method, dtype, machine, parts_like):
    X = np.asarray(parts_like / parts_like.max(), dtype)
    params = params_for(method, frozen=(1,))
    plain = gs.factorize(X, params, "cuda")
    for exponent in (-100, -37, -1, 1, 37, 100):
        found = gs.factorize(np.ldexp(X, exponent), params, "cuda")
        assert np.array_equal(found.history.error, plain.history.error)
        assert np.array_equal(found.W, np.ldexp(plain.W, exponent // 2))
        assert np.array_equal(found.H, np.ldexp(plain.H, exponent - exponent // 2))
        assert found.gram.relative_error(found.dense) == plain.gram.relative_error(plain.dense)


def test_iterates_come_when_they_are_asked_for(machine, parts_like):
    solver = gs.iterate(parts_like, params_for("psnmf", max_iter=8), "cuda")
    kept = [next(solver) for _ in range(6)]
    assert not any(it.is_here for it in kept)
    kept[2].send()
    for it, same in zip(kept, gs.iterate(parts_like, params_for("psnmf"), "cpu"), strict=False):
        assert isinstance(it, Distant)
        assert it.meets_target()
        np.testing.assert_allclose(it.W, same.W, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(it.gram.A, same.gram.A, rtol=1e-9)
        np.testing.assert_allclose(group_sparse_projection(it.dense, it.target).values, it.W, rtol=1e-9, atol=1e-12)
        assert it.is_here
    with pytest.raises(AttributeError):
        _ = kept[0].nothing


def test_a_watched_run_sends_what_was_fetched_and_no_more(machine, parts_like):
    sent = []

    def look(record):
        poll = runner.poll() if record.n_iter % 5 == 0 else None
        if poll is not None and poll.iterate is not None:
            sent.append(poll.iterate.n_iter)
            assert poll.iterate.W.shape == (60, 5)

    runner = Runner(RunSpec(parts_like, params_for("psnmf", max_iter=20), "cuda"))
    outcome = runner.run(look)
    assert outcome.reason is FinishReason.MAX_ITER
    assert sent == [1, 6, 11, 16]
    assert machine.freed > 0


@pytest.mark.parametrize("method", ["psnmf", "nenmf", "gsphals"])
def test_images_that_do_not_fit_are_streamed(method, machine, parts_like, monkeypatch):
    from gsp_studio.backends import blocks

    monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", 64 * 60 * 8)  # four blocks
    monkeypatch.setattr("gsp_studio.backends.summation._FEW", 64)
    expected = gs.factorize(parts_like, params_for(method), "cpu")
    machine.total = 160_000
    assert parts_like.nbytes < machine.total
    found = gs.factorize(parts_like, params_for(method), "cuda")
    np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-9)
    assert machine.peak < machine.total
    machine.total = 1 << 30
    streamed = BlockMatrix((60, 200), np.float64, lambda a, b, out: np.copyto(out, parts_like.T[a:b]))
    found = gs.factorize(streamed, params_for(method), "cuda")
    np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-9)


def test_a_full_device_is_told_in_one_sentence_and_the_cpu_goes_on(machine, parts_like):
    gs.get_backend("cuda")
    machine.total = 20_000
    said = r"the memory of Fake 0 is full \(0.0 GB are free\); the CPU can compute this"
    with pytest.raises(OutOfDeviceMemory, match=said):
        gs.factorize(parts_like, params_for("psnmf"), "cuda")
    spec = RunSpec(parts_like, params_for("psnmf"), "cuda")
    outcome = Runner(spec).run()
    assert outcome.reason is FinishReason.FAILED
    assert outcome.is_out_of_memory
    assert re.fullmatch(said, outcome.error_text)
    assert machine.used < 1000, "memory is released"
    assert Runner(replace(spec, backend="cpu")).run().reason is FinishReason.MAX_ITER
    machine.total = 1 << 30
    assert Runner(spec).run().reason is FinishReason.MAX_ITER


def test_what_is_raised_does_not_keep_the_images_on_the_device(machine, parts_like, monkeypatch):
    """An exception that holds itself holds the frames it came through, and with them the solver's arrays."""
    gs.get_backend("cuda")
    allocate = machine.allocate

    def limited(nbytes):
        if machine.used + nbytes > 1.1 * parts_like.nbytes:
            error = sys.modules["cupy"].cuda.memory.OutOfMemoryError("full")
            error.itself = error
            raise error
        allocate(nbytes)

    monkeypatch.setattr(machine, "allocate", limited)
    runner = Runner(RunSpec(parts_like, params_for("psnmf"), "cuda"))
    assert runner.run().is_out_of_memory
    assert machine.used < 1000


def test_missing_entries_of_images_that_do_not_fit_are_refused(machine, parts_like):
    machine.total = 160_000
    with pytest.raises(OutOfDeviceMemory, match="images with missing entries have to fit into the device's memory"):
        gs.factorize(parts_like, params_for("psnmf"), "cuda", mask=parts_like < 0.1)


def test_a_drag_brings_bytes_alone(machine):
    rng = np.random.default_rng(0)
    W, order = np.asfortranarray(rng.random((400, 9), np.float32)), np.argsort(rng.random(9))
    there, here = SparsityPath(W, backend="cuda"), SparsityPath(W)
    machine.downloaded = 0
    greys, sparsities, tops = there.greys(0.8, order)
    assert machine.downloaded < W.size + 9 * 6 * 8 + 200
    expected, same, largest = here.greys(0.8, order)
    assert np.abs(greys.astype(int) - expected).max() <= 1
    assert set(greys.max(axis=1)) == {254}
    np.testing.assert_allclose(sparsities, same, atol=1e-9)
    np.testing.assert_allclose(tops, largest, rtol=1e-6)


# --- the real CuPy ----------------------------------------------------------------------------------------------------


def test_the_fake_has_no_names_that_cupy_lacks():
    """What the backend asks of CuPy exists there, by these names and arguments."""
    with on_fake_device():
        fake = sys.modules["cupy"]
    cupy = pytest.importorskip("cupy", exc_type=ImportError)
    from cupy.cuda import driver, function

    of_memory = ("get_default_memory_pool", "get_default_pinned_memory_pool")
    for mine, theirs in ((fake, cupy), (fake.cuda, cupy.cuda), (fake.cuda.runtime, cupy.cuda.runtime)):
        missing = {name for name in vars(mine) if not name.startswith("_")} - set(dir(theirs)) - {"machine"}
        assert not missing
    for mine, theirs in ((fake.ndarray, cupy.ndarray), (fake.cuda.Stream, cupy.cuda.Stream)):
        names = {name for name in vars(mine) if not name.startswith("_")} - {"enqueue", "run", "position"}
        assert not names - set(dir(theirs))
    assert {"free_all_blocks", "free_bytes"} <= set(dir(getattr(cupy, of_memory[0])()))
    assert "free_all_blocks" in dir(getattr(cupy, of_memory[1])())
    assert callable(driver.occupancyMaxActiveBlocksPerMultiprocessor)
    assert {"ptr", "__call__"} <= set(dir(function.Function))
    assert {"kernel", "max_dynamic_shared_size_bytes"} <= set(dir(cupy.RawKernel))
    assert issubclass(cupy.cuda.memory.OutOfMemoryError, MemoryError)
    assert set(inspect.signature(cupy.asnumpy).parameters) >= {"stream", "out", "blocking"}


def test_the_sources_are_in_the_package() -> None:
    folder = Path(backends.__file__).parent / "cuda"
    assert len(list(folder.glob("*.cu"))) == 8


# --- workers of a cluster -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["psnmf", "nenmf", "gsphals"])
def test_workers_compute_on_their_devices(method, machine, parts_like):
    """Each reads its part, in blocks, onto its device; the basis and coefficients stay with the host."""
    X = np.asfortranarray(parts_like)
    images = InMemoryBlocks(np.ascontiguousarray(X.T))
    there = DistributedMatrix(X.shape, X.dtype, LocalWorkers(images, spans_of(*X.shape, X.dtype, [1.0, 1.0]), "cuda"))
    steering = {2: [Kill(1)], 3: [Split(0)], 4: [Reseed(2)]}
    found = gs.factorize(there, params_for(method), "cpu", steering=steering)
    assert machine.launches
    here = gs.factorize(X, params_for(method), "cpu", steering=steering)
    np.testing.assert_allclose(found.W, here.W, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(np.asarray(found.H), here.H, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.history.error, here.history.error, rtol=1e-9)
    # What is asked about these coefficients afterwards is asked of the workers, also where this computer has a device.
    left = kkt_residual(X, found.W, np.asarray(found.H), found.params, "cpu")
    assert kkt_residual(None, found.W, found.H, found.params, "cuda") == pytest.approx(left, rel=1e-9)
