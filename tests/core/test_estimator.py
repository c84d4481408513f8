"""SparseNMF keeps scikit-learn's conventions."""

import numpy as np
import pytest

import gsp_studio as gs


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return rng.random((80, 6)) @ (rng.random((6, 50)) * (rng.random((6, 50)) < 0.4))


def test_fit_transform_inverse(samples):
    model = gs.SparseNMF(n_components=6, sparsity=0.5, max_iter=100)
    Z = model.fit_transform(samples)
    assert Z.shape == (80, 6)
    assert model.components_.shape == (6, 50)
    assert model.sparsity_ >= 0.5 - 1e-10
    assert model.n_iter_ == 100
    direct = np.linalg.norm(samples - model.inverse_transform(Z))
    assert model.reconstruction_err_ == pytest.approx(direct, rel=1e-6)


def test_transform_finds_coefficients_of_new_samples(samples):
    model = gs.SparseNMF(n_components=6, method="ahals", max_iter=300).fit(samples[:60])
    Z = model.transform(samples[60:])
    assert np.linalg.norm(samples[60:] - model.inverse_transform(Z)) <= 0.1 * np.linalg.norm(samples[60:])


def test_is_the_transposed_core_call(samples):
    model = gs.SparseNMF(n_components=4, sparsity=0.6, max_iter=10, random_state=3).fit(samples)
    result = gs.factorize(samples.T, gs.Params(rank=4, sparsity=0.6, seed=3, max_iter=10))
    assert np.array_equal(model.components_.T, result.W)


def test_clones_in_scikit_learn(samples):
    base = pytest.importorskip("sklearn.base")
    model = gs.SparseNMF(n_components=3, sparsity=0.7)
    twin = base.clone(model)
    assert twin is not model
    assert twin.get_params() == model.get_params()
    assert twin.set_params(sparsity=0.2).sparsity == 0.2


def test_messages(samples):
    with pytest.raises(ValueError, match="not fitted yet"):
        gs.SparseNMF().transform(samples)
    with pytest.raises(ValueError, match="no parameter 'alpha'"):
        gs.SparseNMF().set_params(alpha=1)
    with pytest.raises(ValueError, match="3 features; the model was fitted to 50"):
        gs.SparseNMF(n_components=2, max_iter=2).fit(samples).transform(samples[:, :3])
