"""Nothing that was computed goes without the user's word: the same hands as a user's, on the keys and the buttons."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from handling import is_asked, press, press_when_asked, question, settle, wait_until
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, QSettings, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from gsp_studio.core.seeds import Seed
from gsp_studio.engine.run import Record
from gsp_studio.experiments.grid import Grid
from gsp_studio.gui.dialogs.dataset_layout import LayoutDialog
from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.jobs import compute
from gsp_studio.gui.network.state import AccuracyCurve
from gsp_studio.gui.session_file import run_records
from gsp_studio.gui.session_file.recent_dialog import RecentDialog
from gsp_studio.gui.state import Phase, RunSettings, View
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.gui.window.messages import RefusalLine
from gsp_studio.io import recovery
from gsp_studio.io.annotations import Annotations
from gsp_studio.io.export import run_folder
from gsp_studio.io.readers import load_dataset
from gsp_studio.io.session_file import SavedSession, read_session, write_session

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (60, 8, 6), np.uint8))
    return tmp_path / "x.npy"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    np.save(tmp_path / "y.npy", np.random.default_rng(1).integers(0, 255, (40, 8, 6), np.uint8))
    return tmp_path / "y.npy"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "recovery"


@pytest.fixture
def watched(window: MainWindow, root: Path, stack: Path) -> MainWindow:
    """A window that keeps what is done, on 60 images."""
    window.session_menu.watch(root)
    window.session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=8, sparsity=0.4))
    window.prompts.open(stack)
    wait_until(lambda: window.session.display.shown is not None)
    return window


def finish_runs(window: MainWindow, runs: int = 1) -> None:
    """Press Run for each run, and wait for its end."""
    for _ in range(runs):
        done = len(window.session.runs.entries)
        QTest.mouseClick(window.run.run, LEFT)
        wait_until(lambda done=done: len(window.session.runs.entries) > done)


def begin_endless(window: MainWindow) -> None:
    """Press Space for a run that does not end, and wait for some iterations."""
    session = window.session
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=1_000_000, tol=0.0, sparsity=0.4))
    QTest.keyClick(window, Qt.Key.Key_Space)
    wait_until(lambda: session.control.branch_end > 20)


def quit_by_key(window: MainWindow) -> None:
    window.activateWindow()  # there is no window manager to give it the keyboard back
    settle()
    QTest.keyClick(window, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    settle()


def save_by_key(window: MainWindow) -> None:
    window.activateWindow()
    settle()
    QTest.keyClick(window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    idle(window)


def errors() -> list[str]:
    boxes = [w.sentence for w in QApplication.topLevelWidgets() if isinstance(w, ErrorDialog) and w.isVisible()]
    lines = [w.text() for w in QApplication.allWidgets() if isinstance(w, RefusalLine) and w.isVisible()]
    return boxes + lines


def idle(window: MainWindow) -> None:
    wait_until(lambda: not window.session_menu.store.is_busy)


def saved_session(window: MainWindow, path: Path) -> None:
    window.session_menu.store.save(path)
    idle(window)


def edit_session(path: Path, change: Callable[[dict], None]) -> None:
    """Change what a session file says of the window."""
    with h5py.File(path, "r+") as file:
        content = json.loads(bytes(file["state"][()]).decode())
        change(content)
        del file["state"]
        file["state"] = np.frombuffer(json.dumps(content).encode(), np.uint8)


def close_errors() -> None:
    for dialog in [w for w in QApplication.topLevelWidgets() if isinstance(w, ErrorDialog) and w.isVisible()]:
        QTest.mouseClick(dialog.close_button, LEFT)
    for line in [w for w in QApplication.allWidgets() if isinstance(w, RefusalLine)]:
        line.hide()
    settle()


#: ExportOptions of a session's state, with values that no window wrote.
ODD = (
    ("choice", {"rank": "many"}),
    ("choice", {"rank": 10**400}),
    ("choice", {"rank": 3000, "sparsity": "NaN"}),
    ("choice", {"method": "of tomorrow", "backend": 7, "init": None}),
    ("choice", [1, 2]),
    ("choice", {"sparsity": float("nan"), "sparsity_h": -1, "seed": True, "max_iter": 0}),
    ("view", {"contrast": "loud", "colours": 3, "labels": "yes"}),
    ("view", None),
    ("marked", ["a", None]),
    ("marked", 7),
    ("shown_run", "the last"),
    ("remarks", [1]),
    ("remarks", {"1": 5, "2": {"tags": 3, "accepted": "x", "note": {}}}),
    ("window", {"docks": 5, "front": ["Path"]}),
    ("window", {"docks": "not base 64!", "front": "Nowhere"}),
    ("window", "none"),
    ("window", {"docks": {}, "front": "Nowhere"}),
)


class TestQuit:
    """Ctrl+Q."""

    def test_a_window_with_nothing_to_lose_closes(self, watched: MainWindow, root: Path) -> None:
        quit_by_key(watched)
        assert not watched.isVisible()
        assert not is_asked()
        assert not list(root.iterdir()), "images alone are no work"

    def test_the_first_run_is_going_and_is_kept(self, watched: MainWindow, root: Path) -> None:
        begin_endless(watched)
        assert watched.isWindowModified()
        quit_by_key(watched)
        assert watched.isVisible()
        assert watched.session.phase is Phase.RUNNING, "it goes on while the question stands"
        assert "Run 1 is going" in question().informativeText()
        press(question(), "Keep for later")
        wait_until(lambda: not watched.isVisible())
        [folder] = recovery.closed(root)
        [run] = recovery.read_folder(folder).runs
        assert run.run.result.n_iter >= 20
        assert len(run.run.result.history.error) == run.run.result.n_iter
        assert run.run.result.error == run.run.result.history.error[run.run.result.best_iter - 1]

    def test_escape_stays_and_the_run_goes_on(self, watched: MainWindow) -> None:
        begin_endless(watched)
        quit_by_key(watched)
        QTest.keyClick(question(), Qt.Key.Key_Escape)
        settle()
        assert not is_asked()
        assert watched.isVisible()
        assert watched.session.phase is Phase.RUNNING
        quit_by_key(watched)
        assert is_asked(), "it is asked again"

    def test_a_paused_run_is_asked_about(self, watched: MainWindow, root: Path) -> None:
        begin_endless(watched)
        QTest.keyClick(watched, Qt.Key.Key_Space)
        assert watched.session.phase is Phase.PAUSED
        quit_by_key(watched)
        press(question(), "Keep for later")
        wait_until(lambda: not watched.isVisible())
        [folder] = recovery.closed(root)
        assert len(recovery.read_folder(folder).runs) == 1

    def test_finished_runs_are_discarded_only_by_word(self, watched: MainWindow, root: Path) -> None:
        finish_runs(watched, 2)
        quit_by_key(watched)
        assert watched.isVisible()
        assert question().text() == "Save the work on x.npy before closing?"
        assert "2 runs are in no file yet." in question().informativeText()
        press(question(), "Discard")
        wait_until(lambda: not watched.isVisible())
        assert not list(root.iterdir())

    def test_finished_runs_are_kept_for_later(self, watched: MainWindow, root: Path) -> None:
        finish_runs(watched, 2)
        quit_by_key(watched)
        press(question(), "Keep for later")
        wait_until(lambda: not watched.isVisible())
        [folder] = recovery.closed(root)
        assert len(recovery.read_folder(folder).runs) == 2

    def test_saving_writes_the_run_that_was_going_too(
        self, watched: MainWindow, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish_runs(watched)
        begin_endless(watched)
        quit_by_key(watched)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "all.gsps"), ""))
        QTest.keyClick(question(), Qt.Key.Key_Return)  # Save is proposed
        wait_until(lambda: not watched.isVisible())
        assert [run.number for run in read_session(tmp_path / "all.gsps").runs] == [1, 2]
        assert not list(root.iterdir()), "all of it is in the file"

    def test_a_file_dialog_that_is_cancelled_stays(self, watched: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
        begin_endless(watched)
        quit_by_key(watched)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
        press(question(), "Save")
        assert watched.isVisible()
        assert watched.session.phase is Phase.RUNNING

    def test_a_file_that_cannot_be_written_stays(
        self, watched: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish_runs(watched)
        quit_by_key(watched)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "gone" / "s.gsps"), ""))
        press(question(), "Save")
        wait_until(errors)
        assert watched.isVisible()
        assert len(watched.session.runs.entries) == 1

    def test_painted_weights_are_work(self, watched: MainWindow, root: Path) -> None:
        watched.session.settings.set_weights(np.linspace(0.1, 1, 48))
        quit_by_key(watched)
        assert "painted weights" in question().informativeText()
        press(question(), "Keep for later")
        wait_until(lambda: not watched.isVisible())
        [folder] = recovery.closed(root)
        assert recovery.describe_folder(folder).more[0] == "painted weights"

    def test_what_was_saved_is_not_asked_about(self, watched: MainWindow, root: Path, tmp_path: Path) -> None:
        finish_runs(watched)
        saved_session(watched, tmp_path / "s.gsps")
        quit_by_key(watched)
        assert not watched.isVisible()
        assert not list(root.iterdir())

    def test_a_note_since_the_last_saving_is_asked_about(self, watched: MainWindow, tmp_path: Path) -> None:
        finish_runs(watched)
        saved_session(watched, tmp_path / "s.gsps")
        watched.session.runs.remark(0, Annotations(note="later"))
        quit_by_key(watched)
        assert "s.gsps" in question().text()
        press(question(), "Save")
        wait_until(lambda: not watched.isVisible())
        assert read_session(tmp_path / "s.gsps").state["remarks"]["1"]["note"] == "later"

    def test_work_that_cannot_be_kept_stays(self, window: MainWindow, stack: Path, root: Path) -> None:
        root.write_text("a file where the folder should be")
        window.session_menu.watch(root)
        window.session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=8))
        window.prompts.open(stack)
        wait_until(lambda: window.session.display.shown is not None)
        finish_runs(window)
        wait_until(errors)
        quit_by_key(window)
        press(question(), "Keep for later")
        wait_until(lambda: any("cannot be kept for later" in sentence for sentence in errors()))
        assert window.isVisible()
        assert len(window.session.runs.entries) == 1

    def test_a_study_of_ranks_that_is_going_is_asked_about(self, watched: MainWindow) -> None:
        session = watched.session
        session.analyses.rank_study.start(session.dataset, range(1, 20), session.settings.choice, 5)
        quit_by_key(watched)
        assert "number of basis images" in question().informativeText()
        press(question(), "Cancel")
        assert watched.isVisible()
        quit_by_key(watched)
        press(question(), "Close")
        wait_until(lambda: not watched.isVisible())

    def test_an_export_that_is_going_is_asked_about(
        self, watched: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish_runs(watched)
        saved_session(watched, tmp_path / "s.gsps")
        goes_on = threading.Event()
        real = run_folder.write_json
        monkeypatch.setattr(run_folder, "write_json", lambda *args: goes_on.wait(60) and real(*args))
        watched.session.exports.export(tmp_path / "out", watched.session.runs.at(0))
        quit_by_key(watched)
        assert "An export is going" in question().informativeText()
        press(question(), "Cancel")
        assert watched.isVisible()
        goes_on.set()
        wait_until(lambda: not watched.session.exports.is_going)
        assert (tmp_path / "out" / "run.json").exists()
        quit_by_key(watched)
        assert not watched.isVisible()

    def test_an_accuracy_that_is_being_measured_is_asked_about(self, watched: MainWindow) -> None:
        curves = watched.network_controller.session.curves
        curves.accuracy = AccuracyCurve("digits", np.zeros(0), np.zeros(0), float("nan"), 3, 20, "going")
        quit_by_key(watched)
        assert "accuracy of the network" in question().informativeText()
        press(question(), "Cancel")
        assert watched.isVisible()
        curves.accuracy = replace(curves.accuracy, state="done")
        quit_by_key(watched)
        assert not watched.isVisible()

    def test_a_basis_refined_by_hand_is_found_again(self, watched: MainWindow, root: Path) -> None:
        session = watched.session
        wait_until(lambda: session.refined.is_there and session.display.shown.is_solved)
        watched.montage.view.setFocus()
        QTest.keyClick(watched.montage.view, Qt.Key.Key_BracketRight)
        wait_until(lambda: session.refined.is_there and session.display.shown.is_solved)
        s = session.settings.params.sparsity
        quit_by_key(watched)
        assert not watched.isVisible()
        assert not is_asked(), "every move of the slider makes one"
        [folder] = recovery.closed(root)
        assert recovery.describe_folder(folder).more == ("a refined basis",)
        [run] = recovery.read_folder(folder).runs
        assert run.run.result.params.sparsity == s

    def test_a_basis_refined_by_hand_that_is_saved_leaves_nothing(
        self, watched: MainWindow, root: Path, tmp_path: Path
    ) -> None:
        session = watched.session
        watched.montage.view.setFocus()
        QTest.keyClick(watched.montage.view, Qt.Key.Key_BracketRight)
        wait_until(lambda: session.refined.is_there and session.display.shown.is_solved)
        saved_session(watched, tmp_path / "s.gsps")
        quit_by_key(watched)
        assert not watched.isVisible()
        assert not list(root.iterdir())

    def test_seeds_alone_are_kept_for_later(self, watched: MainWindow, root: Path) -> None:
        watched.session.seeds.add([Seed("mine", np.linspace(0.1, 1, 48))])
        quit_by_key(watched)
        press(question(), "Keep for later")
        wait_until(lambda: not watched.isVisible())
        [folder] = recovery.closed(root)
        assert recovery.describe_folder(folder).more[0] == "seeds"
        assert [seed["name"] for seed in recovery.read_folder(folder).state["seeds"]] == ["mine"]

    def begin_sweep(self, window: MainWindow, root: Path) -> None:
        sweeping = window.sweep
        sweeping.root = root.parent / "sweeps"
        sweeping.begin(Grid(replace(sweeping.base(), max_iter=1_000_000, tol=0.0), (2, 3), (0.5,)))
        assert sweeping.is_going

    def test_a_sweep_that_is_going_is_asked_about(self, watched: MainWindow, root: Path) -> None:
        self.begin_sweep(watched, root)
        quit_by_key(watched)
        assert "A sweep is going" in question().informativeText()
        press(question(), "Cancel")
        assert watched.isVisible()
        assert watched.sweep.is_going

    def test_other_data_during_a_sweep_are_asked_about(self, watched: MainWindow, root: Path, other: Path) -> None:
        finish_runs(watched)
        self.begin_sweep(watched, root)
        watched.prompts.open(other)
        press(question(), "Cancel")
        assert watched.sweep.is_going
        watched.prompts.open(other)
        press(question(), "Open")
        wait_until(lambda: watched.session.dataset.name == "y.npy")
        idle(watched)
        assert [recovery.describe_folder(folder).runs for folder in recovery.closed(root)] == [1]

    def test_a_name_with_markup_is_shown_as_it_is(self, window: MainWindow, root: Path, tmp_path: Path) -> None:
        window.session_menu.watch(root)
        path = tmp_path / "<img src=x>&amp; <b>bold.npy"
        np.save(path, np.random.default_rng(0).integers(0, 255, (60, 8, 6), np.uint8))
        window.session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=8))
        window.prompts.open(path)
        wait_until(lambda: window.session.display.shown is not None)
        finish_runs(window)
        quit_by_key(window)
        assert "&lt;img src=x&gt;&amp;amp; &lt;b&gt;bold.npy" in question().text()


class TestOtherData:
    """Runs of the former data stay to be found."""

    def kept(self, root: Path) -> dict[str, int]:
        return {work.data: work.runs for work in map(recovery.describe_folder, recovery.closed(root))}

    def test_opening_a_file(self, watched: MainWindow, root: Path, other: Path) -> None:
        finish_runs(watched, 2)
        watched.prompts.open(other)
        wait_until(lambda: watched.session.dataset.name == "y.npy")
        idle(watched)
        assert self.kept(root) == {"x.npy": 2}
        assert not is_asked()
        watched.session_menu.recent.aboutToShow.emit()
        text = watched.session_menu.recent.actions()[0].text()
        assert text.startswith("Not saved: x.npy, 2 runs, 20")

    def test_it_is_said_after_all_that_is_told_of_the_other_data(
        self, watched: MainWindow, root: Path, other: Path
    ) -> None:
        """Else the sentence is gone from the status bar before it can be read."""
        finish_runs(watched)
        lines: list[str] = []
        watched.session.logged.connect(lines.append)
        opened: list[int] = []
        watched.session.datasetChanged.connect(lambda _: opened.append(len(lines)))
        watched.prompts.open(other)
        wait_until(lambda: any("was autosaved" in line for line in lines))
        [told] = [k for k, line in enumerate(lines) if "was autosaved" in line]
        [about] = [k for k, line in enumerate(lines) if line.startswith("y.npy")]
        assert opened[0] <= about < told

    def test_it_comes_back_from_the_menu_and_the_other_one_is_kept_then(
        self, watched: MainWindow, root: Path, other: Path
    ) -> None:
        finish_runs(watched, 2)
        before = [entry.outcome.result.W for entry in watched.session.runs.entries]
        watched.prompts.open(other)
        wait_until(lambda: watched.session.dataset.name == "y.npy" and watched.session.display.shown is not None)
        finish_runs(watched)
        idle(watched)
        watched.session_menu.recent.actions()[0].trigger()
        wait_until(lambda: watched.session.dataset.name == "x.npy" and len(watched.session.runs.entries) == 2)
        idle(watched)
        for entry, W in zip(watched.session.runs.entries, before, strict=True):
            assert np.array_equal(entry.outcome.result.W, W)
        assert self.kept(root) == {"y.npy": 1}
        assert watched.isWindowModified()

    def test_dropping_a_file(self, watched: MainWindow, root: Path, other: Path) -> None:
        finish_runs(watched)
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(other))])
        actions, buttons = Qt.DropAction.CopyAction, LEFT
        watched.dropEvent(QDropEvent(QPointF(9, 9), actions, mime, buttons, Qt.KeyboardModifier.NoModifier))
        wait_until(lambda: watched.session.dataset.name == "y.npy")
        idle(watched)
        assert self.kept(root) == {"x.npy": 1}

    def test_opening_a_session(self, watched: MainWindow, root: Path, tmp_path: Path) -> None:
        finish_runs(watched)
        saved_session(watched, tmp_path / "s.gsps")
        finish_runs(watched)
        watched.session_menu.open(tmp_path / "s.gsps")
        wait_until(lambda: len(watched.session.runs.entries) == 1)
        idle(watched)
        assert self.kept(root) == {"x.npy": 2}
        assert not watched.isWindowModified()

    def test_the_sample(self, watched: MainWindow, root: Path) -> None:
        finish_runs(watched)
        watched.prompts.sample("faces")
        wait_until(lambda: watched.session.dataset.name != "x.npy")
        idle(watched)
        assert self.kept(root) == {"x.npy": 1}

    def test_layout_with_nothing_changed_leaves_all_runs(self, watched: MainWindow, root: Path) -> None:
        finish_runs(watched, 2)
        dataset = watched.session.dataset
        dialog = self.layout(watched)
        QTest.mouseClick(dialog.accept_button, LEFT)
        settle()
        wait_until(lambda: not watched.session.loader.is_loading)
        assert watched.session.dataset is dataset
        assert len(watched.session.runs.entries) == 2

    def test_another_layout_keeps_the_runs_of_the_former(self, watched: MainWindow, root: Path) -> None:
        finish_runs(watched, 2)
        dialog = self.layout(watched)
        dialog.negative.setCurrentIndex(dialog.negative.findData("clip"))
        dialog.negative.activated.emit(dialog.negative.currentIndex())
        wait_until(lambda: dialog.options.negative == "clip")
        QTest.mouseClick(dialog.accept_button, LEFT)
        wait_until(lambda: watched.session.dataset.options.negative == "clip")
        idle(watched)
        assert self.kept(root) == {"x.npy": 2}

    def layout(self, window: MainWindow) -> LayoutDialog:
        QTest.mouseClick(window.data.layout_button, LEFT)
        wait_until(lambda: window.findChildren(LayoutDialog))
        [dialog] = window.findChildren(LayoutDialog)
        settle()
        wait_until(dialog.accept_button.isEnabled)
        return dialog

    def test_where_nothing_can_be_kept_it_is_asked(
        self, window: MainWindow, stack: Path, other: Path, root: Path
    ) -> None:
        root.write_text("a file where the folder should be")
        window.session_menu.watch(root)
        window.session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=8))
        window.prompts.open(stack)
        wait_until(lambda: window.session.display.shown is not None)
        finish_runs(window)
        window.prompts.open(other)
        wait_until(is_asked)
        press(question(), "Cancel")
        assert window.session.dataset.name == "x.npy"
        assert len(window.session.runs.entries) == 1
        window.prompts.open(other)
        wait_until(is_asked)
        press(question(), "Discard")
        wait_until(lambda: window.session.dataset.name == "y.npy")

    def test_a_disk_that_has_room_again_gets_what_it_lacked(self, watched: MainWindow, root: Path, other: Path) -> None:
        idle(watched)
        [folder] = root.iterdir()
        real = recovery.Recovery.save_run

        def full(*_: object) -> None:
            raise OSError("No space left on device")

        recovery.Recovery.save_run = full  # type: ignore[method-assign,assignment]
        try:
            finish_runs(watched)
            idle(watched)
        finally:
            recovery.Recovery.save_run = real  # type: ignore[method-assign]
        assert not list(folder.glob("run-*"))
        watched.prompts.open(other)
        wait_until(lambda: watched.session.dataset.name == "y.npy")
        idle(watched)
        assert self.kept(root) == {"x.npy": 1}
        assert not is_asked()


class TestDamagedSessions:
    """A file is never emptied by what it says."""

    @pytest.fixture
    def file(self, app: QApplication, stack: Path, tmp_path: Path) -> Path:
        data, choice = load_dataset(stack), RunSettings().with_params(rank=3, max_iter=8, sparsity=0.4)
        entries = []
        for number in (1, 2):
            rows: list[Record] = []
            runner = compute.new_run(data, choice)
            outcome = runner.run(rows.append)
            entries.append(compute.entry_of(number, runner.spec, outcome, tuple(rows)))
        state = {
            "choice": choice.as_json(),
            "view": asdict(View()),
            "marked": [1],
            "shown_run": 2,
            "remarks": {"1": {"name": "mine"}},
            "window": {"docks": "", "front": "Path"},
        }
        return run_records.save(tmp_path / "s.gsps", data, entries, None, state)

    def test_an_odd_value_is_dropped_and_said(self, window: MainWindow, file: Path) -> None:
        content = file.read_bytes()
        for part, value in ODD:
            file.write_bytes(content)
            edit_session(file, lambda state, part=part, value=value: state.update({part: value}))
            window.prompts.open(file)
            wait_until(errors)
            idle(window)
            settle()
            assert [sentence for sentence in errors() if "is not used" in sentence or "is damaged" in sentence], value
            assert len(window.session.runs.entries) == 2, value
            assert window.session_menu.store.path == file
            close_errors()
            save_by_key(window)
            kept = read_session(file)
            refined = kept.state.get("refined_run", 0)  # of the basis on the screen, in no list
            assert len([run for run in kept.runs if run.number != refined]) == 2, value
            assert read_session(file).state[part] != value, "what is written is what is used"
        finish_runs(window)
        assert len(window.session.runs.entries) == 3

    def test_a_state_of_another_kind_leaves_the_runs(self, window: MainWindow, file: Path) -> None:
        for state in (None, 5, [], "text", {}):
            with h5py.File(file, "r+") as opened:
                del opened["state"]
                opened["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
            window.prompts.open(file)
            wait_until(lambda: len(window.session.runs.entries) == 2)
            idle(window)
            assert [bool(errors()), state == {}].count(True) == 1, state
            close_errors()
            window.prompts.sample("faces")
            wait_until(lambda: window.session.runs.entries == ())

    def test_runs_of_one_number_are_two_runs(self, window: MainWindow, file: Path) -> None:
        with h5py.File(file, "r+") as opened:
            text = bytes(opened["runs/000002/content"][()]).replace(b'"number": 2', b'"number": 1')
            del opened["runs/000002/content"]
            opened["runs/000002/content"] = np.frombuffer(text, np.uint8)
        window.prompts.open(file)
        wait_until(errors)
        assert "that of another one: now 2" in errors()[0]
        assert [entry.number for entry in window.session.runs.entries] == [1, 2]

    def test_details_of_a_run_are_dropped_and_the_run_stays(
        self, make_window: Callable[[], MainWindow], file: Path
    ) -> None:
        saved = read_session(file)
        odd = {"choice": {"method": 3}, "origin": "nowhere", "texts": 4, "stability": {"seeds": []}, "tags": 9}
        for run in saved.runs:
            run.details.update(odd)
        write_session(file, SavedSession(saved.data, None, saved.runs, None, saved.state))
        window = make_window()
        window.prompts.open(file)
        wait_until(lambda: len(window.session.runs.entries) == 2)
        settle()
        assert errors()
        assert window.session.runs.entries[0].choice.params.method == "gsphals", "as the run's own parameters say"

    def test_a_file_whose_runs_cannot_be_shown_is_never_written_over(
        self, make_window: Callable[[], MainWindow], file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with h5py.File(file, "r+") as opened:
            del opened["runs/000002/W"]
            opened["runs/000002/W"] = np.ones((5, 3), np.float32)
            del opened["runs/000001/content"]
        content = file.read_bytes()
        window = make_window()
        window.prompts.open(file)
        wait_until(errors)
        idle(window)
        assert "s.gsps stays as it is" in errors()[0]
        assert window.session.runs.entries == ()
        assert window.session_menu.store.path is None
        asked: list[str] = []
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: asked.append(args[2]) or ("", ""))
        save_by_key(window)
        assert asked
        assert file.read_bytes() == content

    def test_copied_images_stay_in_the_file(
        self, make_window: Callable[[], MainWindow], file: Path, stack: Path
    ) -> None:
        one = make_window()
        one.prompts.open(file)
        wait_until(lambda: len(one.session.runs.entries) == 2)
        one.session_menu.store.save(file, with_data=True)
        idle(one)
        stack.unlink()
        two = make_window()
        two.prompts.open(file)
        wait_until(lambda: len(two.session.runs.entries) == 2)
        finish_runs(two)
        save_by_key(two)
        assert read_session(file).dataset is not None
        assert len(read_session(file).runs) == 3

    def test_a_file_that_another_window_wrote_is_replaced_only_by_word(
        self, make_window: Callable[[], MainWindow], file: Path
    ) -> None:
        one, two = make_window(), make_window()
        for window in (one, two):
            window.prompts.open(file)
            wait_until(lambda window=window: len(window.session.runs.entries) == 2)
        finish_runs(one)
        saved_session(one, file)
        finish_runs(two)
        said = press_when_asked("Cancel")
        save_by_key(two)
        assert "has been changed" in said[0]
        assert two.isWindowModified()

    def test_a_suffix_that_is_added_does_not_hide_a_file(
        self, make_window: Callable[[], MainWindow], file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        window = make_window()
        window.prompts.open(file)
        wait_until(lambda: len(window.session.runs.entries) == 2)
        content = file.read_bytes()
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(file.with_suffix("")), ""))
        said = press_when_asked("Cancel")
        window.session_menu.save_as()
        assert "Replace s.gsps?" in said[0]
        assert file.read_bytes() == content

    def test_a_folder_of_which_a_run_is_damaged_stays(
        self, make_window: Callable[[], MainWindow], root: Path, stack: Path
    ) -> None:
        one = make_window()
        one.session_menu.watch(root)
        one.session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=8, sparsity=0.4))
        one.session.open(stack)
        wait_until(lambda: one.session.display.shown is not None)
        finish_runs(one, 2)
        idle(one)
        one.unsaved.leave()
        [folder] = recovery.closed(root)
        (folder / "run-000001.h5").write_bytes(b"damage")
        two = make_window()
        two.session_menu.watch(root)
        two.session_menu.open(folder)
        wait_until(lambda: len(two.session.runs.entries) == 1)
        idle(two)
        assert (folder / "run-000001.h5").exists()


class TestRecentSessions:
    """What is kept is named, and goes only by the user's hand."""

    def shelf(self, root: Path, count: int) -> list[Path]:
        folders = []
        for k in range(count):
            kept = recovery.Recovery(root)
            kept.save_state({"name": f"data {k}.npy"}, {})
            kept.save_weights(np.ones(4))
            for number in range(k):
                (kept.folder / f"run-{number + 1:06d}.h5").write_bytes(b"a run")
            kept.close()
            folders.append(kept.folder)
        return folders

    def test_nothing_is_deleted_by_count(self, make_window: Callable[[], MainWindow], root: Path) -> None:
        folders = self.shelf(root, 12)
        for _ in range(3):
            window = make_window()
            window.session_menu.watch(root)
            settle()
            window.unsaved.leave()
        assert all(folder.exists() for folder in folders)

    def test_an_entry_is_removed_when_the_user_says_so_twice(self, window: MainWindow, root: Path) -> None:
        folders = self.shelf(root, 3)
        window.session_menu.watch(root)
        texts = [action.text() for action in window.session_menu.recent.actions()]
        assert any(text.startswith("Not saved: data 2.npy, 2 runs, 20") for text in texts)
        window.session_menu.recent.actions()[-1].trigger()
        [dialog] = window.findChildren(RecentDialog)
        rows = [dialog.table.topLevelItem(k).text(0) for k in range(3)]
        row = dialog.table.topLevelItem(rows.index("data 2.npy"))
        QTest.mouseClick(dialog.table.viewport(), LEFT, pos=dialog.table.visualItemRect(row).center())
        for answer, left in (("Cancel", 3), ("Delete", 2)):
            said = press_when_asked(answer)
            QTest.mouseClick(dialog.remove_button, LEFT)
            assert "Delete 2 runs that are in no file?" in said[0]
            assert len(recovery.closed(root)) == left
        assert not folders[2].exists()
        assert dialog.table.topLevelItemCount() == 2

    def test_a_file_leaves_the_list_and_stays(
        self, window: MainWindow, root: Path, tmp_path: Path, settings: QSettings
    ) -> None:
        (tmp_path / "s.gsps").write_bytes(b"a session")
        window.session_menu.sessions.remember(tmp_path / "s.gsps", "x.npy", 3)
        window.session_menu.sessions.remember(tmp_path / "." / "s.gsps", "x.npy", 4)
        [entry] = window.session_menu.sessions.entries()
        assert entry.text.startswith("s.gsps: x.npy, 4 runs, 20")
        window.session_menu.show_recent()
        [dialog] = window.findChildren(RecentDialog)
        said = press_when_asked("Take off")
        dialog.activateWindow()
        dialog.table.setFocus()
        settle()
        QTest.keyClick(dialog.table, Qt.Key.Key_Delete)
        assert "Files stay where they are" in said[0]
        assert (tmp_path / "s.gsps").exists()
        assert window.session_menu.sessions.entries() == []

    def test_settings_of_another_kind_are_left_alone(self, window: MainWindow, settings: QSettings) -> None:
        settings.setValue("recentSessions", "/one.gsps")
        settings.setValue("recentAbout", '{"/one.gsps": {"data": 5, "runs": [], "time": "x"}, "b": 3')
        [entry] = window.session_menu.sessions.entries()
        assert entry.text == "/one.gsps"
        settings.setValue("recentAbout", '{"/one.gsps": {"data": 5, "runs": [], "time": "x"}, "b": 3}')
        [entry] = window.session_menu.sessions.entries()
        assert entry.text == "/one.gsps"

    def test_a_state_that_is_damaged_leaves_the_runs(self, watched: MainWindow, root: Path) -> None:
        finish_runs(watched)
        idle(watched)
        [folder] = root.iterdir()
        content = json.loads((folder / "state.json").read_text())
        content["state"] = "odd"
        (folder / "state.json").write_text(json.dumps(content))
        assert len(recovery.read_folder(folder).runs) == 1


def test_tool_tips_show_names_as_they_are(window: MainWindow, tmp_path: Path) -> None:
    folder = tmp_path / "<img src='nowhere'>"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 255, (12, 8, 6), np.uint8)
    for k, image in enumerate(images):
        Image.fromarray(image).save(folder / f"<b>{k}.png")
    window.session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=8))
    window.prompts.open(folder)
    wait_until(lambda: window.session.display.shown is not None)
    finish_runs(window)
    window.session.runs.remark(0, Annotations(name="<u>mine"))
    window.session.display.select(0)
    window.basis.usersRequested.emit(0, False)
    settle()
    tips = [widget.toolTip() for widget in window.findChildren(QWidget)]
    assert any("&lt;img src" in tip for tip in tips)
    wait_until(lambda: any("&lt;b&gt;" in widget.toolTip() for widget in window.findChildren(QWidget)))
    for widget in window.findChildren(QWidget):
        assert not any(tag in widget.toolTip() for tag in ("<img", "<b>", "<u>"))
