"""Missing entries: never read, predicted, and measured apart."""

from dataclasses import replace

import numpy as np
import pytest
from definitions import masked_error

import gsp_studio as gs
from gsp_studio.core.masking import draw_held_out
from gsp_studio.engine.run import RunSpec
from gsp_studio.engine.runner import Runner


@pytest.fixture
def X():
    rng = np.random.default_rng(4)
    return rng.random((40, 3)) @ rng.random((3, 70)) + 0.01


@pytest.fixture
def mask(X):
    return np.random.default_rng(5).random(X.shape) < 0.2


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_what_lies_under_the_mask_is_never_read(X, mask, backend):
    params = gs.Params(rank=3, method="ahals", max_iter=15)
    spoilt = [np.where(mask, value, X) for value in (0.0, 1e9, np.nan, -1.0)]
    results = [gs.factorize(S, params, backend, mask=mask) for S in spoilt]
    for result in results[1:]:
        np.testing.assert_array_equal(result.W, results[0].W)
        np.testing.assert_array_equal(result.history.error, results[0].history.error)
    for S, value in zip(spoilt, (0.0, 1e9, np.nan, -1.0), strict=True):
        np.testing.assert_array_equal(S[mask], value)  # and the input is kept


@pytest.mark.parametrize("method", ["ahals", "psnmf", "nenmf", "l1ahals"])
def test_the_error_is_that_of_the_entries_that_are_there(X, mask, method):
    for it in gs.iterate(X, gs.Params(rank=3, method=method, sparsity=0.3, max_iter=8), mask=mask):
        there = masked_error(X, it.W, it.H, ~mask)
        assert it.error == pytest.approx(there, rel=1e-6)
        assert it.gram.relative_error(it.W) == pytest.approx(there, rel=1e-6)


def test_low_rank_data_are_predicted_where_they_are_missing(X, mask):
    result = gs.factorize(X, gs.Params(rank=4, method="ahals", max_iter=3000), mask=mask)
    assert result.error < 1e-3
    assert masked_error(X, result.W, result.H, mask) < 0.02


def test_filling_never_raises_the_error(X, mask):
    error = gs.factorize(X, gs.Params(rank=3, method="ahals", max_iter=100, extrapolate=False), mask=mask).history.error
    assert np.all(np.diff(error) <= 1e-12)


def test_dead_pixels_in_all_images_take_part_in_no_basis_image_but_by_chance(X):
    mask = np.zeros(X.shape, bool)
    mask[[3, 17]] = True
    result = gs.factorize(np.where(mask, np.nan, X), gs.Params(rank=4, sparsity=0.3, max_iter=50), mask=mask)
    assert np.all(np.isfinite(result.W))
    assert result.error < 0.1


def test_a_mask_without_missing_entries_changes_nothing(X):
    params = gs.Params(rank=3, sparsity=0.4, max_iter=10)
    plain, masked = gs.factorize(X, params), gs.factorize(X, params, mask=np.zeros(X.shape, bool))
    np.testing.assert_allclose(masked.history.error, plain.history.error, rtol=1e-9)


def test_the_backends_agree_on_masked_data(X, mask):
    params = gs.Params(rank=3, sparsity=0.4, max_iter=10)
    cpu, reference = (gs.factorize(X, params, name, mask=mask) for name in ("cpu", "reference"))
    np.testing.assert_allclose(cpu.W, reference.W, rtol=1e-6, atol=1e-9)


def test_a_runner_takes_a_mask(X, mask):
    params = gs.Params(rank=3, max_iter=5)
    direct = gs.factorize(X, params, mask=mask)
    run = Runner(RunSpec(X, params, mask=mask)).run().result
    np.testing.assert_array_equal(run.W, direct.W)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda mask: mask.astype(int), "mask has type int64; expected is a boolean array"),
        (lambda mask: mask[:-1], r"mask has shape \(39, 70\); expected is \(40, 70\)"),
        (lambda mask: np.ones_like(mask), "mask leaves no entry"),
    ],
)
def test_bad_masks_get_one_sentence(spoil, message, X, mask):
    with pytest.raises(ValueError, match=message):
        gs.iterate(X, gs.Params(rank=3), mask=spoil(mask))


def test_negative_values_outside_of_the_mask_are_refused(X, mask):
    with pytest.raises(ValueError, match="negative values"):
        gs.iterate(np.where(mask, X, -X), replace(gs.Params(rank=3)), mask=mask)


#: Places in images of 4 pixels, of 5 images.
DRAWN = [1, 2, 13, 14]
METHODS = ["ahals", "nenmf", "psnmf", "gsphals", "l1ahals"]


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("method", METHODS)
def test_the_held_out_error_is_that_of_the_entries_that_are_drawn(X, method, backend):
    params = gs.Params(rank=3, method=method, sparsity=0.3, max_iter=30, continuation=20, held_out=0.1)
    drawn = draw_held_out(X.shape, 0.1, params.seed)
    assert drawn.sum() == round(0.1 * X.size)
    for it in gs.iterate(X, params, backend):
        assert it.held_out_error == pytest.approx(masked_error(X, it.W, it.H, drawn), rel=1e-9)
        assert it.error == pytest.approx(masked_error(X, it.W, it.H, ~drawn), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fit_does_not_see_what_is_held_out(X, dtype):
    """It is the one with these entries as a mask, to the last bit."""
    X = X.astype(dtype)
    params = gs.Params(rank=3, sparsity=0.4, max_iter=30, continuation=20)
    drawn = draw_held_out(X.shape, 0.05, params.seed)
    held_out = gs.factorize(X, replace(params, held_out=0.05))
    masked = gs.factorize(np.where(drawn, np.float32(0.5), X), params, mask=drawn)
    np.testing.assert_array_equal(held_out.W, masked.W)
    np.testing.assert_array_equal(held_out.history.error, masked.history.error)
    assert np.isnan(masked.held_out_error)
    assert np.isnan(masked.history.held_out_error).all()
    assert held_out.held_out_error == held_out.history.held_out_error[held_out.best_iter - 1]


def test_a_run_with_held_out_entries_repeats_to_the_bit_on_any_threads(X):
    params = gs.Params(rank=3, sparsity=0.4, max_iter=12, held_out=0.02, seed=3)
    one, two = (gs.factorize(X, params, gs.get_backend("cpu", threads=k)) for k in (1, 2))
    np.testing.assert_array_equal(one.W, two.W)
    np.testing.assert_array_equal(one.history.held_out_error, two.history.held_out_error)
    other = gs.factorize(X, replace(params, seed=4))
    assert other.held_out_error != one.held_out_error


def test_what_is_drawn_depends_on_the_seed_and_never_lies_under_the_mask(mask):
    first, again, other = (draw_held_out(mask.shape, 0.3, seed, mask) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    for drawn in (first, other):
        assert not (drawn & mask).any()
        assert drawn.sum() == round(0.3 * (~mask).sum())
    assert draw_held_out((2, 2), 1e-6, 0).sum() == 1
    # The same entries on every machine, and in every version.
    assert np.flatnonzero(draw_held_out((4, 5), 0.2, 7).T).tolist() == DRAWN


def test_entries_are_held_out_beside_a_mask(X, mask):
    spoilt = [np.where(mask, value, X) for value in (0.0, np.nan)]
    params = gs.Params(rank=3, method="ahals", max_iter=40, held_out=0.1)
    found = [gs.factorize(S, params, mask=mask) for S in spoilt]
    np.testing.assert_array_equal(found[0].W, found[1].W)
    drawn = draw_held_out(X.shape, 0.1, 0, mask)
    assert found[0].held_out_error == pytest.approx(masked_error(X, found[0].W, found[0].H, drawn), rel=1e-9)
    assert found[0].error == pytest.approx(masked_error(X, found[0].W, found[0].H, ~(drawn | mask)), rel=1e-6)


def test_the_held_out_error_rises_where_noise_is_fitted():
    """That of a rank beyond the data's, while the error still falls."""
    rng = np.random.default_rng(6)
    X = rng.random((40, 3)) @ rng.random((3, 70)) + 0.3 * rng.random((40, 70))
    few, many = (gs.factorize(X, gs.Params(r, "ahals", max_iter=300, held_out=0.1)) for r in (3, 20))
    assert many.error < 0.8 * few.error
    assert many.held_out_error > 1.2 * few.held_out_error


@pytest.mark.parametrize(
    ("X", "held_out", "message"),
    [
        (np.ones((4, 5)), 0.7, "held_out is 0.7; accepted is a number from 0 to 0.5"),
        (np.ones((1, 1)), 0.5, "held_out needs at least 2 known entries; X has 1"),
        (np.eye(10), 0.01, "no entry of the entries that are held out is larger than 0"),
        (np.ones(5), 0.1, "expected is a matrix"),
    ],
)
def test_what_cannot_be_held_out_gets_one_sentence(X, held_out, message):
    with pytest.raises(ValueError, match=message):
        gs.iterate(X, gs.Params(1, "ahals", held_out=held_out))


def test_bad_values_are_found_among_held_out_entries_too(X):
    X = X.copy()
    X[draw_held_out(X.shape, 0.02, 0)] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        gs.iterate(X, gs.Params(3, held_out=0.02))


def test_what_is_held_out_is_fixed_while_a_run_goes_on(X):
    run = gs.iterate(X, gs.Params(3, held_out=0.02))
    next(run)
    with pytest.raises(ValueError, match="held_out is fixed while a run goes on"):
        run.send(gs.Params(3, held_out=0.03))


@pytest.mark.parametrize("s", [0.5, 0.8])
def test_a_mask_costs_no_way_to_the_target(X, s):
    """The dense basis is tried with missing entries, too: a run with a few of them ends where one without does."""
    rng = np.random.default_rng(3)
    X = rng.random((60, 6)) * (rng.random((60, 6)) < 0.4) @ rng.random((6, 200)) + 0.03 * rng.random((60, 200))
    params = gs.Params(6, sparsity=s, continuation=40, max_iter=150)
    plain, held_out = (gs.factorize(X, replace(params, held_out=share)) for share in (0.0, 0.02))
    assert set(held_out.history.trial) >= {0, 1, 2, 3}
    assert held_out.error <= 1.02 * plain.error
