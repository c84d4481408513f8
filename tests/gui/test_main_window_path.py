"""The view Path in the window: the walk begins as it is opened, and the mouse on its curves shows solved bases."""

from __future__ import annotations

import numpy as np
import pytest
from handling import Listener, settle, wait_until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.gui.jobs import path_walk
from gsp_studio.gui.panels.path import PathPanel
from gsp_studio.gui.texts import percent
from gsp_studio.gui.window.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton


def words(widget: QWidget) -> str:
    return " | ".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


@pytest.fixture
def walked(faces_window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> MainWindow:
    """A window whose view Path was opened, and its walk over few targets is complete."""
    monkeypatch.setattr(path_walk, "TARGETS", 6)
    heard = Listener(faces_window.session, "basis.walkChanged")
    for _ in range(3):
        faces_window.session.poll()
    assert not heard["walkChanged"], "it is not looked at yet"
    QTest.keyClick(faces_window, Qt.Key.Key_4)
    panel = faces_window.arrangement.panel(PathPanel)
    assert panel.isVisible()
    wait_until(lambda: "solved path 2 of" in words(panel))
    assert panel.walk.text() == "Stop"
    wait_until(lambda: "knee of the solved curve" in words(panel))
    settle()
    return faces_window


def test_a_drag_on_the_curve_shows_solved_bases(walked: MainWindow) -> None:
    session, panel = walked.session, walked.arrangement.panel(PathPanel)
    plot, points = panel.errors, session.basis.path.present.points
    low, high = sorted(points)[1], sorted(points)[4]
    heard = Listener(session, "display.shownChanged")
    QTest.mousePress(plot.viewport(), LEFT, pos=plot.place_of(low).toPoint())
    for s in np.linspace(low, high, 20)[1:]:
        QTest.mouseMove(plot.viewport(), plot.place_of(float(s)).toPoint())
    QTest.mouseRelease(plot.viewport(), LEFT, pos=plot.place_of(high).toPoint())
    frames = [shown for shown in heard["shownChanged"] if shown.target != high]
    solved = [shown for shown in frames if shown.iterations]
    assert len(solved) > 0.8 * len(frames), "the projection alone is shown only where that is as good"
    assert session.display.shown.target == high
    assert session.display.shown.is_solved
    assert not session.basis.is_refining
    error = points[high].result.error
    assert f"solved {percent(error)}" in words(panel)
    assert f"projected {percent(session.display.shown.projected)}" in words(panel)
    assert f"solved {percent(error)}" in words(walked.sparsity)
    np.testing.assert_array_equal(session.display.shown.W, points[high].result.W)


def test_go_to_the_knee_and_keep_it(walked: MainWindow) -> None:
    session, panel = walked.session, walked.arrangement.panel(PathPanel)
    QTest.mouseClick(panel.to_knee, LEFT)
    knee = panel._solved.knee
    assert session.settings.params.sparsity == knee
    assert session.display.shown.is_solved
    solved = session.display.shown
    assert walked.actions_by_name["keep"].isEnabled()
    QTest.keyClick(panel, Qt.Key.Key_K)
    [entry] = session.runs.entries
    np.testing.assert_array_equal(entry.shown.W, solved.W)
    wait_until(lambda: panel._path is not None and panel._path.s[0] == session.basis.pinned.sparsity)
    assert panel._solved is not None
    assert "knee of the solved curve" in words(panel)


def test_stop_button_and_escape(faces_window: MainWindow) -> None:
    session, panel = faces_window.session, faces_window.arrangement.panel(PathPanel)
    QTest.keyClick(faces_window, Qt.Key.Key_4)
    wait_until(lambda: session.basis.path.is_working)
    QTest.mouseClick(panel.walk, LEFT)
    assert not session.basis.path.is_working
    assert panel.walk.text() in ("Go on", "Solve the path")
    QTest.mouseClick(panel.walk, LEFT)
    wait_until(lambda: session.basis.path.is_working)
    assert faces_window.run.cancel.isEnabled()
    QTest.keyClick(panel, Qt.Key.Key_Escape)
    assert not session.basis.path.is_working
    QTest.mouseClick(panel.walk, LEFT)
    wait_until(lambda: session.basis.path.is_working)
    QTest.mouseClick(faces_window.run.cancel, LEFT)
    assert not session.basis.path.is_working
    assert not faces_window.run.cancel.isEnabled()
