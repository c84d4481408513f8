"""The list of runs with no session."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import fakes
import pytest
from handling import Listener, settle
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QWidget

from gsp_studio.engine.run import FinishReason
from gsp_studio.gui.panels.runs import RunsPanel
from gsp_studio.io.annotations import Annotations


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
    show(made, 1100, 200)
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
    assert row_texts(panel, 0) == [
        "Run 1",
        "PSNMF",
        "5",
        "0.5000",
        attained,
        "12.500 %",
        "20",
        "0.20 s",
        "done",
        "",
        "",
        "",
    ]
    assert row_texts(panel, 1)[3] == "–"
    assert row_texts(panel, 1)[8] == "stopped"
    assert row_texts(panel, 2)[8] == "failed"


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


def write(panel: RunsPanel, row: int, column: int, text: str) -> None:
    """What a hand does: double-click, all of it replaced, Enter."""
    place = panel.table.visualItemRect(panel.table.item(row, column)).center()
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    editor = panel.table.findChild(QLineEdit)
    assert editor is not None
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    settle()


def test_names_tags_and_notes_are_written_into_the_list(panel: RunsPanel) -> None:
    heard = Listener(panel, "remarked")
    write(panel, 0, 0, "the faces")
    write(panel, 1, 10, " good, paper ,good,")
    write(panel, 2, 11, "see the eyes")
    assert heard["remarked"] == [
        (0, Annotations(name="the faces")),
        (1, Annotations(tags=("good", "paper"))),
        (2, Annotations(note="see the eyes")),
    ]
    entry = replace(fakes.run_entry(1, fakes.dataset()), remarks=Annotations("the faces", tags=("a", "b"), note="n"))
    panel.set_remarks(entry)
    assert row_texts(panel, 0)[0] == "the faces"
    assert row_texts(panel, 0)[-2:] == ["a, b", "n"]
    write(panel, 0, 0, "Run 1")
    assert heard["remarked"][-1] == (0, replace(entry.remarks, name="")), "its number is no name"


def test_what_is_thought_of_basis_images_is_counted(panel: RunsPanel) -> None:
    remarks = Annotations(accepted=frozenset({1, 2, 4}), rejected=frozenset({0}))
    panel.set_remarks(replace(fakes.run_entry(2, fakes.dataset()), remarks=remarks))
    assert row_texts(panel, 1)[9] == "3 ✓  1 ✗"


def test_a_filter_leaves_the_rows_that_hold_all_words(panel: RunsPanel) -> None:
    entry = replace(fakes.run_entry(2, fakes.dataset()), remarks=Annotations("Faces", "for the Paper", ("good",)))
    panel.set_remarks(entry)

    def left() -> list[int]:
        return [row for row in range(3) if not panel.table.isRowHidden(row)]

    QTest.keyClicks(panel.filter, "good paper")
    assert left() == [1]
    assert "1 of 3" in [widget.text() for widget in panel.findChildren(QLabel)]
    panel.filter.setText("psnmf")
    assert left() == [0, 1, 2]
    panel.filter.setText("no such words")
    assert left() == []
    panel.filter.clear()
    assert left() == [0, 1, 2]


def test_an_error_of_fewer_entries_is_marked(panel: RunsPanel) -> None:
    plain = fakes.run_entry(1, fakes.dataset())
    panel.set_runs([plain, replace(plain, number=2, choice=plain.choice.with_params(held_out=0.02))], 0)
    cells = [[panel.table.item(row, column) for column in range(panel.table.columnCount())] for row in (0, 1)]
    assert [[item.text() for item in row if "12.500 %" in item.text()] for row in cells] == [
        ["12.500 %"],
        ["12.500 %*"],
    ]
    assert "* error of 98 % of the entries" in cells[1][0].toolTip()
    assert "98 %" not in cells[0][0].toolTip()
