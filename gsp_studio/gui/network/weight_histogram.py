"""The weights of a layer as a histogram: what is left as bars, what there was as a line over them."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme

_BINS = 61
#: Weights that are counted: a part of a large layer, so that a slider is not waited for.
_COUNTED = 2**15
#: How far the axis reaches beyond the largest weight: what a projection leaves grows, as it has to stand for the rest.
_REACH = 1.5


class WeightHistogram(QWidget):
    """Counts of the weights that are not 0 about 0; heights by the square root, so that few are seen too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.before: Array = np.zeros(_BINS, np.intp)
        self.after: Array = np.zeros(_BINS, np.intp)
        self.top = 0.0
        self._step = 1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Histogram of the weights before and after")

    def sizeHint(self) -> QSize:
        return QSize(240, 120)

    def minimumSizeHint(self) -> QSize:
        """Still to be read."""
        return QSize(120, 72)

    def set_before(self, weights: Array) -> None:
        """The weights of a layer as they are in its file."""
        self._step = max(1, weights.size // _COUNTED)
        largest = float(np.abs(weights).max(initial=0.0))
        self.top = _REACH * largest
        self.before = self._counts(weights)
        part = "" if self._step == 1 else f"One weight of {self._step} is counted. "
        self.setToolTip(
            f"Line: the weights in the file. Bars: what is left of them. {part}Zeros are not counted.\n"
            f"Heights are the square roots of the counts; the largest weight in the file is {largest:.4g}."
        )
        self.set_after(weights)

    def set_after(self, weights: Array) -> None:
        """Show what is left."""
        self.after = self._counts(weights)
        self.update()

    def _counts(self, weights: Array) -> Array:
        """Count values beyond the ends at the ends."""
        if not self.top > 0:
            return np.zeros(_BINS, np.intp)
        used = weights.reshape(-1)[:: self._step]
        used = used[used != 0]
        bins = ((used * (0.5 / self.top) + 0.5) * _BINS).astype(np.intp)
        return np.bincount(np.clip(bins, 0, _BINS - 1), minlength=_BINS)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Bars, the line over them, and the ends of the axis."""
        theme = current_theme()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.plot))
        metrics = painter.fontMetrics()
        floor, width = self.height() - metrics.height() - 3.0, self.width() - 16.0
        painter.setPen(QColor(theme.plot_muted))
        painter.drawText(QPointF(8, metrics.ascent() + 2.0), "weights, without zeros")
        painter.drawLine(QPointF(8, floor), QPointF(8 + width, floor))
        bottom = QRectF(8, floor + 2, width, metrics.height())
        for where, text in (
            (Qt.AlignmentFlag.AlignLeft, f"−{self.top:.3g}"),
            (Qt.AlignmentFlag.AlignHCenter, "0"),
            (Qt.AlignmentFlag.AlignRight, f"{self.top:.3g}"),
        ):
            painter.drawText(bottom, where, text)
        most = max(int(self.before.max()), int(self.after.max()))
        if not most:
            return
        room, bin_width = floor - metrics.height() - 8, width / _BINS
        heights = np.sqrt(np.stack([self.before, self.after]) / most) * room
        bar = QColor(theme.plot_accent)
        for k in np.flatnonzero(self.after).tolist():
            height = max(1.0, float(heights[1, k]))
            painter.fillRect(QRectF(8 + k * bin_width, floor - height, max(1.0, bin_width - 1), height), bar)
        line = QPolygonF()
        for k in range(_BINS):
            for x in (k, k + 1):
                line.append(QPointF(8 + x * bin_width, floor - float(heights[0, k])))
        painter.setPen(QPen(QColor(theme.plot_text), 1))
        painter.drawPolyline(line)
