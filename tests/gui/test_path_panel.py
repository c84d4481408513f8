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
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from gsp_studio.gui.panels.path import PathPanel
from gsp_studio.gui.solutions import SolvedCurve, WalkState
from gsp_studio.gui.state import PathCurve
from gsp_studio.gui.theme import apply_theme, current_theme, load_theme
from gsp_studio.gui.widgets.scrub_plot import ScrubPlot

LEFT = Qt.MouseButton.LeftButton
SIGNALS = ("sparsityChanged", "settled", "asked", "walkToggled")
S = np.linspace(0.4, 1.0, 61)
SOLVED = SolvedCurve(np.array([0.4, 0.5, 0.7, 0.99]), np.array([0.1, 0.11, 0.14, 0.3]), np.array([0, 0, 1, 4]))
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
    for solved in (SOLVED, None, replace(SOLVED, knee=0.7)):
        panel.set_solved(solved)
    for walk in (WalkState(True), WalkState(is_going=True, n_done=3, n_runs=9), WalkState()):
        panel.set_walk(walk)
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
    costs = "8.000 %, 0 of 5 dead or 1 pixel  ·  projected 10.000 %, 0"
    assert f"s = 0.1000  ·  refining, 12 iterations: error {costs}" in words(panel)
    panel.set_shown(replace(refined, is_solved=True))
    assert f"s = 0.1000  ·  solved {costs}" in words(panel)
    panel.set_shown(replace(refined, solved_at=0.12))
    assert f"s = 0.1000  ·  from solved s = 0.120: error {costs}" in words(panel)
    panel.set_sparsity(0.95)
    assert "s = 0.9500  ·  projected 54.000 %" in words(panel)


def test_a_solution_left_of_the_projected_curve_has_its_place_on_the_axis(panel: PathPanel) -> None:
    refined = fakes.shown(fakes.dataset(), target=0.13, baseline=0.1, error=0.08, projected=0.1, iterations=12)
    panel.set_sparsity(0.13)
    panel.set_shown(refined)
    for plot in (panel.errors, panel.lost):
        assert plot._dot.getData()[0].tolist() == [0.13]
        assert plot._line.value() == 0.13
        low, high = plot.getPlotItem().viewRange()[0]
        assert low <= 0.13 <= high
    panel.set_sparsity(0.5)
    assert panel.errors.getPlotItem().viewRange()[0][0] > 0.3, "the room is for the curve again"


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


def test_knee_of_the_solved_curve_once_that_is_complete(panel: PathPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.set_solved(SOLVED)
    assert "knee of the projected curve: s = 0.800" in words(panel)
    assert "the projected curve" in panel.to_knee.toolTip()
    panel.set_solved(replace(SOLVED, knee=0.7))
    assert "knee of the solved curve: s = 0.700, 14.000 %" in words(panel)
    assert "the solved curve that lies" in panel.to_knee.toolTip()
    assert panel.errors._knee.value() == 0.7
    panel.to_knee.click()
    assert heard["sparsityChanged"] == [0.7]


def test_solved_curve_is_drawn_solid_and_the_projected_one_dashed(panel: PathPanel) -> None:
    for plot in (panel.errors, panel.lost):
        assert not len(plot._solved_x)
    panel.set_solved(SOLVED)
    x, y = panel.errors._solved.getData()
    assert x.tolist() == SOLVED.s.tolist()
    assert y == pytest.approx(100 * SOLVED.errors)
    assert panel.lost._solved.getData()[1].tolist() == [0, 0, 1, 4]
    assert panel.errors._solved.opts["pen"].style() == Qt.PenStyle.SolidLine
    assert panel.errors._curve.opts["pen"].style() == Qt.PenStyle.DashLine
    assert panel.errors._solved.opts["pen"].widthF() > panel.errors._curve.opts["pen"].widthF()
    assert [entry.text for _, entry in panel.errors._legend.items] == ["solved", "projected"]
    assert "projected 18.000 %, 0 of 5 dead or 1 pixel  ·  solved 11.000 % at s = 0.500" in words(panel)
    panel.set_solved(None)
    assert not len(panel.errors._solved_x)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_legend_is_read_in_both_themes(panel: PathPanel, app: QApplication, scheme: str) -> None:
    panel.set_solved(SOLVED)
    apply_theme(app, load_theme(scheme))
    settle()
    theme = current_theme()
    legend = panel.errors._legend
    ground = legend.brush().color()
    for _, entry in legend.items:
        ink = QColor(entry.opts["color"])
        assert abs(ink.lightnessF() - ground.lightnessF()) > 0.5
    assert ground.name() == theme.plot
    apply_theme(app, load_theme("dark"))


def test_solved_points_below_the_projected_curve_are_in_reach(panel: PathPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.set_solved(replace(SOLVED, s=np.array([0.2, 0.5, 0.7, 0.99])))
    assert panel.errors.getPlotItem().viewRange()[0][0] < 0.2
    settle()
    QTest.mouseClick(panel.errors.viewport(), LEFT, pos=place(panel.errors, 0.2))
    assert heard["sparsityChanged"] == [0.2]


def test_the_pointer_snaps_to_a_solved_point(panel: PathPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.set_solved(SOLVED)
    plot, beside = panel.errors, QPoint(3, 0)
    QTest.mouseClick(plot.viewport(), LEFT, pos=place(plot, 0.7) + beside)
    assert heard["sparsityChanged"] == [0.7]
    QTest.mouseClick(plot.viewport(), LEFT, pos=place(plot, 0.7) + 4 * beside)
    assert heard["sparsityChanged"][-1] > 0.705


def test_dot_is_at_the_basis_on_the_screen(panel: PathPanel) -> None:
    data = fakes.dataset()
    panel.set_sparsity(0.6)
    assert panel.errors._dot.getData()[1] == pytest.approx([26.0])
    panel.set_shown(fakes.shown(data, target=0.6, baseline=0.1, error=0.12, projected=0.26, iterations=9))
    assert panel.errors._dot.getData()[1] == pytest.approx([12.0])
    assert panel.lost._dot.getData()[1] == [0.0]


def test_walk_is_told_and_toggled(panel: PathPanel) -> None:
    heard = Listener(panel, "walkToggled")
    assert not panel.walk.isVisible()
    panel.set_walk(WalkState(can_begin=True, seconds=125.0))
    assert panel.walk.text() == "Solve the path"
    assert "about 2:05" in words(panel)
    panel.walk.click()
    panel.set_walk(WalkState(is_going=True, n_done=11, n_runs=49, seconds=61.0))
    assert "solved path 12 of 49, about 1:01 left" in words(panel)
    assert panel.walk.text() == "Stop"
    panel.walk.click()
    panel.set_walk(WalkState(can_begin=True, n_done=11, n_runs=49))
    assert "stopped after 11 of 49" in words(panel)
    assert panel.walk.text() == "Go on"
    panel.set_walk(WalkState())
    assert not panel.walk.isVisible()
    assert heard["walkToggled"] == [True, False]


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
    assert columns(current_theme().plot_accent) == pytest.approx([place(panel.errors, 0.6).x()] * 1, abs=2)
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
