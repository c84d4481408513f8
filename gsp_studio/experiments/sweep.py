"""A sweep: the runs of a grid one after another, finished ones kept on disk; blocking or in a thread of its own.

Requests (cancel one, cancel all, pause) take effect within an iteration, as for any run. A finished run is
written at once, whole or not at all, so whatever happens to the process, the same sweep goes on where it stopped.
"""

from __future__ import annotations

import math
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy.typing as npt

from gsp_studio.backends import get_backend
from gsp_studio.engine.run import FinishReason, Outcome, Record, RunSpec
from gsp_studio.engine.runner import Runner
from gsp_studio.experiments.grid import Cell, Grid, GridFolder, Numbers
from gsp_studio.experiments.solver_pool import Interrupted
from gsp_studio.io.atomic import WriteError
from gsp_studio.io.dataset import Dataset


class Stage(Enum):
    """State of a cell; the value is its word in messages."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class CellState:
    """A cell as it stands: iterations done, of a finished one its numbers, of a failed one why, in a sentence."""

    cell: Cell
    stage: Stage = Stage.QUEUED
    n_iter: int = 0
    error: float = math.nan
    sparsity: float = math.nan
    seconds: float = math.nan
    text: str = ""


@dataclass(frozen=True)
class SweepPoll:
    """A sweep as it stands.

    Attributes
    ----------
    states : tuple of CellState
        In the order of `Grid.cells`.
    is_going, is_paused : bool
    problem, details : str
        What ended the sweep before its end, in a sentence, and its traceback; "" for nothing.
    """

    states: tuple[CellState, ...]
    is_going: bool = False
    is_paused: bool = False
    problem: str = ""
    details: str = ""

    def count(self, *stages: Stage) -> int:
        """Cells that stand at one of these."""
        return sum(state.stage in stages for state in self.states)


class Sweep:
    """The runs of a grid on a data set. Used once.

    Parameters
    ----------
    dataset : Dataset
    grid : Grid
    root : Path
        Finished runs lie in a folder under it, see `GridFolder`; it is made when the sweep begins.
    backend : str
    threads : int, optional
        By default all cores.
    mask : ndarray (m, n) of bool or floating numbers, optional
        True where an entry is missing; or what entries count, from 0, missing, to 1.

    Raises
    ------
    ValueError, BackendUnavailable
        A cell that these data cannot have, or a backend that cannot run here.
    """

    def __init__(
        self,
        dataset: Dataset,
        grid: Grid,
        root: Path,
        backend: str = "auto",
        threads: int | None = None,
        mask: npt.NDArray[Any] | None = None,
    ) -> None:
        grid.check(*dataset.X.shape)
        self.dataset, self.grid, self._mask = dataset, grid, mask
        self._backend, self._threads = get_backend(backend, threads).name, threads
        self.shelf = GridFolder(root, dataset.fingerprint, grid.base, self._backend, mask)
        self._changed = threading.Condition()
        self._states = {cell: CellState(cell) for cell in grid.cells}
        self._running: tuple[Cell, Runner] | None = None
        self._unwanted: set[Cell] = set()
        self._is_claimed = self._is_going = self._is_paused = self._is_cancelled = False
        self._problem = self._details = ""
        self._thread: threading.Thread | None = None

    # Doing it

    def run(self, on_change: Callable[[CellState], None] | None = None) -> SweepPoll:
        """Do it in the calling thread; `on_change` sees every cell that has ended, those that were kept first.

        Raises
        ------
        Interrupted
            Ctrl-C. The finished runs are kept.
        WriteError
            The folder cannot be written.
        """
        self._claim()
        try:
            self._work(on_change or (lambda state: None))
        except KeyboardInterrupt:
            # Counted where they lie: Ctrl-C may have come when a run was written and not yet noted.
            finished = sum(self.shelf.numbers(cell) is not None for cell in self._states)
            raise Interrupted(finished, len(self._states)) from None
        finally:
            self._is_going = False
        return self.poll()

    def start(self) -> None:
        """Start the sweep in a thread of its own; `poll` returns its progress."""
        self._claim()
        self._thread = threading.Thread(target=self._work_in_thread, name="gsp-sweep", daemon=True)
        self._thread.start()

    def look(self) -> SweepPoll:
        """Find the cells that are on disk already; nothing is computed or written."""
        for cell, state in self._states.items():
            if self._is_cancelled:
                break
            if state.stage is Stage.QUEUED and (numbers := self.shelf.numbers(cell)) is not None:
                self._finish(cell, numbers)
        return self.poll()

    # Asking for something

    def cancel(self, cells: Iterable[Cell]) -> None:
        """Leave these out: those in the queue at once, the one that is going at the end of its iteration."""
        with self._changed:
            for cell in cells:
                if self._states[cell].stage is Stage.QUEUED:
                    self._set(cell, stage=Stage.CANCELLED)
                elif self._running is not None and self._running[0] == cell:
                    self._unwanted.add(cell)
                    self._running[1].cancel()

    def cancel_all(self) -> None:
        """Leave out all that is not finished."""
        with self._changed:
            self._is_cancelled = True
            self.cancel(self._states)
            self._changed.notify_all()

    def pause(self) -> None:
        """Wait at the end of this iteration until `resume`."""
        with self._changed:
            self._is_paused = True
            if self._running is not None:
                self._running[1].pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        with self._changed:
            self._is_paused = False
            if self._running is not None:
                self._running[1].resume()
            self._changed.notify_all()

    def poll(self) -> SweepPoll:
        """Return the state of the sweep."""
        with self._changed:
            states = tuple(self._states.values())
            return SweepPoll(states, self._is_going, self._is_paused, self._problem, self._details)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread of `start`; True when it has ended (or was never started)."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # The worker

    def _claim(self) -> None:
        with self._changed:
            if self._is_claimed:
                raise RuntimeError("a Sweep is done once; make another one")
            self._is_claimed = self._is_going = True

    def _work_in_thread(self) -> None:
        try:
            self._work(lambda state: None)
        except Exception as error:  # the thread's edge: whatever happens must reach the user
            with self._changed:
                self._problem, self._details = str(error) or type(error).__name__, traceback.format_exc()
            self.cancel_all()
        finally:
            with self._changed:
                self._is_going = False

    def _work(self, tell: Callable[[CellState], None]) -> None:
        self.shelf.write_about(self.dataset, self.grid)
        for state in self.look().states:
            if state.stage is Stage.DONE:
                tell(state)
        for cell in self.grid.cells:
            runner = self._next(cell)
            if runner is None:
                continue
            numbers = self.shelf.numbers(cell)  # another process may have been here meanwhile
            if numbers is None:
                self._settle(cell, runner.run(lambda record, cell=cell: self._note(cell, record)))  # type: ignore[misc]
            else:
                self._finish(cell, numbers)
            tell(self._states[cell])

    def _next(self, cell: Cell) -> Runner | None:
        """The run of a cell when its turn has come; None where it is not wanted, or there already."""
        with self._changed:
            while self._is_paused and not self._is_cancelled:
                self._changed.wait()
            if self._states[cell].stage is not Stage.QUEUED:
                return None
            params = self.grid.params_of(cell)
            runner = Runner(
                RunSpec(self.dataset.X, params, self._backend, self._threads, self._mask, self.dataset.fingerprint)
            )
            self._running = (cell, runner)
            self._set(cell, stage=Stage.RUNNING)
            return runner

    def _note(self, cell: Cell, record: Record) -> None:
        with self._changed:
            self._set(cell, n_iter=record.n_iter)

    def _settle(self, cell: Cell, outcome: Outcome) -> None:
        with self._changed:
            runner = self._running[1] if self._running is not None else None
            self._running = None
        if outcome.reason is FinishReason.FAILED:
            self._set(cell, stage=Stage.FAILED, text=outcome.error_text)
        elif outcome.reason is FinishReason.CANCELLED:
            self._set(cell, stage=Stage.CANCELLED)
            if cell not in self._unwanted:  # not requested: Ctrl-C, which the run takes for a cancellation
                raise KeyboardInterrupt
        else:
            assert runner is not None
            try:
                self._finish(cell, self.shelf.keep(cell, outcome.exported(runner.spec)))
            except WriteError as error:  # the next one could not be kept either
                self._set(cell, stage=Stage.FAILED, text=str(error))
                raise

    def _finish(self, cell: Cell, numbers: Numbers) -> None:
        with self._changed:
            if self._running is not None and self._running[0] == cell:
                self._running = None
            self._set(
                cell,
                stage=Stage.DONE,
                n_iter=numbers.n_iter,
                error=numbers.error,
                sparsity=numbers.sparsity,
                seconds=numbers.seconds,
            )

    def _set(self, cell: Cell, **changes: Any) -> None:
        with self._changed:
            self._states[cell] = replace(self._states[cell], **changes)
