"""A scene in grey: a click names a pixel, a drag a region."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QGraphicsRectItem, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import Themed, current_theme

#: Pixels of the screen that a press may move and still be a click.
_STILL = 4


class SceneView(Themed, pg.GraphicsView):  # type: ignore[misc]
    """One image (height, width), each pixel a square; emits for the user's hand only."""

    pixelPicked = Signal(int, int)  # row, column
    regionDrawn = Signal(int, int, int, int)  # top, left, height, width

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = pg.ViewBox(lockAspect=True, invertY=True, enableMouse=False, enableMenu=False)
        self.setCentralItem(self._box)
        self._image = pg.ImageItem(axisOrder="row-major")
        self._region, self._cross = QGraphicsRectItem(), pg.ScatterPlotItem(size=11, symbol="+", pxMode=True)
        for part in (self._image, self._region, self._cross):
            self._box.addItem(part)
        self._region.hide()
        self._shape = (0, 0)
        self._pressed: tuple[QPointF, QPointF] | None = None  # in the widget, in the image
        self.setAccessibleName(name)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setMinimumSize(60, 60)
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        theme = current_theme()
        self.setBackground(theme.plot)
        pen = pg.mkPen(theme.amber, width=2)
        pen.setCosmetic(True)
        self._region.setPen(pen)
        self._cross.setPen(pen)

    def set_image(self, image: Array, high: float | None = None) -> None:
        """Show other values, black 0, white `high` or the largest."""
        white = float(image.max(initial=0.0)) if high is None else high
        self._image.setImage(np.ascontiguousarray(image, np.float32), autoLevels=False, levels=(0.0, white or 1.0))
        if image.shape != self._shape:
            self._shape = (image.shape[0], image.shape[1])
            self._box.setRange(QRectF(0, 0, image.shape[1], image.shape[0]), padding=0.02)

    @property
    def values(self) -> Array:
        """The values that are shown."""
        found: Array = self._image.image
        return found

    def set_pixel(self, place: tuple[int, int] | None) -> None:
        """Mark a pixel (row, column); None for none."""
        self._cross.setData([] if place is None else [place[1] + 0.5], [] if place is None else [place[0] + 0.5])

    def set_region(self, region: tuple[int, int, int, int] | None) -> None:
        """Frame a region (top, left, height, width); None for none."""
        self._region.setVisible(region is not None)
        if region is not None:
            top, left, height, width = region
            self._region.setRect(QRectF(left, top, width, height))

    def place_of(self, row: int, column: int) -> QPointF:
        """Return the middle of a pixel in this widget's coordinates."""
        scene = self._box.mapViewToScene(QPointF(column + 0.5, row + 0.5))
        return QPointF(self.mapFromScene(scene))

    def _at(self, point: QPointF) -> QPointF:
        found: QPointF = self._box.mapSceneToView(self.mapToScene(point.toPoint()))
        return found

    def _spanned(self, a: QPointF, b: QPointF) -> tuple[int, int, int, int] | None:
        """The pixels between two points, as a region inside of the image."""
        height, width = self._shape
        rows = sorted(int(np.clip(np.floor(y), 0, height - 1)) for y in (a.y(), b.y()))
        columns = sorted(int(np.clip(np.floor(x), 0, width - 1)) for x in (a.x(), b.x()))
        if not height:
            return None
        return rows[0], columns[0], rows[1] - rows[0] + 1, columns[1] - columns[0] + 1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._shape[0]:
            self._pressed = (event.position(), self._at(event.position()))
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Frame what a release would draw."""
        if self._pressed is not None and self._is_drag(event):
            self.set_region(self._spanned(self._pressed[1], self._at(event.position())))
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None:
            return
        is_drag, start, end = self._is_drag(event), self._pressed[1], self._at(event.position())
        self._pressed = None
        if is_drag:
            region = self._spanned(start, end)
            if region is not None:
                self.set_region(region)
                self.regionDrawn.emit(*region)
            return
        row, column = int(np.floor(end.y())), int(np.floor(end.x()))
        if 0 <= row < self._shape[0] and 0 <= column < self._shape[1]:
            self.pixelPicked.emit(row, column)

    def _is_drag(self, event: QMouseEvent) -> bool:
        return self._pressed is not None and (event.position() - self._pressed[0]).manhattanLength() > _STILL

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Nothing: a scroll that passes by changes nothing."""
        event.ignore()
