"""Shared-price HALS: the kernel against the plain one, one image against brute force, prices, sizes, corner cases."""

import numpy as np
import pytest
from scipy.optimize import minimize

import gsp_studio as gs
from gsp_studio.backends import get_backend
from gsp_studio.backends.cpu import price
from gsp_studio.backends.reference_price import best_image

REFERENCE = get_backend("reference")
SIZES = [(1, 9), (4, 30), (7, 700)]
UNKNOWN = -1.0


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


@pytest.mark.parametrize("kind", ["none", "shared", "own", "free"])
@pytest.mark.parametrize("s", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize(("r", "m"), SIZES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_kernel_follows_the_plain_one(r, m, s, kind, dtype):
    V, B, G = problem(r, m, dtype)
    w, before = weights_of(kind, r, m, dtype), V.copy()
    for mu, share in ((UNKNOWN, 1.0), (0.5, 0.3), (0.0, 0.0)):
        expected, at = REFERENCE.shared_price(V, B, G, s, w, mu, share, 3, 0.0)
        found, mu = get_backend("cpu").shared_price(V, B, G, s, w, mu, share, 3, 0.0)
        rtol = 1e-9 if dtype == np.float64 else 5e-3
        np.testing.assert_allclose(found, expected, atol=rtol * np.abs(expected).max())
        assert found.dtype == dtype
        assert mu == pytest.approx(at, rel=1e-6 if dtype == np.float64 else 5e-2)
    assert np.array_equal(V, before)


@pytest.mark.parametrize("kind", ["none", "own"])
def test_many_pixels_on_any_threads_have_the_bits_of_one(kind):
    r, m = 3, price._PARALLEL + 777
    V, B, G = problem(r, m)
    w = weights_of(kind, r, m, V.dtype)
    results = []
    for threads in (1, 2, 3):
        backend = get_backend("cpu", threads)
        with backend.scope():
            results.append(backend.shared_price(V, B, G, 0.7, w, UNKNOWN, 1.0, 2, 0.0))
    for found, mu in results[1:]:
        assert np.array_equal(found, results[0][0])
        assert mu == results[0][1]
    expected, at = REFERENCE.shared_price(V, B, G, 0.7, w, UNKNOWN, 1.0, 2, 0.0)
    np.testing.assert_allclose(results[0][0], expected, atol=1e-9 * expected.max())
    assert results[0][1] == pytest.approx(at, rel=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_one_image_is_the_best_for_its_price(weighted):
    rng = np.random.default_rng(4)
    g, own, cost = rng.random(8), 2.5, 0.3
    w = 0.2 + rng.random(8) if weighted else np.ones(8)

    def value(v):
        return own * v @ v / 2 - g @ v + cost * (w @ v) / np.linalg.norm(v)

    v, length = g / own, float(np.linalg.norm(g / own))
    for _ in range(30):
        v, length = best_image(g, own, cost, w, length)
    assert length == pytest.approx(np.linalg.norm(v))
    starts = [v, *(rng.random((20, 8)) + 1e-3)]
    found = min(minimize(value, start, bounds=[(0, None)] * 8, method="L-BFGS-B").fun for start in starts)
    assert value(v) <= found + 1e-7


def test_the_price_comes_to_where_the_average_meets_the_target():
    V, B, G = problem(6, 200)
    V, mu = REFERENCE.shared_price(V, B, G, 0.8, None, UNKNOWN, 1.0, 200, 1e-6)
    assert mu > 0
    assert np.mean(gs.hoyer_sparsity(V.T)) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("name", ["reference", "cpu"])
class TestCornerCases:
    def test_no_price_is_needed(self, name):
        V, B, G = problem(5, 60)
        backend = get_backend(name)
        found, mu = backend.shared_price(V, B, G, 0.0, None, UNKNOWN, 1.0, 10, 0.0)
        assert mu == 0.0
        np.testing.assert_allclose(found, backend.hals(V, B, G, 10, 0.0), atol=1e-8)

    def test_images_that_no_coefficient_uses_stay(self, name):
        V, B, G = problem(3, 40)
        G[1], G[:, 1], B[1] = 0.0, 0.0, 0.0
        found, _ = get_backend(name).shared_price(V, B, G, 0.6, None, UNKNOWN, 1.0, 5, 0.0)
        assert np.array_equal(found[1], V[1])
        assert np.isfinite(found).all()

    def test_images_of_zeros_come_back_where_they_are_wanted(self, name):
        V, B, G = problem(3, 40)
        V[2] = 0.0
        found, _ = get_backend(name).shared_price(V, B, G, 0.5, None, UNKNOWN, 1.0, 5, 0.0)
        assert found[2].any()

    def test_images_that_nothing_wants_become_zero(self, name):
        V, B, G = problem(2, 40)
        B[1] = 0.0
        found, _ = get_backend(name).shared_price(V, B, G, 0.5, None, UNKNOWN, 1.0, 3, 0.0)
        assert not found[1].any()

    @pytest.mark.parametrize("s", [0.5, 1.0])
    def test_correlations_that_are_all_alike(self, name, s):
        backend = get_backend(name)
        V, B, G = np.ones((1, 50)), np.full((1, 50), 3.0), np.ones((1, 1))
        found, _ = backend.shared_price(V, B, G, s, None, UNKNOWN, 1.0, 5, 0.0)
        projected, _ = backend.project_rows(found, s)
        assert np.isfinite(projected).all()
        assert gs.hoyer_sparsity(projected[0]) >= s - 1e-10
        assert projected.any()

    def test_one_pixel_an_image(self, name):
        backend = get_backend(name)
        V, B, G = problem(4, 30)
        found, _ = backend.shared_price(V, B, G, 1.0, None, UNKNOWN, 1.0, 5, 0.0)
        assert gs.hoyer_sparsity(backend.project_rows(found, 1.0)[0].T) == pytest.approx(np.ones(4), abs=1e-10)
