"""The pinned basis at all sparsities: error and basis images lost, computed a few at a time when nothing else is."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PySide6.QtCore import QObject, Signal

from gsp_studio.arrays import Array
from gsp_studio.core.knee import knee
from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.state import PathCurve

if TYPE_CHECKING:
    from gsp_studio.gui.jobs.projector import Projector

#: Sparsities of a curve, from the pinned basis's own to 1.
COUNT = 61
#: Entries of a basis that are projected between two looks at whether a projection needs the processor.
_CHUNK = 2_000_000
#: Seconds without a projection before the walk goes on.
_REST = 0.25


class ScanRequest(NamedTuple):
    """Sparsities, by their numbers and as values, at which a basis is to be projected."""

    projector: Projector
    numbers: Array
    values: Array


class PathScan(QObject):
    """Walks the sparsities of what is pinned: first a few that span all, then those between."""

    pathChanged = Signal(object)  # PathCurve as far as it is known
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job[ScanRequest, list[tuple[float, int]]] = Job(_points, "gsp-path", self)
        self._job.answered.connect(self._add)
        self._job.failed.connect(self._fail)
        self._projector: Projector | None = None
        self._s: Array = np.zeros(0)
        self._found: dict[int, tuple[float, int]] = {}
        self._chunks: list[Array] = []
        self._is_asking = False
        self._not_before = 0.0

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to compute."""
        return not self._chunks and not self._is_asking

    def pin(self, projector: Projector | None) -> None:
        """Walk this basis from now on; None: none. What is under way for another is dropped."""
        self._job.discard()
        self._projector, self._is_asking, self._found, self._chunks = projector, False, {}, []
        if projector is None:
            return
        self._s = np.linspace(min(1.0, projector.pinned.sparsity), 1.0, COUNT)
        count = -(-COUNT // max(1, min(4, _CHUNK // projector.pinned.W.size)))
        self._chunks = [np.arange(k, COUNT, count) for k in range(count)]
        # The ends first: every curve that is told spans the whole range.
        self._chunks[0] = np.union1d(self._chunks[0], [COUNT - 1])
        self._chunks[1:] = [chunk[chunk < COUNT - 1] for chunk in self._chunks[1:]]
        self._chunks = [chunk for chunk in self._chunks if len(chunk)]

    def postpone(self) -> None:
        """Leave the processor to a projection now."""
        self._not_before = time.monotonic() + _REST

    def go_on(self) -> None:
        """Compute the next part, unless one is under way or a projection was a moment ago; called while idle."""
        projector = self._projector
        if projector is None or self._is_asking or not self._chunks or time.monotonic() < self._not_before:
            return
        numbers = self._chunks.pop(0)
        self._is_asking = True
        self._job.submit(ScanRequest(projector, numbers, self._s[numbers]))

    def close(self, timeout: float) -> bool:
        """End the thread; True when it has ended."""
        self._chunks = []
        return self._job.close(timeout)

    def _add(self, asked: ScanRequest, points: list[tuple[float, int]]) -> None:
        self._is_asking = False
        self._found.update(zip(asked.numbers.tolist(), points, strict=True))
        known = np.array(sorted(self._found))
        s = self._s[known]
        errors = np.array([self._found[k][0] for k in known])
        pinned = asked.projector.pinned
        curve = PathCurve(
            s=s,
            errors=errors,
            lost=np.array([self._found[k][1] for k in known]),
            rank=pinned.W.shape[1],
            knee=knee(s, errors) if self.is_done else math.nan,
            origin=pinned.origin,
        )
        self.pathChanged.emit(curve)

    def _fail(self, sentence: str, details: str) -> None:
        self._is_asking, self._chunks = False, []
        self.failed.emit(sentence, details)


def _points(asked: ScanRequest) -> list[tuple[float, int]]:
    return asked.projector.points(asked.values)
