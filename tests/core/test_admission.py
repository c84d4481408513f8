"""Arrays that solvers take and refuse: masks are honoured, what NumPy would misread in silence is refused."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

import gsp_studio as gs
from gsp_studio.backends.admission import as_real
from gsp_studio.core.optimality import kkt_residual

PARAMS = gs.Params(rank=3, method="ahals", max_iter=20)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).random((30, 20))


@pytest.fixture
def hidden(X):
    return X > 0.9


@pytest.mark.parametrize("under", [0.0, 1e3, np.nan])
def test_masked_entries_are_missing_entries(X, hidden, under):
    masked = np.ma.masked_array(np.where(hidden, under, X), mask=hidden)
    found, expected = gs.factorize(masked, PARAMS), gs.factorize(X, PARAMS, mask=hidden)
    assert np.array_equal(found.W, expected.W)
    assert found.error == expected.error


def test_a_mask_and_a_masked_array_add_up(X, hidden):
    more = X < 0.1
    found = gs.factorize(np.ma.masked_array(X, mask=hidden), PARAMS, mask=more)
    assert np.array_equal(found.W, gs.factorize(X, PARAMS, mask=hidden | more).W)
    with pytest.raises(ValueError, match="mask has shape"):
        gs.factorize(np.ma.masked_array(X, mask=hidden), PARAMS, mask=more[1:])


def test_a_masked_array_that_hides_nothing_is_an_array(X):
    plain = gs.factorize(X, PARAMS)
    for mask in (np.ma.nomask, np.zeros(X.shape, bool)):
        assert np.array_equal(gs.factorize(np.ma.masked_array(X, mask=mask), PARAMS).W, plain.W)


def test_the_estimator_fits_to_what_is_there(X, hidden):
    masked = np.ma.masked_array(np.where(hidden, np.nan, X), mask=hidden).T
    model = gs.SparseNMF(3, method="ahals", max_iter=20)
    Z = model.fit_transform(masked)
    left = (X.T - Z @ model.components_)[~hidden.T]
    assert model.reconstruction_err_ == pytest.approx(np.linalg.norm(left), rel=1e-9)
    assert np.array_equal(model.components_.T, gs.factorize(X, PARAMS, mask=hidden).W)
    assert np.array_equal(model.transform(masked), Z)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (scipy.sparse.csr_matrix, r"sparse matrix \(csr_matrix \(30, 20\)\); accepted is a dense array: X.toarray"),
        (scipy.sparse.coo_array, r"sparse matrix \(coo_array"),
        (lambda X: X * 1j, "holds complex128 values"),
        (lambda X: X.astype(object), "holds Python objects; .*astype"),
        (lambda X: (100 * X).astype("M8[D]"), "datetime64"),
        (lambda X: (100 * X).astype("m8[s]"), "timedelta64"),
        (lambda X: X.astype(str), "<U32 values"),
        (lambda X: np.zeros(X.shape, [("a", "f4")]), "take one of its fields"),
    ],
)
def test_what_could_only_be_misread_is_refused(X, make, told):
    with pytest.raises(ValueError, match=told) as refused:
        gs.factorize(make(X), PARAMS)
    assert "\n" not in str(refused.value)


def test_booleans_and_lists_are_numbers(X):
    assert gs.factorize(X > 0.5, PARAMS).error == gs.factorize((X > 0.5).astype(float), PARAMS).error
    assert gs.factorize(X.tolist(), PARAMS).error == gs.factorize(X, PARAMS).error
    assert as_real([[1, 2]]).dtype.kind == "i"


MISREAD = (
    (lambda values: values * (1 + 1j), r"holds complex128 values; accepted is an array of real numbers"),
    (lambda values: np.ma.masked_greater(values, 0.5), r"is a masked array, and its mask has no meaning here"),
    (lambda values: values.astype(object), r"holds Python objects"),
    (scipy.sparse.csr_matrix, r"is a sparse matrix"),
)


@pytest.mark.parametrize(("make", "told"), MISREAD)
def test_starts_weights_and_bases_that_could_only_be_misread_are_refused(X, make, told):
    rng = np.random.default_rng(1)
    W, H = rng.random((30, 3)), rng.random((3, 20))
    weighted = gs.Params(3, "wsnmf", max_iter=2, weights=make(W))
    calls = {
        "init: W0": lambda: gs.factorize(X, replace(PARAMS, init=(make(W), H))),
        "init: H0": lambda: gs.factorize(X, replace(PARAMS, init=(W, make(H)))),
        "seed_basis": lambda: gs.factorize(X, replace(PARAMS, seed_basis=make(W))),
        "weights": lambda: gs.factorize(X, weighted),
        "W": lambda: gs.apply_basis(X, make(W)),
        "H": lambda: kkt_residual(X, W, make(H), PARAMS),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"^{name} {told}"):
            call()
    with pytest.raises(ValueError, match=f"^weights {told}"):
        gs.SparseNMF(3, method="wsnmf", weights=make(H)).fit(X)
    with pytest.raises(ValueError, match=f"^W {told}"):
        kkt_residual(X, make(W), H, PARAMS)


def test_masked_arrays_that_hide_nothing_are_arrays(X):
    rng = np.random.default_rng(1)
    W, H = rng.random((30, 3)), rng.random((3, 20))
    plain = gs.factorize(X, replace(PARAMS, init=(W, H)))
    found = gs.factorize(X, replace(PARAMS, init=(np.ma.masked_array(W), np.ma.masked_array(H).tolist())))
    assert np.array_equal(found.W, plain.W)
    assert np.array_equal(gs.apply_basis(X, np.ma.masked_array(W)).H, gs.apply_basis(X, W).H)


def test_projections_take_neither_masks_nor_sparse_matrices(X, hidden):
    with pytest.raises(ValueError, match="x is a masked array"):
        gs.group_sparse_projection(np.ma.masked_array(X, mask=hidden), 0.5)
    with pytest.raises(ValueError, match="x is a sparse matrix"):
        gs.group_sparse_projection(scipy.sparse.csc_matrix(X), 0.5)


def test_a_data_set_holds_an_array(X, hidden):
    about = {"image_shape": (6, 5), "order": "C", "name": "x", "names": tuple("abcdefghijklmnopqrst")}
    for values, told in (
        (np.ma.masked_array(X, mask=hidden), "masked array"),
        (scipy.sparse.csc_array(X), "csc_array"),
    ):
        with pytest.raises(gs.DatasetError, match=told):
            gs.Dataset(values, **about)
