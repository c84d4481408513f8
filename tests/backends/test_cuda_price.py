"""Shared-price HALS on a device: the kernel against the plain one, corner cases, bits, what leaves the device.

Run on the fake device, see `tests/device`.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from device import emulation, on_fake_device

import gsp_studio as gs
from gsp_studio import backends
from gsp_studio.engine.run import FinishReason, RunSpec
from gsp_studio.engine.runner import Runner

pytestmark = pytest.mark.skipif(emulation.compiler() is None, reason="needs a C++ compiler for the fake device")

REFERENCE = gs.get_backend("reference")
UNKNOWN = -1.0
KERNELS = {"price", "price_in_cluster"}


@pytest.fixture
def machine():
    with on_fake_device() as found:
        yield found


@pytest.fixture(params=["alone", "cluster", "clustered pieces", "together", "pruned"])
def backend(request, machine, monkeypatch):
    """One block; a cluster; several that meet in global memory, with pieces and strips of a few pixels; survivors."""
    from gsp_studio.backends.cuda import groups

    if "cluster" in request.param:
        machine.capability = "90"
    if request.param == "alone":
        machine.cooperates = 0
    elif request.param != "cluster":
        monkeypatch.setattr(groups, "_PIECE", 16)
        monkeypatch.setattr(groups, "STRIP", 8)
    if request.param == "pruned":
        monkeypatch.setattr(groups, "_PRUNED", 0)
    return gs.get_backend("cuda")


def problem(r, m, dtype=np.float64, n=40):
    rng = np.random.default_rng(r * m)
    X = rng.random((m, r)) ** 6 @ rng.random((r, n)) + 0.02 * rng.random((m, n))
    H = rng.random((r, n))
    return tuple(a.astype(dtype) for a in (rng.random((r, m)), H @ X.T, H @ H.T))


def weights_of(kind, r, m, dtype):
    rng = np.random.default_rng(m)
    if kind == "free":
        return np.where(np.arange(m) < m // 3, 0.0, 1.0).astype(dtype)
    return {"none": None, "shared": rng.random(m).astype(dtype), "own": rng.random((r, m)).astype(dtype)}[kind]


def solved(backend, V, B, G, *asked):
    """The update on the device, from arrays of the host."""
    with backend.scope():
        before = backend.put(V)
        found, mu = backend.shared_price(before, backend.put(B), backend.put(G), *asked)
        assert np.array_equal(backend.get(before), V), "the input is kept"
        return backend.get(found), mu


@pytest.mark.parametrize("kind", ["none", "shared", "own", "free"])
@pytest.mark.parametrize("s", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_kernel_follows_the_plain_one(s, kind, dtype, backend, machine):
    for r, m in ((1, 9), (4, 30), (6, 170)):
        V, B, G = problem(r, m, dtype)
        w, rtol = weights_of(kind, r, m, dtype), 1e-9 if dtype == np.float64 else 5e-3
        for mu, share in ((UNKNOWN, 1.0), (0.5, 0.3), (0.0, 0.0)):
            machine.launches.clear()
            found, price = solved(backend, V, B, G, s, w, mu, share, 3, 0.0)
            assert len(machine.launches) == 1
            assert machine.launches[0] in KERNELS
            expected, at = REFERENCE.shared_price(V, B, G, s, w, mu, share, 3, 0.0)
            np.testing.assert_allclose(found, expected, atol=rtol * np.abs(expected).max())
            assert found.dtype == dtype
            assert price == pytest.approx(at, rel=1e-6 if dtype == np.float64 else 5e-2)


def test_sweeps_end_where_they_move_little(backend):
    V, B, G = problem(5, 90)
    for tol in (0.3, 0.05):
        found, price = solved(backend, V, B, G, 0.7, None, UNKNOWN, 1.0, 50, tol)
        expected, at = REFERENCE.shared_price(V, B, G, 0.7, None, UNKNOWN, 1.0, 50, tol)
        np.testing.assert_allclose(found, expected, atol=1e-9 * expected.max())
        assert price == pytest.approx(at, rel=1e-6)
    longer, _ = REFERENCE.shared_price(V, B, G, 0.7, None, UNKNOWN, 1.0, 50, 0.0)
    assert np.abs(expected - longer).max() > 1e-9 * expected.max(), "the last one stopped before the end"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_prices_that_would_leave_nothing_are_lowered(dtype, backend):
    V, B, G = problem(3, 60, dtype)
    found, _ = solved(backend, V, B, G, 0.5, None, 1e6, 1.0, 1, 0.0)
    expected, _ = REFERENCE.shared_price(V, B, G, 0.5, None, 1e6, 1.0, 1, 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-9 if dtype == np.float64 else 1e-3)
    assert (found > 0).sum(axis=1).max() < 10


class TestCornerCases:
    def test_images_that_no_coefficient_uses_stay(self, backend):
        V, B, G = problem(3, 40)
        G[1], G[:, 1], B[1] = 0.0, 0.0, 0.0
        found, _ = solved(backend, V, B, G, 0.6, None, UNKNOWN, 1.0, 5, 0.0)
        assert np.array_equal(found[1], V[1])
        expected, _ = REFERENCE.shared_price(V, B, G, 0.6, None, UNKNOWN, 1.0, 5, 0.0)
        np.testing.assert_allclose(found, expected, atol=1e-9)

    def test_images_of_zeros_come_back_where_they_are_wanted(self, backend):
        V, B, G = problem(3, 40)
        V[0] = V[2] = 0.0
        found, _ = solved(backend, V, B, G, 0.5, None, UNKNOWN, 1.0, 5, 0.0)
        assert found[0].any()
        assert found[2].any()

    def test_images_that_nothing_wants_become_zero(self, backend):
        V, B, G = problem(2, 40)
        B[1] = 0.0
        found, _ = solved(backend, V, B, G, 0.5, None, UNKNOWN, 1.0, 3, 0.0)
        assert not found[1].any()

    def test_nothing_is_there(self, backend):
        V, B, G = (np.zeros(shape) for shape in ((3, 40), (3, 40), (3, 3)))
        found, _ = solved(backend, V, B, G, 0.5, None, UNKNOWN, 1.0, 3, 0.0)
        assert not found.any()

    def test_correlations_that_are_all_alike_are_settled_by_the_host(self, backend):
        V, B, G = np.ones((1, 50)), np.full((1, 50), 3.0), np.ones((1, 1))
        found, mu = solved(backend, V, B, G, 0.5, None, UNKNOWN, 1.0, 5, 0.0)
        expected, at = gs.get_backend("cpu").shared_price(V, B, G, 0.5, None, UNKNOWN, 1.0, 5, 0.0)
        np.testing.assert_array_equal(found, expected)
        assert mu == at

    @pytest.mark.parametrize(("V", "B"), [(np.ones((1, 50)), np.full((1, 50), 3.0)), problem(4, 30)[:2]])
    def test_one_pixel_an_image(self, V, B, backend):
        G = problem(4, 30)[2] if len(V) > 1 else np.ones((1, 1))
        found, mu = solved(backend, V, B, G, 1.0, None, UNKNOWN, 1.0, 5, 0.0)
        assert np.isfinite(mu)
        with backend.scope():
            projected = backend.get(backend.project_rows(backend.put(found), 1.0)[0])
        assert gs.hoyer_sparsity(projected.T) == pytest.approx(np.ones(len(V)), abs=1e-10)

    @pytest.mark.parametrize("exponent", [-90, 90])
    def test_units_far_from_one(self, exponent, backend):
        V, B, G = problem(4, 30)
        plain, at = solved(backend, V, B, G, 0.6, None, UNKNOWN, 1.0, 3, 0.0)
        scaled = (np.ldexp(V, exponent), np.ldexp(B, exponent), G)
        found, mu = solved(backend, *scaled, 0.6, None, UNKNOWN, 1.0, 3, 0.0)
        np.testing.assert_allclose(found, np.ldexp(plain, exponent), rtol=0, atol=np.ldexp(1e-12, exponent))
        assert mu == pytest.approx(np.ldexp(at, 2 * exponent), rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_any_problem(seed, backend):
    """Sizes, targets, prices, dead and empty images, entries that are alike, at random."""
    rng = np.random.default_rng(seed)
    r, m = int(rng.integers(1, 7)), int(rng.integers(2, 60))
    V, B, G = problem(r, m)
    if seed % 2:
        V[rng.integers(r)] = 0.0
        k = rng.integers(r)
        G[k], G[:, k], B[k] = 0.0, 0.0, 0.0
    if seed % 3 == 0:
        B[:, : m // 2] = np.round(B[:, : m // 2])
    w = weights_of(str(rng.choice(["none", "shared", "own"])), r, m, V.dtype)
    asked = float(rng.uniform(0, 0.9)), w, float(rng.choice([UNKNOWN, 0.0, 0.2])), float(rng.random()), 4, 0.1
    found, mu = solved(backend, V, B, G, *asked)
    expected, at = REFERENCE.shared_price(V, B, G, *asked)
    np.testing.assert_allclose(found, expected, atol=1e-8 * (np.abs(expected).max() or 1.0))
    assert mu == pytest.approx(at, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_bits_do_not_depend_on_blocks_nor_on_which_is_slow(weighted, machine, monkeypatch):
    from gsp_studio.backends.cuda import groups

    monkeypatch.setattr(groups, "_PIECE", 16)
    monkeypatch.setattr(groups, "STRIP", 8)
    V, B, G = problem(4, 90)
    asked = 0.7, weights_of("own", 4, 90, V.dtype) if weighted else None, UNKNOWN, 1.0, 4, 0.0
    results = []
    for machine.multiprocessors, machine.cooperates, machine.held in ((1, 1, -1), (2, 1, 1), (5, 1, 0), (5, 0, -1)):
        backends._on_device.cache_clear()
        results.append(solved(gs.get_backend("cuda"), V, B, G, *asked))
    machine.capability, clustered = "90", []
    backends._on_device.cache_clear()
    for machine.held in (-1, 0, 1):
        clustered.append(solved(gs.get_backend("cuda"), V, B, G, *asked))
    for of in (results, clustered):
        for found, mu in of[1:]:
            np.testing.assert_array_equal(found, of[0][0])
            assert mu == of[0][1]


# --- whole runs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def parts_like():
    rng = np.random.default_rng(3)
    W = rng.random((60, 6)) * (rng.random((60, 6)) < 0.4)
    return W @ rng.random((6, 200)) + 0.02 * rng.random((60, 200))


def params_for(method, **fields):
    weights = 0.5 + np.random.default_rng(7).random(60) if gs.METHODS[method].uses_weights else None
    return gs.Params(**{"rank": 5, "sparsity": 0.6, "max_iter": 5, **fields}, method=method, weights=weights)


@pytest.mark.parametrize("capability", ["86", "90"])
@pytest.mark.parametrize("method", ["gsphals", "wgsphals", "ahals", "nenmf"])
def test_factors_and_products_stay_on_the_device(method, capability, machine, parts_like, monkeypatch):
    """Extrapolated updates as well: from one iteration to the next only numbers cross, a few for each basis image."""
    machine.capability = capability
    backend, crossed = gs.get_backend("cuda"), []
    iterates = gs.iterate(parts_like, params_for(method, max_iter=30, tol=0.0, init="nndsvda"), backend)
    for _ in range(12):  # ways to the target are tried before
        next(iterates)
    largest, get = [], sys_cupy().ndarray.get

    def measured(self, *args, **options):
        largest.append(self.size)
        return get(self, *args, **options)

    monkeypatch.setattr(sys_cupy().ndarray, "get", measured)
    for _ in range(8):
        machine.uploaded = machine.downloaded = 0
        next(iterates)
        crossed.append((machine.uploaded, machine.downloaded))
    assert max(up for up, _ in crossed) < 400
    assert max(down for _, down in crossed) < 1200
    assert max(largest) < 60, "no factor (5, 60) or (5, 200), no product (5, 60)"


def sys_cupy():
    """The fake that stands in for CuPy."""
    return sys.modules["cupy"]


@pytest.mark.parametrize("capability", ["86", "90"])
def test_runs_of_the_default_method_follow_the_cpu(capability, machine, parts_like):
    machine.capability = capability
    for fields in ({}, {"frozen": (1,)}, {"sparsity_h": 0.4}, {"sparsity": 0.95}):
        params = params_for("gsphals", max_iter=8, **fields)
        expected, found = (gs.factorize(parts_like, params, where) for where in ("cpu", "cuda"))
        np.testing.assert_allclose(found.history.error, expected.history.error, rtol=1e-9)
        np.testing.assert_allclose(found.W, expected.W, rtol=0, atol=1e-8 * expected.W.max())
    assert set(machine.launches) & KERNELS == {"price_in_cluster" if capability == "90" else "price"}


def test_time_in_which_kernels_are_compiled_is_not_a_runs(machine, parts_like, monkeypatch):
    """Those of float64 are compiled in the first run that asks for them."""
    from gsp_studio.backends.cuda import driver

    now = [0.0]
    monkeypatch.setattr(driver.time, "perf_counter", lambda: now[0])
    backend, made = gs.get_backend("cuda"), []
    compiled = sys_cupy().RawModule

    def slow(*args, **options):
        now[0] += 30.0
        made.append(options["options"][0])
        return compiled(*args, **options)

    monkeypatch.setattr(sys_cupy(), "RawModule", slow)
    outcome = Runner(RunSpec(parts_like, params_for("gsphals", max_iter=2), "cuda")).run()
    assert outcome.reason is FinishReason.MAX_ITER
    assert made == ["-DREAL=double"]
    assert outcome.result.history.seconds[-1] < 30.0
    before = backend.clock()
    now[0] += 5.0
    assert backend.clock() == before + 5.0
