"""The kernels: threads give the serial result, hints change nothing, pools are entered one at a time."""

import threading
from pathlib import Path

import numpy as np
import pytest

from gsp_studio.backends import cpu, reference
from gsp_studio.backends.cpu import parallel
from gsp_studio.backends.cpu.each import project_each
from gsp_studio.backends.cpu.lanes import LANES
from gsp_studio.backends.cpu.moments import largest, moments, survivors, weight_constants, weighted_moments
from gsp_studio.backends.cpu.pool import get_threads, set_threads
from gsp_studio.backends.cpu.projection import project_flat, project_rows
from gsp_studio.backends.cpu.root import JUMP, NOT_FINITE, ROOT, UNCHANGED
from gsp_studio.backends.layout import equal_offsets

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 7, 8, 33, 1000])
def test_loops_against_numpy(dtype, n):
    rng = np.random.default_rng(n)
    c, w = rng.standard_normal(n).astype(dtype), rng.random(n).astype(dtype)
    z = np.maximum(np.abs(c.astype(np.float64)) - 0.4, 0)
    np.testing.assert_allclose(moments(c, 0.4), (np.count_nonzero(z), z.sum(), z @ z), rtol=1e-13)
    z = np.maximum(np.abs(c.astype(np.float64)) - 0.4 * w.astype(np.float64), 0)
    kept = w.astype(np.float64) * (z > 0)
    np.testing.assert_allclose(weighted_moments(c, w, 0.4), (kept @ kept, w @ z, z @ z), rtol=1e-6)
    assert largest(c) == np.abs(c).max()
    assert np.isnan(largest(np.append(c, dtype(np.nan))))
    assert np.isinf(largest(np.append(c, dtype(-np.inf))))
    buffer = np.empty_like(c)
    count = survivors(c, 0.4, buffer)
    np.testing.assert_array_equal(buffer[:count], np.abs(c[np.abs(c) > 0.4]))


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_against_the_reference_with_and_without_a_hint(weighted):
    rng = np.random.default_rng(0)
    V = rng.standard_normal((9, 70))
    w = rng.random(70) + 0.1 if weighted else None
    for s in (0.3, 0.7, 0.95, 1.0):
        expected, mu = reference.project_rows(V, s, w)
        for hint in (0.0, 0.5 * mu, mu, 1.1 * mu, 10 * mu):
            out, found = project_rows(V, s, w, mu0=hint)
            np.testing.assert_allclose(out, expected, atol=1e-9)
            assert found == pytest.approx(mu, rel=1e-9) or s == 1.0
    unchanged, mu = project_rows(V, 0.1, w, mu0=3.0)
    np.testing.assert_array_equal(unchanged, V)
    assert mu == 0.0
    in_place = V.copy()
    assert project_rows(in_place, 0.7, w, out=in_place)[0] is in_place
    np.testing.assert_array_equal(in_place, project_rows(V, 0.7, w)[0])


@pytest.fixture
def serial(monkeypatch):
    """Run the serial kernels whatever the size."""

    def run(*arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(parallel, "WORTHWHILE", 1 << 62)
            return project_flat(*arguments, **options)

    return run


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(1, 400_000), (40, 10_000), (50_000, 8)])
def test_threads_give_the_serial_result(serial, dtype, weighted, shape):
    rng = np.random.default_rng(1)
    c = rng.standard_normal(shape).astype(dtype).ravel()
    offsets = equal_offsets(*shape)
    w = rng.random(shape[1]).astype(dtype) + dtype(0.1) if weighted else None
    tolerance = 1e-12 if dtype is np.float64 else 1e-6
    for s in (0.1, 0.5, 0.9, 0.999):
        want, expected = serial(c, offsets, s, w)
        got, found = project_flat(c, offsets, s, w)
        assert found.outcome == expected.outcome
        assert found.mu == pytest.approx(expected.mu, rel=1e-10)
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())
        in_place = c.copy()
        project_flat(in_place, offsets, s, w, in_place)
        np.testing.assert_array_equal(in_place, got)


def test_the_number_of_threads_does_not_change_a_bit():
    c = np.random.default_rng(2).standard_normal(600_000)
    offsets = equal_offsets(6, 100_000)
    before = get_threads()
    try:
        results = []
        for count in range(1, min(4, before) + 1):
            set_threads(count)
            results.append(project_flat(c, offsets, 0.8)[0])
    finally:
        set_threads(before)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_a_misleading_sample_costs_time_and_nothing_else(serial):
    # Nearly all runs that the sample sees are zero, or nearly all are large.
    c = np.zeros(300_000)
    c[1::17] = np.random.default_rng(3).random(len(c[1::17]))
    c[100_000:100_400] = 50
    for s in (0.2, 0.8, 0.99):
        want, expected = serial(c, equal_offsets(3, 100_000), s)
        got, found = project_flat(c, equal_offsets(3, 100_000), s)
        assert found.outcome == expected.outcome
        np.testing.assert_allclose(got, want, atol=1e-10)


def test_large_corner_cases():
    offsets = equal_offsets(2, 100_000)
    c = np.ones(200_000)
    out, solution = project_flat(c, offsets, 0.5)
    assert solution.outcome == JUMP
    assert solution.sparsities.mean() >= 0.5
    c[150_000] = np.nan
    assert project_flat(c, offsets, 0.5)[1].outcome == NOT_FINITE
    c[150_000] = 1e-200
    assert project_flat(1e-200 * np.abs(np.sin(np.arange(200_000.0))), offsets, 0.5)[1].outcome == ROOT
    out, solution = project_flat(np.zeros(200_000), offsets, 0.9)
    assert solution.outcome == UNCHANGED
    assert not out.any()
    x = np.random.default_rng(4).random(200_000)
    out, solution = project_flat(x, offsets, 1.0)
    assert np.count_nonzero(out) == 2


def test_large_columns_on_their_own():
    c = np.random.default_rng(5).random(400_000)
    offsets = equal_offsets(40, 10_000)
    out = np.empty_like(c)
    solutions = project_each(c, offsets, np.linspace(0.2, 0.95, 40), None, out)
    np.testing.assert_allclose(solutions.sparsities, np.linspace(0.2, 0.95, 40), atol=1e-10)
    alone, _ = project_flat(c[:10_000], equal_offsets(1, 10_000), 0.2)
    np.testing.assert_array_equal(out[:10_000], alone)


def test_several_threads_may_project_at_once():
    c = np.random.default_rng(6).standard_normal(300_000)
    offsets = equal_offsets(3, 100_000)
    expected, _ = project_flat(c, offsets, 0.8)
    found = [None] * 4

    def work(k):
        for _ in range(5):
            found[k], _ = project_flat(c, offsets, 0.8)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found:
        np.testing.assert_array_equal(result, expected)


def in_lanes(values):
    """The order of `cpu.lanes`: entry j in lane j % LANES, lanes halved until one is left, the rest one by one."""
    whole = len(values) - len(values) % LANES
    lanes = np.zeros(LANES)
    for a in range(0, whole, LANES):
        lanes = lanes + values[a : a + LANES]
    while len(lanes) > 1:
        lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
    total = lanes[0]
    for value in values[whole:]:
        total += value
    return total


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("n", [1, 31, 32, 33, 361, 1000])
def test_sums_have_the_order_that_is_written_down(dtype, n):
    """To the last bit: left to the compiler, it differs between a kernel compiled here and one from numba's cache."""
    rng = np.random.default_rng(n)
    c, w = rng.standard_normal(n).astype(dtype), rng.random(n).astype(dtype)
    size, weight = np.abs(c).astype(np.float64), w.astype(np.float64)
    for t in (0.0, 0.3):
        z = np.maximum(size - t, 0.0)
        assert moments(c, t) == (np.count_nonzero(z), in_lanes(z), in_lanes(z * z))
        z = np.maximum(size - t * weight, 0.0)
        left = np.where(z > 0, weight, 0.0)
        assert weighted_moments(c, w, t) == (in_lanes(left * left), in_lanes(left * z), in_lanes(z * z))
    assert weight_constants(w) == (np.sqrt(in_lanes(weight * weight)), weight.min())


def test_no_kernel_leaves_an_order_to_the_compiler():
    for path in Path(cpu.__file__).parent.glob("*.py"):
        assert 'reassoc"' not in path.read_text(encoding="utf-8"), path
        assert "fastmath=True" not in path.read_text(encoding="utf-8"), path
