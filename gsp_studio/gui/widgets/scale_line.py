"""A scale bar in a line above or below pictures that can be zoomed: it covers no pixel of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.gui.theme import current_theme
from gsp_studio.io.scale_bar import ScaleBar, scale_bar

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

#: The bar is as long as on a picture of so many pixels of the screen.
_PICTURE = 240.0
#: Longest bar and its ends' height, in pixels, and what is left free beside it.
_LONGEST, _TICK, _GAP = 84, 3.0, 8


class ScaleLine(QWidget):
    """A bar with a round length at the zoom of the pictures; hidden where the size of their pixels is not known.

    Its room is that of the longest bar and label, so that nothing beside it moves with the zoom.
    """

    def __init__(self, parent: QWidget | None = None, *, on_canvas: bool = False) -> None:
        super().__init__(parent)
        self._on_canvas = on_canvas
        self._spacing: float | None = None
        self._unit, self._zoom = "", 1.0
        self.bar: ScaleBar | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.hide()

    def set_dataset(self, dataset: Dataset) -> None:
        """Show the scale of images of these data; spectra have none."""
        axis = dataset.axis("x")
        self._spacing, self._unit = (axis.spacing, axis.unit) if dataset.grid is None else (None, "")
        self.setVisible(scale_bar(_PICTURE, self._spacing, self._unit) is not None)
        self.updateGeometry()
        self._tell()

    def set_zoom(self, zoom: float) -> None:
        """Take this many pixels of the screen for one of the pictures."""
        self._zoom = zoom
        self._tell()

    def _tell(self) -> None:
        self.bar = scale_bar(_PICTURE / self._zoom, self._spacing, self._unit)
        text = "" if self.bar is None else f"The bar is {self.bar.text} long"
        self.setToolTip(text)
        self.setAccessibleName(text)
        self.update()

    @property
    def length(self) -> float:
        """Length of the bar on the screen, in pixels; 0 for none."""
        return 0.0 if self.bar is None else self.bar.pixels * self._zoom

    def sizeHint(self) -> QSize:
        """Room for the longest bar and label."""
        metrics = self.fontMetrics()
        return QSize(_LONGEST + metrics.horizontalAdvance(f" 888 {self._unit}") + 3 * _GAP, metrics.height() + 8)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bar, and its length after it."""
        theme, painter = current_theme(), QPainter(self)
        if self._on_canvas:
            painter.fillRect(self.rect(), QColor(theme.canvas))
        if self.bar is None:
            return
        colour = QColor(theme.canvas_muted if self._on_canvas else theme.text_muted)
        middle, left = self.height() / 2, float(_GAP)
        painter.fillRect(QRectF(left, middle - 1, self.length, 2), colour)
        for x in (left, left + self.length - 1):
            painter.fillRect(QRectF(x, middle - _TICK, 1, 2 * _TICK), colour)
        painter.setPen(colour)
        words = QRectF(left + self.length + _GAP, 0, self.width(), self.height())
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.bar.text)
