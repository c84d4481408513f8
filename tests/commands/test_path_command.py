"""``gsp-studio path`` as a user meets it: files that agree with each other, Ctrl-C, one sentence for bad input."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import gsp_studio as gs
from gsp_studio.cli import main
from gsp_studio.commands.arguments import targets
from gsp_studio.core.knee import knee
from gsp_studio.core.masking import draw_held_out
from gsp_studio.engine.runner import Runner
from gsp_studio.experiments import path_files
from gsp_studio.experiments.path_points import PathPoints
from gsp_studio.io.factors import read_factors

PATIENCE = 120
RUNS = 3 + 2 + 2


@pytest.fixture
def stack(tmp_path):
    """40 images of 8 x 6 in a .npy stack: sums of four bars, and a little noise."""
    rng = np.random.default_rng(0)
    bars = np.zeros((4, 8, 6))
    for k, bar in enumerate(bars):
        bar[2 * k : 2 * k + 2] = np.linspace(0.2, 1, 6)
    images = np.tensordot(rng.exponential(size=(40, 4)), bars, 1) + 0.1 * rng.random((40, 8, 6))
    path = tmp_path / "stack.npy"
    np.save(path, images.astype(np.float32))
    return path


def command(stack, out, *more):
    options = ["--rank", 4, "--sparsities", "0.3:0.9:3", "--max-iter", 30, "--threads", 1, "--quiet"]
    return ["path", *map(str, [stack, "--out", out, *options, *more])]


def rows_of(folder):
    with (folder / "path.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_json_stands_alone_on_stdout(stack, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(stack, out, "--json")) == 0
    told = capsys.readouterr()
    plain = json.loads(told.out)
    assert (plain["folder"], plain["method"], plain["max_iter"]) == (str(out), "gsphals", 30)
    assert [str(point["error"]) for point in plain["points"]] == [row["error"] for row in rows_of(out)]
    assert [point["target"] for point in plain["points"]] == [0.3, 0.6, 0.9]
    assert plain["knee"] in (None, 0.6)
    assert "one pixel" in told.err
    assert f"files in {out}" in told.err


def test_the_table_has_the_error_of_what_was_held_out(stack, tmp_path):
    assert main(command(stack, tmp_path / "all")) == 0
    assert {row["held_out_error"] for row in rows_of(tmp_path / "all")} == {""}
    out = tmp_path / "some"
    assert main(command(stack, out, "--held-out", 0.1)) == 0
    X = gs.load_dataset(stack).X
    drawn = draw_held_out(X.shape, 0.1, 0)
    for row in rows_of(out):
        W, H = read_factors(out / row["file"])
        unseen = np.linalg.norm((X - W @ H)[drawn]) / np.linalg.norm(X[drawn])
        assert float(row["held_out_error"]) == pytest.approx(unseen, rel=1e-4)


def test_the_table_is_what_the_factors_say(stack, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(stack, out)) == 0
    told = capsys.readouterr().out.splitlines()
    data = gs.load_dataset(stack)
    rows = rows_of(out)
    assert [float(row["target"]) for row in rows] == [0.3, 0.6, 0.9]
    path = gs.solved_path(data.X, gs.Params(4, max_iter=30), (0.3, 0.6, 0.9))
    for row, result, line in zip(rows, path, told[1:], strict=False):
        W, H = read_factors(out / row["file"])
        assert np.array_equal(W, result.W)
        assert np.array_equal(H, result.H)
        error = np.linalg.norm(data.X - W @ H) / np.linalg.norm(data.X)
        assert float(row["error"]) == pytest.approx(error, rel=1e-3)
        sparsities = gs.hoyer_sparsity(W)
        assert float(row["attained"]) == pytest.approx(sparsities.mean(), abs=1e-6)
        assert float(row["attained"]) >= float(row["target"]) - 1e-5
        assert int(row["iterations"]) == result.n_iter
        assert int(row["one_pixel"]) == sum(np.count_nonzero(W, axis=0) == 1)
        assert int(row["dead"]) == sum((W == 0).all(axis=0) | (H == 0).all(axis=1))
        assert line.split()[0] == f"{float(row['target']):.4f}"
    errors = [float(row["error"]) for row in rows]
    assert all(low <= high for low, high in pairwise(errors))
    at = knee(np.array([0.3, 0.6, 0.9]), np.array(errors))
    named = "no knee: " if np.isnan(at) else f"knee at s = {at:.4f}, error "
    assert any(line.startswith(named) for line in told)
    assert str(out) in told[-1]
    with np.load(out / rows[0]["file"]) as factors:
        assert tuple(factors["image_shape"]) == (8, 6)


def test_the_figures_show_the_bases_and_run_json_lists_all_files(stack, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(stack, out)) == 0
    about = json.loads((out / "run.json").read_text())
    assert sorted(about["files"]) == sorted(path.name for path in out.iterdir())
    assert {"path.csv", "path.png", "path.svg", "path.pdf", "strip.png", "path.gif"} < set(about["files"])
    assert about["path"]["targets"] == [0.3, 0.6, 0.9]
    assert [point["error"] for point in about["path"]["points"]] == [float(row["error"]) for row in rows_of(out)]
    assert about["params"]["rank"] == 4
    assert about["data"]["fingerprint"] == gs.load_dataset(stack).fingerprint
    with Image.open(out / "path.gif") as film:
        assert film.n_frames == 3
        assert np.asarray(film.convert("L")).max() == 255
    with Image.open(out / "strip.png") as strip, Image.open(out / "path.gif") as film:
        assert strip.width == 3 * film.width + 2 * 12
        assert strip.height == film.height
    assert "error in %" in (out / "path.svg").read_text()
    assert (out / "path.pdf").read_bytes().startswith(b"%PDF")


def test_the_same_path_is_the_same_files_and_another_needs_force(stack, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(stack, out)) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(command(stack, out)) == 0
    for name, content in before.items():
        if not name.endswith(".npz"):  # archives hold the time
            assert (out / name).read_bytes() == content, name
    other = command(stack, out, "--sparsities", "0.5,0.8")
    assert main(other) == 2
    assert "holds another run; choose another folder, or replace what is there with --force" in capsys.readouterr().err
    assert {path.name for path in out.iterdir()} == set(before)
    assert main([*other, "--force"]) == 0
    assert [path.name for path in sorted(out.glob("point_*"))] == ["point_1.npz", "point_2.npz"], "no old one is left"


def test_fits_and_paths_do_not_replace_each_other_without_a_word(stack, tmp_path, capsys):
    out = tmp_path / "out"
    fit = ["fit", str(stack), "--rank", "3", "--max-iter", "3", "--out", str(out), "--quiet"]
    assert main(fit) == 0
    assert main(command(stack, out)) == 2
    assert main([*command(stack, out), "--force"]) == 0
    assert not (out / "factors.npz").exists()
    assert main(fit) == 2
    assert (out / "path.csv").exists()


def test_points_that_miss_their_target_and_single_pixels_are_told(stack, tmp_path, capsys, monkeypatch):
    assert main(command(stack, tmp_path / "out", "--method", "l1ahals", "--max-iter", 3)) == 0
    missed = sum(float(row["attained"]) < float(row["target"]) for row in rows_of(tmp_path / "out"))
    assert missed
    assert f"gsp-studio: {missed} of 3 points miss their target" in capsys.readouterr().err
    monkeypatch.setattr(PathPoints, "knee", 0.97)  # bases of single pixels cost much: on a curve as steep it is none
    assert main(command(stack, tmp_path / "pixels", "--sparsities", "0,0.97,1")) == 0
    told = capsys.readouterr()
    assert "miss their target" not in told.err
    [at] = [line.split()[4].rstrip(",") for line in told.out.splitlines() if line.startswith("knee at s")]
    [single] = [row["one_pixel"] for row in rows_of(tmp_path / "pixels") if f"{float(row['target']):.4f}" == at]
    assert int(single) >= 2
    assert f"at the knee, {single} of 4 basis images have one pixel" in told.err


def test_a_fit_goes_on_from_a_point(stack, tmp_path, capsys):
    assert main(command(stack, tmp_path / "out")) == 0
    point, again = tmp_path / "out" / "point_2.npz", tmp_path / "again"
    fit = ["fit", str(stack), "--rank", "4", "--sparsity", "0.6", "--max-iter", "5", "--quiet"]
    assert main([*fit, "--init", str(point), "--out", str(again)]) == 0
    error = json.loads((again / "run.json").read_text())["result"]["error"]
    assert error <= 1.001 * float(rows_of(tmp_path / "out")[1]["error"])


def test_a_file_of_the_user_is_not_replaced(stack, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "path.csv").write_text("mine")
    assert main([*command(stack, out), "--force"]) == 2
    assert "already holds path.csv" in capsys.readouterr().err
    assert (out / "path.csv").read_text() == "mine"


def test_weights_mask_and_start_reach_the_runs(stack, tmp_path, capsys):
    out, weights, mask = tmp_path / "out", tmp_path / "weights.npy", tmp_path / "mask.npy"
    np.save(weights, np.linspace(0.2, 1, 48).reshape(8, 6))
    hidden = np.zeros((8, 6), np.uint8)
    hidden[0, 0] = 1
    np.save(mask, hidden)
    assert main(command(stack, out, "--weights", weights, "--mask", mask, "--seed", 3)) == 0
    data = gs.load_dataset(stack)
    params = gs.Params(4, "wgsphals", max_iter=30, seed=3, weights=np.linspace(0.2, 1, 48))
    missing = np.repeat(hidden.reshape(-1, 1) == 1, 40, axis=1)
    for row, result in zip(rows_of(out), gs.solved_path(data.X, params, (0.3, 0.6, 0.9), mask=missing), strict=True):
        assert np.array_equal(read_factors(out / row["file"])[0], result.W)
    with np.load(out / "inputs.npz") as inputs:
        assert np.array_equal(inputs["mask"], missing)
        assert len(inputs["start_weights"]) == 48


def test_points_that_are_solved_survive_a_failure(stack, tmp_path, capsys, monkeypatch):
    real, done = Runner.run, []

    def run(self, on_record=None):
        done.append(1)
        if len(done) > 2:
            self.spec = replace(self.spec, params=replace(self.spec.params, rank=99))
        return real(self, on_record)

    monkeypatch.setattr(Runner, "run", run)
    out = tmp_path / "out"
    assert main(command(stack, out)) == 2
    said = capsys.readouterr().err
    assert "rank 99 exceeds" in said
    assert "the 2 of 3 points that are solved are kept" in said
    assert [float(row["target"]) for row in rows_of(out)] == [0.3, 0.6]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_keeps_what_is_solved_and_no_longer_path_is_replaced(stack, tmp_path, capsys):
    out = tmp_path / "out"
    many = command(stack, out, "--sparsities", "0.3:0.9:900", "--max-iter", 60)
    many.remove("--quiet")
    process = subprocess.Popen([sys.executable, "-m", "gsp_studio.cli", *many], stderr=subprocess.PIPE, text=True)
    lines = []
    end = time.monotonic() + PATIENCE
    while not lines or "runs" not in lines[-1]:  # a tenth of the runs is done
        assert time.monotonic() < end
        lines.append(process.stderr.readline())
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    solved = len(rows_of(out))
    assert f"interrupted; the {solved} of 900 points that are solved are kept, and written now" in said
    assert 1 <= solved < 900
    assert len(list(out.glob("point_*"))) == solved
    assert not list(out.glob(".*")), "nothing half-written is left"


def test_an_interrupted_path_is_written_beside_a_longer_one(stack, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    assert main(command(stack, out)) == 0
    real, done = Runner.run, []

    def run(self, on_record=None):
        done.append(1)
        if len(done) > 1:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, on_record)

    monkeypatch.setattr(Runner, "run", run)
    assert main(command(stack, out)) == 130
    assert "holds more points" in capsys.readouterr().err
    assert len(rows_of(out)) == 3
    assert len(rows_of(tmp_path / "out-2")) == 1


def test_without_matplotlib_all_but_the_curve_is_there(stack, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(path_files, "can_draw", lambda: False)
    assert main(command(stack, tmp_path / "out")) == 0
    assert "without matplotlib the curve is not drawn" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("path.[ps][ndv]*"))
    assert len(rows_of(tmp_path / "out")) == 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.5:0.9:5", (0.5, 0.6, 0.7, 0.8, 0.9)),
        ("0.9:0.5:2", (0.9, 0.5)),
        ("0.8,0.5", (0.8, 0.5)),
        ("1", (1.0,)),
    ],
)
def test_targets_of_the_command_line(text, found):
    assert targets(text) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--sparsities", "0.5:0.9:0.1"], 'sparsities "0.5:0.9:0.1" are none; accepted are A:B:COUNT'),
        (["--sparsities", "0.5:0.9:1"], "are none"),
        (["--sparsities", "0.5:0.9"], "are none"),
        (["--sparsities", "0.5:1.9:5"], "are none"),
        (["--sparsities", "0.5:nan:5"], "are none"),
        (["--sparsities", "nan"], "are none"),
        (["--sparsities", ""], "are none"),
        (["--sparsities", "0:1:100000000000"], "with 2 to 1000 targets"),
        (["--sparsities", "0.5,0.8,0.5"], "sparsities hold 0.5 twice"),
        (["--method", "ahals"], 'the method "ahals" has no target'),
        (["--method", "wsnmf"], "needs weights"),
        (["--rank", "41"], "rank 41 exceeds min"),
        (["--max-iter", "0"], "max_iter is 0"),
        (["--backend", "tpu"], 'backend "tpu" is not known'),
        (["--out", ""], "the name of the export folder is empty"),
    ],
)
def test_bad_input_gives_one_sentence_and_writes_nothing(change, message, stack, tmp_path, capsys):
    out = tmp_path / "out"
    try:
        code = main(command(stack, out, *change))
    except SystemExit as end:  # argparse, about a value
        code = end.code
    assert code == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not out.exists()


def test_a_path_needs_a_rank(stack, tmp_path, capsys):
    assert main(["path", str(stack), "--out", str(tmp_path / "out")]) == 2
    assert "path needs --rank" in capsys.readouterr().err
