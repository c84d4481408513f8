"""A view of one picture that the wheel zooms and a drag moves, with whatever lies over it in the picture's pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QResizeEvent, QTransform, QWheelEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QGraphicsItem,
    QGraphicsRectItem,
    QGraphicsScene,
    QGraphicsView,
    QStyleOptionGraphicsItem,
    QWidget,
)

Array = npt.NDArray[Any]

#: Zoom of a wheel's unit, an eighth of a degree, and the ends of it: pixels of the screen for one of the picture.
_WHEEL, _LEAST, _MOST = 1.02 ** (1 / 8), 0.01, 400.0
_GRIPS = Qt.MouseButton.LeftButton | Qt.MouseButton.MiddleButton


class Picture(QGraphicsItem):
    """Pixels, nearest neighbour, in a rectangle.

    Qt scales 32-bit pixels six times as fast as indices into a table of colours, so they are made once a frame, and
    only when it is painted.

    Attributes
    ----------
    pixels : ndarray (height, width) or (height, width, 3), uint8, or None
    """

    def __init__(self) -> None:
        super().__init__()
        self.pixels: Array | None = None
        self._rect = QRectF()
        self._table: list[int] = []
        self._has_alpha = False
        self._image: QImage | None = None

    def set_table(self, colours: Array) -> None:
        """Colours of the values: (256, 3) uint8, or (256, 4) with opacities."""
        self._has_alpha = colours.shape[1] == 4
        red, green, blue = (colours[:, k].astype(np.uint32) for k in range(3))
        alpha = colours[:, 3].astype(np.uint32) if self._has_alpha else np.uint32(255)
        self._table = (alpha << 24 | red << 16 | green << 8 | blue).tolist()
        self._image = None
        self.update()

    def set_pixels(self, pixels: Array, rect: QRectF) -> None:
        """Show pixels (height, width) or (height, width, 3), uint8, in this rectangle; read when they are painted."""
        if rect != self._rect:
            self.prepareGeometryChange()
            self._rect = rect
        self.pixels, self._image = pixels, None
        self.update()

    def boundingRect(self) -> QRectF:
        """The rectangle that the pixels fill."""
        return self._rect

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """The pixels."""
        if self._image is None and self.pixels is not None:
            self._image = self._converted(np.ascontiguousarray(self.pixels))
        if self._image is not None:
            painter.drawImage(self._rect, self._image)

    def _converted(self, pixels: Array) -> QImage:
        height, width = pixels.shape[:2]
        if pixels.ndim == 3:
            colours = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
            return colours.convertToFormat(QImage.Format.Format_RGB32)
        indexed = QImage(pixels.data, width, height, width, QImage.Format.Format_Indexed8)
        indexed.setColorTable(self._table)
        kind = QImage.Format.Format_ARGB32_Premultiplied if self._has_alpha else QImage.Format.Format_RGB32
        return indexed.convertToFormat(kind)


class ZoomView(QGraphicsView):
    """Shows a part of the plane in which items lie; x to the right, y down, one scale for both.

    Attributes
    ----------
    stage : QGraphicsItem
        Parent of all that is shown.
    """

    zoomed = Signal()  # by hand
    scaled = Signal(float)  # pixels of the window for one of the plane

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.stage = QGraphicsRectItem()
        self._part = QRectF(0, 0, 1, 1)
        self._linked: list[ZoomView] = []
        self._grip: tuple[QPointF, QRectF] | None = None
        self._is_dragging = False
        scene = QGraphicsScene(self)
        scene.setItemIndexMethod(QGraphicsScene.ItemIndexMethod.NoIndex)
        scene.addItem(self.stage)
        self.setScene(scene)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)  # a frame changes nearly all

    def add(self, *items: QGraphicsItem) -> None:
        """Put items on the stage, each over those before it."""
        for item in items:
            item.setParentItem(self.stage)

    @property
    def visible_part(self) -> QRectF:
        """Part of the plane that is in view."""
        inverted, _ = self.stage.transform().inverted()
        return QRectF(inverted.mapRect(QRectF(self.viewport().rect())))

    def show_part(self, part: QRectF) -> None:
        """Bring this part into view, as large as there is room for, here and in linked views."""
        self._part = part
        self._set_stage()
        for view in self._linked:
            if view._part != part:
                view.show_part(part)

    def _set_stage(self) -> None:
        room = self.viewport().size()
        part = self._part
        scale = min(room.width() / part.width(), room.height() / part.height())
        scale = min(max(scale, _LEAST), _MOST)
        x = 0.5 * room.width() - scale * part.center().x()
        y = 0.5 * room.height() - scale * part.center().y()
        self.scene().setSceneRect(0, 0, room.width(), room.height())
        is_new = scale != self.stage.transform().m11()
        self.stage.setTransform(QTransform(scale, 0, 0, scale, x, y))
        if is_new:
            self.scaled.emit(scale)

    def link_zoom(self, other: ZoomView) -> None:
        """Show the same part as another view, from now on, whichever is zoomed."""
        self._linked.append(other)
        other._linked.append(self)

    def unlink_zoom(self) -> None:
        """Show a part of its own: called before the view goes."""
        for view in self._linked:
            view._linked.remove(self)
        self._linked.clear()

    def plane_position(self, position: QPointF | QPoint) -> QPointF:
        """Point of the plane at a point of the viewport."""
        inverted, _ = self.stage.transform().inverted()
        return inverted.map(QPointF(position))

    def viewport_position(self, point: QPointF) -> QPointF:
        """Point of the viewport at a point of the plane."""
        return self.stage.transform().map(point)

    def end_drag(self, part: object) -> None:
        """End a drag that moved the view, and show this part again."""
        self._grip = None
        if isinstance(part, QRectF):
            self.show_part(part)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the same part in view."""
        super().resizeEvent(event)
        self._set_stage()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom, about what is under the pointer."""
        part, at = self.visible_part, self.plane_position(event.position())
        scale = self.stage.transform().m11()
        factor = min(max(scale * _WHEEL ** event.angleDelta().y(), _LEAST), _MOST) / scale
        corner = at + (part.topLeft() - at) / factor
        self.show_part(QRectF(corner, part.size() / factor))
        self.zoomed.emit()
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the picture."""
        if event.button() & _GRIPS:
            self._grip, self._is_dragging = (event.position(), self.visible_part), False
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the picture that is held."""
        if self._grip is None or not event.buttons() & _GRIPS:
            self._grip = None
            return
        start, part = self._grip
        moved = event.position() - start
        self._is_dragging |= moved.manhattanLength() >= QApplication.startDragDistance()
        if self._is_dragging:
            self.show_part(part.translated(-moved / self.stage.transform().m11()))
            self.zoomed.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the drag."""
        self._grip = None
        event.accept()
