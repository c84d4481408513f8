"""Error and sparsity against iterations, while they come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QWidget

from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.basics import label

if TYPE_CHECKING:
    from gsp_studio.engine.run import Record


class CurvesPanel(QWidget):
    """Two plots with one axis of iterations; ranges are set by us, as searching them costs more than drawing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._n: list[int] = []
        self._error: list[float] = []
        self._sparsity: list[float] = []
        self._target: list[float] = []
        self._last = 1
        self._error_plot = self._plot("error, %")
        self._sparsity_plot = self._plot("sparsity")
        self._error_curve = self._error_plot.plot()
        self._target_curve = self._sparsity_plot.plot()
        self._sparsity_curve = self._sparsity_plot.plot()
        self._value = {"error": label(), "sparsity": label()}
        self._lay_out()
        self.retint()
        self.set_records(())

    def _plot(self, title: str) -> pg.PlotWidget:
        plot = pg.PlotWidget()
        item = plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.disableAutoRange()
        item.setLabel("left", title)
        item.setLabel("bottom", "iteration")
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(56)
        plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return plot

    def _lay_out(self) -> None:
        empty = label("Error and sparsity of a run appear here: press Run (Space).", muted=True)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        full = QWidget()
        row = QHBoxLayout(full)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(1)
        row.addWidget(self._error_plot)
        row.addWidget(self._sparsity_plot)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(empty)
        self._stack.addWidget(full)

    def retint(self) -> None:
        """Take the colours of the theme in force."""
        theme = current_theme()
        for plot in (self._error_plot, self._sparsity_plot):
            plot.setBackground(theme.canvas)
            for side in ("left", "bottom"):
                axis = plot.getPlotItem().getAxis(side)
                axis.setPen(pg.mkPen(theme.canvas_muted))
                axis.setTextPen(pg.mkPen(theme.canvas_text))
        self._error_curve.setPen(pg.mkPen(theme.curve_error, width=1.5))
        self._sparsity_curve.setPen(pg.mkPen(theme.curve_sparsity, width=1.5))
        self._target_curve.setPen(pg.mkPen(theme.curve_target, width=1.5, style=Qt.PenStyle.DashLine))

    def set_last(self, n_iter: int) -> None:
        """Where the axis of iterations ends."""
        self._last = max(1, n_iter)

    def set_records(self, records: Sequence[Record]) -> None:
        """Show these and no others."""
        self._n, self._error, self._sparsity, self._target = [], [], [], []
        self.add_records(records)
        self._stack.setCurrentIndex(1 if records else 0)

    def add_records(self, records: Sequence[Record]) -> None:
        """Show these too."""
        if not records:
            return
        self._n += [record.n_iter for record in records]
        self._error += [100.0 * record.error for record in records]
        self._sparsity += [record.sparsity for record in records]
        self._target += [record.target for record in records]
        self._draw()
        if self._stack.currentIndex() != 1:
            self._stack.setCurrentIndex(1)

    def _draw(self) -> None:
        self._error_curve.setData(self._n, self._error)
        self._sparsity_curve.setData(self._n, self._sparsity)
        has_target = not math.isnan(self._target[-1])
        self._target_curve.setData(self._n if has_target else [], self._target if has_target else [])
        end = max(self._last, self._n[-1])
        # The first iterations are far above the rest: the range follows what is left after them.
        settled = self._error[min(len(self._error) // 10, 20) :]
        low, high = min(settled), max(settled)
        margin = 0.08 * (high - low) or 1.0
        self._error_plot.setRange(xRange=(0, end), yRange=(max(0.0, low - margin), high + margin), padding=0)
        self._sparsity_plot.setRange(xRange=(0, end), yRange=self._sparsity_range(has_target), padding=0)

    def _sparsity_range(self, has_target: bool) -> tuple[float, float]:
        values = self._sparsity + ([t for t in self._target if not math.isnan(t)] if has_target else [])
        return max(0.0, math.floor(10 * min(values) - 0.5) / 10), min(1.02, math.ceil(10 * max(values) + 0.5) / 10)
