"""Spectra as curves over their axis, several over each other; a click names a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import Themed, current_theme
from gsp_studio.gui.widgets.scrub_plot import curve_pen, make_bare, tint_axes

#: Colours that are told apart on light and on dark grounds, also by people who see fewer (Okabe & Ito).
COLOURS = ("#0b84d8", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8a6d00", "#7a52c7")


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve: its name in the legend, values over the axis (m,), colour ("" for that of text), and how it is drawn."""

    name: str
    values: Array
    colour: str = ""
    width: float = 1.5
    is_dashed: bool = False


class SpectrumPlot(Themed, pg.PlotWidget):  # type: ignore[misc]
    """Curves with a legend; ranges follow the curves, and a press or drag emits `bandPicked` for the user's hand."""

    bandPicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        make_bare(self, "intensity")
        item = self.getPlotItem()
        item.setContentsMargins(0, 8, 16, 4)
        self._legend = pg.LegendItem(offset=(72, 12), verSpacing=-4)
        self._legend.setParentItem(item)
        self._band = pg.InfiniteLine(angle=90)
        item.addItem(self._band)
        self._band.hide()
        self._x = np.zeros(0)
        self._curves: tuple[Curve, ...] = ()
        self._items: list[pg.PlotDataItem] = []
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Spectra")
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        theme = current_theme()
        tint_axes(self)
        self._band.setPen(curve_pen(theme.plot_muted, 1, style=Qt.PenStyle.DotLine))
        self._legend.setLabelTextColor(theme.plot_text)
        self.set_curves(self._curves)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves that are drawn."""
        return self._curves

    def set_legend_columns(self, count: int) -> None:
        """Write the names of curves in so many columns."""
        self._legend.setColumnCount(count)

    def set_axis(self, x: Array, title: str) -> None:
        """Draw over these values (m,), rising or falling, from now on."""
        self._x = np.asarray(x, float)
        self.getPlotItem().setLabel("bottom", title)
        self._band.hide()
        self.set_curves(())

    def set_title(self, title: str) -> None:
        """Name the values."""
        self.getPlotItem().setLabel("left", title)

    def set_curves(self, curves: Sequence[Curve]) -> None:
        """Draw these, the last above the others; the first stands first in the legend."""
        item, theme = self.getPlotItem(), current_theme()
        self._curves = tuple(curves)
        for made in self._items:
            item.removeItem(made)
        self._legend.clear()
        self._items = []
        for curve in self._curves:
            style = Qt.PenStyle.DashLine if curve.is_dashed else Qt.PenStyle.SolidLine
            made = pg.PlotDataItem(pen=curve_pen(curve.colour or theme.plot_text, curve.width, style=style))
            item.addItem(made)
            made.setData(self._x, curve.values)
            self._items.append(made)
            if curve.name:
                self._legend.addItem(made, curve.name)
        if self._curves and len(self._x):
            top = max(float(np.max(curve.values)) for curve in self._curves) or 1.0
            low = min(0.0, *(float(np.min(curve.values)) for curve in self._curves), 0.0)
            ends = float(self._x.min()), float(self._x.max())
            room = 0.01 * ((ends[1] - ends[0]) or 1.0)
            item.setRange(xRange=(ends[0] - room, ends[1] + room), yRange=(low, 1.05 * top), padding=0)

    def set_band(self, band: int) -> None:
        """Put a line at a band, from 0; -1 for none."""
        self._band.setVisible(0 <= band < len(self._x))
        if 0 <= band < len(self._x):
            self._band.setValue(float(self._x[band]))

    def place_of(self, band: int) -> QPointF:
        """Return the place of a band at half the height, in this widget's coordinates."""
        scene = self.getPlotItem().vb.mapViewToScene(QPointF(float(self._x[band]), 0.0))
        return QPointF(self.mapFromScene(scene).x(), self.height() / 2)

    def _pick(self, event: QMouseEvent) -> None:
        if len(self._x):
            x = self.getPlotItem().vb.mapSceneToView(self.mapToScene(event.position().toPoint())).x()
            self.bandPicked.emit(int(np.abs(self._x - x).argmin()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pick(event)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow a drag."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._pick(event)
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Nothing: a scroll that passes by changes nothing."""
        event.ignore()
