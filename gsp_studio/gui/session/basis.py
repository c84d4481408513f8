"""The basis that the slider projects: projections, the solution that begins with them, its path."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.jobs.path_scan import PathScan
from gsp_studio.gui.session.projection import BasisProjection
from gsp_studio.gui.session.solver import BasisSolver
from gsp_studio.gui.solutions import SolveRequest
from gsp_studio.gui.state import RunSettings

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.gui.state import DisplayedBasis, UnprojectedBasis
    from gsp_studio.io.dataset import Dataset

#: Milliseconds without a move after which a large basis is projected in all its pixels.
WHOLE_MS = 50
#: Milliseconds of rest after which a released slider has settled.
REST_MS = 60


class PinnedBasis(QObject):
    """Jobs on one basis, which is pinned until another one is; what they find goes out by signals."""

    pinnedChanged = Signal(object)  # UnprojectedBasis, or None
    lockedChanged = Signal(object)  # dict of basis image to sparsity: those that the slider does not move
    refinesChanged = Signal(bool)
    projected = Signal(object)  # DisplayedBasis
    glimpsed = Signal(object)  # BasisPreview of a large basis, a DisplayedBasis follows when the slider rests
    rested = Signal()  # the slider was released, and what it asked for has been shown
    refined = Signal(object)  # DisplayedBasis
    pathChanged = Signal(object)  # PathCurve of the pinned basis as far as it is known, or None
    solvedChanged = Signal(object)  # SolvedCurve of the solutions that are there, or None
    walkChanged = Signal(object)  # WalkState
    activityChanged = Signal(str)  # what is being done, "" for nothing
    failed = Signal(str, str)
    logged = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.pinned: UnprojectedBasis | None = None
        #: How many bases have been pinned: each has a number.
        self.number = 0
        #: Basis images that stay at a sparsity, whatever the target.
        self.locked: dict[int, float] = {}
        #: Whether what the slider asks for is solved.
        self.refines = True
        self._dataset: Dataset | None = None
        self._is_quick = False
        self._projection, self._scan, self.solver = BasisProjection(self), PathScan(self), BasisSolver(self)
        self.refinement, self.path = self.solver.refinement, self.solver.path
        self._projection.projected.connect(self.projected)
        self._scan.pathChanged.connect(self.pathChanged)
        self.solver.refined.connect(self.refined)
        self.solver.previewed.connect(self.glimpsed)
        self.solver.activityChanged.connect(self.activityChanged)
        self.solver.logged.connect(self.logged)
        self.path.curveChanged.connect(self.solvedChanged)
        self.path.walkChanged.connect(self.walkChanged)
        self._jobs = (self._projection, self._scan, self.solver)
        for job in self._jobs:
            job.failed.connect(self.failed)
        self._wanted = RunSettings()
        self._whole_timer = QTimer(self, interval=WHOLE_MS, singleShot=True)
        self._whole_timer.timeout.connect(self._project_whole)
        self._rest_timer = QTimer(self, interval=REST_MS, singleShot=True)
        self._rest_timer.timeout.connect(self._rest)

    def close(self, timeout: float) -> bool:
        """Stop everything and wait; True when no thread is left."""
        for timer in (self._whole_timer, self._rest_timer):
            timer.stop()
        ended = [job.close(timeout) for job in self._jobs]
        return all(ended)

    def pin(self, pinned: UnprojectedBasis | None, dataset: Dataset | None, order: Array | None) -> None:
        """Pin another basis, its tiles in this order; None: none. All that is under way for the former is dropped."""
        self.drop_refinement()
        self.solver.turn()
        self._whole_timer.stop()
        self.pinned, self.locked, self.number = pinned, {}, self.number + 1
        self._dataset = dataset
        self._projection.pin(pinned, dataset, order)
        self._is_quick = False
        if pinned is not None and dataset is not None:
            from gsp_studio.gui.jobs.compute import is_refined_at_once

            self._is_quick = self._projection.is_small and is_refined_at_once(pinned, dataset.X)
        self._scan.pin(self._projection.projector)
        self.pinnedChanged.emit(pinned)
        self.lockedChanged.emit({})
        self.pathChanged.emit(None)
        self.path.pin(pinned, dataset)

    def lock(self, locked: dict[int, float]) -> bool:
        """Hold exactly these basis images at these sparsities, whatever the target; whether that is another path."""
        if locked == self.locked:
            return False
        self.locked = locked
        if self.pinned is not None:
            self.stop_refining()
            self._projection.lock(locked)
            self._scan.pin(self._projection.projector)
            self.path.lock(bool(locked))
        self.lockedChanged.emit(locked)
        self.pathChanged.emit(None)
        return True

    def reorder(self, order: Array) -> None:
        """Give the tiles another order."""
        if self._projection.projector is not None:
            self._projection.projector.order = order
        if self.refinement.frame is not None:
            self.refinement.frame = replace(self.refinement.frame, order=order)

    def reweight(self, choice: RunSettings, weights: Array | None) -> UnprojectedBasis | None:
        """Return the pinned basis under a choice's weights; None where they are in force already."""
        if self.pinned is None:
            return None
        from gsp_studio.gui.jobs.compute import reweight

        return reweight(self.pinned, choice, weights)

    # Projections

    def project(self, choice: RunSettings) -> None:
        """Bring the basis at these targets, by `projected`: in this event when it is small."""
        if self.pinned is None:
            return
        self._scan.postpone()
        self.path.postpone()
        self._rest_timer.stop()
        if not self._is_quick and self.locked:
            self.solver.stop()  # locked basis images stay as they have been solved
        elif not self._is_quick:
            self.solver.drop()
        self._wanted = choice
        glimpse = self._projection.glimpse(choice.params.sparsity)
        if glimpse is None:
            self._project_whole()
            return
        self._projection.discard()  # what is under way is about another sparsity
        self._whole_timer.start()
        self.glimpsed.emit(glimpse)

    def _project_whole(self) -> None:
        params = self._wanted.params
        present = self.path.present if self.refines else None
        point = None if present is None else present.nearest(params.sparsity)
        refined = self.refinement.latest or self.refinement.former
        solved = tuple(it for it in (point, refined) if it is not None)
        self._projection.request(params.sparsity, params.sparsity_h or 0.0, solved)

    def error_at(self, s: float, s_h: float | None) -> float:
        """Error of the pinned basis projected to these targets; NaN without one."""
        projector = self._projection.projector
        return math.nan if projector is None else projector.show(s, s_h or 0.0).error

    # Refining

    @property
    def is_refining(self) -> bool:
        """Whether refining iterations are under way."""
        return self.solver.is_refining

    @property
    def is_working(self) -> bool:
        """Whether it is refined, or its path is being solved."""
        return self.solver.is_working

    def set_refine(self, on: bool) -> None:
        """Turn refining on or off."""
        if on != self.refines:
            self.refines = on
            self.stop_refining()  # what is on the screen is a frame again, where it was the preview of a subset
            self.drop_refinement()
            self.refinesChanged.emit(on)

    def settle(self) -> None:
        """Settle after the slider was released: `rested` follows, unless it moves again."""
        if self.refines:
            self._rest_timer.start()

    def _rest(self) -> None:
        if self._projection.is_busy or self._whole_timer.isActive():  # the projection is still on its way
            self._rest_timer.start()
        else:
            self.rested.emit()

    def refine(self, choice: RunSettings, shown: DisplayedBasis, *, is_at_rest: bool) -> None:
        """Refine what is shown, a projection, at these targets; while the slider moves where that is quick."""
        can_refine = self.refines and len(self.locked) < len(shown.order) and not math.isnan(shown.baseline)
        if not can_refine or self.pinned is None or self._dataset is None:
            return
        request = SolveRequest(self._dataset, choice, self.pinned, shown, self.locked)
        self.solver.solve(request, is_quick=self._is_quick, is_at_rest=is_at_rest)

    def stop_refining(self) -> bool:
        """Stop refining and keep what is on the screen; whether there was something to stop."""
        self._rest_timer.stop()
        return self.solver.stop()

    def drop_refinement(self) -> None:
        """Drop what is being refined, and what would be."""
        self._rest_timer.stop()
        self.solver.drop()

    # The path

    def go_on(self, *, is_quiet: bool) -> None:
        """Compute more of the path, while no run and no fit needs the processor; `is_quiet`: nothing else does."""
        if self.is_refining or self.solver.is_trying:
            return
        self._scan.go_on()
        is_moving = self._rest_timer.isActive() or self._whole_timer.isActive() or self._projection.is_busy
        if not is_quiet or is_moving:
            self.path.hold()
        elif self._scan.is_done:
            self.path.go_on(is_offered=self.refines)
