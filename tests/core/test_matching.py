"""Matching of basis images: against all permutations, with what is left over, and for copies."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from gsp_studio.core.matching import above_chance, chance_cosines, match_bases

RNG = np.random.default_rng(5)


def test_the_sum_of_cosines_is_the_largest_of_all_permutations():
    A, B = RNG.random((6, 5)), RNG.random((6, 5))
    unit = [x / np.linalg.norm(x, axis=0) for x in (A, B)]
    best = max(sum(unit[0][:, k] @ unit[1][:, p[k]] for k in range(5)) for p in permutations(range(5)))
    found = match_bases(A, B)
    assert sorted(found.partner) == list(range(5))
    assert found.cosine.sum() == pytest.approx(best, abs=1e-12)
    for k, j in enumerate(found.partner):
        assert found.cosine[k] == pytest.approx(unit[0][:, k] @ unit[1][:, j], abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_permuted_and_scaled_copy_is_the_same(dtype):
    W = RNG.random((40, 12)).astype(dtype)
    order = RNG.permutation(12)
    found = match_bases(W, W[:, order] * np.linspace(1e-3, 1e3, 12).astype(dtype))
    assert np.array_equal(order[found.partner], np.arange(12))
    np.testing.assert_allclose(found.cosine, 1.0, atol=1e-6)
    shown = RNG.permutation(12)
    assert np.array_equal(order[found.cells_of_second(shown, 12)], shown)


@pytest.mark.parametrize(("r", "q"), [(5, 3), (3, 5)])
def test_what_has_no_partner(r, q):
    A, B = RNG.random((9, r)), RNG.random((9, q))
    found = match_bases(A, B)
    assert np.count_nonzero(found.partner >= 0) == min(r, q)
    assert np.all(found.cosine[found.partner < 0] == 0)
    cells = found.cells_of_second(np.arange(r)[::-1], q)
    assert np.array_equal(cells[:r], found.partner[::-1]), "each in the cell of its partner"
    assert sorted(cells[cells >= 0]) == list(range(q))
    assert np.count_nonzero(cells < 0) == r - min(r, q)


def test_zero_basis_images_are_like_none():
    A = RNG.random((9, 3))
    B = A.copy()
    B[:, 1] = 0
    found = match_bases(A, B)
    assert found.cosine[1] == 0
    assert np.isfinite(found.cosine).all()


def test_images_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(5, 2\) cannot be matched"):
        match_bases(np.ones((4, 2)), np.ones((5, 2)))


def test_chance_is_what_unrelated_images_of_the_same_values_reach():
    for power, low, high in ((1, 0.7, 0.8), (12, 0.1, 0.3)):
        W, other = (np.random.default_rng(seed).random((300, 10)) ** power for seed in (1, 2))
        chance = chance_cosines(W)
        assert low < chance.mean() < high
        assert chance.mean() == pytest.approx(match_bases(W, other).cosine.mean(), abs=0.02)
        assert np.array_equal(chance, chance_cosines(W))
        np.testing.assert_allclose(chance_cosines(W * np.logspace(-3, 3, 10)), chance, atol=1e-9)


def test_above_chance_is_one_for_the_same_and_zero_for_chance():
    W = np.column_stack([RNG.random(50), np.ones(50), np.zeros(50), np.eye(50)[3]])
    chance = chance_cosines(W)
    found = above_chance(match_bases(W, W).cosine, chance)
    np.testing.assert_allclose(found, [1, 1, 0, 1], atol=1e-6)
    assert chance[0] < 0.99
    np.testing.assert_array_equal(above_chance(chance, chance)[chance < 1 - 1e-9], 0)
    assert chance_cosines(np.ones((9, 1))) == pytest.approx(1), "a single grey value"
    assert above_chance(1.0, 1.0) == 1.0
    assert above_chance(0.1, 0.4) == 0.0
    assert above_chance(0.7, 0.4) == pytest.approx(0.5)
    assert np.isnan(above_chance(np.nan, 0.0))
