"""Weights of bands as a curve over their axis that is drawn by the mouse, above a spectrum in grey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QGraphicsRectItem, QWidget

from gsp_studio.arrays import Array
from gsp_studio.core.weighting import FLOOR, Box, Stroke
from gsp_studio.gui.theme import Themed, current_theme
from gsp_studio.gui.widgets.scrub_plot import BarePlot, curve_pen, tint_axes

DRAW, BRUSH, ERASE, RANGE = "draw", "brush", "erase", "range"
_HARDNESS = 0.5
_PAINTING = (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton)


@dataclass(frozen=True)
class CurveTool:
    """Effect of a drag.

    Attributes
    ----------
    name : "draw" | "brush" | "erase" | "range"
        The curve follows the pointer; weights are raised to 1 or lowered to `FLOOR` around it; a range is chosen.
    diameter : float
        Of brush and eraser, in bands.
    """

    name: str = DRAW
    diameter: float = 5.0


class WeightCurve(Themed, BarePlot):
    """Edits weights (1, m) in [0, 1], with the signals of `PaintView`.

    The right button lowers weights whatever the tool. `rangeChosen(first, last)` names bands from 0, both included; -1
    for none.
    """

    painted = Signal()
    strokeEnded = Signal(object, object)
    hovered = Signal(int, int)
    rangeChosen = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("weight", parent)
        self.tool = CurveTool()
        self.weights: Array = np.zeros((1, 0))
        self._x: Array = np.zeros(0)
        self._before: Array | None = None
        self._stroke: Stroke | None = None
        self._last = (0.0, 0.0)  # column with fraction, weight
        self._chosen: tuple[int, int] | None = None
        item = self.getPlotItem()
        item.setContentsMargins(0, 8, 16, 4)
        self._ground, self._curve = pg.PlotDataItem(), pg.PlotDataItem()
        self._range = QGraphicsRectItem()
        for part in (self._ground, self._range, self._curve):
            item.addItem(part)
        self._range.hide()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)  # the right button lowers
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setMinimumSize(160, 136)
        self.setAccessibleName("Weights of the bands")
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        theme = current_theme()
        tint_axes(self)
        self._ground.setPen(curve_pen(theme.plot_muted, 1))
        self._curve.setPen(curve_pen(theme.plot_accent, 2))
        self._range.setPen(pg.mkPen(None))
        shade = pg.mkColor(theme.plot_accent)
        shade.setAlpha(50)
        self._range.setBrush(pg.mkBrush(shade))

    # What is shown

    def set_axis(self, x: Array, title: str) -> None:
        """Draw over these coordinates (m,), rising or falling, from now on."""
        self._x = np.asarray(x, float)
        ends = float(self._x.min()), float(self._x.max())
        room = 0.01 * ((ends[1] - ends[0]) or 1.0)
        item = self.getPlotItem()
        item.setLabel("bottom", title)
        item.setRange(xRange=(ends[0] - room, ends[1] + room), yRange=(-0.03, 1.05), padding=0)
        self.choose_range(None)

    def set_weights(self, weights: Array) -> None:
        """Show these weights (1, m); a stroke that is being drawn is dropped."""
        self._before = self._stroke = None
        self.weights = np.array(weights, dtype=np.float64)
        self._draw()

    def set_patch(self, box: Box, values: Array) -> None:
        """Show other weights of some bands."""
        self._before = self._stroke = None
        self.weights[box] = values
        self._draw()

    def set_background(self, image: Array | None) -> None:
        """Draw a spectrum >= 0 (1, m) under the weights, its largest value at 1; None: none."""
        top = 0.0 if image is None else float(image.max(initial=0.0))
        values = np.zeros(0) if image is None or top <= 0 else image[0] / top
        self._ground.setData(self._x[: len(values)], values)

    def set_tool(self, tool: CurveTool) -> None:
        """Draw with this one from the next press on."""
        self.tool = tool
        if tool.name != RANGE:
            self.choose_range(None)

    @property
    def is_painting(self) -> bool:
        """Whether a stroke is being drawn."""
        return self._before is not None

    def choose_range(self, bands: tuple[int, int] | None) -> None:
        """Mark these bands, first and last; None: none."""
        self._chosen = bands
        self._range.setVisible(bands is not None)
        if bands is not None:
            ends = [self._edge(bands[0]), self._edge(bands[1] + 1)]
            self._range.setRect(QRectF(min(ends), 0.0, abs(ends[1] - ends[0]), 1.0))
        self.rangeChosen.emit(*(bands or (-1, -1)))

    def set_range(self, weight: float) -> None:
        """Give all bands of the range that is chosen one weight: an edit like a stroke."""
        if self._chosen is None or self.is_painting:
            return
        box = (slice(0, 1), slice(self._chosen[0], self._chosen[1] + 1))
        before = self.weights[box].copy()
        self.set_patch(box, np.full(before.shape, weight))
        self.strokeEnded.emit(box, before)

    def _draw(self) -> None:
        if len(self._x) == self.weights.shape[1]:
            self._curve.setData(self._x, self.weights[0])

    # Where things are

    def place_of(self, band: float, weight: float) -> QPointF:
        """Return the place of a weight of a band in the viewport."""
        x = float(np.interp(band, np.arange(len(self._x)), self._x))
        scene = self.getPlotItem().vb.mapViewToScene(QPointF(x, weight))
        return QPointF(self.mapFromScene(scene))

    def _edge(self, band: int) -> float:
        """The coordinate between a band and the one before it; at the ends half a step beyond."""
        x, m = self._x, len(self._x)
        if m == 1:
            return float(x[0]) + band - 0.5
        inside = (x[:-1] + x[1:]) / 2
        edges = np.r_[1.5 * x[0] - 0.5 * x[1], inside, 1.5 * x[-1] - 0.5 * x[-2]]
        return float(edges[band])

    def _point(self, position: QPointF) -> tuple[float, float]:
        """Band, with a fraction, and weight at a place of the viewport."""
        found = self.getPlotItem().vb.mapSceneToView(self.mapToScene(position.toPoint()))
        order = np.argsort(self._x)
        band = float(np.interp(found.x(), self._x[order], order.astype(float)))
        return band, min(max(float(found.y()), 0.0), 1.0)

    # The hand

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a stroke, or a range."""
        if event.button() not in _PAINTING or not self.weights.size or self.is_painting:
            return
        self._last = self._point(event.position())
        if self.tool.name == RANGE and event.button() == Qt.MouseButton.LeftButton:
            band = round(self._last[0])
            self._before = self.weights.copy()
            self.choose_range((band, band))
            return
        self._before = self.weights.copy()
        is_lowering = event.button() == Qt.MouseButton.RightButton or self.tool.name == ERASE
        if is_lowering or self.tool.name == BRUSH:
            radius = max(0.5, self.tool.diameter / 2)
            value = FLOOR if is_lowering else 1.0
            self._stroke = Stroke(self.weights, value, radius=radius, hardness=_HARDNESS)
        self._extend(self._last)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Draw as far as the pointer has come."""
        if not self.weights.size:
            return
        point = self._point(event.position())
        if self.is_painting and self.tool.name == RANGE and self._stroke is None:
            first, last = sorted((round(self._last[0]), round(point[0])))
            self.choose_range((first, last))
        elif self.is_painting:
            self._extend(point)
        self.hovered.emit(0, round(point[0]))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the stroke when the last button is up."""
        if event.buttons() & (_PAINTING[0] | _PAINTING[1]):
            return
        before, self._before, self._stroke = self._before, None, None
        if before is None:
            return
        changed = np.flatnonzero(before[0] != self.weights[0])
        if len(changed):
            box = (slice(0, 1), slice(int(changed[0]), int(changed[-1]) + 1))
            self.strokeEnded.emit(box, before[box])

    def _extend(self, point: tuple[float, float]) -> None:
        if self._stroke is not None:
            self._stroke.extend((0.5, self._last[0] + 0.5), (0.5, point[0] + 0.5))
        else:
            self._follow(self._last, point)
        self._last = point
        self._draw()
        self.painted.emit()

    def _follow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Bring the bands between two points to the line that joins these."""
        (a, weight_a), (b, weight_b) = sorted((start, end))
        bands = np.arange(round(a), round(b) + 1)
        self.weights[0, bands] = np.interp(bands, [a, b], [weight_a, weight_b]) if b > a else end[1]
        self.weights[0, round(end[0])] = end[1]

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(-1, -1)
        super().leaveEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Nothing: a scroll that passes by changes nothing."""
        event.ignore()

    def event(self, event: QEvent) -> bool:
        """Esc is the curve's key, before it is the window's, while a stroke is drawn or a range is chosen."""
        is_ours = event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent)
        if is_ours and event.key() == Qt.Key.Key_Escape and (self.is_painting or self._chosen):  # type: ignore[attr-defined]
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc drops a stroke or a range."""
        if event.key() != Qt.Key.Key_Escape:
            super().keyPressEvent(event)
            return
        if self._before is not None:
            self.set_weights(self._before)
            self.painted.emit()
        self.choose_range(None)
