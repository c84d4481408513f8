"""The whole window: letting go of the slider, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from handling import open_faces, settle, wait_until
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

import gsp_studio as gs
from gsp_studio.gui.jobs import compute
from gsp_studio.gui.panels.constraint_chip import ConstraintChip
from gsp_studio.gui.state import Phase
from gsp_studio.gui.texts import percent
from gsp_studio.gui.window.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton


def words(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def drag(window: MainWindow, s: float) -> None:
    """Drag the slider's handle there with the mouse, and let go."""
    slider = window.sparsity.slider
    start = slider.handle_position().toPoint()
    end = QPoint(round(12 + s * (slider.width() - 24)), start.y())
    QTest.mousePress(slider, LEFT, pos=start)
    QTest.mouseMove(slider, (start + end) / 2)
    QTest.mouseMove(slider, end)
    QTest.mouseRelease(slider, LEFT, pos=end)


def test_a_drag_settles_to_a_solution(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    drag(window, 0.92)
    wait_until(lambda: "solved " in words(window.sparsity))
    shown = session.display.shown
    assert f"solved {percent(shown.error)}   projected {percent(shown.projected)}" in words(window.sparsity)
    assert shown.error < shown.projected
    assert f"solved {percent(shown.error)}" in window.arrangement.panel(ConstraintChip).toolTip()
    drag(window, 0.8)
    assert " solved " not in words(window.sparsity).replace("from solved", "")
    wait_until(lambda: "solved " in words(window.sparsity))


def test_error_falls_while_the_mouse_moves(faces_window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    window, session = faces_window, faces_window.session
    monkeypatch.setattr(compute, "REFINING_TOLERANCE", 0.0)
    fresh = gs.factorize(session.dataset.X, gs.Params(9, "gsphals", sparsity=0.9, max_iter=500))
    slider = window.sparsity.slider
    start = slider.handle_position().toPoint()
    QTest.mousePress(slider, LEFT, pos=start)
    end = QPoint(round(12 + 0.9 * (slider.width() - 24)), start.y())
    for step in range(40):
        before = session.display.shown
        QTest.mouseMove(slider, start + (end - start) * min(1.0, step / 25))
        assert session.display.shown is not before or session.settings.params.sparsity == before.target
        settle()
    wait_until(lambda: session.display.shown.error < 1.1 * fresh.error)
    assert session.display.shown.meets_target
    assert "refining, " in words(window.sparsity)
    QTest.mouseRelease(slider, LEFT, pos=end)
    session.cancel()


def test_keys_of_the_window_settle_too(faces_window: MainWindow) -> None:
    window = faces_window
    QTest.keyClick(window, Qt.Key.Key_BracketRight)
    wait_until(lambda: "solved " in words(window.sparsity))


def test_choice_is_remembered(make_window: Callable[[], MainWindow], settings: QSettings) -> None:
    first = make_window()
    assert first.session.basis.refines
    assert first.sparsity.refine.isChecked()
    first.sparsity.refine.click()
    assert not first.session.basis.refines
    second = make_window()
    assert not second.session.basis.refines
    assert not second.sparsity.refine.isChecked()
    open_faces(second.session)
    drag(second, 0.9)
    settle()
    assert not second.session.basis.is_refining
    assert not second.session.display.shown.iterations


def test_preferences_with_the_former_name_of_the_switch(
    make_window: Callable[[], MainWindow], settings: QSettings
) -> None:
    settings.setValue("autoRefit", False)
    assert not make_window().session.basis.refines


def test_cancel_button_ends_refining(faces_window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    window, session = faces_window, faces_window.session
    monkeypatch.setattr(compute, "REFINING_ITERATIONS", 10**6)
    monkeypatch.setattr(compute, "REFINING_TOLERANCE", 0.0)
    pinned = session.basis.pinned
    drag(window, pinned.sparsity / 2)
    wait_until(lambda: "refining..." in words(window.run))
    assert window.run.cancel.isEnabled()
    assert window.actions_by_name["cancel"].isEnabled()
    QTest.mouseClick(window.run.cancel, LEFT)
    assert "ready" in words(window.run)
    assert not window.run.cancel.isEnabled()
    assert not window.actions_by_name["cancel"].isEnabled()
    assert session.phase is Phase.IDLE
    assert session.basis.pinned is pinned
