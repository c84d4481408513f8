"""A sweep: which runs, how far they are, and a map of what they reached that opens the run behind a cell.

Closing the dialog leaves the sweep going; opened again it shows it, or the last one that the disk holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.core.nmf import Params
from gsp_studio.experiments.grid import Cell, Grid
from gsp_studio.experiments.sweep import CellState, Stage, SweepPoll
from gsp_studio.gui.state import Phase
from gsp_studio.gui.sweep.grid_form import GridForm
from gsp_studio.gui.sweep.heat_map import HeatMap
from gsp_studio.gui.sweep.heat_tiles import MEASURES, Tile, tiles_of, word_of
from gsp_studio.gui.texts import duration, grouped, milliseconds, percent, plural
from gsp_studio.gui.widgets.controls import Button, ComboBox, ElidedLabel, canvas, label, plain, reserve

_WORDS = (
    "Each cell is a run of its own, one after another; finished ones stay on the disk. What you do in the window goes "
    "first: the sweep waits during runs, fits and drags. Closing this window leaves it going."
)
#: Milliseconds of rest after which a changed form is looked up on the disk.
_REST_MS = 150
_COLUMNS = ("Seed", "Error", "Attained", "Time", "State")
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class SweepDialog(QDialog):
    """Shows what `set_poll` brings of the grid that it asked about last by `gridChanged` or `startRequested`."""

    gridChanged = Signal(object)  # Grid, to be looked up
    startRequested = Signal(object)  # Grid
    cellsCancelled = Signal(object)  # tuple of Cell
    allCancelled = Signal()
    runRequested = Signal(object)  # Cell
    rootChosen = Signal(object)  # Path

    def __init__(self, base: Params, most: int, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Sweep of {name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.form = GridForm(base, most)
        self.start, self.cancel_cell = QPushButton("Start"), Button("Cancel this cell")
        self.cancel_all, self.open_run = Button("Cancel all"), Button("Open the run")
        self.start.setProperty("primary", True)
        self.start.setAutoDefault(False)  # Enter belongs to the map
        self.open_run.setToolTip("Show the run behind this cell as one of the session's (Enter, or a double-click)")
        self.measure = ComboBox()
        for key, measure in MEASURES.items():
            self.measure.addItem(measure.title.partition(",")[0].capitalize(), key)
        self.measure.setAccessibleName("What colours show")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.map, self.seeds = HeatMap(), _table()
        self._count, self._heading, self._said = label(), label(), ElidedLabel()
        self._folder = ElidedLabel()
        self._grid: Grid | None = None
        self._poll = SweepPoll(())
        self._tiles: list[Tile] = []
        self._phase, self._waits_for, self._problem = Phase.IDLE, "", ""
        self._rest = QTimer(self, interval=_REST_MS, singleShot=True)
        self._lay_out()
        self._rest.timeout.connect(self._ask)
        self.form.changed.connect(self._edited)
        self.start.clicked.connect(self._start)
        self.cancel_cell.clicked.connect(self._cancel_cell)
        self.cancel_all.clicked.connect(self.allCancelled)
        self.open_run.clicked.connect(lambda: self._open())
        self.measure.currentIndexChanged.connect(lambda _: self._draw())
        self.map.picked.connect(self._pick)
        self.map.opened.connect(lambda _: self._open())
        self.seeds.itemSelectionChanged.connect(self._update)
        self.seeds.itemActivated.connect(lambda item: self._open(item.row()))
        self._edited()

    # Looks

    def _lay_out(self) -> None:
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(12)
        box.addWidget(label(_WORDS, wrap=True, muted=True))
        box.addWidget(self.form)
        box.addLayout(_row(self.start, self.cancel_cell, self.cancel_all, self.bar, self._count))
        frame = QFrame()
        canvas(frame, "plot").addWidget(self.map)
        side = QVBoxLayout()
        side.setSpacing(8)
        side.addLayout(_row(QLabel("Colours"), self.measure))
        side.addWidget(self._heading)
        side.addWidget(self.seeds, 1)
        side.addWidget(self.open_run)
        middle = QHBoxLayout()
        middle.setSpacing(16)
        middle.addWidget(frame, 1)
        middle.addLayout(side)
        box.addLayout(middle, 1)
        box.addWidget(self._said)
        self._folder.setProperty("muted", True)
        other = Button("Another folder...")
        other.clicked.connect(self._choose_folder)
        box.addLayout(_row(self._folder, other))
        for button in (self.start, self.cancel_cell, self.cancel_all):
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            button.setMinimumWidth(96)
        self._count.setAlignment(_RIGHT)
        reserve(self._count, "888 of 888 runs done  ·  about 8:88:88 left")
        self.resize(960, 720)

    def set_folder(self, root: Path) -> None:
        """Show the folder of sweeps."""
        self._root = root
        self._folder.setText(f"Kept in {root}")

    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Keep sweeps in", str(self._root))
        if chosen:
            self.rootChosen.emit(Path(chosen))

    # The form

    def set_found(self, grid: Grid | None) -> None:
        """The grid that was asked for last on these data; None where there is none."""
        if grid is not None and not self._poll.is_going:
            self.form.set_grid(grid)
        self._ask()

    def set_base(self, base: Params) -> None:
        """Follow the Model panel."""
        self.form.set_base(base)
        self._edited()

    def _edited(self) -> None:
        self._rest.start()
        self._problem = self.form.problem
        self._update()

    def _ask(self) -> None:
        """Look up what the form says."""
        if not self.form.problem and not self._poll.is_going:
            self._show_grid(self.form.grid())
            self.gridChanged.emit(self._grid)

    def _show_grid(self, grid: Grid) -> None:
        self._rest.stop()
        self._grid, self._poll = grid, SweepPoll(())
        columns = [f"{s:g}" for s in grid.sparsities] or ["no target"]
        self.map.set_axes([str(rank) for rank in grid.ranks], columns, "sparsity s" if grid.has_target else "")
        self._update()

    def _start(self) -> None:
        if self.form.problem:
            return
        self._problem = ""
        self._show_grid(self.form.grid())
        self.map.setFocus()
        self.startRequested.emit(self._grid)

    def set_going(self, grid: Grid, poll: SweepPoll) -> None:
        """A sweep that was going when the dialog was opened."""
        self.form.set_grid(grid)
        self._show_grid(grid)
        self.set_poll(poll)

    # What is brought

    def set_poll(self, poll: SweepPoll) -> None:
        """Show the state of the sweep."""
        if self._grid is not None and len(poll.states) == len(self._grid.cells):
            self._poll = poll
            self._draw()

    def set_phase(self, phase: Phase) -> None:
        """While a run is going, no other one is shown."""
        self._phase = phase
        self._update()

    def set_waiting(self, waits_for: str) -> None:
        """For what the sweep waits, "" for nothing."""
        self._waits_for = waits_for
        self._update()

    def set_problem(self, sentence: str, details: str = "") -> None:
        """Say what went wrong."""
        self._problem = sentence
        self._update()

    # The map

    def _draw(self) -> None:
        if self._grid is None or not self._poll.states:
            return
        measure = MEASURES[self.measure.currentData()]
        self._tiles = tiles_of(self._grid, self._poll.states, self.measure.currentData(), self._poll.is_going)
        self.map.set_tiles(self._tiles, measure.title, measure.short)
        self._list_seeds()
        self._update()

    def _states(self) -> Sequence[CellState]:
        """Of the seeds of the cell that is chosen."""
        if self._grid is None or self.map.current < 0:
            return ()
        return self._poll.states[self.map.current :: len(self._grid.ranks) * len(self._grid.targets)]

    def _pick(self, index: int) -> None:
        self.seeds.clearSelection()
        self._list_seeds()
        self._update()

    def _list_seeds(self) -> None:
        states = self._states()
        self.seeds.setRowCount(len(states))
        for row, state in enumerate(states):
            for column, text in enumerate(_texts(state, self._poll.is_going)):
                item = self.seeds.item(row, column)
                if item is None:
                    item = QTableWidgetItem()
                    item.setTextAlignment(_RIGHT if column < 4 else Qt.AlignmentFlag.AlignVCenter)
                    self.seeds.setItem(row, column, item)
                if item.text() != text:
                    item.setText(text)
                item.setToolTip(plain(state.text))

    def _chosen(self) -> list[CellState]:
        """The seed that is selected in the list, or all of the cell."""
        states = self._states()
        rows = {index.row() for index in self.seeds.selectedIndexes()}
        return [state for row, state in enumerate(states) if row in rows or not rows]

    def _open(self, row: int = -1) -> None:
        chosen = [self._states()[row]] if row >= 0 else self._chosen()
        done = [state for state in chosen if state.stage is Stage.DONE]
        if not done:
            self.set_problem("There is no finished run in this cell yet.")
        else:
            self._problem = ""
            self.runRequested.emit(min(done, key=lambda state: state.error).cell)

    def _cancel_cell(self) -> None:
        cells: tuple[Cell, ...] = tuple(state.cell for state in self._chosen())
        self.cellsCancelled.emit(cells)

    # Words

    def _update(self) -> None:
        poll, chosen = self._poll, self._chosen()
        done, total = poll.count(Stage.DONE), len(poll.states)
        self.form.setEnabled(not poll.is_going)
        self.start.setText("Start" if not done else "Go on")
        self.start.setEnabled(not poll.is_going and not self.form.problem and not (total and done == total))
        self.cancel_all.setEnabled(poll.is_going)
        is_open = any(state.stage in (Stage.QUEUED, Stage.RUNNING) for state in chosen)
        is_one = len(chosen) == 1 and len(self._states()) > 1
        self.cancel_cell.setText("Cancel this seed" if is_one else "Cancel this cell")
        self.cancel_cell.setEnabled(poll.is_going and is_open)
        finished = any(state.stage is Stage.DONE for state in chosen)
        self.open_run.setEnabled(finished and not self._phase.is_run)
        self.open_run.setText("Open this run" if is_one or len(self._states()) < 2 else "Open the best run")
        self.bar.setRange(0, max(1, total))
        self.bar.setValue(total - poll.count(Stage.QUEUED, Stage.RUNNING))
        self._count.setText(self._standing(done, total))
        index = self.map.current
        tile = self._tiles[index] if poll.states and 0 <= index < len(self._tiles) else None
        self._heading.setText("" if tile is None else tile.name)
        words = "" if tile is None else tile.words
        self._said.setText(f"⚠ {self._problem}" if self._problem else words)

    def _standing(self, done: int, total: int) -> str:
        poll = self._poll
        text = f"{grouped(done)} of {plural(total, 'run')} done"
        for stage in (Stage.FAILED, Stage.CANCELLED):
            count = poll.count(stage)
            text += f"  ·  {count} {stage.value}" if count else ""
        if not poll.is_going:
            return text if total else ""
        if self._waits_for:
            return f"{text}  ·  waiting: {self._waits_for} goes first"
        times = [state.seconds for state in poll.states if not math.isnan(state.seconds)]
        left = poll.count(Stage.QUEUED, Stage.RUNNING)
        return f"{text}  ·  about {duration(left * sum(times) / len(times))} left" if times else text

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter in a field ends its editing; it starts nothing."""
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)


def _texts(state: CellState, is_going: bool) -> tuple[str, ...]:
    seed, word = str(state.cell.seed), word_of(state.stage, is_going)
    if state.stage is not Stage.DONE:
        return seed, "", "", "", word
    time = milliseconds(state.seconds) if state.seconds < 60 else duration(state.seconds)
    return seed, percent(state.error), f"{state.sparsity:.4f}", time, word


def _row(*parts: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    for part in parts:
        row.addWidget(part, 1 if isinstance(part, (ElidedLabel, QProgressBar, ComboBox)) else 0)
    return row


def _table() -> QTableWidget:
    table = QTableWidget(0, len(_COLUMNS))
    for column, title in enumerate(_COLUMNS):
        head = QTableWidgetItem(title)
        head.setTextAlignment(_RIGHT if column < 4 else Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        table.setHorizontalHeaderItem(column, head)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(26)
    table.setShowGrid(False)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setTabKeyNavigation(False)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    table.horizontalHeader().setStretchLastSection(True)
    table.horizontalHeader().setHighlightSections(False)
    table.setMinimumWidth(360)
    table.setAccessibleName("The seeds of this cell")
    return table
