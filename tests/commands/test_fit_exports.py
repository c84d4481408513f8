"""What ``fit`` says in its exports: names of seeds, and how factors are normalized for other programs."""

import csv
import json
import os

import h5py
import numpy as np
import pytest
import scipy.io

from gsp_studio.cli import main
from gsp_studio.io.readers import load_dataset

FIT = ("--max-iter", "5", "--sparsity", "0.5", "--backend", "reference", "--quiet")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_names_of_seeds_stand_in_run_json_and_in_heads_of_tables(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.save("cube.npy", rng.random((5, 6, 7)))
    table = ["nm,soil,=water", *(",".join(map(str, (400 + k, *rng.random(2)))) for k in range(5))]
    (tmp_path / "library.csv").write_text("\n".join(table))
    fit = ["fit", "cube.npy", "--samples", "pixels", "--images-in", "rows", "--rank", "3", "--method", "ahals", *FIT]
    seeds = ["--seed-basis", "library.csv", "--seed-basis", "region:0,0,2x2"]
    assert main([*fit, *seeds, "--out", "out", "--also", "spectra,coefficients,maps,envi,h5"]) == 0
    names = ["soil from library.csv", "=water from library.csv", "mean of 4 pixels at 0, 0"]
    assert json.loads((tmp_path / "out/run.json").read_text())["params"]["seed_names"] == names
    for file, kind in (("spectra.csv", "component"), ("coefficients.csv", "basis")):
        with open(tmp_path / "out" / file, newline="") as opened:
            assert next(csv.reader(opened))[1:] == [f"{kind}_{k + 1}: {name}" for k, name in enumerate(names)]
    assert load_dataset(tmp_path / "out/maps.tif").names[0] == "component 1: soil from library.csv"
    assert load_dataset(tmp_path / "out/maps.hdr").names[2] == "component 3: mean of 4 pixels at 0  0"
    assert main(["apply", "out", "cube.npy", "--out", "new"]) == 0
    with open("new/applied.csv", newline="") as opened:
        assert next(csv.reader(opened))[2] == "basis_1: soil from library.csv"
    assert main(["repeat", "out", "--out", "again", "--quiet"]) == 0
    assert "the same to the last bit" in capsys.readouterr().out


@pytest.mark.parametrize(("by", "size"), [("max", np.max), ("sum", np.sum), ("norm", np.linalg.norm)])
def test_factors_are_normalized_for_other_programs_and_that_is_said(tmp_path, capsys, by, size):
    np.save("cube.npy", np.random.default_rng(0).random((5, 6, 7)))
    fit = ["fit", "cube.npy", "--samples", "pixels", "--images-in", "rows", "--rank", "3", *FIT, "--normalize", by]
    assert main([*fit, "--out", "out"]) == 2
    assert "--normalize scales the factors in the files of --also" in capsys.readouterr().err
    assert main([*fit, "--out", "out", "--also", "residuals,png16"]) == 2
    assert "accepted are mat, csv, h5, coefficients, tiff, maps" in capsys.readouterr().err
    assert main([*fit, "--out", "out", "--also", "spectra,h5,mat,envi,maps,residuals"]) == 0
    kept = np.load("out/factors.npz")
    words = {"max": "maximum", "sum": "sum", "norm": "norm"}[by]
    with h5py.File("out/factors.h5") as file:
        np.testing.assert_allclose([size(w) for w in file["W"][:].T], 1.0)
        np.testing.assert_allclose(file["W"][:] @ file["H"][:], kept["W"] @ kept["H"])
        assert file.attrs["normalized"] == f"of unit {words}"
    assert np.abs([size(w) - 1 for w in kept["W"].T]).max() > 1e-3
    assert scipy.io.loadmat("out/factors.mat")["normalized"] == f"of unit {words}"
    with open("out/spectra.csv", newline="") as opened:
        rows = list(csv.reader(opened))
    assert rows[0][1] == f"component_1, basis image of unit {words}"
    np.testing.assert_allclose(size(np.array([row[1] for row in rows[1:]], float)), 1.0)
    assert f"of unit {words}" in (tmp_path / "out/maps.hdr").read_text()
    assert json.loads((tmp_path / "out/run.json").read_text())["normalized"] == f"of unit {words}"
    assert main(["repeat", "out", "--out", "again", "--quiet"]) == 0
    assert "the same to the last bit" in capsys.readouterr().out


@pytest.fixture
def scene():
    """A cube of three materials in a file that names nothing, and a table of their spectra."""
    rng = np.random.default_rng(0)
    M = rng.random((8, 3)) ** 4 + 0.01
    np.save("scene.npy", (M @ rng.dirichlet(np.full(3, 0.3), 99).T).reshape(8, 9, 11))
    rows = (",".join(map(str, (400 + k, *m))) for k, m in enumerate(M))
    with open("library.csv", "w") as file:
        file.write("\n".join(["nm,water,trees,soil", *rows]))
    return ("scene.npy", "--samples", "pixels", "--images-in", "rows")


MACHINE = ("--max-iter", "5", "--backend", "reference", "--quiet")


def test_only_what_is_used_is_proposed(scene, capsys):
    for given, told in (
        (("--rank", "2", "--method", "ahals"), ""),
        (("--rank", "2"), "for spectra sparsity"),
        (("--method", "ahals"), "for spectra rank 3 is proposed: so many components miss"),
        ((), "for spectra rank 3 and sparsity"),
    ):
        assert main(["fit", *scene, *given, *MACHINE, "--out", "out", "--force"]) == 0
        said = capsys.readouterr().err
        assert told in said
        assert ("proposed" in said) == bool(told)


def test_methods_are_compared_with_what_is_proposed_beside_a_named_reference(scene, capsys):
    compare = ("compare", *scene, "--truth", "library.csv", "--max-iter", "5", "--backend", "reference")
    assert main([*compare]) == 0
    told = capsys.readouterr()
    assert "for spectra rank 3 and sparsity" in told.err
    assert "beside library.csv:" in told.out
    assert main(["compare", *scene, "--rank", "3", "--methods", "none"]) == 2
    assert 'method "none" is not known' in capsys.readouterr().err


def test_a_rank_of_none_is_refused(scene, tmp_path, capsys):
    for command in ("compare", *scene, "--rank", "0"), ("fit", *scene, "--rank", "0", "--out", "out"):
        assert main(list(command)) == 2
        assert "rank is 0; accepted is a whole number >= 1" in capsys.readouterr().err
    nearly = np.zeros((1000, 2, 3))
    nearly[1] = np.arange(6).reshape(2, 3)  # a band that the proposal does not look at
    np.save("dark.npy", nearly)
    dark = ("dark.npy", *scene[1:])
    for command in ("compare", *dark), ("fit", *dark, "--out", "out"):
        assert main(list(command)) == 2
        assert "no rank is proposed for dark.npy; give one by --rank" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_materials_have_the_names_of_the_reference(scene, tmp_path, capsys):
    assert main(["fit", *scene, "--rank", "3", *MACHINE, "--truth", "library.csv", "--out", "out"]) == 0
    assert "trees" in capsys.readouterr().out
    told = json.loads((tmp_path / "out/run.json").read_text())["truth"]
    assert [row["name"] for row in told["materials"]] == ["water", "trees", "soil"]
    assert main(["compare", "out", "out", "--truth", "out/reference.npz", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)[0]["truth"]
    assert again["materials"] == told["materials"]


@pytest.mark.skipif(os.name != "posix", reason="names of files are text elsewhere")
def test_a_run_beside_a_reference_whose_name_is_no_text_is_written(tmp_path):
    rng = np.random.default_rng(0)
    M, A = rng.random((8, 2)), rng.random((2, 20))
    scipy.io.savemat("scene.mat", {"Y": M @ A, "M": M})
    try:
        os.rename("scene.mat", b"sams\xff.mat")
    except OSError:  # macOS
        pytest.skip("this disk has names of text alone")
    layout = ("--key", "Y", "--images-in", "rows", "--image-shape", "4x5", "--samples", "pixels")
    fit = ("fit", os.fsdecode(b"sams\xff.mat"), *layout, "--rank", "2", *MACHINE)
    assert main([*fit, "--truth", ":", "--out", "out"]) == 0
    assert (tmp_path / "out/truth.csv").read_text().splitlines()[1].endswith("sams\\udcff.mat")
    assert json.loads((tmp_path / "out/run.json").read_text())["truth"]["reference"] == "M of sams\udcff.mat"


def test_weights_that_are_none_are_refused_by_their_file(scene, capsys):
    np.save("w.npy", np.full((8, 99), 1.5))
    assert main(["path", *scene, "--rank", "2", "--sparsities", "0.3", "--entry-weights", "w.npy", "--out", "p"]) == 2
    assert "w.npy holds weights outside of 0 to 1; accepted are numbers from 0" in capsys.readouterr().err
