"""A plot against sparsity under which one can scrub: a press anywhere goes there, a drag follows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QGuiApplication, QMouseEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import Themed, current_theme

pg.setConfigOptions(antialias=True)

#: Number of most digits that an axis is sure to have room for, and pixels of its ticks and what is around them.
_WIDEST, _TICKS = "88.888", 12


class BarePlot(pg.PlotWidget):  # type: ignore[misc]
    """A plot of axes and curves alone, with fixed ranges and the title of its values."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, enableMenu=False)  # making a menu takes a third of the time of making a plot
        item = self.getPlotItem()
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.disableAutoRange()
        item.setLabel("left", title)
        item.setContentsMargins(0, 8, 8, 0)  # the numbers at the ends of the axes need it
        item.getAxis("left").setWidth(_axis_width(self))
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)


def fit_numbers(plot: pg.PlotWidget, ticks: Sequence[Sequence[tuple[float, str]]] | None = None) -> None:
    """Give the axis of values room for its longest number beside its title: small values have many digits.

    `ticks` are those that it was given, None where it finds them itself.
    """
    axis = plot.getPlotItem().getAxis("left")
    if ticks is None:
        levels = axis.tickValues(*axis.range, axis.size().height())[:2]  # finer ones have no numbers
        texts = [text for spacing, values in levels for text in axis.tickStrings(values, axis.scale, spacing)]
    else:
        texts = [text for level in ticks for _, text in level]
    width = _axis_width(plot, texts)
    if width != axis.width():
        axis.setWidth(width)


def _axis_width(plot: pg.PlotWidget, texts: Sequence[str] = ()) -> int:
    """Room for numbers beside the title that stands upright; as much for all plots, where none is long."""
    metrics: QFontMetrics = plot.fontMetrics()
    return max(metrics.horizontalAdvance(text) for text in (_WIDEST, *texts)) + metrics.height() + _TICKS


def curve_pen(colour: str | QColor, width: float = 1.0, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """A pen for curves, `width` logical pixels wide: those of pyqtgraph are in pixels of the screen.

    Of one such pixel where the screen has no more: Qt takes five times as long for wider lines.
    """
    app = QGuiApplication.instance()
    ratio = app.devicePixelRatio() if isinstance(app, QGuiApplication) else 1.0
    made: QPen = pg.mkPen(colour, width=width * ratio, style=style)
    return made


def tint_axes(plot: pg.PlotWidget) -> None:
    """Give ground and axes of a plot the colours of the theme in force."""
    theme = current_theme()
    plot.setBackground(theme.plot)
    for side in ("left", "bottom"):
        axis = plot.getPlotItem().getAxis(side)
        axis.setPen(pg.mkPen(theme.plot_muted))
        axis.setTextPen(pg.mkPen(theme.plot_text))


class ScrubPlot(Themed, BarePlot):
    """A curve, a line at the present x, a mark at the knee; ranges are set by us, never searched.

    Emits `scrubbed(x)` for the user's hand only, and `released` when it lets go.
    """

    scrubbed = Signal(float)
    released = Signal()

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        item = self.getPlotItem()
        item.setContentsMargins(0, 8, 16, 4)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._curve = item.plot()
        self._knee = pg.InfiniteLine(angle=90)
        self._line = pg.InfiniteLine(angle=90)
        self._dot = pg.ScatterPlotItem(size=9, pxMode=True)
        for part in (self._knee, self._line, self._dot):
            item.addItem(part)
        self._x, self._y = np.zeros(0), np.zeros(0)
        self._ends = 0.0, 1.0
        self._dragging = False
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        theme = current_theme()
        tint_axes(self)
        self._curve.setPen(curve_pen(theme.curve_error, 1))
        self._line.setPen(curve_pen(theme.plot_accent, 1))
        self._dot.setPen(curve_pen(theme.plot_accent, 1))
        self._dot.setBrush(pg.mkBrush(theme.plot_accent))
        self._knee.setPen(curve_pen(theme.curve_target, 1, style=Qt.PenStyle.DashLine))

    def set_curve(self, x: Array, y: Array, top: float, knee: float, first: float = math.inf) -> None:
        """Draw this curve, from its first x, or `first` where that is less, to its last and from 0 to `top`.

        NaN for no knee.
        """
        self._x, self._y = x, y
        self._ends = min(float(x[0]), first), float(x[-1])
        self._curve.setData(x, y)
        low, high = self._ends
        width = max(1e-6, high - low)
        self.getPlotItem().setRange(
            xRange=(low - 0.01 * width, high + 0.01 * width), yRange=(-0.02 * top, top), padding=0
        )
        self._knee.setVisible(knee == knee)
        if knee == knee:
            self._knee.setValue(knee)

    def set_value(self, x: float, y: float = math.nan) -> None:
        """Put the line there, its dot at y, or on the curve; outside of the range it is at its end."""
        if len(self._x):
            x = float(np.clip(x, *self._ends))
            self._line.setValue(x)
            self._dot.setData([x], [float(np.interp(x, self._x, self._y)) if math.isnan(y) else y])

    def place_of(self, x: float) -> QPointF:
        """Return the place of an x, in this widget's coordinates, at half its height."""
        scene = self.getPlotItem().vb.mapViewToScene(QPointF(x, 0.0))
        return QPointF(self.mapFromScene(scene).x(), self.height() / 2)

    def value_at(self, point: QPointF) -> float:
        """Return the x under a point of this widget, within the curve's range."""
        x = self.getPlotItem().vb.mapSceneToView(self.mapToScene(point.toPoint())).x()
        return float(np.clip(x, *self._ends))

    def _scrub(self, event: QMouseEvent) -> None:
        self.scrubbed.emit(self.value_at(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and len(self._x):
            self._dragging = True
            self._scrub(event)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self._scrub(event)
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self._dragging = False
            self.released.emit()
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The second press of two is one like any other."""
        self.mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Nothing: a scroll that passes by must not change a result."""
        event.ignore()
