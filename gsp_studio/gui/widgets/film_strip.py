"""A strip of thumbnails in one widget: only what is in view is ever fetched or drawn, however many images there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QSizePolicy, QToolTip, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.controls import plain
from gsp_studio.gui.widgets.picture import draw_fitted, thumbnail
from gsp_studio.gui.widgets.worded import word_name

_SIDE = 48
_PITCH = _SIDE + 16
_MARGIN = 6
_KEPT = 1024
_CELLS_A_NOTCH = 3


def _no_words(image: int) -> str:
    return ""


class FilmStrip(QAbstractScrollArea):
    """Images in an order; emits `picked(image)` for a click and the keys that walk, `left` when the pointer goes."""

    picked = Signal(int)
    left = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._order: Array = np.zeros(0, int)
        self._positions: Array = np.zeros(0, int)  # where each image is in the order
        self._thumbnail: Callable[[int], QImage] | None = None
        self._caption: Callable[[int], str] = _no_words
        #: Returns the text for an image that the pointer rests on, "" for none.
        self.about: Callable[[int], str] = _no_words
        self._selected, self._glance = -1, -1
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        word_name(self, name)
        self.viewport().setMouseTracking(True)
        self.horizontalScrollBar().valueChanged.connect(self.viewport().update)

    def set_images(self, fetch: Callable[[int], Array], count: int) -> None:
        """Show other images; `fetch` gives one (height, width) when it comes into view."""
        self._thumbnail = lru_cache(_KEPT)(lambda image: thumbnail(fetch(image)))
        self._selected = -1
        self.set_order(np.arange(count))
        self.horizontalScrollBar().setValue(0)

    def set_order(self, order: Array, caption: Callable[[int], str] = _no_words) -> None:
        """Show the images in this order (all of them, a permutation), with a line below each."""
        self._order, self._caption = order, caption
        self._positions = np.argsort(order)
        self._set_range()
        self._reveal()
        self.viewport().update()

    def go_to_start(self) -> None:
        """Bring the first images into view."""
        self.horizontalScrollBar().setValue(0)

    def set_selected(self, image: int) -> None:
        """Frame an image and bring it into view; -1 for none."""
        if image != self._selected:
            self._selected = image
            self._reveal()
            self.viewport().update()

    def image_at(self, place: QPoint) -> int:
        """The image at a place of the viewport, or -1."""
        position = (place.x() + self.horizontalScrollBar().value() - _MARGIN) // _PITCH
        return int(self._order[position]) if 0 <= position < len(self._order) else -1

    def place_of(self, image: int) -> QRect:
        """Return the place of an image's thumbnail, in the viewport's pixels, in view or not."""
        x = _MARGIN + self._position_of(image) * _PITCH - self.horizontalScrollBar().value()
        return QRect(x + (_PITCH - _SIDE) // 2, _MARGIN, _SIDE, _SIDE)

    def sizeHint(self) -> QSize:
        bar = self.horizontalScrollBar().sizeHint().height()
        return QSize(640, _SIDE + 2 * _MARGIN + self.fontMetrics().height() + bar)

    def minimumSizeHint(self) -> QSize:
        """A few images wide."""
        return QSize(3 * _PITCH, self.sizeHint().height())

    def _position_of(self, image: int) -> int:
        return int(self._positions[image]) if 0 <= image < len(self._positions) else -1

    def _set_range(self) -> None:
        bar, width = self.horizontalScrollBar(), self.viewport().width()
        bar.setRange(0, max(0, len(self._order) * _PITCH + 2 * _MARGIN - width))
        bar.setPageStep(max(_PITCH, width - _PITCH))
        bar.setSingleStep(_PITCH)

    def _reveal(self) -> None:
        position = self._position_of(self._selected)
        if position >= 0:
            bar, left = self.horizontalScrollBar(), position * _PITCH
            bar.setValue(max(min(bar.value(), left), left + _PITCH + 2 * _MARGIN - self.viewport().width()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the selection in view."""
        self._set_range()
        self._reveal()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll, with either wheel."""
        turned = event.angleDelta().y() or event.angleDelta().x()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - round(turned / 120.0 * _CELLS_A_NOTCH * _PITCH))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        image = self.image_at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and image >= 0:
            self.picked.emit(image)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show what a click would pick."""
        image = self.image_at(event.position().toPoint())
        if image != self._glance:
            self._glance = image
            self.viewport().update()

    def viewportEvent(self, event: QEvent) -> bool:
        """Tell of the image that the pointer rests on."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            image = self.image_at(event.pos())
            QToolTip.showText(event.globalPos(), plain(self.about(image)) if image >= 0 else "", self.viewport())
            return True
        return super().viewportEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer is gone."""
        self._glance = -1
        self.viewport().update()
        self.left.emit()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right walk, Page Up and Down by a strip, Home and End to the ends."""
        last, page = len(self._order) - 1, max(1, self.viewport().width() // _PITCH - 1)
        position = self._position_of(self._selected)
        key = Qt.Key(event.key())
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_PageUp: -page, Qt.Key.Key_PageDown: page}
        ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: last}
        is_alone = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if not is_alone or last < 0 or (key not in steps and key not in ends):
            event.ignore()
            return
        to = ends.get(key, min(last, max(0, position + steps.get(key, 0))))
        if to != position:
            self.picked.emit(int(self._order[to]))

    def paintEvent(self, event: QPaintEvent) -> None:
        """The thumbnails in view."""
        theme = current_theme()
        painter = QPainter(self.viewport())
        painter.fillRect(self.viewport().rect(), QColor(theme.plot))
        first = max(0, (self.horizontalScrollBar().value() - _MARGIN) // _PITCH)
        for image in self._order[first : first + self.viewport().width() // _PITCH + 2]:
            self._paint_cell(painter, int(image))
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.plot_accent), 1))
            painter.drawRect(self.viewport().rect().adjusted(0, 0, -1, -1))

    def _paint_cell(self, painter: QPainter, image: int) -> None:
        theme, box = current_theme(), self.place_of(image)
        assert self._thumbnail is not None
        place = draw_fitted(painter, QRectF(box), self._thumbnail(image))
        chosen = image == self._selected
        if chosen or image == self._glance:
            painter.setPen(QPen(QColor(theme.plot_accent if chosen else theme.plot_muted), 2 if chosen else 1))
            painter.drawRect(place.adjusted(-2, -2, 2, 2))
        painter.setPen(QColor(theme.plot_text if chosen else theme.plot_muted))
        line = QRect(box.center().x() - _PITCH // 2, box.bottom() + 4, _PITCH, painter.fontMetrics().height())
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, self._caption(image))
