"""What entries count, from 0 to 1, through the mask."""

import json

import numpy as np
import pytest
from scipy.optimize import nnls

import gsp_studio as gs
from gsp_studio.cli import main
from gsp_studio.core.params import Params
from gsp_studio.io.run_json import read_run

RNG = np.random.default_rng(0)
X = RNG.random((12, 3)) @ RNG.random((3, 20)) + 0.1 * RNG.random((12, 20))
WEIGHTS = RNG.random(X.shape)
WEIGHTS[RNG.random(X.shape) < 0.3] = 1.0
WEIGHTS[2, 3:6] = 0.0


def params(**changes):
    return Params(**{"rank": 3, "sparsity": 0.4, "max_iter": 40, "tol": 0.0, **changes})


def weighted_error(X, found, weights):
    left = weights * np.square(X - found.W @ found.H)
    return np.sqrt(left.sum() / (weights * np.square(X)).sum())


@pytest.mark.parametrize("method", ["gsphals", "psnmf", "ahals"])
def test_the_error_is_the_weighted_one(method):
    found = gs.factorize(X, params(method=method), "cpu", mask=WEIGHTS)
    np.testing.assert_allclose(found.error, weighted_error(X, found, WEIGHTS), rtol=1e-9)


def test_the_weighted_error_falls_below_that_of_a_fit_without_weights():
    wanted = params(method="ahals", max_iter=300, extrapolate=False)
    found = gs.factorize(X, wanted, "cpu", mask=WEIGHTS)
    assert np.all(np.diff(found.history.error) <= 1e-9)
    assert found.error < weighted_error(X, gs.factorize(X, wanted, "cpu"), WEIGHTS)


def test_zeros_and_ones_are_a_mask():
    missing = RNG.random(X.shape) < 0.2
    one, other = (gs.factorize(X, params(), "cpu", mask=mask) for mask in (missing, (~missing).astype(float)))
    assert np.array_equal(one.W, other.W)
    assert np.array_equal(one.H, other.H)


def test_the_divergence_is_weighted_alike():
    counts = RNG.poisson(20 * X).astype(float)
    for it in gs.iterate(counts, params(method="gspkl", continuation=20, max_iter=30), "cpu", WEIGHTS):
        Y = it.W @ it.H
        each = np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / Y), 0) - counts + Y
        np.testing.assert_allclose(it.error, np.sum(WEIGHTS * each) / np.sum(WEIGHTS * counts), rtol=1e-9)
        assert it.sparsity >= 0.4 - 1e-10


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.full(X.shape, 1.5), "mask holds weights outside of 0 to 1"),
        (np.full(X.shape, np.nan), "mask holds weights outside of 0 to 1"),
        (np.ones((2, 2)), r"mask has shape \(2, 2\)"),
        (np.zeros(X.shape), "mask leaves no entry"),
    ],
)
def test_one_sentence_says_what_weights_can_be(weights, words):
    with pytest.raises(ValueError, match=words):
        gs.factorize(X, params(), "cpu", mask=weights)


def test_the_command_takes_a_file_and_repeats_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X.T.reshape(20, 4, 3))
    np.save("w.npy", WEIGHTS)
    fit = ("fit", "x.npy", "--rank", "3", "--max-iter", "5", "--backend", "cpu", "--quiet", "--out", "run")
    assert main([*fit, "--entry-weights", "w.npy"]) == 0
    assert np.array_equal(read_run("run").mask, WEIGHTS)
    assert main(["repeat", "run", "--out", "again", "--quiet"]) == 0
    assert "the factors are the same to the last bit" in capsys.readouterr().out
    assert main([*fit, "--entry-weights", "w.npy", "--mask", "w.npy"]) == 2
    assert "accepted is one of them" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["mask"] == {"inputs.npz": "mask"}


def test_applied_coefficients_are_weighted_least_squares_of_each_image():
    W = RNG.random((12, 3))
    found = gs.apply_basis(X, W, mask=WEIGHTS)
    roots = np.sqrt(WEIGHTS)
    expected = np.stack([nnls(roots[:, [j]] * W, roots[:, j] * X[:, j])[0] for j in range(20)], axis=1)
    np.testing.assert_allclose(found.H, expected, atol=1e-6)
    left = np.sqrt((WEIGHTS * np.square(X - W @ found.H)).sum(axis=0))
    np.testing.assert_allclose(found.left, left, rtol=1e-7)
    np.testing.assert_allclose(found.lengths, np.sqrt((WEIGHTS * np.square(X)).sum(axis=0)), rtol=1e-7)


def test_applied_coefficients_of_counts_have_the_least_weighted_divergence():
    counts = np.maximum(RNG.poisson(20 * X), 1).astype(float)
    W = RNG.random((12, 3)) + 0.1
    found = gs.apply_basis(counts, W, params(method="kl"), "cpu", WEIGHTS)
    slope = W.T @ (WEIGHTS * (1 - counts / (W @ found.H)))
    assert np.abs(found.H * slope).max() < 1e-3 * counts.max()  # where a coefficient is not 0, none
    plain = gs.apply_basis(counts, W, params(method="kl"), "cpu", WEIGHTS == 0)
    assert np.abs(plain.H - found.H).max() > 0.1


def test_sparse_coefficients_are_found_for_weighted_entries():
    wanted = params(method="psnmf", sparsity_h=0.5)
    W = gs.factorize(X, wanted, "cpu", mask=WEIGHTS).W
    found, plain = (gs.apply_basis(X, W, wanted, "cpu", mask) for mask in (WEIGHTS, WEIGHTS == 0))
    assert np.mean(gs.hoyer_sparsity(found.H, axis=1)) >= 0.5 - 1e-9
    assert found.error < np.sqrt((WEIGHTS * np.square(X - W @ plain.H)).sum() / (WEIGHTS * np.square(X)).sum())


def test_the_estimator_takes_weights_as_its_mask():
    model = gs.SparseNMF(3, method="ahals", max_iter=40, backend="cpu")
    Z = model.fit_transform(X.T, mask=WEIGHTS.T)
    same = gs.factorize(X, Params(3, "ahals", max_iter=40), "cpu", mask=WEIGHTS)
    assert np.array_equal(model.components_.T, same.W)
    applied = gs.apply_basis(X, same.W, mask=WEIGHTS)
    np.testing.assert_allclose(Z, applied.H.T, rtol=1e-12)
    np.testing.assert_allclose(model.transform(X.T, mask=WEIGHTS.T), Z)
    left = np.sqrt((WEIGHTS.T * np.square(X.T - model.inverse_transform(Z))).sum())
    np.testing.assert_allclose(model.reconstruction_err_, left, rtol=1e-7)
    hidden = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
    model.fit(hidden.T, mask=WEIGHTS.T)
    gone = gs.factorize(X, Params(3, "ahals", max_iter=40), "cpu", mask=np.where(np.isnan(hidden), 0, WEIGHTS))
    assert np.array_equal(model.components_.T, gone.W)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The images and their weights, and a weight for each pixel."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X.T.reshape(20, 4, 3))
    np.save("w.npy", WEIGHTS)
    np.save("pixels.npy", WEIGHTS[:, 0].reshape(4, 3))
    return tmp_path


MACHINE = ("--backend", "cpu", "--quiet")


def test_path_and_sweep_take_them_too(files):
    common = ("--max-iter", "5", "--backend", "cpu", "--entry-weights", "w.npy")
    path = ("path", "x.npy", "--rank", "3", "--sparsities", "0.3,0.6", "--quiet", "--json", *common)
    assert main([*path, "--out", "path"]) == 0
    with np.load(files / "path" / "inputs.npz") as stored:
        assert np.array_equal(stored["mask"], WEIGHTS)
    assert main(["sweep", "x.npy", "--ranks", "3", "--sparsities", "0.4", "--out", "sweep", *common]) == 0
    same = gs.factorize(X, Params(3, sparsity=0.4, max_iter=5), "cpu", mask=WEIGHTS)
    (table,) = (path.read_text().splitlines() for path in files.glob("sweep/*/sweep.csv"))
    told = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    assert float(told["error"]) == pytest.approx(same.error, rel=1e-12)


@pytest.mark.parametrize("command", ["path", "sweep", "apply", "fit"])
def test_mask_and_weights_are_refused_together(files, capsys, command):
    flags = {"sweep": ("--ranks", "3"), "apply": (), "path": ("--rank", "3"), "fit": ("--rank", "3")}[command]
    of = ("run", "x.npy") if command == "apply" else ("x.npy",)
    assert main([command, *of, *flags, "--out", "o", "--mask", "w.npy", "--entry-weights", "w.npy"]) == 2
    assert "--entry-weights and --mask say the same in two ways; accepted is one of them" in capsys.readouterr().err


def test_apply_takes_them_and_those_of_the_run(files, capsys):
    fit = ("fit", "x.npy", "--rank", "3", "--max-iter", "5", *MACHINE)
    assert main([*fit, "--out", "run", "--entry-weights", "pixels.npy"]) == 0
    W = gs.factorize(X, Params(3, max_iter=5), "cpu", mask=np.repeat(WEIGHTS[:, :1], 20, axis=1)).W
    assert main(["apply", "run", "x.npy", "--out", "a", "--entry-weights", "w.npy", "--backend", "cpu"]) == 0
    np.testing.assert_allclose(np.load("a/applied.npy"), gs.apply_basis(X, W, mask=WEIGHTS).H, rtol=1e-9)
    assert main(["apply", "run", "x.npy", "--out", "b", "--backend", "cpu"]) == 0
    alike = np.repeat(WEIGHTS[:, :1], 20, axis=1)
    np.testing.assert_allclose(np.load("b/applied.npy"), gs.apply_basis(X, W, mask=alike).H, rtol=1e-9)
    assert main([*fit, "--out", "other", "--entry-weights", "w.npy"]) == 0
    assert main(["apply", "other", "x.npy", "--out", "c", "--backend", "cpu"]) == 0
    assert "the run had weights of single images, which say nothing about others" in capsys.readouterr().err
