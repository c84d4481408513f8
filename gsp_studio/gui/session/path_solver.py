"""The solved path: a solution at each of many targets, found while nothing else needs the processor, and kept."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.short_fit import ShortFit
from gsp_studio.gui.solutions import SolvedPaths, WalkState
from gsp_studio.gui.state import RunSettings
from gsp_studio.gui.texts import error_texts

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome, RunSpec
    from gsp_studio.engine.runner import Runner
    from gsp_studio.gui.solutions import Solutions, SolvedCurve, SolvedPoint
    from gsp_studio.gui.state import UnprojectedBasis
    from gsp_studio.io.dataset import Dataset

#: Seconds without a move of the slider before the walk goes on.
_REST = 0.25


class PathSolver(QObject):
    """Walks the targets of what is pinned, a run at a time, and keeps every solution, those of refinements too."""

    curveChanged = Signal(object)  # SolvedCurve, or None
    walkChanged = Signal(object)  # WalkState
    activityChanged = Signal(str)  # what is being done, "" for nothing
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._fit = ShortFit(self)
        self._fit.ended.connect(self._end)
        self._fit.failed.connect(self._fail)
        self.paths = SolvedPaths()
        self._subject: tuple[Dataset, UnprojectedBasis] | None = None
        self._is_locked = False
        self._choice = RunSettings()
        self._runner: Runner | None = None
        self._not_before = 0.0
        self._seconds: list[float] = []  # of each run of the walk since it was begun or gone on with
        self._curve: SolvedCurve | None = None
        self.state = WalkState()
        #: Whether the curve is on the screen, so that its walk may begin by itself.
        self._is_watched = False
        #: Whether the walk goes on now; while it waits its run does, too.
        self.is_working = False

    # What it is about

    def pin(self, pinned: UnprojectedBasis | None, dataset: Dataset | None) -> None:
        """Walk from this basis from now on; None: none. Points of the former are kept while the data are the same."""
        if pinned is None or self._subject is None or dataset is not self._subject[0]:
            self.paths.clear()
        self._subject = None if pinned is None or dataset is None else (dataset, pinned)
        self.lock(False)

    def lock(self, is_locked: bool) -> None:
        """Take whether basis images are locked: runs keep none at a sparsity of its own, so there is no path then."""
        self._is_locked = is_locked
        self._turn()

    def set_choice(self, choice: RunSettings) -> None:
        """Take the settings: solutions are about their target of the coefficients."""
        before, self._choice = self._choice.params, choice
        if choice.params.sparsity_h != before.sparsity_h:
            self._turn()

    def set_watched(self, on: bool) -> None:
        """Take whether the curve is on the screen."""
        self._is_watched = on

    def _turn(self) -> None:
        """Turn to the points of the present basis and target of the coefficients; what is under way is given up."""
        self._break_off()
        if self._subject is not None:
            self.paths.turn_to(self._subject[1], self._choice.params.sparsity_h)
        self._draw()

    @property
    def present(self) -> Solutions | None:
        """Points of the present basis; None where it has no path."""
        return None if self._subject is None or self._is_locked else self.paths.present

    def add(self, spec: RunSpec, outcome: Outcome) -> SolvedPoint | None:
        """Keep the solution of a run; the point that is better at its target, where there is one."""
        from gsp_studio.gui.jobs.path_walk import solved_point

        present, point = self.present, solved_point(spec, outcome)
        if present is None or point is None or point.result.params.sparsity_h != present.sparsity_h:
            return None
        if present.add(point):
            self.paths.drop_farthest(self._choice.params.sparsity)
            self._draw()
        return present.better_at(point.target, point.result.error)

    def _draw(self) -> None:
        present = self.present
        curve = None if present is None else present.curve()
        if curve is not self._curve:
            self._curve = curve
            self.curveChanged.emit(curve)
        self._tell()

    # The walk

    def set_wanted(self, on: bool) -> None:
        """Begin, or go on, whenever nothing else needs the processor, as the user asks; or stop."""
        if not on:
            self.stop()
        elif self.present is not None:
            self.present.is_wanted = True
            self._tell()

    def stop(self) -> bool:
        """Stop until the user asks for it again; whether there was something to stop."""
        present = self.present
        if present is None or not present.is_going:
            return False
        present.is_wanted = False
        self._break_off()
        self._tell()
        return True

    def hold(self) -> None:
        """Leave the processor to something else; what is under way waits after its iteration."""
        if self.is_working:
            self.is_working = False
            if self._runner is not None:
                self._runner.pause()
            self.activityChanged.emit("")

    def postpone(self) -> None:
        """Leave the processor to the slider, and to what follows it at once."""
        self._not_before = time.monotonic() + _REST
        self.hold()

    def go_on(self, *, is_offered: bool) -> None:
        """Walk, while nothing else needs the processor; `is_offered`: a walk may begin that is not asked for."""
        present = self.present
        if self.is_working or present is None or present.is_whole or time.monotonic() < self._not_before:
            return
        begins = is_offered and self._is_watched and present.is_wanted is None and self.state.begins_by_itself
        if present.is_going or begins:
            if self._runner is None:
                self._start(present)
            else:
                self._runner.resume()
                self._work()

    def _start(self, present: Solutions) -> None:
        """Start the next run of the walk, which begins here where it has not."""
        from gsp_studio.gui.jobs.path_walk import new_walk, run_of_walk

        assert self._subject is not None
        dataset, pinned = self._subject
        try:
            run = present.next_run(lambda: new_walk(dataset, self._choice, pinned))
        except ValueError as error:
            self._fail(*error_texts(error))
            return
        if run is None:
            self._break_off()
            self._draw()
        else:
            self._runner = run_of_walk(dataset, self._choice, run)
            self._fit.start(self._runner)
            self._work()

    def _work(self) -> None:
        self.is_working = True
        self._tell()
        self.activityChanged.emit(f"solved path {self.state.n_done + 1} of {self.state.n_runs}")

    def _end(self, outcome: Outcome) -> None:
        present, runner, self._runner = self.present, self._runner, None
        assert present is not None
        assert runner is not None
        if outcome.error_text or outcome.result is None:
            self._fail(outcome.error_text, outcome.details)
            return
        self._seconds.append(float(outcome.result.history.seconds[-1]))
        present.see(outcome.result)
        self.add(runner.spec, outcome)
        if self.is_working:
            self._start(present)
        else:
            self._tell()

    def _fail(self, sentence: str, details: str) -> None:
        if self.present is not None:
            self.present.is_wanted = False
        self._break_off()
        self._tell()
        self.failed.emit(sentence, details)

    def _break_off(self) -> None:
        """Give up the run under way; the walk can go on with it."""
        self._fit.cancel()
        self._runner, self._seconds = None, []
        if self.is_working:
            self.is_working = False
            self.activityChanged.emit("")

    def _tell(self) -> None:
        present, subject, state = self.present, self._subject, WalkState()
        if present is not None and subject is not None:
            from gsp_studio.gui.jobs.path_walk import state_of_walk

            each = sum(self._seconds) / len(self._seconds) if self._seconds else math.nan
            state = state_of_walk(*subject, present, each)
        if state != self.state:
            self.state = state
            self.walkChanged.emit(state)

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        self._subject = None
        self._break_off()
        return self._fit.close(timeout)
