"""The path: error and lost basis images at every sparsity, of the projected basis and of solutions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gsp_studio.gui.solutions import SolvedCurve, WalkState
from gsp_studio.gui.state import DisplayedBasis, PathCurve, RunSettings
from gsp_studio.gui.texts import duration, error_words, percent, refined_words
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.controls import Button, elastic, label
from gsp_studio.gui.widgets.path_plot import PathPlot
from gsp_studio.gui.widgets.view_panel import ViewPanel
from gsp_studio.gui.widgets.worded import word_name
from gsp_studio.nouns import IMAGES

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

_OPEN = "Open your images to see what every sparsity costs"
_TEACH = (
    "Dashed: the unprojected basis projected to every sparsity, its coefficients as they are.\n"
    "Solid: solutions for both factors at these targets, a dot each, which are on the screen at once.\n"
    "Click or drag to go there; arrows step 0.01, with Shift 0.001."
)
_KNEE = (
    "Up to here sparsity costs little: the point of the {} curve that lies farthest below the straight\n"
    "line between its ends, of the part with at most three times the lowest error. It is that of the solved curve\n"
    "as soon as this is complete."
)
_WALK = (
    "Solve at about 25 targets, from the sparsity of the unprojected basis up to 0.99 and down again, each beginning\n"
    "with its neighbour, the better kept. It begins by itself where an iteration takes moments and this view is\n"
    "open, computes while nothing else does, with all processor cores but one, waits while the slider moves, and\n"
    "keeps every solution (up to 512 MiB). Esc here stops it."
)
_LOST = "Basis images that are zero, or have a single pixel left"
_DECIMALS = 4
#: The axis grows to the left in steps, so that it does not move with every one of the slider.
_STEP = 0.05


class PathPanel(ViewPanel):
    """Two plots with one axis of sparsities, the basis beside them; a press or a drag on the plots moves the target."""

    sparsityChanged = Signal(float)
    settled = Signal()  # the mouse was released
    basisPicked = Signal(int)
    watched = Signal(bool)  # the view is on the screen, or no more
    walkToggled = Signal(bool)  # start the walk, or stop it

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_OPEN, "Press Run (Space): the path is that of the basis that a run has found", parent=parent)
        self.errors, self.lost = PathPlot("error, %", has_legend=True), PathPlot("lost")
        self.tiles = BasisTiles("Basis images at this sparsity")
        self.to_knee = Button("Go to the knee")
        self.walk = Button("Solve the path")
        self._words, self._knee_words, self._walk_words = elastic(label()), label(muted=True), label(muted=True)
        self._solved: SolvedCurve | None = None
        self._walk = WalkState()
        self._path: PathCurve | None = None
        self._shown: DisplayedBasis | None = None
        self._selected = -1
        self._s = 0.0
        self._nouns = IMAGES
        self._drawn: tuple[PathCurve | None, SolvedCurve | None, float] = (None, None, math.inf)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        word_name(self, "Error and lost basis images against sparsity")
        self._lay_out()
        for plot in (self.errors, self.lost):
            plot.scrubbed.connect(self._edited)
            plot.released.connect(self.settled)
            plot.setToolTip(_TEACH)
        self.to_knee.clicked.connect(self._go_to_knee)
        self.walk.clicked.connect(lambda: self.walkToggled.emit(not self._walk.is_going))
        self.tiles.picked.connect(self._pick)
        self.set_path(None)
        self.set_walk(WalkState())

    def _lay_out(self) -> None:
        self.errors.getPlotItem().getAxis("bottom").setStyle(showValues=False)
        self.lost.getPlotItem().setLabel("bottom", "sparsity s of the basis")
        for widget in (self.walk, self._walk_words):
            widget.setToolTip(_WALK)
        policy = self.walk.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.walk.setSizePolicy(policy)
        lines = QWidget()
        rows = QVBoxLayout(lines)
        rows.setContentsMargins(12, 6, 12, 6)
        rows.setSpacing(4)
        rows.addWidget(self._words)
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self._knee_words)
        row.addWidget(self.to_knee)
        row.addStretch()
        row.addWidget(self._walk_words)
        row.addWidget(self.walk)
        rows.addLayout(row)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(lines)
        plots = QVBoxLayout()
        plots.setSpacing(0)
        plots.addWidget(self.errors, 3)
        plots.addWidget(self.lost, 2)
        side_by_side = QHBoxLayout()
        side_by_side.setSpacing(0)
        side_by_side.addLayout(plots, 3)
        side_by_side.addWidget(self.tiles, 2)
        box.addLayout(side_by_side, 1)
        self._stack.addWidget(full)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self.asked.connect(window.open_data)
        session.activity.changed.connect(self.set_activity)
        session.datasetChanged.connect(self.set_dataset)
        session.settings.choiceChanged.connect(self.set_choice)
        session.basis.pathChanged.connect(self.set_path)
        session.basis.solvedChanged.connect(self.set_solved)
        session.basis.walkChanged.connect(self.set_walk)
        session.display.shownChanged.connect(self.set_shown)
        session.display.selectionChanged.connect(self.set_selected)
        self.basisPicked.connect(session.display.select)
        self.sparsityChanged.connect(session.settings.set_sparsity)
        self.settled.connect(session.settings.settle_sparsity)
        self.watched.connect(session.basis.path.set_watched)
        self.walkToggled.connect(session.basis.path.set_wanted)
        self.set_choice(session.settings.choice)

    def set_dataset(self, dataset: Dataset) -> None:
        """There are data: what is missing now is a basis."""
        self._has_data, self._nouns = True, dataset.nouns
        self.tiles.set_dataset(dataset)
        self.set_activity("")

    def set_path(self, path: PathCurve | None) -> None:
        """Draw this path; None: there is none yet."""
        self._path = path
        self._stack.setCurrentIndex(0 if path is None else 1)
        self._draw()

    def set_solved(self, solved: SolvedCurve | None) -> None:
        """Draw this curve of solutions; None: there are none."""
        self._solved = solved
        self._draw()

    def set_walk(self, walk: WalkState) -> None:
        """Say how far the walk is, and offer what can be done with it."""
        self._walk = walk
        left = "" if walk.seconds is None else f"about {duration(walk.seconds)}"
        if walk.is_going:
            words = f"solved path {walk.n_done + 1} of {walk.n_runs}" if walk.n_runs else "solved path"
            words += f", {left} left" if left else ""
        elif walk.can_begin:
            words = ", ".join(filter(None, (f"stopped after {walk.n_done} of {walk.n_runs}" * bool(walk.n_runs), left)))
        else:
            words = ""
        self._walk_words.setText(words)
        self.walk.setText("Stop" if walk.is_going else "Go on" if walk.n_runs else "Solve the path")
        self.walk.setVisible(walk.is_going or walk.can_begin)

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Show this basis beside the curves."""
        self._shown = shown
        if shown is None:
            self.tiles.set_basis(None)
        else:
            self.tiles.set_basis(shown.W, shown.order)
        self.set_selected(self._selected)
        self._draw()

    def set_selected(self, basis: int) -> None:
        """Frame a basis image; -1 for none."""
        self._selected = basis
        self.tiles.set_selected(-1 if self._shown is None else self._shown.tile_of(basis))

    def _pick(self, tile: int) -> None:
        if self._shown is not None:
            self.basisPicked.emit(int(self._shown.order[tile]) if tile >= 0 else -1)

    def set_choice(self, choice: RunSettings) -> None:
        """Put the line at the target of this choice."""
        self.set_sparsity(choice.params.sparsity)

    def set_sparsity(self, s: float) -> None:
        """Put the line at this target."""
        self._s = s
        self._draw()

    def _draw(self) -> None:
        path, solved = self._path, self._solved
        if path is None or not self.isVisible():
            return  # behind another tab nothing is drawn: the slider has no time to lose
        begin = self._begin
        if self._drawn != (path, solved, begin):
            self._drawn = (path, solved, begin)
            knee, _, which = self._knee()
            none = np.zeros(0)
            s, errors, lost = (none, none, none) if solved is None else (solved.s, 100.0 * solved.errors, solved.lost)
            first, top = min(begin, float(min(s, default=math.inf))), 100.0 * float(path.errors.max())
            top = max(top, float(max(errors, default=0.0)), 1e-3)
            self.errors.set_curve(path.s, 100.0 * path.errors, 1.05 * top, knee, first)
            self.lost.set_curve(path.s, path.lost, 1.08 * path.rank, knee, first)
            self.errors.set_solved(s, errors)
            self.lost.set_solved(s, lost)
            self._tell_knee(which)
        self._mark()

    def _mark(self) -> None:
        """Put the line at the present target, and say what that costs."""
        path, solution = self._path, self._solution
        if path is not None and self.isVisible():
            lost = math.nan if solution is None else float(np.sum(np.count_nonzero(solution.W, axis=0) <= 1))
            self.errors.set_value(self._s, math.nan if solution is None else 100.0 * solution.error)
            self.lost.set_value(self._s, lost)
            self._tell(path, lost)

    @property
    def _begin(self) -> float:
        """Where the axis begins at the latest: a solution denser than the projected basis has its place on it."""
        is_left = self._path is not None and self._solution is not None and self._s < self._path.s[0]
        return math.floor(self._s / _STEP) * _STEP if is_left else math.inf

    @property
    def _at_target(self) -> DisplayedBasis | None:
        """The basis on the screen where that is of the present target."""
        shown = self._shown
        return shown if shown is not None and shown.target == self._s else None

    @property
    def _solution(self) -> DisplayedBasis | None:
        """The same where it is more than a projection: a run's, or a refined one."""
        shown = self._at_target
        return shown if shown is not None and (shown.iterations or math.isnan(shown.baseline)) else None

    def _tell(self, path: PathCurve, lost: float) -> None:
        """Say what the target costs; `lost`: how many images of the solution are dead or one pixel."""
        lost_words = self._nouns.of("dead or 1 pixel")
        s, solution, solved = float(np.clip(self._s, path.s[0], path.s[-1])), self._solution, self._solved
        count = f"{path.lost[int(np.argmin(np.abs(path.s - s)))]} of {path.rank}"
        projected = float(np.interp(s, path.s, path.errors))
        shown = self._at_target
        if shown is not None and solution is None:
            projected = shown.error  # of the basis on the screen, not between two points of the curve
        if solution is not None:
            projected = projected if math.isnan(solution.projected) else solution.projected
            words = refined_words(solution) if solution.iterations else error_words(solution)
            costs = f"{words}, {lost:.0f} of {path.rank} {lost_words}"
            costs, s = f"{costs}  ·  projected {percent(projected)}, {count}", self._s
        elif solved is not None:
            k = int(np.argmin(np.abs(solved.s - self._s)))
            costs = f"projected {percent(projected)}, {count} {lost_words}"
            costs += f"  ·  solved {percent(float(solved.errors[k]))} at s = {solved.s[k]:.3f}"
        else:
            costs = f"projected {percent(projected)}  ·  {count} {lost_words}"
        self._words.setText(f"s = {s:.4f}  ·  {costs}")
        self._words.setToolTip(f"{self._nouns.of(_LOST)}\nUnprojected basis: {path.origin}")

    def _knee(self) -> tuple[float, float, str]:
        """Where the knee is, the error there, and of which curve it is; NaN for none."""
        path, solved = self._path, self._solved
        if solved is not None and not math.isnan(solved.knee):
            return solved.knee, float(np.interp(solved.knee, solved.s, solved.errors)), "solved"
        if path is None:
            return math.nan, math.nan, "projected"
        return path.knee, float(np.interp(path.knee, path.s, path.errors)), "projected"

    def _tell_knee(self, which: str) -> None:
        s, error, _ = self._knee()
        there = not math.isnan(s)
        self.to_knee.setEnabled(there)
        self._knee_words.setText(f"knee of the {which} curve: s = {s:.3f}, {percent(error)}" if there else "")
        for widget in (self.to_knee, self._knee_words):
            widget.setToolTip(_KNEE.format(which))

    def _edited(self, s: float) -> None:
        s = round(s, _DECIMALS)
        if s != self._s:
            self.set_sparsity(s)
            self.sparsityChanged.emit(s)

    def _go_to_knee(self) -> None:
        s, _, _ = self._knee()
        if not math.isnan(s):
            self._edited(s)
            self.settled.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows step 0.01, with Shift 0.001; Esc stops the walk."""
        if event.key() == Qt.Key.Key_Escape and self._walk.is_going:
            self.walkToggled.emit(False)
            return
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1}
        step = steps.get(Qt.Key(event.key()), 0)
        if not step or self._path is None:
            super().keyPressEvent(event)
            return
        size = 0.001 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0.01
        self._edited(min(1.0, max(0.0, self._s + step * size)))
        self.settled.emit()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what has changed behind the other tabs."""
        super().showEvent(event)
        self._draw()
        self.watched.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Say that it is behind another tab."""
        super().hideEvent(event)
        self.watched.emit(False)
