"""Bars that say which colours stand for which values: on the screen, and below pictures for other programs."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.controls import plain
from gsp_studio.gui.widgets.picture import enlarged, qimage_of

#: Height of the colours, and pixels between them and the values.
_BAR, _GAP = 6.0, 8.0
#: Widest bar in a line with a title, and what is free at both ends of the line.
_WIDEST, _MARGIN = 240.0, 12
#: Size of the letters below pictures for other programs, in pixels.
_LETTERS = 14


def bar_image(table: Array) -> QImage:
    """The colours of a table (k, 3), uint8, in a row."""
    return qimage_of(np.ascontiguousarray(table[None, :, :]))


def paint_bar(painter: QPainter, box: QRectF, bar: QImage, ends: tuple[str, str]) -> None:
    """Paint colours between the values at their ends, on one line; nothing where there is no room for both values."""
    metrics, vertically = painter.fontMetrics(), Qt.AlignmentFlag.AlignVCenter
    left, right = (metrics.horizontalAdvance(end) + _GAP for end in ends)
    if left + right > box.width() + _GAP:
        return
    painter.drawText(box, vertically | Qt.AlignmentFlag.AlignLeft, ends[0])
    painter.drawText(box, vertically | Qt.AlignmentFlag.AlignRight, ends[1])
    place = QRectF(box.left() + left, box.center().y() - _BAR / 2, box.width() - left - right, _BAR)
    if place.width() > _GAP:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(place, bar)
        painter.drawRect(place)  # its end may have the colour of the ground


def with_bar(image: QImage, table: Array, ends: tuple[str, str]) -> QImage:
    """An image for other programs, enlarged by a whole factor, with a bar of its colours below it, on white."""
    large = enlarged(image)
    font = QFont(QGuiApplication.font())
    font.setPixelSize(_LETTERS)
    line = 2 * _LETTERS
    made = QImage(large.width(), large.height() + line, QImage.Format.Format_RGB32)
    made.fill(Qt.GlobalColor.white)
    painter = QPainter(made)
    painter.drawImage(0, 0, large)
    painter.setFont(font)
    painter.setPen(Qt.GlobalColor.black)
    paint_bar(painter, QRectF(2, large.height(), large.width() - 4, line), bar_image(table), ends)
    painter.end()
    return made


class ColourBar(QWidget):
    """A line with the name of what is shown and the values of its colours.

    It stands on the ground of basis images, or on that of panels with a `width` of its own.
    """

    def __init__(self, parent: QWidget | None = None, *, width: int = 0) -> None:
        super().__init__(parent)
        self._is_on_canvas = not width
        self.title, self.ends, self._bar = "", ("", ""), QImage()
        self._table: Array | None = None
        across = QSizePolicy.Policy.Fixed if width else QSizePolicy.Policy.Ignored
        self.setSizePolicy(across, QSizePolicy.Policy.Fixed)
        self._width = width or 160

    def set_bar(self, title: str, table: Array, ends: tuple[str, str], tip: str = "") -> None:
        """Show the colours of a table (k, 3), uint8, between two values."""
        if (title, ends) == (self.title, self.ends) and table is self._table:
            return
        if table is not self._table:
            self._table, self._bar = table, bar_image(table)
        self.title, self.ends = title, ends
        words = f"{f'{title}: c' if title else 'C'}olours from {ends[0]} to {ends[1]}"
        self.setAccessibleName(words)
        self.setToolTip(plain(f"{words}\n{tip}" if tip else words))
        self.update()

    def sizeHint(self) -> QSize:
        """A line."""
        return QSize(self._width, self.fontMetrics().height() + 8)

    def _bar_width(self, room: float) -> float:
        """Width of the bar and its values in this room: what the title leaves, if that is enough."""
        metrics = self.fontMetrics()
        values = sum(metrics.horizontalAdvance(end) for end in self.ends) + 2 * _GAP
        title = metrics.horizontalAdvance(self.title) + 2 + 2 * _GAP if self.title else 0.0
        return float(min(_WIDEST, max(values + 5 * _GAP, room - title), room))

    def shown_title(self) -> str:
        """Return the title, shortened to its room."""
        room = self.width() - 2.0 * _MARGIN
        free = max(0.0, room - self._bar_width(room) - 2 * _GAP)
        return self.fontMetrics().elidedText(self.title, Qt.TextElideMode.ElideRight, int(free))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the title, as far as there is room, and the bar."""
        theme = current_theme()
        painter = QPainter(self)
        if self._is_on_canvas:
            painter.fillRect(self.rect(), QColor(theme.canvas))
        if self._bar.isNull():
            return
        box = QRectF(self.rect()).adjusted(_MARGIN, 0, -_MARGIN, 0)
        width = self._bar_width(box.width())
        painter.setPen(QColor(theme.canvas_text if self._is_on_canvas else theme.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.shown_title())
        painter.setPen(QColor(theme.canvas_muted if self._is_on_canvas else theme.text_muted))
        paint_bar(painter, QRectF(box.right() - width, box.top(), width, box.height()), self._bar, self.ends)
