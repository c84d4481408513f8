"""The basis that the slider projects: projections, refits when the slider rests, its path."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.formatting import told
from gsp_studio.gui.jobs.path_scan import PathScan
from gsp_studio.gui.jobs.refit import Refitting
from gsp_studio.gui.session.projection import Projecting
from gsp_studio.gui.state import Choice, Pinned, Shown

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome
    from gsp_studio.gui.state import Array
    from gsp_studio.io.dataset import Dataset

#: Milliseconds between polls while a projection that somebody waits for is under way.
POLL_FAST_MS = 1
#: Milliseconds without a move after which a large basis is projected in all its pixels.
WHOLE_MS = 50
#: Milliseconds of rest after which a slider that was let go of brings a refit.
REST_MS = 60
#: A refit that made the basis denser by so much is followed by another one, until the target is reached.
LEAST_PROGRESS = 0.002


class PinnedBasis(QObject):
    """Three workers on one basis, which is pinned until another one is; what they find goes out by signals."""

    pinnedChanged = Signal(object)  # Pinned, or None
    heldChanged = Signal(object)  # dict of basis image to sparsity: those that the slider does not move
    autoRefitChanged = Signal(bool)
    projected = Signal(object)  # Shown
    glimpsed = Signal(object)  # Glimpse of a large basis, a Shown follows when the slider rests
    rested = Signal()  # the slider was let go of, and what it asked for has been shown
    refitted = Signal(object)  # Shown with new coefficients
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
        self.held: dict[int, float] = {}
        #: Whether a slider that was let go of brings a refit.
        self.auto_refit = True
        self._work: Any = None
        self._projecting: Projecting | None = None
        self._refitting: Refitting | None = None
        self._scan: PathScan | None = None
        self._fast_timer = QTimer(self, interval=POLL_FAST_MS)
        self._fast_timer.timeout.connect(self._poll_projection)
        self._wanted = Choice()
        self._whole_timer = QTimer(self, interval=WHOLE_MS, singleShot=True)
        self._whole_timer.timeout.connect(self._project_whole)
        self._rest_timer = QTimer(self, interval=REST_MS, singleShot=True)
        self._rest_timer.timeout.connect(self._rest)

    def start(self, work: Any) -> None:
        """The solvers are there."""
        self._work = work
        self._projecting, self._refitting, self._scan = Projecting(work), Refitting(work), PathScan()

    def close(self, timeout: float) -> bool:
        """Stop everything and wait; True when no thread is left."""
        for timer in (self._fast_timer, self._whole_timer, self._rest_timer):
            timer.stop()
        workers = (self._projecting, self._refitting, self._scan)
        ended = [worker.close(timeout) for worker in workers if worker is not None]
        return all(ended)

    def pin(self, pinned: Pinned | None, dataset: Dataset | None, order: Array | None) -> None:
        """Pin another basis, its tiles in this order; None: none. All that is under way for the former is dropped."""
        self.drop_refit()
        self._whole_timer.stop()
        self.pinned, self.held, self.number = pinned, {}, self.number + 1
        if self._projecting is not None and self._scan is not None:
            self._projecting.pin(pinned, dataset, order)
            self._scan.pin(self._projecting.projector)
        self.pinnedChanged.emit(pinned)
        self.heldChanged.emit({})
        self.pathChanged.emit(None)

    def hold(self, held: dict[int, float]) -> bool:
        """Hold exactly these basis images at these sparsities, whatever the target; whether that is another path."""
        if held == self.held:
            return False
        self.held = held
        if self._projecting is not None and self._scan is not None and self.pinned is not None:
            self.drop_refit()
            self._projecting.hold(held)
            self._scan.pin(self._projecting.projector)
        self.heldChanged.emit(held)
        self.pathChanged.emit(None)
        return True

    def reweighted(self, choice: Choice, weights: Array | None) -> Pinned | None:
        """What is pinned under the weights that a choice takes; None where they are in force already."""
        return None if self.pinned is None else self._work.reweighted(self.pinned, choice, weights)

    # Projections

    def project(self, choice: Choice) -> None:
        """Bring the basis at these targets, by `projected`: in this event when it is small."""
        if self._projecting is None or self._scan is None or self.pinned is None:
            return
        self._scan.postpone()
        self._wanted = choice
        glimpse = self._projecting.glimpse(choice.sparsity)
        if glimpse is None:
            self._project_whole()
            return
        self._projecting.discard()  # what is under way is about another sparsity
        self._whole_timer.start()
        self.glimpsed.emit(glimpse)

    def _project_whole(self) -> None:
        assert self._projecting is not None
        shown = self._projecting.request(self._wanted.sparsity, self._wanted.sparsity_h)
        if shown is not None:
            self.projected.emit(shown)
        else:
            self._fast_timer.start()

    def _poll_projection(self) -> None:
        assert self._projecting is not None
        shown, error = self._projecting.poll()
        if error is not None:
            self.failed.emit(*told(error))
        elif shown is not None:
            self.projected.emit(shown)
        if not self._projecting.is_busy:
            self._fast_timer.stop()

    # Refits

    @property
    def is_refitting(self) -> bool:
        """Whether a refit is under way."""
        return self._refitting is not None and self._refitting.is_running

    def set_auto_refit(self, on: bool) -> None:
        """Whether a slider that was let go of brings a refit."""
        if on != self.auto_refit:
            self.auto_refit = on
            self.drop_refit()
            self.autoRefitChanged.emit(on)

    def settle(self) -> None:
        """The slider was let go of: with `auto_refit` on `rested` follows, unless it moves again."""
        if self.auto_refit:
            self._rest_timer.start()

    def _rest(self) -> None:
        if self._fast_timer.isActive() or self._whole_timer.isActive():  # the projection is still on its way
            self._rest_timer.start()
        else:
            self.rested.emit()

    def refit(self, dataset: Dataset, choice: Choice, shown: Shown) -> None:
        """Refit what is shown: both factors where the target is denser than what is pinned, else H where it is old."""
        if self._refitting is None or self.pinned is None or self.is_refitting:
            return
        if not self.pinned.reaches(choice.sparsity):
            self._wanted = choice
            self._refitting.both(self._work.new_denser_fit(dataset.X, choice, self.pinned))
            self.activityChanged.emit("refitting")
        elif not math.isnan(shown.baseline) and math.isnan(shown.before_refit):
            self._refitting.coefficients(dataset.X, self.pinned, shown)

    def drop_refit(self) -> bool:
        """Let go of the refit under way, and of one that would come; whether there was one under way."""
        self._rest_timer.stop()
        was_running = self._refitting is not None and self._refitting.drop()
        if was_running:
            self.activityChanged.emit("")
        return was_running

    # Polling

    def poll(self, is_idle: bool) -> None:
        """Fetch what refits and the path have; the path goes on where nothing else needs the processor."""
        self._poll_refit()
        assert self._scan is not None
        found = self._scan.poll(is_idle and not self.is_refitting)
        if isinstance(found, Exception):
            self.failed.emit(*told(found))
        elif found is not None:
            self.pathChanged.emit(found)

    def _poll_refit(self) -> None:
        assert self._refitting is not None
        found = self._refitting.poll()
        if found is None:
            if self._refitting.takes_long:
                self.activityChanged.emit("refitting")
            return
        if isinstance(found, Exception):
            self.failed.emit(*told(found))
        elif isinstance(found, Shown):
            self.refitted.emit(found)
        else:
            self._take_denser(found)
        if not self.is_refitting:  # the listener may have asked for the next one
            self.activityChanged.emit("")

    def _take_denser(self, outcome: Outcome) -> None:
        if outcome.result is None:
            self.failed.emit(outcome.error_text, outcome.details)
            return
        assert self.pinned is not None
        target = self._wanted.sparsity
        pinned = self._work.pinned_of(outcome.result, f"a refit at s = {target:.3f}")
        helps = pinned.sparsity < self.pinned.sparsity - LEAST_PROGRESS and not pinned.reaches(target)
        self.madeDenser.emit(pinned, helps)
