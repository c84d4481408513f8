"""Bars of sparsity: one per basis image, and a line for the target average."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.controls import plain
from gsp_studio.gui.widgets.worded import Worded

#: Effect of a double click on a bar: on one that is free, and on one that is locked.
_LOCKS = ("double-click to lock it (key L)", "locked at this sparsity; double-click to unlock it (key L)")


class SparsityBars(QWidget):
    """Shows sparsities in [0, 1] in the order of the tiles; a click emits `picked`, a double click `activated` too."""

    picked = Signal(int)
    activated = Signal(int)

    def __init__(
        self, what: str = "basis image", does: tuple[str, str] = _LOCKS, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._does = does
        self._names: tuple[str, ...] = ()
        self._values: Array = np.zeros(0)
        self._target = math.nan
        self._selected = -1
        self._locked: frozenset[int] = frozenset()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setMouseTracking(True)
        Worded(self, SparsityBars.set_what, what)

    def set_what(self, what: str) -> None:
        """Name what has a bar each."""
        self._what = what
        self.setAccessibleName(f"Sparsity of each {what}")

    def sizeHint(self) -> QSize:
        return QSize(240, 72)

    def minimumSizeHint(self) -> QSize:
        """Still a strip, in a low window."""
        return QSize(120, 36)

    def set_bars(self, values: Array, target: float) -> None:
        """Show these sparsities, one a tile, and the target; NaN for none."""
        self._values, self._target = values, target
        self.update()

    def set_names(self, names: tuple[str, ...]) -> None:
        """Name the bars, where a number is not enough."""
        self._names = names

    def set_selected(self, tile: int) -> None:
        """Mark the bar of a tile; -1 for none."""
        self._selected = tile
        self.update()

    def set_locked(self, tiles: frozenset[int]) -> None:
        """Mark the bars of these tiles as locked."""
        self._locked = tiles
        self.update()

    def tile_at(self, x: float) -> int:
        """The tile whose bar lies at x, or -1."""
        count = len(self._values)
        index = int(x / max(1e-9, self.width() / max(1, count)))
        return index if 0 <= index < count else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        tile = self.tile_at(event.position().x())
        if tile >= 0:
            self.picked.emit(tile)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Activate a bar, which its first click has picked."""
        tile = self.tile_at(event.position().x())
        if tile >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.activated.emit(tile)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say the number under the pointer."""
        tile = self.tile_at(event.position().x())
        if tile >= 0:
            name = f"{self._names[tile]}: " if tile < len(self._names) else ""
            text = f"{name}sparsity {self._values[tile]:.4f}, {self._does[tile in self._locked]}"
            QToolTip.showText(event.globalPosition().toPoint(), plain(text), self)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current_theme()
        painter = QPainter(self)
        height, count = self.height() - 2.0, len(self._values)
        if count == 0:
            painter.setPen(QColor(theme.text_muted))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, f"a bar for each {self._what}")
            return
        width = self.width() / count
        gap = 1.0 if width > 3 else 0.0
        bar, chosen = QColor(theme.text_muted), QColor(theme.accent)
        for k, value in enumerate(self._values):
            h = float(value) * height
            place = QRectF(k * width, height - h, max(1.0, width - gap), h)
            painter.fillRect(place, chosen if k == self._selected else bar)
            if k in self._locked:
                _draw_lock(painter, place, QColor(theme.window), QColor(theme.text))
        if not math.isnan(self._target):
            y = height - self._target * height
            painter.setPen(QPen(QColor(theme.curve_target), 1.5))
            painter.drawLine(QPointF(0, y), QPointF(self.width(), y))


def _draw_lock(painter: QPainter, bar: QRectF, inside: QColor, outside: QColor) -> None:
    """Mark a bar as locked: hatched, with a cap on it."""
    painter.fillRect(bar, QBrush(inside, Qt.BrushStyle.BDiagPattern))
    painter.fillRect(QRectF(bar.left(), bar.top() - 1.0, bar.width(), 3.0), outside)
