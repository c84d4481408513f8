"""A run from the start at the target of a solution: what a basis leads to is not always the best that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.solutions import SolveRequest

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome, RunSpec
    from gsp_studio.engine.runner import Runner

#: So much sparser than the basis itself a target has to be: to one that is near, a basis leads as well as any start.
FAR = 0.04
#: Seconds that the run may take, about.
MOST_SECONDS = 10.0


class FreshFit(QObject):
    """One run in the background; it ends with as many iterations from its factors as a refinement takes."""

    found = Signal(object, object)  # RunSpec and Outcome, the basis images in the order of the frame's
    activityChanged = Signal(str)  # what is being done, "" for nothing
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job[SolveRequest, tuple[RunSpec, Outcome] | None] = Job(self._fit, "gsp-fresh", self)
        self._job.answered.connect(self._end)
        self._job.failed.connect(self._fail)
        self._runner: Runner | None = None
        self.is_running = False

    def begin(self, request: SolveRequest) -> None:
        """Start, unless a run like this would take long or is not needed."""
        from gsp_studio.gui.jobs.compute import seconds_of_iteration

        wanted, pinned = request.choice.params, request.pinned
        seconds = wanted.max_iter * seconds_of_iteration(pinned, request.dataset.X)
        if request.locked or wanted.sparsity < pinned.sparsity + FAR or seconds > MOST_SECONDS:
            return
        self.is_running = True
        self.activityChanged.emit("fitting from a new start at this sparsity")
        self._job.submit(request)

    def cancel(self) -> bool:
        """Give it up; whether there was something to give up."""
        was_running, self.is_running = self.is_running, False
        if was_running:
            if self._runner is not None:
                self._runner.cancel()
            self._job.discard()
            self.activityChanged.emit("")
        return was_running

    def close(self, timeout: float) -> bool:
        """Cancel and wait; True when the thread has ended."""
        self.cancel()
        return self._job.close(timeout)

    def _fit(self, request: SolveRequest) -> tuple[RunSpec, Outcome] | None:
        from gsp_studio.gui.jobs.compute import new_fresh_fit, new_refinement, with_matched_columns

        outcome = self._run(new_fresh_fit(request))
        if outcome.result is None or self._job.is_superseded:
            return None
        runner = new_refinement(request._replace(frame=with_matched_columns(outcome.result, request.frame)))
        outcome = self._run(runner)
        return None if outcome.result is None else (runner.spec, outcome)

    def _run(self, runner: Runner) -> Outcome:
        self._runner = runner
        if self._job.is_superseded:  # cancelled before there was a runner to cancel
            runner.cancel()
        outcome = runner.run()
        if outcome.error_text:
            raise ValueError(outcome.error_text)
        return outcome

    def _end(self, request: SolveRequest, found: tuple[RunSpec, Outcome] | None) -> None:
        self.cancel()
        if found is not None:
            self.found.emit(*found)

    def _fail(self, sentence: str, details: str) -> None:
        self.cancel()
        self.failed.emit(sentence, details)
