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

_COLUMNS = ("Run", "Method", "Rank", "s", "Attained", "Error", "Iter.", "Time", "State")
_NUMBERS = range(2, 8)
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class RunsPanel(QWidget):
    """A table, a row a run."""

    runChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = QTableWidget(0, len(_COLUMNS))
        for column, title in enumerate(_COLUMNS):
            head = QTableWidgetItem(title)
            head.setTextAlignment(_RIGHT if column in _NUMBERS else _LEFT)
            self.table.setHorizontalHeaderItem(column, head)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.verticalHeader().setDefaultSectionSize(26)
        self.table.cellClicked.connect(lambda row, _: self.runChosen.emit(row))
        self.table.itemActivated.connect(lambda item: self.runChosen.emit(item.row()))
        empty = label("Finished and stopped runs are kept here.", muted=True)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(empty)
        self._stack.addWidget(self.table)

    def set_runs(self, runs: Sequence[RunEntry], index: int) -> None:
        """List these and mark the one on the screen; -1: none of them is."""
        if self.table.rowCount() != len(runs):
            self.table.setRowCount(0)
            self.table.setRowCount(len(runs))
            for row, entry in enumerate(runs):
                for column, text in enumerate(_cells(entry)):
                    item = QTableWidgetItem(text)
                    item.setToolTip("\n".join([entry.label, *(mark.line for mark in entry.marks)]))
                    if column in _NUMBERS:
                        item.setTextAlignment(_RIGHT)
                    self.table.setItem(row, column, item)
        if index >= 0:
            self.table.selectRow(index)
        else:
            self.table.clearSelection()
        self._stack.setCurrentIndex(1 if runs else 0)


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
    )
