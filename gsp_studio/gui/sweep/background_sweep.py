"""The sweep of a window: one at a time, in the background, and behind everything the user waits for.

While a run, a fit or the slider needs the processor the sweep waits at the end of its iteration. Finished cells lie on
the disk; opening one makes it a run of the session like any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.jobs.task_queue import TaskQueue
from gsp_studio.gui.state import Phase
from gsp_studio.gui.texts import error_texts, plural
from gsp_studio.io.logfile import sweeps_folder

if TYPE_CHECKING:
    from gsp_studio.core.nmf import Params
    from gsp_studio.experiments.grid import Cell, Grid
    from gsp_studio.experiments.sweep import Sweep, SweepPoll
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.state import RunSettings
    from gsp_studio.io.saved_run import SavedRun

#: Milliseconds between polls: about 30 a second.
POLL_MS = 33
#: Seconds without a move of the slider after which a sweep goes on.
REST = 0.5
#: Seconds between two tellings of how far a run is.
_TELL = 0.2


_Value = TypeVar("_Value")


class BackgroundSweep(QObject):
    """Does the sweeps of `session`, one at a time; signals tell of the grid that was asked about last."""

    found = Signal(object)  # Grid that was asked for last on these data, or None
    changed = Signal(object)  # SweepPoll
    waitingChanged = Signal(str)  # for what the sweep waits, "" for nothing
    ended = Signal(object)  # SweepPoll of a sweep that was started
    failed = Signal(str, str)
    dropped = Signal()  # other data: the former grid means nothing any more

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.root: Path = sweeps_folder()
        self._sweep: Sweep | None = None
        self._retired: list[Sweep] = []
        self._files = TaskQueue("gsp-sweep-files", self)
        self._files.failed.connect(self.failed)
        #: Runs while there is something to tell: how far a sweep is, that one has ended.
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self.poll)
        self._is_started = self._is_paused = False
        self._told: SweepPoll | None = None
        self._activity = self._waits_for = ""
        self._not_before = self._tell_at = 0.0
        self._sparsities = (session.settings.params.sparsity, session.settings.params.sparsity_h)
        session.datasetChanged.connect(lambda _: self._drop())
        session.activity.changed.connect(self._hear_activity)
        session.phaseChanged.connect(lambda _: self._give_way())
        session.settings.choiceChanged.connect(self._hear_choice)

    # Grids

    @property
    def is_going(self) -> bool:
        """Whether a sweep is under way."""
        return self._is_started

    @property
    def grid(self) -> Grid | None:
        """The grid that is shown."""
        return None if self._sweep is None else self._sweep.grid

    @property
    def state(self) -> SweepPoll | None:
        """State of the grid's cells."""
        return None if self._sweep is None else self._sweep.poll()

    @property
    def waits_for(self) -> str:
        """For what the sweep waits, "" for nothing."""
        return self._waits_for

    def find(self) -> None:
        """Ask for the last grid on these data; `found` brings it."""
        dataset, root = self._session.dataset, self.root
        if dataset is not None:
            self._submit(lambda: _last_grid(root, dataset.fingerprint), self.found.emit)

    def base(self) -> Params:
        """Return the Model panel's parameters."""
        return self._session.settings.params

    def show(self, grid: Grid) -> None:
        """Look which cells of a grid are on disk; nothing is computed. Not while a sweep is going."""
        sweep = None if self._is_started else self._new(grid)
        if sweep is not None:
            self._retire()
            self._sweep = sweep
            self._submit(sweep.look, lambda _: self._tell())
            self._tell()

    def begin(self, grid: Grid) -> None:
        """Do the cells of a grid that are not on disk."""
        sweep = None if self._is_started else self._new(grid)
        if sweep is None:
            return
        self._retire()
        self._sweep, self._is_started, self._is_paused = sweep, True, False
        self._give_way()
        sweep.start()
        self._timer.start()
        self._session.logged.emit(f"Sweep of {plural(len(grid.cells), 'run')} started.")
        self._tell()

    def _new(self, grid: Grid) -> Sweep | None:
        from gsp_studio.experiments.sweep import Sweep
        from gsp_studio.gui.jobs.compute import solver_threads, weights_in_force

        session = self._session
        if session.dataset is None:
            return None
        settings = session.settings
        weights = weights_in_force(grid.base.method, settings.weights, len(session.dataset.X))
        if weights is not None and grid.base.weights is not None:
            weights = grid.base.weights
        grid = replace(grid, base=replace(grid.base, weights=weights))
        try:
            return Sweep(session.dataset, grid, self.root, settings.choice.backend, solver_threads())
        except ValueError as error:
            self.failed.emit(*error_texts(error))
            return None

    def cancel(self, cells: tuple[Cell, ...]) -> None:
        """Leave these cells out."""
        if self._sweep is not None and self._is_started:
            self._sweep.cancel(cells)
            self._tell()

    def cancel_all(self) -> None:
        """Leave out all that is not finished."""
        if self._sweep is not None and self._is_started:
            self._sweep.cancel_all()
            self._tell()

    def open(self, cell: Cell) -> None:
        """Bring the run behind a finished cell to the screen, as a run of the session."""
        if self._sweep is not None:
            shelf = self._sweep.shelf
            self._submit(lambda: shelf.read(cell), self._take_in)

    def _take_in(self, saved: SavedRun) -> None:
        """Show the run behind a cell, as one of the list: that which is there already, or a new one."""
        from gsp_studio.gui.session_file.run_records import entry_from, is_run_of

        session, runs = self._session, self._session.runs
        if session.dataset is None or session.phase is not Phase.IDLE:
            self.failed.emit("A run is going on; open the cell when it has ended.", "")
            return
        index = next((k for k, entry in enumerate(runs.entries) if is_run_of(entry, saved)), -1)
        if index < 0:
            try:
                entry = entry_from(replace(saved, number=runs.next_number, details={}), session.dataset.X)
            except ValueError as error:  # it is not one of these data
                self.failed.emit(*error_texts(error))
                return
            index = runs.append(entry)
            session.logged.emit(
                f"{entry.name} is the run behind a cell of the sweep: {entry.label}, seed {entry.choice.params.seed}."
            )
        session.control.show(index)

    # Giving way

    def _hear_activity(self, activity: str) -> None:
        self._activity = activity
        self._give_way()

    def _hear_choice(self, choice: RunSettings) -> None:
        sparsities = (choice.params.sparsity, choice.params.sparsity_h)
        if sparsities != self._sparsities:
            self._sparsities, self._not_before = sparsities, time.monotonic() + REST
            self._give_way()

    def _give_way(self) -> None:
        """Pause or go on; the slider's move, which lasts a moment, is not told."""
        session = self._session
        waits_for = "the run" if session.phase.is_run else self._activity
        waits_for = waits_for or ("the study of ranks" if session.analyses.rank_study.is_going else "")
        wanted = bool(waits_for) or time.monotonic() < self._not_before
        if self._sweep is not None and self._is_started and wanted != self._is_paused:
            self._is_paused = wanted
            (self._sweep.pause if wanted else self._sweep.resume)()
        waits_for = waits_for if self._is_started else ""
        if waits_for != self._waits_for:
            self._waits_for = waits_for
            self.waitingChanged.emit(waits_for)

    # Telling

    def _submit(self, read: Callable[[], _Value], use: Callable[[_Value], None]) -> None:
        self._files.submit(read, use)
        self._timer.start()

    def poll(self) -> None:
        """Tell how far the sweep is, and how far a look at its cells."""
        self._retired = [sweep for sweep in self._retired if not sweep.join(0)]
        if self._is_started:
            self._give_way()
        if self._is_started or self._files.is_busy:
            self._tell()
        elif not self._retired:
            self._timer.stop()

    def _tell(self) -> None:
        if self._sweep is None:
            return
        is_over = self._is_started and self._sweep.join(0)  # asked first: what comes between is told the next time
        now = self._sweep.poll()
        if now != self._told and (self._has_news(now) or time.monotonic() >= self._tell_at):
            self._told, self._tell_at = now, time.monotonic() + _TELL
            self.changed.emit(now)
        if is_over:
            self._is_started = False
            self._give_way()
            self._end(now)

    def _has_news(self, now: SweepPoll) -> bool:
        """Whether a cell stands elsewhere; how far the one is that is going is told now and then."""
        told = self._told
        if told is None or (told.is_going, told.is_paused) != (now.is_going, now.is_paused):
            return True
        return any(
            new is not old and new.stage is not old.stage for new, old in zip(now.states, told.states, strict=True)
        )

    def _end(self, now: SweepPoll) -> None:
        counts: dict[str, int] = {}
        for state in now.states:
            counts[state.stage.value] = counts.get(state.stage.value, 0) + 1
        self._session.logged.emit(f"Sweep ended: {', '.join(f'{count} {word}' for word, count in counts.items())}.")
        self.ended.emit(now)
        if now.problem:
            self.failed.emit(now.problem, now.details)

    # Ends

    def _retire(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel_all()
            self._retired.append(self._sweep)
        self._sweep, self._told = None, None

    def _drop(self) -> None:
        """Other data: what is finished stays on disk."""
        if self._is_started:
            self._session.logged.emit("The sweep was cancelled for other data; its finished cells are kept.")
        self._is_started = False
        self._retire()
        self._files.discard()
        self._give_way()
        self.dropped.emit()

    def close(self, timeout: float) -> bool:
        """Cancel, and wait; True when no thread is left."""
        self._timer.stop()
        self._is_started = False
        self._retire()
        self._files.discard()
        ended = [sweep.join(timeout) for sweep in self._retired]
        ended.append(self._files.close(timeout))
        return all(ended)


def _last_grid(root: Path, fingerprint: str) -> Grid | None:
    from gsp_studio.experiments.grid import last_grid

    return last_grid(root, fingerprint)
