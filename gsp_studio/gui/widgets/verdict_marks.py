"""Verdicts on basis images: a tick on those that were accepted, a cross over those that were rejected."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from gsp_studio.gui.widgets.tile_buffer import TileBuffer
from gsp_studio.gui.widgets.tile_marks import TileOverlay

#: Pixels of the screen: diameter of a mark, and its distance from the tile's corner.
_SIZE, _INSET = 15.0, 3.0
#: Lines of the signs, in parts of the diameter.
_TICK = ((0.26, 0.52), (0.43, 0.69), (0.75, 0.33))
_CROSS = (((0.3, 0.3), (0.7, 0.7)), ((0.7, 0.3), (0.3, 0.7)))
_GROUND, _SIGN, _SHADE = QColor(18, 20, 24, 220), QColor(236, 238, 241), QColor(22, 24, 28, 170)


class VerdictMarks(TileOverlay):
    """Marks in the lower right corners of tiles, of one size on the screen whatever the zoom."""

    def __init__(self) -> None:
        super().__init__()
        self._accepted: tuple[int, ...] = ()
        self._rejected: tuple[int, ...] = ()

    def set_tiles(self, buffer: TileBuffer | None, accepted: tuple[int, ...], rejected: tuple[int, ...]) -> None:
        """Mark these tiles and no others."""
        self._accepted, self._rejected = accepted, rejected
        self.lie_over(buffer)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Rejected tiles step back behind a shade."""
        if self._buffer is None or not (self._accepted or self._rejected):
            return
        to_screen = painter.worldTransform()
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for tiles, is_accepted in ((self._rejected, False), (self._accepted, True)):
            for tile in tiles:
                if 0 <= tile < self._buffer.count:
                    self._mark(painter, to_screen.mapRect(self._tile(tile)), is_accepted)
        painter.restore()

    def _mark(self, painter: QPainter, tile: QRectF, is_accepted: bool) -> None:
        if not is_accepted:
            painter.fillRect(tile, _SHADE)
        size = min(_SIZE, 0.5 * min(tile.width(), tile.height()))
        corner = tile.bottomRight() - QPointF(_INSET + size, _INSET + size)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_GROUND)
        painter.drawEllipse(QRectF(corner.x(), corner.y(), size, size))
        painter.setPen(QPen(_SIGN, max(1.0, 0.11 * size)))
        lines = (_TICK,) if is_accepted else _CROSS
        for line in lines:
            painter.drawPolyline([corner + QPointF(x * size, y * size) for x, y in line])
