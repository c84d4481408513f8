"""Spectra as curves over their axis, several over each other; a click names a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import Themed, current_theme
from gsp_studio.gui.widgets.scrub_plot import BarePlot, curve_pen, tint_axes

#: Colours that are told apart on light and on dark grounds, also by people who see fewer (Okabe & Ito).
COLOURS = ("#0b84d8", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8a6d00", "#7a52c7")
#: Around the curves: above and right of them, left of the legend, and between its rows (they overlap, as labels have
#: margins of their own). The legend takes at most a share of the height; names for which there is no room are left out.
_ABOVE, _RIGHT, _LEGEND_LEFT, _LEGEND_SHARE = 8, 16, 64, 0.34
_ROW_SPACING = -4
#: Size of the names, and the room for a curve's line and the space beside a name.
_LEGEND_SIZE, _SAMPLE = "9pt", 40


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve: its name in the legend, values over the axis (m,), colour ("" for that of text), and how it is drawn."""

    name: str
    values: Array
    colour: str = ""
    width: float = 1.5
    is_dashed: bool = False

    @property
    def look(self) -> tuple[str, str, float, bool]:
        """All but its values."""
        return self.name, self.colour, self.width, self.is_dashed


class SpectrumPlot(Themed, BarePlot):
    """Curves with a legend above them, ranges after the curves; a press or drag of the user emits `bandPicked`."""

    bandPicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("intensity", parent)
        item = self.getPlotItem()
        item.setContentsMargins(0, _ABOVE, _RIGHT, 4)
        self._legend: pg.LegendItem | None = None
        #: Names and the widget's size that the legend is laid out for; the names that have room, and their columns.
        self._laid_for: tuple[tuple[str, ...], int, int] | None = None
        self._laid_out = 0, 1
        self._band = pg.InfiniteLine(angle=90)
        item.addItem(self._band)
        self._band.hide()
        self._x = np.zeros(0)
        self._curves: tuple[Curve, ...] = ()
        self._items: list[pg.PlotDataItem] = []
        #: Looks of the curves that are drawn; and the items and columns that the legend has.
        self._looks: tuple[object, ...] = ()
        self._written: tuple[object, int] | None = None
        item.geometryChanged.connect(self._lay_out_legend)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Spectra")
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        theme = current_theme()
        tint_axes(self)
        self._band.setPen(curve_pen(theme.plot_muted, 1, style=Qt.PenStyle.DotLine))
        for made, curve in zip(self._items, self._curves, strict=True):
            made.setPen(_pen_of(curve))
        # Not a new legend: Qt is telling the parts of the old one of the theme, and would end the process.
        for _, text in () if self._legend is None else self._legend.items:
            text.setText(text.text, color=theme.plot_text)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves that are drawn."""
        return self._curves

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
        item = self.getPlotItem()
        self._curves = tuple(curves)
        looks = tuple(curve.look for curve in self._curves)
        if looks != self._looks:  # else only values are new, as at every iterate and every pixel under the pointer
            self._looks = looks
            self._make_items()
        for made, curve in zip(self._items, self._curves, strict=True):
            made.setData(self._x, curve.values)
        self._lay_out_legend()
        if self._curves and len(self._x):
            top = max(float(np.max(curve.values)) for curve in self._curves) or 1.0
            low = min(0.0, *(float(np.min(curve.values)) for curve in self._curves), 0.0)
            ends = float(self._x.min()), float(self._x.max())
            room = 0.01 * ((ends[1] - ends[0]) or 1.0)
            item.setRange(xRange=(ends[0] - room, ends[1] + room), yRange=(low, 1.05 * top), padding=0)

    def _make_items(self) -> None:
        item = self.getPlotItem()
        for made in self._items:
            item.removeItem(made)
        self._items = []
        for curve in self._curves:
            made = pg.PlotDataItem(pen=_pen_of(curve))
            item.addItem(made)
            self._items.append(made)

    def _lay_out_legend(self) -> None:
        """Write the names in rows above the curves, in as many columns as there is room for, and make room for them."""
        named = [(made, curve.name) for made, curve in zip(self._items, self._curves, strict=True) if curve.name]
        laid_for = tuple(name for _, name in named), self.width(), self.height()
        if laid_for == self._laid_for:  # as at every step of a slider
            self._fill_legend(named[: self._laid_out[0]], self._laid_out[1])
            return
        rows, columns, tall = 0, 1, 0.0
        if named:
            boxes = [pg.LabelItem(name, size=_LEGEND_SIZE).itemRect() for _, name in named]
            tall = max(box.height() for box in boxes) + _ROW_SPACING
            each = max(box.width() for box in boxes) + _SAMPLE
            columns = max(1, min(len(named), int((self.width() - _LEGEND_LEFT - _RIGHT) / each)))
            rows = max(1, min(-(-len(named) // columns), int(_LEGEND_SHARE * self.height() / tall)))
        self._laid_for, self._laid_out = laid_for, (rows * columns, columns)
        self._fill_legend(named[: rows * columns], columns)
        self.getPlotItem().setContentsMargins(0, _ABOVE + rows * tall, _RIGHT, 4)

    def _fill_legend(self, named: list[tuple[pg.PlotDataItem, str]], columns: int) -> None:
        """Write names, in a new legend: the columns of one that is filled again stay as wide as they were."""
        if self._written == (named, columns):
            return
        self._written = named, columns
        if self._legend is not None:
            self._legend.clear()
            self.scene().removeItem(self._legend)
        self._legend = pg.LegendItem(
            offset=(_LEGEND_LEFT, _ABOVE), verSpacing=_ROW_SPACING, colCount=columns, labelTextSize=_LEGEND_SIZE
        )
        self._legend.setLabelTextColor(current_theme().plot_text)
        self._legend.setParentItem(self.getPlotItem())
        self._legend.layout.setContentsMargins(0, 0, 0, 0)
        for made, name in named:
            self._legend.addItem(made, name)
        # It grows a little with every name; its rows would be stretched over all of that.
        self._legend.resize(self._legend.layout.effectiveSizeHint(Qt.SizeHint.MinimumSize))

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


def _pen_of(curve: Curve) -> QPen:
    """The pen of a curve in the theme in force."""
    style = Qt.PenStyle.DashLine if curve.is_dashed else Qt.PenStyle.SolidLine
    return curve_pen(curve.colour or current_theme().plot_text, curve.width, style=style)
