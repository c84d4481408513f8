"""Steering a run: frozen basis images, edits of the basis, what is refused."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import gsp_studio as gs
from gsp_studio.core.edits import (
    Kill,
    Reseed,
    Split,
    check_edit,
    difference,
    edited_params,
    text_of,
)
from gsp_studio.core.optimality import kkt_residual
from gsp_studio.core.splitting import can_split, split

PIXELS, IMAGES, RANK = 60, 90, 6


@pytest.fixture
def parts_like():
    """60 pixels, 90 images of low rank plus noise."""
    return matrix_of(3)


def matrix_of(seed):
    rng = np.random.default_rng(seed)
    W = rng.random((PIXELS, RANK)) * (rng.random((PIXELS, RANK)) < 0.4)
    return W @ rng.random((RANK, IMAGES)) + 0.02 * rng.random((PIXELS, IMAGES))


#: Methods whose basis images can be frozen and edited.
LEAST_SQUARES = [name for name, method in gs.METHODS.items() if method.is_least_squares]


def params_for(method, **fields):
    weights = 0.5 + np.random.default_rng(7).random(PIXELS) if gs.METHODS[method].uses_weights else None
    return gs.Params(**{"rank": RANK, "sparsity": 0.6, "max_iter": 200, **fields}, method=method, weights=weights)


def walk(X, params, steps, n_iter):
    """Iterates of a run that is sent ``steps[n]`` after iteration n."""
    solver = gs.iterate(X, params)
    found = [next(solver)]
    while found[-1].n_iter < n_iter:
        found.append(solver.send(steps.get(found[-1].n_iter)))
    return found


def error_of(X, V, H):
    return float(np.linalg.norm(X - V.T @ H))


@pytest.mark.parametrize("method", LEAST_SQUARES)
def test_frozen_basis_images_keep_their_bits_and_the_others_go_on(method, parts_like):
    start = params_for(method)
    frozen = replace(start, frozen=(1, 4))
    found = walk(parts_like, start, {5: frozen, 15: start}, 20)
    for it in found[5:15]:
        np.testing.assert_array_equal(it.W[:, [1, 4]], found[4].W[:, [1, 4]])
        np.testing.assert_array_equal(it.dense[:, [1, 4]], it.W[:, [1, 4]])
    assert not np.array_equal(found[14].W[:, [0, 2, 3, 5]], found[4].W[:, [0, 2, 3, 5]])
    assert not np.array_equal(found[14].H[[1, 4]], found[4].H[[1, 4]])
    assert not np.array_equal(found[19].W[:, 1], found[14].W[:, 1])  # released


@pytest.mark.parametrize("method", ["psnmf", "wsnmf", "gsphals", "wgsphals"])
def test_the_others_share_what_the_frozen_leave_of_the_budget(method, parts_like):
    start = params_for(method, sparsity=0.5)
    found = walk(parts_like, start, {5: replace(start, frozen=(0,), sparsity=0.7)}, 12)
    for it in found[5:]:
        assert it.sparsity >= 0.7 - 1e-10
        kept = gs.hoyer_sparsity(it.W[:, :1], start.weights)[0]
        free = np.mean(gs.hoyer_sparsity(it.W[:, 1:], start.weights))
        # Sweeps under a price may end sparser than asked for, as long as the price is on its way.
        beyond = 0.05 if gs.METHODS[method].has_price else 1e-9
        assert -1e-9 <= free - (RANK * 0.7 - kept) / (RANK - 1) <= beyond


def test_a_budget_that_the_frozen_make_impossible_is_reached_as_nearly_as_it_goes(parts_like):
    start = gs.Params(rank=2, sparsity=0.1)
    found = walk(parts_like, start, {3: replace(start, frozen=(0,), sparsity=0.95)}, 6)
    kept, free = gs.hoyer_sparsity(found[-1].W)
    assert kept < 0.9  # a dense one takes more than the other can make up for
    assert free == pytest.approx(1.0, abs=1e-9)
    assert not found[-1].meets_target()


def test_cpsnmf_keeps_its_own_target_for_each_free_one(parts_like):
    start = params_for("cpsnmf", sparsity=0.5)
    it = walk(parts_like, start, {3: replace(start, frozen=(0,), sparsity=0.7)}, 8)[-1]
    np.testing.assert_allclose(gs.hoyer_sparsity(it.W[:, 1:]), 0.7, atol=1e-9)


def test_a_dead_frozen_basis_image_is_not_given_a_new_start(parts_like):
    W0, H0 = np.random.default_rng(0).random((PIXELS, 3)), np.random.default_rng(1).random((3, IMAGES))
    W0[:, 2] = 0.0
    params = gs.Params(rank=3, method="ahals", init=(W0, H0), reseed_dead=True, frozen=(2,))
    assert not walk(parts_like, params, {}, 3)[-1].W[:, 2].any()
    assert walk(parts_like, replace(params, frozen=()), {}, 3)[-1].W[:, 2].any()


def test_kill_takes_one_away_and_the_others_stay(parts_like):
    found = walk(parts_like, params_for("ahals"), {10: Kill(2)}, 11)
    before, after = found[9], found[10]
    assert after.W.shape == (PIXELS, RANK - 1)
    kept = np.delete(before.W, 2, axis=1)
    likeness = [np.corrcoef(kept[:, k], after.W[:, k])[0, 1] for k in range(RANK - 1)]
    assert min(likeness) > 0.8


def test_split_follows_two_uses_of_one_basis_image():
    rng = np.random.default_rng(5)
    first, second = rng.random((2, 40))
    H_true = rng.random((2, 30)) + 0.5
    H_true[0, 15:] = H_true[1, :15] = 0.0
    X = np.outer(first, H_true[0]) + np.outer(second, H_true[1])
    V, H = ((first + second) / 2)[None], H_true.sum(axis=0, keepdims=True)
    new_V, new_H = split(X.T, V, H, 0)
    assert error_of(X, new_V, new_H) < 1e-12 < error_of(X, V, H)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3), st.sampled_from([np.float32, np.float64]))
def test_split_does_not_raise_the_error(seed, k, dtype):
    rng = np.random.default_rng(seed)
    X = matrix_of(seed).astype(dtype)
    V = (rng.random((4, PIXELS)) * (rng.random((4, PIXELS)) < 0.7)).astype(dtype)
    H = (rng.random((4, IMAGES)) * (rng.random((4, IMAGES)) < 0.5)).astype(dtype)
    assert can_split(X.T, V, H, k)
    new_V, new_H = split(np.ascontiguousarray(X.T), V, H, k)
    assert new_V.dtype == new_H.dtype == dtype
    assert (new_V >= 0).all()
    assert (new_H >= 0).all()
    assert not (new_H[k] * new_H[-1]).any()
    np.testing.assert_array_equal(new_H[k] + new_H[-1], H[k])
    assert error_of(X, new_V, new_H) <= error_of(X, V, H) * (1 + 1e-6)


def test_versions_that_are_all_alike_are_split_too():
    V, H = np.ones((1, 8)), np.full((1, 6), 2.0)
    X = V.T @ H
    new_V, new_H = split(X.T, V, H, 0)
    assert new_H.any(axis=1).all()
    assert error_of(X, new_V, new_H) < 1e-12


def test_split_beside_a_basis_image_that_no_image_uses_begins_one_from_the_residual(parts_like):
    W0 = np.random.default_rng(0).random((PIXELS, 3))
    H0 = np.random.default_rng(1).random((3, IMAGES))
    W0[:, 1] = H0[1] = 0.0
    start = gs.Params(rank=3, method="ahals", init=(W0, H0))
    it = walk(parts_like, start, {1: Split(1)}, 2)[-1]
    assert it.W.shape == (PIXELS, 4)
    assert it.W[:, 3].any()
    assert not it.W[:, 1].any()


def test_reseed_gives_another_basis_image(parts_like):
    found = walk(parts_like, params_for("ahals", rank=3), {30: Reseed(0)}, 31)
    before, after, unedited = found[29].W, found[30].W, walk(parts_like, params_for("ahals", rank=3), {}, 31)[-1].W
    likeness = [np.corrcoef(before[:, k], after[:, k])[0, 1] for k in range(3)]
    assert likeness[0] < min(likeness[1:])
    assert likeness[0] < 0.99 < np.corrcoef(before[:, 0], unedited[:, 0])[0, 1]


def test_several_steps_at_once_are_taken_in_order(parts_like):
    start = params_for("psnmf")
    target = replace(edited_params(Split(0), start), sparsity=0.7, frozen=(6,))
    it = walk(parts_like, start, {4: [Split(0), target, Kill(1)]}, 8)[-1]
    assert it.W.shape == (PIXELS, RANK)
    assert it.target == 0.7


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_sequence_of_steps_keeps_a_run_sound_and_repeats(data):
    X = matrix_of(data.draw(st.integers(0, 100)))
    method = data.draw(st.sampled_from(LEAST_SQUARES))
    params = start = params_for(method, sparsity_h=data.draw(st.sampled_from([None, 0.3])))
    steps, ranks = {}, {}
    for n in range(1, 13):
        kind = data.draw(st.sampled_from([None, Kill, Split, Reseed, "freeze", "target"]))
        if kind == "freeze":
            chosen = data.draw(st.sets(st.integers(0, params.rank - 1), max_size=params.rank - 1))
            steps[n] = params = replace(params, frozen=tuple(sorted(chosen)))
        elif kind == "target":
            steps[n] = params = replace(params, sparsity=data.draw(st.floats(0.2, 0.95)))
        elif kind is not None:
            edit = kind(data.draw(st.integers(0, params.rank - 1)))
            try:
                check_edit(edit, params, *X.shape)
            except ValueError:
                continue
            edited = edited_params(edit, params)
            if len(edited.frozen) < edited.rank:
                steps[n], params = edit, edited
        ranks[n + 1] = params.rank
    found, again = (walk(X, start, steps, 13) for _ in range(2))
    for it, other in zip(found, again, strict=True):
        assert it.W.shape[1] == ranks.get(it.n_iter, it.W.shape[1])
        assert np.isfinite(it.W).all()
        assert np.isfinite(it.H).all()
        assert (it.W >= 0).all()
        assert (it.H >= 0).all()
        assert it.error == pytest.approx(error_of(X, it.W.T, it.H) / np.linalg.norm(X), rel=1e-6)
        np.testing.assert_array_equal(it.W, other.W)
        np.testing.assert_array_equal(it.H, other.H)


def test_masked_entries_stay_unread_through_edits(parts_like):
    mask = np.random.default_rng(0).random(parts_like.shape) < 0.2
    spoiled = np.where(mask, 1e6, parts_like)
    found = []
    for X in (parts_like, spoiled):
        solver = gs.iterate(X, params_for("psnmf"), mask=mask)
        for step in (None, None, Split(0), None, Reseed(1), Kill(2), None):
            it = solver.send(step)
        found.append(it)
    np.testing.assert_array_equal(found[0].W, found[1].W)


@pytest.mark.parametrize(
    ("edit", "fields", "message"),
    [
        (Kill(6), {}, r"there is no basis image 7; accepted are 1 to 6"),
        (Kill(-1), {}, r"there is no basis image 0; accepted are 1 to 6"),
        (Kill(0), {"rank": 1}, r"the last basis image cannot be taken away"),
        (Split(0), {"rank": 60}, r"the rank cannot exceed min\(m, n\) = 60, so no basis image can be split"),
        (Reseed(2), {"frozen": (2,)}, r"basis image 3 is frozen; release it before it is changed"),
        ("kill", {}, r"'kill' is no edit; accepted are Kill, Split and Reseed"),
    ],
)
def test_edits_that_cannot_be_get_one_sentence(edit, fields, message, parts_like):
    with pytest.raises(ValueError, match=message):
        check_edit(edit, params_for("psnmf", **fields), PIXELS, IMAGES)


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        ((6,), r"frozen names basis image 6; accepted are whole numbers from 0 to 5"),
        ((1.0,), r"frozen names basis image 1.0"),
        ([0, 2.5], r"frozen names basis image 2.5"),
        (([0],), r"frozen names basis image \[0\]"),
        (0, r"frozen is 0; accepted is a list or tuple of numbers of basis images"),
        (None, r"frozen is None; accepted"),
        ({0}, r"frozen is \{0\}; accepted"),
        (np.array([0]), r"frozen is \[0\]; accepted"),
        ((1, 1), r"frozen names a basis image twice"),
    ],
)
def test_bad_frozen_ones_get_one_sentence(frozen, message, parts_like):
    with pytest.raises(ValueError, match=message):
        next(gs.iterate(parts_like, params_for("psnmf", frozen=frozen)))


def test_edits_renumber_frozen_ones_and_weights():
    weights = np.arange(1.0, 1 + PIXELS * 4).reshape(PIXELS, 4)
    params = gs.Params(rank=4, method="wsnmf", weights=weights, frozen=(0, 3))
    killed = edited_params(Kill(1), params)
    assert (killed.rank, killed.frozen) == (3, (0, 2))
    np.testing.assert_array_equal(killed.weights, weights[:, [0, 2, 3]])
    parted = edited_params(Split(1), params)
    assert (parted.rank, parted.frozen) == (5, (0, 3))
    np.testing.assert_array_equal(parted.weights, weights[:, [0, 1, 2, 3, 1]])
    assert edited_params(Kill(0), params).frozen == (2,)
    assert edited_params(Reseed(1), params) is params


def test_the_kkt_residual_is_about_the_free_ones(parts_like):
    W, H = np.random.default_rng(0).random((PIXELS, 3)), np.random.default_rng(1).random((3, IMAGES))
    params = gs.Params(rank=3, method="ahals", init=(W, H), tol=0.0)
    it = walk(parts_like, replace(params, frozen=(0,)), {}, 150)[-1]
    free = kkt_residual(parts_like, it.W, it.H, params)
    held = kkt_residual(parts_like, it.W, it.H, replace(params, frozen=(0,)))
    assert held < 1e-4 < free


def test_without_a_target_the_dense_basis_is_that_which_is_handed_out(parts_like):
    for frozen in ((), (0, 2)):
        for it in gs.iterate(parts_like, gs.Params(rank=4, method="ahals", frozen=frozen, max_iter=12)):
            np.testing.assert_array_equal(it.dense, it.W)


def test_words():
    params = params_for("psnmf")
    assert text_of(Split(6)) == "basis 7 split"
    assert difference(params, params) == ""
    assert difference(replace(params, sparsity=0.8, frozen=(2,)), params) == "s 0.600 → 0.800, basis 3 frozen"
    assert difference(params, replace(params, frozen=(0, 2))) == "basis 1, 3 released"
    assert difference(replace(params, sparsity_h=0.5), params) == "s of H off → 0.500"


def test_frozen_basis_images_can_be_a_list(parts_like):
    numbers = [0, 2]
    params = gs.Params(RANK, max_iter=3, frozen=numbers)
    expected = gs.Params(RANK, max_iter=3, frozen=(0, 2))
    numbers.append(1)
    assert params == expected
    assert np.array_equal(gs.factorize(parts_like, params).W, gs.factorize(parts_like, expected).W)
