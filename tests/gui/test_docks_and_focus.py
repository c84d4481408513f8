"""Docks collapse to their titles and come back; the montage and the slider alone, and all as it was."""

from __future__ import annotations

from collections.abc import Callable

import legibility
import numpy as np
import pytest
from handling import settle, wait_until
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDockWidget

from gsp_studio.experiments.stability import BasisStability
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.widgets.dock_title import THICKNESS, DockTitle
from gsp_studio.gui.window.main_window import MainWindow

Key, LEFT = Qt.Key, Qt.MouseButton.LeftButton


def title_of(dock: QDockWidget) -> DockTitle:
    title = dock.titleBarWidget()
    assert isinstance(title, DockTitle)
    return title


def double_click(dock: QDockWidget) -> None:
    QTest.mouseDClick(title_of(dock), LEFT, pos=QPoint(20, 10))
    settle()


def look(window: MainWindow) -> dict[str, object]:
    """What is seen of the window and where."""
    return {
        "docks": {name: (dock.isVisible(), dock.geometry().getRect()) for name, dock in window.docks.items()},
        "bars": (window.menuBar().isVisible(), window.statusBar().isVisible(), window.centre.bar.isVisible()),
        "tool bar": window.run.isVisible(),
        "size": window.size().toTuple(),
        "view": window.centre.current,
        "collapsed": window.arrangement.collapsed.names,
    }


class TestCollapse:
    """A dock is its title, and has its size again."""

    def test_one_of_a_column_gives_its_height_to_the_other(self, window: MainWindow) -> None:
        data, model = window.docks["Data"], window.docks["Model"]
        before = data.height(), model.height()
        double_click(data)
        assert data.height() == THICKNESS
        assert not data.widget().isVisible()
        assert model.height() > before[1] + 50
        QTest.mouseClick(title_of(data).collapse, LEFT)
        settle()
        assert data.widget().isVisible()
        assert abs(data.height() - before[0]) <= 2

    def test_a_whole_column_becomes_upright_titles(self, window: MainWindow) -> None:
        dock, width = window.docks["Selected basis"], window.centre.width()
        before = dock.width()
        double_click(dock)
        assert dock.width() == THICKNESS
        assert window.centre.width() > width + 200
        assert title_of(dock).height() > title_of(dock).width()
        double_click(dock)
        assert dock.width() == before

    def test_a_row_collapses_at_once(self, window: MainWindow) -> None:
        height, before = window.centre.height(), window.docks["Curves"].height()
        double_click(window.docks["Curves"])
        assert window.docks["Curves"].height() == window.docks["Runs"].height() == THICKNESS
        assert window.arrangement.collapsed.names == ("Curves", "Runs", "Log", "Seeds")
        assert window.centre.height() > height + 80
        double_click(window.docks["Runs"])
        assert window.arrangement.collapsed.names == ()
        assert abs(window.docks["Curves"].height() - before) <= 2

    def test_a_dock_that_floats_is_open(self, window: MainWindow) -> None:
        dock = window.docks["Model"]
        double_click(dock)
        title_of(dock).float.click()
        settle()
        assert dock.isFloating()
        assert dock.widget().isVisible()
        assert "Model" not in window.arrangement.collapsed.names
        double_click(dock)
        assert dock.widget().isVisible()
        title_of(dock).float.click()
        settle()
        assert not dock.isFloating()

    def test_a_closed_one_comes_back_by_the_menu(self, window: MainWindow) -> None:
        dock = window.docks["Data"]
        title_of(dock).close_button.click()
        assert not dock.isVisible()
        dock.toggleViewAction().trigger()
        settle()
        assert dock.isVisible()
        assert dock.widget().isVisible()

    def test_the_next_window_has_them_collapsed(self, make_window: Callable[[], MainWindow]) -> None:
        first = make_window()
        double_click(first.docks["Data"])
        double_click(first.docks["Runs"])
        first.close()
        second = make_window()
        assert second.arrangement.collapsed.names == ("Data", "Curves", "Runs", "Log", "Seeds")
        settle()
        assert second.docks["Data"].height() == THICKNESS
        double_click(second.docks["Data"])
        assert second.docks["Data"].height() > 100
        second.arrangement.reset()
        settle()
        assert second.arrangement.collapsed.names == ()
        assert second.docks["Curves"].height() > 100

    def test_unknown_titles_collapse_nothing(self, window: MainWindow) -> None:
        window.arrangement.collapsed.set_names(("Data", "Nothing"))
        assert window.arrangement.collapsed.names == ("Data",)
        window.arrangement.collapsed.set_names(())
        assert window.docks["Data"].widget().isVisible()


class TestFocus:
    """F11: the montage and the slider, nothing else."""

    @pytest.mark.parametrize("key", [Key.Key_F11, Key.Key_Escape])
    def test_comes_and_goes_and_all_is_as_before(self, faces_window: MainWindow, key: Qt.Key) -> None:
        window = faces_window
        double_click(window.docks["Data"])
        window.docks["Model"].hide()
        window.centre.show_view("Path")
        settle()
        before = look(window)
        QTest.keyClick(window, Key.Key_F11)
        settle()
        assert window.focus.is_on
        assert not any(dock.isVisible() for dock in window.docks.values())
        assert look(window)["bars"] == (False, False, False)
        assert not window.run.isVisible()
        assert window.montage.view.isVisible()
        assert window.sparsity.slider.isVisible()
        wait_until(lambda: not window.session.can_cancel)  # else that is what Esc is for
        QTest.keyClick(window, key)
        settle()
        assert look(window) == before
        assert not window.focus.is_on

    def test_the_tour_ends_where_its_widgets_are_hidden(self, window: MainWindow) -> None:
        window.take_tour()
        assert window.tour is not None
        window.focus.enter()
        settle()
        assert window.tour is None
        window.take_tour()
        assert not window.focus.is_on
        window.tour.end()

    def test_keys_work_without_the_menu(self, faces_window: MainWindow) -> None:
        window = faces_window
        QTest.keyClick(window, Key.Key_F11)
        settle()
        s = window.session.settings.params.sparsity
        QTest.keyClick(window, "]")
        assert window.session.settings.params.sparsity == pytest.approx(s + 0.01)
        QTest.keyClick(window, Key.Key_N)
        assert window.session.display.view.labels
        window.focus.leave()
        QTest.keyClick(window, "]")
        assert window.session.settings.params.sparsity == pytest.approx(s + 0.02)

    @pytest.mark.parametrize("title", ["Compare", "Networks"])
    def test_another_view_comes_with_the_window(self, faces_window: MainWindow, title: str) -> None:
        window = faces_window
        window.focus.enter()
        QTest.keyClick(window, str(window.centre.titles.index(title) + 1))
        settle()
        assert not window.focus.is_on
        assert window.centre.current == title
        assert window.menuBar().isVisible()
        window.centre.show_view("Basis")
        settle()
        assert window.docks["Data"].isVisible()

    def test_from_networks_and_back(self, faces_window: MainWindow) -> None:
        window = faces_window
        window.centre.show_view("Networks")
        window.focus.enter()
        settle()
        assert window.montage.view.isVisible()
        window.focus.leave()
        settle()
        assert window.centre.current == "Networks"
        assert not window.docks["Data"].isVisible()
        window.centre.show_view("Basis")
        settle()
        assert window.docks["Data"].isVisible()

    def test_closed_in_it_the_next_window_is_as_before(
        self, make_window: Callable[[], MainWindow], settings: QSettings
    ) -> None:
        first = make_window()
        first.resize(1300, 820)
        double_click(first.docks["Data"])
        settle()
        before, geometry = look(first), first.saveGeometry()
        first.focus.enter()
        settle()
        first.close()
        assert settings.value("geometry") == geometry
        second = make_window()
        settle()
        assert not second.focus.is_on
        now = look(second)
        assert now["bars"] == (True, True, True)
        assert now["collapsed"] == ("Data",)
        assert {name: seen for name, (seen, _) in now["docks"].items()} == {
            name: seen for name, (seen, _) in before["docks"].items()
        }


@pytest.mark.parametrize("size", [(1280, 720), (1440, 900), (800, 500)])
def test_reset_layout_is_the_first_start(window: MainWindow, size: tuple[int, int]) -> None:
    window.close()
    first = MainWindow(Session(), window._settings)
    first.arrangement._is_restored = False  # nothing is stored yet
    try:
        first.resize(*size)
        first.show()
        settle()
        assert first.size().toTuple() == size, "the window fits into a screen of 1600 x 1000 at 200 %"
        before = look(first)["docks"]
        first.resizeDocks([first.docks["Curves"]], [300], Qt.Orientation.Vertical)
        first.docks["Data"].hide()
        settle()
        first._reset_layout()
        settle()
        assert look(first)["docks"] == before
    finally:
        first.unsaved.leave()
        assert first.session.close()
        first.deleteLater()
        first.session.deleteLater()
        settle()


def test_three_runs_and_the_whole_method_are_in_view_on_a_small_screen(faces_window: MainWindow) -> None:
    window = faces_window
    window.resize(1280, 720)
    window._reset_layout()
    settle()
    session = window.session
    session.settings.set_choice(session.settings.choice.with_params(max_iter=3))
    for count in range(1, 4):
        session.run()
        wait_until(lambda count=count: len(session.runs.entries) == count)
    settle()
    table = window.runs.table
    for row in range(3):
        assert table.viewport().rect().contains(table.visualRect(table.model().index(row, 0)).center())
    assert table.rowViewportPosition(2) + table.rowHeight(2) <= table.viewport().height()
    assert [sentence for sentence in legibility.problems(window) if "average" in sentence] == []
    for name in ("Inspector", "Weights"):
        window.centre.show_view(name)
        settle()
        view = window.inspector if name == "Inspector" else window.weights
        assert not view.visibleRegion().isEmpty()
        assert view.height() <= view.parentWidget().height(), f"{name} has to be scrolled"
    window.centre.show_view("Networks")
    settle()
    strip = window.sparsity.parentWidget().parentWidget()
    assert not strip.isVisible(), "no empty room under the networks"


def test_stability_of_two_lines_is_whole_on_a_small_screen(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    window.resize(1280, 720)
    session.run()
    wait_until(lambda: session.runs.entries)
    session.runs.keep_stability(session.runs.entries[0], BasisStability(5, np.full(9, 0.2), np.zeros(9)))
    session.display.select(3)
    settle()
    assert window.chip.icon_name == "warning"
    assert [sentence for sentence in legibility.problems(window) if "seeds" in sentence] == []
