"""The plain and the weighted projection of the pinned basis side by side, live while weights are painted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.formatting import told

if TYPE_CHECKING:
    from gsp_studio.gui.state import Pinned, Shown
    from gsp_studio.io.dataset import Dataset

#: Milliseconds between polls while somebody waits.
_POLL_MS = 2


class Weighing(QObject):
    """Two workers: pairs of bases, the newest request wins, and the mean of all images, once a data set."""

    paired = Signal(object, object)  # Shown without weights, Shown with them or None
    meanFound = Signal(object)  # ndarray (m,)
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pairs: LatestOnly[tuple[Any, ...], tuple[Shown, Shown | None]] | None = None
        self._means: LatestOnly[Any, Any] | None = None
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self._poll_pair)

    def start(self, work: Any) -> None:
        """The solvers are there."""
        self._pairs = LatestOnly(lambda request: work.weighed(*request), name="gsp-weigh")
        self._means = LatestOnly(work.mean_image, name="gsp-mean")

    def close(self, timeout: float) -> bool:
        """End the workers; True when they have ended."""
        self._timer.stop()
        ended = [worker is None or worker.close(timeout) for worker in (self._pairs, self._means)]
        return all(ended)

    def pair(self, pinned: Pinned, order: Any, s: float, weights: Any) -> None:
        """Project the basis with and without these weights; None: without only."""
        if self._pairs is not None:
            self._pairs.submit((pinned, order, s, weights))
            self._timer.start()

    def open(self, dataset: Dataset) -> None:
        """Other data: nothing of the former counts, and their mean is wanted."""
        if self._pairs is not None and self._means is not None:
            self._pairs.discard()
            self._means.submit(dataset.X)

    def poll(self) -> None:
        """Tell the mean when it is there."""
        answer = None if self._means is None else self._means.poll()
        if answer is not None and answer.error is None:
            self.meanFound.emit(answer.value)
        elif answer is not None and answer.error is not None:
            self.failed.emit(*told(answer.error))

    def _poll_pair(self) -> None:
        assert self._pairs is not None
        answer = self._pairs.poll()
        if answer is not None and answer.error is not None:
            self.failed.emit(*told(answer.error))
        elif answer is not None and answer.value is not None:
            self.paired.emit(*answer.value)
        if not self._pairs.is_busy:
            self._timer.stop()
