"""What entries count, from 0 to 1, through the mask."""

import json

import numpy as np
import pytest

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
