"""The path: the direct projection, to rounding, for everything that it answers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_projection import groups

from gsp_studio.core.path import SparsityPath
from gsp_studio.core.projection import Status, group_sparse_projection


@pytest.mark.slow
@settings(max_examples=150)
@given(groups(longest=300), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=3))
def test_equals_the_direct_projection(case, targets):
    vectors, s, weights = case
    path = SparsityPath(vectors, weights)
    for target in [s, *targets]:
        direct, p = group_sparse_projection(vectors, target, weights), path.project(target)
        own = group_sparse_projection(vectors, 0.0, weights).sparsity
        if not 0.0 < target - own < 1e-12:  # met but for rounding: changed as little as can be, or not at all
            assert p.status is direct.status
        assert p.sparsity == pytest.approx(direct.sparsity, abs=1e-10)
        loose = target > 1 - 1e-6 or target < 1e-6  # the sparsity hardly determines the vectors there
        # Nor where it hardly moves: what a target that is met to its last digits leaves open is no error.
        near = [min(1.0, max(0.0, target + step)) for step in (-1e-12, 1e-12)]
        low, high = (group_sparse_projection(vectors, s, weights).values for s in near)
        for a, b, c, d in zip(p.values, direct.values, low, high, strict=True):
            open_to = (1e-6 if loose else 1e-9) * (np.abs(b).max() or 1.0)
            np.testing.assert_array_less(np.abs(a - b), np.nextafter(open_to + np.abs(c - d), np.inf))


@settings(max_examples=60)
@given(groups(longest=200, powers=0, shapes=("normal", "uniform", "heavy", "sparse")))
def test_generic_groups_agree_to_the_last_digits(case):
    vectors, s, weights = case
    s = 0.05 + 0.9 * s
    direct, p = group_sparse_projection(vectors, s, weights), SparsityPath(vectors, weights).project(s)
    assert p.mu == pytest.approx(direct.mu, rel=1e-11)
    for a, b in zip(p.values, direct.values, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * (np.abs(b).max() or 1.0))


@pytest.mark.parametrize("n", [2, 3, 31, 32, 33, 64, 95, 96, 97, 1000, 4096, 5000])
@pytest.mark.parametrize("weighted", [False, True])
def test_prefixes_of_all_lengths(n, weighted):
    rng = np.random.default_rng(n)
    x, w = rng.standard_normal((n, 3)), rng.random(n) + 0.1 if weighted else None
    path = SparsityPath(x, w)
    for s in np.linspace(0.0, 1.0, 41):
        direct = group_sparse_projection(x, s, w)
        np.testing.assert_allclose(path.project(s).values, direct.values, rtol=0, atol=1e-9)
        if s < 1.0:  # every larger multiplier gives the same at 1
            assert path.mu(s) == pytest.approx(direct.mu, rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(path.sparsities(s), direct.sparsities, atol=1e-10)
        assert path.sparsity(s) == pytest.approx(direct.sparsity, abs=1e-10)
        np.testing.assert_array_equal(path.support(s), path.project(s).values != 0)


def test_nothing_cancels_for_nearly_equal_entries():
    rng = np.random.default_rng(0)
    x = 1.0 + 1e-9 * rng.random((3000, 2))
    path = SparsityPath(x)
    for s in (1e-3, 0.1, 0.6, 0.95):
        direct = group_sparse_projection(x, s)
        np.testing.assert_allclose(path.project(s).values, direct.values, rtol=0, atol=1e-6)
        assert path.sparsity(s) == pytest.approx(s, abs=1e-10)


def test_multiplier_and_support_are_monotone_in_the_target():
    x = np.random.default_rng(1).standard_normal((361, 49))
    path = SparsityPath(x)
    targets = np.linspace(path.start, 1.0, 60)
    multipliers = [path.mu(s) for s in targets]
    assert np.all(np.diff(multipliers) >= 0)
    kept = path.support(targets[0])
    for s in targets[1:]:
        fewer = path.support(s)
        assert not np.any(fewer & ~kept)
        kept = fewer


def test_ratios_beyond_float32_are_sorted():
    rng = np.random.default_rng(7)
    x = (1e37 * (1 - 1e-3 * rng.random((20, 3)))).astype(np.float32)
    w = (10.0 ** rng.uniform(-4, 0, 20)).astype(np.float32)
    for s in (0.3, 0.9, 0.9999):
        p, direct = SparsityPath(x, w).project(s), group_sparse_projection(x, s, w)
        np.testing.assert_allclose(p.values, direct.values, rtol=0, atol=1e-6 * x.max())


def test_below_its_own_sparsity_x_comes_back():
    x = np.random.default_rng(2).standard_normal((30, 4))
    path = SparsityPath(x)
    p = path.project(path.start)
    assert p.status is Status.UNCHANGED
    np.testing.assert_array_equal(p.values, x)
    assert path.mu(path.start - 1e-6) == 0.0 < path.mu(path.start + 1e-6)
    assert path.sparsity(0.0) == pytest.approx(path.start)


def test_structures_orders_and_outputs():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((5, 40))
    expected = group_sparse_projection(x, 0.7, axis=1).values
    for view in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        path = SparsityPath(view, axis=1)
        out = np.empty_like(view)
        assert path.project(0.7, out=out).values is out
        np.testing.assert_allclose(out, expected, atol=1e-13)
        assert path.sparsities(0.7).shape == (5,)
    ragged = [rng.random(n) for n in (3, 50, 200)]
    values = SparsityPath(ragged).project(0.6).values
    assert [v.shape for v in values] == [(3,), (50,), (200,)]
    assert [v.dtype for v in SparsityPath(ragged).support(0.6)] == [bool] * 3


def test_the_path_keeps_what_it_was_given():
    x = np.asfortranarray(np.random.default_rng(4).standard_normal((30, 4)))
    expected = group_sparse_projection(x, 0.7).values
    path, shared = SparsityPath(x), SparsityPath(x, copy=False)
    np.testing.assert_allclose(shared.project(0.7).values, expected, atol=1e-13)
    x[:] = 0
    np.testing.assert_allclose(path.project(0.7).values, expected, atol=1e-13)


def test_several_threads_may_ask_one_path():
    x = np.random.default_rng(5).standard_normal((200, 20))
    path = SparsityPath(x)
    targets = np.linspace(0.3, 0.99, 40).tolist()
    alone = [path.project(s).values for s in targets]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda s: path.project(s).values, targets))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


class _Gram:
    def relative_error(self, W):
        return float(np.sum(W))


def test_error_is_that_of_the_projected_basis():
    x = np.random.default_rng(6).random((30, 4))
    path = SparsityPath(x)
    assert path.error(0.8, _Gram()) == pytest.approx(np.sum(group_sparse_projection(x, 0.8).values))


def test_bad_input():
    with pytest.raises(ValueError, match="NaN"):
        SparsityPath([[1.0, np.nan], [1.0, 2.0]])
    with pytest.raises(ValueError, match="s is 2"):
        SparsityPath(np.ones((3, 2))).project(2)
