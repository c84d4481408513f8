"""How much of a basis hangs on the seed: against fits made one by one, on data of which it is known, and cancel."""

from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.edits import Split
from gsp_studio.core.matching import chance_cosines, match_bases
from gsp_studio.core.nmf import factorize
from gsp_studio.experiments.stability import BasisStability, basis_stability


def blocks(dtype=np.float64):
    """Three parts that no pixel shares, and noise."""
    rng = np.random.default_rng(0)
    X = np.kron(np.eye(3), np.ones((8, 30))) * rng.random((24, 90)) + 0.01 * rng.random((24, 90))
    return np.asfortranarray(X, dtype)


def expected(X, W, params, seeds):
    """The definition: unit columns of all fits, matched one by one."""
    unit = [W / np.linalg.norm(W, axis=0)]
    cosines = []
    for seed in seeds:
        found = factorize(X, replace(params, seed=seed)).W
        found = found / np.linalg.norm(found, axis=0)
        matched = found[:, match_bases(W, found).partner]
        cosines.append(np.sum(unit[0] * matched, axis=0))
        unit.append(matched)
    return np.mean(cosines, axis=0), np.std(unit, axis=0, ddof=1)


@pytest.mark.parametrize("method", ["psnmf", "ahals"])
def test_cosines_and_deviations_are_those_of_the_fits(method):
    X = blocks()
    params = gs.Params(6, method, 0.5, seed=4, max_iter=15)
    W = factorize(X, params).W
    found = basis_stability(X, W, params, seeds=3)
    cosine, spread = expected(X, W, params, (5, 6, 7))
    assert found.seeds == 3
    np.testing.assert_allclose(found.cosine, cosine, atol=1e-12)
    np.testing.assert_allclose(found.spread, spread, atol=1e-12)
    np.testing.assert_array_equal(found.chance, chance_cosines(W))
    expected_similarity = np.maximum((cosine - found.chance) / (1 - found.chance), 0)
    np.testing.assert_allclose(found.similarity, expected_similarity, atol=1e-9)
    assert 0 < spread.max() < 1


def test_parts_that_are_there_are_stable_and_those_too_many_are_not():
    X, params = blocks(np.float32), gs.Params(3, "ahals", max_iter=100)
    right = basis_stability(X, factorize(X, params).W, params)
    assert right.unstable == ()
    assert right.similarity.min() > 0.99
    assert right.spread.max() < 0.01
    assert right.spread.dtype == np.float32
    many = replace(params, rank=9)
    wrong = basis_stability(X, factorize(X, many).W, many)
    assert len(wrong.unstable) >= 2
    assert wrong.spread[:, list(wrong.unstable)].max() > 0.1
    assert wrong.unstable == tuple(np.flatnonzero(wrong.similarity < 0.8))


def test_scale_and_order_of_the_basis_do_not_matter():
    X, params = blocks(), gs.Params(5, "psnmf", 0.5, max_iter=20)
    W = factorize(X, params).W
    found = basis_stability(X, W, params, seeds=2)
    order = np.array([3, 0, 4, 1, 2])
    turned = basis_stability(X, W[:, order] * np.array([1e-2, 1, 3, 10, 1e3]), params, seeds=2)
    np.testing.assert_allclose(turned.cosine, found.cosine[order], atol=1e-12)
    np.testing.assert_allclose(turned.spread, found.spread[:, order], atol=1e-9)


def test_a_start_without_a_seed_gives_way_to_a_random_one():
    X, params = blocks(), gs.Params(4, "psnmf", 0.4, max_iter=10)
    W = factorize(X, replace(params, init="nndsvd")).W
    plain = basis_stability(X, W, params, seeds=2)
    given = (np.ones((24, 4)), np.ones((4, 90)))
    for init in ("nndsvd", "nndsvda", given):
        assert np.array_equal(basis_stability(X, W, replace(params, init=init), seeds=2).cosine, plain.cosine)
    assert not np.array_equal(basis_stability(X, W, replace(params, init="images"), seeds=2).cosine, plain.cosine)
    assert np.array_equal(basis_stability(X, W, replace(params, frozen=(1,)), seeds=2).cosine, plain.cosine)


def test_a_run_that_was_split_has_the_rank_that_it_ended_with():
    X, params = blocks(), gs.Params(3, "ahals", max_iter=20)
    result = factorize(X, params, steering={5: Split(0)})
    found = basis_stability(X, result.W, params, seeds=1)
    assert found.cosine.shape == (4,)
    assert found.spread.shape == (24, 4)


def test_a_basis_image_that_has_died_is_unstable():
    X, params = blocks(), gs.Params(3, "ahals", max_iter=20)
    W = factorize(X, params).W.copy()
    W[:, 1] = 0
    found = basis_stability(X, W, params, seeds=2)
    assert found.cosine[1] == 0
    assert found.unstable == (1,)
    assert np.isfinite(found.spread).all()


def test_missing_entries_stay_missing():
    X = blocks()
    mask = np.random.default_rng(1).random(X.shape) < 0.2
    params = gs.Params(3, "ahals", max_iter=60)
    W = factorize(X, params, mask=mask).W
    found = basis_stability(X, W, params, seeds=1, mask=mask)
    spoiled = basis_stability(np.where(mask, 100.0, X), W, params, seeds=1, mask=mask)
    np.testing.assert_allclose(spoiled.cosine, found.cosine, atol=1e-9)


def test_iterations_are_told_and_it_can_be_given_up():
    class Enough(Exception):
        pass

    X, params, told = blocks(), gs.Params(3, "ahals", max_iter=4), []

    def tell(fits, it):
        told.append((fits, it.n_iter))
        if len(told) == 6:
            raise Enough

    with pytest.raises(Enough):
        basis_stability(X, factorize(X, params).W, params, seeds=3, on_iteration=tell)
    assert told == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2)]


def test_no_seed_is_refused():
    X, params = blocks(), gs.Params(3, "ahals", max_iter=2)
    with pytest.raises(ValueError, match=r"seeds is 0; accepted is a whole number >= 1"):
        basis_stability(X, np.ones((24, 3)), params, seeds=0)


def test_below_four_fifths_of_the_way_from_chance_is_unstable():
    none = np.zeros(4)
    assert BasisStability(5, np.array([0.81, 0.7999, 1.0, 0.0]), none).unstable == (1, 3)
    half = BasisStability(5, np.array([0.91, 0.89, 1.0, 0.4]), none + 0.5)
    np.testing.assert_allclose(half.similarity, [0.82, 0.78, 1.0, 0.0], atol=1e-12)
    assert half.unstable == (1, 3)
