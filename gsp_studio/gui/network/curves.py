"""Curves of the open network against s: its zeros, and its accuracy where that is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.network.jobs import AccuracyRequest, NetworkJobs, ZerosRequest
from gsp_studio.gui.network.state import AccuracyCurve, NetworkSettings, ZerosCurve
from gsp_studio.gui.texts import error_texts

if TYPE_CHECKING:
    from gsp_studio.gui.network.compute import LayerPath
    from gsp_studio.gui.network.evaluation import EvaluationImages
    from gsp_studio.pruning.checkpoint import Checkpoint


class NetworkCurves(QObject):
    """Curves as far as they are computed; answers about a network or a grouping that has been replaced are dropped.

    An accuracy that was measured stays on the screen when the network is pruned in another way, and is measured again
    on the same images; of ways that were measured before, the curve comes back as it was.

    Attributes
    ----------
    zeros : ZerosCurve or None
    accuracy : AccuracyCurve or None
    images : EvaluationImages or None
        Those that the accuracy was last asked for on.
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
        self.images: EvaluationImages | None = None
        #: Whole curves of the present network on these images, by the pruning that they are of.
        self._measured: dict[str, AccuracyCurve] = {}
        self._former: AccuracyCurve | None = None
        jobs.curve.progressed.connect(lambda: self._tell_zeros(False))
        jobs.curve.answered.connect(lambda *_: self._tell_zeros(True))
        jobs.curve.failed.connect(self._fail_zeros)
        jobs.accuracy.progressed.connect(self._tell_accuracy)
        jobs.accuracy.answered.connect(lambda *_: self._end_accuracy())
        jobs.accuracy.raised.connect(lambda _, error: self._end_accuracy(error_texts(error)[0]))

    def find_zeros(self, checkpoint: Checkpoint, path: LayerPath, choice: NetworkSettings) -> None:
        """Compute the zeros of every layer against s."""
        self._zeros_request = ZerosRequest(checkpoint, path, choice)
        self._jobs.curve.submit(self._zeros_request)

    def find_accuracy(self, request: AccuracyRequest) -> None:
        """Measure the accuracy against s; a curve on the screen stays until there is as much of the new one."""
        if request.images is not self.images:
            self._measured = {}
            self._former = None
            self.images = request.images
        self._accuracy_request = request
        self._jobs.accuracy.submit(request)
        self._tell_accuracy()

    def cancel_accuracy(self) -> None:
        """Keep the points that are there and measure no more."""
        if self._accuracy_request is not None:
            self._jobs.accuracy.discard()
            self._set_accuracy(self._accuracy_request.curve("cancelled"))
            self._accuracy_request = None

    def set_aside(self) -> None:
        """The network is pruned in another way: the accuracy on the screen is that of the former one from now on."""
        self._jobs.accuracy.discard()
        self._accuracy_request = None
        if self.accuracy is not None and self.accuracy.state in ("going", "done"):
            has_points = len(self.accuracy.s) > 1
            self._former = self.accuracy if has_points else self._former
            self._set_accuracy(replace(self._former or self.accuracy, state="former"))

    def measure_again(
        self, checkpoint: Checkpoint, path: LayerPath | None, choice: NetworkSettings, layer: str
    ) -> None:
        """Other targets for the same groups: measure these, where an accuracy is on the screen."""
        self.set_aside()
        if path is not None:
            self.resume_accuracy(checkpoint, path, choice, layer)

    def resume_accuracy(self, checkpoint: Checkpoint, path: LayerPath, choice: NetworkSettings, layer: str) -> None:
        """Measure the accuracy of this pruning on the same images, where that of another one is on the screen."""
        if self.images is None or self.accuracy is None or self.accuracy.state != "former":
            return
        request = AccuracyRequest(checkpoint, path, choice, layer, self.images)
        known = self._measured.get(request.about)
        if known is not None and choice.mode != "own":  # there others have moved meanwhile
            self._set_accuracy(known)
        else:
            self.find_accuracy(request)

    def drop(self) -> None:
        """Forget both curves: they are about another network."""
        self.drop_zeros()
        self._jobs.accuracy.discard()
        self._accuracy_request, self._former, self._measured, self.images = None, None, {}, None
        if self.accuracy is not None:
            self._set_accuracy(None)

    def drop_zeros(self) -> None:
        """Forget the zeros: they are of another grouping."""
        self._jobs.curve.discard()
        self._zeros_request = None
        if self.zeros is not None:
            self.zeros = None
            self.zerosChanged.emit(None)

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
        request = self._accuracy_request
        if request is None:
            return
        curve = request.curve("going")
        if len(curve.s) < 2 and self._former is not None:
            former = replace(self._former, state="going", done=curve.done, planned=curve.planned)
            self._set_accuracy(former)
        else:
            self._set_accuracy(curve)

    def _end_accuracy(self, problem: str = "") -> None:
        request, self._accuracy_request = self._accuracy_request, None
        if request is None:
            return
        curve = request.curve("failed" if problem else "done", problem)
        if not problem:
            self._measured[request.about] = curve
        self._former = None
        self._set_accuracy(curve)
