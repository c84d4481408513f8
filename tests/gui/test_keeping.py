"""Sessions in the window: saved, opened, found again after the app has gone, and nothing lost on the way."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from handling import Listener, cell_text, is_asked, press, press_key, question, settle, wait_until
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QApplication, QFileDialog

from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.session_file import autosave, run_records
from gsp_studio.gui.state import Phase, RunSettings, View
from gsp_studio.gui.texts import grouped, plural
from gsp_studio.gui.widgets.run_table import NOTE
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io import recovery
from gsp_studio.io.annotations import Annotations
from gsp_studio.io.session_file import read_session


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (60, 8, 6), np.uint8))
    return tmp_path / "x.npy"


def fill(window: MainWindow, stack: Path, runs: int = 2) -> None:
    """Runs, a note, a slider that was moved, weights."""
    session = window.session
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=8, sparsity=0.4))
    session.open(stack)
    wait_until(lambda: session.display.shown is not None)
    for k in range(runs):
        session.settings.set_sparsity(0.4 + 0.1 * k)
        session.run()
        wait_until(lambda: session.phase is Phase.IDLE)
    session.runs.remark(0, Annotations("mine", "the first one", ("good", "a"), frozenset({2}), frozenset({0})))
    session.control.show(0)
    session.settings.set_sparsity(0.7)
    wait_until(lambda: session.display.shown.target == pytest.approx(0.7))
    session.display.set_view(View(contrast="shared", colours="magma"))
    session.display.select(1)


def wait_for(window: MainWindow) -> None:
    wait_until(lambda: not window.session_menu.store.is_busy)


def dialogs() -> list[ErrorDialog]:
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, ErrorDialog) and w.isVisible()]


def recent_of(window: MainWindow) -> list[str]:
    """Texts of the menu's sessions, without the entry that shows all."""
    texts = [action.text() for action in window.session_menu.recent.actions() if not action.isSeparator()]
    assert not texts or texts[-1] == "&Show all, remove..."
    return texts[:-1]


def test_a_session_is_saved_and_comes_back(make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path) -> None:
    one = make_window()
    fill(one, stack)
    one.session.settings.settle_sparsity()
    # What is on the screen is saved: it has come to rest.
    wait_until(lambda: one.session.display.shown.is_solved and not one.session.basis.is_working)
    assert one.isWindowModified()
    path = tmp_path / "faces.gsps"
    heard = Listener(one.session_menu.store, "saved")
    one.session_menu.store.save(path)
    wait_until(lambda: heard["saved"])
    assert not one.isWindowModified()
    assert one.windowTitle() == "faces.gsps (x.npy)[*] – GSP Studio"
    assert read_session(path).runs[0].details["note"] == "the first one"
    before = [entry.outcome.result for entry in one.session.runs.entries]
    shown = one.session.display.shown
    one.docks["Log"].hide()

    two = make_window()
    two.prompts.open(path)
    wait_until(lambda: two.session.runs.entries)
    wait_for(two)
    settle()
    session = two.session
    assert [entry.number for entry in session.runs.entries] == [1, 2]
    for entry, result in zip(session.runs.entries, before, strict=True):
        assert np.array_equal(entry.outcome.result.W, result.W)
        assert np.array_equal(entry.outcome.result.H, result.H)
        assert entry.seconds > 0
    assert session.runs.entries[0].remarks == one.session.runs.entries[0].remarks
    assert cell_text(two.runs.table, 0, NOTE) == "the first one"
    assert session.runs.entries[0].spec.fingerprint == one.session.dataset.fingerprint
    assert session.runs.entries[0].outcome.versions == one.session.runs.entries[0].outcome.versions
    wait_until(lambda: session.display.shown.target == pytest.approx(0.7))
    assert np.array_equal(session.display.shown.W, shown.W)
    assert session.display.view == View(contrast="shared", colours="magma")
    assert session.display.marked == (1,)
    assert session.runs.index == 0
    assert not two.isWindowModified()
    session.run()
    wait_until(lambda: session.phase is Phase.IDLE)
    assert session.runs.entries[-1].number == 3
    assert two.isWindowModified()
    two.session_menu.save()
    wait_for(two)
    assert not two.isWindowModified()
    assert len(read_session(path).runs) == 3


def test_docks_and_the_view_in_front_come_back(
    make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path
) -> None:
    one = make_window()
    fill(one, stack, runs=1)
    one.docks["Curves"].hide()
    one.centre.show_view("Path")
    one.session_menu.store.save(tmp_path / "s.gsps")
    wait_for(one)
    two = make_window()
    assert two.docks["Curves"].isVisible()
    two.session_menu.open(tmp_path / "s.gsps")
    wait_until(lambda: two.session.runs.entries)
    assert not two.docks["Curves"].isVisible()
    assert two.centre.current == "Path"


def test_weights_and_copied_images_come_back(
    make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make_window()
    fill(one, stack, runs=1)
    weights = np.linspace(0.1, 1, 48)
    one.session.settings.set_weights(weights)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "copied"), ""))
    one.session_menu.save_as(with_data=True)
    wait_for(one)
    stack.unlink()
    two = make_window()
    two.session_menu.open(tmp_path / "copied.gsps")
    wait_until(lambda: two.session.runs.entries)
    assert np.array_equal(two.session.settings.weights, weights)
    assert two.session.dataset.X.shape == (48, 60)


def test_images_that_were_moved_are_asked_for(
    make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make_window()
    fill(one, stack, runs=1)
    one.session_menu.store.save(tmp_path / "s.gsps")
    wait_for(one)
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(stack, tmp_path / "elsewhere" / "y.npy")
    two = make_window()
    two.session_menu.open(tmp_path / "s.gsps")
    wait_until(dialogs)
    [dialog] = dialogs()
    assert "The images of s.gsps are not there any more" in dialog.sentence
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(moved), ""))
    dialog.accept()
    wait_until(lambda: two.session.runs.entries)
    assert two.session.dataset.source == str(moved)


@pytest.mark.parametrize("kind", ["words", "none", "folder"])
def test_what_is_no_session_is_one_sentence(window: MainWindow, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s.gsps"
    if kind == "words":
        path.write_text("words")
    elif kind == "folder":
        path.mkdir()
    window.prompts.open(path)
    wait_until(window.messages.refusal.isVisible)
    assert not dialogs()
    assert str(path) in window.messages.refusal.text()
    assert "Traceback" not in window.messages.refusal.text()


def test_a_session_that_cannot_be_written_is_one_dialog(window: MainWindow, stack: Path, tmp_path: Path) -> None:
    fill(window, stack, runs=1)
    window.session_menu.store.save(tmp_path / "gone" / "s.gsps")
    wait_until(dialogs)
    assert "s.gsps cannot be written: No such file or directory" in dialogs()[0].sentence
    assert window.isWindowModified()


def test_nothing_to_save_is_said(window: MainWindow) -> None:
    heard = Listener(window.session, "failed")
    window.session_menu.save()
    assert heard["failed"] == [("There is nothing to save yet; open some images first.", "")]


def test_recent_sessions_are_listed(
    make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path, settings: QSettings
) -> None:
    one = make_window()
    fill(one, stack, runs=1)
    for name in ("a", "b", "a"):
        one.session_menu.store.save(tmp_path / f"{name}.gsps")
        wait_for(one)
    texts = [text.partition(", 20")[0] for text in recent_of(one)]
    assert texts == ["a.gsps: x.npy, 1 run", "b.gsps: x.npy, 1 run"]
    two = make_window()
    two.session_menu.recent.actions()[1].trigger()
    wait_until(lambda: two.session.runs.entries)
    assert two.session_menu.store.path == tmp_path / "b.gsps"


def test_notes_are_written_in_the_list(window: MainWindow, stack: Path) -> None:
    fill(window, stack, runs=2)
    table = window.runs.table
    table.model().setData(table.model().index(1, NOTE), "with a higher target")
    assert window.session.runs.entries[1].remarks.note == "with a higher target"
    assert not table.model().index(1, 5).flags() & Qt.ItemFlag.ItemIsEditable


# Recovery


def test_what_was_not_saved_is_kept_and_found(
    make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path
) -> None:
    root = tmp_path / "recovery"
    one = make_window()
    one.session_menu.watch(root)
    fill(one, stack)
    one.session_menu.store.autosave.save()
    wait_for(one)
    [folder] = root.iterdir()
    kept = recovery.read_folder(folder)
    assert [run.number for run in kept.runs] == [1, 2]
    assert kept.state["remarks"]["1"]["note"] == "the first one"
    assert kept.state["choice"]["sparsity"] == pytest.approx(0.7)
    one.unsaved.leave()
    assert recovery.closed(root) == [folder], "it was not saved: it can be opened the next time"

    two = make_window()
    two.session_menu.watch(root)
    [text] = recent_of(two)
    assert text.startswith("Not saved: x.npy, 2 runs, 20")
    two.session_menu.recent.actions()[0].trigger()
    wait_until(lambda: two.session.runs.entries)
    wait_for(two)
    assert two.session.runs.entries[0].remarks == Annotations(
        "mine", "the first one", ("good", "a"), frozenset({2}), frozenset({0})
    )
    assert two.isWindowModified()
    assert not folder.exists(), "what it held is in the new window's folder"
    [anew] = root.iterdir()
    kept = recovery.read_folder(anew)
    of_screen = kept.state.get("refined_run", 0)  # of the refined basis, in no list
    assert [run.number for run in kept.runs if run.number != of_screen] == [1, 2]
    two.session_menu.store.save(tmp_path / "s.gsps")
    wait_for(two)
    two.close()
    assert list(root.iterdir()) == [], "all of it is in a file"


def test_only_what_changed_is_written(window: MainWindow, stack: Path, tmp_path: Path) -> None:
    window.session_menu.watch(tmp_path / "recovery")
    fill(window, stack)
    window.session_menu.store.autosave.save()
    wait_for(window)
    [folder] = (tmp_path / "recovery").iterdir()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "refined.h5"}
    window.session_menu.store.autosave.save()
    wait_for(window)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "refined.h5"} == before
    window.session.settings.set_sparsity(0.8)
    window.session_menu.store.autosave.save()
    wait_for(window)
    changed = [path for path in folder.iterdir() if path.stat().st_mtime_ns != before.get(path)]
    changed = [path for path in changed if path.name != "refined.h5"]  # of the slider's new target
    assert [path.name for path in changed] == ["state.json"]
    assert changed[0].stat().st_size < 1 << 20
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    window.session.runs.remark(1, Annotations(rejected=frozenset({1})))
    wait_for(window)
    changed = [path for path in folder.iterdir() if path.stat().st_mtime_ns != before.get(path)]
    changed = [path for path in changed if path.name != "refined.h5"]
    assert [path.name for path in changed] == ["state.json"], "at once, and the run's factors are not written again"


def test_a_run_that_is_going_is_kept_too(window: MainWindow, stack: Path, tmp_path: Path) -> None:
    window.session_menu.watch(tmp_path / "recovery")
    session = window.session
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=100_000, tol=0.0, sparsity=0.4))
    session.open(stack)
    wait_until(lambda: session.display.shown is not None)
    session.run()
    wait_until(lambda: len(session.course.records) > 20)
    window.session_menu.store.autosave.save()
    wait_for(window)
    [folder] = (tmp_path / "recovery").iterdir()
    [kept] = recovery.read_folder(folder).runs
    assert kept.number == 1
    assert kept.run.result.n_iter >= 20
    assert kept.run.reason == "cancelled"
    session.cancel()
    wait_until(lambda: session.phase is Phase.IDLE)
    wait_for(window)
    [kept] = recovery.read_folder(folder).runs
    assert kept.run.result.n_iter == session.runs.entries[0].outcome.result.n_iter
    assert not list(folder.glob("live*"))


def test_a_run_is_kept_from_its_first_seconds(
    make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave, "AUTOSAVE_MS", 10**9)
    window = make_window()
    window.session_menu.watch(tmp_path / "recovery")
    session = window.session
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=1_000_000, tol=0.0, sparsity=0.4))
    session.open(stack)
    wait_until(lambda: session.display.shown is not None)
    press_key(window, Qt.Key.Key_Space)
    wait_until(lambda: session.phase is Phase.RUNNING)
    wait_until(lambda: list((tmp_path / "recovery").glob("*/live.h5")))
    assert session.phase is Phase.RUNNING, "it is not its end that is written"
    wait_for(window)
    [folder] = (tmp_path / "recovery").iterdir()
    left = tmp_path / "left"
    shutil.copytree(folder, left)  # as a window that was killed leaves it
    back = run_records.reopen(left)
    assert back.interrupted == 1
    assert back.runs[0].outcome.result.n_iter > 0
    press_key(window, Qt.Key.Key_Escape)
    wait_until(lambda: session.phase is Phase.IDLE)


def test_that_nothing_can_be_kept_is_said_once(window: MainWindow, stack: Path, tmp_path: Path) -> None:
    (tmp_path / "recovery").write_text("a file where the folder should be")
    window.session_menu.watch(tmp_path / "recovery")
    heard = Listener(window.session, "failed")
    fill(window, stack)
    window.session_menu.store.autosave.save()
    wait_for(window)
    [(sentence, _)] = heard["failed"]
    assert sentence.startswith("Your work cannot be autosaved: ")


_APP = """
import sys
from pathlib import Path
from PySide6.QtCore import QSettings, QTimer
from gsp_studio.gui.app import make_application, make_window
from gsp_studio.gui.state import RunSettings, Phase

app = make_application()
window = make_window(QSettings(sys.argv[3], QSettings.Format.IniFormat))
session = window.session
window.completed.connect(lambda: window.session_menu.watch(Path(sys.argv[1])))
window.show()
count = 0
print(0, flush=True)


def step():
    global count
    if session.phase is Phase.EMPTY and not session.loader.is_loading:
        session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=5, sparsity=0.4))
        session.open(sys.argv[2])
    elif session.phase is Phase.IDLE and not window.session_menu.store.is_busy:
        if len(session.runs.entries) > count:
            count = len(session.runs.entries)
            print(count, flush=True)
        session.run()


timer = QTimer(interval=5)
timer.timeout.connect(step)
timer.start()
app.exec()
"""


#: How often the whole app is killed; a long try sets more.
KILLS = int(os.environ.get("GSP_STUDIO_KILLS", "2"))


def killed(root: Path, stack: Path, settings: Path, least: int, more_seconds: float) -> int:
    """Start the app, kill it some time after it has told of so many runs; how many it had told of then."""
    command = [sys.executable, "-c", _APP, root, stack, settings]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            if int(line) >= least:
                break
        time.sleep(more_seconds)
        process.send_signal(signal.SIGKILL)
        return max([least, *(int(line) for line in process.stdout.read().split())])


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_an_app_that_is_killed_at_any_moment_loses_no_finished_run(stack: Path, tmp_path: Path) -> None:
    chance = random.Random(1)
    for kill in range(KILLS):
        root = tmp_path / f"recovery{kill}"
        done = killed(root, stack, tmp_path / "killed.ini", chance.randrange(3), chance.uniform(0.0, 0.5))
        for folder in recovery.lost(root):
            back = run_records.reopen(folder)
            assert back.problems == ()
            assert [entry.number for entry in back.runs][:done] == list(range(1, done + 1))
            assert len(back.runs) - done <= 2
        assert done == 0 or len(recovery.lost(root)) == 1
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_app_offers_what_it_did(make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path) -> None:
    root = tmp_path / "recovery"
    done = killed(root, stack, tmp_path / "killed.ini", 4, 0.1)
    window = make_window()
    window.session_menu.watch(root)
    wait_until(dialogs)
    [dialog] = dialogs()
    assert "GSP Studio was not closed properly" in dialog.sentence
    assert dialog.remedy.text() == "Recover it"
    dialog.accept()
    wait_until(lambda: window.session.runs.entries)
    numbers = [entry.number for entry in window.session.runs.entries]
    assert numbers[:done] == list(range(1, done + 1))
    assert window.session.dataset.source == str(stack)


def test_what_is_not_recovered_is_not_offered_again(
    make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path
) -> None:
    root = tmp_path / "recovery"
    for _ in range(2):
        gone = recovery.Recovery(root)
        gone.save_state({}, {})
        gone._lock.close()
    window = make_window()
    window.session_menu.watch(root)
    wait_until(dialogs)
    dialogs()[0].reject()
    assert recovery.lost(root) == []
    texts = recent_of(window)
    assert len(texts) == 2
    assert all(text.startswith("Not saved: ") for text in texts)


def test_other_images_begin_a_folder_of_their_own(window: MainWindow, stack: Path, tmp_path: Path) -> None:
    window.session_menu.watch(tmp_path / "recovery")
    fill(window, stack)
    np.save(tmp_path / "y.npy", np.random.default_rng(1).integers(0, 255, (40, 8, 6), np.uint8))
    window.session.open(tmp_path / "y.npy")
    wait_until(lambda: window.session.dataset.name == "y.npy")
    window.session_menu.store.autosave.save()
    wait_for(window)
    old, new = sorted(map(recovery.read_folder, (tmp_path / "recovery").iterdir()), key=lambda kept: kept.data["name"])
    assert (old.data["name"], new.data["name"]) == ("x.npy", "y.npy")
    assert [run.number for run in old.runs if run.number != old.state.get("refined_run")] == [1, 2]
    assert new.runs == ()
    assert old.state["choice"]["sparsity"] == pytest.approx(0.7), "what was shown last is kept, too"
    assert not window.isWindowModified()
    assert window.session.settings.choice.with_params(rank=3) == window.session.settings.choice


def test_a_run_is_copied_as_text(window: MainWindow, stack: Path) -> None:
    fill(window, stack, runs=1)
    window.prompts.copy("python")
    text = QApplication.clipboard().text()
    assert "import gsp_studio as gs" in text
    assert str(stack) in text
    compile(text, "copied", "exec")
    window.prompts.copy("command")
    assert QApplication.clipboard().text().startswith(f"gsp-studio fit {stack} --rank 3")


def test_an_interrupted_run_is_shown_and_offers_to_continue(
    make_window: Callable[[], MainWindow], stack: Path, tmp_path: Path
) -> None:
    window = make_window()
    window.session_menu.watch(tmp_path / "recovery")
    fill(window, stack, runs=2)
    session = window.session
    session.settings.set_choice(session.settings.choice.with_params(max_iter=100_000, tol=0.0))
    session.run()
    wait_until(lambda: len(session.course.records) > 20)
    window.session_menu.store.autosave.save()
    wait_for(window)
    [folder] = (tmp_path / "recovery").iterdir()
    left = tmp_path / "left"
    shutil.copytree(folder, left)  # as a window that was killed leaves it
    session.cancel()
    wait_until(lambda: session.phase is Phase.IDLE)
    other = make_window()
    other.session_menu.open(left)
    wait_until(is_asked)
    done = other.session.runs.at(2).outcome.result.n_iter
    missing = grouped(100_000 - done)
    assert question().text() == f"Run 3 was interrupted after {plural(done, 'iteration')}; {missing} were left."
    assert other.session.runs.index == 2
    assert other.session.display.shown is other.session.runs.at(2).shown
    press(question(), "Continue it")
    wait_until(lambda: other.session.live.is_going)
    assert other.session.live.origin == (3, 0)
    assert other.session.live.runner.spec.params.max_iter == 100_000 - done
    other.session.cancel()
    wait_until(lambda: other.session.phase is Phase.IDLE)
