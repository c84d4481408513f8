"""Curves of other runs over those of the run on the screen, with a legend: told apart by colour and by dashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt

from gsp_studio.arrays import Array
from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.texts import of_entries
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.error_curves import PlotLegend, thinned
from gsp_studio.gui.widgets.scrub_plot import curve_pen

if TYPE_CHECKING:
    from gsp_studio.core.results import Record

_STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)


def course_of(records: Sequence[Record]) -> tuple[Array, Array]:
    """Iterations that led to the result of a run, without trials that were given up.

    Returns
    -------
    table : ndarray (k, 3)
        Iterations, errors in percent, sparsities.
    errors : ndarray
        Those that the range of a plot has to hold.
    """
    if not records:
        return np.zeros((0, 3)), np.zeros(0)
    from gsp_studio.core.lineage import leads, settled
    from gsp_studio.core.results import History

    history = History.of(records)
    table = np.column_stack([history.n_iter, 100.0 * history.error, history.sparsity])
    return table[leads(history)], 100.0 * settled(history)


class CurveOverlay:
    """A pair of curves for each of some runs, on the plots of errors and of sparsities."""

    def __init__(self, errors: pg.PlotWidget, sparsities: pg.PlotWidget) -> None:
        self._plots = (errors, sparsities)
        self._legend = PlotLegend(errors)
        self._curves: list[tuple[pg.PlotDataItem, pg.PlotDataItem]] = []
        #: Of each run, as `course_of` gives it.
        self._courses: tuple[tuple[Array, Array], ...] = ()
        self._runs: tuple[RunEntry, ...] = ()

    def set_runs(self, runs: Sequence[RunEntry]) -> None:
        """Draw these and no others."""
        self._runs = tuple(runs)
        self._courses = tuple(course_of(entry.records) for entry in runs)
        self._make_curves()
        for curves, (table, _) in zip(self._curves, self._courses, strict=True):
            for curve, values in zip(curves, table.T[1:], strict=True):
                drawn = thinned(values)
                curve.setData(table[drawn, 0], values[drawn])

    def _make_curves(self) -> None:
        """A curve a run, in the colours of the theme in force."""
        for curves in self._curves:
            for plot, curve in zip(self._plots, curves, strict=True):
                plot.removeItem(curve)
        theme = current_theme()
        colours = (theme.plot_accent, theme.curve_target, theme.plot_text, theme.plot_muted)
        self._curves = []
        names = []
        for entry, colour, style in zip(self._runs, colours, _STYLES, strict=False):
            pen = curve_pen(colour, 1, style=style)
            pair = (self._plots[0].plot(pen=pen), self._plots[1].plot(pen=pen))
            self._curves.append(pair)
            names.append(f"{entry.name}{of_entries(entry)}")
        self._legend.show_curves([(pair[0], name) for pair, name in zip(self._curves, names, strict=True)])

    @property
    def last(self) -> int:
        """The last iteration of all."""
        return max((int(table[-1, 0]) for table, _ in self._courses if len(table)), default=0)

    def settled(self, column: int) -> Array:
        """Values of all runs without their first iterations; column 1 errors, 2 sparsities."""
        parts = [
            errors if column == 1 else table[min(len(table) // 10, 20) :, column] for table, errors in self._courses
        ]
        return np.concatenate(parts) if parts else np.zeros(0)
