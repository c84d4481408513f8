"""The plain and the weighted projection of the pinned basis side by side, live while weights are painted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.gui.state import DisplayedBasis, UnprojectedBasis
    from gsp_studio.io.dataset import Dataset


class PairRequest(NamedTuple):
    """A basis, the order of its tiles, a target and weights; None: without only."""

    pinned: UnprojectedBasis
    order: Array
    s: float
    weights: Array | None


class WeightedPair(QObject):
    """Finds pairs of bases, the newest that is asked for, and the mean of all images, once a data set."""

    paired = Signal(object, object)  # DisplayedBasis without weights, DisplayedBasis with them or None
    meanFound = Signal(object)  # ndarray (m,)
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pairs: Job[PairRequest, tuple[DisplayedBasis, DisplayedBasis | None]] = Job(_pair, "gsp-weigh", self)
        self._means: Job[Dataset, Array] = Job(_mean, "gsp-mean", self)
        self._pairs.answered.connect(lambda _, pair: self.paired.emit(*pair))
        self._means.answered.connect(lambda _, mean: self.meanFound.emit(mean))
        for job in (self._pairs, self._means):
            job.failed.connect(self.failed)

    def close(self, timeout: float) -> bool:
        """End the threads; True when they have ended."""
        ended = [job.close(timeout) for job in (self._pairs, self._means)]
        return all(ended)

    def pair(self, pinned: UnprojectedBasis, order: Array, s: float, weights: Array | None) -> None:
        """Project the basis with and without these weights; None: without only."""
        self._pairs.submit(PairRequest(pinned, order, s, weights))

    def open(self, dataset: Dataset) -> None:
        """Find the mean of other data; nothing of the former counts."""
        self._pairs.discard()
        self._means.discard()
        self._means.submit(dataset)


def _pair(request: PairRequest) -> tuple[DisplayedBasis, DisplayedBasis | None]:
    from gsp_studio.gui.jobs.projector import Projector

    pinned, order, s, weights = request
    plain = Projector(replace(pinned, weights=None), None, order).show(s)
    if weights is None:
        return plain, None
    return plain, Projector(replace(pinned, weights=weights), None, order).show(s)


def _mean(dataset: Dataset) -> Array:
    from gsp_studio.core.metrics import mean_image

    return mean_image(dataset.X)
