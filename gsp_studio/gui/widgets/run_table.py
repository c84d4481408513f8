"""Table of runs for Qt's views: a row a run, one for the run that is going, and the keys that rows are sorted by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)

from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.texts import error_name, of_entries, percent, plain_sparsity
from gsp_studio.gui.widgets.controls import plain

COLUMNS = ("Run", "Method", "Rank", "s", "Attained", "Error", "Iter.", "Time", "State", "From", "Basis", "Tags", "Note")
NAME, ATTAINED, ERROR, STATE, PARENT, JUDGED, TAGS, NOTE = 0, 4, 5, 8, 9, 10, 11, 12
NUMBERS = range(2, 8)
#: Double-click edits these.
EDITABLE = {NAME: "name", TAGS: "tags", NOTE: "note"}
_TIPS = {
    NAME: "Double-click or F2: another name",
    PARENT: "The run that this one branched off, and after which iteration; or whose factors it went on from",
    JUDGED: "How many of the basis were accepted (✓) and rejected (✗)",
    TAGS: "Double-click: tags, with commas between them",
    NOTE: "Double-click: a note",
}
#: Marks of errors that are no relative error of least squares.
_MEASURES = {"KL divergence": " KL", "scaled error": " scaled"}
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
#: Role of the values that rows are sorted by, and of the done part of the run that is going, 0 to 1.
SORT_ROLE, PROGRESS_ROLE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class LiveRow:
    """The run that is going, in numbers; NaN where there is none yet."""

    number: int
    method: str
    rank: int
    state: str = "running"
    target: float = math.nan
    attained: float = math.nan
    error: float = math.nan
    n_iter: int = 0
    max_iter: int = 1
    seconds: float = 0.0
    parent: str = ""

    def values(self) -> tuple[Any, ...]:
        """Return the values of its cells."""
        done = f"{self.state}, {self.n_iter / self.max_iter:.0%}"
        return (
            self.number,
            self.method,
            self.rank,
            self.target,
            self.attained,
            self.error,
            self.n_iter,
            self.seconds,
            done,
            self.parent,
            0,
            "",
            "",
        )


class RunTable(QAbstractTableModel):
    """Runs in the order in which they have ended, and the one that is going last."""

    remarked = Signal(int, object)  # place in the list, Annotations

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.runs: list[RunEntry] = []
        self.live: LiveRow | None = None

    def set_runs(self, runs: Sequence[RunEntry]) -> None:
        """List these."""
        if list(runs) != self.runs:  # by identity
            self.beginResetModel()
            self.runs = list(runs)
            self.endResetModel()

    def set_remarks(self, entry: RunEntry) -> None:
        """Show what is written beside a run."""
        for row, known in enumerate(self.runs):
            if known.number == entry.number:
                self.runs[row] = entry
                self.dataChanged.emit(self.index(row, 0), self.index(row, len(COLUMNS) - 1))

    def set_live(self, live: LiveRow | None) -> None:
        """Show the run that is going; None: none is."""
        row = len(self.runs)
        if (live is None) == (self.live is None):
            self.live = live
            if live is not None:
                self.dataChanged.emit(self.index(row, 0), self.index(row, len(COLUMNS) - 1))
        elif live is not None:
            self.beginInsertRows(QModelIndex(), row, row)
            self.live = live
            self.endInsertRows()
        else:
            self.beginRemoveRows(QModelIndex(), row, row)
            self.live = None
            self.endRemoveRows()

    def words(self, row: int) -> str:
        """Return the words of a run that a filter looks into."""
        if row >= len(self.runs):
            return ""
        entry = self.runs[row]
        remarks = entry.remarks
        return " ".join((entry.name, entry.label, remarks.note, *remarks.tags)).casefold()

    # What views ask

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of runs, that which is going included."""
        return 0 if parent.isValid() else len(self.runs) + (self.live is not None)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title of a column and what it says."""
        if orientation == Qt.Orientation.Vertical:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if section in NUMBERS else _LEFT
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS.get(section, "Click: sort by this column, once more the other way round")
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Return what can be done with a cell."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        is_kept = index.row() < len(self.runs)
        return flags | Qt.ItemFlag.ItemIsEditable if is_kept and index.column() in EDITABLE else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the content of a cell."""
        row, column = index.row(), index.column()
        is_live = row >= len(self.runs)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column in NUMBERS else _LEFT
        if role == PROGRESS_ROLE:
            live = self.live if is_live and column == STATE else None
            return None if live is None else live.n_iter / live.max_iter
        if role not in (
            Qt.ItemDataRole.DisplayRole,
            Qt.ItemDataRole.EditRole,
            SORT_ROLE,
            Qt.ItemDataRole.ToolTipRole,
        ):
            return None
        if role == Qt.ItemDataRole.ToolTipRole:
            return None if is_live else _tip(self.runs[row], column)
        if is_live:
            assert self.live is not None
            values = self.live.values()
        else:
            values = _values(self.runs[row])
        if role == SORT_ROLE:
            value = values[column]
            return math.inf if value != value else value
        if is_live:
            return _text(column, values[column])
        if column == NAME:
            return self.runs[row].name
        return _text(column, values[column]) + _mark(self.runs[row], column)

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Ask for other remarks on a run."""
        field = EDITABLE.get(index.column(), "")
        if not field or role != Qt.ItemDataRole.EditRole or index.row() >= len(self.runs):
            return False
        entry, text = self.runs[index.row()], str(value).strip()
        if field == "tags":
            tags = tuple(dict.fromkeys(tag for tag in (part.strip() for part in text.split(",")) if tag))
            remarks = replace(entry.remarks, tags=tags)
        elif field == "name":
            remarks = replace(entry.remarks, name="" if text == f"Run {entry.number}" else text)
        else:
            remarks = replace(entry.remarks, note=text)
        if remarks != entry.remarks:
            self.remarked.emit(index.row(), remarks)
        return True


class RunOrder(QSortFilterProxyModel):
    """The rows of a table that hold all of some words, in the order of a column; without one as they have ended."""

    def __init__(self, table: RunTable) -> None:
        super().__init__(table)
        self._table = table
        self._words: list[str] = []
        self.setSourceModel(table)
        self.setSortRole(SORT_ROLE)
        self.setSortCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title of a column, with an arrow where rows are in its order."""
        title = super().headerData(section, orientation, role)
        if role != Qt.ItemDataRole.DisplayRole or section != self.sortColumn() or title is None:
            return title
        return f"{title} {'▴' if self.sortOrder() == Qt.SortOrder.AscendingOrder else '▾'}"

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Put rows in the order of a column; -1: as they have ended."""
        super().sort(column, order)
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, self.columnCount() - 1)

    def set_words(self, text: str) -> None:
        """Leave the rows that hold all these words."""
        self._words = text.casefold().split()
        self.invalidate()

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        """Whether a row is shown; the run that is going is."""
        return row >= len(self._table.runs) or all(word in self._table.words(row) for word in self._words)

    def row_of(self, row: int) -> int:
        """Place in the list of the run in a row of the view."""
        return self.mapToSource(self.index(row, 0)).row()


def parent_words(origin: tuple[int, int]) -> str:
    """Where a run comes from: the run that it is a branch of, or that it goes on from; "" for a run of its own."""
    number, n_iter = origin
    return "" if not number else f"run {number}, iter. {n_iter}" if n_iter else f"run {number}"


def _values(entry: RunEntry) -> tuple[Any, ...]:
    shown, remarks, result = entry.shown, entry.remarks, entry.outcome.result
    return (
        entry.number,
        entry.label.split(",")[0],
        entry.choice.params.rank,
        shown.target,
        shown.attained,
        shown.error,
        0 if result is None else result.n_iter,
        entry.seconds,
        entry.state,
        parent_words(entry.origin),
        "  ".join(
            f"{len(bases)} {sign}" for bases, sign in ((remarks.accepted, "✓"), (remarks.rejected, "✗")) if bases
        ),
        ", ".join(remarks.tags),
        remarks.note,
    )


def _text(column: int, value: Any) -> str:
    if value != value:
        return "–"
    if column == NAME:
        return f"Run {value}"
    if column in (3, ATTAINED):
        return f"{value:.4f}"
    if column == ERROR:
        return percent(value)
    if column == 7:
        return f"{value:.2f} s"
    return "" if column == JUDGED and not value else str(value)


def _mark(entry: RunEntry, column: int) -> str:
    """Mark a number that is not to be compared with those of most runs; the tool tip says what it is."""
    if column == ERROR:
        return _MEASURES.get(error_name(entry.shown), "") + ("*" if of_entries(entry) else "")
    return " w" if column == ATTAINED and entry.shown.is_weighted else ""


def _tip(entry: RunEntry, column: int) -> str:
    tip = _TIPS.get(column)
    lines = [entry.label, *(mark.line for mark in entry.marks), *([tip] if tip else [])]
    if of_entries(entry):
        lines.append(f"* error{of_entries(entry)}, those that the run has seen")
    if error_name(entry.shown) in _MEASURES:
        lines.append(f"the error is the {error_name(entry.shown)}: those of other methods are other numbers")
    if entry.shown.is_weighted:
        lines.append(f"w: weighted sparsity; the plain one is {plain_sparsity(entry.shown.W):.4f}")
    return plain("\n".join(lines))
