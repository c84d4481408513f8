"""Curves of the open network against s: its zeros, and its accuracy where that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.network.jobs import AccuracyRequest, NetworkJobs, ZerosRequest
from gsp_studio.gui.network.state import AccuracyCurve, ZerosCurve
from gsp_studio.gui.texts import error_texts

if TYPE_CHECKING:
    from gsp_studio.pruning.checkpoint import Checkpoint
    from gsp_studio.pruning.path import NetworkPath


class NetworkCurves(QObject):
    """Curves as far as they are computed; answers about a network or a grouping that has been replaced are dropped.

    Attributes
    ----------
    zeros : ZerosCurve or None
    accuracy : AccuracyCurve or None
    """

    zerosChanged = Signal(object)  # ZerosCurve or None
    accuracyChanged = Signal(object)  # AccuracyCurve or None
    failed = Signal(str, str)  # one sentence, details

    def __init__(self, jobs: NetworkJobs, parent: QObject) -> None:
        super().__init__(parent)
        self.zeros: ZerosCurve | None = None
        self.accuracy: AccuracyCurve | None = None
        self._jobs = jobs
        self._zeros_request: ZerosRequest | None = None
        self._accuracy_request: AccuracyRequest | None = None
        jobs.curve.progressed.connect(lambda: self._tell_zeros(False))
        jobs.curve.answered.connect(lambda *_: self._tell_zeros(True))
        jobs.curve.failed.connect(self._fail_zeros)
        jobs.accuracy.progressed.connect(self._tell_accuracy)
        jobs.accuracy.answered.connect(lambda *_: self._end_accuracy())
        jobs.accuracy.raised.connect(lambda _, error: self._end_accuracy(error_texts(error)[0]))

    def find_zeros(self, checkpoint: Checkpoint, path: NetworkPath) -> None:
        """Compute the zeros of every layer against s."""
        self._zeros_request = ZerosRequest(checkpoint, path)
        self._jobs.curve.submit(self._zeros_request)

    def find_accuracy(self, request: AccuracyRequest) -> None:
        """Measure the accuracy against s."""
        self.drop_accuracy()
        self._accuracy_request = request
        self._jobs.accuracy.submit(request)
        self._set_accuracy(request.curve("going"))

    def cancel_accuracy(self) -> None:
        """Keep the points that are there and measure no more."""
        if self._accuracy_request is not None:
            self._jobs.accuracy.discard()
            self._set_accuracy(self._accuracy_request.curve("cancelled"))
            self._accuracy_request = None

    def drop(self) -> None:
        """Forget both curves: they are about another network or grouping."""
        self._jobs.curve.discard()
        self._zeros_request = None
        self.drop_accuracy()
        if self.zeros is not None:
            self.zeros = None
            self.zerosChanged.emit(None)

    def drop_accuracy(self) -> None:
        """Forget the accuracy: layers have other targets."""
        self._jobs.accuracy.discard()
        self._accuracy_request = None
        if self.accuracy is not None:
            self._set_accuracy(None)

    def _set_accuracy(self, accuracy: AccuracyCurve | None) -> None:
        self.accuracy = accuracy
        self.accuracyChanged.emit(accuracy)

    def _tell_zeros(self, is_whole: bool) -> None:
        request = self._zeros_request
        if request is None or not request.points:
            return
        self.zeros = request.curve(is_whole)
        self.zerosChanged.emit(self.zeros)
        if is_whole:
            self._zeros_request = None

    def _fail_zeros(self, sentence: str, details: str) -> None:
        self._zeros_request = None
        self.failed.emit(sentence, details)

    def _tell_accuracy(self) -> None:
        if self._accuracy_request is not None:
            self._set_accuracy(self._accuracy_request.curve("going"))

    def _end_accuracy(self, problem: str = "") -> None:
        request, self._accuracy_request = self._accuracy_request, None
        if request is not None:
            self._set_accuracy(request.curve("failed" if problem else "done", problem))
