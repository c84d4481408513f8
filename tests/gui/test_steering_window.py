"""The whole window around a run that is steered: keys, menu, context menu, marks, branches."""

from __future__ import annotations

import pytest
from handling import cell_place, pixel_size, press_when_asked, settle, tile_centre, wait_until
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from gsp_studio.core.lineage import leads
from gsp_studio.core.results import History
from gsp_studio.gui.dialogs.branch import BranchDialog
from gsp_studio.gui.state import Phase
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.window.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key
STEERING = ("freeze", "split", "re-seed", "kill")


@pytest.fixture
def paused(faces_window: MainWindow) -> MainWindow:
    """A run that has been paused after some iterations."""
    session = faces_window.session
    session.settings.set_choice(session.settings.choice.with_params(max_iter=10**6, tol=0.0))
    QTest.mouseClick(faces_window.run.run, LEFT)
    wait_until(lambda: len(session.course.records) >= 6)
    QTest.mouseClick(faces_window.run.run, LEFT)
    wait_until(lambda: session.live.runner.state.name == "PAUSED")
    session.poll()
    return faces_window


def steering(window: MainWindow) -> list[QAction]:
    return [window.actions_by_name[name] for name in STEERING]


def pick(window: MainWindow, tile: int) -> None:
    view = window.montage.view
    QTest.mouseClick(view.viewport(), LEFT, pos=tile_centre(view, tile).toPoint())


def colours_of_tile(window: MainWindow, tile: int) -> set[str]:
    view = window.montage.view
    image = view.viewport().grab().toImage()
    centre, half = tile_centre(view, tile).toPoint(), round(view._buffer.width * pixel_size(view)[0] / 2) + 3
    around = range(-half, half + 1)
    return {image.pixelColor(centre.x() + x, centre.y() + y).name() for x in around for y in around}


def dialog() -> BranchDialog:
    [found] = [w for w in QApplication.topLevelWidgets() if isinstance(w, BranchDialog) and w.isVisible()]
    return found


def test_offers_follow_what_can_be_done(faces_window: MainWindow) -> None:
    window = faces_window
    assert not any(action.isEnabled() for action in (*steering(window), window.actions_by_name["branch"]))
    pick(window, 0)
    assert not any(action.isEnabled() for action in steering(window)), "nothing runs"


def test_keys_change_the_selected_basis_images(paused: MainWindow) -> None:
    window, session = paused, paused.session
    assert not any(action.isEnabled() for action in steering(window)), "none is selected"
    pick(window, 1)
    assert all(action.isEnabled() for action in steering(window))
    frozen = int(session.display.shown.order[1])
    QTest.keyClick(window.montage.view, Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    assert session.live.frozen == (frozen,)
    assert current_theme().curve_sparsity in colours_of_tile(window, 1)
    assert "1 frozen" in window.montage._caption.text()
    pick(window, 0)
    said = press_when_asked("Cancel")
    QTest.keyClick(window.montage.view, Key.Key_Delete)
    assert "Kill basis" in said[0]
    window.activateWindow()
    settle()
    press_when_asked("Kill")
    QTest.keyClick(window.montage.view, Key.Key_Delete)
    assert not any(action.isEnabled() for action in steering(window))
    pick(window, 4)
    window.activateWindow()
    settle()
    press_when_asked("Split")
    QTest.keyClick(window.montage.view, Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    window.activateWindow()
    settle()
    press_when_asked("Re-seed")
    QTest.keyClick(window.montage.view, Key.Key_R, Qt.KeyboardModifier.ShiftModifier)
    QTest.mouseClick(window.run.run, LEFT)
    wait_until(lambda: len(session.course.marks) == 4)
    wait_until(
        lambda: (
            session.course.records[-1].n_iter > session.course.marks[-1].last and session.display.shown.W.shape[1] == 9
        )
    )
    words = [mark.text.split(" ", 2)[2] for mark in session.course.marks]
    assert words == ["frozen", "killed", "split", "re-seeded"]
    assert len(window.curves._mark_heads.points()) == 4
    session.cancel()
    wait_until(lambda: session.phase is Phase.IDLE)
    assert "frozen" not in window.montage._caption.text()
    tip = window.runs.table.model().index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert session.runs.entries[0].marks[1].line in tip


def right_click(window: MainWindow, tile: int) -> QMenu:
    view = window.montage.view
    place = tile_centre(view, tile).toPoint()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.RightButton, pos=place)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, view.viewport().mapToGlobal(place))
    QApplication.sendEvent(view.viewport(), event)
    settle()
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    return menu


def test_a_right_click_means_the_tile_under_the_pointer(paused: MainWindow) -> None:
    window, session = paused, paused.session
    order = [int(basis) for basis in session.display.shown.order]
    pick(window, 1)
    menu = right_click(window, 6)
    assert session.display.marked == (order[6],)
    assert [action for action in steering(window) if action in menu.actions()] == steering(window)
    said = press_when_asked("Kill")
    kill = window.actions_by_name["kill"]
    assert kill.isEnabled()
    menu.setActiveAction(kill)
    QTest.keyClick(menu, Key.Key_Return)
    assert f"Kill basis {order[6] + 1}?" in said[0]
    assert [edit.basis for edit in session.live._unseen] == [order[6]]
    # A right click on one of several keeps them all; beside the tiles nothing is offered.
    session.display.mark((order[0], order[2]))
    right_click(window, 2).close()
    assert session.display.marked == (order[0], order[2])


def test_a_branch_by_key_and_dialog(paused: MainWindow) -> None:
    window, session = paused, paused.session
    end = session.control.branch_end
    QTest.keyClick(window, Key.Key_B)
    asked = dialog()
    assert asked.windowTitle() == "Branch Run 1"
    assert (asked.at.value(), asked.at.maximum(), asked.sparsity.value()) == (end, end, 0.9)
    asked.at.setValue(3)
    QTest.keyClicks(asked.sparsity, "0.7")
    QTest.keyClick(asked.sparsity, Key.Key_Return)
    wait_until(lambda: len(session.runs.entries) == 1 and len(session.course.records) > 3)
    assert session.runs.entries[0].state == "stopped"
    session.cancel()
    wait_until(lambda: len(session.runs.entries) == 2)
    first, second = session.runs.entries
    assert (second.origin, second.choice.params.sparsity) == ((1, 3), 0.7)
    assert [r.error for r in second.records[:3]] == [r.error for r in first.records[:3]]
    drawn = window.curves._origin_curves[0].getData()[1]
    there = History.of(first.records)  # a trial that has been given up is not drawn behind the branch
    assert list(drawn) == pytest.approx(list(100 * there.error[leads(there)]))
    QTest.mouseClick(
        window.runs.table.viewport(),
        LEFT,
        pos=cell_place(window.runs.table, 0, 0),
    )
    assert window.curves._origin_curves[0].getData()[0] is None or not len(window.curves._origin_curves[0].getData()[0])


def test_without_a_run_there_is_nothing_to_branch(faces_window: MainWindow) -> None:
    faces_window.prompts.branch()
    assert not [w for w in QApplication.topLevelWidgets() if isinstance(w, BranchDialog) and w.isVisible()]
