"""Changes of basis images from one shown iterate to the next: measured, and faded when nothing comes any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from gsp_studio.gui.state import DisplayedBasis

Array = npt.NDArray[Any]

#: Relative changes of a column that are marked least and most.
STANDS_STILL, MOVES = 1e-3, 1e-1
#: Of a mark is left after an iterate without change, or after `_FADE_MS`; below `_FAINTEST` nothing.
_LEFT, _FADE_MS, _FAINTEST = 0.6, 60, 0.05
#: Values of a basis that are all compared; of a larger one pixels with so many values, drawn once.
_ALL, _SOME = 2**15, 2**14


def directions(W: Array, rows: Array | None = None) -> Array:
    """Columns of W (m, r), or of these rows of it, as rows of length 1: (r, m'); zeros where a column is zero."""
    V = W.T if rows is None else W.T[:, rows]
    lengths = np.sqrt(np.einsum("ki,ki->k", V, V))[:, None]
    unit: Array = np.divide(V, lengths, out=np.zeros_like(V), where=lengths > 0)
    return unit


def marks_of(change: Array) -> Array:
    """How strongly changes are marked, 0 to 1, on a logarithmic scale from `STANDS_STILL` to `MOVES`."""
    span = np.log(MOVES / STANDS_STILL)
    marks: Array = np.clip(np.log(np.maximum(change, 1e-12) / STANDS_STILL) / span, 0.0, 1.0)
    return marks


class TileMotion(QObject):
    """Compares each iterate of a run, or of refining, with the one shown before it."""

    changed = Signal(object)  # marks (r,) of the basis images, 0 to 1

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.marks: Array = np.zeros(0)
        self._before: Array | None = None
        self._rows: Array | None = None
        self._about: tuple[object, ...] = ()
        self._is_running = False
        self._timer = QTimer(self, interval=_FADE_MS)
        self._timer.timeout.connect(self._fade)

    def set_running(self, on: bool) -> None:
        """Whether what is shown from now on are iterates of a run."""
        self._is_running = on
        if not on:
            self._rest()

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Take what is on the screen now."""
        if shown is None or not (self._is_running or shown.is_refining):
            self._rest()
            return
        # Another target, another order: it is not the iterations alone that change the picture.
        about = (shown.W.shape, shown.target, shown.order.tobytes())
        is_next, self._about = about == self._about, about
        self._timer.stop()
        faded = _LEFT * self.marks if len(self.marks) == shown.W.shape[1] else np.zeros(shown.W.shape[1])
        if not is_next:  # nothing is computed while the slider moves
            self._before = None
            self._set(faded)
            return
        if self._before is None:
            self._choose_rows(shown.W)
        now, before = directions(shown.W, self._rows), self._before
        self._before = now
        if before is not None:
            step = now - before
            faded = np.maximum(marks_of(np.sqrt(np.einsum("ki,ki->k", step, step))), faded)
        self._set(faded)

    def _choose_rows(self, W: Array) -> None:
        m, r = W.shape
        most = max(1, _SOME // r)
        if W.size <= _ALL:
            self._rows = None
        elif self._rows is None or len(self._rows) != most or self._rows[-1] >= m:
            self._rows = np.sort(np.random.default_rng(0).choice(m, most, replace=False))

    def _set(self, marks: Array) -> None:
        marks = np.where(marks < _FAINTEST, 0.0, marks)
        if marks.any() or self.marks.any():
            self.marks = marks
            self.changed.emit(marks)
        else:
            self.marks = marks

    def _rest(self) -> None:
        self._before, self._about = None, ()
        if self.marks.any():
            self._timer.start()

    def _fade(self) -> None:
        self._set(_LEFT * self.marks)
        if not self.marks.any():
            self._timer.stop()
