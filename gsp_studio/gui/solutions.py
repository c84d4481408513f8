"""Requests for solutions, solved points of a path, and the state of its walk. Knows neither Qt nor a solver."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gsp_studio.core.knee import knee

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.params import Params
    from gsp_studio.core.results import Iterate, Result
    from gsp_studio.core.solved_path import PathWalk
    from gsp_studio.engine.run import Outcome, RunSpec
    from gsp_studio.engine.runner import Runner
    from gsp_studio.gui.state import DisplayedBasis, RunSettings, UnprojectedBasis
    from gsp_studio.io.dataset import Dataset

#: Bytes of all solved points that are kept at once.
LARGEST_KEPT = 512 << 20
#: Relative difference of two errors from which on the lower one counts as better.
_LEAST_BETTER = 1e-6


class RefinementState(NamedTuple):
    """A refinement at rest: it can go on from there."""

    runner: Runner
    outcome: Outcome
    choice: RunSettings
    frame: DisplayedBasis | None
    latest: Iterate | Result | None

    def arrays(self) -> Iterator[Any]:
        """Arrays that it holds."""
        for it in (self.latest, self.outcome.result):
            if it is not None:
                yield from (it.W, it.H, it.dense)
        yield from (factor for factor in self.runner.spec.params.init if isinstance(factor, np.ndarray))


class SolveRequest(NamedTuple):
    """A frame to refine at the targets of a choice; locked basis images keep their pixels."""

    dataset: Dataset
    choice: RunSettings
    pinned: UnprojectedBasis
    frame: DisplayedBasis
    locked: Collection[int] = ()

    @property
    def frozen(self) -> tuple[int, ...]:
        """The locked basis images, as a run takes them."""
        return tuple(sorted(self.locked))

    @property
    def targets(self) -> tuple[float, float | None]:
        """Targets of both factors."""
        return self.choice.params.sparsity, self.choice.params.sparsity_h


@dataclass(frozen=True, eq=False)
class SolvedPoint:
    """A solution that attains a target: the run that has found it, which repeats it, and its outcome."""

    target: float
    spec: RunSpec
    outcome: Outcome

    @property
    def result(self) -> Result:
        """Factors and error."""
        assert self.outcome.result is not None
        return self.outcome.result

    def arrays(self) -> Iterator[Array]:
        """Arrays that it keeps in memory."""
        result = self.result
        for array in (result.W, result.H, result.dense, result.gram.A, result.gram.G, *self.spec.params.init):
            if isinstance(array, np.ndarray):
                yield array


@dataclass(frozen=True, eq=False)
class SolvedCurve:
    """Error of the solutions by target.

    Attributes
    ----------
    s, errors : ndarray (k,)
        Rising targets, and the lowest error of a solution that attains each, a fraction.
    lost : ndarray (k,) of int
        How many basis images of that solution are zero or have one pixel left.
    knee : float
        Up to where sparsity costs little, see `core.knee`; NaN without one, and until the walk is complete.
    """

    s: Array
    errors: Array
    lost: Array
    knee: float = math.nan


@dataclass(frozen=True)
class WalkState:
    """State of the walk over the targets.

    Attributes
    ----------
    can_begin : bool
        Whether the user can start it, or let it go on.
    is_going : bool
        Whether it goes on whenever nothing else needs the processor.
    n_done, n_runs : int
        Runs of the whole walk, and those that are done; 0 of 0 before it has begun.
    seconds : float or None
        Estimate of the time that is left; None where it takes moments.
    """

    can_begin: bool = False
    is_going: bool = False
    n_done: int = 0
    n_runs: int = 0
    seconds: float | None = None

    @property
    def begins_by_itself(self) -> bool:
        """Whether it takes so little that it may begin unasked."""
        return self.can_begin and self.seconds is None


@dataclass(eq=False)
class Solutions:
    """Solved points of bases that come from one another, and the walk that finds them.

    Attributes
    ----------
    pinned : list of UnprojectedBasis
        These bases: the first one, and those of solved points that became runs.
    sparsity_h : float or None
        Target of the coefficients.
    points : dict of target to SolvedPoint
        The best of each target.
    walk, runs, run
        The walk once it has begun, its runs, and the one that is under way or was interrupted.
    is_whole : bool
        Whether the walk is complete.
    is_wanted : bool or None
        The user's word: go on, or stop; None without one.
    """

    pinned: list[UnprojectedBasis]
    sparsity_h: float | None
    points: dict[float, SolvedPoint] = field(default_factory=dict)
    walk: PathWalk | None = None
    runs: Iterator[Params] | None = None
    run: Params | None = None
    is_whole: bool = False
    is_wanted: bool | None = None

    @property
    def is_going(self) -> bool:
        """Whether the walk goes on whenever nothing else needs the processor."""
        has_begun = self.walk is not None or bool(self.is_wanted)
        return has_begun and not self.is_whole and self.is_wanted is not False

    def next_run(self, begin: Callable[[], PathWalk]) -> Params | None:
        """The parameters of the walk's next run, or of the one that was interrupted; None at its end."""
        if self.walk is None or self.runs is None:
            self.walk = begin()
            self.runs = self.walk.runs()
        self.run = self.run or next(self.runs, None)
        if self.run is None:
            self.drop_walk()
            self.is_whole = True
        return self.run

    def see(self, result: Result) -> None:
        """Take the result of that run."""
        assert self.walk is not None
        self.walk.see(result)
        self.run = None

    def drop_walk(self) -> None:
        """Forget how far it has come."""
        self.walk = self.runs = self.run = None

    def is_of(self, pinned: UnprojectedBasis) -> bool:
        """Whether this basis is one of these, or that of a point."""
        is_known = any(pinned is other for other in self.pinned)
        return is_known or any(point.result.H is pinned.H for point in self.points.values())

    def add(self, point: SolvedPoint) -> bool:
        """Keep a point unless a better one of its target is there; whether it is kept."""
        known = self.points.get(point.target)
        if known is not None and known.result.error <= point.result.error:
            return False
        self.points[point.target] = point
        return True

    def nearest(self, s: float) -> SolvedPoint | None:
        """The point whose target is nearest to s."""
        return min(self.points.values(), key=lambda point: abs(point.target - s), default=None)

    def better_at(self, s: float, error: float) -> SolvedPoint | None:
        """The point with the lowest error of those that attain s, where that is below `error`."""
        attaining = (point for point in self.points.values() if point.target >= s)
        best = min(attaining, key=lambda point: point.result.error, default=None)
        return best if best is not None and best.result.error < (1.0 - _LEAST_BETTER) * error else None

    def curve(self) -> SolvedCurve | None:
        """The points as a curve; None without any."""
        if not self.points:
            return None
        targets = sorted(self.points)
        best: list[SolvedPoint] = []
        for target in reversed(targets):  # a solution that is sparser than asked for is one, too
            point = self.points[target]
            best.append(best[-1] if best and best[-1].result.error < point.result.error else point)
        best.reverse()
        s, errors = np.array(targets), np.array([point.result.error for point in best])
        lost = np.array([int(np.sum(np.count_nonzero(point.result.W, axis=0) <= 1)) for point in best])
        return SolvedCurve(s, errors, lost, knee(s, errors) if self.is_whole else math.nan)


class SolvedPaths:
    """Solutions of all bases that have been pinned since the data came, within a bound of memory.

    Attributes
    ----------
    all : list of Solutions
        The present basis's last.
    """

    def __init__(self) -> None:
        self.all: list[Solutions] = []

    @property
    def present(self) -> Solutions | None:
        """Solutions of the present basis."""
        return self.all[-1] if self.all else None

    def clear(self) -> None:
        """Forget all."""
        self.all.clear()

    def turn_to(self, pinned: UnprojectedBasis, sparsity_h: float | None) -> None:
        """Make those of this basis the present ones; of other bases those without a point are forgotten."""
        known = (path for path in self.all if path.sparsity_h == sparsity_h and path.is_of(pinned))
        present = next(known, None) or Solutions([pinned], sparsity_h)
        if all(pinned is not other for other in present.pinned):
            present.pinned.append(pinned)
        self.all = [*(path for path in self.all if path is not present and path.points), present]

    def drop_farthest(self, s: float, most: int | None = None) -> None:
        """Keep the points within `most` bytes: of the present basis longest, and of each those nearest to s."""
        most = LARGEST_KEPT if most is None else most
        for path in self.all:
            while path.points and _nbytes(self.all) > most:
                if path is self.present and len(path.points) == 1:
                    return
                del path.points[max(path.points, key=lambda target: abs(target - s))]
                if path is not self.present:  # its walk holds what the points do, and would have to find them again
                    path.drop_walk()
                    path.is_whole = False


def _nbytes(paths: Iterable[Solutions]) -> int:
    """Bytes of all arrays; what points share counts once."""
    points = (point for path in paths for point in path.points.values())
    arrays = (array for point in points for array in point.arrays())
    return sum({array.__array_interface__["data"][0]: array.nbytes for array in arrays}.values())
