"""Images side by side on which a rectangle is drawn by dragging: the part of all images to keep."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.picture import Picture

#: Pixels of the screen below which a drag is a click that slipped.
_LEAST_DRAG = 4.0


class CropPicture(Picture):
    """Emits `cropped(top, left, height, width)` in pixels of the images, from 0, when a drag ends; Esc gives it up."""

    cropped = Signal(int, int, int, int)

    def __init__(self, side: int = 64, parent: QWidget | None = None) -> None:
        super().__init__(side, parent)
        self._shape: tuple[int, int] | None = None
        self._start: QPointF | None = None
        self._end = QPointF()
        self._dragged = -1

    def set_shape(self, shape: tuple[int, int] | None) -> None:
        """Take the shape of the images, of which those shown may be smaller copies; None: nothing can be cropped."""
        self._shape = shape
        self._start = None
        self.setCursor(Qt.CursorShape.ArrowCursor if shape is None else Qt.CursorShape.CrossCursor)
        self.setToolTip("" if shape is None else "Drag a rectangle to crop all images to it")

    def _part(self) -> tuple[int, int, int, int] | None:
        """The pixels under the rectangle: top, left, height, width."""
        if self._start is None or self._shape is None:
            return None
        place, (height, width) = self.place_of(self._dragged), self._shape
        drawn = QRectF(self._start, self._end).normalized()
        if max(drawn.width(), drawn.height()) < _LEAST_DRAG:
            return None
        across, down = width / place.width(), height / place.height()
        left = min(width - 1, max(0, int((drawn.left() - place.left()) * across)))
        top = min(height - 1, max(0, int((drawn.top() - place.top()) * down)))
        right = min(width, max(left + 1, math.ceil((drawn.right() - place.left()) * across)))
        bottom = min(height, max(top + 1, math.ceil((drawn.bottom() - place.top()) * down)))
        return top, left, bottom - top, right - left

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a rectangle on the image under the pointer."""
        at = event.position()
        found = [k for k in range(len(self._images)) if self.place_of(k).contains(at)]
        if self._shape is not None and found and event.button() == Qt.MouseButton.LeftButton:
            self._dragged, self._start, self._end = found[0], at, at
            self.setFocus()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Draw the rectangle up to the pointer."""
        if self._start is not None:
            self._end = event.position()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Crop to the rectangle."""
        if self._start is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self._end = event.position()
        part, self._start = self._part(), None
        self.update()
        if part is not None:
            self.cropped.emit(*part)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Give a rectangle up by Esc."""
        if self._start is not None and event.key() == Qt.Key.Key_Escape:
            self._start = None
            self.update()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The images, and the part that a release would keep, with its size."""
        super().paintEvent(event)
        part = self._part()
        if part is None or self._shape is None:
            return
        top, left, height, width = part
        place = self.place_of(self._dragged)
        across, down = place.width() / self._shape[1], place.height() / self._shape[0]
        kept = QRectF(place.left() + left * across, place.top() + top * down, width * across, height * down)
        painter = QPainter(self)
        painter.setPen(QPen(QColor(current_theme().canvas_accent), 2))
        painter.drawRect(kept)
        said = f"{height} × {width} from row {top + 1}, column {left + 1}"
        line = painter.fontMetrics().boundingRect(said).adjusted(-4, -2, 4, 2)
        line.moveCenter(place.center().toPoint())
        line.moveTop(2)
        line.moveLeft(max(0, min(line.left(), self.width() - line.width())))
        painter.fillRect(line, QColor(current_theme().canvas))
        painter.setPen(QColor(current_theme().canvas_text))
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, said)
