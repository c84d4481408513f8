"""The runs of this session; choosing one brings it back to the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QStackedLayout,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.gui.state import Phase, Progress, RunEntry
from gsp_studio.gui.texts import grouped
from gsp_studio.gui.widgets.controls import LineEdit, label
from gsp_studio.gui.widgets.run_table import (
    NAME,
    NOTE,
    PROGRESS_ROLE,
    STATE,
    TAGS,
    Index,
    LiveRow,
    RunOrder,
    RunTable,
    parent_words,
)

if TYPE_CHECKING:
    from gsp_studio.engine.run import Record
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session

#: From so many runs on a line to filter them stands above the list; before, it would take the place of a run.
_MANY = 6
_WHOLE_ROW = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
#: Iterations by which the menu of a run offers to continue it.
_FURTHER = (100, 500, 2000)
#: Actions of the window that are about the run on the screen.
_ABOUT_SHOWN = ("branch", "stability", "export", "apply", "copy script", "copy command")
_ROW = 22
#: Milliseconds between two changes of the row of the run that is going.
_PACE_MS = 250


class _Progress(QStyledItemDelegate):
    """A cell with the done part of a run as a bar behind its words."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint the bar, then the words."""
        done = index.data(PROGRESS_ROLE)
        if done is not None:
            place = option.rect.adjusted(2, 3, -2, -3)
            place.setWidth(round(place.width() * min(1.0, done)))
            colour = option.palette.color(QPalette.ColorRole.Highlight)
            colour.setAlpha(110)
            painter.fillRect(place, colour)
        super().paint(painter, option, index)


class RunView(QTableView):
    """Table of runs that tells of the key Delete."""

    deletePressed = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete asks for the run to go."""
        if event.key() == Qt.Key.Key_Delete and self.state() != QAbstractItemView.State.EditingState:
            self.deletePressed.emit()
        else:
            super().keyPressEvent(event)


class RunsPanel(QWidget):
    """A table, a row a run, and a line that leaves those whose name, tags or note hold some words."""

    runChosen = Signal(int)
    remarked = Signal(int, object)  # place in the list, Annotations
    deleteRequested = Signal(int)
    continueRequested = Signal(int, int)  # place in the list, iterations

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = RunTable(self)
        self.rows.remarked.connect(self.remarked)
        self.order = RunOrder(self.rows)
        self.table = RunView()
        self.table.setModel(self.order)
        self._index = -1
        self._can_show = True
        #: The row of the run that is going as it will be shown: every change measures the columns anew.
        self._coming: LiveRow | None = None
        self._later = QTimer(self, interval=_PACE_MS, singleShot=True)
        self._later.timeout.connect(lambda: self.rows.set_live(self._coming))
        #: The window, whose actions are about the run on the screen.
        self._window: Requests | None = None
        #: Labels of the methods, by name.
        self._methods: dict[str, str] = {}
        self._set_up()
        self.filter = LineEdit()
        self.filter.setPlaceholderText("Filter by name, method, tag or note")
        self.filter.setAccessibleName("Filter of the runs")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._filter)
        self._count = label(muted=True)
        self._lay_out()

    def _set_up(self) -> None:
        table = self.table
        table.setAccessibleName("Runs")
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW)
        table.verticalHeader().setMinimumSectionSize(_ROW)
        table.setShowGrid(False)
        table.setMinimumHeight(40)  # the window fits into a small screen
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.setItemDelegateForColumn(STATE, _Progress(table))
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        table.setSortingEnabled(True)
        header.setSortIndicatorShown(False)  # the heading has it as a letter, which has a place of its own
        table.clicked.connect(self._click)
        table.activated.connect(self._activate)
        table.deletePressed.connect(lambda: self._delete(self._selected()))
        table.customContextMenuRequested.connect(self._open_menu)

    def _lay_out(self) -> None:
        empty = label("Finished and stopped runs are kept here.", muted=True)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._filter_line = QWidget()
        line = QVBoxLayout(self._filter_line)
        line.setContentsMargins(8, 2, 8, 2)
        line.setSpacing(0)
        line.addWidget(self.filter)
        line.addWidget(self._count)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self._filter_line)
        box.addWidget(self.table, 1)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(empty)
        self._stack.addWidget(full)
        self._arrange()

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        session.runs.changed.connect(self.set_runs)
        session.runs.noted.connect(self.set_remarks)
        session.phaseChanged.connect(lambda phase: self._follow_phase(session, phase))
        session.live.progressed.connect(self._follow_progress)
        session.live.recordsAdded.connect(self._follow_records)
        self.runChosen.connect(session.control.show)
        self.remarked.connect(session.runs.remark)
        self.deleteRequested.connect(session.control.delete)
        self.continueRequested.connect(session.control.continue_run)
        session.known.connect(lambda known: self._methods.update({name: m[0] for name, m in known.methods.items()}))
        self._window = window

    # The list

    def set_runs(self, runs: Sequence[RunEntry], index: int) -> None:
        """List these and mark the one on the screen; -1: none of them is."""
        self.rows.set_runs(runs)
        self._index = index
        row = self.order.mapFromSource(self.rows.index(index, 0)).row() if index >= 0 else -1
        if row >= 0:
            self.table.selectRow(row)
            self.table.scrollTo(self.order.index(row, 0))
        else:
            self.table.clearSelection()
        self._arrange()

    def set_remarks(self, entry: RunEntry) -> None:
        """Show what is written beside a run."""
        self.rows.set_remarks(entry)
        self._filter()
        self._mark_shown()

    def set_live(self, live: LiveRow | None) -> None:
        """Show the run that is going; None: none is."""
        is_new = live is not None and self.rows.live is None
        self._coming = live
        self.rows.set_live(live)
        if is_new:
            self.table.scrollToBottom()
        self._arrange()

    def _arrange(self) -> None:
        self._stack.setCurrentIndex(1 if self.rows.rowCount() else 0)
        self._filter_line.setVisible(len(self.rows.runs) >= _MANY or bool(self.filter.text()))

    def _filter(self) -> None:
        text = self.filter.text()
        self.order.set_words(text)
        left = sum(self.order.row_of(row) < len(self.rows.runs) for row in range(self.order.rowCount()))
        self._count.setText(f"{left} of {len(self.rows.runs)}" if text.split() else "")
        self._count.setVisible(bool(text.split()))

    # The run that is going

    def _follow_phase(self, session: Session, phase: Phase) -> None:
        self._can_show = phase is Phase.IDLE
        if not phase.is_run:
            self.set_live(None)
            return
        live, runner = self.rows.live, session.live.runner
        if live is None and runner is not None:
            params, origin = runner.spec.params, session.live.origin
            live = LiveRow(
                session.runs.next_number,
                self._methods.get(params.method, params.method),
                params.rank,
                max_iter=params.max_iter,
                parent=parent_words(origin),
            )
        if live is not None:
            words = {Phase.PAUSED: "paused", Phase.CANCELLING: "cancelling"}.get(phase, "running")
            self.set_live(replace(live, state=words))

    def _follow_progress(self, progress: Progress) -> None:
        if self._coming is not None:
            self._coming = replace(
                self._coming, n_iter=progress.n_iter, max_iter=progress.max_iter, seconds=progress.elapsed
            )
            self._show_soon()

    def _follow_records(self, records: tuple[Record, ...]) -> None:
        if self._coming is not None and records:
            last = records[-1]
            self._coming = replace(self._coming, target=last.target, attained=last.sparsity, error=last.error)
            self._show_soon()

    def _show_soon(self) -> None:
        if not self._later.isActive():
            self._later.start()

    # The hand

    def _click(self, index: QModelIndex) -> None:
        """Show a run; where its notes are written a click does nothing else."""
        place = self.order.row_of(index.row())
        is_shown = place == self._index and index.column() == NAME
        if index.column() in (TAGS, NOTE):
            self._mark_shown()
        elif not is_shown:
            self._choose(place)

    def _mark_shown(self) -> None:
        """Mark the run on the screen again, where a note on another one has been touched; the keys go on from there."""
        rows = self.table.selectionModel()
        row = self.order.mapFromSource(self.rows.index(self._index, 0)) if self._index >= 0 else None
        if row is None or not row.isValid():
            rows.clearSelection()
        else:
            rows.select(row, _WHOLE_ROW)

    def _activate(self, index: QModelIndex) -> None:
        if index.column() not in (TAGS, NOTE) and self.table.state() != QAbstractItemView.State.EditingState:
            self._choose(self.order.row_of(index.row()))

    def _choose(self, place: int) -> None:
        if place < len(self.rows.runs):
            self.runChosen.emit(place)

    def _selected(self) -> int:
        rows = self.table.selectionModel().selectedRows()
        return self.order.row_of(rows[0].row()) if rows else -1

    def _delete(self, place: int) -> None:
        if 0 <= place < len(self.rows.runs):
            self.deleteRequested.emit(place)

    def _open_menu(self, position: QPoint) -> None:
        menu = self.menu_at(position)
        if menu is not None:
            menu.popup(self.table.viewport().mapToGlobal(position))

    def menu_at(self, position: QPoint) -> QMenu | None:
        """Return the menu of the run under the pointer; a right click selects it and brings it to the screen."""
        index = self.table.indexAt(position)
        place = self.order.row_of(index.row()) if index.isValid() else -1
        if not 0 <= place < len(self.rows.runs):
            return None
        if place != self._index and self._can_show:
            self._choose(place)
        self.table.selectRow(index.row())
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        add = menu.addAction
        add("&Rename", lambda: self.table.edit(self.order.index(index.row(), NAME)))
        add("Write a &note", lambda: self.table.edit(self.order.index(index.row(), NOTE)))
        menu.addSeparator()
        further = menu.addMenu("&Continue for")
        further.setEnabled(self._can_show)
        for n_iter in _FURTHER:
            further.addAction(f"{grouped(n_iter)} more iterations", partial(self.continueRequested.emit, place, n_iter))
        if self._window is not None:
            menu.addActions([self._window.action(name) for name in _ABOUT_SHOWN])
            add("Co&mpare it with another run", partial(self._window.show_view, "Compare"))
        menu.addSeparator()
        add("&Delete", lambda: self._delete(place))
        return menu
