"""``gsp-studio sweep`` as a user meets it: lines, tables, files, going on, one sentence for bad input."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.cli import main
from gsp_studio.engine.runner import Runner

PATIENCE = 120


@pytest.fixture
def stack(tmp_path):
    """30 images of 6 x 5 in a .npy stack."""
    path = tmp_path / "stack.npy"
    np.save(path, np.random.default_rng(0).random((30, 6, 5)).astype(np.float32))
    return path


def command(stack, out, *more):
    options = ["--ranks", "2:5:2", "--sparsities", "0.5:0.7:0.1", "--seeds", "2", "--max-iter", "5", *map(str, more)]
    return ["sweep", str(stack), "--out", str(out), *options]


def test_a_line_a_cell_a_table_and_files(stack, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(command(stack, out)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["rank", "s", "seed", "error", "sparsity", "time"]
    assert [line.split()[:3] for line in lines[1:9]] == [
        [str(r), s, str(seed)] for seed in (0, 1) for r in (2, 4) for s in ("0.5", "0.6")
    ]
    [folder] = out.iterdir()
    with (folder / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    data = gs.load_dataset(stack)
    expected = {}
    for row in rows:
        rank, s, seed = int(row["rank"]), float(row["sparsity"]), int(row["seed"])
        result = gs.factorize(data.X, gs.Params(rank, "gsphals", s, seed, 5))
        assert float(row["error"]) == result.error
        assert float(row["attained"]) == result.sparsity
        assert row["state"] == "done"
        assert (folder / row["file"]).is_file()
        expected.setdefault((rank, s), []).append(result.error)
    assert "mean error in % over 2 seeds" in lines[10]
    assert lines[11].split() == ["0.5", "0.6"]
    for line, rank in zip(lines[12:14], (2, 4), strict=True):
        means = [f"{100 * np.mean(expected[rank, s]):.3f}" for s in (0.5, 0.6)]
        assert line.split() == [str(rank), *means]
    assert str(folder) in lines[-1]


def test_json_stands_alone_on_stdout_and_a_second_call_computes_nothing(stack, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    assert main(command(stack, out, "--json", "--method", "ahals")) == 0
    told = capsys.readouterr()
    first = json.loads(told.out)
    assert "mean error" in told.err
    assert [(c["rank"], c["sparsity"], c["seed"]) for c in first["cells"]] == [
        (r, None, seed) for seed in (0, 1) for r in (2, 4)
    ]
    monkeypatch.setattr(Runner, "run", lambda *args: pytest.fail("this run was done before"))
    assert main(command(stack, out, "--json", "--method", "ahals", "--sparsities", "0.9")) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == first
    assert "4 of 4 runs were finished before" in told.err


def test_what_the_solver_takes_is_in_the_runs(stack, tmp_path, capsys):
    weights = tmp_path / "weights.npy"
    np.save(weights, np.linspace(0.2, 1, 30).reshape(6, 5))
    args = ["--method", "wsnmf", "--weights", weights, "--sparsity-h", 0.3, "--continuation", "--json"]
    assert main(command(stack, tmp_path / "out", *args)) == 0
    told = json.loads(capsys.readouterr().out)
    from gsp_studio.io.saved_run import read_run

    saved = read_run(tmp_path / "out" / told["folder"].split("/")[-1] / told["cells"][0]["file"])
    assert saved.run.start.sparsity_h == 0.3
    assert saved.run.start.continuation == 2
    assert len(saved.run.start.weights) == 30


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_keeps_finished_cells_and_the_same_command_goes_on(stack, tmp_path, capsys):
    out = tmp_path / "out"
    args = [*command(stack, out), "--seeds", "300", "--max-iter", "60"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gsp_studio.cli", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + PATIENCE
    while len(list(out.rglob("rank*.h5"))) < 3:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "goes on from there" in said
    assert "Traceback" not in said
    kept = len(list(out.rglob("rank*.h5")))
    assert f"{kept} of 1200 runs are finished" in said
    assert not list(out.rglob(".*")), "nothing half-written is left"
    assert main([*command(stack, out), "--seeds", "1", "--max-iter", "60"]) == 0
    assert f"{min(kept, 4)} of 4 runs were finished before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--ranks", "2:2"], 'ranks "2:2" are none'),
        (["--sparsities", "0.5:1.4:0.1"], 'sparsities "0.5:1.4:0.1" are none'),
        (["--sparsities", "0.5:0.9:0"], "are none"),
        (["--sparsities", "a,b"], "are none"),
        (["--sparsities", "0:1:1e-9"], "accepted are up to 1000"),
        (["--seeds", "0"], "seeds is 0"),
        (["--ranks", "2,31"], "rank 31 exceeds min"),
        (["--method", "pca"], 'method "pca" is not known'),
        (["--method", "wsnmf"], "needs weights"),
        (["--backend", "tpu"], 'backend "tpu" is not known'),
        (["--max-iter", "0"], "max_iter is 0"),
    ],
)
def test_bad_input_gives_one_sentence_and_writes_nothing(change, message, stack, tmp_path, capsys):
    out = tmp_path / "out"
    try:
        code = main([*command(stack, out), *change])
    except SystemExit as end:  # argparse, about a range
        code = end.code
    assert code == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not out.exists()


def test_a_file_is_no_folder(stack, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(command(stack, tmp_path / "file")) == 2
    assert "cannot be the folder of a sweep" in capsys.readouterr().err
    assert main(command(stack, "")) == 2
    assert (tmp_path / "file").read_text() == "in the way"
