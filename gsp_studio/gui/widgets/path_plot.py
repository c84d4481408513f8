"""Two curves against sparsity, of the projected basis and of solutions, under which one can scrub."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.scrub_plot import ScrubPlot, curve_pen

Array = npt.NDArray[Any]

#: Pixels within which the pointer goes to a solved point.
SNAP = 4.0


class PathPlot(ScrubPlot):
    """The projected curve dashed and thin, the solved one solid with a dot a point; the pointer snaps to its points.

    `has_legend`: whether it names them.
    """

    def __init__(self, title: str, has_legend: bool = False, parent: QWidget | None = None) -> None:
        self._solved: pg.PlotDataItem | None = None
        super().__init__(title, parent)
        self._solved_x, self._solved_y = np.zeros(0), np.zeros(0)
        self._solved = self.getPlotItem().plot()
        self._legend = pg.LegendItem(offset=(72, 12)) if has_legend else None
        if self._legend is not None:
            self._legend.setParentItem(self.getPlotItem())
            self._legend.addItem(self._solved, "solved")
            self._legend.addItem(self._curve, "projected")
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        super().tint()
        theme = current_theme()
        if self._solved is None:
            return  # the base class tints what it has made
        self._curve.setPen(curve_pen(theme.plot_muted, 1, style=Qt.PenStyle.DashLine))
        self._solved.setPen(curve_pen(theme.curve_error, 2))
        self._solved.setSymbol("o")
        self._solved.setSymbolSize(5)
        self._solved.setSymbolPen(None)
        self._solved.setSymbolBrush(pg.mkBrush(theme.curve_error))
        if self._legend is not None:
            self._legend.setBrush(pg.mkBrush(theme.plot))
            self._legend.setLabelTextColor(theme.plot_text)
            for _, label in self._legend.items:
                label.setText(label.text, color=theme.plot_text)

    def set_solved(self, x: Array, y: Array) -> None:
        """Draw this curve of solutions; none where it has no points. The range is `set_curve`'s."""
        assert self._solved is not None
        self._solved_x, self._solved_y = x, y
        self._solved.setData(x, y)

    def value_at(self, point: QPointF) -> float:
        """The x under a point, or the solved one that is next to it."""
        x = super().value_at(point)
        if not len(self._solved_x):
            return x
        nearest = float(self._solved_x[int(np.argmin(np.abs(self._solved_x - x)))])
        return nearest if abs(self.place_of(nearest).x() - point.x()) <= SNAP else x
