"""Methods of the Kullback-Leibler loss: the updates of others, descent under a target, missing entries, same bits."""

import numpy as np
import pytest
from scipy.special import kl_div

import gsp_studio as gs
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.backends.powers import exponent_of, scaled
from gsp_studio.core.divergence import FLOOR
from gsp_studio.core.params import Params

RNG = np.random.default_rng(0)
W = RNG.random((20, 3)) ** 6
X = RNG.poisson(40 * W @ RNG.random((3, 30))).astype(float)


def loss(X, W, H, weights=1.0, largest=None):
    fit = W @ H
    least = FLOOR * 2.0 ** exponent_of(largest or X.max())
    return float(np.sum(weights * kl_div(X, np.where(X > 0, np.maximum(fit, least), fit))))


def params(method="gspkl", **changes):
    return Params(**{"rank": 3, "method": method, "sparsity": 0.6, "max_iter": 40, "tol": 0.0, **changes})


def test_updates_are_those_of_scikit_learn_from_the_same_start():
    decomposition = pytest.importorskip("sklearn.decomposition")
    W0, H0 = RNG.random((20, 3)), RNG.random((3, 30))
    fit = W0 @ H0
    scale = np.sum(X * fit) / np.sum(fit * fit)  # of every start that is given
    theirs = decomposition.NMF(
        3, init="custom", solver="mu", beta_loss="kullback-leibler", max_iter=25, tol=0, random_state=0
    )
    their_W = theirs.fit_transform(X, W=scale * W0, H=H0.copy())
    ours = gs.factorize(X, params("kl", max_iter=25, init=(W0, H0)), "cpu")
    np.testing.assert_allclose(ours.W, their_W, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(ours.H, theirs.components_, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", ["kl", "gspkl"])
def test_the_error_is_the_loss_as_a_fraction_of_the_sum(method):
    found = gs.factorize(X, params(method), "cpu")
    np.testing.assert_allclose(found.error, loss(X, found.W, found.H) / X.sum(), rtol=1e-6)
    np.testing.assert_allclose(found.gram.relative_error(found.W), found.error, rtol=1e-9)


def test_without_a_target_the_loss_never_rises():
    errors = gs.factorize(X, params("kl", max_iter=60), "cpu").history.error
    assert np.all(np.diff(errors) <= 1e-12)


@pytest.mark.parametrize("sparsity", [0.3, 0.6, 0.85, 1.0])
@pytest.mark.parametrize("init", ["random", "factors"])
def test_every_iterate_meets_its_target_and_the_loss_never_rises_once_the_ways_are_tried(sparsity, init):
    start = (RNG.random((20, 3)), RNG.random((3, 30))) if init == "factors" else init
    found = gs.factorize(X, params(sparsity=sparsity, continuation=0 if init == "factors" else 20, init=start), "cpu")
    assert found.history.sparsity.min() >= sparsity - 1e-10
    settled = found.history.error[0 if init == "factors" else 20 :]
    assert np.all(np.diff(settled) <= 1e-12)
    assert settled[-1] <= found.history.error.min() + 1e-12
    assert found.W.min() >= 0
    assert found.H.min() >= 0


def test_the_dense_basis_projects_to_the_basis_exactly():
    for it in gs.iterate(X, params(max_iter=25, continuation=20), "cpu"):
        again = gs.group_sparse_projection(np.array(it.dense), it.target).values
        assert np.array_equal(again, it.W)


def test_a_target_that_moves_is_met_by_the_next_iterate():
    run = gs.iterate(X, params(continuation=20), "cpu")
    for _ in range(25):
        next(run)
    assert run.send(params(continuation=20, sparsity=0.8)).sparsity >= 0.8 - 1e-10


def test_missing_and_held_out_entries_have_no_part_in_the_fit():
    mask = np.zeros(X.shape, bool)
    mask[3:6, 4:9] = True
    spoilt = np.where(mask, 1e6, X)
    found = gs.factorize(spoilt, params(), "cpu", mask=mask)
    known = np.where(mask, 0.0, X)
    np.testing.assert_allclose(found.error, loss(known, found.W, found.H, ~mask) / known.sum(), rtol=1e-9)
    held = gs.factorize(X, params(held_out=0.1), "cpu")
    assert 0.0 < held.held_out_error < 1.0


def rows_of(X):
    rows = np.ascontiguousarray(X.T)

    def read(start, stop, out):
        out[:] = rows[start:stop]

    return BlockMatrix(X.shape, X.dtype, read)


def test_threads_and_blocks_do_not_change_a_bit():
    many = RNG.poisson(40 * W @ RNG.random((3, 600))).astype(np.float32)
    wanted = params(max_iter=24, continuation=20)
    one, two = (gs.factorize(many, wanted, gs.get_backend("cpu", threads)) for threads in (1, 2))
    streamed = gs.factorize(rows_of(many), wanted, gs.get_backend("cpu", 2))
    for other in (two, streamed):
        assert np.array_equal(one.W, other.W)
        assert np.array_equal(one.H, other.H)
        assert np.array_equal(one.history.error, other.history.error)


@pytest.mark.parametrize("exponent", [4, -200])
def test_the_unit_of_the_data_does_not_matter(exponent):
    one, other = (gs.factorize(scaled(X, e), params(max_iter=22, continuation=20), "cpu") for e in (0, exponent))
    np.testing.assert_allclose(other.history.error, one.history.error, rtol=1e-9)
    np.testing.assert_allclose(scaled(other.W @ other.H, -exponent), one.W @ one.H, rtol=1e-6, atol=1e-9)


def test_coefficients_of_other_images_lower_the_same_loss():
    new = RNG.poisson(40 * W @ RNG.random((3, 8))).astype(float)
    ours = gs.apply_basis(new, W, params())
    squares = gs.apply_basis(new, W)
    assert ours.error * new.sum() <= loss(new, W, squares.H)
    np.testing.assert_allclose(ours.error, loss(new, W, ours.H) / new.sum(), rtol=1e-9)
    np.testing.assert_allclose(
        ours.errors[2], loss(new[:, 2:3], W, ours.H[:, 2:3], largest=new.max()) / new[:, 2].sum(), rtol=1e-9
    )
    # At the minimum the gradient of each coefficient that is not zero vanishes.
    gradient = W.T @ (1 - new / (W @ ours.H))
    assert np.abs(gradient * ours.H).max() < 1e-3 * new.sum(axis=0).max()


def test_the_estimator_tells_the_loss_as_scikit_learn_does():
    model = gs.SparseNMF(n_components=3, method="gspkl", sparsity=0.5, max_iter=30).fit(X.T)
    Z = model.transform(X.T)
    np.testing.assert_allclose(model.reconstruction_err_, np.sqrt(2 * loss(X, model.components_.T, Z.T)), rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sparsity_h": 0.5}, "sparsity_h is for methods of least squares"),
        ({"frozen": (0,)}, "frozen is for methods of least squares"),
        ({"reseed_dead": True}, "reseed_dead is for methods of least squares"),
        ({"kkt_tol": 0.1}, 'kkt_tol does not apply to the method "gspkl": it is defined for least squares'),
    ],
)
def test_one_sentence_says_what_does_not_go_with_the_loss(changes, words):
    with pytest.raises(ValueError, match=words):
        gs.factorize(X, params(**changes), "cpu")


def test_the_loss_of_a_run_stays_and_its_basis_is_not_edited():
    for step, words in ((params("gsphals"), "the loss is fixed"), (gs.Kill(0), "none can be edited")):
        run = gs.iterate(X, params(), "cpu")
        next(run)
        with pytest.raises(ValueError, match=words):
            run.send(step)
