"""Coefficients of images in a basis that was found on others."""

import numpy as np
import pytest
from scipy.optimize import nnls

import gsp_studio as gs
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.core import application

RNG = np.random.default_rng(0)
W = RNG.random((12, 3)) ** 4
X = W @ RNG.random((3, 9)) + 0.1 * RNG.random((12, 9))


def blocks(X):
    rows = np.ascontiguousarray(X.T)

    def read(start, stop, out):
        out[:] = rows[start:stop]

    return BlockMatrix(X.shape, X.dtype, read)


def test_coefficients_and_errors_are_those_of_least_squares_image_by_image():
    found = gs.apply_basis(X, W)
    for j in range(X.shape[1]):
        h, left = nnls(W, X[:, j])
        np.testing.assert_allclose(found.H[:, j], h, atol=1e-8)
        np.testing.assert_allclose(found.errors[j], left / np.linalg.norm(X[:, j]), rtol=1e-8)
    np.testing.assert_allclose(found.error, np.linalg.norm(X - W @ found.H) / np.linalg.norm(X), rtol=1e-12)


def test_some_images_after_others_and_all_at_once_give_the_same_bits(monkeypatch):
    many = np.abs(np.random.default_rng(1).standard_normal((12, 700)))
    whole = gs.apply_basis(many, W)
    monkeypatch.setattr(application, "_ENTRIES", 1)
    parts = list(application.applications(many, W))
    assert len(parts) > 3
    assert np.array_equal(np.hstack([part.H for part in parts]), whole.H)
    streamed = gs.apply_basis(blocks(many), W)
    assert np.array_equal(streamed.H, whole.H)
    assert np.array_equal(streamed.errors, whole.errors)


def test_the_estimator_gives_the_same_coefficients():
    model = gs.SparseNMF(n_components=3, max_iter=5).fit(X.T)
    assert np.array_equal(model.transform(X.T), gs.apply_basis(X, model.components_.T).H.T)


def test_missing_entries_count_neither_for_coefficients_nor_for_errors():
    mask = np.zeros(X.shape, bool)
    mask[:4, 2] = True
    spoilt = np.where(mask, 99.0, X)
    found = gs.apply_basis(spoilt, W, mask=mask)
    h, left = nnls(W[4:], X[4:, 2])
    np.testing.assert_allclose(found.H[:, 2], h, atol=1e-8)
    np.testing.assert_allclose(found.errors[2], left / np.linalg.norm(X[4:, 2]), rtol=1e-8)


def test_the_sparsity_of_a_runs_coefficients_holds_for_others():
    found = gs.apply_basis(X, W, gs.Params(3, sparsity_h=0.7))
    assert gs.hoyer_sparsity(found.H.T).mean() >= 0.7 - 1e-10


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_sizes_do_not_matter(size):
    np.testing.assert_allclose(gs.apply_basis(size * X, W).errors, gs.apply_basis(X, W).errors, rtol=1e-9)


def test_an_image_of_zeros_has_zeros_and_no_error():
    found = gs.apply_basis(np.zeros((12, 2)), W)
    assert not found.H.any()
    assert not found.errors.any()
    assert found.error == 0.0


@pytest.mark.parametrize(
    ("X", "W", "mask", "words"),
    [
        (X, W[:5], None, r"W has shape \(5, 3\) and X \(12, 9\); accepted is a basis"),
        (X, -W, None, "W holds negative or non-finite values"),
        (-X, W, None, "X has negative values"),
        (X, W, np.zeros((2, 2), bool), r"mask has shape \(2, 2\)"),
        (blocks(X), W, np.zeros(X.shape, bool), "a mask needs the images in memory"),
    ],
)
def test_one_sentence_says_why_a_basis_cannot_be_applied(X, W, mask, words):
    with pytest.raises(ValueError, match=words):
        gs.apply_basis(X, W, mask=mask)
