"""Histogram of the values of an image: bars for what is above 0, and the share of zeros in words beside it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme

_BINS = 40


class Histogram(QWidget):
    """Counts of the values above 0, from 0 to the largest; heights by the square root, so that few are seen too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.counts: Array = np.zeros(0, np.intp)
        self.top = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Histogram of the values above 0")

    def sizeHint(self) -> QSize:
        return QSize(160, 56)

    def set_values(self, values: Array) -> None:
        """Count these, all >= 0."""
        self.top = float(values.max(initial=0.0))
        used = values[values > 0]
        self.counts = np.histogram(used, bins=_BINS, range=(0.0, self.top))[0] if self.top > 0 else np.zeros(0, np.intp)
        self.setToolTip(
            f"{len(used)} of {len(values)} values are above 0, the largest is {self.top:.4g}.\n"
            "Heights are the square roots of the counts."
        )
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Bars, and the two ends of the axis."""
        theme = current_theme()
        painter = QPainter(self)
        painter.setPen(QColor(theme.text_muted))
        metrics = painter.fontMetrics()
        floor = self.height() - metrics.height() - 1.0
        bottom = QRectF(0, floor + 1, self.width(), metrics.height())
        painter.drawLine(0, int(floor), self.width(), int(floor))
        painter.drawText(bottom, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(bottom, Qt.AlignmentFlag.AlignRight, f"{self.top:.3g}")
        most = self.counts.max(initial=0)
        width = self.width() / _BINS
        for k, count in enumerate(self.counts):
            if count:
                height = max(1.0, float(np.sqrt(count / most)) * (floor - 2))
                painter.fillRect(
                    QRectF(k * width, floor - height, max(1.0, width - 1), height), QColor(theme.text_muted)
                )
