"""The pinned basis at any sparsity: at once when it is small, in a worker where the newest request wins when not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    import numpy as np

    from gsp_studio.arrays import Array
    from gsp_studio.core.results import Iterate, Result
    from gsp_studio.gui.jobs.projector import Projector
    from gsp_studio.gui.solutions import SolvedPoint
    from gsp_studio.gui.state import BasisPreview, DisplayedBasis, UnprojectedBasis
    from gsp_studio.io.dataset import Dataset

#: Entries of a basis up to which a projection fits into the event that asked for it; larger ones go to a worker.
SAME_EVENT = 400_000


class ProjectionRequest(NamedTuple):
    """A basis, the targets of both factors, and what has been solved of it; `s_h` 0 leaves the coefficients."""

    projector: Projector
    s: float
    s_h: float
    solved: tuple[Iterate | Result | SolvedPoint, ...]


class BasisProjection(QObject):
    """Projects what is pinned; `projected` brings it, in the event that asked for it where that is possible."""

    projected = Signal(object)  # DisplayedBasis
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.projector: Projector | None = None
        self._compiled: set[np.dtype] = set()  # types of which the kernels are there
        self._job: Job[ProjectionRequest, DisplayedBasis] = Job(_show, "gsp-project", self)
        self._job.answered.connect(self._tell)
        self._job.failed.connect(self.failed)

    @property
    def is_busy(self) -> bool:
        """Whether a projection is on its way."""
        return self._job.is_busy

    @property
    def is_small(self) -> bool:
        """Whether a projection fits into an event."""
        return self.projector is not None and self.projector.pinned.W.size <= SAME_EVENT

    def pin(self, pinned: UnprojectedBasis | None, dataset: Dataset | None = None, order: Array | None = None) -> None:
        """Project this basis from now on, its tiles in this order; None: no basis. Answers for another are dropped."""
        self._job.discard()
        if pinned is None:
            self.projector = None
            return
        from gsp_studio.gui.jobs.projector import Projector

        self.projector = Projector(pinned, dataset, order)

    def discard(self) -> None:
        """Forget what was asked."""
        self._job.discard()

    def lock(self, locked: Mapping[int, float]) -> None:
        """Hold these basis images at these sparsities from now on."""
        self._job.discard()
        if self.projector is not None:
            self.projector = self.projector.with_locked(locked)

    def request(self, s: float, s_h: float = 0.0, solved: tuple[Iterate | Result | SolvedPoint, ...] = ()) -> None:
        """Bring the basis at s by `projected`: at once, unless that takes longer than an event may.

        `solved`: iterates and solutions, one of which is projected in its place where that has the lower error.
        """
        projector = self.projector
        if projector is None:
            return
        # Other coefficients need a product with the data.
        if self.is_small and projector.pinned.W.dtype in self._compiled and s_h == 0.0:
            self.projected.emit(projector.frame(s, 0.0, solved))
        else:
            self._job.submit(ProjectionRequest(projector, s, s_h, solved))

    def glimpse(self, s: float) -> BasisPreview | None:
        """A part of a large basis at s, in this event; None where the whole is as quick, or nothing is sorted yet."""
        projector = self.projector
        return None if projector is None or not projector.is_large else projector.glimpse(s)

    def close(self, timeout: float) -> bool:
        """End the thread; True when it has ended."""
        return self._job.close(timeout)

    def _tell(self, asked: ProjectionRequest, shown: DisplayedBasis) -> None:
        self._compiled.add(asked.projector.pinned.W.dtype)
        self.projected.emit(shown)


def _show(asked: ProjectionRequest) -> DisplayedBasis:
    return asked.projector.frame(asked.s, asked.s_h, asked.solved)
