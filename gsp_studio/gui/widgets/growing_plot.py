"""A plot against sparsity whose points come one by one."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.scrub_plot import ScrubPlot, curve_pen

_TOP = 105.0


class GrowingPlot(ScrubPlot):
    """Percentages against s; `dots` marks each point that is known, `level` what there was before."""

    def __init__(self, title: str, dots: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self.setMinimumHeight(96)
        self.setAcceptDrops(False)
        self._has_dots = dots
        self._level = pg.InfiniteLine(angle=0)
        self._level.hide()
        self.getPlotItem().addItem(self._level)
        self.getPlotItem().setLabel("bottom", "s")
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        super().tint()
        theme = current_theme()
        if hasattr(self, "_level"):
            self._level.setPen(curve_pen(theme.curve_target, 1))
            if self._has_dots:
                self._curve.setSymbol("o")
                self._curve.setSymbolSize(5)
                self._curve.setSymbolPen(None)
                self._curve.setSymbolBrush(pg.mkBrush(theme.curve_error))

    def set_points(self, s: Array, percents: Array, low: float = 0.0, level: float = float("nan")) -> None:
        """Draw these over the whole of the axis, from `low` up; a line at `level`."""
        self.set_curve(s, percents, _TOP, float("nan"))
        self.getPlotItem().setRange(xRange=(-0.01, 1.01), yRange=(low - 2.0, _TOP), padding=0)
        self._level.setVisible(level == level)
        if level == level:
            self._level.setValue(level)

    def clear_points(self) -> None:
        """Nothing is known."""
        self._x, self._y = np.zeros(0), np.zeros(0)
        self._curve.setData(self._x, self._y)
        self._dot.setData([], [])
        self._level.hide()
