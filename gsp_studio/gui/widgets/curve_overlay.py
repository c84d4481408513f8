"""Curves of other runs over those of the run on the screen, with a legend: told apart by colour and by dashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from gsp_studio.arrays import Array
from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.theme import current_theme

_STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)


class CurveOverlay:
    """A pair of curves for each of some runs, on the plots of errors and of sparsities."""

    def __init__(self, errors: pg.PlotWidget, sparsities: pg.PlotWidget) -> None:
        self._plots = (errors, sparsities)
        self._legend = pg.LegendItem(offset=(-8, 8), labelTextSize="8pt", verSpacing=-4)
        self._legend.setParentItem(errors.getPlotItem().vb)
        self._legend.hide()
        self._curves: list[tuple[pg.PlotDataItem, pg.PlotDataItem]] = []
        self.tables: tuple[Array, ...] = ()
        self._runs: tuple[RunEntry, ...] = ()

    def set_runs(self, runs: Sequence[RunEntry], thin: Callable[[Array], Array]) -> None:
        """Draw these and no others; `thin(values)` tells which points of a curve are worth drawing."""
        self._runs = tuple(runs)
        self.tables = tuple(
            np.array([(r.n_iter, 100.0 * r.error, r.sparsity) for r in entry.records], float).reshape(-1, 3)
            for entry in runs
        )
        self._make_curves()
        for curves, table in zip(self._curves, self.tables, strict=True):
            for curve, values in zip(curves, table.T[1:], strict=True):
                drawn = thin(values)
                curve.setData(table[drawn, 0], values[drawn])

    def _make_curves(self) -> None:
        """A curve a run, in the colours of the theme in force."""
        for curves in self._curves:
            for plot, curve in zip(self._plots, curves, strict=True):
                plot.removeItem(curve)
        self._legend.clear()
        theme = current_theme()
        self._legend.setLabelTextColor(theme.canvas_text)
        ground = QColor(theme.canvas)
        ground.setAlphaF(0.8)
        self._legend.setBrush(pg.mkBrush(ground))
        colours = (theme.canvas_accent, theme.curve_target, theme.canvas_text, theme.canvas_muted)
        self._curves = []
        for entry, colour, style in zip(self._runs, colours, _STYLES, strict=False):
            pen = pg.mkPen(colour, width=1, style=style)
            pair = (self._plots[0].plot(pen=pen), self._plots[1].plot(pen=pen))
            self._curves.append(pair)
            self._legend.addItem(pair[0], entry.name)
        self._legend.setVisible(bool(self._curves))

    @property
    def last(self) -> int:
        """The last iteration of all."""
        return max((int(table[-1, 0]) for table in self.tables if len(table)), default=0)

    def settled(self, column: int) -> Array:
        """Values of all runs without their first iterations; column 1 errors, 2 sparsities."""
        parts = [table[min(len(table) // 10, 20) :, column] for table in self.tables if len(table)]
        return np.concatenate(parts) if parts else np.zeros(0)
