"""Undo and redo: each drag, click and view setting is one step, and comes back whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handling import open_faces, settle, tile_centre, wait_until
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest

from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import View
from gsp_studio.gui.window.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton


def test_a_drag_is_one_step(faces: Session) -> None:
    stack = faces.undo.stack
    start = faces.settings.params.sparsity
    for s in np.linspace(0.5, 0.9, 30):
        faces.settings.set_sparsity(float(s))
    assert stack.count() == 0  # the hand is still on it
    faces.settings.settle_sparsity()
    faces.settings.settle_sparsity()
    assert stack.count() == 1
    faces.settings.set_sparsity(0.6)
    faces.settings.settle_sparsity()
    stack.undo()
    assert faces.settings.params.sparsity == pytest.approx(0.9)
    assert faces.display.shown.target == pytest.approx(0.9)
    stack.undo()
    assert faces.settings.params.sparsity == start
    assert not stack.canUndo()
    stack.redo()
    stack.redo()
    assert faces.settings.params.sparsity == pytest.approx(0.6)
    assert faces.display.shown.target == pytest.approx(0.6)
    assert stack.count() == 2  # undoing makes no steps of its own


def test_every_kind_of_setting_comes_back(faces: Session) -> None:
    faces.settings.set_sparsity(0.7)
    faces.settings.settle_sparsity()
    faces.settings.set_sparsity_h(0.5)
    faces.settings.settle_sparsity()
    faces.slider.toggle_locked(2)
    faces.display.select(3)
    faces.display.mark((3, 5, 1))
    faces.display.set_view(View("shared", "magma", True))
    texts = [faces.undo.stack.text(k) for k in range(faces.undo.stack.count())]
    assert texts == ["sparsity", "sparsity", "locked basis images", "selection", "selection", "view"]
    locked = faces.basis.locked
    states = []
    while faces.undo.stack.canUndo():
        faces.undo.stack.undo()
        states.append(
            (
                faces.settings.params.sparsity,
                faces.settings.params.sparsity_h,
                len(faces.basis.locked),
                faces.display.marked,
                faces.display.view,
            )
        )
    assert [state[4] for state in states] == [View()] * 6
    assert [state[3] for state in states] == [(3, 5, 1), (3,), (), (), (), ()]
    assert [state[2] for state in states] == [1, 1, 1, 0, 0, 0]
    assert [state[1] for state in states] == [0.5, 0.5, 0.5, 0.5, None, None]
    while faces.undo.stack.canRedo():
        faces.undo.stack.redo()
    assert faces.basis.locked == locked
    assert faces.display.marked == (3, 5, 1)
    assert faces.display.selected == 1
    assert faces.display.view == View("shared", "magma", True)


def test_a_step_before_a_run_does_not_hold_images_of_its_basis(faces: Session) -> None:
    faces.settings.set_sparsity(0.7)
    faces.settings.settle_sparsity()
    faces.slider.toggle_locked(2)
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=5))
    faces.run()
    wait_until(lambda: faces.runs.entries)
    faces.settings.set_sparsity(0.9)
    faces.settings.settle_sparsity()
    faces.undo.stack.undo()
    faces.undo.stack.undo()
    assert faces.basis.locked == {}
    faces.undo.stack.redo()
    assert faces.basis.locked == {}
    assert faces.settings.params.sparsity == pytest.approx(0.7)


def test_other_data_end_it(faces: Session) -> None:
    faces.display.select(1)
    assert faces.undo.stack.canUndo()
    before = faces.dataset
    open_faces(faces)
    wait_until(lambda: faces.dataset is not before)
    assert not faces.undo.stack.canUndo()


def test_the_window_undoes_a_real_drag(faces_window: MainWindow, tmp_path: Path) -> None:
    window, session = faces_window, faces_window.session
    slider = window.sparsity.slider
    before = session.settings.params.sparsity
    y = slider.handle_position().toPoint().y()
    QTest.mousePress(slider, LEFT, pos=slider.handle_position().toPoint())
    for x in range(100, slider.width() - 60, 7):
        QTest.mouseMove(slider, QPoint(x, y))
    QTest.mouseRelease(slider, LEFT, pos=QPoint(slider.width() - 60, y))
    settle()
    after = session.settings.params.sparsity
    assert after != before
    (undo,) = [a for a in window.menus.actions if QKeySequence(QKeySequence.StandardKey.Undo) in a.shortcuts()]
    assert "sparsity" in undo.text()
    undo.trigger()
    assert window.sparsity.number.value() == pytest.approx(before)
    (redo,) = [a for a in window.menus.actions if "edo" in a.text()]
    redo.trigger()
    assert window.sparsity.slider.value() == pytest.approx(after)
    assert not redo.isEnabled()


def test_view_settings_are_shown_in_the_menu(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    window.view_menu.shared.trigger()
    assert session.display.view.contrast == "shared"
    window.view_menu.colours["viridis"].trigger()
    session.undo.stack.undo()
    session.undo.stack.undo()
    assert session.display.view == View()
    assert not window.view_menu.shared.isChecked()
    assert window.view_menu.colours["grey"].isChecked()
    assert window.view_menu.contrasts["tile"].isChecked()


def test_ctrl_adds_to_the_selection_and_shift_takes_all_between(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    view, order = window.montage.view, [int(k) for k in session.display.shown.order]

    def click(tile: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.mouseClick(view.viewport(), LEFT, keys, tile_centre(view, tile).toPoint())

    click(1)
    click(4, Qt.KeyboardModifier.ControlModifier)
    assert session.display.marked == (order[1], order[4])
    click(6, Qt.KeyboardModifier.ShiftModifier)
    assert session.display.marked == (order[1], order[4], order[5], order[6])
    click(4, Qt.KeyboardModifier.ControlModifier)
    assert session.display.marked == (order[1], order[5], order[6])
    click(2)
    assert session.display.marked == (order[2],)
