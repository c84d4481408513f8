"""Curves of other runs over those of the run on the screen, with a legend: told apart by colour and by dashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.compared_basis import ComparedBasis
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.controls import plain
from gsp_studio.gui.widgets.error_curves import draw_pieces
from gsp_studio.gui.widgets.scrub_plot import curve_pen

if TYPE_CHECKING:
    from gsp_studio.core.results import History, Record

_STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
#: Widths of a line of the legend and of the gaps around it.
_LINE, _GAP = 28.0, 8.0


class RunCourse(NamedTuple):
    """Iterations that led to the result of a run, without trials that were given up; and errors, in percent, for the
    range of a plot."""

    history: History
    errors: Array


def course_of(records: Sequence[Record]) -> RunCourse:
    """Return the course of a run."""
    from gsp_studio.core.lineage import leads, settled
    from gsp_studio.core.results import History

    history = History.of(records)
    return RunCourse(history.chosen(leads(history)), 100.0 * settled(history))


def draw_course(curves: Sequence[pg.PlotDataItem], course: RunCourse) -> None:
    """Draw errors in percent and sparsities, each iteration joined to the one that it followed."""
    history = course.history
    for curve, values in zip(curves, (100.0 * history.error, history.sparsity), strict=True):
        draw_pieces(curve, history, values)


class CurveLegend(QWidget):
    """Names of curves in a line above their plots, where they cover none of them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.named: tuple[tuple[QPen, str], ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.hide()

    def show_curves(self, named: Sequence[tuple[QPen, str]]) -> None:
        """Name these and no others."""
        self.named = tuple(named)
        words = ", ".join(name for _, name in named)
        self.setAccessibleName(f"Curves: {words}")
        self.setToolTip(plain(words))
        self.setVisible(bool(named))
        self.update()

    def sizeHint(self) -> QSize:
        """A line."""
        return QSize(120, self.fontMetrics().height() + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a line and a name for each curve; names share the room that there is."""
        theme, metrics = current_theme(), self.fontMetrics()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.plot))
        room = (self.width() - _GAP) / max(1, len(self.named)) - _LINE - 2 * _GAP
        x, middle = 2 * _GAP, self.height() / 2
        for pen, name in self.named:
            painter.setPen(pen)
            painter.drawLine(round(x), round(middle), round(x + _LINE), round(middle))
            text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, max(0, int(room)))
            box = QRectF(x + _LINE + _GAP, 0, metrics.horizontalAdvance(text) + _GAP, self.height())
            painter.setPen(QColor(theme.plot_text))
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
            x = box.right() + _GAP


class CurveOverlay:
    """A pair of curves for each of some runs, on the plots of errors and of sparsities."""

    def __init__(self, errors: pg.PlotWidget, sparsities: pg.PlotWidget) -> None:
        self._plots = (errors, sparsities)
        self.legend = CurveLegend()
        self._curves: list[tuple[pg.PlotDataItem, pg.PlotDataItem]] = []
        self._courses: tuple[RunCourse, ...] = ()

    def set_runs(self, runs: Sequence[ComparedBasis]) -> None:
        """Draw the curves of these, where they have some, and no others, in the colours of the theme in force."""
        for curves in self._curves:
            for plot, curve in zip(self._plots, curves, strict=True):
                plot.removeItem(curve)
        theme = current_theme()
        colours = (theme.plot_accent, theme.curve_target, theme.plot_text, theme.plot_muted)
        drawn = [one for one in zip(runs, colours, _STYLES, strict=False) if one[0].records]
        pens = [curve_pen(colour, 1, style=style) for _, colour, style in drawn]
        self._courses = tuple(course_of(run.records) for run, *_ in drawn)
        self._curves = [(self._plots[0].plot(pen=pen), self._plots[1].plot(pen=pen)) for pen in pens]
        for curves, course in zip(self._curves, self._courses, strict=True):
            draw_course(curves, course)
        is_mixed = len({run.measure for run, *_ in drawn}) > 1
        names = [f"{run.name}{f', {run.measure}' if is_mixed else ''}{run.entries}" for run, *_ in drawn]
        self.legend.show_curves(list(zip(pens, names, strict=True)))

    @property
    def last(self) -> int:
        """The last iteration of all."""
        return max((int(course.history.n_iter[-1]) for course in self._courses), default=0)

    def errors(self) -> Array:
        """Errors, in percent, that the range of a plot has to hold."""
        return np.concatenate([course.errors for course in self._courses])

    def sparsities(self) -> Array:
        """Sparsities of all runs without their first iterations."""
        values = [course.history.sparsity for course in self._courses]
        return np.concatenate([one[min(len(one) // 10, 20) :] for one in values])
