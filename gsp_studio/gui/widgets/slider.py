"""A slider for a sparsity: drawn by us, because it carries a mark that Qt's slider has no place for.

Left of the mark the basis is denser than the one being projected: the projection cannot go there, so the groove is
hatched. A click jumps, a drag follows, arrows step 0.01, with Shift 0.001; the wheel turns it only with the focus.
"""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.gui.theme import current_theme

_HANDLE = 8.0
_MARGIN = 12.0
_DECIMALS = 4


class SparsitySlider(QWidget):
    """Edits one number in [0, 1]: `value`, `setValue`, `valueChanged`; `resetRequested` on double-click.

    `released` when a change is complete: at the end of a drag, after a key and after a notch of the wheel.
    """

    valueChanged = Signal(float)
    released = Signal()
    resetRequested = Signal()

    def __init__(self, name: str = "Sparsity of the basis", ticks: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ticks = ticks
        self._value = 0.0
        self._mark = math.nan
        self._dragging = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(name)

    def value(self) -> float:
        """The number."""
        return self._value

    @property
    def is_dragged(self) -> bool:
        """Whether the mouse holds the handle."""
        return self._dragging

    def setValue(self, value: float) -> None:
        """Move the handle without a signal: only the user's hand makes one."""
        value = min(1.0, max(0.0, float(value)))
        if value != self._value:
            self._value = value
            self.setAccessibleDescription(f"{value:.3f}")
            self.update()

    def setMark(self, mark: float) -> None:
        """Mark the sparsity of the unprojected basis; NaN for none."""
        self._mark = mark
        self.update()

    def handle_position(self) -> QPointF:
        """Centre of the handle, in this widget's coordinates."""
        return QPointF(self._x_of(self._value), self._groove_y())

    def sizeHint(self) -> QSize:
        """Wide enough to hit a hundredth."""
        return QSize(240, 40 if self._ticks else 28)

    def minimumSizeHint(self) -> QSize:
        return QSize(140, 40 if self._ticks else 28)

    def _groove_y(self) -> float:
        return 16.0

    def _x_of(self, value: float) -> float:
        return _MARGIN + value * (self.width() - 2 * _MARGIN)

    def _value_at(self, x: float) -> float:
        return min(1.0, max(0.0, (x - _MARGIN) / max(1.0, self.width() - 2 * _MARGIN)))

    def _user_sets(self, value: float) -> None:
        value = round(min(1.0, max(0.0, value)), _DECIMALS)
        if value != self._value:
            self.setValue(value)
            self.valueChanged.emit(value)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Grab the handle, or jump to the pointer."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._dragging = True
        if abs(event.position().x() - self._x_of(self._value)) > _HANDLE:
            self._user_sets(self._value_at(event.position().x()))
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self._user_sets(self._value_at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        was_dragging, self._dragging = self._dragging, False
        self.update()
        if was_dragging:
            self.released.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Reset to the mark."""
        self._dragging = False
        self.resetRequested.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """A step a notch, with the focus only: a scroll that passes by must not change a result."""
        if not self.hasFocus():
            event.ignore()
            return
        self._user_sets(self._value + 0.01 * event.angleDelta().y() / 120.0)
        self.released.emit()
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows step 0.01, with Shift 0.001; Home and End go to 0 and 1."""
        step = 0.001 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0.01
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Down):
            self._user_sets(self._value - step)
        elif key in (Qt.Key.Key_Right, Qt.Key.Key_Up):
            self._user_sets(self._value + step)
        elif key == Qt.Key.Key_Home:
            self._user_sets(0.0)
        elif key == Qt.Key.Key_End:
            self._user_sets(1.0)
        else:
            super().keyPressEvent(event)
            return
        self.released.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Groove, unreachable part, filled part, ticks, mark and handle."""
        theme = current_theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        y, left, right = self._groove_y(), self._x_of(0.0), self._x_of(1.0)
        enabled = self.isEnabled()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.separator))
        painter.drawRoundedRect(QRectF(left, y - 2, right - left, 4), 2, 2)
        x = self._x_of(self._value)
        start = left if math.isnan(self._mark) else self._x_of(self._mark)
        if not math.isnan(self._mark):
            painter.setBrush(QBrush(QColor(theme.text_muted), Qt.BrushStyle.BDiagPattern))
            painter.drawRect(QRectF(left, y - 3, start - left, 6))
        if enabled and x > start:
            painter.setBrush(QColor(theme.accent))
            painter.drawRoundedRect(QRectF(start, y - 2, x - start, 4), 2, 2)
        if self._ticks:
            self._paint_ticks(painter, y)
        if not math.isnan(self._mark):
            painter.setBrush(QColor(theme.text_muted))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawPolygon(
                QPolygonF([QPointF(start, y - 5), QPointF(start - 4, y - 12), QPointF(start + 4, y - 12)])
            )
        painter.setPen(QPen(QColor(theme.accent if self.hasFocus() else theme.border), 2.0))
        painter.setBrush(QColor(theme.accent if self._dragging else theme.text if enabled else theme.text_disabled))
        painter.drawEllipse(QPointF(x, y), _HANDLE - 1, _HANDLE - 1)

    def _paint_ticks(self, painter: QPainter, y: float) -> None:
        theme = current_theme()
        font = self.font()
        font.setPointSizeF(max(6.0, font.pointSizeF() * 0.85))
        painter.setFont(font)
        painter.setPen(QColor(theme.text_muted))
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
            x = self._x_of(tick)
            painter.drawLine(QPointF(x, y + 10), QPointF(x, y + 12))
            text = f"{tick:g}"
            width = painter.fontMetrics().horizontalAdvance(text)
            painter.drawText(QPointF(x - width / 2, self.height() - 2.0), text)
