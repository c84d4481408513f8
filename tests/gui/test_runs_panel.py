"""The list of runs with no session."""

from __future__ import annotations

import math
from collections.abc import Callable

import fakes
import pytest
from handling import Listener
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from gsp_studio.engine.run import FinishReason
from gsp_studio.gui.panels.runs import RunsPanel


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> RunsPanel:
    """Three runs, the last one on the screen."""
    data = fakes.dataset()
    made = RunsPanel()
    runs = (
        fakes.run_entry(1, data),
        fakes.run_entry(2, data, FinishReason.CANCELLED, target=math.nan),
        fakes.run_entry(3, data, FinishReason.FAILED),
    )
    made.set_runs(runs, 2)
    show(made, 900, 200)
    return made


def row_texts(panel: RunsPanel, row: int) -> list[str]:
    return [panel.table.item(row, column).text() for column in range(panel.table.columnCount())]


def selected(panel: RunsPanel) -> list[int]:
    return [index.row() for index in panel.table.selectionModel().selectedRows()]


def test_set_runs_never_emits(panel: RunsPanel) -> None:
    heard = Listener(panel, "runChosen")
    runs = (fakes.run_entry(1, fakes.dataset()),)
    for index in (0, -1, 0):
        panel.set_runs(runs, index)
    panel.set_runs((), -1)
    assert heard.is_silent


def test_a_row_says_what_a_run_was(panel: RunsPanel) -> None:
    attained = f"{fakes.shown(fakes.dataset()).attained:.4f}"
    assert row_texts(panel, 0) == ["Run 1", "PSNMF", "5", "0.5000", attained, "12.500 %", "20", "0.20 s", "done", ""]
    assert row_texts(panel, 1)[3] == "–"
    assert row_texts(panel, 1)[-2] == "stopped"
    assert row_texts(panel, 2)[-2] == "failed"


def test_numbers_stand_right(panel: RunsPanel) -> None:
    for column in range(2, 8):
        assert panel.table.item(0, column).textAlignment() & Qt.AlignmentFlag.AlignRight.value


def test_click_chooses(panel: RunsPanel) -> None:
    heard = Listener(panel, "runChosen")
    for row in (0, 1):
        place = panel.table.visualItemRect(panel.table.item(row, 0)).center()
        QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert heard["runChosen"] == [0, 1]


def test_enter_chooses(panel: RunsPanel) -> None:
    heard = Listener(panel, "runChosen")
    panel.table.setFocus()
    panel.table.setCurrentCell(1, 0)
    QTest.keyClick(panel.table, Qt.Key.Key_Return)
    assert heard["runChosen"] == [1]


def test_marks_the_run_on_the_screen(panel: RunsPanel) -> None:
    assert selected(panel) == [2]
    runs = tuple(fakes.run_entry(k, fakes.dataset()) for k in (1, 2, 3))
    panel.set_runs(runs, 0)
    assert selected(panel) == [0]
    panel.set_runs(runs, -1)
    assert selected(panel) == []


def test_empty_list_says_what_comes_here(panel: RunsPanel) -> None:
    assert panel.table.isVisible()
    panel.set_runs((), -1)
    assert not panel.table.isVisible()
    panel.set_runs((fakes.run_entry(1, fakes.dataset()),), 0)
    assert panel.table.isVisible()
    assert panel.table.rowCount() == 1


def test_runs_of_another_data_set_replace_the_former(panel: RunsPanel) -> None:
    panel.set_runs((), -1)
    panel.set_runs(tuple(fakes.run_entry(k, fakes.dataset(), error=0.5) for k in (1, 2, 3)), 2)
    assert row_texts(panel, 0)[5] == "50.000 %"
