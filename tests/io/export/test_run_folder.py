"""Exports: complete or absent, readable by others, and never at the cost of somebody's files."""

import csv
import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from making import pictures
from PIL import Image

import gsp_studio as gs
from gsp_studio.io.atomic import ExportCancelled, ExportError
from gsp_studio.io.export import run_folder
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.export.run_folder import check_directory, export_run
from gsp_studio.io.factors import same_factors
from gsp_studio.io.montage import montage_image, to_grey
from gsp_studio.io.run_json import read_run
from gsp_studio.io.run_record import ExportedRun


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.npy"
    np.save(path, pictures(30))
    return gs.load_dataset(path)


@pytest.fixture(scope="module")
def run(dataset):
    """A finished run of 4 basis images of 9 x 7."""
    params = gs.Params(rank=4, sparsity=0.5, max_iter=6, seed=3)
    return ExportedRun(result=gs.factorize(dataset.X, params, "reference"), start=params, reason="done")


def tree(folder):
    """Every file below a folder and what it holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_written_and_nothing_else(tmp_path, dataset, run):
    paths = export_run(tmp_path / "new" / "deep", dataset, run)
    names = [f"basis/basis_{k}.png" for k in range(1, 5)]
    names += ["montage.png", "factors.npz", "history.csv", "repeat.py", "run.json"]
    assert [path.relative_to(tmp_path / "new" / "deep").as_posix() for path in paths] == names
    assert {Path(name).as_posix() for name in tree(tmp_path)} == {f"new/deep/{name}" for name in names}


def test_the_factors_read_back(tmp_path, dataset, run):
    export_run(tmp_path, dataset, run)
    with np.load(tmp_path / "factors.npz", allow_pickle=False) as factors:
        assert np.array_equal(factors["W"], run.result.W)
        assert np.array_equal(factors["H"], run.result.H)
        assert factors["W"].dtype == np.float32
        assert tuple(factors["image_shape"]) == (9, 7)
        assert factors["order"] == "C"
        assert tuple(factors["names"]) == dataset.names


def test_figures_show_the_basis_without_interpolation(tmp_path, dataset, run):
    export_run(tmp_path, dataset, run, ExportOptions(zoom=3, scale="shared"))
    grey = to_grey(dataset.as_images(run.result.W), "shared")
    for k in range(4):
        with Image.open(tmp_path / "basis" / f"basis_{k + 1}.png") as image:
            assert image.mode == "L"
            assert np.array_equal(np.asarray(image), grey[k].repeat(3, axis=0).repeat(3, axis=1))
    with Image.open(tmp_path / "montage.png") as image:
        assert image.size == (2 * 21 + 2, 2 * 27 + 2)
    export_run(tmp_path, dataset, run)
    with Image.open(tmp_path / "basis" / "basis_1.png") as image:
        assert min(image.size) >= 128
        assert np.asarray(image).max() == 255


def test_the_history_reads_back(tmp_path, dataset, run):
    export_run(tmp_path, dataset, run)
    with (tmp_path / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    history = run.result.history
    assert [int(row["iteration"]) for row in rows] == list(history.n_iter)
    assert [float(row["error"]) for row in rows] == list(history.error)
    assert [float(row["sparsity"]) for row in rows] == list(history.sparsity)
    assert {row["target"] for row in rows} == {"0.5"}


def test_a_method_without_a_target_leaves_it_empty(tmp_path, dataset):
    params = gs.Params(rank=2, method="ahals", max_iter=2)
    export_run(tmp_path, dataset, ExportedRun(result=gs.factorize(dataset.X, params, "reference"), start=params))
    with (tmp_path / "history.csv").open(newline="", encoding="utf-8") as file:
        assert {row["target"] for row in csv.DictReader(file)} == {""}


def test_run_json_tells_all_that_repeats_the_run(tmp_path, dataset, run):
    export_run(tmp_path, dataset, replace(run, backend="reference", threads=2))
    content = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    given = {"rank": 4, "method": "gsphals", "sparsity": 0.5, "seed": 3, "max_iter": 6, "init": "random"}
    assert given.items() <= content["params"].items()
    assert set(content["params"]) == set(gs.Params.__dataclass_fields__)
    assert content["data"]["fingerprint"] == dataset.fingerprint
    assert content["data"]["image_shape"] == [9, 7]
    assert content["data"]["steps"] == ["uint8 divided by 255"]
    assert content["backend"] == {"asked": "reference", "threads": 2, "computed": run.result.backend}
    assert {"python", "gsp-studio", "numpy", "scipy", "numba", "Pillow"} <= set(content["versions"])
    assert content["result"]["error"] == run.result.error
    assert content["result"]["iterations"] == 6
    assert content["files"][-1] == "run.json"
    again = read_run(tmp_path)
    assert again.start == run.start
    assert (again.backend, again.threads) == ("reference", 2)
    data = gs.load_dataset(again.source, again.options)
    again.check_data(data)
    assert np.array_equal(gs.factorize(data.X, again.start, "reference").W, run.result.W)


def test_other_data_are_told_apart(tmp_path, dataset, run):
    export_run(tmp_path, dataset, run)
    np.save(tmp_path / "other.npy", pictures(30, seed=1))
    with pytest.raises(ExportError, match=r"other.npy does not hold the data of this run: its fingerprint is"):
        read_run(tmp_path).check_data(gs.load_dataset(tmp_path / "other.npy"))


def test_steering_and_a_start_as_arrays_read_back(tmp_path, dataset, run):
    rng = np.random.default_rng(0)
    start = (rng.random((63, 4)).astype(np.float32), rng.random((4, 30)).astype(np.float32))
    weights = np.linspace(0.5, 1, 63)
    params = replace(run.start, init=start, weights=weights, method="wsnmf")
    steered = replace(params, sparsity=0.7)
    steps = ((2, steered), (2, gs.Split(1)), (3, replace(steered, rank=5, frozen=(0, 4))), (4, gs.Kill(0)))
    export_run(tmp_path, dataset, replace(run, start=params, interventions=steps))
    assert (tmp_path / "inputs.npz").exists()
    again = read_run(tmp_path / "run.json")
    assert again.start == params
    assert again.interventions == steps
    start, steering = again.as_done()
    assert start == replace(params, max_iter=6, tol=0.0)
    assert [n for n, changes in steering.items() for _ in changes] == [2, 2, 3, 4]
    assert steering[3][0].max_iter == 6


def test_a_second_export_replaces_the_first_and_leaves_other_files_alone(tmp_path, dataset, run):
    export_run(tmp_path, dataset, run)
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "basis" / "mine.png").write_text("mine")
    (tmp_path / ".hidden").write_text("mine")
    two = gs.Params(rank=2, max_iter=2, sparsity=0.5)
    other = ExportedRun(result=gs.factorize(dataset.X, two, "reference"), start=two)
    export_run(tmp_path, dataset, other, ExportOptions(montage=False), force=True)
    left = tree(tmp_path)
    ours = {"basis/basis_1.png", "basis/basis_2.png", "factors.npz", "history.csv", "repeat.py", "run.json"}
    assert {Path(name).as_posix() for name in left} == ours | {"mine.txt", ".hidden", "basis/mine.png"}
    assert (tmp_path / "basis" / "mine.png").read_text() == "mine"


@pytest.mark.parametrize("name", ["montage.png", "run.json", "basis/basis_07.png", "factors.npz", "inputs.npz"])
def test_somebodys_file_under_one_of_our_names_is_never_replaced(tmp_path, dataset, run, name):
    (tmp_path / "basis").mkdir()
    (tmp_path / name).write_text('{"mine": [1, 2, 3]}')
    before = tree(tmp_path)
    for write in (lambda: export_run(tmp_path, dataset, run), lambda: check_directory(tmp_path)):
        with pytest.raises(ExportError, match=f"already holds {name}, which no earlier export there lists"):
            write()
    assert tree(tmp_path) == before


def test_a_run_json_cannot_make_us_remove_other_files(tmp_path, dataset, run):
    (tmp_path / "out").mkdir()
    (tmp_path / "victim.txt").write_text("keep")
    (tmp_path / "out" / "thesis.tex").write_text("keep")
    listed = ["run.json", "../victim.txt", "thesis.tex", str(tmp_path / "victim.txt"), 7, None, "basis/../thesis.tex"]
    (tmp_path / "out" / "run.json").write_text(json.dumps({"program": "gsp-studio", "files": listed}))
    export_run(tmp_path / "out", dataset, run, force=True)
    assert (tmp_path / "victim.txt").read_text() == "keep"
    assert (tmp_path / "out" / "thesis.tex").read_text() == "keep"


@pytest.mark.parametrize("fails", ["save_image", "write_factors", "_write_history", "write_json"])
@pytest.mark.parametrize("kind", [OSError, RuntimeError, KeyboardInterrupt])
def test_a_failing_write_leaves_nothing(tmp_path, dataset, run, monkeypatch, fails, kind):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if kind is OSError else kind("broken")

    monkeypatch.setattr(run_folder, fails, fail)
    with pytest.raises(ExportError if kind is OSError else kind):
        export_run(tmp_path / "a" / "b", dataset, run)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", range(12))
def test_a_failing_rename_brings_the_former_export_back(tmp_path, dataset, run, monkeypatch, after):
    export_run(tmp_path, dataset, run)
    before = tree(tmp_path)
    rename, calls = os.replace, []

    def fail_once(source, target):
        calls.append(target)
        if len(calls) == after + 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(target))
        rename(source, target)

    monkeypatch.setattr(os, "replace", fail_once)
    two = gs.Params(rank=2, max_iter=2, sparsity=0.5)
    with pytest.raises(ExportError, match="cannot be written"):
        export_run(
            tmp_path, dataset, ExportedRun(result=gs.factorize(dataset.X, two, "reference"), start=two), force=True
        )
    assert tree(tmp_path) == before
    assert len(calls) > after


def test_something_in_the_way(tmp_path, dataset, run):
    (tmp_path / "file").write_text("mine")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ExportError, match="file is a file"):
            export_run(directory, dataset, run)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "basis").write_text("a file where the folder should be")
    with pytest.raises(ExportError, match=r"out cannot be written: .*\(basis\)"):
        export_run(tmp_path / "out", dataset, run)
    assert tree(tmp_path / "out") == {"basis": b"a file where the folder should be"}
    (tmp_path / "other" / "montage.png").mkdir(parents=True)
    with pytest.raises(ExportError, match=r"other cannot be written: .*\(montage.png\)"):
        export_run(tmp_path / "other", dataset, run)
    assert tree(tmp_path / "other") == {}
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["montage.png"]


def test_an_empty_name_is_not_the_current_folder(tmp_path, dataset, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError, match="name of the export folder is empty"):
        export_run("", dataset, run)
    assert tree(tmp_path) == {}


def test_a_folder_without_permission(tmp_path, dataset, run):
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o500)
    if os.access(tmp_path / "out", os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(ExportError, match="out cannot be written: permission denied"):
        export_run(tmp_path / "out", dataset, run)


def test_a_folder_that_nobody_can_write(dataset, run):
    if not Path("/proc/self").is_dir():
        pytest.skip("needs /proc")
    with pytest.raises(ExportError, match="/proc/self/gsp"):
        export_run("/proc/self/gsp", dataset, run)


def test_names_of_any_letters(tmp_path, dataset, run):
    odd = replace(dataset, name="Größe \udcff ☃", names=tuple(f"ö\udcfe {k}" for k in range(30)))
    folder = tmp_path / "Ausgabe für 日本 ☃"
    export_run(folder, odd, run)
    assert read_run(folder).content["data"]["name"] == "Größe \udcff ☃"
    with np.load(folder / "factors.npz") as factors:
        assert tuple(factors["names"]) == odd.names


def test_same_factors_compares_bits(tmp_path, dataset, run):
    export_run(tmp_path / "a", dataset, run)
    export_run(tmp_path / "b", dataset, run)
    W = run.result.W.copy(order="F")
    W[0, 0] = np.nextafter(W[0, 0], np.float32(2))
    export_run(tmp_path / "c", dataset, replace(run, result=replace(run.result, W=W)))
    files = [tmp_path / name / "factors.npz" for name in "abc"]
    assert same_factors(files[0], files[1])
    assert not same_factors(files[0], files[2])
    files[2].write_bytes(b"no archive")
    for wrong in (files[2], tmp_path / "nowhere.npz"):
        with pytest.raises(ExportError, match="cannot be compared"):
            same_factors(files[0], wrong)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "run.json does not exist"),
        ("no json", "is not a run.json"),
        ("[]", "is not a run.json"),
        ("{}", "it has no format"),
        ('{"format": 1}', 'Object missing required field "params"'),
        ('{"format": "x"}', "is not a run.json"),
        ('{"format": 99}', "written by a newer version"),
        ("[" * 100000, "is not a run.json"),
    ],
)
def test_a_run_json_that_cannot_be_read(tmp_path, content, told):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(ExportError) as refused:
        read_run(tmp_path)
    assert told in str(refused.value)


def test_damaged_inputs_beside_a_run_json(tmp_path, dataset, run):
    start = (np.ones((63, 4), np.float32), np.ones((4, 30), np.float32))
    export_run(tmp_path, dataset, replace(run, start=replace(run.start, init=start)))
    (tmp_path / "inputs.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(ExportError, match=r"inputs\.npz is not a readable \.npz file"):
        read_run(tmp_path)
    (tmp_path / "inputs.npz").unlink()
    with pytest.raises(ExportError, match="is missing"):
        read_run(tmp_path)


def test_the_history_has_the_phase_of_every_iteration_and_the_error_of_what_was_held_out(tmp_path, dataset):
    params = gs.Params(rank=3, sparsity=0.6, max_iter=30, continuation=20, held_out=0.05)
    result = gs.factorize(dataset.X, params, "reference")
    export_run(tmp_path, dataset, ExportedRun(result=result, start=params))
    with (tmp_path / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["phase"] for row in rows[:21]] == (
        ["start 1 of 3"] * 2 + ["start 2 of 3"] * 7 + ["start 3 of 3"] * 11 + ["run"]
    )
    assert [int(row["follows"]) for row in rows] == list(result.history.follows)
    assert [float(row["held_out_error"]) for row in rows] == list(result.history.held_out_error)
    content = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert content["params"]["held_out"] == 0.05
    assert content["result"]["held_out_error"] == result.held_out_error


def test_the_montage_has_an_order_and_colours(tmp_path, dataset, run):
    order, palette = (2, 0, 1), np.random.default_rng(0).integers(0, 255, (256, 3), np.uint8)
    params = replace(run.start, rank=3)
    result = gs.factorize(dataset.X, params)
    three = replace(run, start=params, interventions=(), result=result)
    export_run(tmp_path, dataset, three, ExportOptions(order=order, palette=palette.tobytes(), factors=False))
    coloured = np.asarray(Image.open(tmp_path / "montage.png"))
    zoom = np.asarray(Image.open(tmp_path / "basis" / "basis_1.png")).shape[0] // dataset.image_shape[0]
    plain = montage_image(dataset.pictures(result.W)[list(order)], gap=2, zoom=zoom)
    lines = montage_image(np.zeros_like(dataset.pictures(result.W)), gap=2, zoom=zoom) > 0
    np.testing.assert_array_equal(coloured[~lines], palette[plain][~lines])
    assert (coloured[lines] == 64).all()
    first = np.asarray(Image.open(tmp_path / "basis" / "basis_1.png"))
    assert first.ndim == 3


def test_progress_counts_the_files_and_may_end_the_export(tmp_path, dataset, run):
    told = []
    export_run(tmp_path / "all", dataset, run, progress=lambda done, total: told.append((done, total)))
    files = [path for path in (tmp_path / "all").rglob("*") if path.is_file()]
    assert told[0] == (0, len(files))
    assert told[-1] == (len(files) - 1, len(files))

    def stop(done, total):
        if done == 3:
            raise ExportCancelled("enough")

    with pytest.raises(ExportCancelled):
        export_run(tmp_path / "some", dataset, run, progress=stop)
    assert not (tmp_path / "some").exists()
    before = sorted((path.name, path.stat().st_mtime_ns) for path in files)
    with pytest.raises(ExportCancelled):
        export_run(tmp_path / "all", dataset, run, progress=stop)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in files) == before
