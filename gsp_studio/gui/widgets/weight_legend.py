"""The colours of weights, and what they mean."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.tile_view import colour_table

Array = npt.NDArray[Any]


def weight_colours() -> Array:
    """256 colours (256, 3) uint8 from the cheapest weight, 0, to the dearest, 1."""
    table = colour_table("cividis")
    table[255] = table[254]  # there 255 means "between tiles"
    return table


class WeightLegend(QWidget):
    """Legend of the colours: a bar from cheap to dear."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Colours of the weights: dark blue is cheap, yellow is dear")
        self.setToolTip("What it costs a basis image to use a pixel: it gathers on the cheap ones and leaves the dear.")

    def sizeHint(self) -> QSize:
        """The bar and a word at either end."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance("cheap  dear") + 96, metrics.height() + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Cheap, the colours, dear."""
        painter = QPainter(self)
        painter.setPen(QColor(current_theme().text_muted))
        metrics = painter.fontMetrics()
        left, right = metrics.horizontalAdvance("cheap") + 8.0, self.width() - metrics.horizontalAdvance("dear") - 8.0
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRect(0, 0, self.width(), self.height()), middle | Qt.AlignmentFlag.AlignLeft, "cheap")
        painter.drawText(QRect(0, 0, self.width(), self.height()), middle | Qt.AlignmentFlag.AlignRight, "dear")
        shades = QLinearGradient(left, 0, right, 0)
        table = weight_colours()
        for k in range(0, 256, 15):
            shades.setColorAt(k / 255, QColor(*(int(c) for c in table[k])))
        painter.fillRect(QRectF(left, (self.height() - 8) / 2, right - left, 8), shades)
