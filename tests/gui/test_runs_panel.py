"""The list of runs with no session."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import fakes
import numpy as np
import pytest
from handling import Listener, cell_place, cell_text, settle, wait_until
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QWidget

from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.engine.run import FinishReason
from gsp_studio.gui.panels.runs import RunsPanel
from gsp_studio.gui.state import Progress
from gsp_studio.gui.texts import percent
from gsp_studio.gui.widgets.run_table import JUDGED, NOTE, TAGS, LiveRow
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
    return [cell_text(panel.table, row, column) for column in range(panel.table.model().columnCount())]


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
        "",
    ]
    assert row_texts(panel, 1)[3] == "–"
    assert row_texts(panel, 1)[8] == "stopped"
    assert row_texts(panel, 2)[8] == "failed"


def test_weighted_sparsities_are_marked(panel: RunsPanel) -> None:
    run = fakes.run_entry(1, fakes.dataset())
    weighted = replace(run, shown=replace(run.shown, is_weighted=True))
    panel.set_runs((run, weighted), 0)
    plain = cell_text(panel.table, 0, 4)
    assert cell_text(panel.table, 1, 4) == f"{plain} w"
    tip = panel.table.model().index(1, 4).data(Qt.ItemDataRole.ToolTipRole)
    assert f"the plain one is {np.mean(hoyer_sparsity(run.shown.W)):.4f}" in tip


def test_the_list_scrolls_to_the_run_on_the_screen(panel: RunsPanel) -> None:
    runs = tuple(fakes.run_entry(k + 1, fakes.dataset()) for k in range(30))
    panel.set_runs(runs, 0)
    panel.set_runs(runs, 29)
    settle()
    place = panel.table.visualRect(panel.table.model().index(29, 0))
    assert panel.table.viewport().rect().contains(place.center())


def test_numbers_stand_right(panel: RunsPanel) -> None:
    for column in range(2, 8):
        assert (
            panel.table.model().index(0, column).data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight
        )


def test_click_chooses(panel: RunsPanel) -> None:
    heard = Listener(panel, "runChosen")
    for row in (0, 1):
        place = cell_place(panel.table, row, 0)
        QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert heard["runChosen"] == [0, 1]


def test_enter_chooses(panel: RunsPanel) -> None:
    heard = Listener(panel, "runChosen")
    panel.table.setFocus()
    panel.table.setCurrentIndex(panel.table.model().index(1, 0))
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
    assert panel.table.model().rowCount() == 1


def test_runs_of_another_data_set_replace_the_former(panel: RunsPanel) -> None:
    panel.set_runs((), -1)
    panel.set_runs(tuple(fakes.run_entry(k, fakes.dataset(), error=0.5) for k in (1, 2, 3)), 2)
    assert row_texts(panel, 0)[5] == "50.000 %"


def write(panel: RunsPanel, row: int, column: int, text: str) -> None:
    """What a hand does: double-click, all of it replaced, Enter."""
    place = cell_place(panel.table, row, column)
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
    write(panel, 1, TAGS, " good, paper ,good,")
    write(panel, 2, NOTE, "see the eyes")
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
    assert row_texts(panel, 1)[JUDGED] == "3 ✓  1 ✗"


def test_a_filter_leaves_the_rows_that_hold_all_words(panel: RunsPanel) -> None:
    entry = replace(fakes.run_entry(2, fakes.dataset()), remarks=Annotations("Faces", "for the Paper", ("good",)))
    panel.set_remarks(entry)

    def left() -> list[int]:
        return [panel.order.row_of(row) for row in range(panel.order.rowCount())]

    panel.filter.setText("good paper")
    assert left() == [1]
    assert "1 of 3" in [widget.text() for widget in panel.findChildren(QLabel)]
    panel.filter.setText("psnmf")
    assert left() == [0, 1, 2]
    panel.filter.setText("no such words")
    assert left() == []
    panel.filter.clear()
    assert left() == [0, 1, 2]


def click_head(panel: RunsPanel, column: int) -> None:
    header = panel.table.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(column) + 8, header.height() // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)
    settle()


def test_a_click_on_a_head_sorts_by_number_and_the_hand_still_meets_the_right_run(panel: RunsPanel) -> None:
    data = fakes.dataset()
    panel.set_runs([fakes.run_entry(k, data, error=error) for k, error in ((1, 0.09), (2, 0.1), (3, 0.02))], 1)
    click_head(panel, 5)
    assert [row_texts(panel, row)[0] for row in range(3)] == ["Run 3", "Run 1", "Run 2"]
    assert selected(panel) == [2], "the run on the screen"
    heard = Listener(panel, "runChosen", "remarked")
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=cell_place(panel.table, 0, 1))
    assert heard["runChosen"] == [2]
    write(panel, 1, NOTE, "the first")
    assert heard["remarked"] == [(0, Annotations(note="the first"))]
    click_head(panel, 5)
    assert [row_texts(panel, row)[0] for row in range(3)] == ["Run 2", "Run 1", "Run 3"]
    click_head(panel, 5)
    assert [row_texts(panel, row)[0] for row in range(3)] == ["Run 1", "Run 2", "Run 3"]


def test_the_heading_of_the_order_has_room_for_its_arrow(panel: RunsPanel) -> None:
    data = fakes.dataset()
    panel.set_runs([fakes.run_entry(k, data, error=error) for k, error in ((1, 0.09), (2, 0.1))], 1)
    header, model = panel.table.horizontalHeader(), panel.table.model()

    def heading() -> str:
        return str(model.headerData(5, Qt.Orientation.Horizontal))

    found = [heading()]
    for _ in range(3):
        click_head(panel, 5)
        found.append(heading())
        text = header.fontMetrics().horizontalAdvance(heading())
        assert header.sectionSize(5) >= text + 16, "the style's padding of 8 on both sides"
        assert not header.isSortIndicatorShown(), "which lies over the words"
    assert found == ["Error", "Error ▴", "Error ▾", "Error"]


def test_writing_a_note_shows_no_run(panel: RunsPanel) -> None:
    heard = Listener(panel, "runChosen")
    write(panel, 0, NOTE, "dim")
    write(panel, 2, TAGS, "dim")
    write(panel, 2, 0, "of the screen")
    assert heard["runChosen"] == []


def test_the_run_on_the_screen_stays_marked_when_a_note_on_another_is_written(panel: RunsPanel) -> None:
    data = fakes.dataset()
    panel.set_runs([fakes.run_entry(k, data) for k in (1, 2, 3)], 1)
    place = cell_place(panel.table, 0, NOTE)
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert selected(panel) == [1]
    write(panel, 0, NOTE, "too dense")
    panel.set_remarks(replace(panel.rows.runs[0], remarks=Annotations(note="too dense")))
    assert selected(panel) == [1]
    QTest.keyClick(panel.table, Qt.Key.Key_Down)
    assert panel.table.currentIndex().row() == 1, "the keys go on from the note"


def test_delete_asks_for_the_run_to_go_but_not_while_text_is_edited(panel: RunsPanel) -> None:
    heard = Listener(panel, "deleteRequested")
    panel.table.setFocus()
    panel.table.setCurrentIndex(panel.table.model().index(1, 0))
    QTest.keyClick(panel.table, Qt.Key.Key_Delete)
    assert heard["deleteRequested"] == [1]
    panel.table.edit(panel.table.model().index(1, NOTE))
    QTest.keyClick(panel.table.findChild(QLineEdit), Qt.Key.Key_Delete)
    assert heard["deleteRequested"] == [1]


def test_the_run_that_is_going_has_a_row_which_cannot_be_chosen(panel: RunsPanel) -> None:
    heard = Listener(panel, "runChosen", "deleteRequested")
    panel.set_live(LiveRow(4, "GSP-HALS", 5, target=0.85, attained=0.85, error=0.25, n_iter=30, max_iter=120))
    assert row_texts(panel, 3)[:7] == ["Run 4", "GSP-HALS", "5", "0.8500", "0.8500", "25.000 %", "30"]
    assert row_texts(panel, 3)[8] == "running, 25%"
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=cell_place(panel.table, 3, 1))
    QTest.keyClick(panel.table, Qt.Key.Key_Delete)
    assert heard.is_silent
    assert panel.menu_at(cell_place(panel.table, 3, 1)) is None
    panel.set_live(None)
    assert panel.table.model().rowCount() == 3


def test_the_menu_of_a_run_is_about_the_run_under_the_pointer(panel: RunsPanel) -> None:
    heard = Listener(panel, "runChosen", "deleteRequested", "continueRequested")
    menu = panel.menu_at(cell_place(panel.table, 0, 2))
    assert heard["runChosen"] == [0], "what a right click is on comes to the screen"
    by_text = {action.text().replace("&", ""): action for action in menu.actions() if action.text()}
    by_text["Delete"].trigger()
    assert heard["deleteRequested"] == [0]
    further = {action.text(): action for action in by_text["Continue for"].menu().actions()}
    further["500 more iterations"].trigger()
    assert heard["continueRequested"] == [(0, 500)]
    menu.close()


def test_few_runs_need_no_filter_line(panel: RunsPanel) -> None:
    assert not panel.filter.isVisible()
    panel.set_runs([fakes.run_entry(k, fakes.dataset()) for k in range(1, 8)], 0)
    assert panel.filter.isVisible()


def test_an_error_of_fewer_entries_is_marked(panel: RunsPanel) -> None:
    plain = fakes.run_entry(1, fakes.dataset())
    panel.set_runs([plain, replace(plain, number=2, choice=plain.choice.with_params(held_out=0.02))], 0)
    assert [cell_text(panel.table, row, 5) for row in (0, 1)] == ["12.500 %", "12.500 %*"]
    tips = [panel.table.model().index(row, 5).data(Qt.ItemDataRole.ToolTipRole) for row in (0, 1)]
    assert "* error of 98 % of the entries" in tips[1]
    assert "98 %" not in tips[0]


def test_an_error_of_another_measure_is_marked(panel: RunsPanel) -> None:
    plain = fakes.run_entry(1, fakes.dataset())
    gram = SimpleNamespace(measure="kl", rows=None)
    panel.set_runs([plain, replace(plain, number=2, shown=replace(plain.shown, gram=gram))], 0)
    assert [cell_text(panel.table, row, 5) for row in (0, 1)] == ["12.500 %", "12.500 % KL"]
    tips = [panel.table.model().index(row, 5).data(Qt.ItemDataRole.ToolTipRole) for row in (0, 1)]
    assert "the error is the KL divergence" in tips[1]
    assert "KL" not in tips[0]


def test_the_row_of_the_run_that_is_going_changes_a_few_times_a_second(panel: RunsPanel) -> None:
    panel.set_live(LiveRow(4, "GSP-HALS", 5, max_iter=1000))
    heard = Listener(panel, "rows.dataChanged")
    for k in range(1, 200):
        panel._follow_progress(Progress(k, 1000, 0.01, 0.01 * k))
        panel._follow_records((fakes.record(k, 1 / k),))
    assert heard.is_silent
    wait_until(lambda: not heard.is_silent)
    assert row_texts(panel, 3)[6] == "199"
    assert row_texts(panel, 3)[5] == percent(1 / 199)
    assert len(heard["dataChanged"]) == 1
