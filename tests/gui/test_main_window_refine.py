"""The whole window: letting go of the slider, and what is remembered of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from handling import open_faces, settle, wait_until
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.gui.formatting import percent
from gsp_studio.gui.jobs import compute
from gsp_studio.gui.state import Phase
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


def test_drag_and_let_go_recovers_error(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    drag(window, 0.92)
    assert "after refit" not in words(window.sparsity)
    wait_until(lambda: not math.isnan(session.display.shown.before_refit))
    told = words(window.sparsity)
    assert f"error {percent(session.display.shown.before_refit)} now" in told
    assert f"{percent(session.display.shown.error)} after refit" in told
    drag(window, 0.8)
    assert "after refit" not in words(window.sparsity)


def test_keys_of_the_window_settle_too(faces_window: MainWindow) -> None:
    window = faces_window
    QTest.keyClick(window, Qt.Key.Key_BracketRight)
    wait_until(lambda: "after refit" in words(window.sparsity))


def test_choice_is_remembered(make_window: Callable[[], MainWindow], settings: QSettings) -> None:
    first = make_window()
    assert first.session.basis.auto_refit
    assert first.sparsity.auto_refit.isChecked()
    first.sparsity.auto_refit.click()
    assert not first.session.basis.auto_refit
    second = make_window()
    assert not second.session.basis.auto_refit
    assert not second.sparsity.auto_refit.isChecked()
    open_faces(second.session)
    drag(second, 0.9)
    settle()
    assert not second.session.basis.is_refitting
    assert math.isnan(second.session.display.shown.before_refit)


def test_cancel_button_ends_a_refit(faces_window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    window, session = faces_window, faces_window.session
    monkeypatch.setattr(compute, "DENSER_ITERATIONS", 10**6)
    pinned = session.basis.pinned
    drag(window, pinned.sparsity / 2)
    wait_until(lambda: session.basis.is_refitting)
    assert "refitting..." in words(window.run)
    assert window.run.cancel.isEnabled()
    assert window.actions_by_name["cancel"].isEnabled()
    QTest.mouseClick(window.run.cancel, LEFT)
    assert "ready" in words(window.run)
    assert not window.run.cancel.isEnabled()
    assert not window.actions_by_name["cancel"].isEnabled()
    assert session.phase is Phase.IDLE
    assert session.basis.pinned is pinned
