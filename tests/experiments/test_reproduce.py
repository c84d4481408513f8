"""The paper's figures as a user makes them: files, numbers, resuming, interrupting; the same bits however it runs."""

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gsp_studio.cli import main
from gsp_studio.experiments import runs as runs_module
from gsp_studio.experiments import solver_pool
from gsp_studio.experiments.figures import FIGURES
from gsp_studio.experiments.reproduce import reproduce
from gsp_studio.experiments.runs import load
from gsp_studio.io.readers import load_dataset
from gsp_studio.io.resources import sample_path

PATIENCE = 60
QUICK = ["--quiet", "--backend", "cpu", "--threads", "2"]


@pytest.fixture
def pictures(tmp_path):
    """40 images of 7 x 9 that are brighter at the left and the top."""
    rng = np.random.default_rng(0)
    stack = rng.random((40, 7, 9)) * np.linspace(1, 0.2, 9) * np.linspace(1, 0.5, 7)[:, None]
    path = tmp_path / "pictures.npy"
    np.save(path, stack)
    return path


def command(figure, out, *more, jobs=1):
    return ["reproduce", figure, "--out", str(out), "--jobs", str(jobs), *QUICK, *map(str, more)]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def check_complete(figure, out, capsys):
    """All files of a figure are there and can be read; returns what was printed and run.json's entry."""
    for name in ("png", "pdf", "csv"):
        assert (out / f"{figure}.{name}").stat().st_size > 500
    with Image.open(out / f"{figure}.png") as image:
        image.load()
        grey = np.asarray(image.convert("L"))
    assert min(grey.shape) > 400
    assert 0 < (grey < 128).mean() < 0.99
    assert (out / f"{figure}.pdf").read_bytes().startswith(b"%PDF")
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]
    return capsys.readouterr().out, run["figures"][figure]


def test_synthetic_psnmf_ends_lowest(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command("fig1-synthetic", out, "--sets", 2, "--max-iter", 300)) == 0
    printed, run = check_complete("fig1-synthetic", out, capsys)
    rows = rows_of(out / "fig1-synthetic.csv")
    assert [int(row["iteration"]) for row in rows] == list(range(1, 301))
    last = {name.partition("_")[0]: float(value) for name, value in rows[-1].items()}
    order = sorted(FIGURES["fig1-synthetic"].methods, key=last.__getitem__)
    assert order[0] == "psnmf"
    assert set(order[1:3]) == {"ahals", "nenmf"}
    assert last["psnmf"] < 0.02 < 0.3 < last["cpsnmf"]
    assert "PSNMF" in printed
    assert len(run["runs"]) == 10
    # Of each run: the data set's own true sparsity, but for the l1 penalty's target.
    targets = {(row["method"], row["seed"]): row["sparsity"] for row in run["runs"]}
    assert targets["psnmf", 0] == pytest.approx(targets["cpsnmf", 0], abs=0.02)
    assert run["methods"]["l1ahals"]["sparsity"] == 0.5
    assert run["methods"]["psnmf"]["n_steps"] == 10
    assert {"gsp-studio", "numpy"} <= set(run["versions"])
    # The curve is the mean of the runs that are kept.
    errors = []
    for row in run["runs"]:
        if row["method"] == "psnmf":
            with np.load(out / row["file"]) as kept:
                errors.append(kept["error"][-1])
    assert last["psnmf"] == pytest.approx(100 * np.mean(errors), rel=1e-12)


def test_curves_on_data_are_above_the_lowest_error(pictures, tmp_path, capsys):
    out = tmp_path / "out"
    args = command("fig1-cbcl", out, "--data", pictures, "--rank", 4, "--seeds", 3, "--max-iter", 12, "--sparsity", 0.6)
    assert main(args) == 0
    printed, run = check_complete("fig1-cbcl", out, capsys)
    rows = rows_of(out / "fig1-cbcl.csv")
    values = np.array([[float(v) for k, v in row.items() if k != "iteration"] for row in rows])
    assert values.shape == (12, 6)
    assert values.min() >= 0
    assert run["data"]["fingerprint"] == load_dataset(pictures).fingerprint
    lowest = run["result"]["lowest_error_percent"]
    assert f"{lowest:.5f} %" in printed
    assert lowest <= 100 * min(row["error"] for row in run["runs"])
    # From each start PSNMF once more, at the sparsity that A-HALS found.
    own = {row["seed"]: row["sparsity"] for row in run["runs"] if row["method"] == "ahals"}
    again = {row["seed"]: row for row in run["runs"] if row["method"] == "psnmf" and row["target"] != 0.6}
    assert len(run["runs"]) == 18
    assert {seed: row["target"] for seed, row in again.items()} == own
    assert all(row["sparsity"] >= own[seed] - 1e-9 for seed, row in again.items())
    of_curve = run["result"]["methods"]["psnmf-as-ahals"]
    assert of_curve["lowest_error_percent"] <= 100 * np.mean([row["error"] for row in again.values()]) + 1e-9
    assert "PSNMF, s of A-HALS" in printed
    assert "l1 A-HALS is not the paper's" in printed
    assert len(run["notes"]) == 1


def test_errors_of_all_methods_over_the_target(pictures, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command("over-sparsity", out, "--data", pictures, "--rank", 4, "--seeds", 2, "--max-iter", 8)) == 0
    printed, run = check_complete("over-sparsity", out, capsys)
    rows = rows_of(out / "over-sparsity.csv")
    targets = FIGURES["over-sparsity"].sparsities
    assert [float(row["target"]) for row in rows if row["method"] == "gsphals"] == list(targets)
    [free] = [row for row in rows if row["method"] == "ahals"]
    assert free["target"] == "nan"
    assert len(run["runs"]) == 2 * (4 * len(targets) + 1)
    for row in rows:
        assert float(row["lowest_percent"]) <= float(row["mean_percent"]) <= float(row["highest_percent"])
        if row["method"] in ("psnmf", "gsphals"):
            assert float(row["attained"]) >= float(row["target"]) - 1e-9
    asked = [entry["error"] for entry in run["runs"] if (entry["method"], entry.get("target")) == ("gsphals", 0.8)]
    [shown] = [row for row in rows if (row["method"], float(row["target"])) == ("gsphals", 0.8)]
    assert float(shown["mean_percent"]) == pytest.approx(100 * np.mean(asked))
    assert run["result"]["rows"][0]["target"] is None
    assert "GSP-HALS" in printed


def test_one_chosen_target_is_the_only_one(pictures, tmp_path):
    out = tmp_path / "out"
    more = ("--data", pictures, "--rank", 4, "--seeds", 1, "--max-iter", 4, "--sparsity", 0.65)
    assert main(command("over-sparsity", out, *more)) == 0
    assert {row["target"] for row in rows_of(out / "over-sparsity.csv")} == {"nan", "0.65"}


def test_weights_move_the_error_to_the_border(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command("fig4", out, "--max-iter", 60, "--rank", 25)) == 0
    printed, run = check_complete("fig4", out, capsys)
    error = run["result"]["mean_squared_error"]
    assert error["wsnmf"]["centre"] < 0.97 * error["psnmf"]["centre"]
    assert error["wsnmf"]["border"] > 1.03 * error["psnmf"]["border"]
    assert "change by weights" in printed
    rows = rows_of(out / "fig4.csv")
    assert len(rows) == 361
    for method in ("psnmf", "wsnmf"):
        for region in ("centre", "border"):
            mean = np.mean([float(row[f"{method}_mean_squared_error"]) for row in rows if row["region"] == region])
            assert mean == pytest.approx(error[method][region], rel=1e-9)
    inner = [float(row["weight"]) for row in rows if row["region"] == "centre"]
    outer = [float(row["weight"]) for row in rows if row["region"] == "border"]
    assert max(inner) < min(outer)
    # All pixels' errors together are the error of the factorization.
    dataset = load_dataset(run["data"]["source"])
    total = dataset.X.shape[1] * sum(float(row["psnmf_mean_squared_error"]) for row in rows)
    assert np.sqrt(total) / np.linalg.norm(dataset.X) == pytest.approx(error["psnmf"]["error_percent"] / 100, rel=1e-3)


def test_figures_in_one_folder_share_their_runs(pictures, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    more = ("--data", pictures, "--rank", 3, "--max-iter", 5)
    assert main(command("fig4", out, *more)) == 0
    check_complete("fig4", out, capsys)
    monkeypatch.setattr(runs_module, "factorize", lambda *args, **kwargs: pytest.fail("this run was done before"))
    assert main(command("fig3", out, *more)) == 0
    _, run = check_complete("fig3", out, capsys)
    assert set(json.loads((out / "run.json").read_text())["figures"]) == {"fig3", "fig4"}
    # Basis images in the CSV are those of the kept runs, each value at its place.
    rows = rows_of(out / "fig3.csv")
    kept = np.load(out / "runs" / f"{run['result']['methods']['wsnmf']['run']}.npz")
    with kept:
        image = load_dataset(pictures).as_images(kept["W"])[2]
    for row in rows:
        assert float(row["wsnmf_3"]) == image[int(row["row"]), int(row["column"])]


def test_images_stay_upright_in_either_order(tmp_path):
    from gsp_studio.experiments.figures import centre_weights

    stack = np.random.default_rng(1).random((6, 5, 9))
    np.save(tmp_path / "c.npy", stack.reshape(6, -1).T)
    np.save(tmp_path / "f.npy", stack.transpose(0, 2, 1).reshape(6, -1).T)
    both = [
        load_dataset(tmp_path / f"{order.lower()}.npy", image_shape=(5, 9), order=order, images_in="columns")
        for order in ("C", "F")
    ]
    one, other = (dataset.as_images(centre_weights(dataset)[:, None])[0] for dataset in both)
    assert np.array_equal(one, other)
    assert one[2, 4] == one.min() == pytest.approx(0.1)
    assert one[0, 0] == one[2, 0] == one[0, 4] == one.max() == 1.0


def test_processes_give_the_same_bits_and_a_second_call_computes_nothing(tmp_path, capsys, monkeypatch):
    more = ("--max-iter", 15, "--rank", 12)
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(command("fig5", one, *more)) == 0
    assert main(command("fig5", two, *more, jobs=2)) == 0
    files = sorted(path.name for path in (one / "runs").iterdir())
    assert len(files) == 4
    assert files == sorted(path.name for path in (two / "runs").iterdir())
    for name in files:
        with np.load(one / "runs" / name) as a, np.load(two / "runs" / name) as b:
            assert set(a) == set(b)
            for field in set(a) - {"seconds"}:
                assert np.array_equal(a[field], b[field]), field
    for name in ("fig5.csv", "fig5.png"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    check_complete("fig5", two, capsys)
    monkeypatch.setattr(runs_module, "factorize", lambda *args, **kwargs: pytest.fail("this run was done before"))
    assert main(command("fig5", two, *more, jobs=2)) == 0


def test_an_interrupt_keeps_finished_runs_and_the_next_call_does_the_rest(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    solved = []
    solve = solver_pool.solve

    def interrupted(task, *args):
        if len(solved) == 3:
            raise KeyboardInterrupt
        solved.append(task.key)
        return solve(task, *args)

    args = command("fig1-synthetic", out, "--sets", 1, "--max-iter", 3)
    monkeypatch.setattr(solver_pool, "solve", interrupted)
    assert main(args) == 130
    said = capsys.readouterr().err
    assert "3 of 5 runs are finished" in said
    assert "Traceback" not in said
    assert [path.name for path in out.iterdir()] == ["runs"]
    again = []
    monkeypatch.setattr(solver_pool, "solve", lambda task, *rest: again.append(task.key) or solve(task, *rest))
    assert main(args) == 0
    assert len(again) == 2
    assert not set(again) & set(solved)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal for one process")
def test_ctrl_c_ends_solver_processes(tmp_path):
    out = tmp_path / "out"
    args = ["reproduce", "fig1-synthetic", "--out", out, "--sets", 2, "--max-iter", 10**6, "--jobs", 2]
    process = subprocess.Popen(
        [sys.executable, "-m", "gsp_studio.cli", *map(str, args)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        # A terminal's Ctrl-C reaches every process of the group, at any time; here, while they start up.
        while not (out / "runs").exists():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=PATIENCE)[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "interrupted" in said


def test_damaged_runs_are_done_again(tmp_path, pictures):
    settings = FIGURES["fig3"].settings(rank=3, max_iter=4, sparsity=0.5)
    dataset = load_dataset(pictures)
    machine = solver_pool.Machine(jobs=1, threads=1)
    reproduce("fig3", tmp_path / "out", settings, dataset, machine)
    before = (tmp_path / "out" / "fig3.csv").read_bytes()
    kept = sorted((tmp_path / "out" / "runs").iterdir())
    kept[0].write_bytes(kept[0].read_bytes()[:200])
    kept[1].write_bytes(b"")
    reproduce("fig3", tmp_path / "out", settings, dataset, machine)
    assert (tmp_path / "out" / "fig3.csv").read_bytes() == before


def test_a_run_is_named_by_all_that_its_bits_depend_on(pictures, tmp_path, monkeypatch):
    dataset = load_dataset(pictures)
    figure = FIGURES["fig3"]

    def keys(data=dataset, **chosen):
        return {task.key for task in figure.plan(figure.settings(rank=3, **chosen), data).tasks}

    again = keys()
    assert keys() == again
    assert len(again) == 2
    for others in (keys(max_iter=7), keys(sparsity=0.5), keys(data=load_dataset(pictures, dtype="float32"))):
        assert not others & again
    assert keys(backend="reference") != again
    task = figure.plan(figure.settings(rank=3), dataset).tasks[0]
    assert load(task, tmp_path) is None
    monkeypatch.setattr(runs_module, "__version__", "another")
    assert not keys() & again


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["fig2"], 'figure "fig2" is not known'),
        (["fig3", "--rank", "60"], "rank 60 exceeds min(m, n) = 40"),
        (["fig3", "--rank", "3", "--sparsity", "1.5"], "sparsity is 1.5"),
        (["fig3", "--rank", "3", "--max-iter", "0"], "max_iter is 0"),
        (["fig3", "--seeds", "0"], "the number of seeds or sets is 0"),
        (["fig3", "--jobs", "0"], "jobs is 0"),
        (["fig3", "--backend", "tpu"], 'backend "tpu" is not known'),
        (["fig3", "--image-shape", "5x5"], "5x5"),
        (["fig1-synthetic"], "draws its own data"),
    ],
)
def test_bad_input_gives_one_sentence_and_writes_nothing(change, message, pictures, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["reproduce", *change, "--data", str(pictures), "--out", str(out), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len([line for line in said.splitlines() if line.startswith("gsp-studio:")]) == 1
    assert not out.exists()


def test_an_empty_name_is_no_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command("fig3", "")) == 2
    assert "empty" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_other_peoples_files_are_left_alone(pictures, tmp_path, capsys):
    out = tmp_path / "out"
    more = ["--rank", "3", "--max-iter", "2", "--data", str(pictures)]
    out.mkdir()
    (out / "fig3.png").write_text("mine")
    assert main(command("fig3", out, *more)) == 2
    assert "fig3.png" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["fig3.png"]
    fit = tmp_path / "fit"
    assert main(["fit", str(pictures), "--rank", "3", "--max-iter", "2", "--out", str(fit), "--quiet"]) == 0
    before = (fit / "run.json").read_bytes()
    capsys.readouterr()
    assert main(command("fig3", fit, *more)) == 2
    assert "run.json" in capsys.readouterr().err
    assert (fit / "run.json").read_bytes() == before


def test_without_matplotlib_it_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(command("fig3", tmp_path / "out")) == 2
    assert 'pip install "gsp-studio[figures]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_cores_are_shared_out():
    share = solver_pool.Machine(jobs=3, threads=8).share
    assert share(10, 0) == (3, 2)
    assert share(1, 0) == (1, 8)
    assert solver_pool.Machine(jobs=9, threads=4).share(20, 0) == (9, 1)
    assert solver_pool.Machine(threads=4).share(20, 0) == (4, 1)
    assert solver_pool.Machine(threads=4).share(20, 1 << 40) == (1, 4)  # each process would hold a copy of the data


def test_the_progress_counts_to_the_end(tmp_path, capsys):
    args = [
        arg for arg in command("fig1-synthetic", tmp_path / "out", "--sets", 1, "--max-iter", 4) if arg != "--quiet"
    ]
    assert main(args) == 0
    said = capsys.readouterr().err
    assert "5/5 runs  100 %" in said
    assert main(args) == 0
    assert "5 of 5 runs were finished before" in capsys.readouterr().err


@pytest.mark.parametrize("size", [3e-12, 2.4e-4, 0.0098, 0.5, 7e3, 4e7])
def test_labels_of_colour_bars_lie_beside_each_other(size):
    from gsp_studio.experiments.contents import ErrorMaps
    from gsp_studio.experiments.plots import draw
    from gsp_studio.io.export.print_style import print_style

    images = load_dataset(sample_path("faces"))
    run = SimpleNamespace(pixel_error=size * np.linspace(0, 1, 361), best_error=0.1)
    weights = np.linspace(0.1, 1, 361)
    with print_style():
        sheet = draw(ErrorMaps(images, {"psnmf": run, "wsnmf": run}, weights, weights < 0.5))
        sheet.canvas.draw()
        [*_, bar] = sheet.axes
        texts = [*bar.get_xticklabels(), bar.xaxis.get_offset_text(), bar.xaxis.label]
        boxes = [text.get_window_extent() for text in texts if text.get_text() and text.get_visible()]
    assert len(boxes) > 2
    assert not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
    numbers = [float(text.get_text()) for text in bar.get_xticklabels()]
    label = bar.get_xlabel()
    power = str(label.partition("(10")[2].partition(" ")[0]).translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert max(numbers) * 10.0 ** int(power or 0) == pytest.approx(size, rel=0.5), "the labels are the values"


def test_a_method_that_is_not_the_papers_is_said_so():
    from gsp_studio.experiments.contents import Curves
    from gsp_studio.experiments.plots import draw

    def words(*methods):
        flat = {method: np.ones(3) for method in methods}
        sheet = draw(Curves("x", flat, flat, dict.fromkeys(methods, 0.5)))
        return sheet.get_supxlabel()

    assert "l1 A-HALS is not the paper's" in words("psnmf", "l1ahals").replace("\n", " ")
    assert words("psnmf", "psnmf-as-ahals") == ""


def test_drawing_survives_odd_names_and_flat_errors(pictures, tmp_path):
    from gsp_studio.experiments.contents import Curves
    from gsp_studio.experiments.plots import save_figure

    flat = {method: np.zeros(1) for method in ("psnmf", "ahals")}
    odd = Curves("cost $5\n_名前.npz", flat, flat, {"psnmf": 1.0, "ahals": 0.5}, lowest=0.0)
    save_figure(odd, tmp_path / "odd.png")
    save_figure(odd, tmp_path / "odd.pdf")
    assert Path(tmp_path / "odd.png").stat().st_size > 500
