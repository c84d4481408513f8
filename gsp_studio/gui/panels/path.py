"""The path of the unprojected basis: the error at every sparsity, and how many basis images are lost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gsp_studio.gui.state import DisplayedBasis, PathCurve, RunSettings
from gsp_studio.gui.texts import percent, refined_words
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.controls import Button, label
from gsp_studio.gui.widgets.scrub_plot import ScrubPlot
from gsp_studio.gui.widgets.view_panel import ViewPanel

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

_OPEN = "Open your images to see what every sparsity costs"
_TEACH = (
    "The unprojected basis projected to every sparsity, its coefficients as they are.\n"
    "Click or drag to go there; arrows step 0.01, with Shift 0.001."
)
_KNEE = "Up to here sparsity costs little: the point that lies farthest below the straight line between the ends."
_LOST = "Basis images that are zero, or have a single pixel left"
_DECIMALS = 4


class PathPanel(ViewPanel):
    """Two plots with one axis of sparsities, the basis beside them; a press or a drag on the plots moves the target."""

    sparsityChanged = Signal(float)
    settled = Signal()  # the mouse was released
    basisPicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_OPEN, "Press Run (Space): the path is that of the basis that a run has found", parent=parent)
        self.errors, self.lost = ScrubPlot("error, %"), ScrubPlot("dead or 1 pixel")
        self.tiles = BasisTiles("Basis images at this sparsity")
        self.to_knee = Button("Go to the knee")
        self._words, self._knee_words = label(), label(muted=True)
        self._path: PathCurve | None = None
        self._shown: DisplayedBasis | None = None
        self._s = 0.0
        self._drawn: tuple[PathCurve | None, float] = (None, math.nan)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Error and lost basis images against sparsity")
        self._lay_out()
        for plot in (self.errors, self.lost):
            plot.scrubbed.connect(self._edited)
            plot.released.connect(self.settled)
            plot.setToolTip(_TEACH)
        self.to_knee.clicked.connect(self._go_to_knee)
        self.tiles.picked.connect(self._pick)
        self.set_path(None)

    def _lay_out(self) -> None:
        self.errors.getPlotItem().getAxis("bottom").setStyle(showValues=False)
        self.lost.getPlotItem().setLabel("bottom", "sparsity s of the projected basis")
        self._knee_words.setToolTip(_KNEE)
        self.to_knee.setToolTip(_KNEE)
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(12, 6, 12, 6)
        row.setSpacing(16)
        row.addWidget(self._words)
        row.addStretch()
        row.addWidget(self._knee_words)
        row.addWidget(self.to_knee)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(line)
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
        session.display.shownChanged.connect(self.set_shown)
        session.display.selectionChanged.connect(self.set_selected)
        self.basisPicked.connect(session.display.select)
        self.sparsityChanged.connect(session.settings.set_sparsity)
        self.settled.connect(session.settings.settle_sparsity)
        self.set_choice(session.settings.choice)

    def set_dataset(self, dataset: Dataset) -> None:
        """There are data: what is missing now is a basis."""
        self._has_data = True
        self.tiles.set_dataset(dataset)
        self.set_activity("")

    def set_path(self, path: PathCurve | None) -> None:
        """Draw this path; None: there is none yet."""
        self._path = path
        self._stack.setCurrentIndex(0 if path is None else 1)
        self._draw()

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Show this basis beside the curves."""
        self._shown = shown
        if shown is None:
            self.tiles.set_basis(None)
        else:
            self.tiles.set_basis(shown.W, shown.order)
        if self._path is not None and self.isVisible():
            self._tell(self._path)

    def set_selected(self, basis: int) -> None:
        """Frame a basis image; -1 for none."""
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
        path = self._path
        if path is None or not self.isVisible() or self._drawn == (path, self._s):
            return  # behind another tab nothing is drawn: the slider has no time to lose
        if self._drawn[0] is not path:
            errors = 100.0 * path.errors
            self.errors.set_curve(path.s, errors, 1.05 * max(float(errors.max()), 1e-3), path.knee)
            self.lost.set_curve(path.s, path.lost, 1.08 * path.rank, path.knee)
            self._tell_knee(path)
        self._drawn = (path, self._s)
        self.errors.set_value(self._s)
        self.lost.set_value(self._s)
        self._tell(path)

    def _tell(self, path: PathCurve) -> None:
        s = float(np.clip(self._s, path.s[0], path.s[-1]))
        error = float(np.interp(s, path.s, path.errors))
        lost = int(path.lost[int(np.argmin(np.abs(path.s - s)))])
        costs = f"projected {percent(error)}  ·  {lost} of {path.rank} dead or 1 pixel"
        shown = self._shown
        if shown is not None and shown.iterations and shown.target == self._s:
            s, costs = self._s, f"{refined_words(shown)}  ·  {costs}"
        self._words.setText(f"s = {s:.4f}  ·  {costs}")
        self._words.setToolTip(f"{_LOST}\nUnprojected basis: {path.origin}")

    def _tell_knee(self, path: PathCurve) -> None:
        there = not math.isnan(path.knee)
        self.to_knee.setEnabled(there)
        if there:
            error = float(np.interp(path.knee, path.s, path.errors))
            self._knee_words.setText(f"knee at s = {path.knee:.3f}, error {percent(error)}")
        else:
            self._knee_words.setText("")

    def _edited(self, s: float) -> None:
        s = round(s, _DECIMALS)
        if s != self._s:
            self.set_sparsity(s)
            self.sparsityChanged.emit(s)

    def _go_to_knee(self) -> None:
        if self._path is not None and not math.isnan(self._path.knee):
            self._edited(self._path.knee)
            self.settled.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows step 0.01, with Shift 0.001."""
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
