"""The runs of this session; choosing one brings it back to the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QStackedLayout,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.texts import percent
from gsp_studio.gui.widgets.controls import LineEdit, label, plain

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session

_COLUMNS = ("Run", "Method", "Rank", "s", "Attained", "Error", "Iter.", "Time", "State", "Basis", "Tags", "Note")
_NUMBERS = range(2, 8)
_NAME, _JUDGED, _TAGS, _NOTE = 0, 9, 10, 11
#: Double-click edits these.
_EDITABLE = {_NAME: "name", _TAGS: "tags", _NOTE: "note"}
_TIPS = {
    _NAME: "Double-click or F2: another name",
    _JUDGED: "Basis images that were accepted (✓) and rejected (✗)",
    _TAGS: "Double-click: tags, with commas between them",
    _NOTE: "Double-click: a note",
}
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class RunsPanel(QWidget):
    """A table, a row a run, and a line that leaves those whose name, tags or note hold some words."""

    runChosen = Signal(int)
    remarked = Signal(int, object)  # place in the list, Annotations

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[RunEntry] = []
        self.table = QTableWidget(0, len(_COLUMNS))
        for column, title in enumerate(_COLUMNS):
            head = QTableWidgetItem(title)
            head.setTextAlignment(_RIGHT if column in _NUMBERS else _LEFT)
            head.setToolTip(_TIPS.get(column, ""))
            self.table.setHorizontalHeaderItem(column, head)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setMinimumHeight(40)  # the window fits into a small screen with the filter above the list
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
        self.filter = LineEdit()
        self.filter.setPlaceholderText("Filter by name, method, tag or note")
        self.filter.setAccessibleName("Filter of the runs")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(lambda _: self._filter())
        self._count = label(muted=True)
        self._lay_out()

    def _lay_out(self) -> None:
        empty = label("Finished and stopped runs are kept here.", muted=True)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        line = QHBoxLayout()
        line.setContentsMargins(8, 2, 8, 2)
        line.setSpacing(8)
        line.addWidget(self.filter, 1)
        line.addWidget(self._count)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(line)
        box.addWidget(self.table, 1)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(empty)
        self._stack.addWidget(full)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        session.runs.changed.connect(self.set_runs)
        session.runs.noted.connect(self.set_remarks)
        self.runChosen.connect(session.control.show)
        self.remarked.connect(session.runs.remark)

    def set_runs(self, runs: Sequence[RunEntry], index: int) -> None:
        """List these and mark the one on the screen; -1: none of them is."""
        if list(runs) != self._runs:  # by identity
            self._runs = list(runs)
            self.table.blockSignals(True)
            self.table.setRowCount(0)
            self.table.setRowCount(len(runs))
            for row in range(len(runs)):
                self._write(row)
            self.table.blockSignals(False)
        if index >= 0:
            self.table.selectRow(index)
        else:
            self.table.clearSelection()
        self._stack.setCurrentIndex(1 if runs else 0)
        self._filter()

    def set_remarks(self, entry: RunEntry) -> None:
        """Show what is written beside a run."""
        for row, known in enumerate(self._runs):
            if known.number == entry.number:
                self._runs[row] = entry
                self.table.blockSignals(True)
                self._write(row)
                self.table.blockSignals(False)
        self._filter()

    def _write(self, row: int) -> None:
        entry = self._runs[row]
        for column, text in enumerate(_cells(entry)):
            item = self.table.item(row, column)
            if item is None:
                item = QTableWidgetItem()
                self.table.setItem(row, column, item)
                if column in _NUMBERS:
                    item.setTextAlignment(_RIGHT)
                if column not in _EDITABLE:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            item.setText(text)
            lines = [entry.label, *(mark.line for mark in entry.marks), *_told(_TIPS.get(column))]
            item.setToolTip(plain("\n".join(lines)))

    def _filter(self) -> None:
        """Hide the rows that do not hold all the words."""
        words = self.filter.text().casefold().split()
        left = 0
        for row, entry in enumerate(self._runs):
            remarks = entry.remarks
            held = " ".join((entry.name, entry.label, remarks.note, *remarks.tags)).casefold()
            wanted = all(word in held for word in words)
            self.table.setRowHidden(row, not wanted)
            left += wanted
        self._count.setText(f"{left} of {len(self._runs)}" if words else "")

    def _activated(self, item: QTableWidgetItem) -> None:
        if item.column() not in (_TAGS, _NOTE):
            self.runChosen.emit(item.row())

    def _edited(self, item: QTableWidgetItem) -> None:
        field = _EDITABLE.get(item.column(), "")
        if not field:
            return
        entry, text = self._runs[item.row()], item.text().strip()
        if field == "tags":
            tags = tuple(dict.fromkeys(tag for tag in (part.strip() for part in text.split(",")) if tag))
            remarks = replace(entry.remarks, tags=tags)
        elif field == "name":
            remarks = replace(entry.remarks, name="" if text == f"Run {entry.number}" else text)
        else:
            remarks = replace(entry.remarks, note=text)
        if remarks == entry.remarks:
            self.set_remarks(entry)  # as it was: "Run 3" for no name
        else:
            self.remarked.emit(item.row(), remarks)


def _told(tip: str | None) -> list[str]:
    return [tip] if tip else []


def _cells(entry: RunEntry) -> tuple[str, ...]:
    shown, remarks = entry.shown, entry.remarks
    target = "–" if shown.target != shown.target else f"{shown.target:.4f}"
    result = entry.outcome.result
    done = 0 if result is None else result.n_iter
    judged = [f"{len(bases)} {sign}" for bases, sign in ((remarks.accepted, "✓"), (remarks.rejected, "✗")) if bases]
    return (
        entry.name,
        entry.label.split(",")[0],
        str(entry.choice.params.rank),
        target,
        f"{shown.attained:.4f}",
        percent(shown.error),
        str(done),
        f"{entry.seconds:.2f} s",
        entry.state,
        "  ".join(judged),
        ", ".join(remarks.tags),
        remarks.note,
    )
