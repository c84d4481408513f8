"""The slider, its number, the error of the projection, and the sparsity of each basis image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from gsp_studio.gui.state import BasisPreview, DisplayedBasis, Phase, RunSettings, UnprojectedBasis, View
from gsp_studio.gui.texts import error_words
from gsp_studio.gui.theme import Themed, icon
from gsp_studio.gui.widgets.controls import Button, CheckBox, ElidedLabel, elastic, label, reserve
from gsp_studio.gui.widgets.slider import SparsitySlider
from gsp_studio.gui.widgets.sparsity_bars import SparsityBars
from gsp_studio.gui.widgets.sparsity_input import SparsityInput
from gsp_studio.gui.widgets.worded import word_label, word_tip
from gsp_studio.nouns import IMAGES

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

_WIDEST = "stopped after 888 iterations: error 88.888 %   projected 88.888 %"
_TEACH = (
    "The average Hoyer sparsity of all basis images, 0 (flat) to 1 (one pixel each).\n"
    "Drag, or step with the arrows (0.01; with Shift 0.001). Double-click: back to the mark,\n"
    "the sparsity of the unprojected basis.\n"
    "While a run is going the slider steers it."
)
_TEACH_H = (
    "The average Hoyer sparsity of the coefficients' rows: how few images use each basis image.\n"
    "At 0 the coefficients are free. Double-click: off. While a run is going the slider steers it."
)
_TEACH_REFINE = (
    "Solve at the slider's target: iterations of both factors in the background, which begin with the basis on the\n"
    "screen, while the slider moves and after it, until the error stands still. Off: the basis is only projected.\n"
    "Where an iteration takes long it begins when the slider is released. Locked basis images keep their pixels then.\n"
    "Esc stops it."
)
_TEACH_BARS = (
    "One bar a basis image, in the order of the tiles. Click one to select it,\n"
    "double-click to lock the sparsity that it has (key L):\n"
    "the others then share what is left of the budget, so that the average still meets the target."
)


class SparsityPanel(Themed, QWidget):
    """Edits the target; shows what it means for the basis on the screen."""

    sparsityChanged = Signal(float)
    sparsityHChanged = Signal(float)  # of the coefficients, 0 for none
    settled = Signal()  # the slider was released
    resetRequested = Signal()
    refineToggled = Signal(bool)
    basisPicked = Signal(int)
    lockToggled = Signal(int)
    unlockRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = SparsitySlider()
        word_tip(self.slider, _TEACH)
        self.slider_h = SparsitySlider("Sparsity of the coefficients", ticks=False)
        word_tip(self.slider_h, _TEACH_H)
        self._input = SparsityInput(
            self.slider, "Target for the average sparsity of the basis, a number from 0 to 1", self
        )
        self._input_h = SparsityInput(
            self.slider_h, "Target for the average sparsity of the coefficients, 0 (off) to 1", self
        )
        self.number, self.number_h = self._input.number, self._input_h.number
        self.bars = SparsityBars()
        self.reset = Button()
        self.refine = CheckBox("Refine")
        word_tip(self.refine, _TEACH_REFINE)
        self.refine.setChecked(True)
        self.unlock = Button("Unlock all")
        self.advice = Button()
        self._read_out = ElidedLabel()
        self._pinned_text = label(muted=True)
        self._shown: DisplayedBasis | None = None
        self._selected = -1
        self._advised = math.nan
        self._pinned: UnprojectedBasis | None = None
        self._locked: dict[int, float] = {}
        self._phase, self._nouns = Phase.STARTING, IMAGES
        self.number_h.setSpecialValueText("off")
        self._build_reset()
        self._lay_out()
        self.slider.resetRequested.connect(self.resetRequested)
        self.slider_h.resetRequested.connect(lambda: self._input_h.enter(0.0))
        self._input.edited.connect(self.sparsityChanged)
        self._input_h.edited.connect(self.sparsityHChanged)
        for edited in (self._input, self._input_h):
            edited.settled.connect(self.settled)
        self.refine.clicked.connect(self.refineToggled)
        self.bars.picked.connect(self._pick)
        self.bars.activated.connect(self._lock)
        self.unlock.clicked.connect(self.unlockRequested)
        self.advice.clicked.connect(lambda: self._input.enter(self._advised))
        self.settled.connect(lambda: self._advise(self._shown))
        self.advice.hide()
        self.set_locked({})
        self.set_pinned(None)

    def _build_reset(self) -> None:
        self.reset.setFlat(True)
        self.reset.setToolTip("Reset to the sparsity of the unprojected basis (double-click on the slider)")
        self.reset.setAccessibleName("Reset sparsity")
        self.reset.clicked.connect(self.resetRequested)
        self.follow_theme()

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        session.phaseChanged.connect(self.set_phase)
        session.datasetChanged.connect(self.set_dataset)
        session.settings.choiceChanged.connect(self.set_choice)
        session.basis.pinnedChanged.connect(self.set_pinned)
        session.basis.lockedChanged.connect(self.set_locked)
        session.basis.refinesChanged.connect(self.set_refine)
        session.display.shownChanged.connect(self.set_shown)
        session.display.glimpseChanged.connect(self.set_glimpse)
        session.display.selectionChanged.connect(self.set_selected)
        session.display.viewChanged.connect(self.set_view)
        self.set_view(session.display.view)
        self.basisPicked.connect(session.display.select)
        self.sparsityChanged.connect(session.settings.set_sparsity)
        self.settled.connect(session.settings.settle_sparsity)
        self.sparsityHChanged.connect(session.settings.set_sparsity_h)
        self.resetRequested.connect(session.slider.reset_sparsity)
        self.lockToggled.connect(session.slider.toggle_locked)
        self.unlockRequested.connect(lambda: session.slider.lock({}))
        self.refineToggled.connect(session.basis.set_refine)
        self.set_phase(session.phase)
        self.set_choice(session.settings.choice)

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        self.reset.setIcon(icon("reset"))

    def _lay_out(self) -> None:
        top = QGridLayout()
        top.setHorizontalSpacing(12)
        top.setVerticalSpacing(0)
        top.setColumnStretch(1, 1)
        name, name_h = label("Sparsity of W"), label("of H")
        word_tip(name, _TEACH)
        word_tip(name_h, _TEACH_H)
        self._own_h = label(muted=True)
        for row, widgets in enumerate(
            ((name, self.slider, self.number, self.reset, self.refine), (name_h, self.slider_h, self.number_h))
        ):
            for column, widget in enumerate(widgets):
                top.addWidget(widget, row, column)
        top.addWidget(self._own_h, 1, 3, 1, 2)
        each = QHBoxLayout()
        each.setSpacing(16)
        title = self._bars_title = word_label(label(muted=True), "Sparsity per basis image (line: target)")
        word_tip(title, _TEACH_BARS)
        word_tip(self.unlock, _TEACH_BARS)
        self.unlock.setFlat(True)
        each.addWidget(self.advice)
        each.addWidget(title)
        each.addWidget(self.unlock)
        self._pinned_text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        each.addWidget(elastic(self._pinned_text), 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(12, 8, 12, 8)
        box.setSpacing(4)
        box.addLayout(top)
        box.addWidget(reserve(self._read_out, _WIDEST))
        box.addSpacing(4)
        box.addLayout(each)
        box.addWidget(self.bars)

    def set_dataset(self, dataset: Dataset) -> None:
        """Tell about bases of these data from now on."""
        self._nouns = dataset.nouns

    def set_view(self, view: View) -> None:
        """Show the bars here, or leave them to the tiles."""
        for part in (self._bars_title, self.bars):
            part.setVisible(not view.bars)

    def set_refine(self, on: bool) -> None:
        """Show whether the basis is refined."""
        self.refine.setChecked(on)
        if self._shown is not None:
            self._read_out.setText(self._words_for(self._shown))

    def set_choice(self, choice: RunSettings) -> None:
        """Show the targets of this choice."""
        self.set_sparsity(choice.params.sparsity)
        self.set_sparsity_h(choice.params.sparsity_h or 0.0)

    def set_sparsity(self, s: float) -> None:
        """Show this target."""
        self._input.set_value(s)

    def set_sparsity_h(self, s: float) -> None:
        """Show this target for the coefficients, 0 for none."""
        self._input_h.set_value(s)

    def set_phase(self, phase: Phase) -> None:
        """Say whether the slider projects or steers."""
        self._phase = phase
        self._tell_pinned()
        if self._shown is not None:
            self._advise(self._shown)

    def set_pinned(self, pinned: UnprojectedBasis | None) -> None:
        """Mark the sparsity of the basis that is projected; None: there is none yet."""
        self._pinned = pinned
        self._tell_pinned()

    def set_locked(self, locked: dict[int, float]) -> None:
        """Mark the basis images that the slider does not move."""
        self._locked = locked
        policy = self.unlock.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.unlock.setSizePolicy(policy)
        self.unlock.setVisible(bool(locked))
        self._mark_locked()

    def _mark_locked(self) -> None:
        if self._shown is not None:
            self.bars.set_locked(frozenset(self._shown.tile_of(k) for k in self._locked))

    def _tell_pinned(self) -> None:
        # A run goes where it is steered to; only a projection has a place that it cannot go below.
        self.slider.setMark(math.nan if self._pinned is None or self._phase.is_run else self._pinned.sparsity)
        own = math.nan if self._pinned is None or self._phase.is_run else self._pinned.sparsity_h
        self.slider_h.setMark(own)
        self._own_h.setText("" if math.isnan(own) else f"mark {own:.3f}")
        if self._phase.is_run:
            self._pinned_text.setText("steering the run")
        elif self._pinned is None:
            self._pinned_text.setText("")
        else:
            self._pinned_text.setText(
                f"basis of {self._pinned.origin}: unprojected sparsity {self._pinned.sparsity:.3f}"
            )

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Show the error of this basis, and the sparsity of each image of it."""
        self._shown = shown
        self._advise(shown)
        if shown is None:
            self._read_out.setText("")
            self.bars.set_bars(np.zeros(0), math.nan)
            return
        self._read_out.setText(self._words_for(shown))
        self.bars.set_bars(shown.sparsities[shown.order], shown.target)
        self._mark_locked()
        self.set_selected(self._selected)

    def _advise(self, shown: DisplayedBasis | None) -> None:
        """Offer a lower target where many basis images are single pixels."""
        from gsp_studio.core.diagnosis import is_dusty, single_pixels, target_without_dust

        is_moving = self._phase.is_run or self.slider.is_dragged or self.slider_h.is_dragged
        # Words that change lay the window out anew, and iterates come many times a second: an old offer turns grey.
        is_passing = shown is not None and (shown.is_refining or is_moving)
        self.advice.setEnabled(not is_passing)
        if is_passing:
            return
        lower = math.nan
        if shown is not None and is_dusty(shown.sparsities):
            lower = target_without_dust(shown.sparsities)
        is_offered = shown is not None and lower < shown.target
        if shown is not None and is_offered:
            self._advised = lower
            self.advice.setText(f"Dust: try s = {lower:.2f}")
            tip = (
                f"{single_pixels(shown.sparsities)} of {len(shown.sparsities)} basis images have a single pixel or "
                f"none:\ns = {shown.target:.2f} is more than these data bear at this rank. {lower:.2f} is the average "
                "sparsity\nof the others."
            )
            self.advice.setToolTip(self._nouns.of(tip))
        if is_offered == self.advice.isHidden():
            self.advice.setVisible(is_offered)

    def set_glimpse(self, glimpse: BasisPreview) -> None:
        """Show the sparsity of each image while the rest of a large basis is still to be computed."""
        self._read_out.setText("error when the slider rests")
        self.bars.set_bars(glimpse.sparsities[glimpse.order], glimpse.target)

    def _words_for(self, shown: DisplayedBasis) -> str:
        return error_words(shown, math.nan if self._pinned is None else self._pinned.sparsity)

    def set_selected(self, basis: int) -> None:
        """Mark a basis image's bar; -1 for none."""
        self._selected = basis
        self.bars.set_selected(-1 if self._shown is None else self._shown.tile_of(basis))

    def _pick(self, tile: int) -> None:
        if self._shown is not None and 0 <= tile < len(self._shown.order):
            self.basisPicked.emit(int(self._shown.order[tile]))

    def _lock(self, tile: int) -> None:
        if self._shown is not None and 0 <= tile < len(self._shown.order):
            self.lockToggled.emit(int(self._shown.order[tile]))
