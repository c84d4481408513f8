"""Sizes of the network that is shown, found when the slider rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.network.jobs import NetworkJobs, SizesRequest

if TYPE_CHECKING:
    from gsp_studio.gui.network.state import DisplayedNetwork
    from gsp_studio.pruning.checkpoint import Checkpoint

#: Milliseconds without a move of the slider after which sizes are found.
_REST_MS = 200


class MeasuredSizes(QObject):
    """Measures the newest network that was shown whole."""

    changed = Signal(object)  # NetworkSizes

    def __init__(self, jobs: NetworkJobs, parent: QObject) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._request: SizesRequest | None = None
        self._rest = QTimer(self, interval=_REST_MS, singleShot=True)
        self._rest.timeout.connect(self._ask)
        jobs.sizes.answered.connect(lambda _, found: self.changed.emit(found))

    def note(self, checkpoint: Checkpoint, shown: DisplayedNetwork) -> None:
        """The network is shown like this."""
        if not shown.is_preview:
            self._request = SizesRequest(checkpoint, shown)
            self._rest.start()

    def drop(self) -> None:
        """Another network comes, or none."""
        self._rest.stop()
        self._request = None
        self._jobs.sizes.discard()

    def _ask(self) -> None:
        if self._request is not None:
            self._jobs.sizes.submit(self._request)
