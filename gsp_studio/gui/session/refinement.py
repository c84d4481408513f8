"""The solution at the slider's target: iterations of both factors in a worker, which begin with what is on screen."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.core.params import Params
from gsp_studio.gui.jobs.short_fit import ShortFit
from gsp_studio.gui.solutions import RefinementState
from gsp_studio.gui.state import DisplayedBasis, RunSettings
from gsp_studio.gui.texts import error_texts

if TYPE_CHECKING:
    from gsp_studio.core.results import Iterate, Result
    from gsp_studio.engine.run import Outcome, RunSpec
    from gsp_studio.engine.runner import Runner
    from gsp_studio.gui.solutions import SolvedPoint, SolveRequest

#: Milliseconds after which a refinement is told of; most of small data are through before they could be read.
_TOLD_AFTER_MS = 200
#: Milliseconds after a frame in which the slider counts as moving.
_MOVING_MS = 30


class Refinement(QObject):
    """One run that follows the targets, and its newest iterate; what is dropped is never shown."""

    refined = Signal(object)  # DisplayedBasis at the target asked for
    solved = Signal(object, object)  # RunSpec and Outcome of a solution, before it is shown: `rest_at` shows another
    keepableChanged = Signal(bool)  # there is something to keep, or no more
    activityChanged = Signal(str)  # what is being done, "" for nothing
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._fit = ShortFit(self)
        self._fit.progressed.connect(self._follow)
        self._fit.ended.connect(self._end)
        self._fit.failed.connect(self._fail)
        self._late = QTimer(self, interval=_TOLD_AFTER_MS, singleShot=True)
        self._late.timeout.connect(lambda: self.activityChanged.emit("refining"))
        #: The slider moves: its frames show the newest iterate, which is not painted once more in between.
        self._moving = QTimer(self, interval=_MOVING_MS, singleShot=True)
        self._moving.timeout.connect(self._show_latest)
        self._runner: Runner | None = None
        self._outcome: Outcome | None = None
        self._choice = RunSettings()
        #: The last frame that was not refined itself: what its iterates share with it.
        self.frame: DisplayedBasis | None = None
        self._is_on_target = False
        #: Target of the solved point that it began with; NaN where it began with none.
        self._began_at = math.nan
        #: The newest iterate; None before there is one.
        self.latest: Iterate | Result | None = None
        #: That of the run before, where this one began with a projection of it: what is shown until it has an iterate.
        self.former: Iterate | Result | None = None

    def _set_latest(self, it: Iterate | Result | None) -> None:
        was_there, self.latest = self.latest is not None, it
        if was_there == (it is None):
            self.keepableChanged.emit(not was_there)

    @property
    def is_running(self) -> bool:
        """Whether iterations are under way."""
        return self._fit.is_running

    def follow(self, request: SolveRequest) -> None:
        """Solve at its targets: go on from the newest iterate where the frame is a projection of it, else from that."""
        from gsp_studio.gui.jobs.compute import new_continuation, new_refinement, retarget

        choice, frame = request.choice, request.frame
        runner, latest, self.frame, self._choice = self._runner, self.latest, frame, choice
        self._moving.start()
        is_other = runner is None or runner.spec.params.frozen != request.frozen
        is_of_point = not math.isnan(frame.solved_at) and frame.solved_at != self._began_at
        if runner is None or is_other or is_of_point or (latest is not None and not frame.iterations):
            try:
                runner = new_refinement(request)
            except ValueError as error:
                self.failed.emit(*error_texts(error))
                return
            self.former = (latest or self.former) if frame.iterations and not is_of_point else None
            self._set_latest(None)
            self._began_at = frame.solved_at
            self._start(runner)
        elif _are_targets(choice, runner.params.sparsity, runner.params.sparsity_h):
            if frame.is_refining and not self.is_running:
                self.show_at_rest()  # where the targets come back to, there is its solution
        elif self.is_running:
            done = 0 if latest is None else latest.n_iter
            runner.steer(retarget(runner.spec, runner.params, choice, done))
        elif latest is not None:
            self._start(new_continuation(runner.spec, latest, choice))

    def _start(self, runner: Runner) -> None:
        if not self.is_running:
            self._late.start()
        self._runner, self._outcome = runner, None
        self._fit.start(runner)

    def rest_at(
        self, point: SolvedPoint, choice: RunSettings | None = None, frame: DisplayedBasis | None = None
    ) -> None:
        """Take a solution that is there already for what these targets, or the present ones, have led to."""
        from gsp_studio.engine.runner import Runner

        self._cancel()
        self._choice, self.frame, self._began_at = choice or self._choice, frame or self.frame, point.target
        self._runner, self._outcome = Runner(point.spec, point.outcome.interventions), point.outcome
        self._set_latest(point.result)

    def stop(self) -> bool:
        """Stop iterating, and keep what is there; whether there was something to stop."""
        runner, shown = self._runner, self._shown()
        if runner is None or not self.is_running:
            return False
        self._outcome = runner.so_far()
        self._cancel()
        if shown is None:
            self.drop()
        else:
            self.refined.emit(replace(shown, is_refining=False))
        return True

    def drop(self) -> bool:
        """Stop, and forget what is there; whether iterations were under way."""
        was_running = self._cancel()
        self._runner = self._outcome = self.frame = self.former = None
        self._began_at = math.nan
        self._set_latest(None)
        return was_running

    @property
    def can_be_kept(self) -> bool:
        """Whether there is a run that made the basis on the screen, and its start is in memory here."""
        runner = self._runner
        return runner is not None and self.latest is not None and isinstance(runner.spec.params.init[1], np.ndarray)

    def state(self) -> RefinementState | None:
        """The refinement that has come to rest; None where none has."""
        runner, outcome = self._runner, self._outcome
        if runner is None or outcome is None or self.is_running:
            return None
        return RefinementState(runner, outcome, self._choice, self.frame, self.latest)

    def bring_back(self, state: RefinementState | None) -> None:
        """Be as a state says, and rest."""
        self.drop()
        if state is not None:
            self._runner, self._outcome, self._choice, self.frame, latest = state
            self._set_latest(latest)

    def so_far(self) -> tuple[RunSpec, Outcome] | None:
        """The run that made the basis on the screen, as if it had been cancelled now; None where it cannot be kept."""
        runner = self._runner
        if runner is None or not self.can_be_kept:
            return None
        outcome = self._outcome or runner.so_far()
        return None if outcome is None or outcome.result is None else (runner.spec, outcome)

    def _cancel(self) -> bool:
        self._late.stop()
        self._moving.stop()
        was_running = self._fit.cancel()
        if was_running:
            self.activityChanged.emit("")
        return was_running

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        self.drop()
        return self._fit.close(timeout)

    def _follow(self) -> None:
        runner = self._runner
        it = None if runner is None or not self.is_running else runner.poll().iterate
        if it is not None:
            self._set_latest(it)
            self._is_on_target = _are_targets(self._choice, it.target, None if math.isnan(it.target_h) else it.target_h)
            if not self._moving.isActive():
                self._show_latest()

    def _show_latest(self) -> None:
        """Show the newest iterate, unless its target has moved on: the next frame is a projection of it then."""
        shown = self._shown() if self.is_running and self._is_on_target else None
        if shown is not None:
            self.refined.emit(shown)

    def _end(self, outcome: Outcome) -> None:
        from gsp_studio.gui.jobs.compute import has_come_to_rest, new_continuation

        runner, self._outcome, result = self._runner, outcome, outcome.result
        assert runner is not None
        self._set_latest(result or self.latest)
        if not outcome.error_text and result is not None and not _has_led_to(self._choice, runner, outcome):
            self._start(new_continuation(runner.spec, result, self._choice))  # the target moved as it came to rest
            return
        self._late.stop()
        self.activityChanged.emit("")
        if result is not None and has_come_to_rest(result) and not outcome.error_text:
            self.solved.emit(runner.spec, outcome)
        self.show_at_rest()
        if outcome.error_text:
            self._fail(outcome.error_text, outcome.details)

    def show_at_rest(self) -> None:
        """Show where it has come to rest."""
        from gsp_studio.gui.jobs.compute import has_come_to_rest

        shown, result = self._shown(), None if self._outcome is None else self._outcome.result
        if result is not None and shown is not None:
            self._moving.stop()
            self.refined.emit(replace(shown, is_refining=False, is_solved=has_come_to_rest(result)))

    def _fail(self, sentence: str, details: str) -> None:
        self.drop()
        self.activityChanged.emit("")
        self.failed.emit(sentence, details)

    def _shown(self) -> DisplayedBasis | None:
        if self.latest is None or self.frame is None or self._runner is None:
            return None
        return _refined_frame(self.latest, self.frame, self._runner, self._choice)


def _refined_frame(it: Iterate | Result, frame: DisplayedBasis, runner: Runner, choice: RunSettings) -> DisplayedBasis:
    """An iterate in place of the frame that it began with."""
    from gsp_studio.gui.jobs.compute import shown_of

    s, s_h = choice.params.sparsity, choice.params.sparsity_h
    target_h = math.nan if s_h is None else s_h
    shown = shown_of(it, s, target_h, frame.order, frame.origin, runner.spec.params)
    projected = frame.projected if frame.iterations else frame.error
    shown = replace(shown, baseline=frame.baseline, projected=projected, seeds=frame.seeds)
    return replace(shown, iterations=it.n_iter, is_refining=True)


def _has_led_to(choice: RunSettings, runner: Runner, outcome: Outcome) -> bool:
    """Whether the last targets of a run are those of a choice."""
    steps = [step.change for step in outcome.interventions if isinstance(step.change, Params)]
    last = steps[-1] if steps else runner.spec.params
    return _are_targets(choice, last.sparsity, last.sparsity_h)


def _are_targets(choice: RunSettings, s: float, s_h: float | None) -> bool:
    return (choice.params.sparsity, choice.params.sparsity_h) == (s, s_h)
