"""Error and sparsity against iterations, while they come, with what was changed on the way."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from gsp_studio.gui.compared_basis import ComparedBasis, Comparison
from gsp_studio.gui.state import DisplayedBasis, Phase, RunEvent, RunSettings
from gsp_studio.gui.texts import error_name
from gsp_studio.gui.theme import Themed, current_theme
from gsp_studio.gui.widgets.controls import label
from gsp_studio.gui.widgets.curve_overlay import CurveOverlay, RunCourse, course_of, draw_course
from gsp_studio.gui.widgets.error_curves import ErrorCurves, draw_pieces, faint
from gsp_studio.gui.widgets.scrub_plot import BarePlot, curve_pen, fit_numbers, tint_axes

if TYPE_CHECKING:
    from gsp_studio.engine.run import Record
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session

Array = npt.NDArray[Any]

#: Pixels between two ticks of a logarithmic axis, about.
_TICK_ROOM = 18
#: Smallest error in % that a logarithmic axis shows.
_LEAST_ERROR = 1e-6
#: Least margin of the error axis, as a share of its largest value: less would need more digits than there is room for.
_FLAT = 2e-4

#: Milliseconds from what comes in a run until it is drawn.
_LATER_MS = 100
#: Iterations of a run up to which its whole length is on the axis from the start.
_LONG = 1000


def axis_end(n: int, last: int) -> int:
    """Return the end of the axis at iteration n of `last`, which lies before `last` while a long run is young."""
    if last <= _LONG or last <= 4 * n:
        return max(last, n)
    power = 10 ** (len(str(4 * n)) - 1)
    rounded = next(k * power for k in (1, 2, 5, 10) if k * power >= 4 * n)
    return int(min(last, max(_LONG, rounded)))


def log_ticks(low: float, high: float, height: int) -> list[list[tuple[float, str]]]:
    """Ticks of a logarithmic axis from 10 ** low to 10 ** high: 1, 2, 5, 10, or fewer where they have no room."""
    most = max(2, height // _TICK_ROOM)
    ticks: list[tuple[float, str]] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        values = [k * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for k in steps]
        ticks = [(math.log10(value), f"{value:g}") for value in values if low <= math.log10(value) <= high]
        if len(ticks) <= most:
            break
    return [ticks[:: -(-len(ticks) // most) or 1]]


class CurvesPanel(Themed, QWidget):
    """Two plots with one axis of iterations; ranges are set by us, as searching them costs more than drawing."""

    branchRequested = Signal(int)  # after which iteration: a double-click

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        #: Columns of the `History` of the run, which grow.
        self._columns: dict[str, array[float]] = {}
        self._last = 1
        #: Draws what came in a run: apart from the tiles of the same moment, and not as often.
        self._later = QTimer(self, singleShot=True, interval=_LATER_MS)
        self._later.timeout.connect(self._draw)
        self._error_plot = self._plot("error, %")
        self._sparsity_plot = self._plot("sparsity")
        self._marks: tuple[RunEvent, ...] = ()
        #: Of the run that this one is a branch of.
        self._origin: RunCourse | None = None
        self._origin_curves = (self._error_plot.plot(), self._sparsity_plot.plot())
        self._mark_lines = tuple(pg.PlotCurveItem(connect="pairs") for _ in range(2))
        self._mark_heads = pg.ScatterPlotItem(symbol="t", size=9, hoverable=True, tip=_tip)
        for plot, lines in zip((self._error_plot, self._sparsity_plot), self._mark_lines, strict=True):
            plot.addItem(lines, ignoreBounds=True)
        self._error_plot.addItem(self._mark_heads, ignoreBounds=True)
        self._errors = ErrorCurves(self._error_plot)
        self._error_curve = self._errors.error
        self._target_curve = self._sparsity_plot.plot()
        self._sparsity_curve = self._sparsity_plot.plot()
        self._overlay = CurveOverlay(self._error_plot, self._sparsity_plot)
        self._compared: tuple[ComparedBasis, ...] = ()
        self._is_comparing = self._is_running = False
        self.log_axis = QAction("Logarithmic error axis", self, checkable=True)
        self.log_axis.toggled.connect(self._set_log)
        self._error_plot.addAction(self.log_axis)
        self._error_plot.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._lay_out()
        self.follow_theme()
        self.set_records(())

    @property
    def _count(self) -> int:
        return len(self._columns["n_iter"]) if self._columns else 0

    def _plot(self, title: str) -> BarePlot:
        plot = BarePlot(title)
        plot.getPlotItem().setLabel("bottom", "iteration")
        plot.viewport().installEventFilter(self)
        plot.setToolTip("Double-click: a branch, the same run with another s from that iteration on")
        return plot

    def _lay_out(self) -> None:
        empty = label("Error and sparsity of a run appear here: press Run (Space).", muted=True)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self._overlay.legend)
        row = QHBoxLayout()
        row.setSpacing(1)
        box.addLayout(row, 1)
        row.addWidget(self._error_plot)
        row.addWidget(self._sparsity_plot)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(empty)
        self._stack.addWidget(full)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self.branchRequested.connect(window.branch_at)
        session.phaseChanged.connect(self.set_phase)
        session.display.shownChanged.connect(self.set_shown)
        session.datasetChanged.connect(self.set_dataset)
        session.settings.choiceChanged.connect(self.set_choice)
        session.course.originChanged.connect(self.set_origin)
        session.course.recordsReset.connect(self.set_records)
        session.course.marksChanged.connect(self.set_marks)
        session.course.recordsAdded.connect(self.add_records)
        session.analyses.comparisonReady.connect(self.set_comparison)
        self.set_phase(session.phase)
        self.set_choice(session.settings.choice)

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        theme = current_theme()
        for plot in (self._error_plot, self._sparsity_plot):
            tint_axes(plot)
        self._errors.tint()
        self._sparsity_curve.setPen(curve_pen(theme.curve_sparsity, 1))
        self._target_curve.setPen(curve_pen(theme.curve_target, 1, style=Qt.PenStyle.DashLine))
        for curve, colour in zip(self._origin_curves, (theme.curve_error, theme.curve_sparsity), strict=True):
            curve.setPen(curve_pen(faint(colour, 0.4), 1))
        for lines in self._mark_lines:
            lines.setPen(curve_pen(faint(theme.plot_text, 0.35), 1, style=Qt.PenStyle.DotLine))
        self._mark_heads.setBrush(pg.mkBrush(theme.plot_text))
        self._mark_heads.setPen(pg.mkPen(None))
        self._lay_over()

    def set_choice(self, choice: RunSettings) -> None:
        """The axis of iterations ends where a run of this choice does, while that is going."""
        self._last = max(1, choice.params.max_iter)

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Name the error of what is shown."""
        axis = self._error_plot.getPlotItem().getAxis("left")
        if shown is not None and axis.labelText != f"{error_name(shown)}, %":  # which takes as long as a move may
            axis.setLabel(f"{error_name(shown)}, %")

    def set_records(self, records: Sequence[Record]) -> None:
        """Show these and no others."""
        self._columns = {}
        self.add_records(records)
        self._stack.setCurrentIndex(1 if records else 0)

    def add_records(self, records: Sequence[Record]) -> None:
        """Show these too."""
        if not records:
            return
        from gsp_studio.core.results import HISTORY

        self._columns = self._columns or {name: array("d") for name in HISTORY}
        for name, column in self._columns.items():
            column.extend(getattr(record, name) for record in records)
        if not self._is_running or self._stack.currentIndex() != 1:
            self._draw()
        elif not self._later.isActive():
            self._later.start()
        if self._stack.currentIndex() != 1:
            self._stack.setCurrentIndex(1)

    def set_marks(self, marks: tuple[RunEvent, ...]) -> None:
        """Mark the changes in this run by time; hovering over a mark tells."""
        self._marks = marks
        if self._count:
            self._draw()

    def set_origin(self, records: Sequence[Record]) -> None:
        """The run that this one is a branch of, drawn faintly behind it."""
        self._origin = course_of(records) if records else None
        if self._origin is not None:
            draw_course(self._origin_curves, self._origin)
        for curve in self._origin_curves if self._origin is None else ():
            curve.clear()

    def set_comparison(self, comparison: Comparison) -> None:
        """Overlay the curves of the compared runs while the comparison is in view."""
        self._compared = comparison.runs
        self._lay_over()

    def set_comparing(self, on: bool) -> None:
        """Follow whether the comparison is in view."""
        self._is_comparing = on
        self._lay_over()

    def set_phase(self, phase: Phase) -> None:
        """A run that is going has the plots for itself."""
        self._is_running = phase.is_run
        self._lay_over()

    def set_dataset(self, dataset: object) -> None:
        """Runs of other data are not compared any more."""
        self._compared = ()
        self._lay_over()

    def _lay_over(self) -> None:
        runs = self._compared if self._is_comparing and not self._is_running else ()
        self._errors.set_visible(not runs)
        for curve in (self._sparsity_curve, self._target_curve, *self._origin_curves):
            curve.setVisible(not runs)  # what is compared has another legend
        self._overlay.set_runs(runs)
        if self._count:
            self._draw()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A double-click on a plot means an iteration."""
        if event.type() == QEvent.Type.MouseButtonDblClick and isinstance(event, QMouseEvent) and self._count:
            for plot in (self._error_plot, self._sparsity_plot):
                if watched is plot.viewport():
                    x = plot.getPlotItem().vb.mapSceneToView(plot.mapToScene(event.position().toPoint())).x()
                    self.branchRequested.emit(max(1, round(x)))
                    return True
        return super().eventFilter(watched, event)

    def _draw(self) -> None:
        from gsp_studio.core.results import History

        self._later.stop()
        if not self._count:
            return
        # Views of the arrays, which cannot grow while one is alive: none is kept.
        history = History(**{name: np.frombuffer(column) for name, column in self._columns.items()})
        n, sparsity, target = history.n_iter, history.sparsity, history.target
        settled = self._errors.draw(history)
        draw_pieces(self._sparsity_curve, history, sparsity)
        aimed = history.chosen(slice(0)) if math.isnan(target[-1]) else history
        draw_pieces(self._target_curve, aimed, aimed.target)
        # A run that has ended, before its time or not, fills the axis; what is compared has it alone.
        last = int(n[-1]) if not self._is_running else axis_end(int(n[-1]), self._last)
        end = self._overlay.last or max(2, last)
        # The first iterations are far above the rest: the range follows what is left after them.
        if self._origin is not None:
            settled = np.concatenate([settled, self._origin.errors])
        if self._overlay.last:
            settled = self._overlay.errors()
        low, high = float(settled.min()), float(settled.max())
        margin = max(0.08 * (high - low), _FLAT * high) if high > low else 1.0
        above = 3.0 if self._errors.legend.isVisible() else 1.0
        top = high + above * margin
        if self.log_axis.isChecked():
            low, high = (math.log10(max(value, _LEAST_ERROR)) for value in (low, high))
            margin = 0.08 * (high - low) or 0.1
            bottom, top = low - margin, high + above * margin
            ticks = log_ticks(bottom, top, self._error_plot.height())
        else:
            bottom, ticks = max(0.0, low - margin), None
        self._error_plot.getPlotItem().getAxis("left").setTicks(ticks)
        self._error_plot.setRange(xRange=(0, end), yRange=(bottom, top), padding=0)
        fit_numbers(self._error_plot, ticks)
        self._draw_marks(bottom, top, top - 0.5 * margin)
        origin = sparsity[:0] if self._origin is None else self._origin.history.sparsity
        values = np.concatenate([sparsity, target[~np.isnan(target)], origin])
        if self._overlay.last:
            values = self._overlay.sparsities()
        low, high = float(values.min()), float(values.max())
        low, high = max(0.0, math.floor(10 * low - 0.5) / 10), min(1.02, math.ceil(10 * high + 0.5) / 10)
        self._sparsity_plot.setRange(xRange=(0, end), yRange=(low, high), padding=0)

    def _set_log(self, on: bool) -> None:
        self._error_plot.getPlotItem().setLogMode(y=on)
        if self._count:
            self._draw()

    def _draw_marks(self, bottom: float, top: float, height: float) -> None:
        at = np.array([mark.first for mark in self._marks], dtype=float)
        for lines, ends in zip(self._mark_lines, ((bottom, top), (0.0, 2.0)), strict=True):
            lines.setData(np.repeat(at, 2), np.tile(ends, len(at)))
        self._mark_heads.setData(at, np.full(len(at), height), data=list(self._marks))


def _tip(x: float, y: float, data: RunEvent) -> str:
    return data.line
