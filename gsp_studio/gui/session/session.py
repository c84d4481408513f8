"""Session: the only mutable state of the app, and the signals that tell of its changes.

Panels' intentions end in the methods here and panels show what the signals bring; nothing else changes state. Workers
never call in: a timer polls them, so every signal is emitted on the GUI thread. Whatever belongs to a data set that has
been replaced meanwhile is dropped: its runner is let go of, its requests are discarded.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.formatting import about_data, about_run, about_stability, told
from gsp_studio.gui.jobs.startup import Starter
from gsp_studio.gui.session.activity import Activity
from gsp_studio.gui.session.analyses import Analyses
from gsp_studio.gui.session.basis import PinnedBasis
from gsp_studio.gui.session.course import Course
from gsp_studio.gui.session.dataset_loader import DatasetLoader
from gsp_studio.gui.session.display import Display
from gsp_studio.gui.session.exports import Exports
from gsp_studio.gui.session.live_run import LiveRun
from gsp_studio.gui.session.run_list import RunList
from gsp_studio.gui.session.settings import Settings
from gsp_studio.gui.session.undo import Snapshot, UndoHistory
from gsp_studio.gui.session.warm_fit import WarmFit
from gsp_studio.gui.state import Choice, Glimpse, Known, Phase, Pinned, RunEntry, Shown
from gsp_studio.gui.sweep.background_sweep import Sweeping

if TYPE_CHECKING:
    from gsp_studio.core.edits import Edit
    from gsp_studio.core.nmf import Result
    from gsp_studio.engine.run import Outcome
    from gsp_studio.engine.runner import Runner
    from gsp_studio.experiments.stability import BasisStability
    from gsp_studio.gui.state import Array
    from gsp_studio.io.dataset import Dataset, LoadOptions
    from gsp_studio.io.session_file import SavedRun

#: Milliseconds between polls: about 30 a second.
POLL_MS = 33


class Session(QObject):
    """Composes the parts of the state, each with signals of its own, and keeps the flows that cross them."""

    known = Signal(object)  # Known: the solvers are there
    phaseChanged = Signal(object)  # Phase
    datasetLeaving = Signal()  # other data are about to take the place of these; all of theirs is still here
    datasetChanged = Signal(object)  # Dataset
    failed = Signal(str, str)  # one sentence, details
    deviceFilled = Signal(str, str)  # the same: a run ended because a device's memory is full
    logged = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.phase = Phase.STARTING
        self.dataset: Dataset | None = None
        self.settings, self.display, self.activity = Settings(self), Display(self), Activity(self)
        self.basis, self.warm_fit, self.loader = PinnedBasis(self), WarmFit(self), DatasetLoader(self)
        self.live, self.course, self.runs = LiveRun(self), Course(self), RunList(self)
        self.analyses, self.exports = Analyses(self), Exports(self)
        self.undo = UndoHistory(self._snapshot(), self)
        self.sweeping = Sweeping(self)
        self._work: Any = None
        self._branch_at: tuple[int, float] | None = None
        self._starter = Starter()
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self.poll)
        self._join()

    def _join(self) -> None:
        basis, live, course, runs, analyses = self.basis, self.live, self.course, self.runs, self.analyses
        basis.projected.connect(self._show_projection)
        basis.glimpsed.connect(self._show_glimpse)
        basis.rested.connect(self._refit)
        basis.refitted.connect(self.display.show)
        basis.madeDenser.connect(self._pin_refit)
        basis.autoRefitChanged.connect(lambda _: self.settings.settle_sparsity())
        self.display.edited.connect(self._note)
        self.display.shownChanged.connect(analyses.set_shown)
        self.display.shownChanged.connect(lambda _: self._pair())
        self.undo.restored.connect(self._restore)
        self.settings.choiceSet.connect(self._follow_choice)
        self.settings.targetsSet.connect(self._follow_targets)
        self.settings.weightsSet.connect(self._follow_weights)
        self.settings.settled.connect(self._settle)
        self.warm_fit.due.connect(self._start_warm_fit)
        self.warm_fit.fitted.connect(self._pin_warm_fit)
        self.loader.opened.connect(self._opened)
        live.recordsAdded.connect(course.add)
        live.steered.connect(course.mark)
        live.renumbered.connect(self._renumber)
        live.killed.connect(lambda: self.display.move_marks(()))
        live.iterated.connect(self.display.show)
        live.ended.connect(self._finish_run)
        runs.changed.connect(lambda *_: analyses.keep_check_of(runs.current))
        analyses.stabilityFound.connect(self._keep_stability)
        analyses.pairWanted.connect(self._pair)
        for doing in (self.loader, self.warm_fit, basis, analyses, self.exports):
            doing.activityChanged.connect(self.activity.set)
        for failing in (live, self.warm_fit, basis, analyses, self.exports):
            failing.failed.connect(self.failed)
        for logging in (live, course, self.loader, analyses):
            logging.logged.connect(self.logged)

    # Start and end

    def start(self) -> None:
        """Import and warm what is heavy in a thread; called after the first paint."""
        self._starter.start()
        self._timer.start()
        self.activity.set("getting the solvers ready")

    def _became_ready(self, work: Any) -> None:
        self._work = work
        self.sweeping.start(work)
        found: Known = work.known()
        self.activity.set("")
        self.known.emit(found)
        self._set_phase(Phase.EMPTY)
        self.logged.emit(f"Ready; computing with {found.backend}.")
        self.loader.start(work)

    def close(self, timeout: float = 10.0) -> bool:
        """Stop everything that runs and wait for it; True when no thread of the session is alive."""
        self._timer.stop()
        parts = (self.live, self.warm_fit, self.basis, self.analyses, self.exports, self.sweeping)
        ended = [part.close(timeout) for part in parts]
        ended.append(self._starter.close(min(timeout, 2.0)))  # a compilation cannot be broken off, imports end soon
        ended.append(self.loader.close(timeout))
        return all(ended)

    # Data

    def open(self, path: str | Path, options: LoadOptions | None = None) -> None:
        """Open a data set in the background; a layout that has to be guessed is shown first."""
        if self.phase.is_run:
            self.failed.emit("A run is going on; cancel it before you open another data set.", "")
        else:
            self.loader.open(Path(path), options)

    @property
    def can_cancel(self) -> bool:
        """Whether there is something that `cancel` would end."""
        beside = self.loader.is_loading or self.basis.is_refitting or self.analyses.checking.entry is not None
        return self.phase in (Phase.RUNNING, Phase.PAUSED) or beside

    def _opened(self, dataset: Dataset) -> None:
        if self.phase.is_run:
            self.logged.emit(f"{dataset.name} is not shown: a run was started while it was being opened.")
        else:
            self.set_dataset(dataset)

    def set_dataset(self, dataset: Dataset) -> None:
        """Show another data set; runs of the former one go with it."""
        self.datasetLeaving.emit()
        self.warm_fit.retire()
        self.analyses.set_dataset(dataset)
        self.exports.set_dataset(dataset)
        self.dataset = dataset
        self.runs.clear()
        self.settings.begin_anew(dataset)
        self.datasetChanged.emit(dataset)
        self._pin(None, None)
        self.display.show(None)
        self.display.move_marks(())
        self.runs.show(-1)
        self.course.show((), (), ())
        for line in about_data(dataset):
            self.logged.emit(line)
        self.undo.clear(self._snapshot())
        self._set_phase(Phase.IDLE)
        self._start_warm_fit()

    # Parameters

    def _follow_choice(self, before: Choice, choice: Choice) -> None:
        """A new rank or seed gives the slider a new basis after a short rest."""
        self._reweigh()
        if self.phase is Phase.IDLE and (choice.rank, choice.seed) != (before.rank, before.seed):
            self.warm_fit.fit_soon()

    def _follow_targets(self) -> None:
        """The slider's journey: steer the run that is going, else show the pinned basis projected to the targets."""
        self.basis.drop_refit()
        if self.live.runner is not None:
            self.live.steer(self.settings.choice, self.settings.weights)
        else:
            self.basis.project(self.settings.choice)

    def _follow_weights(self) -> None:
        if self.live.runner is None:
            self._reweigh()
        elif self.live.runner.params.weights is not None:
            self.live.steer(self.settings.choice, self.settings.weights)
        self._pair()

    def _settle(self, text: str) -> None:
        """The hand is off: with Auto-refit on, the factors are refitted to where the slider stands."""
        self._note(text)
        self.basis.settle()

    def reset_sparsity(self) -> None:
        """Back to the pinned basis's own sparsity, where the projection leaves it as it is."""
        if self.basis.pinned is not None:
            self.settings.set_sparsity(min(1.0, max(0.0, math.floor(self.basis.pinned.sparsity * 1e4) / 1e4)))
            self.settings.settle_sparsity()

    def toggle_held(self, basis: int) -> None:
        """Hold a basis image at the sparsity that it has now, or let go of it; the others share the budget."""
        if self.display.shown is None or self.basis.pinned is None or self.phase is not Phase.IDLE:
            return
        held = dict(self.basis.held)
        if held.pop(basis, None) is None:
            held[basis] = float(self.display.shown.sparsities[basis])
        self.hold(held)

    def hold(self, held: dict[int, float]) -> None:
        """Hold exactly these basis images at these sparsities."""
        if self.basis.hold(held):
            self.basis.project(self.settings.choice)
            self._note("held basis images")

    def _reweigh(self) -> None:
        """The pinned basis under the weights in force, where these are others than before."""
        pinned = self.basis.reweighted(self.settings.choice, self.settings.weights)
        if pinned is not None and not self.live.is_going:
            self._pin(pinned, None if self.display.shown is None else self.display.shown.order)
            self.basis.project(self.settings.choice)

    def _pair(self) -> None:
        pinned, shown = self.basis.pinned, self.display.shown
        if pinned is not None and shown is not None:
            self.analyses.pair(pinned, shown.order, self.settings.choice.sparsity, self.settings.weights)

    # Undo

    def _snapshot(self) -> Snapshot:
        """What can be undone, as it is now."""
        choice, display = self.settings.choice, self.display
        return Snapshot(
            sparsity=choice.sparsity,
            sparsity_h=choice.sparsity_h,
            held=self.basis.held,
            marked=display.marked,
            view=display.view,
            weights=self.settings.weights,
            basis=self.basis.number,
        )

    def _note(self, text: str) -> None:
        self.undo.note(text, self._snapshot())

    def _restore(self, snapshot: Snapshot) -> None:
        self.display.set_view(snapshot.view)
        self.settings.set_weights(snapshot.weights)
        if snapshot.basis == self.basis.number:  # of another basis nothing can be held
            self.hold(snapshot.held)
        if (snapshot.sparsity, snapshot.sparsity_h) != (self.settings.choice.sparsity, self.settings.choice.sparsity_h):
            self.settings.set_targets(snapshot.sparsity, snapshot.sparsity_h)
            self.settings.settle_sparsity()
        self.display.mark(snapshot.marked)
        self.undo.start_from(self._snapshot())

    def _show_glimpse(self, glimpse: Glimpse) -> None:
        if not self.live.is_going:
            self.display.show_glimpse(glimpse)

    def _show_projection(self, shown: Shown) -> None:
        if not self.live.is_going:
            self.display.show(shown)

    # Runs

    def run_or_pause(self) -> None:
        """The one button: run when idle, pause when running, go on when paused."""
        if self.phase is Phase.IDLE:
            self.run()
        elif self.phase is Phase.RUNNING:
            self.live.pause()
            self._set_phase(Phase.PAUSED)
        elif self.phase is Phase.PAUSED:
            self.live.resume()
            self._set_phase(Phase.RUNNING)

    def run(self) -> None:
        """Start a run of the present choice on the present data."""
        if self.dataset is None or self.phase is not Phase.IDLE:
            return
        try:
            runner = self._work.new_run(
                self.dataset, self.settings.choice, self.settings.weights, self.settings.scheduler
            )
        except ValueError as error:
            self.failed.emit(*told(error))
            return
        self._begin(runner, self.settings.choice)

    def _begin(self, runner: Runner, choice: Choice, origin: tuple[int, int] = (0, 0)) -> None:
        """Start a run; `origin`: the run that it is a branch of, and how many iterations they share."""
        self.warm_fit.retire()
        self.basis.drop_refit()
        if choice != self.settings.choice:
            self.settings.take(choice)
        number = self.runs.next_number
        self.course.begin(number, self.runs.records_of(origin[0]))
        self.runs.show(-1)
        self.live.start(runner, choice, f"run {number}", origin)
        self._set_phase(Phase.RUNNING)
        what = f"branch of run {origin[0]} at iteration {origin[1]}, s = {choice.sparsity:.3f}" if origin[0] else ""
        what = what or f"rank {choice.rank}, {choice.max_iter} iterations"
        self.logged.emit(f"Run {number} started: {what}.")

    def cancel(self) -> None:
        """Stop the run at the end of its iteration and keep its best iterate; or give up what is under way instead."""
        if self.live.runner is not None:
            self.live.cancel()
            self._set_phase(Phase.CANCELLING)
        elif self.basis.drop_refit():
            self.logged.emit("Refitting cancelled.")
        elif self.analyses.checking.cancel():
            self.logged.emit("The check of the basis images was cancelled.")
        else:
            self.loader.cancel()

    def show_run(self, index: int) -> None:
        """Bring a run of the list back to the screen, with its parameters and its basis."""
        if self.phase is Phase.IDLE and self.runs.at(index) is not None:
            self.warm_fit.retire()
            self._show_entry(index)

    def _show_entry(self, index: int) -> None:
        entry = self.runs.entries[index]
        self.settings.take(entry.choice)
        self.course.show(entry.records, entry.marks, self.runs.records_of(entry.origin[0]))
        self._pin(entry.pinned, entry.shown.order)
        self.display.show(entry.shown)
        self.runs.show(index)
        self.analyses.find_residual(entry)
        self.undo.start_from(self._snapshot())

    def take_in(self, saved: SavedRun) -> None:
        """Show a run that a sweep computed, as one of the list: that which is there already, or a new one.

        Raises
        ------
        ValueError
            It is not one of these data, or a run is going on.
        """
        from gsp_studio.gui.session_file.run_records import entry_of_cell, is_run_of

        if self.dataset is None or self.phase is not Phase.IDLE:
            raise ValueError("a run is going on; open the cell when it has ended")
        index = next((k for k, entry in enumerate(self.runs.entries) if is_run_of(entry, saved)), -1)
        if index < 0:
            entry = entry_of_cell(saved, self.runs.next_number, self.dataset.X)
            index = self.runs.append(entry)
            self.logged.emit(
                f"{entry.name} is the run behind a cell of the sweep: {entry.label}, seed {entry.choice.seed}."
            )
        self.show_run(index)

    def adopt(self, runs: tuple[RunEntry, ...], choice: Choice, number: int) -> None:
        """Runs that were kept, in place of those that are here; `number`: of the one to show, 0 for none."""
        self.runs.take(runs)
        self.settings.set_choice(choice)
        for index in (k for k, entry in enumerate(runs) if entry.number == number):
            self.show_run(index)
        self.settings.set_targets(choice.sparsity, choice.sparsity_h)

    # The stability of a run

    def check_stability(self) -> None:
        """Ask what further seeds make of the run on the screen, which is kept with the run."""
        entry = self.runs.current
        if entry is not None and entry.stability is not None:
            self._tell_stability(entry)
        elif entry is not None:
            self.analyses.check_stability(entry)

    def _keep_stability(self, of: RunEntry, found: BasisStability) -> None:
        self._tell_stability(self.runs.keep_stability(of, found))

    def _tell_stability(self, entry: RunEntry) -> None:
        self.display.set_view(replace(self.display.view, spread=True))
        self.logged.emit(about_stability(entry))

    # Polling

    def poll(self) -> None:
        """Fetch what the workers have; the timer calls this about 30 times a second."""
        work, error = self._starter.poll()
        if error is not None:
            self.activity.set("")
            self.failed.emit(f"GSP Studio cannot compute here: {error}", told(error)[1])
        if work is None:
            return
        if self._work is None:
            self._became_ready(work)
        self.activity.set_compiling(work.is_compiling())
        self.loader.poll()
        self.live.poll()
        if not self.live.is_going and not self.warm_fit.is_running:
            self.basis.go_on()
        self.sweeping.poll()

    def _finish_run(self, runner: Runner, outcome: Outcome) -> None:
        self.course.log_marks(is_over=True)
        self._set_phase(Phase.IDLE)
        if outcome.result is not None:
            live, records = self.live, tuple(self.course.records)
            entry = self._work.entry_of(self.runs.next_number, live.choice, runner.spec, outcome, records, live.origin)
            self._show_entry(self.runs.append(entry))
            self.logged.emit(about_run(entry))
        if outcome.error_text:
            (self.deviceFilled if outcome.is_out_of_memory else self.failed).emit(outcome.error_text, outcome.details)
        wanted, self._branch_at = self._branch_at, None
        if wanted is not None:
            self.branch(*wanted)

    def _renumber(self, edit: Edit) -> None:
        """The next basis on the screen has this edit."""
        moved = (self._work.renumbered(edit, basis) for basis in self.display.marked)
        self.display.move_marks(tuple(basis for basis in moved if basis >= 0))

    # Branches

    @property
    def branch_end(self) -> int:
        """The last iteration after which a branch is possible of the run on the screen; 0 where none is."""
        if self.phase in (Phase.RUNNING, Phase.PAUSED):
            return len(self.course.records)
        entry = self.runs.current
        return 0 if entry is None else min(len(entry.records), entry.spec.params.max_iter - 1)

    def branch(self, n_iter: int, sparsity: float) -> None:
        """What if the target had been another one from an iteration on: a run that shares those up to there.

        A run that is going is stopped for it, and kept.
        """
        entry = self.runs.current
        if self.phase in (Phase.RUNNING, Phase.PAUSED):
            self._branch_at = (n_iter, sparsity)
            self.cancel()
        elif self.phase is Phase.IDLE and entry is not None:
            try:
                runner = self._work.branched(entry, n_iter, sparsity)
            except ValueError as error:
                self.failed.emit(*told(error))
            else:
                self._begin(runner, replace(entry.choice, sparsity=sparsity), (entry.number, n_iter))

    # The warm fit: a dense basis for the slider before any run

    def _start_warm_fit(self) -> None:
        if self.dataset is not None and self.phase is Phase.IDLE:
            self.warm_fit.fit(self.dataset, self.settings.choice)

    def _pin_warm_fit(self, result: Result) -> None:
        self._pin(self._work.pinned_of(result, "a short fit without constraint"), None)
        self.runs.show(-1)
        self.basis.project(self.settings.choice)

    def _pin(self, pinned: Pinned | None, order: Array | None) -> None:
        if pinned is not None and max(self.display.marked, default=-1) >= pinned.W.shape[1]:
            self.display.move_marks(())
        self.basis.pin(pinned, self.dataset, order)
        self.undo.start_from(self._snapshot())

    # The slider at rest: refits

    def _refit(self) -> None:
        is_wanted = self.phase is Phase.IDLE and not self.warm_fit.is_coming
        if is_wanted and self.dataset is not None and self.display.shown is not None:
            self.basis.refit(self.dataset, self.settings.choice, self.display.shown)

    def _pin_refit(self, pinned: Pinned, helps: bool) -> None:
        held = self.basis.held
        self._pin(pinned, None if self.display.shown is None else self.display.shown.order)  # no tile moves
        self.hold(held)
        self.runs.show(-1)
        self.basis.project(self.settings.choice)
        if helps:
            self._refit()

    def _set_phase(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase = phase
            self.settings.is_fixed = phase.is_run
            self.phaseChanged.emit(phase)
