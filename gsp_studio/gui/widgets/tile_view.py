"""The view of a tile buffer: its pixels, frames around what is selected, and what is written over the tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QGraphicsRectItem, QToolTip, QWidget

from gsp_studio.gui.theme import Themed, current_theme
from gsp_studio.gui.widgets.controls import plain
from gsp_studio.gui.widgets.tile_buffer import GAP, GAP_COLOUR, TileBuffer
from gsp_studio.gui.widgets.tile_layout import best_columns
from gsp_studio.gui.widgets.tile_marks import TileBars, TileEdges, TileFrames, TileLabels, TileWords
from gsp_studio.gui.widgets.verdict_marks import VerdictMarks
from gsp_studio.gui.widgets.worded import word_name
from gsp_studio.gui.widgets.zoom_view import Picture, ZoomView

Array = npt.NDArray[Any]

COLOUR_MAPS = ("grey", "magma", "viridis", "cividis")
#: Opacity of a veil where it is thickest, of 255: what is below stays seen.
_VEIL = 200
#: Pixels of the screen around all tiles.
_MARGIN = 4
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


def colour_table(name: str) -> Array:
    """256 colours (256, 3) uint8: 0 to 254 for values, 255 for what lies between tiles."""
    if name == "grey":
        table = np.repeat(np.linspace(0, 255, 256)[:, None], 3, axis=1).astype(np.uint8)
    else:
        import pyqtgraph as pg  # once the window is on the screen: it takes long to import

        table = np.array(pg.colormap.get(name).getLookupTable(nPts=256, alpha=False), dtype=np.uint8)
    table[GAP] = GAP_COLOUR
    return table


def veil_table(colour: str) -> Array:
    """256 colours with opacities (256, 4) uint8: from nothing at 0 to nearly all of `colour`; nothing between tiles."""
    table = np.empty((256, 4), np.uint8)
    ink = QColor(colour)
    table[:, :3] = ink.red(), ink.green(), ink.blue()
    table[:, 3] = np.linspace(0, _VEIL, 256)
    table[GAP, 3] = 0
    return table


class TileView(Themed, ZoomView):
    """Shows a `TileBuffer`; tells which tile is picked and what lies under the pointer."""

    picked = Signal(int)
    pickedMore = Signal(int, bool)  # tile, with Ctrl; whether all from the last one to it are meant, with Shift
    hovered = Signal(int, int, int)  # tile, row, column; -1 for none
    barActivated = Signal(int)  # the tile whose bar was double-clicked
    laidOut = Signal()  # the tiles stand in other columns

    _leader: TileView | None = None  # whose columns and zoom this one follows

    def __init__(self, parent: QWidget | None = None, *, is_filling: bool = False) -> None:
        """`is_filling`: choose the columns that make tiles as large as there is room for."""
        super().__init__(parent)
        self._buffer: TileBuffer | None = None
        self._is_filling, self._is_fitted = is_filling, True
        #: Returns the text for a tile that the pointer rests on, "" for none.
        self.about: Callable[[int], str] = lambda tile: ""
        self._selected = -1
        self._image = Picture()
        self._labels = TileLabels()
        self._marks = TileFrames()
        self._frozen = TileFrames(Qt.PenStyle.DashLine, inset=0.06)
        self._spread = Picture()
        self._spread.hide()
        self._unstable = TileFrames(Qt.PenStyle.DotLine, inset=0.02)
        self._verdicts = VerdictMarks()
        self.edges, self.words, self.bars = TileEdges(), TileWords(), TileBars()
        #: Covers the cells that the last row leaves empty: there is nothing, neither an image nor a gap.
        self._empty = QGraphicsRectItem()
        self._empty.setPen(Qt.PenStyle.NoPen)
        self._frame = self._outline(2.5)
        self._glance = self._outline(1.0)
        self._overlays = (self.bars, self._verdicts, self.words, self._labels, self.edges)
        self._frames = (self._unstable, self._frozen, self._marks)
        self.add(self._image, self._spread, self._empty, *self._overlays, self._glance, *self._frames, self._frame)
        self.zoomed.connect(self._leave_fit)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        word_name(self, "Basis images")
        self.viewport().setMouseTracking(True)
        self.set_colour_map("grey")
        self.follow_theme()

    def _outline(self, width: float) -> QGraphicsRectItem:
        item = QGraphicsRectItem()
        pen = QPen(QColor("white"), width)
        pen.setCosmetic(True)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        item.setPen(pen)
        item.setBrush(Qt.BrushStyle.NoBrush)
        item.hide()
        return item

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        theme = current_theme()
        self.setBackgroundBrush(QColor(theme.canvas))
        for item, colour in ((self._frame, theme.canvas_accent), (self._glance, theme.canvas_muted)):
            pen = item.pen()
            pen.setColor(QColor(colour))
            item.setPen(pen)
        self._empty.setBrush(QColor(theme.canvas))
        self._marks.pen.setColor(QColor(theme.canvas_accent))
        self._frozen.pen.setColor(QColor(theme.canvas_frozen))
        self._unstable.pen.setColor(QColor(theme.canvas_target))
        self._spread.set_table(veil_table(theme.spread))

    def set_colour_map(self, name: str) -> None:
        """One of COLOUR_MAPS; images in colour keep their own."""
        self.set_colours(colour_table(name))

    def set_colours(self, table: Array) -> None:
        """Colours of the values of grey tiles: (256, 3) uint8, the last one of what lies between tiles."""
        self._image.set_table(table)

    def set_buffer(self, buffer: TileBuffer) -> None:
        """Show another buffer, in full."""
        self._buffer = buffer
        self._fill_room()
        self._labels.set_texts(buffer, ())
        self._place_all()
        self.fit()

    def _place_all(self) -> None:
        """Show the buffer and what lies over it, where its tiles are."""
        self.show_frame()
        if self._buffer is not None:
            self._empty.setRect(QRectF(*self._buffer.empty))
        for item in (*self._overlays, *self._frames):
            item.lie_over(self._buffer)
        self._glance.hide()
        self.set_selected(self._selected)

    def _fill_room(self) -> bool:
        """Lay the tiles out as large as there is room for; whether they stand in other columns then."""
        buffer, room = self._buffer, self.viewport().size()
        if buffer is None or not self._is_filling or not (self._is_fitted or self._leader is not None):
            return False
        size = (room.width() - 2 * _MARGIN, room.height() - 2 * _MARGIN)
        leading = None if self._leader is None else self._leader._buffer
        columns = leading.columns if leading is not None else best_columns(buffer.count, buffer.pitch, buffer.gap, size)
        if columns == buffer.columns:
            return False
        buffer.lay_out(columns)
        return True

    def _leave_fit(self) -> None:
        self._is_fitted = False

    def show_frame(self) -> None:
        """Show what has been written into the buffer."""
        if self._buffer is not None:
            self._image.set_pixels(self._buffer.pixels, self._extent)

    def show_glimpse(self, coarse: TileBuffer) -> None:
        """Show a buffer of the same tiles in fewer pixels, in the place of the other one's."""
        self._image.set_pixels(coarse.pixels, self._extent)

    @property
    def _extent(self) -> QRectF:
        assert self._buffer is not None
        height, width = self._buffer.pixels.shape[:2]
        return QRectF(0, 0, width, height)

    def set_labels(self, texts: tuple[str, ...]) -> None:
        """A line for each tile, none to show none."""
        self._labels.set_texts(self._buffer, texts)

    def set_selected(self, tile: int) -> None:
        """Frame a tile; -1 for none."""
        self._selected = tile
        self._place(self._frame, tile)

    def set_marked(self, tiles: tuple[int, ...]) -> None:
        """Frame these tiles too, thinner."""
        self._marks.set_tiles(self._buffer, tiles)

    def set_frozen(self, tiles: tuple[int, ...]) -> None:
        """Dash the inside of these tiles."""
        self._frozen.set_tiles(self._buffer, tiles)

    def set_unstable(self, tiles: tuple[int, ...]) -> None:
        """Outline these tiles with dots."""
        self._unstable.set_tiles(self._buffer, tiles)

    def set_spread(self, buffer: TileBuffer | None) -> None:
        """Lay a veil over the tiles, as thick as this buffer of the same tiles says; None: no veil."""
        self._spread.setVisible(buffer is not None)
        if buffer is not None:
            self._spread.set_pixels(buffer.pixels, self._extent)

    def set_verdicts(self, accepted: tuple[int, ...], rejected: tuple[int, ...]) -> None:
        """Mark tiles as accepted and as rejected."""
        self._verdicts.set_tiles(self._buffer, accepted, rejected)

    def fit(self) -> None:
        """Show all tiles."""
        if self._leader is not None:
            self._leader.fit()
        if self._buffer is None or self._leader is not None:
            return
        self._is_fitted = True
        if self._fill_room():
            self._place_all()
            self.laidOut.emit()
        height, width = self._buffer.pixels.shape[:2]
        room = self.viewport().size()
        pixels = min((room.width() - 2 * _MARGIN) / width, (room.height() - 2 * _MARGIN) / height)
        around = _MARGIN / max(pixels, 1e-3)
        self.show_part(self._extent.adjusted(-around, -around, around, around))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show all tiles in the new room, unless a part of them was zoomed."""
        super().resizeEvent(event)
        if self._is_filling and self._is_fitted and self._leader is None:
            self.fit()

    def link_zoom(self, other: ZoomView) -> None:
        """Show the same part as another view, of as many tiles in its columns, from now on, whichever is zoomed."""
        super().link_zoom(other)
        if isinstance(other, TileView):
            self._leader = other
            self.zoomed.connect(other._leave_fit)
            other.laidOut.connect(self._follow_columns)

    def _follow_columns(self) -> None:
        if self._fill_room():
            self._place_all()

    def _place(self, item: QGraphicsRectItem, tile: int) -> None:
        if self._buffer is None or not 0 <= tile < self._buffer.count:
            item.hide()
            return
        x, y = self._buffer.origin_of(tile)
        item.setRect(QRectF(x, y, self._buffer.width, self._buffer.height))
        item.show()

    def tile_at(self, place: QPoint) -> int:
        """Tile at a point of the viewport; -1 for none."""
        if self._buffer is None:
            return -1
        point = self.plane_position(place)
        return self._buffer.tile_at(point.x(), point.y())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Pick the tile under the pointer."""
        super().mousePressEvent(event)
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.LeftButton and self._buffer is not None:
            point = self.plane_position(event.position())
            tile = self._buffer.tile_at(point.x(), point.y())
            is_range = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            if tile >= 0 and (is_range or event.modifiers() & Qt.KeyboardModifier.ControlModifier):
                self.pickedMore.emit(tile, is_range)
            else:
                self.picked.emit(tile)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell what lies under the pointer."""
        super().mouseMoveEvent(event)
        if self._buffer is None:
            return
        point = self.plane_position(event.position())
        pixel = self._buffer.pixel_at(point.x(), point.y())
        tile = -1 if pixel is None else self._buffer.tile_at(point.x(), point.y())
        self._place(self._glance, tile)
        self.hovered.emit(tile, *(pixel or (-1, -1)))

    def viewportEvent(self, event: QEvent) -> bool:
        """Tell of the tile that the pointer rests on."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and self._buffer is not None:
            point = self.plane_position(event.pos())
            tile = self._buffer.tile_at(point.x(), point.y())
            text = self.about(tile) if tile >= 0 else ""
            QToolTip.showText(event.globalPos(), plain(text) if text else "", self.viewport())
            return True
        return bool(super().viewportEvent(event))

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing lies under the pointer any more."""
        self._glance.hide()
        self.hovered.emit(-1, -1, -1)
        super().leaveEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show all tiles again, or tell of the bar under the pointer."""
        buffer, point = self._buffer, self.plane_position(event.position())
        tile = -1 if buffer is None else buffer.tile_at(point.x(), point.y())
        if buffer is not None and tile >= 0 and buffer.is_in_strip(point.y()):
            if event.button() == Qt.MouseButton.LeftButton:
                self.barActivated.emit(tile)
        else:
            self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows walk from tile to tile."""
        step = _ARROWS.get(Qt.Key(event.key()))
        if step is None or self._buffer is None or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            event.ignore()
            return
        tile = self._selected + step[0] + step[1] * self._buffer.columns if self._selected >= 0 else 0
        if 0 <= tile < self._buffer.count:
            self.picked.emit(tile)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The tiles, and a line around them while the keyboard is here."""
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self.viewport())
            painter.setPen(QPen(QColor(current_theme().canvas_accent), 1))
            painter.drawRect(self.viewport().rect().adjusted(0, 0, -1, -1))
            painter.end()
