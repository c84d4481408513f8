"""The error of a run against its iterations, that of held-out entries, and trials apart from what led to the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtGui import QColor

from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.scrub_plot import curve_pen

if TYPE_CHECKING:
    from gsp_studio.core.results import History

Array = npt.NDArray[Any]

#: Points of a curve that are drawn: about two a pixel. Drawing all of a long run would take longer than computing it.
_POINTS = 600


def thinned(values: Array, most: int = _POINTS) -> Array:
    """Indices of at most about `most` values, in order: all of a few, the extremes of every stretch of many."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    step = -(-2 * count // most)
    whole = count // step * step
    stretches = values[:whole].reshape(-1, step)
    starts = np.arange(0, whole, step)
    # What is left after the last full stretch is drawn whole: it is where the run is now.
    ends = (starts + stretches.argmin(axis=1), starts + stretches.argmax(axis=1), np.arange(whole, count))
    return np.unique(np.concatenate(ends))


def faint(colour: str, alpha: float) -> QColor:
    """A colour that lets the ground through."""
    made = QColor(colour)
    made.setAlphaF(alpha)
    return made


def mark_single(curve: pg.PlotDataItem, count: int) -> None:
    """Give a curve of one point a dot in its colour: a line needs two."""
    symbol = "o" if count == 1 else None
    if curve.opts["symbol"] != symbol:
        curve.setSymbolPen(None)
        curve.setSymbolSize(6)
        curve.setSymbol(symbol)
    if symbol is not None:
        curve.setSymbolBrush(pg.mkBrush(pg.mkPen(curve.opts["pen"]).color()))


def draw_pieces(curve: pg.PlotDataItem, history: History, values: Array) -> None:
    """Draw percentages against iterations, with a line to each from the one that it followed, where that is drawn."""
    from gsp_studio.core.lineage import starts_of

    drawn = thinned(values)
    piece = np.searchsorted(starts_of(history), drawn, side="right")
    is_joined = np.append(piece[1:] == piece[:-1], False)
    connect = "all" if is_joined[:-1].all() else is_joined.astype(np.int32)
    curve.setData(history.n_iter[drawn], values[drawn], connect=connect)
    mark_single(curve, len(drawn))


class PlotLegend(pg.LegendItem):  # type: ignore[misc]
    """Names of curves in the upper right corner of a plot, below each other or in a line."""

    def __init__(self, plot: pg.PlotWidget, is_line: bool = False) -> None:
        columns = 3 if is_line else 1
        super().__init__(offset=(-8, 2 if is_line else 8), labelTextSize="8pt", verSpacing=-4, colCount=columns)
        self.setParentItem(plot.getPlotItem().vb)
        self.hide()

    def show_curves(self, curves: Sequence[tuple[pg.PlotDataItem, str]]) -> None:
        """Name these and no others."""
        self.clear()
        theme = current_theme()
        self.setLabelTextColor(theme.plot_text)
        self.setBrush(pg.mkBrush(faint(theme.plot, 0.8)))
        for curve, name in curves:
            self.addItem(curve, name)
        self.setVisible(bool(curves))


class ErrorCurves:
    """Three curves and their legend: iterations that led to the result, their held-out error, and other trials."""

    def __init__(self, plot: pg.PlotWidget) -> None:
        self.tried, self.error, self.held_out = (plot.plot() for _ in range(3))
        self.legend = PlotLegend(plot, is_line=True)
        self._named: tuple[bool, bool] = (False, False)
        self._is_on = True

    def tint(self) -> None:
        """Take the colours of the theme in force; one pixel wide: Qt takes five times as long for wider lines."""
        theme = current_theme()
        self.error.setPen(curve_pen(theme.curve_error, 1))
        self.held_out.setPen(curve_pen(theme.curve_held_out, 1))
        self.tried.setPen(curve_pen(faint(theme.curve_error, 0.4), 1))
        self._name()

    def set_visible(self, on: bool) -> None:
        """Show them or leave the plot to others."""
        self._is_on = on
        for curve in (self.tried, self.error, self.held_out):
            curve.setVisible(on)
        self._name()

    def draw(self, history: History) -> Array:
        """Draw the iterations of a run; return the percentages that the plot's range has to hold."""
        from gsp_studio.core.lineage import leads, settled, settled_held_out

        leading = leads(history)
        # Of a run without trials nothing is copied.
        kept = history if leading.all() else history.chosen(leading)
        given_up = history.chosen(slice(0)) if kept is history else history.chosen(~leading)
        has_held_out = not np.isnan(history.held_out_error[-1])
        draw_pieces(self.error, kept, 100.0 * kept.error)
        draw_pieces(self.tried, given_up, 100.0 * given_up.error)
        seen = kept if has_held_out else kept.chosen(slice(0))
        draw_pieces(self.held_out, seen, 100.0 * seen.held_out_error)
        named = has_held_out, len(given_up.n_iter) > 0
        if named != self._named:
            self._named = named
            self._name()
        values = settled(history)
        if has_held_out:
            values = np.concatenate([values, settled_held_out(kept, values)])
        return 100.0 * values

    def _name(self) -> None:
        has_held_out, has_tried = self._named
        named = [(self.error, "error")] if has_held_out or has_tried else []
        named += [(self.held_out, "held out")] if has_held_out else []
        named += [(self.tried, "other starts")] if has_tried else []
        self.legend.show_curves(named if self._is_on else [])
