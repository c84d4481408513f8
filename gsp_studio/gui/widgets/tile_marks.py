"""Marks over the tiles of a `TileBuffer`: labels, frames, bars of sparsity, edges of tiles that change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.tile_buffer import TileBuffer

Array = npt.NDArray[Any]

#: Size of the text in tiles, and the least width of a tile with some, in pixels of the screen.
_POINTS, _LEAST_WIDTH = 7.5, 36.0
#: Width of the edge of a tile that changes, and its opacity at most, of 255.
_EDGE, _OPACITY = 2, 130
#: Opacities that are told apart: edges of one are painted at once.
_STEPS = 16
#: Dark ground of a word in a tile, of any picture below it.
_GROUND = QColor(18, 20, 24, 200)


class TileOverlay(QGraphicsItem):
    """Something over all tiles of a buffer, drawn in the screen's pixels whatever the zoom."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer: TileBuffer | None = None
        self._extent = QRectF()

    def lie_over(self, buffer: TileBuffer | None) -> None:
        """Lie over these tiles, where they are now."""
        height, width = (0, 0) if buffer is None else buffer.pixels.shape[:2]
        extent = QRectF(0, 0, width, height)
        if extent != self._extent:
            self.prepareGeometryChange()
            self._extent = extent
        self._buffer = buffer
        self.update()

    def boundingRect(self) -> QRectF:
        """All tiles."""
        return self._extent

    def _tile(self, tile: int) -> QRectF:
        buffer = self._buffer
        assert buffer is not None
        return QRectF(*buffer.origin_of(tile), buffer.width, buffer.height)


class TileLabels(TileOverlay):
    """A line of text in the corner of every tile."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: tuple[str, ...] = ()

    def set_texts(self, buffer: TileBuffer | None, texts: tuple[str, ...]) -> None:
        """A line for each tile, none to show none."""
        self._texts = texts
        self.lie_over(buffer)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Light letters with a shadow."""
        buffer = self._buffer
        if buffer is None or not self._texts:
            return
        to_screen = painter.worldTransform()
        if to_screen.m11() * buffer.width < _LEAST_WIDTH:  # no room: text over text tells nothing
            return
        painter.save()
        painter.resetTransform()
        painter.setFont(_small(painter.font()))
        ascent = painter.fontMetrics().ascent()
        for tile, text in enumerate(self._texts):
            corner = to_screen.map(QPointF(*buffer.origin_of(tile))) + QPointF(3, ascent + 2)
            painter.setPen(QColor(0, 0, 0, 200))
            painter.drawText(corner + QPointF(1, 1), text)
            painter.setPen(QColor(255, 255, 255, 220))
            painter.drawText(corner, text)
        painter.restore()


class TileWords(TileOverlay):
    """A word in the lower left corner of some tiles; a cross where there is no room for it."""

    def __init__(self) -> None:
        super().__init__()
        self.words: dict[int, str] = {}

    def set_words(self, buffer: TileBuffer | None, words: Mapping[int, str]) -> None:
        """Write these words, by tile."""
        if buffer is not self._buffer or words != self.words:
            self.words = dict(words)
            self.lie_over(buffer)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Light letters on a dark ground: the picture below may be of any colour."""
        if self._buffer is None or not self.words:
            return
        to_screen = painter.worldTransform()
        painter.save()
        painter.resetTransform()
        painter.setFont(_small(painter.font()))
        metrics = QFontMetricsF(painter.font())
        ink = QPen(QColor(current_theme().canvas_text), 1.0)
        for tile, word in self.words.items():
            if not 0 <= tile < self._buffer.count:
                continue
            place = to_screen.mapRect(self._tile(tile))
            ground = QRectF(0, 0, metrics.horizontalAdvance(word) + 6, metrics.height() + 2)
            ground.moveBottomLeft(place.bottomLeft() + QPointF(2, -2))
            painter.setPen(ink)
            if ground.width() + 4 <= place.width() and ground.height() <= place.height():
                painter.fillRect(ground, _GROUND)
                painter.drawText(ground, Qt.AlignmentFlag.AlignCenter, word)
            else:
                arm = 0.25 * min(place.width(), place.height())
                for way in (QPointF(arm, arm), QPointF(arm, -arm)):
                    painter.drawLine(place.center() - way, place.center() + way)
        painter.restore()


class TileFrames(TileOverlay):
    """A thin frame around each of some tiles, or around what is inside of it."""

    def __init__(self, style: Qt.PenStyle = Qt.PenStyle.SolidLine, inset: float = 0.0) -> None:
        super().__init__()
        self._inset = inset
        self._tiles: tuple[int, ...] = ()
        self.pen = QPen(QColor("white"), 1.5)
        self.pen.setCosmetic(True)
        self.pen.setStyle(style)
        self.pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)

    def set_tiles(self, buffer: TileBuffer | None, tiles: tuple[int, ...]) -> None:
        """Frame these tiles and no others."""
        self._tiles = tiles
        self.lie_over(buffer)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Rectangles."""
        buffer = self._buffer
        if buffer is None or not self._tiles:
            return
        painter.setPen(self.pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        inset = self._inset * min(buffer.width, buffer.height)
        tiles = (self._tile(tile) for tile in self._tiles if 0 <= tile < buffer.count)
        painter.drawRects([tile.adjusted(inset, inset, -inset, -inset) for tile in tiles])


class TileEdges(TileOverlay):
    """An edge around each tile that changes, in the gap, so that no pixel is covered; the fainter the less it does."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: Array = np.zeros(0)

    def set_levels(self, buffer: TileBuffer | None, levels: Array) -> None:
        """Opacities from 0, no edge, to 1, one a tile."""
        if not (levels.any() or self.levels.any()):
            return
        self.levels = levels
        self.lie_over(buffer)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Edges in the colour of what is under way."""
        buffer = self._buffer
        if buffer is None or not self.levels.any():
            return
        to_screen, colour = painter.worldTransform(), QColor(current_theme().canvas_accent)
        wide = max(1, min(_EDGE, int(0.5 * buffer.gap * to_screen.m11())))
        steps = np.rint(_STEPS * np.asarray(self.levels[: buffer.count], np.float64)).astype(int)
        tiles = np.flatnonzero(steps)
        x, y = tiles % buffer.columns * buffer.pitch[0], tiles // buffer.columns * buffer.pitch[1]
        # Between pixels: lines of one width look alike in all tiles.
        left, right = (np.rint(at * to_screen.m11() + to_screen.dx()) for at in (x, x + buffer.width))
        below = y + buffer.height + buffer.strip
        top, bottom = (np.rint(at * to_screen.m22() + to_screen.dy()) for at in (y, below))
        width, height, edge = right - left, np.maximum(1, bottom - top), np.full(len(tiles), wide)
        # Filled, as a stroke takes ten times as long.
        sides = (
            _rects(left - wide, top - wide, width + 2 * wide, edge),
            _rects(left - wide, bottom, width + 2 * wide, edge),
            _rects(left - wide, top, edge, height),
            _rects(right, top, edge, height),
        )
        painter.save()
        painter.resetTransform()
        painter.setPen(Qt.PenStyle.NoPen)
        for step in np.unique(steps[tiles]).tolist():
            colour.setAlpha(round(_OPACITY * step / _STEPS))
            painter.setBrush(colour)
            alike = np.flatnonzero(steps[tiles] == step).tolist()
            painter.drawRects([side[k] for side in sides for k in alike])
        painter.restore()


class TileBars(TileOverlay):
    """A bar of sparsity in the strip under each tile, with a tick at the target."""

    def __init__(self) -> None:
        super().__init__()
        self._values: Array = np.zeros(0)
        self._target = float("nan")
        self._selected = -1
        self.locked: frozenset[int] = frozenset()

    def set_bars(self, buffer: TileBuffer | None, values: Array, target: float) -> None:
        """Sparsities in [0, 1], one a tile, and the target; NaN for none."""
        self._values, self._target = values, target
        self.lie_over(buffer)

    def set_selected(self, tile: int) -> None:
        """Mark the bar of a tile; -1 for none."""
        self._selected = tile
        self.update()

    def set_locked(self, tiles: frozenset[int]) -> None:
        """Mark the bars of these tiles as locked."""
        self.locked = tiles
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Bars on a dark ground, in the colours of the canvas."""
        buffer = self._buffer
        if buffer is None or not buffer.strip:
            return
        theme, to_screen = current_theme(), painter.worldTransform()
        ground, bar, chosen = QColor(theme.canvas), QColor(theme.canvas_muted), QColor(theme.canvas_accent)
        tick, text = QColor(theme.canvas_target), QColor(theme.canvas_text)
        bar = bar.darker(150)  # opaque: blending takes ten times as long
        values = np.asarray(self._values[: buffer.count], np.float64)
        places = np.arange(len(values))
        x, y = places % buffer.columns * buffer.pitch[0], places // buffer.columns * buffer.pitch[1] + buffer.height
        left, right = (np.rint(at * to_screen.m11() + to_screen.dx()) for at in (x, x + buffer.width))
        top, below = (np.rint(at * to_screen.m22() + to_screen.dy()) for at in (y, y + buffer.strip))
        top += below - top > 3
        width, height = np.maximum(1, right - left), np.maximum(1, below - top)
        grounds = _rects(left, top, width, height)
        bars = _rects(left, top, np.rint(values * width), height)
        at_target = np.rint(left + self._target * width) - 1
        ticks = [] if math.isnan(self._target) else _rects(at_target, top - 1, np.full_like(top, 2), height + 1)
        fulls = {tile: bars[tile] for tile in {self._selected, *self.locked} if 0 <= tile < len(bars)}
        painter.save()
        painter.resetTransform()
        painter.setPen(Qt.PenStyle.NoPen)
        for rects, colour in ((grounds, ground), (bars, bar)):
            painter.setBrush(colour)
            painter.drawRects(rects)
        for tile, full in fulls.items():
            painter.fillRect(full, chosen if tile == self._selected else bar)
            if tile in self.locked:
                painter.fillRect(full, QBrush(ground, Qt.BrushStyle.BDiagPattern))
                painter.fillRect(QRect(full.right() - 2, full.top() - 1, 3, full.height() + 2), text)
        painter.setBrush(tick)
        painter.drawRects(ticks)
        painter.restore()


def _rects(*sides: Array) -> list[QRect]:
    """Rectangles of left edges, top edges, widths and heights."""
    return list(map(QRect, *(side.astype(int).tolist() for side in sides)))


def _small(font: QFont) -> QFont:
    small = QFont(font)
    small.setPointSizeF(_POINTS)
    return small
