"""repeat.py: it runs alone, and gives the same bits."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from making import pictures

import gsp_studio as gs
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.export import script
from gsp_studio.io.export.figures import FigureStyle
from gsp_studio.io.export.html_report import report_of
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.export.script import script_of, text_of_run
from gsp_studio.io.run_record import ExportedRun


@pytest.fixture
def dataset(tmp_path):
    np.save(tmp_path / "stäck.npy", pictures(30))
    return gs.load_dataset(tmp_path / "stäck.npy")


def exported(out, dataset, params, steps=(), mask=None, what=None):
    """Export a run that took these steps; its result."""
    steering = {}
    for n, change in steps:
        steering.setdefault(n, []).append(change)
    backend = gs.get_backend("cpu", threads=1)
    result = gs.factorize(dataset.X, params, backend, mask=mask, steering=steering)
    run = ExportedRun(
        result=result, start=params, interventions=tuple(steps), reason="done", backend="cpu", threads=1, mask=mask
    )
    export_run(out, dataset, run, what)
    return result


def repeated(out, *arguments):
    command = [sys.executable, "-W", "error", str(out / "repeat.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=out.parent)


def test_a_plain_run(tmp_path, dataset):
    out = tmp_path / "out"
    result = exported(out, dataset, gs.Params(rank=4, sparsity=0.5, max_iter=6))
    text = (out / "repeat.py").read_text(encoding="ascii")
    said = ["rank=4", "method='gsphals'", "sparsity=0.5", "max_iter=6", "tol=0.0"]
    assert "params = gs.Params(\n" + "".join(f"    {part},\n" for part in said) + ")\n" in text
    assert "replace" not in text
    assert "inputs" not in text
    done = repeated(out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"error {100 * result.error:.3f} %, sparsity {result.sparsity:.4f}, 6 iterations",
        "the factors are the same to the last bit",
    ]


def test_a_steered_run_with_arrays_and_missing_entries(tmp_path, dataset):
    out, rng = tmp_path / "out", np.random.default_rng(0)
    m, n = dataset.X.shape
    params = gs.Params(
        rank=4,
        method="wsnmf",
        sparsity=0.5,
        max_iter=9,
        init=(rng.random((m, 4), np.float32), rng.random((4, n), np.float32)),
        weights=np.linspace(0.5, 1, m),
    )
    split = replace(params, rank=5)
    steps = [
        (2, replace(params, sparsity=0.7)),
        (4, gs.Split(1)),
        (4, replace(split, weights=rng.random(m) + 0.1, frozen=(0, 3))),
        (6, gs.Kill(0)),
        (7, gs.Reseed(1)),
    ]
    exported(out, dataset, params, steps, mask=rng.random((m, n)) < 0.1)
    assert "    7: [gs.Reseed(1)],\n" in (out / "repeat.py").read_text(encoding="ascii")
    done = repeated(out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "the factors are the same to the last bit"


def test_data_that_have_moved_and_data_of_somebody_else(tmp_path, dataset):
    out, moved = tmp_path / "out", tmp_path / "moved.npy"
    exported(out, dataset, gs.Params(rank=2, sparsity=0.5, max_iter=2), what=ExportOptions(factors=False))
    (tmp_path / "stäck.npy").rename(moved)
    done = repeated(out, moved)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("error ")
    assert "factors" not in done.stdout
    np.save(tmp_path / "other.npy", pictures(30, seed=1))
    done = repeated(out, tmp_path / "other.npy")
    assert done.returncode == 1
    assert done.stderr.strip() == f"{tmp_path / 'other.npy'} does not hold the data of this run"


def test_a_run_that_held_entries_out_beside_a_mask(tmp_path, dataset):
    mask = np.random.default_rng(1).random(dataset.X.shape) < 0.1
    params = gs.Params(rank=3, sparsity=0.5, max_iter=25, continuation=20, held_out=0.04)
    exported(tmp_path / "out", dataset, params, mask=mask)
    assert "held_out=0.04" in (tmp_path / "out" / "repeat.py").read_text(encoding="ascii")
    assert "the factors are the same to the last bit" in repeated(tmp_path / "out").stdout


class TestTextAlone:
    """The run as a text for a cell of a notebook."""

    @pytest.fixture
    def steered(self, dataset):
        """A run with weights, a start, a mask and steps of its own."""
        rng = np.random.default_rng(0)
        m, n = dataset.X.shape
        init = (rng.random((m, 4), np.float32), rng.random((4, n), np.float32))
        weights = np.linspace(0.5, 1, m)
        params = gs.Params(rank=4, method="wsnmf", sparsity=0.5, max_iter=6, init=init, weights=weights)
        steps = ((2, replace(params, sparsity=0.7, weights=weights[::-1].copy())), (4, gs.Split(1)))
        mask = rng.random((m, n)) < 0.1
        steering = {n_iter: [change] for n_iter, change in steps}
        result = gs.factorize(dataset.X, params, gs.get_backend("cpu", threads=1), mask=mask, steering=steering)
        return ExportedRun(result=result, start=params, interventions=steps, backend="cpu", threads=1, mask=mask)

    def test_it_runs_without_a_file_of_its_own_in_any_folder(self, tmp_path, dataset, steered, monkeypatch):
        text = text_of_run(dataset, steered)
        assert "inputs.npz" not in text
        assert "__file__" not in text
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        names: dict[str, object] = {"__name__": "__main__"}
        exec(text, names)  # as a notebook does: there is no __file__
        np.testing.assert_array_equal(names["result"].W, steered.result.W)
        np.testing.assert_array_equal(names["result"].H, steered.result.H)

    def test_the_data_are_named_from_the_root(self, tmp_path, steered, monkeypatch):
        (tmp_path / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "a" / "b")
        relative = gs.load_dataset("../../stäck.npy")
        for text in (text_of_run(relative, steered), script_of(relative, steered)):
            assert ascii(str(tmp_path / "stäck.npy")) in text
            assert ".." not in text.split("gs.load_dataset")[1].split(")")[0]

    def test_arrays_that_are_too_large_are_refused_with_the_remedy(self, dataset, steered, monkeypatch):
        monkeypatch.setattr(script, "_MOST_BYTES", 1000)
        with pytest.raises(ExportError, match=r"too much for a text.*export the run"):
            text_of_run(dataset, steered)


def test_the_report_says_which_parameters_changed(dataset):
    params = gs.Params(rank=3, sparsity=0.5, max_iter=6)
    changes = ((2, replace(params, sparsity=0.7)), (3, gs.Split(0)), (4, replace(params, rank=4, sparsity=0.6)))
    steering = {n: [change] for n, change in changes}
    result = gs.factorize(dataset.X, params, steering=steering)
    run = ExportedRun(result=result, start=params, interventions=changes, reason="done")
    text = report_of(dataset, run, FigureStyle())
    for words in ("s 0.500 → 0.700", "basis 1 split", "s 0.700 → 0.600"):
        assert words in text
    assert "new parameters" not in text
