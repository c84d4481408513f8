"""Refits in the background when the slider rests: of the coefficients, or of both factors where it went denser."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.jobs.short_fit import ShortFit

if TYPE_CHECKING:
    from gsp_studio.engine.runner import Runner
    from gsp_studio.gui.state import DisplayedBasis, Pinned
    from gsp_studio.io.dataset import Dataset

#: Milliseconds after which a refit is told of; most are through before they could be read.
_TOLD_AFTER_MS = 200


class RefitRequest(NamedTuple):
    """A basis on the screen that is to have the coefficients that fit it best."""

    dataset: Dataset
    pinned: Pinned
    shown: DisplayedBasis


class RefitJob(QObject):
    """Refits one basis at a time; a refit that is dropped ends after its sweeps or its iteration."""

    refitted = Signal(object)  # DisplayedBasis with new coefficients
    bothFitted = Signal(object)  # Outcome of a short fit of both factors
    failed = Signal(str, str)
    activityChanged = Signal(str)  # what is being done, "" for nothing

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._coefficients: Job[RefitRequest, DisplayedBasis | None] = Job(self._fit_coefficients, "gsp-refit", self)
        self._coefficients.answered.connect(lambda _, shown: self._end(lambda: self.refitted.emit(shown)))
        self._both = ShortFit(self)
        self._both.ended.connect(lambda outcome: self._end(lambda: self.bothFitted.emit(outcome)))
        for job in (self._coefficients, self._both):
            job.failed.connect(lambda *error: self._end(lambda: self.failed.emit(*error)))
        self._late = QTimer(self, interval=_TOLD_AFTER_MS, singleShot=True)
        self._late.timeout.connect(lambda: self.activityChanged.emit("refitting"))
        self._is_running = False

    @property
    def is_running(self) -> bool:
        """Whether a refit that counts is under way."""
        return self._is_running

    def coefficients(self, dataset: Dataset, pinned: Pinned, shown: DisplayedBasis) -> None:
        """Refit the coefficients to the basis that is shown; `refitted` follows."""
        self.drop()
        self._is_running = True
        self._coefficients.submit(RefitRequest(dataset, pinned, shown))
        self._late.start()

    def both(self, runner: Runner) -> None:
        """Run a short fit of both factors; `bothFitted` follows."""
        self.drop()
        self._is_running = True
        self._both.start(runner)
        self.activityChanged.emit("refitting")

    def drop(self) -> bool:
        """Drop the refit under way; whether there was one."""
        self._late.stop()
        was_running, self._is_running = self._is_running, False
        if was_running:
            self._coefficients.discard()
            self._both.cancel()
            self.activityChanged.emit("")
        return was_running

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        self.drop()
        ended = [job.close(timeout) for job in (self._coefficients, self._both)]
        return all(ended)

    def _end(self, tell: Callable[[], None]) -> None:
        self._late.stop()
        self._is_running = False
        tell()
        if not self._is_running:  # the listener may have asked for the next one
            self.activityChanged.emit("")

    def _fit_coefficients(self, asked: RefitRequest) -> DisplayedBasis | None:
        """Run in the worker; None where the refit was dropped."""
        from gsp_studio.gui.jobs.compute import refitted

        return refitted(asked.dataset.X, asked.pinned, asked.shown, lambda: self._coefficients.is_superseded)
