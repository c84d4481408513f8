"""Runs from their first iteration to the list, and back to the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QKeySequence

from gsp_studio.gui.state import Phase
from gsp_studio.gui.texts import about_run, error_texts

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.seeds import Seed
    from gsp_studio.engine.run import Outcome
    from gsp_studio.engine.runner import Runner
    from gsp_studio.gui.session.course import Course
    from gsp_studio.gui.session.live_run import LiveRun
    from gsp_studio.gui.session.run_list import RunList
    from gsp_studio.gui.session.settings import Settings
    from gsp_studio.gui.state import RunEntry, RunSettings
    from gsp_studio.io.dataset import Dataset


class RunControl(QObject):
    """Joins settings, the run that is going, its course and the list of runs, which do not know each other."""

    phaseChanged = Signal(object)  # Phase
    starting = Signal()  # nothing else may need the processor from now on
    shown = Signal(object)  # RunEntry that comes to the screen
    edited = Signal(str)  # another basis is on the screen, which can be undone; called so
    deviceFilled = Signal(str, str)  # one sentence, details: a run ended because a device's memory is full
    failed = Signal(str, str)
    logged = Signal(str)

    def __init__(self, settings: Settings, live: LiveRun, course: Course, runs: RunList, parent: QObject) -> None:
        super().__init__(parent)
        self._settings, self._live, self._course, self._runs = settings, live, course, runs
        #: The branch of the run that is being stopped for it: after which iteration, and its target.
        self._branch_at: tuple[int, float] | None = None
        settings.targetsSet.connect(self._steer)
        settings.weightsSet.connect(self._follow_weights)
        live.recordsAdded.connect(course.add)
        live.steered.connect(course.mark)
        live.ended.connect(self._finish)

    # The run that is going

    def run(self, dataset: Dataset, seeds: Sequence[Seed] = (), mask: Array | None = None) -> None:
        """Start a run of what is set, with these seeds, and without the entries (m, n) that a mask leaves out."""
        from gsp_studio.gui.jobs.compute import new_run

        settings = self._settings
        try:
            runner = new_run(dataset, settings.choice, settings.weights, settings.scheduler, seeds, mask)
        except ValueError as error:
            self.failed.emit(*error_texts(error))
        else:
            self._start(runner)

    def _start(self, runner: Runner, origin: tuple[int, int] = (0, 0)) -> None:
        """Start a run of the choice in the settings; `origin`: of what it is a branch, and what they share."""
        self.starting.emit()
        params, number = self._settings.params, self._runs.next_number
        self._course.begin(number, self._runs.records_of(origin[0]))
        self._runs.show(-1)
        self._live.start(runner, f"run {number}", origin)
        self.phaseChanged.emit(Phase.RUNNING)
        what = f"rank {params.rank}, {params.max_iter} iterations"
        if origin[1]:
            what = f"branch of run {origin[0]} at iteration {origin[1]}, s = {params.sparsity:.3f}"
        elif origin[0]:
            what = f"from the factors of run {origin[0]}, {runner.spec.params.max_iter} iterations"
        self.logged.emit(f"Run {number} started: {what}.")

    def _steer(self) -> None:
        self._live.steer(self._settings.choice, self._settings.weights)

    def _follow_weights(self) -> None:
        if self._live.runner is not None and self._live.runner.params.weights is not None:
            self._steer()

    def pause(self) -> None:
        """Stand still after an iteration."""
        self._live.pause()
        self.phaseChanged.emit(Phase.PAUSED)

    def resume(self) -> None:
        """Go on."""
        self._live.resume()
        self.phaseChanged.emit(Phase.RUNNING)

    def cancel(self) -> None:
        """Stop the run at the end of its iteration and keep its best iterate."""
        self._live.cancel()
        self.phaseChanged.emit(Phase.CANCELLING)

    def _finish(self, runner: Runner, outcome: Outcome) -> None:
        from gsp_studio.gui.jobs.compute import entry_of

        self._course.log_marks(is_over=True)
        self.phaseChanged.emit(Phase.IDLE)
        if outcome.result is not None:
            number, live, records = self._runs.next_number, self._live, tuple(self._course.records)
            self.keep(entry_of(number, runner.spec, outcome, records, live.origin))
        if outcome.error_text:
            (self.deviceFilled if outcome.is_out_of_memory else self.failed).emit(outcome.error_text, outcome.details)
        wanted, self._branch_at = self._branch_at, None
        if wanted is not None:
            self.branch(*wanted)

    # Runs that have ended

    def keep(self, entry: RunEntry) -> None:
        """Take a run into the list, and show it."""
        self._show(self._runs.append(entry))
        self.edited.emit(entry.name)
        self.logged.emit(about_run(entry))

    def show(self, index: int) -> None:
        """Bring a run of the list back to the screen, with its parameters and its basis; not while a run is going."""
        entry = self._runs.at(index)
        if not self._live.is_going and entry is not None:
            self._show(index)
            self.edited.emit(f"show {entry.name}")
            self.logged.emit(f"On the screen: {about_run(entry)}")

    def delete(self, index: int) -> None:
        """Take a run out of the list; for the one on the screen its neighbour comes there, where it has one."""
        entry, runs = self._runs.at(index), self._runs
        if entry is None:
            return
        was_shown = index == runs.index
        runs.set_deleted(runs.deleted | {entry.number})
        if was_shown and runs.entries:
            self._show(min(index, len(runs.entries) - 1))
        elif self._course.number == entry.number and not self._live.is_going:
            self._course.show(0, (), (), ())
        self.edited.emit(f"delete {entry.name}")
        shows = f" {runs.current.name} is on the screen now." if was_shown and runs.current is not None else ""
        key = QKeySequence(QKeySequence.StandardKey.Undo).toString(QKeySequence.SequenceFormat.NativeText)
        self.logged.emit(f"{entry.name} ({entry.label}) was deleted; {key} brings it back.{shows}")

    @property
    def number_of_curves(self) -> int:
        """Number of the run whose curves are on the screen, 0 for none."""
        return self._course.number

    def mark_shown(self, number: int, of_curves: int) -> None:
        """The basis on the screen is of the run `number` again, 0 for none; the curves are those of `of_curves`."""
        entry = self._runs.at(self._runs.index_of(of_curves))
        if entry is not None:
            self._show_curves(entry)
        elif of_curves == 0:
            self._course.show(0, (), (), ())
        self._runs.show(self._runs.index_of(number))

    def _show_curves(self, entry: RunEntry) -> None:
        self._course.show(entry.number, entry.records, entry.marks, self._runs.records_of(entry.origin[0]))

    def _show(self, index: int) -> None:
        entry = self._runs.entries[index]
        self._take(entry, entry.choice)
        self._show_curves(entry)
        self.shown.emit(entry)
        self._runs.show(index)

    def _take(self, entry: RunEntry, choice: RunSettings) -> None:
        """Show a choice as settings, and the weights that a run was computed with."""
        from gsp_studio.gui.jobs.compute import weights_of_run

        self._settings.bring_back(choice, weights_of_run(entry, self._settings.weights))

    def continue_run(self, index: int, n_iter: int) -> None:
        """Start a run of so many iterations from the factors of one that has ended."""
        entry = self._runs.at(index)
        if self._live.is_going or entry is None:
            return
        from gsp_studio.gui.jobs.compute import continue_run

        try:
            runner = continue_run(entry, n_iter)
        except ValueError as error:
            self.failed.emit(*error_texts(error))
            return
        self._take(entry, entry.choice)
        self._start(runner, (entry.number, 0))

    # Branches

    @property
    def branch_end(self) -> int:
        """The last iteration after which a branch is possible of the run on the screen; 0 where none is."""
        if self._live.is_going:
            return 0 if self._live.is_cancelled else len(self._course.records)
        entry = self._runs.current
        return 0 if entry is None else min(len(entry.records), entry.spec.params.max_iter - 1)

    def branch(self, n_iter: int, sparsity: float) -> None:
        """Start a run with another target from an iteration on; it shares those up to there.

        A run that is going is stopped for it, and kept.
        """
        entry = self._runs.current
        if self._live.is_going:
            if not self._live.is_cancelled:
                self._branch_at = (n_iter, sparsity)
                self.cancel()
        elif entry is not None:
            from gsp_studio.gui.jobs.compute import new_branch

            try:
                runner = new_branch(entry, n_iter, sparsity)
            except ValueError as error:
                self.failed.emit(*error_texts(error))
                return
            self._take(entry, entry.choice.with_params(sparsity=sparsity))
            self._start(runner, (entry.number, n_iter))
