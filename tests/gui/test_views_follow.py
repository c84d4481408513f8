"""Every view follows: after undo, redo and reopening, all that can be read and seen is what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handling import Listener, cell_place, open_faces, press_key, settle, tile_centre, wait_until
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLabel, QWidget

from gsp_studio.core.weighting import centre
from gsp_studio.gui.session.path_solver import PathSolver
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import Phase, View
from gsp_studio.gui.window.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton
CTRL = Qt.KeyboardModifier.ControlModifier
#: Views, and panels whose pictures are compared in them. The solved curve keeps what has been found.
SEEN = {
    "Basis": ("montage", "basis", "sparsity", "chip", "model"),
    "Inspector": ("inspector",),
    "Weights": ("weights",),
}


def is_quiet(window: MainWindow) -> bool:
    session = window.session
    basis, analyses = session.basis, session.analyses
    jobs = (*analyses._inspection._jobs, analyses._pair._pairs, basis._projection)
    waits = basis._rest_timer.isActive() or session.warm_fit.is_coming or basis.is_refining or basis.solver.is_trying
    timers = (window.inspector._errors_timer, window.inspector._fit_timer, window.basis._timer)
    is_busy = any(job.is_busy for job in jobs) or any(timer.isActive() for timer in timers)
    return session.phase is Phase.IDLE and basis._scan.is_done and not waits and not is_busy


def rest(window: MainWindow) -> None:
    for _ in range(2):
        wait_until(lambda: is_quiet(window))
        settle()


def words_of(panel: QWidget) -> Iterator[tuple[str, Any]]:
    for k, words in enumerate(panel.findChildren(QLabel)):
        yield f"label {k}", words.text() if words.isVisible() else None
    for k, button in enumerate(panel.findChildren(QAbstractButton)):
        yield f"button {k}", (button.text(), button.isEnabled(), button.isChecked()) if button.isVisible() else None
    yield "tool tip", (panel.toolTip(), panel.accessibleName(), panel.accessibleDescription())


def seen(window: MainWindow) -> dict[str, Any]:
    """All words and pictures of the views and docks, and the rows of the runs."""
    found: dict[str, Any] = {}
    for view, drawn in SEEN.items():
        window.centre.show_view(view)
        rest(window)
        for name in drawn:
            panel = window.arrangement.panels[name]
            found |= {f"{name}, {part}": words for part, words in words_of(panel)}
            found[f"{name}, picture"] = panel.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    window.centre.show_view("Path")
    rest(window)
    found |= {f"path, {part}": words for part, words in words_of(window.path)}
    table = window.runs.table
    rows = [[str(table.model().index(k, j).data()) for j in range(12)] for k in range(table.model().rowCount())]
    found["runs"] = {row[0]: row for row in rows}
    found["chosen run"] = [index.row() for index in table.selectionModel().selectedRows()]
    return found


def assert_same(now: dict[str, Any], then: dict[str, Any], when: str) -> None:
    listed = {name: row for name, row in now["runs"].items() if name in then["runs"]}
    differ = {name: (then[name], value) for name, value in {**now, "runs": listed}.items() if value != then[name]}
    assert not differ, f"{when}: {differ}"


def run(session: Session, **changes: Any) -> None:
    session.settings.set_choice(session.settings.choice.with_params(max_iter=4, **changes))
    count = len(session.runs.entries)
    session.run()
    wait_until(lambda: len(session.runs.entries) > count and session.phase is Phase.IDLE)


def drag(session: Session, s: float) -> None:
    session.settings.set_sparsity(s)
    session.settings.settle_sparsity()


def test_all_views_are_as_they_were_after_undo_and_redo(
    faces_window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PathSolver, "go_on", lambda *_, **__: None)  # the solved path goes on in idle time
    monkeypatch.setattr("gsp_studio.gui.panels.inspector._ERRORS_MS", 0)
    window, session, stack = faces_window, faces_window.session, faces_window.session.undo.stack
    run(session, sparsity=0.7)
    run(session, method="wgsphals", sparsity=0.6)
    session.display.set_view(View("shared", "magma", True))
    rest(window)
    stack.clear()
    window.centre.show_view("Path")  # not for the first time then: the focus stands where it will
    steps: dict[str, Callable[[], None]] = {
        "selection": lambda: session.display.mark((3, 1)),
        "accept basis 2, 4 of Run 2": lambda: session.runs.judge((3, 1), True),
        "sparsity": lambda: drag(session, 0.9),
        "locked basis images": lambda: session.slider.toggle_locked(2),
        "weights": lambda: (
            session.settings.set_weights(centre((19, 19)).ravel()),  # type: ignore[func-returns-value]
            session.settings.settle_weights(),  # type: ignore[func-returns-value]
        ),
        "order of the tiles": lambda: session.slider.sort_tiles("sparsities"),
        "settings": lambda: session.settings.set_choice(session.settings.choice.with_params(rank=4)),
        "show Run 1": lambda: session.control.show(0),
        "delete Run 1": lambda: session.control.delete(0),
    }
    states = [seen(window)]
    for name, do in steps.items():
        do()
        rest(window)
        assert [stack.text(k) for k in range(stack.count())][len(states) - 1 :] == [name]
        states.append(seen(window))
    assert "KKT –" not in states[0]["chip, tool tip"][2]
    for k in range(len(steps) - 1, -1, -1):
        stack.undo()
        rest(window)
        assert_same(seen(window), states[k], f"before {list(steps)[k]}")
    for _ in steps:
        stack.redo()
    rest(window)
    assert_same(seen(window), states[-1], "after redoing all")


def test_locked_images_and_a_sorted_order_are_there_again_when_their_session_is(
    make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    window, session = (made := make_window()), made.session
    open_faces(session)
    run(session, sparsity=0.7)
    session.slider.sort_tiles("sparsities")
    session.slider.toggle_locked(2)
    rest(window)
    heard = Listener(window.session_menu.store, "saved", "failed")
    window.session_menu.write(tmp_path / "it.gsps")
    wait_until(lambda: heard["saved"] or heard["failed"])
    other = make_window()
    opened = Listener(other.session_menu.store, "opened", "failed")
    other.session_menu.open(tmp_path / "it.gsps")
    wait_until(lambda: opened["opened"] or opened["failed"])
    rest(other)
    assert other.session.basis.locked == session.basis.locked
    np.testing.assert_array_equal(other.session.display.shown.order, session.display.shown.order)
    assert not other.session.undo.stack.canUndo()
    assert "projected" in other.sparsity._read_out.text()


def test_the_first_basis_is_solved_for_the_target_that_the_slider_stands_at(faces: Session) -> None:
    wait_until(lambda: faces.display.shown.is_solved)
    shown = faces.display.shown
    assert shown.target == faces.settings.params.sparsity
    assert shown.error < 0.5 * shown.projected
    assert not faces.undo.stack.canUndo()


def status_line(window: MainWindow) -> str:
    return window.messages.line.text()


class TestByHand:
    """Judging, painting and deleting with mouse and keyboard, and Ctrl+Z."""

    def test_accept_and_reject_are_steps_with_words_of_their_own(self, faces_window: MainWindow) -> None:
        window, session = faces_window, faces_window.session
        run(session)
        settle()
        view, order = window.montage.view, [int(k) for k in session.display.shown.order]
        QTest.mouseClick(view.viewport(), LEFT, pos=tile_centre(view, 1).toPoint())
        QTest.keyClick(window, Qt.Key.Key_A)
        assert session.undo.stack.undoText() == f"accept basis {order[1] + 1} of Run 1"
        QTest.keyClick(window, Qt.Key.Key_A)
        assert session.undo.stack.undoText() == f"take back the verdict on basis {order[1] + 1} of Run 1"
        QTest.keyClick(window, Qt.Key.Key_X)
        assert session.undo.stack.undoText() == f"reject basis {order[1] + 1} of Run 1"
        assert "1 rejected" in window.montage._caption.text()
        for said in ("", "1 accepted", ""):
            QTest.keyClick(window, Qt.Key.Key_Z, CTRL)
            settle()
            assert window.montage._caption.text().partition("per tile")[2].removeprefix("  ·  ") == said
        offered = [action.text().replace("&", "") for action in window.menus.actions]
        assert f"Redo accept basis {order[1] + 1} of Run 1" in offered

    def test_arrows_of_the_weights_follow_the_windows_undo(self, faces_window: MainWindow) -> None:
        window, session = faces_window, faces_window.session
        panel = window.weights
        window.centre.show_view("Weights")
        settle()
        canvas = panel.canvas
        for row in (0.3, 0.6):
            at = QPointF(canvas.width() / 2, canvas.height() * row).toPoint()
            QTest.mousePress(canvas, LEFT, pos=at)
            QTest.mouseRelease(canvas, LEFT, pos=at)
            settle()
        twice = session.settings.weights
        arrows = (panel.undo_button, panel.redo_button)
        assert [arrow.isEnabled() for arrow in arrows] == [True, False]
        press_key(window, Qt.Key.Key_Z, CTRL)
        assert [arrow.isEnabled() for arrow in arrows] == [True, True]
        once = session.settings.weights
        assert once is not None
        QTest.mouseClick(panel.redo_button, LEFT)
        np.testing.assert_array_equal(session.settings.weights, twice)
        press_key(window, Qt.Key.Key_Z, CTRL)  # of the arrow
        np.testing.assert_array_equal(session.settings.weights, once)
        press_key(window, Qt.Key.Key_Z, CTRL)
        assert session.settings.weights is None
        assert [arrow.isEnabled() for arrow in arrows] == [False, True]

    def test_the_run_on_the_screen_is_deleted_cleanly_and_comes_back(self, faces_window: MainWindow) -> None:
        window, session = faces_window, faces_window.session
        run(session, sparsity=0.6)
        run(session, sparsity=0.7)
        settle()
        first, second = session.runs.entries
        table = window.runs.table
        QTest.mouseClick(table.viewport(), LEFT, pos=cell_place(table, 1, 0))
        QTest.keyClick(table, Qt.Key.Key_Delete)
        assert "Run 2" in status_line(window)
        assert "Ctrl+Z brings it back" in status_line(window)
        assert session.runs.current is first
        assert session.display.shown is first.shown, "what is exported is what is seen"
        assert session.course.number == 1
        assert "0.6000" in window.chip.text()
        QTest.keyClick(window, Qt.Key.Key_Z, CTRL)
        settle()
        assert session.runs.current is second
        assert session.display.shown is second.shown
        for _ in range(2):
            QTest.keyClick(table, Qt.Key.Key_Delete)
        assert session.runs.entries == ()
        assert session.course.number == 0
        assert not window.actions_by_name["export"].isEnabled()
        QTest.keyClick(window, Qt.Key.Key_Z, CTRL)
        QTest.keyClick(window, Qt.Key.Key_Z, CTRL)
        assert session.runs.entries == (first, second)

    def test_tiles_keep_a_restored_order_when_the_slider_moves(self, faces_window: MainWindow) -> None:
        session = faces_window.session
        run(session)
        order = session.display.shown.order.tolist()
        faces_window.actions_by_name["sort by sparsity"].trigger()
        assert session.display.shown.order.tolist() != order
        QTest.keyClick(faces_window, Qt.Key.Key_Z, CTRL)
        session.settings.set_sparsity(0.9)
        assert session.display.shown.order.tolist() == order
