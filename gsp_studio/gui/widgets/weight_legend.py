"""The colours of weights, and what they mean."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.tile_view import colour_table
from gsp_studio.gui.widgets.worded import word_tip


def weight_colours() -> Array:
    """256 colours (256, 3) uint8 from the lowest weight, 0, to the highest, 1."""
    table = colour_table("cividis")
    table[255] = table[254]  # there 255 means "between tiles"
    return table


class WeightLegend(QWidget):
    """Legend of the colours: a bar from low to high."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Colours of the weights: dark blue is low, yellow is high")
        word_tip(self, "The cost of a pixel to a basis image, which gathers where weights are low.")

    def sizeHint(self) -> QSize:
        """The bar and a word at either end."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance("low  high") + 96, metrics.height() + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Low, the colours, high."""
        painter = QPainter(self)
        painter.setPen(QColor(current_theme().text_muted))
        metrics = painter.fontMetrics()
        left, right = metrics.horizontalAdvance("low") + 8.0, self.width() - metrics.horizontalAdvance("high") - 8.0
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRect(0, 0, self.width(), self.height()), middle | Qt.AlignmentFlag.AlignLeft, "low")
        painter.drawText(QRect(0, 0, self.width(), self.height()), middle | Qt.AlignmentFlag.AlignRight, "high")
        shades = QLinearGradient(left, 0, right, 0)
        table = weight_colours()
        for k in range(0, 256, 15):
            shades.setColorAt(k / 255, QColor(*(int(c) for c in table[k])))
        painter.fillRect(QRectF(left, (self.height() - 8) / 2, right - left, 8), shades)
