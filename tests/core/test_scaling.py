"""Poisson scaling: least squares of counts, undone in the factors."""

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.core.params import Params
from gsp_studio.core.scaling import scaling_of

RNG = np.random.default_rng(0)
W = RNG.random((20, 3)) ** 6 * np.linspace(1, 30, 20)[:, None]
X = RNG.poisson(10 * W @ RNG.random((3, 30))).astype(float)


def params(**changes):
    return Params(**{"rank": 3, "sparsity": 0.6, "max_iter": 30, "tol": 0.0, "poisson": True, **changes})


def test_means_of_pixels_and_images_are_those_of_the_entries_that_are_there():
    missing = np.zeros(X.shape, bool)
    missing[:5, 3] = True
    found, known = scaling_of(X, missing), np.ma.array(X, mask=missing)
    for roots, mean in ((found.rows, known.mean(axis=1)), (found.columns, known.mean(axis=0))):
        np.testing.assert_allclose(roots**2, mean / mean.mean(), rtol=1e-12)


@pytest.mark.parametrize("method", ["gsphals", "psnmf", "cpsnmf", "ahals", "nenmf", "l1ahals"])
def test_the_error_is_that_of_the_scaled_data_and_the_target_that_of_the_basis(method):
    found, scaling = gs.factorize(X, params(method=method), "cpu"), scaling_of(X)
    left = scaling.inside(X - found.W @ found.H)
    np.testing.assert_allclose(found.error, np.linalg.norm(left) / np.linalg.norm(scaling.inside(X)), rtol=1e-9)
    np.testing.assert_allclose(found.gram.relative_error(found.W), found.error, rtol=1e-9)
    np.testing.assert_allclose(gs.hoyer_sparsity(found.W).mean(), found.sparsity, rtol=1e-12)
    if method in ("gsphals", "psnmf", "cpsnmf"):
        assert found.history.sparsity.min() >= 0.6 - 1e-10


def test_it_is_a_run_on_data_that_are_scaled_by_hand():
    scaling = scaling_of(X)
    by_hand = gs.factorize(scaling.inside(X), params(method="ahals", poisson=False), "cpu")
    found = gs.factorize(X, params(method="ahals"), "cpu")
    np.testing.assert_allclose(found.W, by_hand.W * scaling.rows[:, None], rtol=1e-12)
    np.testing.assert_allclose(found.H, by_hand.H * scaling.columns, rtol=1e-12)


def test_weights_are_those_of_the_basis():
    weights = np.linspace(1, 2, len(X))
    found = gs.factorize(X, params(method="wgsphals", weights=weights), "cpu")
    assert gs.hoyer_sparsity(found.W, weights).mean() >= 0.6 - 1e-10


def test_factors_that_are_given_begin_the_run():
    first = gs.factorize(X, params(method="ahals", max_iter=60), "cpu")
    again = gs.factorize(X, params(method="ahals", max_iter=1, init=(first.W, first.H)), "cpu")
    assert again.error <= first.error * (1 + 1e-6)


def test_threads_and_blocks_do_not_change_a_bit():
    many = np.asfortranarray(RNG.poisson(10 * W @ RNG.random((3, 500))).astype(np.float32))
    rows = np.ascontiguousarray(many.T)

    def read(start, stop, out):
        out[:] = rows[start:stop]

    streamed = BlockMatrix(many.shape, many.dtype, read)
    one, two, other = (
        gs.factorize(data, params(max_iter=5), gs.get_backend("cpu", threads))
        for data, threads in ((many, 1), (many, 2), (streamed, 2))
    )
    assert np.array_equal(one.W, two.W)
    assert np.array_equal(one.W, other.W)
    assert np.array_equal(one.H, other.H)


def test_coefficients_of_other_images_have_the_same_weights():
    found, scaling = gs.factorize(X, params(), "cpu"), scaling_of(X)
    new = RNG.poisson(10 * W @ RNG.random((3, 6))).astype(float)
    applied = gs.apply_basis(new, found.W, found.params, row_scale=found.gram.rows)
    by_hand = gs.apply_basis(new / scaling.rows[:, None], found.W / scaling.rows[:, None])
    np.testing.assert_allclose(applied.H, by_hand.H, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(applied.errors, by_hand.errors, rtol=1e-9)


def test_missing_entries_are_not_read():
    mask = RNG.random(X.shape) < 0.1
    one, other = (gs.factorize(np.where(mask, value, X), params(), "cpu", mask=mask) for value in (0.0, 1e5))
    assert np.array_equal(one.W, other.W)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "kl"}, 'poisson is for methods of least squares; the loss of "kl" is that of counts'),
        ({"sparsity_h": 0.5}, "sparsity_h does not go with poisson"),
        ({"kkt_tol": 0.1}, "kkt_tol does not go with poisson"),
    ],
)
def test_one_sentence_says_what_does_not_go_with_it(changes, words):
    with pytest.raises(ValueError, match=words):
        gs.factorize(X, params(**changes), "cpu")
