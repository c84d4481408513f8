"""The pinned basis at all sparsities: error and basis images lost, computed a few at a time when nothing else is."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.state import PathCurve

Array = npt.NDArray[Any]

#: Sparsities of a curve, from the pinned basis's own to 1.
COUNT = 61
#: Entries of a basis that are projected between two looks at whether somebody needs the processor.
_CHUNK = 2_000_000
#: Seconds without a projection for somebody who waits for it before the walk goes on.
_REST = 0.25


def knee(x: Array, y: Array) -> float:
    """Up to where x costs little: the x of the point that lies farthest below the curve's chord; NaN where none does.

    Both axes are scaled to [0, 1] between the curve's ends, so that the chord is a diagonal; the distance of a point
    from it is then in proportion to ``y_chord - y``. Points above the chord are where the curve flattens out again:
    there the price has been paid, so they do not count.
    """
    width, height = float(x[-1] - x[0]), float(y[-1] - y[0])
    if width <= 0.0 or height == 0.0:
        return math.nan
    below = (y[0] + height * (x - x[0]) / width - y) / abs(height)
    best = int(np.argmax(below))
    return float(x[best]) if below[best] > 1e-6 else math.nan


class PathScan:
    """Walks the sparsities of what is pinned: first a few that span all, then those between."""

    def __init__(self) -> None:
        self._worker: LatestOnly[tuple[Any, Array], list[tuple[float, int]]] = LatestOnly(_points, name="gsp-path")
        self._projector: Any = None
        self._s: Array = np.zeros(0)
        self._found: dict[int, tuple[float, int]] = {}
        self._chunks: list[Array] = []
        self._asked: Array | None = None
        self._not_before = 0.0

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to compute."""
        return not self._chunks and self._asked is None

    def pin(self, projector: Any) -> None:
        """Walk this `Projector` of `work` from now on; None: none. What is under way for another is dropped."""
        self._worker.discard()
        self._projector, self._asked, self._found, self._chunks = projector, None, {}, []
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
        """Somebody needs the processor now."""
        self._not_before = time.monotonic() + _REST

    def poll(self, is_idle: bool) -> PathCurve | Exception | None:
        """The curve when more of it is known; asks for the next part where the app is idle."""
        answer = self._worker.poll()
        if answer is not None and self._asked is not None:
            asked, self._asked = self._asked, None
            if answer.error is not None:
                self._chunks = []
                return answer.error
            assert answer.value is not None
            self._found.update(zip(asked.tolist(), answer.value, strict=True))
        if is_idle and self._asked is None and self._chunks and time.monotonic() >= self._not_before:
            self._asked = self._chunks.pop(0)
            self._worker.submit((self._projector, self._s[self._asked]))
        return None if answer is None or not self._found else self._curve()

    def _curve(self) -> PathCurve:
        known = np.array(sorted(self._found))
        s = self._s[known]
        errors = np.array([self._found[k][0] for k in known])
        pinned = self._projector.pinned
        return PathCurve(
            s=s,
            errors=errors,
            lost=np.array([self._found[k][1] for k in known]),
            rank=pinned.W.shape[1],
            knee=knee(s, errors) if self.is_done else math.nan,
            origin=pinned.origin,
        )

    def close(self, timeout: float) -> bool:
        """End the worker; True when it has ended."""
        self._chunks = []
        return self._worker.close(timeout)


def _points(request: tuple[Any, Array]) -> list[tuple[float, int]]:
    projector, values = request
    points: list[tuple[float, int]] = projector.points(values)
    return points
