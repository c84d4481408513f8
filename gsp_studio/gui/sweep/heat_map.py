"""A map of numbers: a row a rank, a column a sparsity, colours for values, and signs for what has no value yet.

Painted by hand, since every tile carries its number, and what is queued, running or has failed must not be told by
colour alone. Arrows walk, Enter and a double-click open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from gsp_studio.experiments.sweep import Stage
from gsp_studio.gui.sweep.heat_tiles import Tile
from gsp_studio.gui.theme import current_theme

_GAP = 2.0
_BAR, _MARGIN = 12.0, 16.0
#: A tile is no larger than this: a map of four would be four fields of colour.
_LARGEST = (132.0, 72.0)
_ALIGN = Qt.AlignmentFlag
_STEPS = {
    Qt.Key.Key_Up: (1, 0),
    Qt.Key.Key_Down: (-1, 0),
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
}


class HeatMap(QWidget):
    """Emits `picked(tile)` when another one is chosen, and `opened(tile)`; a tile is an index of the list."""

    picked = Signal(int)
    opened = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tiles: Sequence[Tile] = ()
        self._rows: list[str] = []
        self._columns: list[str] = []
        self._title = self._below = ""
        self._write: Callable[[float], str] = str
        table = pg.colormap.get("cividis").getLookupTable(nPts=256)[:, :3]
        self._colours = [QColor(*map(int, colour)) for colour in table]
        self._inks = [QColor("#000000" if bright > 0.18 else "#ffffff") for bright in _luminances(table)]
        self._kept: tuple[tuple[int, int, str], QRectF] | None = None
        self.current = -1
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Map of the sweep, ranks by sparsities")

    def sizeHint(self) -> QSize:
        """Room for five by five."""
        return QSize(560, 360)

    def minimumSizeHint(self) -> QSize:
        return QSize(320, 200)

    def set_axes(self, rows: Sequence[str], columns: Sequence[str], below: str = "sparsity s") -> None:
        """Names of the ranks, from below, and of the sparsities; `below` is the title of these."""
        self._below = below
        if (list(rows), list(columns)) != (self._rows, self._columns):
            self._rows, self._columns = list(rows), list(columns)
            self._tiles, self.current, self._kept = (), -1, None
            self.update()

    def set_tiles(self, tiles: Sequence[Tile], title: str, write: Callable[[float], str]) -> None:
        """Show these, row by row; `title` says what colours stand for, `write` puts a value into words."""
        self._tiles, self._title, self._write = tiles, title, write
        if self.current < 0 and tiles:
            self.choose((len(self._rows) - 1) * len(self._columns))
        self.update()

    def choose(self, index: int) -> None:
        """Move to a tile."""
        if index != self.current and 0 <= index < len(self._tiles):
            self.current = index
            self.setAccessibleDescription(self._tiles[index].words)
            self.update()
            self.picked.emit(index)

    # Places

    def _field(self) -> QRectF:
        """Area of the tiles; asked for with every tile, so it is kept as long as nothing else has its size."""
        wanted = (self.width(), self.height(), self.font().key())
        if self._kept is None or self._kept[0] != wanted:
            self._kept = (wanted, self._new_field())
        return self._kept[1]

    def _new_field(self) -> QRectF:
        metrics = QFontMetricsF(self.font())
        left = (
            _MARGIN
            + metrics.height()
            + 8
            + max((metrics.horizontalAdvance(text) for text in self._rows), default=0)
            + 8
        )
        right = _MARGIN + _BAR + 8 + metrics.horizontalAdvance("00000.000")
        below = _MARGIN + 2 * metrics.height() + 12
        room = QRectF(self.rect()).adjusted(left, _MARGIN + metrics.height() + 8, -right - 16, -below)
        width = min(room.width(), _LARGEST[0] * len(self._columns))
        height = min(room.height(), _LARGEST[1] * len(self._rows))
        return QRectF(room.left(), room.top(), max(1.0, width), max(1.0, height))

    def place_of(self, index: int) -> QRectF:
        """Return the place of a tile."""
        field = self._field()
        row, column = divmod(index, len(self._columns))
        width, height = field.width() / len(self._columns), field.height() / len(self._rows)
        top = field.bottom() - (row + 1) * height
        return QRectF(field.left() + column * width, top, width, height).adjusted(0, 0, -_GAP, -_GAP)

    def tile_at(self, point: QPointF) -> int:
        """The tile at a point; -1 for none."""
        field = self._field()
        if not self._tiles or not field.contains(point):
            return -1
        row = int((field.bottom() - point.y()) / (field.height() / len(self._rows)))
        column = int((point.x() - field.left()) / (field.width() / len(self._columns)))
        return min(row, len(self._rows) - 1) * len(self._columns) + min(column, len(self._columns) - 1)

    # Hands

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.choose(self.tile_at(event.position()))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        index = self.tile_at(event.position())
        if index >= 0:
            self.choose(index)
            self.opened.emit(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.current >= 0:
            self.opened.emit(self.current)
        elif event.key() in _STEPS and self._tiles:
            row, column = divmod(max(0, self.current), len(self._columns))
            up, right = _STEPS[Qt.Key(event.key())]
            row = min(max(row + up, 0), len(self._rows) - 1)
            column = min(max(column + right, 0), len(self._columns) - 1)
            self.choose(row * len(self._columns) + column)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """The tool tip says what the tile under the pointer holds."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self.tile_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self._tiles[index].words if index >= 0 else "", self)
            return True
        return super().event(event)

    # Paint

    def paintEvent(self, event: QPaintEvent) -> None:
        """Tiles, axes and the bar of colours."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(current_theme().plot))
        if not self._tiles:
            return
        values = np.array([tile.value for tile in self._tiles])
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (math.nan, math.nan)
        metrics = QFontMetricsF(self.font())
        for index, tile in enumerate(self._tiles):
            self._paint_tile(painter, self.place_of(index), tile, (low, high), metrics)
        self._paint_current(painter)
        self._paint_axes(painter)
        if len(known):
            self._paint_bar(painter, low, high)

    @staticmethod
    def _index(value: float, low: float, high: float) -> int:
        """Of a value's colour."""
        return 128 if high <= low else round(255 * (value - low) / (high - low))

    def _paint_tile(
        self, painter: QPainter, place: QRectF, tile: Tile, ends: tuple[float, float], metrics: QFontMetricsF
    ) -> None:
        theme = current_theme()
        if math.isnan(tile.value):
            painter.fillRect(place, QColor(theme.raised))
            text = f"{100 * tile.progress:.0f} %" if tile.stage is Stage.RUNNING else tile.word
            ink = QColor(theme.plot_text if tile.stage is Stage.RUNNING else theme.plot_muted)
        else:
            index = self._index(tile.value, *ends)
            painter.fillRect(place, self._colours[index])
            text, ink = tile.text, self._inks[index]
            if tile.beaten:
                self._paint_corner(painter, place, ink)
        self._paint_stage(painter, place, tile)
        painter.setPen(ink)
        lines = [text, f"{tile.done} of {tile.total}"] if 0 < tile.done < tile.total else [text]
        if len(lines) * metrics.height() + 8 > place.height():
            lines = lines[:1]
        widest = max(metrics.horizontalAdvance(line) for line in lines)
        if widest + 8 > place.width() or metrics.height() > place.height():
            lines = [_SIGNS.get(tile.stage, "")] if math.isnan(tile.value) else []
        painter.drawText(place, _ALIGN.AlignCenter, "\n".join(lines))

    @staticmethod
    def _paint_corner(painter: QPainter, place: QRectF, ink: QColor) -> None:
        """Mark a tile that a sparser one beats, in its upper right corner."""
        side, corner = min(12.0, place.width() / 3, place.height() / 3), place.topRight()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawPolygon([corner, corner - QPointF(side, 0), corner + QPointF(0, side)])
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_stage(self, painter: QPainter, place: QRectF, tile: Tile) -> None:
        """Paint a tile's stage, under its text."""
        theme = current_theme()
        if tile.stage is Stage.RUNNING:
            strip = QRectF(place.left(), place.bottom() - 4, place.width(), 4)
            painter.fillRect(strip, QColor(theme.plot))
            strip.setWidth(place.width() * tile.progress)
            painter.fillRect(strip, QColor(theme.plot_accent))
        elif tile.stage is Stage.CANCELLED or tile.stage is Stage.FAILED:
            is_cancelled = tile.stage is Stage.CANCELLED
            style = Qt.PenStyle.DashLine if is_cancelled else Qt.PenStyle.SolidLine
            painter.setPen(
                QPen(QColor(theme.plot_text if is_cancelled else theme.red), 1 if is_cancelled else 2, style)
            )
            painter.drawRect(place.adjusted(2, 2, -2, -2))

    def _paint_current(self, painter: QPainter) -> None:
        if self.current < 0:
            return
        theme, place = current_theme(), self.place_of(self.current)
        for colour, grow in ((theme.plot, 0.0), (theme.plot_accent if self.hasFocus() else theme.plot_text, 1.5)):
            painter.setPen(QPen(QColor(colour), 2.0 if grow else min(5.0, place.width() / 4)))
            painter.drawRect(place.adjusted(-grow, -grow, grow, grow))

    def _paint_axes(self, painter: QPainter) -> None:
        theme, field, metrics = current_theme(), self._field(), QFontMetricsF(self.font())
        line = metrics.height()
        painter.setPen(QColor(theme.plot_text))
        width, height = field.width() / len(self._columns), field.height() / len(self._rows)
        every = max(1, math.ceil(line / height))
        for k, text in list(enumerate(self._rows))[::every]:
            place = QRectF(0, field.bottom() - (k + 1) * height, field.left() - 8, height - _GAP)
            painter.drawText(place, _ALIGN.AlignRight | _ALIGN.AlignVCenter, text)
        every = max(1, math.ceil((max(map(metrics.horizontalAdvance, self._columns)) + 8) / width))
        for k, text in list(enumerate(self._columns))[::every]:
            place = QRectF(field.left() + k * width - width, field.bottom() + 4, 3 * width - _GAP, line)
            painter.drawText(place, _ALIGN.AlignHCenter | _ALIGN.AlignTop, text)
        painter.setPen(QColor(theme.plot_muted))
        below = QRectF(field.left(), field.bottom() + 8 + line, field.width(), line)
        painter.drawText(below, _ALIGN.AlignCenter | Qt.TextFlag.TextDontClip, self._below)
        above = QRectF(field.left(), field.top() - 8 - line, self.width() - field.left(), line)
        painter.drawText(above, _ALIGN.AlignLeft | _ALIGN.AlignVCenter, self._title)
        painter.save()
        painter.translate(_MARGIN - 4, field.center().y())
        painter.rotate(-90)
        painter.drawText(QRectF(-80, 0, 160, line), _ALIGN.AlignCenter, "rank")
        painter.restore()

    def _paint_bar(self, painter: QPainter, low: float, high: float) -> None:
        theme, field, line = current_theme(), self._field(), QFontMetricsF(self.font()).height()
        bar = QRectF(field.right() + 16, field.top(), _BAR, field.height() - _GAP)
        gradient = QLinearGradient(bar.bottomLeft(), bar.topLeft())
        for k in range(0, 256, 15):
            gradient.setColorAt(k / 255, self._colours[k])
        painter.fillRect(bar, self._colours[128] if high <= low else QBrush(gradient))
        painter.setPen(QColor(theme.plot_muted))
        ends = ((bar.top(), high), (bar.bottom() - line, low)) if high > low else ((bar.center().y() - line / 2, low),)
        for y, value in ends:
            painter.drawText(
                QRectF(bar.right() + 8, y, 120, line), _ALIGN.AlignLeft | _ALIGN.AlignVCenter, self._write(value)
            )


#: Signs in tiles that have no number, and no room for a word.
_SIGNS = {Stage.QUEUED: "·", Stage.CANCELLED: "×", Stage.FAILED: "⚠"}


def _luminances(colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Relative luminances as WCAG has them: black is readable on more than 0.18, white on less."""
    parts = colours / 255.0
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.2126, 0.7152, 0.0722])
