"""The basis that the slider projects: projections, refits when the slider rests, its path."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.jobs.path_scan import PathScan
from gsp_studio.gui.jobs.refit import RefitJob
from gsp_studio.gui.session.projection import BasisProjection
from gsp_studio.gui.state import RunSettings

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome
    from gsp_studio.gui.state import Array, DisplayedBasis, Pinned
    from gsp_studio.io.dataset import Dataset

#: Milliseconds without a move after which a large basis is projected in all its pixels.
WHOLE_MS = 50
#: Milliseconds of rest after which a released slider brings a refit.
REST_MS = 60
#: A refit that made the basis denser by so much is followed by another one, until the target is reached.
LEAST_PROGRESS = 0.002


class PinnedBasis(QObject):
    """Jobs on one basis, which is pinned until another one is; what they find goes out by signals."""

    pinnedChanged = Signal(object)  # Pinned, or None
    lockedChanged = Signal(object)  # dict of basis image to sparsity: those that the slider does not move
    autoRefitChanged = Signal(bool)
    projected = Signal(object)  # DisplayedBasis
    glimpsed = Signal(object)  # BasisPreview of a large basis, a DisplayedBasis follows when the slider rests
    rested = Signal()  # the slider was released, and what it asked for has been shown
    refitted = Signal(object)  # DisplayedBasis with new coefficients
    madeDenser = Signal(object, bool)  # Pinned after a short fit of both factors, whether another one would help
    pathChanged = Signal(object)  # PathCurve of the pinned basis as far as it is known, or None
    activityChanged = Signal(str)  # what is being done, "" for nothing
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.pinned: Pinned | None = None
        #: How many bases have been pinned: each has a number.
        self.number = 0
        #: Basis images that stay at a sparsity, whatever the target.
        self.locked: dict[int, float] = {}
        #: Whether the slider's release brings a refit.
        self.auto_refit = True
        self._projection, self._refit, self._scan = BasisProjection(self), RefitJob(self), PathScan(self)
        self._projection.projected.connect(self.projected)
        self._refit.refitted.connect(self.refitted)
        self._refit.bothFitted.connect(self._take_denser)
        self._refit.activityChanged.connect(self.activityChanged)
        self._scan.pathChanged.connect(self.pathChanged)
        for job in (self._projection, self._refit, self._scan):
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
        ended = [job.close(timeout) for job in (self._projection, self._refit, self._scan)]
        return all(ended)

    def pin(self, pinned: Pinned | None, dataset: Dataset | None, order: Array | None) -> None:
        """Pin another basis, its tiles in this order; None: none. All that is under way for the former is dropped."""
        self.drop_refit()
        self._whole_timer.stop()
        self.pinned, self.locked, self.number = pinned, {}, self.number + 1
        self._projection.pin(pinned, dataset, order)
        self._scan.pin(self._projection.projector)
        self.pinnedChanged.emit(pinned)
        self.lockedChanged.emit({})
        self.pathChanged.emit(None)

    def lock(self, locked: dict[int, float]) -> bool:
        """Hold exactly these basis images at these sparsities, whatever the target; whether that is another path."""
        if locked == self.locked:
            return False
        self.locked = locked
        if self.pinned is not None:
            self.drop_refit()
            self._projection.lock(locked)
            self._scan.pin(self._projection.projector)
        self.lockedChanged.emit(locked)
        self.pathChanged.emit(None)
        return True

    def reweighted(self, choice: RunSettings, weights: Array | None) -> Pinned | None:
        """Return the pinned basis under a choice's weights; None where they are in force already."""
        if self.pinned is None:
            return None
        from gsp_studio.gui.jobs.compute import reweighted

        return reweighted(self.pinned, choice, weights)

    # Projections

    def project(self, choice: RunSettings) -> None:
        """Bring the basis at these targets, by `projected`: in this event when it is small."""
        if self.pinned is None:
            return
        self._scan.postpone()
        self._wanted = choice
        glimpse = self._projection.glimpse(choice.params.sparsity)
        if glimpse is None:
            self._project_whole()
            return
        self._projection.discard()  # what is under way is about another sparsity
        self._whole_timer.start()
        self.glimpsed.emit(glimpse)

    def _project_whole(self) -> None:
        self._projection.request(self._wanted.params.sparsity, self._wanted.params.sparsity_h or 0.0)

    # Refits

    @property
    def is_refitting(self) -> bool:
        """Whether a refit is under way."""
        return self._refit.is_running

    def set_auto_refit(self, on: bool) -> None:
        """Turn the refit at the slider's release on or off."""
        if on != self.auto_refit:
            self.auto_refit = on
            self.drop_refit()
            self.autoRefitChanged.emit(on)

    def settle(self) -> None:
        """Settle after the slider was released: with `auto_refit` on `rested` follows, unless it moves again."""
        if self.auto_refit:
            self._rest_timer.start()

    def _rest(self) -> None:
        if self._projection.is_busy or self._whole_timer.isActive():  # the projection is still on its way
            self._rest_timer.start()
        else:
            self.rested.emit()

    def refit(self, dataset: Dataset, choice: RunSettings, shown: DisplayedBasis) -> None:
        """Refit what is shown: both factors where the target is denser than what is pinned, else H where it is old."""
        if self.pinned is None or self.is_refitting:
            return
        from gsp_studio.gui.jobs.compute import new_denser_fit

        if not self.pinned.reaches(choice.params.sparsity):
            self._wanted = choice
            self._refit.both(new_denser_fit(dataset.X, choice, self.pinned))
        elif not math.isnan(shown.baseline) and math.isnan(shown.before_refit):
            self._refit.coefficients(dataset, self.pinned, shown)

    def drop_refit(self) -> bool:
        """Drop the refit under way, and one that would come; whether there was one under way."""
        self._rest_timer.stop()
        return self._refit.drop()

    def go_on(self) -> None:
        """Compute more of the path; called while nothing else needs the processor."""
        if not self.is_refitting:
            self._scan.go_on()

    def _take_denser(self, outcome: Outcome) -> None:
        if outcome.result is None:
            self.failed.emit(outcome.error_text, outcome.details)
            return
        assert self.pinned is not None
        from gsp_studio.gui.jobs.compute import pinned_of

        target = self._wanted.params.sparsity
        pinned = pinned_of(outcome.result, f"a refit at s = {target:.3f}")
        helps = pinned.sparsity < self.pinned.sparsity - LEAST_PROGRESS and not pinned.reaches(target)
        self.madeDenser.emit(pinned, helps)
