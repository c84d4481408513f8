"""SparseNMF keeps scikit-learn's conventions."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.methods import METHODS
from gsp_studio.core.scikit import ConvergenceWarning


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
    assert model.reconstruction_err_ == pytest.approx(direct, rel=1e-4)


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


@pytest.mark.parametrize("method", ["psnmf", "ahals", "gsphals"])
def test_sparse_coefficients_are_found_alike_in_fit_and_transform(samples, method):
    model = gs.SparseNMF(n_components=5, method=method, sparsity=0.4, sparsity_h=0.6, max_iter=40)
    Z = model.fit_transform(samples)
    assert gs.hoyer_sparsity(Z).mean() >= 0.6 - 1e-6
    assert np.array_equal(Z, model.transform(samples))
    direct = np.linalg.norm(samples - model.inverse_transform(Z))
    assert model.reconstruction_err_ == pytest.approx(direct, rel=1e-6)
    params = gs.Params(5, method, 0.4, max_iter=40, sparsity_h=0.6)
    fit = gs.factorize(samples.T, params)
    assert model.reconstruction_err_ <= 1.05 * fit.error * np.linalg.norm(samples)
    assert gs.hoyer_sparsity(model.transform(samples[:20])).mean() >= 0.6 - 1e-6
    with pytest.raises(ValueError, match="needs at least 2"):
        model.transform(samples[:1])


def test_a_fit_without_residual_has_digits_in_its_error():
    rng = np.random.default_rng(0)
    X = (rng.random((40, 1)) @ rng.random((1, 30))).astype(np.float32)
    model = gs.SparseNMF(1, method="ahals", max_iter=50)
    Z = model.fit_transform(X)
    left = X.astype(np.float64) - Z.astype(np.float64) @ model.components_
    assert model.reconstruction_err_ == pytest.approx(np.linalg.norm(left), rel=0.2)


def test_rank_is_that_of_given_factors_or_as_large_as_can_be(samples):
    rng = np.random.default_rng(1)
    init = rng.random((50, 7)), rng.random((7, 80))
    assert gs.SparseNMF(init=init, max_iter=3).fit(samples).n_components_ == 7
    for n_components in ("auto", None):
        assert gs.SparseNMF(n_components, max_iter=3).fit(samples[:9]).n_components_ == 9
        assert gs.SparseNMF(n_components, max_iter=3).fit(samples[:, :8]).n_components_ == 8
    for wrong in (0, 51, 2.5, True, "all"):
        with pytest.raises(ValueError, match=r"n_components is .*; accepted are 1 to 50 of 80 samples and 50 features"):
            gs.SparseNMF(wrong).fit(samples)


@pytest.mark.parametrize("init", [None, "custom", (1, 2, 3), ((), ()), 5])
def test_starts_that_are_none_are_refused_in_one_sentence(samples, init):
    with pytest.raises(ValueError, match=r"^init") as refused:
        gs.SparseNMF(init=init).fit(samples)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("method", ["wsnmf", "wgsphals"])
def test_weights_are_shared_or_of_each_component(samples, method):
    weights = np.random.default_rng(2).uniform(0.2, 1.0, (4, 50))
    params = {"method": method, "sparsity": 0.6, "max_iter": 12}
    for given in (weights[0], weights):
        model = gs.SparseNMF(4, weights=given, **params).fit(samples)
        result = gs.factorize(samples.T, gs.Params(4, weights=given.T, **params))
        assert np.array_equal(model.components_.T, result.W)
    with pytest.raises(ValueError, match=r"weights have shape \(50, 4\); accepted are \(n_features,\) = \(50,\) and"):
        gs.SparseNMF(4, weights=weights.T, **params).fit(samples)
    with pytest.raises(ValueError, match="takes none"):
        gs.SparseNMF(4, weights=weights).fit(samples)
    with pytest.raises(ValueError, match="needs weights"):
        gs.SparseNMF(4, **params).fit(samples)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if not method.uses_weights])
def test_all_methods_and_their_extrapolation(samples, method):
    for extrapolate in (True, False):
        model = gs.SparseNMF(4, method=method, sparsity=0.5, max_iter=8, extrapolate=extrapolate).fit(samples)
        params = gs.Params(4, method, 0.5, max_iter=8, extrapolate=extrapolate)
        assert np.array_equal(model.components_.T, gs.factorize(samples.T, params).W)


def test_verbose_tells_how_the_fit_goes(samples, capsys):
    gs.SparseNMF(3, max_iter=25).fit(samples)
    assert capsys.readouterr().out == ""
    gs.SparseNMF(3, max_iter=25, verbose=1).fit(samples)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["[SparseNMF] iteration 10", "[SparseNMF] iteration 20"]
    assert "error" in lines[0]
    assert lines[2:] == ["[SparseNMF] ended after 25 iterations: all iterations done"]


def test_tol_ends_the_fit_or_a_warning_says_that_it_did_not(samples):
    model = gs.SparseNMF(3, method="ahals", max_iter=400, tol=1e-3).fit(samples)
    assert model.n_iter_ < 400
    with pytest.warns(ConvergenceWarning, match=r"tol = 1e-06 .* max_iter = 5 iterations"):
        gs.SparseNMF(3, max_iter=5, tol=1e-6).fit(samples)


def test_names_of_features_and_components(samples):
    pandas = pytest.importorskip("pandas")
    names = [f"pixel{k}" for k in range(50)]
    X = pandas.DataFrame(samples, columns=names, index=np.arange(100, 180))
    X.iloc[2, 3] = np.nan
    model = gs.SparseNMF(3, max_iter=5).set_output(transform="pandas")
    Z = model.fit_transform(X)
    assert list(Z.columns) == list(model.get_feature_names_out()) == ["sparsenmf0", "sparsenmf1", "sparsenmf2"]
    assert list(Z.index) == list(X.index)
    assert list(model.feature_names_in_) == names
    assert np.array_equal(model.transform(X), Z)
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(X[names[::-1]])
    assert not hasattr(model.fit(samples), "feature_names_in_")


def test_there_is_no_partial_fit_and_the_docstring_says_why():
    assert not hasattr(gs.SparseNMF, "partial_fit")
    assert "No partial_fit" in gs.SparseNMF.__doc__


def test_works_without_scikit_learn():
    code = """
import sys
sys.modules["sklearn"] = None
import numpy as np, scipy.sparse, gsp_studio as gs
X = np.random.default_rng(0).random((30, 12))
model = gs.SparseNMF(n_components=3, sparsity=0.4, max_iter=10)
assert model.fit_transform(X).shape == (30, 3)
assert list(model.get_feature_names_out()) == ["sparsenmf0", "sparsenmf1", "sparsenmf2"]
for sparse in (scipy.sparse.csc_array(X), scipy.sparse.coo_matrix(X)):
    assert np.array_equal(model.transform(sparse), model.transform(X))
    assert np.array_equal(gs.SparseNMF(3, sparsity=0.4, max_iter=10).fit(sparse).components_, model.components_)
assert np.isfinite(gs.SparseNMF(2, max_iter=5).fit_transform(np.where(X < 0.1, np.nan, X))).all()
assert model.set_params(sparsity=0.5).get_params()["sparsity"] == 0.5
for call, words in (
    (lambda: gs.SparseNMF().transform(X), "not fitted yet"),
    (lambda: model.transform(X[:, :5]), "5 features, but SparseNMF is expecting 12"),
    (lambda: model.fit(X * np.nan), "NaN"),
    (lambda: model.fit(X + np.inf), "infinite"),
    (lambda: model.fit(X[0]), "shape (12,)"),
    (lambda: model.fit(scipy.sparse.csr_array(X * 1j)), "real numbers"),
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
