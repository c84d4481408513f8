"""The runs of this session; choosing one brings it back to the screen."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStackedLayout,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.widgets.basics import label
from gsp_studio.gui.words import percent

_COLUMNS = ("Run", "Method", "Rank", "s", "Attained", "Error", "Iter.", "Time", "State", "Note")
_NUMBERS = range(2, 8)
_NOTE = 9
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class RunsPanel(QWidget):
    """A table, a row a run."""

    runChosen = Signal(int)
    noteEdited = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._numbers: list[int] = []
        self.table = QTableWidget(0, len(_COLUMNS))
        for column, title in enumerate(_COLUMNS):
            head = QTableWidgetItem(title)
            head.setTextAlignment(_RIGHT if column in _NUMBERS else _LEFT)
            self.table.setHorizontalHeaderItem(column, head)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        triggers = QAbstractItemView.EditTrigger
        self.table.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.table.itemChanged.connect(self._edited)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.verticalHeader().setDefaultSectionSize(26)
        self.table.cellClicked.connect(lambda row, _: self.runChosen.emit(row))
        self.table.itemActivated.connect(self._activated)
        empty = label("Finished and stopped runs are kept here.", muted=True)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(empty)
        self._stack.addWidget(self.table)

    def set_runs(self, runs: Sequence[RunEntry], index: int) -> None:
        """List these and mark the one on the screen; -1: none of them is."""
        if [entry.number for entry in runs] != self._numbers:
            self.table.blockSignals(True)
            self.table.setRowCount(0)
            self.table.setRowCount(len(runs))
            self._numbers = [entry.number for entry in runs]
            for row, entry in enumerate(runs):
                for column, text in enumerate(_cells(entry)):
                    item = QTableWidgetItem(text)
                    item.setToolTip("\n".join([entry.label, *(mark.line for mark in entry.marks)]))
                    if column in _NUMBERS:
                        item.setTextAlignment(_RIGHT)
                    if column != _NOTE:
                        item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                    self.table.setItem(row, column, item)
            self.table.blockSignals(False)
        if index >= 0:
            self.table.selectRow(index)
        else:
            self.table.clearSelection()
        self._stack.setCurrentIndex(1 if runs else 0)

    def set_note(self, entry: RunEntry) -> None:
        """Show what is written beside a run."""
        item = self.table.item(self._numbers.index(entry.number), _NOTE) if entry.number in self._numbers else None
        if item is not None:
            self.table.blockSignals(True)
            item.setText(entry.note)
            self.table.blockSignals(False)

    def _activated(self, item: QTableWidgetItem) -> None:
        if item.column() != _NOTE:
            self.runChosen.emit(item.row())

    def _edited(self, item: QTableWidgetItem) -> None:
        if item.column() == _NOTE:
            self.noteEdited.emit(item.row(), item.text())


def _cells(entry: RunEntry) -> tuple[str, ...]:
    shown = entry.shown
    target = "–" if shown.target != shown.target else f"{shown.target:.4f}"
    result = entry.outcome.result
    done = 0 if result is None else result.n_iter
    return (
        entry.name,
        entry.label.split(",")[0],
        str(entry.choice.rank),
        target,
        f"{shown.attained:.4f}",
        percent(shown.error),
        str(done),
        f"{entry.seconds:.2f} s",
        entry.state,
        entry.note,
    )
