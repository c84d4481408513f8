"""SparseNMF on samples with missing entries and on sparse matrices."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import nnls

import gsp_studio as gs
from gsp_studio.backends import blocks


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return rng.random((60, 6)) @ (rng.random((6, 40)) * (rng.random((6, 40)) < 0.4))


@pytest.fixture
def hidden(samples):
    return np.random.default_rng(1).random(samples.shape) < 0.2


def model(**fields):
    return gs.SparseNMF(5, **{"sparsity": 0.5, "max_iter": 15, **fields})


def test_nan_masked_arrays_and_masks_are_the_same_missing_entries(samples, hidden):
    plain = model().fit(samples, mask=hidden)
    assert np.array_equal(plain.components_.T, gs.factorize(samples.T, _params(), mask=hidden.T).W)
    holed = np.where(hidden, np.nan, samples)
    garbage = np.where(hidden, -np.inf, samples)
    half = hidden & (np.arange(40) < 20)
    for X, mask in (
        (holed, None),
        (np.ma.array(garbage, mask=hidden), None),
        (garbage, hidden),
        (np.where(half, np.nan, samples), hidden),
        (np.ma.array(samples, mask=half), hidden & ~half),
    ):
        twin = model()
        Z = twin.fit_transform(X, mask=mask)
        assert np.array_equal(twin.components_, plain.components_)
        assert np.array_equal(Z, twin.transform(X, mask=mask))
        assert twin.reconstruction_err_ == plain.reconstruction_err_
    assert np.isnan(holed).sum() == hidden.sum()  # the caller's array is kept


def _params():
    return gs.Params(5, sparsity=0.5, max_iter=15)


def test_coefficients_are_least_squares_over_the_entries_that_are_there(samples, hidden):
    fitted = model().fit(samples)
    hidden[:10] = hidden[0]  # some samples lack the same
    Z = fitted.transform(np.where(hidden, np.nan, samples))
    V = fitted.components_.T
    exact = np.array([nnls(V[~gone], sample[~gone])[0] for sample, gone in zip(samples, hidden, strict=True)])
    np.testing.assert_allclose(Z, exact, atol=1e-5 * exact.max())


def test_the_residual_is_that_of_the_entries_that_are_there(samples, hidden):
    for dtype, sparsity_h in (("float64", None), ("float64", 0.5), ("float32", None), ("float32", 0.5)):
        fitted = model(sparsity_h=sparsity_h)
        X = np.where(hidden, np.nan, samples).astype(dtype)
        Z = fitted.fit_transform(X)
        assert Z.dtype == fitted.components_.dtype == dtype
        left = np.linalg.norm((samples - fitted.inverse_transform(Z))[~hidden])
        assert fitted.reconstruction_err_ == pytest.approx(left, rel=1e-4 if dtype == "float32" else 1e-9)


def test_a_sample_without_any_entry_has_no_coefficients(samples):
    samples[3] = np.nan
    fitted = model()
    Z = fitted.fit_transform(samples)
    assert not Z[3].any()
    assert np.isfinite(Z).all()
    assert np.array_equal(fitted.transform(samples[3:4]), np.zeros((1, 5)))


@pytest.mark.parametrize("method", ["psnmf", "gsphals"])
def test_sparse_coefficients_of_samples_with_missing_entries_meet_their_target(samples, hidden, method):
    X = np.where(hidden, np.nan, samples)
    fitted = model(method=method, sparsity_h=0.6)
    Z = fitted.fit_transform(X)
    assert gs.hoyer_sparsity(Z).mean() >= 0.6 - 1e-6
    assert np.array_equal(Z, fitted.transform(X))
    free = np.linalg.norm((samples - model(method=method).fit(X).inverse_transform(Z))[~hidden])
    assert fitted.reconstruction_err_ < free


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda X: np.where(X > 1, np.inf, X), "infinite values"),
        (lambda X: np.where(X > 1, -X, X), "Negative values in data passed to SparseNMF"),
        (lambda X: np.full(X.shape, np.nan), "no entry that is there"),
    ],
)
def test_infinite_negative_and_missing_data_are_refused(samples, change, told):
    for X in (change(samples), scipy.sparse.csr_array(change(samples))):
        if told != "no entry that is there" or not scipy.sparse.issparse(X):
            with pytest.raises(ValueError, match=told) as refused:
                model().fit(X)
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize("as_matrix", [np.asarray, scipy.sparse.csr_matrix])
def test_samples_beyond_the_type_of_the_components_are_refused(samples, as_matrix):
    model = gs.SparseNMF(3, sparsity=0.3, max_iter=10).fit(samples.astype(np.float32))
    coefficients = model.transform(as_matrix(np.ldexp(samples, 120)))
    np.testing.assert_array_equal(coefficients, np.ldexp(model.transform(as_matrix(samples)), 120))
    for largest in (1e39, 1e300):
        with pytest.raises(
            ValueError, match=r"X holds values up to 1e.*, and the components are float32; accepted are"
        ):
            model.transform(as_matrix(samples / samples.max() * largest))
    wide = gs.SparseNMF(3, sparsity=0.3, max_iter=10).fit(samples)
    assert wide.transform(as_matrix(samples * 1e39)).max() > 1e30


def test_masks_of_another_shape_or_type_are_refused(samples, hidden):
    with pytest.raises(ValueError, match="mask has shape"):
        model().fit(samples, mask=hidden[1:])
    with pytest.raises(ValueError, match="mask has type"):
        model().fit(samples, mask=hidden.astype(int))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("init", ["random", "nndsvda", "images"])
def test_sparse_matrices_give_what_dense_ones_give(samples, dtype, init):
    samples = np.where(samples > 0.7, samples, 0).astype(dtype)
    plain = model(init=init)
    Z = plain.fit_transform(samples)
    for make in (scipy.sparse.csr_array, scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_array):
        twin, X = model(init=init), make(samples)
        found = twin.fit_transform(X)
        assert np.array_equal(twin.components_, plain.components_)
        assert np.array_equal(found, Z)
        assert found.dtype == dtype
        assert np.array_equal(twin.transform(X), Z)
        assert twin.reconstruction_err_ == plain.reconstruction_err_


def test_sparse_matrices_with_sparse_coefficients(samples):
    plain = model(sparsity_h=0.5)
    Z = plain.fit_transform(samples)
    twin = model(sparsity_h=0.5)
    assert np.array_equal(twin.fit_transform(scipy.sparse.csr_array(samples)), Z)


@pytest.mark.parametrize("exponent", [-900, 900])
def test_sparse_matrices_of_any_unit(samples, exponent):
    plain = model()
    Z = plain.fit_transform(scipy.sparse.csr_array(samples))
    twin = model()
    found = twin.fit_transform(scipy.sparse.csr_array(np.ldexp(samples, exponent)))
    assert np.array_equal(found, np.ldexp(Z, exponent - exponent // 2))
    assert twin.reconstruction_err_ == np.ldexp(plain.reconstruction_err_, exponent)


def test_entries_stored_twice_add_up_and_the_matrix_is_kept():
    half = np.random.default_rng(0).random((20, 12))
    columns = np.tile(np.arange(12), 40)
    values = np.stack([-half, 3 * half], axis=1).ravel()  # sums are positive
    X = scipy.sparse.csr_array((values, columns, np.arange(0, 481, 24)), (20, 12))
    found = gs.SparseNMF(3, max_iter=5).fit(X)
    np.testing.assert_allclose(found.components_, gs.SparseNMF(3, max_iter=5).fit(2 * half).components_, rtol=1e-9)
    assert X.nnz == 480


def test_sparse_matrices_are_never_dense_as_a_whole(monkeypatch):
    monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", 1 << 20)
    X = scipy.sparse.random_array((20_000, 600), density=0.002, rng=np.random.default_rng(0), format="csr")
    fitted = gs.SparseNMF(2, max_iter=2)
    fitted.fit(X[:50])  # compile
    tracemalloc.start()
    try:
        Z = fitted.fit_transform(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert Z.shape == (20_000, 2)
    assert peak < 0.25 * 8 * 20_000 * 600


def test_sparse_matrices_have_no_missing_entries(samples, hidden):
    X = scipy.sparse.csr_array(np.where(hidden, np.nan, samples))
    with pytest.raises(ValueError, match="sparse matrix with missing entries"):
        model().fit(X)
    with pytest.raises(ValueError, match="sparse matrix with missing entries"):
        model().fit(scipy.sparse.csr_array(samples), mask=hidden)
    with pytest.raises(ValueError, match="sparse matrix with missing entries"):
        model().fit(samples).transform(X)


def test_samples_are_rebuilt_from_sparse_coefficients(samples):
    fitted = model()
    Z = fitted.fit_transform(samples)
    rebuilt = fitted.inverse_transform(scipy.sparse.csr_array(Z))
    assert isinstance(rebuilt, np.ndarray)
    np.testing.assert_allclose(rebuilt, fitted.inverse_transform(Z))


def test_coefficients_sum_to_one_in_fit_and_transform(samples):
    fitted = model(method="ahals", sum_to_one=1.0).fit(samples[:30])
    Z = fitted.transform(samples[30:])
    np.testing.assert_allclose(Z.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(fitted.fit_transform(samples).sum(axis=1), 1.0, rtol=1e-5)
    soft = model(method="ahals", sum_to_one=0.5).fit(samples)
    off = [abs(of.transform(samples).sum(axis=1) - 1).mean() for of in (soft, model(method="ahals").fit(samples))]
    assert off[0] < off[1]


@pytest.mark.parametrize("is_sparse", [False, True])
def test_counts_are_scaled_in_fit_and_transform(samples, is_sparse):
    counts = np.random.default_rng(0).poisson(30 * samples).astype(float)
    fitted = model(method="ahals", poisson=True)
    Z = fitted.fit_transform(scipy.sparse.csr_matrix(counts) if is_sparse else counts)
    result = gs.factorize(counts.T, gs.Params(fitted.n_components_, "ahals", max_iter=fitted.max_iter, poisson=True))
    np.testing.assert_allclose(fitted.components_.T, result.W, rtol=1e-6, atol=1e-9)
    rows = result.gram.rows
    np.testing.assert_allclose(fitted.feature_scale_, rows, rtol=1e-12)
    expected = [nnls((result.W / rows[:, None]), sample / rows)[0] for sample in counts]
    np.testing.assert_allclose(Z, expected, rtol=1e-3, atol=1e-3 * np.max(expected))
    left = np.linalg.norm((counts - fitted.inverse_transform(Z)) / rows)
    assert fitted.reconstruction_err_ == pytest.approx(left, rel=1e-6)
