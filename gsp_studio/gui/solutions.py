"""Solved points of the path, and what is known of the walk that finds them. Knows neither Qt nor a solver."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.core.knee import knee

if TYPE_CHECKING:
    from gsp_studio.core.params import Params
    from gsp_studio.core.results import Result
    from gsp_studio.core.solved_path import PathWalk
    from gsp_studio.engine.run import Outcome, RunSpec
    from gsp_studio.gui.state import Array, Pinned

#: Bytes of all solved points that are kept at once.
LARGEST_KEPT = 512 << 20
#: Relative difference of two errors from which on the lower one counts as better.
_LEAST_BETTER = 1e-6


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
    seconds : float
        Estimate of the time that is left; NaN where it takes moments.
    """

    can_begin: bool = False
    is_going: bool = False
    n_done: int = 0
    n_runs: int = 0
    seconds: float = math.nan


@dataclass(eq=False)
class Solutions:
    """Solved points of bases that come from one another, and the walk that finds them.

    Attributes
    ----------
    pinned : list of Pinned
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

    pinned: list[Pinned]
    sparsity_h: float | None
    points: dict[float, SolvedPoint] = field(default_factory=dict)
    walk: PathWalk | None = None
    runs: Iterator[Params] | None = None
    run: Params | None = None
    is_whole: bool = False
    is_wanted: bool | None = None

    def is_of(self, pinned: Pinned) -> bool:
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


def drop_farthest(families: list[Solutions], s: float, most: int | None = None) -> None:
    """Keep the points within `most` bytes: of the last family longest, and of each those nearest to s."""
    most = LARGEST_KEPT if most is None else most
    for family in families:
        while family.points and _nbytes(families) > most:
            if family is families[-1] and len(family.points) == 1:
                return
            del family.points[max(family.points, key=lambda target: abs(target - s))]
            if family is not families[-1]:  # its walk holds what the points do, and would have to find them again
                family.walk, family.runs, family.run, family.is_whole = None, None, None, False


def _nbytes(families: Iterable[Solutions]) -> int:
    """Bytes of all arrays; what points share counts once."""
    points = (point for family in families for point in family.points.values())
    arrays = (array for point in points for array in point.arrays())
    return sum({array.__array_interface__["data"][0]: array.nbytes for array in arrays}.values())
