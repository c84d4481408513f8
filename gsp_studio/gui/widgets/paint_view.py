"""A canvas to paint weights on: a grey image under the colours of the weights, and the brush under the pointer.

The mixture of both is kept as one image, of which a move of the brush writes and repaints only the part that it met.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.arrays import Array
from gsp_studio.core.weighting import FLOOR, Box, Stroke
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.picture import scaled_to_grey
from gsp_studio.gui.widgets.weight_legend import weight_colours

#: How much of what is seen are the weights' colours.
_OVERLAY = 0.4
_HARDNESS = 0.5
_MARGIN = 8.0
#: From so many pixels of the screen for one of the image on, it is a whole number of them.
_WHOLE = 8
_ARROWS = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0)}
#: Keys of the canvas while it has the keyboard, before they are the window's.
_KEYS = (
    *_ARROWS,
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_Plus,
    Qt.Key.Key_Equal,
    Qt.Key.Key_Minus,
    Qt.Key.Key_B,
    Qt.Key.Key_E,
    Qt.Key.Key_M,
    Qt.Key.Key_Escape,
)
_PAINTING = (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton)


def _pack(colours: Array) -> Array:
    """Colours (k, 3) as the words 0x00RRGGBB of a QImage."""
    c = colours.astype(np.uint32)
    words: Array = (c[:, 0] << 16) | (c[:, 1] << 8) | c[:, 2]
    return words


def _tables() -> tuple[Array, Array]:
    """Words for greys and for weights that only have to be added: no channel can exceed 255."""
    grey = np.repeat(np.floor((1 - _OVERLAY) * np.arange(256.0))[:, None], 3, axis=1)
    return _pack(grey) | np.uint32(0xFF000000), _pack(np.floor(_OVERLAY * weight_colours()))


@dataclass(frozen=True)
class Brush:
    """Brush of a stroke.

    Attributes
    ----------
    diameter : float
        In pixels of the image, at least 1.
    strength : float
        How far the middle goes to the highest weight, or, erasing, to the lowest.
    erases : bool
    mirror : bool
        Whether left and right are painted alike.
    """

    diameter: float = 5.0
    strength: float = 1.0
    erases: bool = False
    mirror: bool = False


class PaintView(QWidget):
    """Edits weights (height, width) in [0, 1].

    Emits `painted` when a move has changed something, `strokeEnded(box, before)` when the stroke that has ends,
    `hovered(row, column)` for the pixel under the pointer, -1 for none, and `brushRequested(Brush)` for keys and wheel.
    """

    painted = Signal()
    strokeEnded = Signal(object, object)
    hovered = Signal(int, int)
    brushRequested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.brush = Brush()
        self.weights: Array = np.zeros((0, 0))
        self._grey: Array = np.zeros((0, 0), np.uint8)
        self._words: Array = np.zeros((0, 0), np.uint32)
        self._image: QImage | None = None
        self._of_grey, self._of_weight = _tables()
        self._stroke: Stroke | None = None
        self._last = (0.0, 0.0)
        self._pointer: tuple[float, float] | None = None  # (row, column), with fractions
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)  # the right button paints
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Weights, painted over a picture")

    # What is shown

    def set_weights(self, weights: Array) -> None:
        """Show these weights (height, width); a stroke that is being drawn is dropped."""
        if weights.shape != self.weights.shape:
            self._grey = np.zeros(weights.shape, np.uint8)
            self._words = np.zeros(weights.shape, np.uint32)
            height, width = weights.shape
            self._image = QImage(self._words.data, width, height, 4 * width, QImage.Format.Format_RGB32)
            self._pointer = None
        self._stroke = None
        self.weights = np.array(weights, dtype=np.float64)
        self._mix(_whole(weights))

    def set_patch(self, box: Box, values: Array) -> None:
        """Show other weights in a part of the image."""
        self._stroke = None
        self.weights[box] = values
        self._mix(box)

    def set_background(self, image: Array | None) -> None:
        """Show a nonnegative image (height, width), of the weights' shape, under them; None: black."""
        self._grey = np.zeros(self.weights.shape, np.uint8) if image is None else scaled_to_grey(image)
        self._mix(_whole(self.weights))

    def set_brush(self, brush: Brush) -> None:
        """Paint with this one from the next stroke on."""
        self.update()
        self.brush = brush

    @property
    def is_painting(self) -> bool:
        """Whether a stroke is being drawn."""
        return self._stroke is not None

    def _mix(self, box: Box) -> None:
        """Write a part of what is seen, and have it painted."""
        levels = np.clip(255.0 * self.weights[box] + 0.5, 0.0, 255.0).astype(np.uint8)
        self._words[box] = self._of_grey[self._grey[box]] + self._of_weight[levels]
        rows, columns = box
        part = QRectF(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        self.update(self._on_screen(part).toAlignedRect().adjusted(-1, -1, 1, 1))
        self._tell_pointer()

    # Where things are

    def _scale(self) -> float:
        """Screen pixels for a pixel of the image."""
        height, width = self.weights.shape
        room = min((self.width() - 2 * _MARGIN) / max(1, width), (self.height() - 2 * _MARGIN) / max(1, height))
        ratio = self.devicePixelRatioF()
        if room * ratio >= _WHOLE:
            # Whole pixels of the screen: all look alike, and a part repainted meets its surroundings.
            return float(math.floor(room * ratio) / ratio)
        return float(max(room, 1e-3))

    def _corner(self) -> QPointF:
        height, width = self.weights.shape
        scale, ratio = self._scale(), self.devicePixelRatioF()
        x, y = (self.width() - scale * width) / 2, (self.height() - scale * height) / 2
        return QPointF(round(x * ratio) / ratio, round(y * ratio) / ratio)

    def _on_screen(self, part: QRectF) -> QRectF:
        scale, corner = self._scale(), self._corner()
        return QRectF(
            corner.x() + scale * part.x(), corner.y() + scale * part.y(), scale * part.width(), scale * part.height()
        )

    def place_of(self, row: float, column: float) -> QPointF:
        """Return the place of a point of the image in the widget; the middle of a pixel is at .5."""
        return self._on_screen(QRectF(column, row, 0, 0)).topLeft()

    def _point(self, position: QPointF) -> tuple[float, float]:
        scale, corner = self._scale(), self._corner()
        return (position.y() - corner.y()) / scale, (position.x() - corner.x()) / scale

    def _contains(self, point: tuple[float, float]) -> bool:
        height, width = self.weights.shape
        return bool(0 <= point[0] < height and 0 <= point[1] < width)

    # The hand

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a stroke; the right button does the other thing."""
        if event.button() in _PAINTING and self._image is not None and self._stroke is None:
            self._begin(self._point(event.position()), event.button() == Qt.MouseButton.RightButton)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Paint as far as the pointer has come."""
        point = self._point(event.position())
        if self._stroke is not None:
            self._extend(point)
        self._point_at(point)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the stroke when the last button is up."""
        if not event.buttons() & (_PAINTING[0] | _PAINTING[1]):
            self._end()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """With Ctrl another size; else the scroll is for what lies around."""
        if not event.modifiers() & Qt.KeyboardModifier.ControlModifier or event.angleDelta().y() == 0:
            event.ignore()
            return
        self._resize(event.angleDelta().y() > 0)
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:
        self._point_at(self._point(event.position()))
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._point_at(None)
        super().leaveEvent(event)

    def event(self, event: QEvent) -> bool:
        """The canvas's keys are the window's only when the canvas has not the keyboard."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._wants(event):
            event.accept()
            return True
        return super().event(event)

    def _wants(self, event: QKeyEvent) -> bool:
        held = event.modifiers() & ~(Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier)
        if event.key() == Qt.Key.Key_Escape and self._stroke is None:
            return False
        return event.key() in _KEYS and not held and self._image is not None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move the brush, Enter dabs; + and - size, B and E brush and eraser, M mirror, Esc drops a stroke."""
        key = Qt.Key(event.key())
        if not self._wants(event):
            super().keyPressEvent(event)
        elif key in _ARROWS:
            self._walk(*_ARROWS[key], 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self._pointer is not None and self._stroke is None:
                self._begin(self._pointer, False)
                self._end()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self._resize(key != Qt.Key.Key_Minus)
        elif key == Qt.Key.Key_M:
            self.brushRequested.emit(replace(self.brush, mirror=not self.brush.mirror))
        elif key == Qt.Key.Key_Escape:
            self._drop()
        else:
            self.brushRequested.emit(replace(self.brush, erases=key == Qt.Key.Key_E))

    def _walk(self, down: int, right: int, step: int) -> None:
        height, width = self.weights.shape
        row, column = self._pointer or (height / 2, width / 2)
        row = min(max(math.floor(row) + step * down, 0), height - 1) + 0.5
        column = min(max(math.floor(column) + step * right, 0), width - 1) + 0.5
        self._point_at((row, column))

    def _resize(self, larger: bool) -> None:
        d = self.brush.diameter
        step = max(1, round(0.15 * d))
        self.brushRequested.emit(replace(self.brush, diameter=max(1.0, d + step if larger else d - step)))

    def _begin(self, point: tuple[float, float], other: bool) -> None:
        brush = self.brush
        self._stroke = Stroke(
            self.weights,
            FLOOR if brush.erases != other else 1.0,
            radius=brush.diameter / 2,
            strength=brush.strength,
            hardness=_HARDNESS,
            mirror=brush.mirror,
        )
        self._last = point
        self._extend(point)

    def _extend(self, point: tuple[float, float]) -> None:
        assert self._stroke is not None
        boxes = self._stroke.extend(self._last, point)
        self._last = point
        for box in boxes:
            self._mix(box)
        if boxes:
            self.painted.emit()

    def _end(self) -> None:
        stroke, self._stroke = self._stroke, None
        if stroke is not None and stroke.touched is not None:
            self.strokeEnded.emit(stroke.touched, stroke.before(stroke.touched))

    def _drop(self) -> None:
        """Drop the stroke."""
        stroke = self._stroke
        if stroke is not None and stroke.touched is not None:
            self.set_patch(stroke.touched, stroke.before(stroke.touched))
            self.painted.emit()
        self._stroke = None

    def _point_at(self, point: tuple[float, float] | None) -> None:
        """The brush is here now; None: nowhere."""
        self._update_outline()
        self._pointer = point
        self._update_outline()
        self._tell_pointer()

    def _tell_pointer(self) -> None:
        point = self._pointer
        if point is None or not self._contains(point):
            self.hovered.emit(-1, -1)
        else:
            self.hovered.emit(int(point[0]), int(point[1]))

    # Painting

    def _outlines(self) -> list[QRectF]:
        """Outlines of the brush on the screen, and of its mirror image."""
        if self._pointer is None:
            return []
        row, column = self._pointer
        width, d = self.weights.shape[1], self.brush.diameter
        if d <= 1:
            row, column = math.floor(row) + 0.5, math.floor(column) + 0.5
        columns = (column, width - column) if self.brush.mirror else (column,)
        return [self._on_screen(QRectF(c - d / 2, row - d / 2, d, d)) for c in columns]

    def _update_outline(self) -> None:
        for outline in self._outlines():
            self.update(outline.toAlignedRect().adjusted(-3, -3, 3, 3))

    def paintEvent(self, event: QPaintEvent) -> None:
        """The image, the line of symmetry, the brush, and a line around all of it while the keyboard is here."""
        theme = current_theme()
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(theme.canvas))
        if self._image is not None:
            height, width = self.weights.shape
            whole = self._on_screen(QRectF(0, 0, width, height))
            painter.drawImage(whole, self._image)
            if self.brush.mirror:
                painter.setPen(QPen(QColor(255, 255, 255, 110), 1, Qt.PenStyle.DashLine))
                painter.drawLine(QPointF(whole.center().x(), whole.top()), QPointF(whole.center().x(), whole.bottom()))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for k, outline in enumerate(self._outlines()):
                # Dark under light is seen on every ground.
                for colour, line in ((QColor(0, 0, 0, 170), 3.0), (QColor(255, 255, 255, 150 if k else 240), 1.25)):
                    painter.setPen(QPen(colour, line))
                    painter.drawRect(outline) if self.brush.diameter <= 1 else painter.drawEllipse(outline)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.canvas_accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def sizeHint(self) -> QSize:
        return QSize(360, 360)

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 136)


def _whole(weights: Array) -> Box:
    height, width = weights.shape
    return slice(0, height), slice(0, width)
