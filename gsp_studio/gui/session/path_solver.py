"""The solved path: a solution at each of many targets, found while nothing else needs the processor, and kept."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.short_fit import ShortFit
from gsp_studio.gui.solutions import Solutions, WalkState, drop_farthest
from gsp_studio.gui.state import RunSettings
from gsp_studio.gui.texts import told

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome, RunSpec
    from gsp_studio.engine.runner import Runner
    from gsp_studio.gui.solutions import SolvedCurve, SolvedPoint
    from gsp_studio.gui.state import Pinned
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
        #: Of all bases that have been pinned since the data came, the present one's last.
        self._families: list[Solutions] = []
        self._dataset: Dataset | None = None
        self._pinned: Pinned | None = None
        self._is_locked = False
        self._choice = RunSettings()
        self._runner: Runner | None = None
        self._not_before = 0.0
        self._seconds = 0.0  # computing, of the walk's runs since it was begun or gone on with
        self._n_runs = 0
        self._curve: SolvedCurve | None = None
        self._state = WalkState()
        #: Whether the curve is on the screen, so that its walk may begin by itself.
        self.is_watched = False
        #: Whether a walk goes on now; of one that waits its run does, too.
        self.is_working = False

    # What it is about

    def pin(self, pinned: Pinned | None, dataset: Dataset | None) -> None:
        """Walk from this basis from now on; None: none. Points of the former are kept while the data are the same."""
        if pinned is None or dataset is not self._dataset:
            self._families.clear()
        self._pinned, self._dataset, self._is_locked = pinned, dataset, False
        self._turn()

    def lock(self, is_locked: bool) -> None:
        """Take whether basis images are locked: runs keep none at a sparsity of its own, so there is no walk then."""
        self._is_locked = is_locked
        self._turn()

    def set_choice(self, choice: RunSettings) -> None:
        """Take the settings: solutions are about their target of the coefficients."""
        before, self._choice = self._choice.params, choice
        if choice.params.sparsity_h != before.sparsity_h:
            self._turn()

    def _turn(self) -> None:
        """Turn to the points of the present basis and target of the coefficients; what is under way is given up."""
        self._break_off()
        pinned, s_h = self._pinned, self._choice.params.sparsity_h
        if pinned is not None:
            found = (family for family in self._families if family.sparsity_h == s_h and family.is_of(pinned))
            family = next(found, None) or Solutions([pinned], s_h)
            if all(pinned is not other for other in family.pinned):
                family.pinned.append(pinned)
            others = (other for other in self._families if other is not family and other.points)
            self._families = [*others, family]
        self._draw()

    @property
    def _family(self) -> Solutions | None:
        return None if self._pinned is None or self._is_locked else self._families[-1]

    # Points

    def nearest(self, s: float) -> SolvedPoint | None:
        """The solved point nearest to s; None without any."""
        family = self._family
        return None if family is None else family.nearest(s)

    def at(self, target: float) -> SolvedPoint | None:
        """The solved point of exactly this target; None where there is none."""
        family = self._family
        return None if family is None else family.points.get(target)

    def add(self, spec: RunSpec, outcome: Outcome) -> SolvedPoint | None:
        """Keep the solution of a run; the point that is better at its target, where there is one."""
        from gsp_studio.gui.jobs.path_walk import solved_point

        family, point = self._family, solved_point(spec, outcome)
        if family is None or point is None or point.result.params.sparsity_h != family.sparsity_h:
            return None
        if family.add(point):
            drop_farthest(self._families, self._choice.params.sparsity)
            self._draw()
        return family.better_at(point.target, point.result.error)

    def _draw(self) -> None:
        family = self._family
        curve = None if family is None else family.curve()
        if curve is not self._curve:
            self._curve = curve
            self.curveChanged.emit(curve)
        self._tell()

    # The walk

    def set_watched(self, on: bool) -> None:
        """Take whether the curve is on the screen."""
        self.is_watched = on
        self._tell()

    def set_wanted(self, on: bool) -> None:
        """Begin, or go on, whenever nothing else needs the processor, as the user asks; or stop."""
        if not on:
            self.stop()
        elif self._family is not None:
            self._family.is_wanted = True
            self._tell()

    def stop(self) -> bool:
        """Stop until the user asks for it again; whether there was something to stop."""
        if not self._is_going:
            return False
        assert self._family is not None
        self._family.is_wanted = False
        self._break_off()
        self._tell()
        return True

    @property
    def _is_going(self) -> bool:
        family = self._family
        return (
            family is not None
            and not family.is_whole
            and (family.walk is not None or bool(family.is_wanted))
            and (family.is_wanted is not False)
        )

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
        """Walk, while nothing else needs the processor; `is_offered`: a walk may begin that nobody asked for."""
        family = self._family
        if self.is_working or family is None or family.is_whole or time.monotonic() < self._not_before:
            return
        if not self._is_going and not (is_offered and self._may_begin(family)):
            return
        if self._runner is None:
            self._start(family)
        else:
            self._runner.resume()
            self._work()

    def _may_begin(self, family: Solutions) -> bool:
        """Whether it begins by itself: nobody has stopped it, it is looked at, and it takes moments."""
        return family.is_wanted is None and self.is_watched and self._can_begin and math.isnan(self._estimate)

    def _start(self, family: Solutions) -> None:
        """Start the next run of the walk, which begins here where it has not."""
        from gsp_studio.gui.jobs.path_walk import new_walk, run_of_walk

        dataset, pinned = self._dataset, self._pinned
        assert dataset is not None
        assert pinned is not None
        try:
            if family.walk is None:
                family.walk = new_walk(dataset, self._choice, pinned)
                family.runs = family.walk.runs()
            assert family.runs is not None
            family.run = family.run or next(family.runs, None)
            if family.run is None:  # all are done
                family.is_whole, family.walk, family.runs = True, None, None
                self.is_working = False
                self.activityChanged.emit("")
                self._draw()
                return
            self._runner = run_of_walk(dataset, self._choice, family.run)
        except ValueError as error:
            self._fail(*told(error))
            return
        self._fit.start(self._runner)
        self._work()

    def _work(self) -> None:
        self.is_working = True
        self._tell()
        self.activityChanged.emit(f"solved path {self._state.n_done + 1} of {self._state.n_runs}")

    def _end(self, outcome: Outcome) -> None:
        family, runner, self._runner = self._family, self._runner, None
        assert family is not None
        assert family.walk is not None
        assert runner is not None
        result = outcome.result
        if outcome.error_text or result is None:
            self._fail(outcome.error_text, outcome.details)
            return
        family.walk.see(result)
        family.run = None
        self._seconds, self._n_runs = self._seconds + float(result.history.seconds[-1]), self._n_runs + 1
        self.add(runner.spec, outcome)
        if self.is_working:
            self._start(family)
        else:
            self._tell()

    def _fail(self, sentence: str, details: str) -> None:
        if self._family is not None:
            self._family.is_wanted = False
        self._break_off()
        self._tell()
        self.failed.emit(sentence, details)

    def _break_off(self) -> None:
        """Give up the run under way; the walk can go on with it."""
        self._fit.cancel()
        self._runner, self._seconds, self._n_runs = None, 0.0, 0
        if self.is_working:
            self.is_working = False
            self.activityChanged.emit("")

    # What is told of it

    @property
    def _can_begin(self) -> bool:
        from gsp_studio.gui.jobs.path_walk import count_of_targets

        family, pinned = self._family, self._pinned
        return family is not None and pinned is not None and not family.is_whole and count_of_targets(pinned) > 0

    @property
    def _estimate(self) -> float:
        """Seconds that are left; NaN where they are so few that the walk begins by itself."""
        from gsp_studio.gui.jobs.path_walk import begins_by_itself, seconds_of_walk

        family, dataset, pinned = self._family, self._dataset, self._pinned
        if family is None or dataset is None or pinned is None or begins_by_itself(dataset, pinned):
            return math.nan
        if family.walk is not None and self._n_runs:
            return (family.walk.n_runs - family.walk.n_done) * self._seconds / self._n_runs
        return seconds_of_walk(dataset, pinned)

    def _tell(self) -> None:
        family = self._family
        walk = None if family is None else family.walk
        state = WalkState()
        if family is not None and self._can_begin:
            done, runs = (0, 0) if walk is None else (walk.n_done, walk.n_runs)
            state = WalkState(not self._is_going, self._is_going, done, runs, self._estimate)
        if state != self._state and not (math.isnan(state.seconds) and repr(state) == repr(self._state)):
            self._state = state
            self.walkChanged.emit(state)

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        self._pinned = None
        self._break_off()
        return self._fit.close(timeout)
