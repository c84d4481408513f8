"""Session without panels: runs, from the button to the export."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import fakes
import numpy as np
import pytest
from handling import Listener, threads_of_sessions, wait_until

import gsp_studio as gs
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.core import nmf
from gsp_studio.engine import runner
from gsp_studio.engine.run import FinishReason
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import Phase, RunSettings
from gsp_studio.gui.texts import about_run
from gsp_studio.io.export.options import ExportOptions


def run_to_the_end(session: Session, **changes: object) -> None:
    """One run; the session has one run more afterwards."""
    session.settings.set_choice(session.settings.choice.with_params(**changes))
    count = len(session.runs.entries)
    session.run()
    wait_until(lambda: len(session.runs.entries) == count + 1)


def start_endless(session: Session) -> None:
    """A run that ends only when it is cancelled; some iterations have been seen."""
    session.settings.set_choice(session.settings.choice.with_params(max_iter=10**6, tol=0.0))
    session.run_or_pause()
    wait_until(lambda: len(session.course.records) >= 5)


def test_run_to_the_end_tells_everything(faces: Session) -> None:
    names = (
        "phaseChanged",
        "live.progressed",
        "course.recordsReset",
        "course.recordsAdded",
        "runs.changed",
        "display.shownChanged",
        "failed",
    )
    heard = Listener(faces, *names)
    run_to_the_end(faces, sparsity=0.8, max_iter=20)
    assert heard["phaseChanged"] == [Phase.RUNNING, Phase.IDLE]
    assert heard["failed"] == []
    first, last = heard["progressed"][0], heard["progressed"][-1]
    assert (first.n_iter, first.max_iter) == (0, 20)
    assert (last.n_iter, last.max_iter, last.left) == (20, 20, 0)
    assert last.elapsed == pytest.approx(20 * last.each)
    assert [record.n_iter for part in heard["recordsAdded"] for record in part] == list(range(1, 21))
    assert heard["recordsReset"][0] == ()
    assert [record.n_iter for record in heard["recordsReset"][-1]] == list(range(1, 21))
    [entry] = faces.runs.entries
    assert heard["changed"][-1] == (faces.runs.entries, 0)
    assert (entry.number, entry.name, entry.state) == (1, "Run 1", "done")
    assert entry.choice == RunSettings().with_params(rank=9, sparsity=0.8, max_iter=20)
    assert faces.display.shown is entry.shown
    assert faces.basis.pinned is entry.pinned
    assert faces.display.shown.meets_target
    assert faces.display.shown.attained >= 0.8 - 1e-5


def test_the_same_run_without_a_window_gives_the_same_factors(faces: Session) -> None:
    run_to_the_end(faces, sparsity=0.8, max_iter=12, seed=3)
    spec = faces.runs.entries[0].spec
    result = gs.factorize(
        faces.dataset.X, gs.Params(9, "gsphals", 0.8, 3, 12), gs.get_backend(spec.backend, spec.threads)
    )
    np.testing.assert_array_equal(faces.display.shown.W, result.W)
    np.testing.assert_array_equal(faces.display.shown.H, result.H)


def test_a_run_pins_what_its_projection_gives_its_basis_from(faces: Session) -> None:
    run_to_the_end(faces, method="psnmf", sparsity=0.85, max_iter=20)
    W, pinned, error = faces.display.shown.W, faces.basis.pinned, faces.display.shown.error
    assert pinned.sparsity < 0.849, "the basis is pinned, not what it was projected from"
    assert not np.array_equal(pinned.W, W)
    np.testing.assert_array_equal(gs.group_sparse_projection(pinned.W, 0.85).values, W)
    X = faces.dataset.X.astype(float)
    assert error == pytest.approx(np.linalg.norm(X - W.astype(float) @ pinned.H) / np.linalg.norm(X), rel=1e-4)
    order = faces.display.shown.order
    faces.settings.set_sparsity(0.9)
    assert not np.array_equal(faces.display.shown.W, W)
    faces.settings.set_sparsity(0.85)  # nothing jumps when the slider comes back
    np.testing.assert_allclose(faces.display.shown.W, W, rtol=0, atol=1e-6 * W.max())
    assert faces.display.shown.error == pytest.approx(error, rel=1e-5)
    np.testing.assert_array_equal(faces.display.shown.order, order)


def test_pause_resume_cancel_keeps_the_best(faces: Session) -> None:
    heard = Listener(faces, "phaseChanged", "failed")
    start_endless(faces)
    faces.run_or_pause()
    assert faces.phase is Phase.PAUSED
    wait_until(lambda: faces.live.runner.state.name == "PAUSED")
    faces.poll()
    paused_at = len(faces.course.records)
    for _ in range(10):
        faces.poll()
    assert len(faces.course.records) == paused_at
    faces.run_or_pause()
    assert faces.phase is Phase.RUNNING
    wait_until(lambda: len(faces.course.records) > paused_at + 3)
    faces.cancel()
    assert faces.phase is Phase.CANCELLING
    wait_until(lambda: faces.phase is Phase.IDLE)
    phases = [Phase.RUNNING, Phase.PAUSED, Phase.RUNNING, Phase.CANCELLING, Phase.IDLE]
    assert heard["phaseChanged"] == phases
    assert heard["failed"] == []
    [entry] = faces.runs.entries
    assert entry.outcome.reason is FinishReason.CANCELLED
    assert entry.state == "stopped"
    best = min(record.error for record in entry.records if record.sparsity >= record.target - 1e-5)
    assert entry.shown.error == pytest.approx(best)
    assert faces.display.shown is entry.shown


def test_cancel_while_paused_ends_the_run(faces: Session) -> None:
    start_endless(faces)
    faces.run_or_pause()
    wait_until(lambda: faces.live.runner.state.name == "PAUSED")
    faces.cancel()
    faces.run_or_pause()  # neither pauses nor resumes what is being cancelled
    wait_until(lambda: faces.phase is Phase.IDLE)
    assert faces.runs.entries[0].state == "stopped"


def test_slider_steers_the_run(faces: Session) -> None:
    faces.settings.set_sparsity(0.6)
    pinned = faces.basis.pinned
    start_endless(faces)
    assert {record.target for record in faces.course.records} == {0.6}
    faces.settings.set_sparsity(0.9)
    wait_until(lambda: faces.course.records[-1].target == 0.9)
    wait_until(lambda: faces.display.shown.target == 0.9)
    assert faces.display.shown.attained >= 0.9 - 1e-5
    assert faces.basis.pinned is pinned, "a run that goes on is not pinned"
    faces.cancel()
    wait_until(lambda: faces.runs.entries)
    [entry] = faces.runs.entries
    [step] = entry.outcome.interventions
    assert step.change.sparsity == 0.9
    targets = [record.target for record in entry.records]
    assert targets == [0.6] * step.n_iter + [0.9] * (len(targets) - step.n_iter)
    assert entry.choice.params.sparsity == entry.shown.target == 0.9


def test_choice_is_fixed_while_a_run_goes_on(faces: Session) -> None:
    start_endless(faces)
    before = faces.settings.choice
    faces.settings.set_choice(before.with_params(rank=4))
    assert faces.settings.choice == before
    faces.run()
    assert faces.phase is Phase.RUNNING
    faces.cancel()
    wait_until(lambda: faces.runs.entries)


def test_closing_while_a_run_is_going_ends_it(faces: Session) -> None:
    start_endless(faces)
    assert "gsp-solver" in threads_of_sessions()
    assert faces.close()
    assert not threads_of_sessions()


def test_closing_while_a_run_is_paused_ends_it(faces: Session) -> None:
    start_endless(faces)
    faces.run_or_pause()
    wait_until(lambda: faces.live.runner.state.name == "PAUSED")
    assert faces.close()
    assert not threads_of_sessions()


def test_tiles_keep_their_places_after_the_first_iterations(faces: Session) -> None:
    heard = Listener(faces, "display.shownChanged")
    start_endless(faces)
    kept = faces.live._order[::-1].copy()  # not the order of any energies
    faces.live._order = kept
    count = len(heard["shownChanged"])
    wait_until(lambda: len(heard["shownChanged"]) >= count + 4)
    for shown in heard["shownChanged"][count:]:
        np.testing.assert_array_equal(shown.order, kept)
    faces.cancel()
    wait_until(lambda: faces.runs.entries)


def test_a_run_without_a_target_meets_it(faces: Session) -> None:
    run_to_the_end(faces, method="ahals", max_iter=10)
    assert np.isnan(faces.display.shown.target)
    assert faces.display.shown.meets_target
    assert faces.runs.entries[0].label == "A-HALS, rank 9"
    np.testing.assert_allclose(faces.basis.pinned.W, faces.display.shown.W)


def test_runs_come_back_to_the_screen(faces: Session) -> None:
    run_to_the_end(faces, sparsity=0.7, max_iter=5)
    run_to_the_end(faces, sparsity=0.9, max_iter=8)
    first, second = faces.runs.entries
    assert (first.number, second.number) == (1, 2)
    assert faces.runs.index == 1
    heard = Listener(
        faces,
        "runs.changed",
        "course.recordsReset",
        "basis.pinnedChanged",
        "display.shownChanged",
        "settings.choiceChanged",
    )
    faces.control.show(0)
    assert heard["changed"] == [(faces.runs.entries, 0)]
    assert heard["recordsReset"] == [first.records]
    assert heard["pinnedChanged"] == [first.pinned]
    assert heard["shownChanged"] == [first.shown]
    assert heard["choiceChanged"] == [first.choice]
    assert faces.settings.params.sparsity == 0.7
    faces.control.show(2)
    faces.control.show(-1)
    assert faces.runs.index == 0


def test_a_deleted_run_comes_back_and_its_number_is_not_given_again(faces: Session) -> None:
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=3))
    for count in (1, 2):
        faces.run()
        wait_until(lambda count=count: len(faces.runs.entries) == count)
    gone = faces.runs.entries[1]
    faces.control.delete(1)
    assert [entry.number for entry in faces.runs.entries] == [1]
    assert faces.runs.current is faces.runs.entries[0]
    faces.run()
    wait_until(lambda: len(faces.runs.entries) == 2)
    assert [entry.number for entry in faces.runs.entries] == [1, 3]
    faces.undo.stack.undo()
    faces.undo.stack.undo()
    assert faces.undo.stack.redoText() == "delete Run 2"
    assert [entry.number for entry in faces.runs.entries] == [1, 2, 3], "no run goes with a step back"
    assert faces.runs.current is gone
    faces.undo.stack.redo()
    assert [entry.number for entry in faces.runs.entries] == [1, 3]


def test_continue_goes_on_from_the_factors_for_as_many_iterations_as_asked(faces: Session) -> None:
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=20, sparsity=0.8))
    faces.run()
    wait_until(lambda: faces.runs.entries)
    first = faces.runs.entries[0]
    faces.control.continue_run(0, 15)
    assert faces.phase is Phase.RUNNING
    wait_until(lambda: len(faces.runs.entries) == 2)
    more = faces.runs.entries[1]
    assert len(more.records) == 15
    assert more.origin == (1, 0)
    assert more.label.endswith("from run 1")
    assert more.shown.error <= first.shown.error
    assert more.shown.attained >= 0.8 - 1e-5
    again = gs.factorize(faces.dataset.X, more.spec.params)
    np.testing.assert_array_equal(again.W, more.outcome.result.W)


class TestFailure:
    """A solver that raises."""

    @pytest.fixture
    def breaking(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
        def iterate(*arguments):
            solver = nmf.iterate(*arguments)
            for _ in range(self.good):
                yield next(solver)
            raise FloatingPointError("the numbers ran out")

        monkeypatch.setattr(runner, "iterate", iterate)
        return faces

    good = 0

    def test_at_once_is_told_in_a_sentence(self, breaking: Session) -> None:
        pinned, shown = breaking.basis.pinned, breaking.display.shown
        heard = Listener(breaking, "failed")
        breaking.run()
        wait_until(lambda: heard["failed"])
        [(sentence, details)] = heard["failed"]
        assert sentence == "the numbers ran out"
        assert "FloatingPointError" in details
        assert breaking.phase is Phase.IDLE
        assert breaking.runs.entries == ()
        assert breaking.basis.pinned is pinned
        assert breaking.display.shown is shown
        breaking.settings.set_sparsity(0.9)  # the slider is alive
        assert breaking.display.shown.target == 0.9

    def test_later_keeps_what_was_reached(self, breaking: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(TestFailure, "good", 4)
        heard = Listener(breaking, "failed")
        breaking.run()
        wait_until(lambda: heard["failed"])
        assert heard["failed"][0][0] == "the numbers ran out"
        [entry] = breaking.runs.entries
        assert entry.state == "failed"
        assert len(entry.records) == 4
        assert breaking.phase is Phase.IDLE

    def test_of_the_warm_fit_is_told(self, breaking: Session) -> None:
        heard = Listener(breaking, "failed")
        breaking.settings.set_choice(breaking.settings.choice.with_params(seed=8))
        wait_until(lambda: heard["failed"])
        assert heard["failed"][0][0] == "the numbers ran out"
        assert breaking.phase is Phase.IDLE


class TestExport:
    """What is written, and what is not."""

    def test_everything(self, faces: Session, tmp_path: Path) -> None:
        run_to_the_end(faces, sparsity=0.8, max_iter=6)
        heard = Listener(faces, "exports.exported", "failed", "activity.changed")
        folder = tmp_path / "new" / "out"
        faces.exports.export(folder, faces.runs.at(0))
        assert heard["changed"] == [f"exporting Run 1 to {folder}"]
        wait_until(lambda: heard["exported"] or heard["failed"])
        assert heard["failed"] == []
        assert heard["changed"][-1] == ""
        [paths] = heard["exported"]
        assert paths[-1] == folder / "run.json"
        assert all(path.is_file() for path in paths)
        assert len(list((folder / "basis").glob("*.png"))) == 9
        told = json.loads((folder / "run.json").read_text())
        assert faces.dataset.fingerprint in json.dumps(told)
        with np.load(folder / "factors.npz") as factors:
            np.testing.assert_array_equal(factors["W"], faces.display.shown.W)
            np.testing.assert_array_equal(factors["H"], faces.display.shown.H)
        with (folder / "history.csv").open() as lines:
            assert len(list(csv.reader(lines))) == 7

    def test_parts(self, faces: Session, tmp_path: Path) -> None:
        run_to_the_end(faces, max_iter=3)
        heard = Listener(faces, "exports.exported")
        faces.exports.export(
            tmp_path / "out", faces.runs.at(0), ExportOptions(basis=False, montage=True, factors=False, history=False)
        )
        wait_until(lambda: heard["exported"])
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["montage.png", "repeat.py", "run.json"]

    def test_folder_that_cannot_be_made_is_told_and_nothing_is_written(self, faces: Session, tmp_path: Path) -> None:
        run_to_the_end(faces, max_iter=3)
        (tmp_path / "file").write_text("in the way")
        heard = Listener(faces, "exports.exported", "failed", "activity.changed")
        faces.exports.export(tmp_path / "file" / "out", faces.runs.at(0))
        wait_until(lambda: heard["failed"])
        [(sentence, _)] = heard["failed"]
        assert "file" in sentence
        assert "\n" not in sentence
        assert heard["exported"] == []
        assert heard["changed"][-1] == ""
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        assert (tmp_path / "file").read_text() == "in the way"

    def test_file_of_somebody_else_is_not_replaced(self, faces: Session, tmp_path: Path) -> None:
        run_to_the_end(faces, max_iter=3)
        (tmp_path / "montage.png").write_text("a dear picture")
        heard = Listener(faces, "exports.exported", "failed")
        faces.exports.export(tmp_path, faces.runs.at(0))
        wait_until(lambda: heard["failed"])
        assert "montage.png" in heard["failed"][0][0]
        assert [path.name for path in tmp_path.iterdir()] == ["montage.png"]

    def test_nothing_to_export_is_told(self, faces: Session, tmp_path: Path) -> None:
        heard = Listener(faces, "failed")
        faces.exports.export(tmp_path, faces.runs.at(0))
        assert heard["failed"] == [("There is no run to export yet; press Run first.", "")]

    def test_exports_asked_for_at_once_are_all_written(self, faces: Session, tmp_path: Path) -> None:
        run_to_the_end(faces, max_iter=3)
        heard = Listener(faces, "exports.exported", "failed", "exports.activityChanged")
        folders = [tmp_path / name for name in ("one", "two", "three", "four")]
        for folder in folders:
            faces.exports.export(folder, faces.runs.at(0), ExportOptions(basis=False, factors=False))
        wait_until(lambda: len(heard["exported"]) + len(heard["failed"]) == len(folders))
        assert heard["failed"] == []
        assert [paths[-1] for paths in heard["exported"]] == [folder / "run.json" for folder in folders]
        assert all((folder / "run.json").is_file() for folder in folders)
        # The files of the first may be there before the fourth is asked for.
        told = re.compile(r"one( \(\d+ of \d+ files\))? \(3 more to follow\)")
        assert any(told.search(str(said)) for said in heard["activityChanged"])
        assert heard["activityChanged"][-1] == ""

    def test_closing_writes_the_exports_that_wait(self, faces: Session, tmp_path: Path) -> None:
        run_to_the_end(faces, max_iter=3)
        folders = [tmp_path / name for name in ("one", "two", "three")]
        for folder in folders:
            faces.exports.export(folder, faces.runs.at(0), ExportOptions(basis=False, factors=False))
        assert faces.close(60.0)
        assert all((folder / "run.json").is_file() for folder in folders)


def test_a_run_of_a_single_start_says_nothing_of_starts() -> None:
    data = fakes.dataset(4, 4)
    ended = fakes.run_entry(1, data)
    ended.outcome.result.held_out_error = math.nan
    alone = replace(ended, records=tuple(replace(record, trial=1) for record in ended.records))
    assert "start" not in about_run(alone)


def test_one_click_adds_the_held_out_error(faces: Session, tmp_path: Path) -> None:
    faces.settings.set_held_out(0.02)
    heard = Listener(faces, "failed", "logged")
    run_to_the_end(faces, sparsity=0.8, max_iter=220, tol=0.0)
    [entry] = faces.runs.entries
    assert heard["failed"] == []
    assert all(0 < record.held_out_error < 1.5 for record in entry.records)
    assert entry.records == entry.outcome.result.history.records()
    assert {record.trial for record in entry.records} >= {0, 1, 2, 3}
    [told] = [text for text in heard["logged"] if text.startswith("Run 1 done")]
    result = entry.outcome.result
    assert f"% of 98 % of the entries, of held-out entries {100 * result.held_out_error:.3f} %" in told
    assert re.search(r"It tried \d starts and kept number \d\.", told)
    again = gs.factorize(faces.dataset.X, entry.spec.params, gs.get_backend("cpu", threads=1))
    assert np.array_equal(again.W, result.W)
    assert np.array_equal(again.history.held_out_error, result.history.held_out_error)
    faces.settings.set_held_out(0.0)
    run_to_the_end(faces, sparsity=0.8, max_iter=5)
    assert all(np.isnan(record.held_out_error) for record in faces.runs.entries[1].records)


def test_trials_are_told_while_they_go_on(faces: Session) -> None:
    heard = Listener(faces, "live.progressed")
    run_to_the_end(faces, sparsity=0.8, max_iter=3000, tol=0.0, continuation=2000)
    assert {1, 2, 3} & {progress.trial for progress in heard["progressed"]}
    assert heard["progressed"][-1].n_iter == 3000


def test_other_data_in_a_file_have_nothing_held_out(faces: Session) -> None:
    faces.settings.set_held_out(0.02)
    data = faces.dataset
    assert data is not None
    faces.settings.begin_anew(data)
    assert faces.settings.params.held_out == 0.02
    blocks = BlockMatrix(data.X.shape, data.X.dtype, lambda start, stop, out: None)
    faces.settings.begin_anew(replace(data, X=blocks))
    assert faces.settings.params.held_out == 0
