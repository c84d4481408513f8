"""Missing entries: never read, predicted, and measured apart."""

from dataclasses import replace

import numpy as np
import pytest
from definitions import masked_error

import gsp_studio as gs
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
        (lambda mask: mask.astype(float), "mask has type float64; expected is a boolean array"),
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
