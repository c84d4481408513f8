"""SparseNMF keeps scikit-learn's conventions."""

import subprocess
import sys
import warnings

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
    result = gs.factorize(samples.T, gs.Params(rank=4, method="psnmf", sparsity=0.6, seed=3, max_iter=10))
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
    with pytest.raises(ValueError, match="Invalid parameter 'alpha'"):
        gs.SparseNMF().set_params(alpha=1)
    fitted = gs.SparseNMF(n_components=2, max_iter=2).fit(samples)
    with pytest.raises(ValueError, match="3 features, but SparseNMF is expecting 50"):
        fitted.transform(samples[:, :3])
    with pytest.raises(ValueError, match="Negative values in data passed to SparseNMF"):
        fitted.transform(-samples)
    with pytest.raises(ValueError, match=r"expected are coefficients \(samples, 2\)"):
        fitted.inverse_transform(samples)


@pytest.mark.slow
def test_scikit_learns_own_checks():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = checks.check_estimator(gs.SparseNMF(), on_fail=None, on_skip=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed == {}
    assert sum(result["status"] == "passed" for result in results) > 40


def test_works_in_a_pipeline_and_a_grid_search(samples):
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    labels = samples[:, 0] > np.median(samples[:, 0])
    pipe = make_pipeline(MinMaxScaler(clip=True), gs.SparseNMF(n_components=4, max_iter=20), LogisticRegression())
    search = GridSearchCV(pipe, {"sparsenmf__sparsity": [0.3, 0.6], "sparsenmf__n_components": [3, 5]}, cv=3)
    search.fit(samples, labels)
    assert search.best_score_ > 0.6
    assert len(search.best_estimator_[1].get_feature_names_out()) == search.best_params_["sparsenmf__n_components"]


def test_transform_is_nonnegative_least_squares(samples):
    from scipy.optimize import nnls

    model = gs.SparseNMF(n_components=5, sparsity=0.5, max_iter=50).fit(samples)
    Z = model.transform(samples[:10])
    exact = np.array([nnls(model.components_.T, sample)[0] for sample in samples[:10]])
    np.testing.assert_allclose(Z, exact, atol=1e-5 * exact.max())


def test_a_sample_s_coefficients_do_not_depend_on_its_neighbours(samples):
    model = gs.SparseNMF(n_components=5, sparsity=0.5, max_iter=20).fit(samples)
    together = model.transform(samples)
    alone = np.vstack([model.transform(sample[None]) for sample in samples])
    np.testing.assert_allclose(together, alone, atol=1e-9 * together.max())


def test_sparse_coefficients_are_those_of_the_fit(samples):
    model = gs.SparseNMF(n_components=5, method="ahals", sparsity_h=0.6, max_iter=40)
    Z = model.fit_transform(samples)
    assert gs.hoyer_sparsity(Z).mean() >= 0.6 - 1e-10
    direct = np.linalg.norm(samples - model.inverse_transform(Z))
    assert model.reconstruction_err_ == pytest.approx(direct, rel=1e-6)


def test_works_without_scikit_learn():
    code = """
import sys
sys.modules["sklearn"] = None
import numpy as np, gsp_studio as gs
X = np.random.default_rng(0).random((30, 12))
model = gs.SparseNMF(n_components=3, sparsity=0.4, max_iter=10)
assert model.fit_transform(X).shape == (30, 3)
assert model.set_params(sparsity=0.5).get_params()["sparsity"] == 0.5
for call, words in (
    (lambda: gs.SparseNMF().transform(X), "not fitted yet"),
    (lambda: model.transform(X[:, :5]), "5 features, but SparseNMF is expecting 12"),
    (lambda: model.fit(X * np.nan), "NaN"),
    (lambda: model.fit(X[0]), "shape (12,)"),
    (lambda: model.set_params(alpha=1), "Invalid parameter 'alpha'"),
):
    try:
        call()
    except ValueError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
