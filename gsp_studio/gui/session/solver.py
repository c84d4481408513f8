"""Solutions of the pinned basis at the slider's targets: on a subset first, on all images, and along its path."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.fresh_fit import FreshFit
from gsp_studio.gui.jobs.subset_fit import SubsetFit
from gsp_studio.gui.session.path_solver import PathSolver
from gsp_studio.gui.session.refinement import Refinement
from gsp_studio.gui.solutions import SolveRequest
from gsp_studio.gui.texts import percent

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome, RunSpec
    from gsp_studio.gui.state import DisplayedBasis

#: A relative difference of errors that is worth another basis on the screen.
_BETTER = 1e-3


class BasisSolver(QObject):
    """Joins the ways to a solution, which do not know each other: the best that is known is shown."""

    previewed = Signal(object)  # BasisPreview of an iterate that has coefficients of some images only
    refined = Signal(object)  # DisplayedBasis
    activityChanged = Signal(str)  # what is being done, "" for nothing
    logged = Signal(str)
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.refinement, self._subset, self._fresh = Refinement(self), SubsetFit(self), FreshFit(self)
        #: Targets at which a run from the start was tried since the basis was pinned.
        self._tried: set[tuple[float, float | None]] = set()
        #: Solutions at many targets, and the walk that finds them.
        self.path = PathSolver(self)
        self._request: SolveRequest | None = None
        self._is_quick = False
        self._jobs = (self.refinement, self._subset, self._fresh, self.path)
        for job in self._jobs:
            job.activityChanged.connect(self.activityChanged)
            job.failed.connect(self.failed)
        self.refinement.refined.connect(self.refined)
        self.refinement.solved.connect(self._keep)
        self._subset.previewed.connect(self.previewed)
        self._subset.ended.connect(self._go_on_with_all)
        self._fresh.found.connect(self._take)

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        ended = [job.close(timeout) for job in self._jobs]
        return all(ended)

    @property
    def is_refining(self) -> bool:
        """Whether refining iterations are under way."""
        return self.refinement.is_running or self._subset.is_running

    @property
    def is_working(self) -> bool:
        """Whether something is refined, tried, or the path is being solved."""
        return self.is_refining or self._fresh.is_running or self.path.is_working

    @property
    def is_trying(self) -> bool:
        """Whether a run from the start is under way."""
        return self._fresh.is_running

    def turn(self) -> None:
        """Begin with another basis."""
        self._tried.clear()

    def solve(self, request: SolveRequest, *, is_quick: bool, is_at_rest: bool) -> None:
        """Refine a frame; `is_quick`: an iteration takes so little that it is done while the slider moves."""
        frame, present = request.frame, self.path.present
        if self._request is None or request.targets != self._request.targets:
            self._fresh.cancel()
        if frame.is_solved and math.isnan(frame.solved_at) and frame.target == request.choice.params.sparsity:
            return  # it has come to rest there
        point = present.points.get(frame.solved_at) if present is not None and frame.is_solved else None
        if point is not None:
            self.refinement.rest_at(point, request.choice, frame)
        elif is_at_rest or is_quick:
            self.path.postpone()
            self._request, self._is_quick = request, is_quick
            if is_quick or not self._subset.fit(request):
                self.refinement.follow(request)

    def _go_on_with_all(self, shown: DisplayedBasis) -> None:
        if self._request is not None:
            self.refined.emit(shown)
            self.refinement.follow(self._request._replace(frame=shown))

    def _keep(self, spec: RunSpec, outcome: Outcome) -> None:
        """Keep a solution for the path; where a better one is there, that is shown in its place."""
        better = self.path.add(spec, outcome)
        if better is not None:
            self.refinement.rest_at(better)
        request, found = self._request, spec.params if outcome.result is None else outcome.result.params
        if request is None or request.targets in self._tried or not self._is_quick:
            return
        if request.targets == (found.sparsity, found.sparsity_h):
            self._fresh.begin(request)

    def _take(self, spec: RunSpec, outcome: Outcome) -> None:
        """Show what a run from the start has found, where that is better than what is shown."""
        from gsp_studio.gui.jobs.path_walk import solved_point

        request, latest, point = self._request, self.refinement.latest, solved_point(spec, outcome)
        if request is None or latest is None:
            return
        self._tried.add(request.targets)
        self.path.add(spec, outcome)
        if point is not None and point.result.error < (1.0 - _BETTER) * latest.error:
            before, now = percent(latest.error), percent(point.result.error)
            self.refinement.rest_at(point)
            self.refinement.show_at_rest()
            self.logged.emit(
                f"A fit from a new start has error {now} at s = {point.target:.4f}, refining the basis {before}."
            )

    def stop(self) -> bool:
        """Stop refining and keep what is there; whether there was something to stop."""
        frame = self._subset.cancel()
        if frame is not None:
            self.refined.emit(frame)
        was_trying = self._fresh.cancel()
        if was_trying and self._request is not None:
            self._tried.add(self._request.targets)
        return self.refinement.stop() or was_trying or frame is not None

    def drop(self) -> None:
        """Drop what is being refined."""
        self._request = None
        self._subset.cancel()
        self._fresh.cancel()
        self.refinement.drop()
