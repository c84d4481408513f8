"""The path panel with no session: curves, the line that one drags, the knee, words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import fakes
import numpy as np
import pytest
from handling import Listener, change_theme, settle
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.gui.panels.path import PathPanel
from gsp_studio.gui.state import PathCurve
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.scrub_plot import ScrubPlot

LEFT = Qt.MouseButton.LeftButton
SIGNALS = ("sparsityChanged", "settled", "asked")
S = np.linspace(0.4, 1.0, 61)
PATH = PathCurve(S, 0.1 + 0.8 * (S - 0.4), np.where(S > 0.9, 3, 0), 5, 0.8, "a test")


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> PathPanel:
    """A panel with a path, s = 0.5."""
    made = show(PathPanel(), 600, 400)
    made.set_path(PATH)
    made.set_sparsity(0.5)
    settle()
    return made


def words(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def place(plot: ScrubPlot, s: float) -> QPoint:
    return plot.place_of(s).toPoint()


def test_set_methods_never_emit(panel: PathPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    for s in (0.0, 0.4, 0.73, 1.0):
        panel.set_sparsity(s)
    for path in (replace(PATH, knee=math.nan), None, PATH):
        panel.set_path(path)
    panel.set_dataset(fakes.dataset())
    for activity in ("opening things", ""):
        panel.set_activity(activity)
    change_theme()
    settle()
    assert heard.is_silent


def test_words_are_about_the_present_s(panel: PathPanel) -> None:
    assert "s = 0.5000  ·  projected 18.000 %  ·  0 of 5 dead or 1 pixel" in words(panel)
    assert "knee of the projected curve: s = 0.800, 42.000 %" in words(panel)
    panel.set_sparsity(0.95)
    assert "s = 0.9500  ·  projected 54.000 %  ·  3 of 5 dead or 1 pixel" in words(panel)


def test_denser_than_the_basis_is_at_its_start(panel: PathPanel) -> None:
    panel.set_sparsity(0.1)
    assert "s = 0.4000  ·  projected 10.000 %" in words(panel)


def test_a_refined_basis_is_named_beside_its_projection(panel: PathPanel) -> None:
    refined = fakes.shown(fakes.dataset(), target=0.1, baseline=0.1, error=0.08, projected=0.1, iterations=12)
    panel.set_sparsity(0.1)
    panel.set_shown(replace(refined, is_refining=True))
    assert "s = 0.1000  ·  refining, 12 iterations: error 8.000 %  ·  projected 10.000 %" in words(panel)
    panel.set_shown(replace(refined, is_solved=True))
    assert "s = 0.1000  ·  solved 8.000 %  ·  projected 10.000 %" in words(panel)
    panel.set_sparsity(0.95)
    assert "s = 0.9500  ·  projected 54.000 %" in words(panel)


def test_press_goes_there_and_drag_follows(panel: PathPanel) -> None:
    for plot in (panel.errors, panel.lost):
        panel.set_sparsity(0.5)
        heard = Listener(panel, *SIGNALS)
        QTest.mousePress(plot.viewport(), LEFT, pos=place(plot, 0.6))
        for s in (0.7, 0.9):
            QTest.mouseMove(plot.viewport(), place(plot, s))
        assert heard["settled"] == []
        QTest.mouseRelease(plot.viewport(), LEFT, pos=place(plot, 0.9))
        assert heard["sparsityChanged"] == pytest.approx([0.6, 0.7, 0.9], abs=0.003)
        assert len(heard["settled"]) == 1
        assert f"s = {heard['sparsityChanged'][-1]:.4f}" in words(panel)


def test_drag_stays_within_the_path(panel: PathPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    plot = panel.errors
    QTest.mousePress(plot.viewport(), LEFT, pos=place(plot, 0.6))
    QTest.mouseMove(plot.viewport(), QPoint(-400, 50))
    QTest.mouseMove(plot.viewport(), QPoint(4000, 50))
    QTest.mouseRelease(plot.viewport(), LEFT, pos=QPoint(4000, 50))
    assert heard["sparsityChanged"][1:] == [0.4, 1.0]


def test_other_button_and_wheel_and_hover_do_nothing(panel: PathPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    plot = panel.errors
    QTest.mouseClick(plot.viewport(), Qt.MouseButton.RightButton, pos=place(plot, 0.6))
    QTest.mouseMove(plot.viewport(), place(plot, 0.7))
    assert heard.is_silent


def test_keys_step(panel: PathPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.setFocus()
    QTest.keyClick(panel, Qt.Key.Key_Right)
    QTest.keyClick(panel, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert heard["sparsityChanged"] == [0.51, 0.509]
    assert len(heard["settled"]) == 2


def test_button_goes_to_the_knee(panel: PathPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.to_knee.click()
    assert heard["sparsityChanged"] == [0.8]
    assert len(heard["settled"]) == 1
    panel.set_path(replace(PATH, knee=math.nan))
    assert not panel.to_knee.isEnabled()
    assert "knee" not in words(panel)


def test_line_and_knee_are_painted_where_they_are(panel: PathPanel) -> None:
    def columns(colour: str) -> list[int]:
        image = panel.errors.grab().toImage()
        return [
            x
            for x in range(image.width())
            if sum(image.pixelColor(x, y).name() == colour for y in range(0, image.height(), 3)) > 15
        ]

    panel.set_sparsity(0.6)
    settle()
    assert columns(current_theme().canvas_accent) == pytest.approx([place(panel.errors, 0.6).x()] * 1, abs=2)
    at = place(panel.errors, 0.8).x()
    assert all(abs(x - at) <= 2 for x in columns(current_theme().curve_target))


def test_curve_reaches_from_the_own_sparsity_to_one(panel: PathPanel) -> None:
    (left, right), (low, high) = panel.errors.getPlotItem().viewRange()
    assert left <= 0.4 < 0.41
    assert 1.0 <= right < 1.01
    assert low <= 0
    assert high > 58
    assert panel.lost.getPlotItem().viewRange()[0] == [left, right]


def test_behind_another_tab_nothing_is_drawn_until_it_is_seen(panel: PathPanel) -> None:
    panel.hide()
    panel.set_sparsity(0.9)
    assert panel.errors._line.value() == 0.5
    panel.show()
    assert panel.errors._line.value() == 0.9


def test_basis_of_single_pixels_has_a_path_of_one_point(panel: PathPanel) -> None:
    panel.set_path(PathCurve(np.ones(61), np.full(61, 0.2), np.full(61, 5), 5, math.nan, "a test"))
    panel.set_sparsity(0.7)
    settle()
    assert "s = 1.0000  ·  projected 20.000 %  ·  5 of 5" in words(panel)


def test_empty_says_what_to_do(show: Callable[..., QWidget]) -> None:
    panel = show(PathPanel(), 600, 400)
    heard = Listener(panel, *SIGNALS)
    assert "Open your images" in words(panel)
    panel.empty.buttons["sample"].click()
    assert heard["asked"] == ["sample"]
    panel.set_activity("fitting 9 basis images for the slider")
    assert "Fitting 9 basis images for the slider..." in words(panel)
    panel.set_dataset(fakes.dataset())
    assert "Press Run" in words(panel)
    assert not panel.empty.buttons["sample"].isVisible()
    panel.set_path(PATH)
    panel.set_path(None)
    assert "Press Run" in words(panel)
