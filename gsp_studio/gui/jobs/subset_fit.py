"""Refining on some of many images first: iterations on all of them take too long to be watched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.solutions import SolveRequest
from gsp_studio.gui.state import BasisPreview, DisplayedBasis
from gsp_studio.gui.texts import grouped

if TYPE_CHECKING:
    from gsp_studio.engine.runner import Runner

#: Entries of the subset times the rank: an iteration of two cores takes a twentieth of a second.
WORK = 250_000_000
#: Images for each basis image at least; with fewer the subset has other solutions than the whole.
_EACH = 8
#: Sweeps of the coefficients of all images for the basis that the subset has led to.
_SWEEPS, _TOLERANCE = 30, 1e-3


class SubsetFit(QObject):
    """Iterates on a fixed random subset; `ended` brings its basis with the coefficients of all images."""

    previewed = Signal(object)  # BasisPreview: the basis of the newest iterate, whose coefficients are of the subset
    ended = Signal(object)  # DisplayedBasis
    activityChanged = Signal(str)  # what is being done, "" for nothing
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job[SolveRequest, DisplayedBasis] = Job(self._fit, "gsp-subset", self)
        self._job.progressed.connect(self._preview)
        self._job.answered.connect(self._end)
        self._job.failed.connect(self._fail)
        self._runner: Runner | None = None
        self._request: SolveRequest | None = None

    @property
    def is_running(self) -> bool:
        """Whether a subset is iterated on."""
        return self._request is not None

    def fit(self, request: SolveRequest) -> bool:
        """Begin, unless these targets are under way; False where all images at once are the better start."""
        n = request.dataset.X.shape[1]
        count = 0 if request.pinned.fit else subset_size(n, request.pinned.W.shape)
        if not request.frame.has_coefficients or request.frame.iterations or not count:
            return False
        if self._request is None or self._request[1:] != request[1:]:
            self.cancel()
            self._request = request
            told = f"{grouped(count)} of {grouped(n)} {request.dataset.nouns.samples}"
            self.activityChanged.emit(f"refining on {told} first")
            self._job.submit(request)
        return True

    def cancel(self) -> DisplayedBasis | None:
        """Stop; the frame that it began with, None where nothing was under way."""
        request, self._request = self._request, None
        if request is None:
            return None
        if self._runner is not None:
            self._runner.cancel()
        self._job.discard()
        self.activityChanged.emit("")
        return request.frame

    def close(self, timeout: float) -> bool:
        """Cancel and wait; True when the thread has ended."""
        self.cancel()
        return self._job.close(timeout)

    def _fit(self, request: SolveRequest) -> DisplayedBasis:
        from gsp_studio.gui.jobs.compute import new_subset_refinement, with_all_coefficients

        count = subset_size(request.dataset.X.shape[1], request.pinned.W.shape)
        self._runner = runner = new_subset_refinement(request, count)
        if self._job.is_superseded:  # cancelled before there was a runner to cancel
            runner.cancel()
        outcome = runner.run(lambda _: self._job.report())
        if outcome.error_text:
            raise ValueError(outcome.error_text)
        if outcome.result is None or self._job.is_superseded:
            return request.frame
        return with_all_coefficients(request.dataset.X, outcome.result, request.frame, _SWEEPS, _TOLERANCE)

    def _preview(self) -> None:
        runner, request = self._runner, self._request
        it = None if runner is None or request is None else runner.poll().iterate
        if it is not None and request is not None:
            from gsp_studio.core.sparsity import hoyer_sparsity

            sparsities = np.asarray(hoyer_sparsity(it.W, request.pinned.weights))
            shape, frame = request.dataset.image_shape, request.frame
            self.previewed.emit(BasisPreview(it.W, shape, sparsities, frame.order, frame.target))

    def _end(self, request: SolveRequest, shown: DisplayedBasis) -> None:
        self._request = None
        self.activityChanged.emit("")
        self.ended.emit(replace(shown, projected=request.frame.error, is_refining=True))

    def _fail(self, sentence: str, details: str) -> None:
        self.cancel()
        self.failed.emit(sentence, details)


def subset_size(n: int, shape: tuple[int, ...]) -> int:
    """Images of the subset for a basis (m, r) of n images; 0 where the whole is not much more."""
    m, r = shape
    count = max(_EACH * r, WORK // (m * r))
    return count if 2 * count <= n else 0
