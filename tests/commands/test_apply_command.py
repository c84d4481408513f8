"""``gsp-studio apply``: the basis of an exported run on other images; nothing that is there is replaced."""

import csv
import json

import numpy as np
import pytest

from gsp_studio.cli import main
from gsp_studio.core.application import apply_basis
from gsp_studio.io.factors import read_factors

FIT = ("--max-iter", "4", "--sparsity", "0.5", "--backend", "reference", "--quiet", "--rank", "3")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run on 40 images of 6 x 5, and 11 others."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).random((51, 6, 5))
    np.save("a.npy", images[:40])
    np.save("b.npy", images[40:])
    assert main(["fit", "a.npy", *FIT, "--out", "run"]) == 0
    return images[40:].reshape(11, 30).T


def test_it_writes_coefficients_and_errors(run, tmp_path):
    assert main(["apply", "run", "b.npy", "--out", "new"]) == 0
    assert sorted(path.name for path in tmp_path.glob("new/*")) == [
        "applied.csv",
        "applied.json",
        "applied.npy",
        "applied_errors.npy",
    ]
    expected = apply_basis(run, read_factors("run")[0])
    np.testing.assert_allclose(np.load("new/applied.npy"), expected.H, rtol=1e-6)
    np.testing.assert_allclose(np.load("new/applied_errors.npy"), expected.errors, rtol=1e-6)
    with open("new/applied.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 11
    assert float(rows[3]["error"]) == np.load("new/applied_errors.npy")[3]
    assert [float(rows[3][f"basis_{k}"]) for k in (1, 2, 3)] == np.load("new/applied.npy")[:, 3].tolist()
    about = json.loads((tmp_path / "new/applied.json").read_text())
    assert about["data"]["images"] == 11
    assert about["error"] == pytest.approx(expected.error)


def test_nothing_is_replaced(run, capsys):
    assert main(["apply", "run", "b.npy", "--out", "new"]) == 0
    before = np.load("new/applied.npy")
    assert main(["apply", "run", "a.npy", "--out", "new"]) == 2
    assert "new already holds applied.npy; choose another folder" in capsys.readouterr().err
    assert np.array_equal(np.load("new/applied.npy"), before)


def test_images_that_fill_a_column_in_another_order_are_matched(run):
    columns = np.load("b.npy").transpose(0, 2, 1).reshape(11, 30)  # column by column, as MATLAB does
    np.save("f.npy", columns)
    layout = ("--image-shape", "6x5", "--order", "F", "--images-in", "rows")
    assert main(["apply", "run", "f.npy", "--out", "f", *layout]) == 0
    assert main(["apply", "run", "b.npy", "--out", "c"]) == 0
    np.testing.assert_allclose(np.load("f/applied.npy"), np.load("c/applied.npy"), rtol=1e-9)


def test_images_of_another_shape_are_refused_and_nothing_is_left(run, tmp_path, capsys):
    np.save("other.npy", np.random.default_rng(1).random((4, 7, 7)))
    assert main(["apply", "run", "other.npy", "--out", "new"]) == 2
    assert "image shape 6x5 does not fit the stack's images of 7x7" in capsys.readouterr().err
    assert main(["apply", "run", "other.npy", "--out", "new", "--image-shape", "7x7"]) == 2
    assert "other.npy has images of 7 x 7; the basis of run is of images of 6 x 5" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_pixels_that_all_images_of_the_run_lack_are_missing_in_others(tmp_path, monkeypatch, run):
    pixels = np.zeros((6, 5))
    pixels[0] = 1
    np.save("mask.npy", pixels)
    assert main(["fit", "a.npy", *FIT, "--out", "masked", "--mask", "mask.npy"]) == 0
    images = np.load("b.npy")
    assert main(["apply", "masked", "b.npy", "--out", "one"]) == 0
    images[:, 0] = 0.5
    np.save("b.npy", images)
    assert main(["apply", "masked", "b.npy", "--out", "two"]) == 0
    assert np.array_equal(np.load("one/applied.npy"), np.load("two/applied.npy"))
