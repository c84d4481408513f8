"""Dialog of a study of ranks: its errors and stability as they come, and the rank that is suggested."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from gsp_studio.gui.dialogs.question import UnsavedQuestion, is_left
from gsp_studio.gui.theme import Themed, current_theme
from gsp_studio.gui.widgets.controls import label
from gsp_studio.gui.widgets.number_field import WholeNumber
from gsp_studio.gui.widgets.scrub_plot import BarePlot, curve_pen, tint_axes
from gsp_studio.gui.widgets.worded import Worded, word_label, word_tip

if TYPE_CHECKING:
    from gsp_studio.experiments.rank import RankRow, RankStudy

_FIRST, _LAST, _SEEDS = 2, 12, 5
_MOST_TICKS = 16
_LEGEND_LEFT, _LEGEND_HEIGHT = 44, 26
_WORDS = (
    "Every rank is fitted without some pixels of some images, and has to predict these: too many parts fit noise, and "
    "predict worse. These fits are without a target for the sparsity, which would hide it. Fits from several seeds "
    "show which parts are there whatever the start."
)
_AGREEMENT = (
    "Matched similarity: mean cosine of the basis images of two seeds, each with its partner, less the level of chance "
    "(that of the same basis images with their pixels shuffled): 0 is chance, 1 the same.\n"
    "Consensus: whether the seeds sort the images into the same groups, by the basis image that weighs most in each "
    "(dispersion, Kim & Park 2007), less the level of chance (groups of the same sizes, dealt at random); the "
    "cophenetic correlation (Brunet et al. 2004) stands below.\n"
    "Explained energy: 1 - (error of the fit)^2, means over seeds: the part of the sum of squares of all pixels, from "
    "which no mean is subtracted."
)


@dataclass(frozen=True)
class _Curve:
    """One of the lower plot's curves: what it is, and how it differs from the others without its colour."""

    name: str
    value: Callable[[RankRow], float]
    colour: str
    line: Qt.PenStyle
    symbol: str


_CURVES = (
    _Curve("matched similarity", lambda row: row.stability, "curve_error", Qt.PenStyle.SolidLine, "o"),
    _Curve("consensus", lambda row: row.consensus.agreement, "curve_sparsity", Qt.PenStyle.DashLine, "d"),
    _Curve("explained energy", lambda row: row.explained_energy.mean(), "curve_target", Qt.PenStyle.DotLine, "s"),
)


class RankDialog(Themed, QDialog):
    """Emits `studyRequested(range, seeds)`, `studyCancelled` and `rankChosen(rank)`."""

    studyRequested = Signal(object, int)
    studyCancelled = Signal()
    rankChosen = Signal(int)

    def __init__(self, most: int, method: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        Worded(self, QDialog.setWindowTitle, "How many basis images?")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.first, self.last, self.seeds = WholeNumber(), WholeNumber(), WholeNumber()
        self.first.setRange(1, most)
        self.last.setRange(1, most)
        self.seeds.setRange(1, 50)
        self.first.setValue(min(_FIRST, most))
        self.last.setValue(min(_LAST, most))
        self.seeds.setValue(_SEEDS)
        self.start, self.use = QPushButton("Start"), QPushButton("Use this rank")
        self.start.setProperty("primary", True)
        self.start.setDefault(True)
        self.use.setEnabled(False)
        self.use.setAutoDefault(False)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.errors, self.stability = _plot("left-out error, %"), _plot("fraction")
        word_tip(self.stability, _AGREEMENT)
        below = self.stability.getPlotItem()
        self._legend = _legend_above(below)
        below.setLabel("bottom", f"rank ({method})")
        below.setYRange(0, 1.03, padding=0)
        self._said, self._numbers = label(wrap=True), label(muted=True, wrap=True)
        self._rows: list[RankRow] = []
        self._suggested = 0
        self._is_going = False
        self.question: UnsavedQuestion | None = None
        self._lay_out()
        for number in (self.first, self.last):
            number.valueChanged.connect(lambda _: self._draw_axes())
        self.start.clicked.connect(self._toggle)
        self.use.clicked.connect(self._use)
        self.finished.connect(lambda _: self.studyCancelled.emit())
        for plot in (self.errors, self.stability):
            plot.scene().sigMouseMoved.connect(lambda place, plot=plot: self._point_at(plot, place))
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        for plot in (self.errors, self.stability):
            tint_axes(plot)
        self._draw()

    def _lay_out(self) -> None:
        choices = QHBoxLayout()
        choices.setSpacing(8)
        for text, number in (("Ranks", self.first), ("to", self.last), ("Seeds", self.seeds)):
            choices.addWidget(QLabel(text))
            choices.addWidget(number)
            number.setAccessibleName(text)
        choices.addStretch()
        choices.addWidget(self.start)
        buttons = QHBoxLayout()
        buttons.addWidget(self._said, 1)
        buttons.addWidget(self.use)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(12)
        box.addWidget(word_label(label(wrap=True), _WORDS))
        box.addLayout(choices)
        box.addWidget(self.bar)
        box.addWidget(self.errors, 3)
        box.addWidget(self.stability, 2)
        box.addWidget(self._numbers)
        box.addLayout(buttons)
        self.resize(640, 680)

    def _toggle(self) -> None:
        if self._is_going:
            self._end("cancelled; the ranks that are done stay")
            self.studyCancelled.emit()
            return
        if self.last.value() < self.first.value():
            self._said.setText("⚠ The last rank is below the first.")
            return
        self._rows, self._suggested, self._is_going = [], 0, True
        self.use.setEnabled(False)
        self.start.setText("Cancel")
        self.start.setDefault(False)  # Enter in a number must not end what it has begun
        self.start.setAutoDefault(False)
        self._said.setText("")
        self._numbers.setText("")
        self._draw()
        self.studyRequested.emit(range(self.first.value(), self.last.value() + 1), self.seeds.value())

    def set_progress(self, done: int, total: int) -> None:
        """Fits done, of all."""
        self.bar.setRange(0, max(1, total))
        self.bar.setValue(done)

    def add_row(self, row: RankRow) -> None:
        """Show one more rank."""
        self._rows.append(row)
        self._numbers.setText(_in_words(row))
        self._draw()

    def set_study(self, study: RankStudy) -> None:
        """The study is done."""
        self._suggested = study.suggested
        self._numbers.setText("".join(_in_words(row) for row in self._rows if row.rank == study.suggested))
        warning = f"\n⚠ {study.warning[0].upper()}{study.warning[1:]}." if study.warning else ""
        self._end(f"Rank {study.suggested}: {study.reason}.{warning}")
        self.use.setText(f"Use rank {study.suggested}")
        self.use.setEnabled(True)
        self._draw()

    def set_problem(self, sentence: str, details: str = "") -> None:
        """Say why there is no study."""
        self._end(f"⚠ {sentence}")

    def _end(self, text: str) -> None:
        self._is_going = False
        if self.question is not None:  # there is nothing to end any more
            self.question.box.reject()
        self.start.setText("Start")
        self.start.setAutoDefault(True)
        self.start.setDefault(True)
        self.bar.setValue(0)
        self._said.setText(text)

    def reject(self) -> None:
        """Close; a study that is going ends only when the user says so."""
        if not self._is_going or is_left(self):
            super().reject()
            return
        self.question = UnsavedQuestion(
            self,
            "End the search for the number of basis images?",
            "It is going, and its ranks are gone when this window closes.",
            {"discard": self.drop},
            self._stay,
            discard="End it",
        )

    def _stay(self) -> None:
        self.question = None

    def drop(self) -> None:
        """Close without a question: the data that it is about are gone, or it may end."""
        self._is_going, self.question = False, None
        super().reject()

    def _use(self) -> None:
        self.rankChosen.emit(self._suggested)
        self.accept()

    def _draw(self) -> None:
        theme = current_theme()
        for plot in (self.errors, self.stability):
            plot.getPlotItem().clear()
        self._draw_axes()
        if not self._rows:
            return
        ranks = np.array([row.rank for row in self._rows], float)
        errors = 100 * np.array([row.error for row in self._rows])
        spread = 100 * np.array([row.spread for row in self._rows])
        dot = pg.mkBrush(theme.curve_error)
        self.errors.addItem(
            pg.ErrorBarItem(x=ranks, y=errors, top=spread, bottom=spread, beam=0.2, pen=pg.mkPen(theme.plot_muted))
        )
        pen = curve_pen(theme.curve_error, 1)
        self.errors.plot(ranks, errors, pen=pen, symbol="o", symbolSize=6, symbolBrush=dot, symbolPen=None)
        self._draw_agreement(ranks)
        for plot in (self.errors, self.stability):
            if self._suggested:
                plot.addItem(pg.InfiniteLine(self._suggested, pen=curve_pen(theme.plot_accent, 1)))
        low, high = float((errors - spread).min()), float((errors + spread).max())
        room = 0.06 * (high - low) or 1.0
        self.errors.getPlotItem().setYRange(low - room, high + room, padding=0)

    def _draw_axes(self) -> None:
        """The ranks that are chosen, and no values before there are any."""
        first, last = self.first.value(), max(self.first.value(), self.last.value())
        each = -(-(last + 1 - first) // _MOST_TICKS)
        for plot in (self.errors, self.stability):
            item = plot.getPlotItem()
            item.getAxis("bottom").setTickSpacing(levels=[(each, 0)])  # there is no rank 2.5
            item.getAxis("left").setTicks(None if self._rows else [])
            item.setXRange(first - 0.5, last + 0.5, padding=0)

    def _draw_agreement(self, ranks: npt.NDArray[np.float64]) -> None:
        theme = current_theme()
        self._legend.setLabelTextColor(theme.plot_text)
        for curve in _CURVES:
            values = np.array([curve.value(row) for row in self._rows], float)
            colour = getattr(theme, curve.colour)
            if np.isnan(values).all():  # a single seed agrees with itself whatever it finds
                continue
            self.stability.plot(
                ranks,
                values,
                name=curve.name,
                pen=curve_pen(colour, 1, style=curve.line),
                symbol=curve.symbol,
                symbolSize=7,
                symbolBrush=pg.mkBrush(colour),
                symbolPen=None,
            )

    def _point_at(self, plot: pg.PlotWidget, place: QPointF) -> None:
        """Tell the numbers of the rank under the pointer."""
        at = plot.getPlotItem().vb.mapSceneToView(place).x()
        for row in self._rows:
            if abs(row.rank - at) <= 0.5:
                self._numbers.setText(_in_words(row))


def _in_words(row: RankRow) -> str:
    """All numbers of a rank."""
    text = f"Rank {row.rank}: left out {100 * row.error:.3f} % ± {100 * row.spread:.3f} %, explained energy "
    text += f"{row.explained_energy.mean():.4f}"
    if math.isnan(row.stability):
        return f"{text}; similarity and consensus need two seeds"
    consensus = row.consensus
    return (
        f"{text}, similarity {row.stability:.3f}, consensus {consensus.agreement:.3f}, "
        f"cophenetic correlation {consensus.cophenetic:.3f}"
    )


def _plot(title: str) -> BarePlot:
    plot = BarePlot(title)
    plot.setAccessibleName(title)
    return plot


def _legend_above(item: pg.PlotItem) -> pg.LegendItem:
    """A legend above the plot: curves from 0 to 1 leave no room inside it."""
    legend = pg.LegendItem(colCount=len(_CURVES), labelTextSize="8pt")
    legend.setParentItem(item)
    legend.anchor(itemPos=(0, 0), parentPos=(0, 0), offset=(_LEGEND_LEFT, 0))
    item.layout.setRowFixedHeight(0, _LEGEND_HEIGHT)
    item.legend = legend  # new curves are added to it, and taken out when they go
    return legend
