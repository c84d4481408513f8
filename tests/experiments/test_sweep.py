"""Sweeps: the order of the cells, what is kept and found again, what is cancelled; each cell to the last bit."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from gsp_studio.core.nmf import Params, factorize
from gsp_studio.engine.runner import Runner
from gsp_studio.experiments import sweep as sweep_module
from gsp_studio.experiments.grid import ABOUT, Cell, Grid, GridFolder, last_grid
from gsp_studio.experiments.solver_pool import Interrupted
from gsp_studio.experiments.sweep import Stage, Sweep
from gsp_studio.io.atomic import WriteError
from gsp_studio.io.hdf5_content import SessionError
from gsp_studio.io.readers import load_dataset

PATIENCE = 60
BASE = Params(1, "psnmf", max_iter=6)
GRID = Grid(BASE, (2, 3), (0.4, 0.6), (0, 1))
ENDLESS = replace(GRID, base=replace(BASE, max_iter=10**8, tol=0.0))


@pytest.fixture
def pictures(tmp_path):
    """30 images of 6 x 7."""
    path = tmp_path / "pictures.npy"
    np.save(path, np.random.default_rng(0).random((30, 6, 7)).astype(np.float32))
    return path


@pytest.fixture
def dataset(pictures):
    return load_dataset(pictures)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "sweeps"


@pytest.fixture
def solved(monkeypatch):
    """(rank, sparsity, seed) of every run that is computed, in order."""
    done = []

    class Counting(Runner):
        def run(self, on_record=None):
            params = self.spec.params
            done.append((params.rank, params.sparsity, params.seed))
            return super().run(on_record)

    monkeypatch.setattr(sweep_module, "Runner", Counting)
    return done


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def stages(sweep):
    return {state.cell: state.stage for state in sweep.poll().states}


def test_the_first_seed_of_all_goes_before_the_second_of_any(dataset, root, solved):
    told = []
    done = Sweep(dataset, GRID, root).run(told.append)
    assert solved == [(r, s, seed) for seed in (0, 1) for r in (2, 3) for s in (0.4, 0.6)]
    assert told == list(done.states)
    assert done.count(Stage.DONE) == 8
    assert not done.is_going
    assert not done.problem
    for state in done.states:
        assert state.n_iter == 6
        assert state.sparsity >= state.cell.sparsity - 1e-6
        assert 0 < state.error < 1
        assert state.seconds > 0


def test_a_cell_has_the_bits_of_factorize(dataset, root):
    sweep = Sweep(dataset, GRID, root)
    done = sweep.run()
    for state in (done.states[0], done.states[-1]):
        cell = state.cell
        result = factorize(dataset.X, Params(cell.rank, "psnmf", cell.sparsity, cell.seed, 6))
        run = sweep.shelf.read(cell).run
        assert run.result.W.tobytes("A") == result.W.tobytes("A")
        assert run.result.H.tobytes("A") == result.H.tobytes("A")
        assert (state.error, state.sparsity) == (result.error, result.sparsity)
        assert run.start == result.params
        assert run.reason == "all iterations done"


def test_a_second_sweep_computes_nothing_and_a_larger_grid_what_is_new(dataset, root, solved):
    first = Sweep(dataset, GRID, root).run()
    solved.clear()
    assert Sweep(dataset, GRID, root).look() == replace(first, is_going=False)
    again = Sweep(dataset, GRID, root).run()
    assert [replace(state) for state in again.states] == list(first.states)
    assert not solved
    larger = Grid(BASE, (2, 3, 4), (0.6, 0.8), (1, 2))
    done = Sweep(dataset, larger, root).run()
    new = {(c.rank, c.sparsity, c.seed) for c in larger.cells} - {(c.rank, c.sparsity, c.seed) for c in GRID.cells}
    assert set(solved) == new
    assert len(solved) == len(new)
    assert done.count(Stage.DONE) == 12


def test_a_folder_is_named_by_all_that_its_runs_share(dataset, pictures, root):
    def folder(base=BASE, data=dataset, **more):
        return GridFolder(root, data.fingerprint, base, "cpu", **more).folder

    own = folder()
    assert folder(replace(BASE, rank=7, sparsity=0.1, seed=3)) == own
    others = [
        folder(replace(BASE, max_iter=7)),
        folder(replace(BASE, method="cpsnmf")),
        folder(replace(BASE, sparsity_h=0.5)),
        folder(replace(BASE, weights=np.ones(42))),
        folder(replace(BASE, weights=np.full(42, 2.0))),
        folder(data=load_dataset(pictures, dtype="float64")),
        folder(mask=np.zeros(dataset.X.shape, bool)),
        GridFolder(root, dataset.fingerprint, BASE, "reference").folder,
    ]
    assert len({own, *others}) == 9


def test_damaged_files_are_computed_again(dataset, root, solved):
    sweep = Sweep(dataset, GRID, root)
    first = sweep.run()
    cells = GRID.cells
    half, empty, flipped, renamed = (sweep.shelf.path(cell) for cell in cells[:4])
    before = sweep.shelf.path(cells[4]).stat().st_mtime_ns
    half.write_bytes(half.read_bytes()[:900])
    empty.write_bytes(b"")
    flipped.write_bytes(b"\x00" * 64 + flipped.read_bytes()[64:])
    renamed.write_bytes(sweep.shelf.path(cells[5]).read_bytes())
    with pytest.raises(SessionError, match="another run than its name says"):
        sweep.shelf.read(cells[3])
    solved.clear()
    done = Sweep(dataset, GRID, root).run()
    assert solved == [(c.rank, c.sparsity, c.seed) for c in cells[:4]]
    assert [state.error for state in done.states] == [state.error for state in first.states]
    assert sweep.shelf.path(cells[4]).stat().st_mtime_ns == before
    with pytest.raises(SessionError, match="not finished"):
        sweep.shelf.read(Cell(9, 0.4, 0))


def test_one_is_cancelled_within_its_iterations_and_the_others_go_on(dataset, root):
    sweep = Sweep(dataset, ENDLESS, root)
    first, second, *_ = cells = ENDLESS.cells
    sweep.start()
    wait_until(lambda: sweep.poll().states[0].n_iter > 0)
    sweep.cancel([second])
    assert stages(sweep)[second] is Stage.CANCELLED
    assert stages(sweep)[first] is Stage.RUNNING
    sweep.cancel([first])
    wait_until(lambda: sweep.poll().states[2].n_iter > 0)
    assert [stages(sweep)[cell] for cell in cells] == [
        Stage.CANCELLED,
        Stage.CANCELLED,
        Stage.RUNNING,
        *[Stage.QUEUED] * 5,
    ]
    sweep.cancel_all()
    assert sweep.join(PATIENCE)
    assert set(stages(sweep).values()) == {Stage.CANCELLED}
    assert not sweep.poll().is_going
    assert [path.name for path in sweep.shelf.folder.iterdir()] == [ABOUT]


def test_cancelling_all_keeps_what_is_finished(dataset, root, solved):
    done_first = Sweep(dataset, replace(GRID, seeds=(0,)), root).run()
    grid = replace(GRID, base=replace(BASE, max_iter=6), ranks=(2, 3, 5))
    sweep = Sweep(dataset, grid, root)
    sweep.pause()
    sweep.start()
    wait_until(lambda: sweep.poll().count(Stage.DONE) == 4)
    assert sweep.poll().is_paused
    sweep.cancel_all()
    assert sweep.join(PATIENCE)
    assert sweep.poll().count(Stage.DONE) == 4
    assert sweep.poll().count(Stage.CANCELLED) == 8
    assert len(solved) == 4
    assert done_first.count(Stage.DONE) == 4
    assert Sweep(dataset, grid, root).run().count(Stage.DONE) == 12


def test_a_pause_stops_between_two_iterations(dataset, root):
    sweep = Sweep(dataset, ENDLESS, root)
    sweep.start()
    wait_until(lambda: sweep.poll().states[0].n_iter > 3)
    sweep.pause()
    wait_until(lambda: sweep._running[1].state.value == "paused")
    at = sweep.poll().states[0].n_iter
    time.sleep(0.05)
    assert sweep.poll().states[0].n_iter == at
    sweep.resume()
    wait_until(lambda: sweep.poll().states[0].n_iter > at)
    sweep.pause()
    sweep.cancel_all()
    assert sweep.join(PATIENCE)


def test_ctrl_c_keeps_what_is_finished(dataset, root, monkeypatch, solved):
    sweep = Sweep(dataset, GRID, root)
    note = Sweep._note

    def interrupted(self, cell, record):
        if cell == GRID.cells[3] and record.n_iter == 2:
            raise KeyboardInterrupt
        note(self, cell, record)

    monkeypatch.setattr(Sweep, "_note", interrupted)
    with pytest.raises(Interrupted) as stop:
        sweep.run()
    assert (stop.value.finished, stop.value.total) == (3, 8)
    monkeypatch.setattr(Sweep, "_note", note)
    solved.clear()
    assert Sweep(dataset, GRID, root).run().count(Stage.DONE) == 8
    assert len(solved) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="a signal that cannot be caught")
def test_after_a_kill_the_same_call_goes_on(pictures, dataset, root, solved):
    """Killed in mid-sweep: what was finished is whole, the rest is computed by the same call."""
    args = [
        "sweep",
        pictures,
        "--method",
        "psnmf",
        "--ranks",
        "2,3",
        "--sparsities",
        "0.4,0.6",
        "--seeds",
        20,
        "--max-iter",
        40,
    ]
    command = [sys.executable, "-m", "gsp_studio.cli", *map(str, args), "--out", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(list(root.rglob("rank*.h5"))) >= 5)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
    grid = Grid(replace(BASE, max_iter=40), (2, 3), (0.4, 0.6), range(20))
    assert last_grid(root, dataset.fingerprint) == grid
    finished = {path: path.stat().st_mtime_ns for path in root.rglob("rank*.h5")}
    assert 5 <= len(finished) < 80
    sweep = Sweep(dataset, grid, root)
    assert sweep.look().count(Stage.DONE) == len(finished)
    assert sweep.run().count(Stage.DONE) == 80
    assert len(solved) == 80 - len(finished)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_what_a_killed_process_had_begun_is_removed_an_hour_later(dataset, root):
    sweep = Sweep(dataset, replace(GRID, seeds=(0,)), root)
    sweep.shelf.folder.mkdir(parents=True)
    old, new = (sweep.shelf.folder / f".rank2-{name}.part" for name in ("old", "new"))
    for part in (old, new):
        part.write_bytes(b"half a run")
    os.utime(old, (time.time() - 4000,) * 2)
    assert sweep.run().count(Stage.DONE) == 4
    assert (old.exists(), new.exists()) == (False, True)


def test_images_that_stay_in_their_file(pictures, root):
    streamed = load_dataset(pictures, storage="disk")
    grid = replace(GRID, seeds=(0,))
    sweep = Sweep(streamed, grid, root)
    assert sweep.run().count(Stage.DONE) == 4
    cell = grid.cells[-1]
    result = factorize(streamed.X, grid.params_of(cell))
    assert np.array_equal(sweep.shelf.read(cell).run.result.W, result.W)
    endless = Sweep(streamed, replace(ENDLESS, seeds=(0,)), root)
    endless.start()
    wait_until(lambda: endless.poll().states[0].n_iter > 0)
    endless.cancel_all()
    assert endless.join(PATIENCE)


def test_a_method_without_a_target_has_one_column(dataset, root):
    grid = Grid(replace(BASE, method="ahals"), (2, 3), (0.4, 0.6))
    assert grid.targets == (None,)
    assert [str(cell) for cell in grid.cells] == ["rank 2, seed 0", "rank 3, seed 0"]
    sweep = Sweep(dataset, grid, root)
    assert sweep.run().count(Stage.DONE) == 2
    assert Sweep(dataset, replace(grid, sparsities=(0.9,)), root).look().count(Stage.DONE) == 2
    assert sweep.shelf.path(grid.cells[0]).name == "rank2-seed0.h5"


def test_the_last_grid_is_found_with_its_arrays(dataset, root):
    weights = np.linspace(0.1, 1, 42)
    grid = Grid(Params(1, "wsnmf", max_iter=2, weights=weights, sparsity_h=0.3), (2, 4), (0.5,), (3,))
    assert last_grid(root, dataset.fingerprint) is None
    Sweep(dataset, GRID, root).run()
    sweep = Sweep(dataset, grid, root)
    sweep.run()
    os.utime(sweep.shelf.folder / ABOUT, ns=(time.time_ns() + 10**9,) * 2)
    found = last_grid(root, dataset.fingerprint)
    assert found == grid
    assert np.array_equal(found.base.weights, weights)
    assert last_grid(root, "0" * 64) is None
    about = json.loads((sweep.shelf.folder / ABOUT).read_text())
    assert about["data"]["source"] == dataset.source
    assert about["backend"] == "cpu"
    (sweep.shelf.folder / ABOUT).write_text("{")
    assert last_grid(root, dataset.fingerprint) == GRID


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (lambda: Grid(BASE, (), (0.5,)), "a sweep needs ranks"),
        (lambda: Grid(BASE, (2,), ()), "a sweep needs sparsities"),
        (lambda: Grid(BASE, (2,), (0.5,), ()), "a sweep needs seeds"),
        (lambda: Grid(replace(BASE, method="pca"), (2,), (0.5,)), 'method "pca" is not known'),
        (lambda: Grid(BASE, (2, 31), (0.5,)), "rank 31 exceeds min"),
        (lambda: Grid(BASE, (2,), (0.5, 1.5)), "sparsity is 1.5"),
        (lambda: Grid(replace(BASE, max_iter=0), (2,), (0.5,)), "max_iter is 0"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(dataset, root, grid, message):
    with pytest.raises(ValueError, match=message):
        Sweep(dataset, grid(), root)
    assert not root.exists()


def test_a_run_that_fails_is_told_and_the_next_ones_go_on(dataset, root, monkeypatch):
    from gsp_studio.engine import runner

    def too_large(nbytes, what):
        if "rank 3" in what:
            raise ValueError("not enough memory for this")

    monkeypatch.setattr(runner, "require_memory", too_large)
    done = Sweep(dataset, replace(GRID, seeds=(0,)), root).run()
    assert [state.stage for state in done.states] == [Stage.DONE, Stage.DONE, Stage.FAILED, Stage.FAILED]
    assert done.states[2].text == "not enough memory for this"


def test_a_folder_that_cannot_be_written_ends_it_with_a_sentence(dataset, root, monkeypatch):
    root.write_text("in the way")
    with pytest.raises(WriteError, match="cannot be made"):
        Sweep(dataset, GRID, root).run()
    sweep = Sweep(dataset, GRID, root)
    sweep.start()
    assert sweep.join(PATIENCE)
    assert "cannot be made" in sweep.poll().problem
    root.unlink()

    def full(path, saved):
        raise WriteError(f"{path} cannot be written: No space left on device")

    monkeypatch.setattr("gsp_studio.experiments.grid.write_run", full)
    sweep = Sweep(dataset, GRID, root)
    sweep.start()
    assert sweep.join(PATIENCE)
    told = sweep.poll()
    assert told.problem == told.states[0].text
    assert "No space left" in told.problem
    assert "Traceback" in told.details
    assert told.count(Stage.CANCELLED) == 7, "the others could not be kept either"


def test_a_sweep_is_done_once(dataset, root):
    sweep = Sweep(dataset, replace(GRID, seeds=(0,), ranks=(2,)), root)
    sweep.run()
    with pytest.raises(RuntimeError):
        sweep.start()
    assert sweep.join()
