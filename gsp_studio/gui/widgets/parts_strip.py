"""The basis images that one image is made of: a tile each, with its share as a bar and a number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QScrollBar, QSizePolicy, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.picture import draw_fitted, thumbnail
from gsp_studio.gui.widgets.worded import word_name

_SIDE = 56
_PITCH = _SIDE + 28
_MARGIN = 8
_BAR = 4


class PartsStrip(QWidget):
    """Shows as many parts as there is room for, and scrolls to the rest by the wheel, its bar or the keys.

    Emits `hovered(basis)`, -1 when none is, and `picked(basis)`.

    With the keyboard: Tab comes here, Left and Right hover, Return picks.
    """

    hovered = Signal(int)
    picked = Signal(int)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parts: Array = np.zeros(0, int)
        self._shares: Array = np.zeros(0)
        self.bar = QScrollBar(Qt.Orientation.Vertical, self)
        self.bar.valueChanged.connect(self.update)
        self.bar.hide()
        self._fetch: Callable[[int], Array] | None = None
        self._hot, self._selected = -1, -1
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        word_name(self, name)

    def set_parts(self, parts: Array, shares: Array, fetch: Callable[[int], Array]) -> None:
        """Show these basis images, in this order.

        `shares` are those of all basis images; `fetch` gives one (height, width). One that is not among them is no
        longer hovered, which the caller knows without a signal.
        """
        self._parts, self._shares, self._fetch = parts, shares, fetch
        if self._hot not in parts:
            self._hot = -1
        self._set_range()
        self.update()

    def set_selected(self, basis: int) -> None:
        """Frame a basis image; -1 for none."""
        self._selected = basis
        self.update()

    @property
    def order(self) -> Array:
        """The basis images, with those that there is no room for."""
        return self._parts

    @property
    def rank(self) -> int:
        """Number of basis images, used or not."""
        return len(self._shares)

    @property
    def hot(self) -> int:
        """Hovered part, -1 for none."""
        return self._hot

    def shown(self) -> Array:
        """The basis images that there is room for."""
        columns, rows = self._grid()
        first = columns * self.bar.value()
        return self._parts[first : first + columns * rows]

    def part_at(self, place: QPoint) -> int:
        """The basis image at a place, or -1."""
        columns, parts, corner = self._grid()[0], self.shown(), self._corner()
        column, row = (place.x() - corner.x()) // _PITCH, (place.y() - corner.y()) // self._height()
        position = row * columns + column
        return int(parts[position]) if 0 <= column < columns and 0 <= position < len(parts) else -1

    def place_of(self, basis: int) -> QRectF:
        """Return the place of a basis image's tile."""
        position = int(np.flatnonzero(self.shown() == basis)[0])
        row, column = divmod(position, self._grid()[0])
        corner = self._corner()
        x, y = corner.x() + column * _PITCH + (_PITCH - _SIDE) / 2, corner.y() + row * self._height() + _MARGIN / 2
        return QRectF(x, y, _SIDE, _SIDE)

    def _height(self) -> int:
        return _SIDE + _BAR + 2 * _MARGIN + self.fontMetrics().height()

    def _grid(self) -> tuple[int, int]:
        """Columns and rows that there is room for."""
        room = self.width() - 2 * _MARGIN - self.bar.sizeHint().width()
        return max(1, room // _PITCH), max(1, (self.height() - _MARGIN) // self._height())

    def _set_range(self) -> None:
        """Let the bar scroll by rows where there are more than fit; it is hidden where all fit."""
        columns, rows = self._grid()
        self.bar.setRange(0, max(0, -(-len(self._parts) // columns) - rows))
        self.bar.setPageStep(rows)
        self.bar.setVisible(self.bar.maximum() > 0)
        width = self.bar.sizeHint().width()
        self.bar.setGeometry(self.width() - width, 0, width, self.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Scroll as far as there is more."""
        super().resizeEvent(event)
        self._set_range()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll by a row."""
        delta = event.angleDelta().y()
        if self.bar.maximum() and delta:
            self.bar.setValue(self.bar.value() - (1 if delta > 0 else -1))
            self._hover(self.part_at(event.position().toPoint()))
        else:
            event.ignore()

    def _corner(self) -> QPoint:
        """Corner of the tiles, so that they are in the middle."""
        columns, count = self._grid()[0], len(self.shown())
        across, down = min(columns, count), -(-count // columns)
        return QPoint(
            max(_MARGIN, (self.width() - across * _PITCH) // 2), max(0, (self.height() - down * self._height()) // 2)
        )

    def sizeHint(self) -> QSize:
        return QSize(640, self._height() + _MARGIN)

    def minimumSizeHint(self) -> QSize:
        return QSize(2 * _PITCH + 2 * _MARGIN, self.sizeHint().height())

    def _hover(self, basis: int) -> None:
        if basis != self._hot:
            self._hot = basis
            self.update()
            self.hovered.emit(basis)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Hover what lies under the pointer."""
        self._hover(self.part_at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing lies under the pointer any more."""
        self._hover(-1)
        super().leaveEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Pick a basis image."""
        basis = self.part_at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and basis >= 0:
            self.picked.emit(basis)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right hover, Return picks, Escape ends it."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        key, parts = Qt.Key(event.key()), self._parts.tolist()
        if key in steps and parts:
            position = parts.index(self._hot) + steps[key] if self._hot in parts else 0
            position = min(len(parts) - 1, max(0, position))
            columns, rows = self._grid()
            row = position // columns
            self.bar.setValue(min(row, max(self.bar.value(), row - rows + 1)))
            self._hover(parts[position])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._hot >= 0:
            self.picked.emit(self._hot)
        elif key == Qt.Key.Key_Escape and self._hot >= 0:
            self._hover(-1)
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The keyboard hovers nothing any more."""
        self._hover(-1)
        super().focusOutEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current_theme()
        painter = QPainter(self)
        parts = self.shown()
        top = float(self._shares[self._parts].max(initial=0.0))
        for basis in parts.tolist():
            self._paint_part(painter, basis, self._shares[basis] / top if top > 0 else 0.0)
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.plot_accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _paint_part(self, painter: QPainter, basis: int, length: float) -> None:
        theme, box = current_theme(), self.place_of(basis)
        assert self._fetch is not None
        place = draw_fitted(painter, box, thumbnail(self._fetch(basis)))
        is_hot = basis == self._hot
        if is_hot or basis == self._selected:
            painter.setPen(QPen(QColor(theme.curve_target if is_hot else theme.plot_accent), 2))
            painter.drawRect(place.adjusted(-2, -2, 2, 2))
        bar = QRectF(box.left(), box.bottom() + _MARGIN / 2, box.width() * length, _BAR)
        painter.fillRect(bar, QColor(theme.curve_target if is_hot else theme.plot_accent))
        line = QRectF(box.left() - 8, bar.bottom() + 2, box.width() + 16, painter.fontMetrics().height() + 2)
        painter.setPen(QColor(theme.plot_text))
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, f"{basis + 1}")
        share = f"{100 * self._shares[basis]:.1f} %"
        painter.setPen(QColor(theme.plot_muted))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, share)
