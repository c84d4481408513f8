"""The slider of a network, how its layers share it, and the sparsity of each layer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gsp_studio.gui.network.state import METHODS, MODES, DisplayedNetwork, NetworkSettings, NetworkSizes
from gsp_studio.gui.network.words import size_lines
from gsp_studio.gui.theme import Themed, icon
from gsp_studio.gui.widgets.controls import Button, CheckBox, ElidedLabel, label
from gsp_studio.gui.widgets.slider import SparsitySlider
from gsp_studio.gui.widgets.sparsity_bars import SparsityBars
from gsp_studio.gui.widgets.sparsity_input import SparsityInput
from gsp_studio.gui.widgets.switch import Switch

if TYPE_CHECKING:
    from gsp_studio.pruning.checkpoint import Checkpoint

_TITLES = ("Each layer", "Separate s", "Whole network")
_TEACH = (
    "The average Hoyer sparsity of the filters and rows, 0 (all weights alike) to 1 (a single weight each),\n"
    "once they are projected; the weights that stay keep their values.\n"
    "Drag, or step with the arrows (0.01; with Shift 0.001). Double-click: where pruning begins (the mark)."
)
_TEACH_MODES = (
    "Each layer: every layer reaches the target for itself.\n"
    "Separate s: every layer has its own target, and the slider is that of the selected one.\n"
    "Whole network: all filters are one group, and every layer finds its share."
)
_TEACH_METHOD = (
    "How the weights that go are chosen. GSP: by grouped sparse projection, the target is s. Magnitude: the smallest.\n"
    "LAMP: the smallest in relation to what their layer has left. Of these two the target is the share of zeros."
)
_TEACH_SHRUNKEN = (
    "As in the paper: the weights that stay are those of the projection, which are smaller than they were."
)
_TEACH_WITHOUT = "The first and the last layer are small and matter most; left out, they stay as they are."


class NetworkControls(Themed, QWidget):
    """Edits a `NetworkSettings`; shows what it gives."""

    sparsityChanged = Signal(float)
    settled = Signal()  # the slider was released
    resetRequested = Signal()
    choiceEdited = Signal(object)  # NetworkSettings with another grouping
    layerPicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = SparsitySlider("Sparsity of the network")
        self.slider.setToolTip(_TEACH)
        self._input = SparsityInput(self.slider, "Target for the average sparsity, a number from 0 to 1", self)
        self.number = self._input.number
        self.reset = Button()
        self.mode = Switch("How layers share the target", _TITLES)
        self.mode.setToolTip(_TEACH_MODES)
        self.method = Switch("How weights are chosen", tuple(METHODS.values()))
        self.method.setToolTip(_TEACH_METHOD)
        self.shrunken = CheckBox("shrunken values")
        self.shrunken.setToolTip(_TEACH_SHRUNKEN)
        self._sizes = ElidedLabel()
        self.without_first, self.without_last = CheckBox("without the first layer"), CheckBox("without the last")
        self.bars = SparsityBars("layer", ("click to select it", "click to select it"))
        self._name = label("Sparsity")
        self._bars_name = label("", muted=True)
        self._read_out, self._note = ElidedLabel(), ElidedLabel()
        self._names: tuple[str, ...] = ()
        self._choice = NetworkSettings()
        self._layer = ""
        self._shown: DisplayedNetwork | None = None
        self._build()
        self._lay_out()
        self.follow_theme()

    def _build(self) -> None:
        self.reset.setFlat(True)
        self.reset.setToolTip("Back to where pruning begins (double-click on the slider)")
        self.reset.setAccessibleName("Reset sparsity")
        self.reset.clicked.connect(self.resetRequested)
        self._input.edited.connect(self.sparsityChanged)
        self._input.settled.connect(self.settled)
        self.slider.resetRequested.connect(self.resetRequested)
        self.mode.chosen.connect(lambda k: self.choiceEdited.emit(replace(self._choice, mode=MODES[k])))
        methods = tuple(METHODS)
        self.method.chosen.connect(lambda k: self.choiceEdited.emit(replace(self._choice, method=methods[k])))
        self.shrunken.clicked.connect(
            lambda on: self.choiceEdited.emit(replace(self._choice, values="shrunken" if on else "kept"))
        )
        for box, field in ((self.without_first, "without_first"), (self.without_last, "without_last")):
            box.setToolTip(_TEACH_WITHOUT)
            box.clicked.connect(lambda on, field=field: self.choiceEdited.emit(replace(self._choice, **{field: on})))
        self.bars.picked.connect(self._pick)

    def _lay_out(self) -> None:
        top, choosing, grouping, bars = QHBoxLayout(), QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for row in (top, choosing, grouping, bars):
            row.setSpacing(12)
        self._name.setMinimumWidth(self._name.fontMetrics().horizontalAdvance("Sparsity "))
        for part in (self._name, self.slider, self.number, self.reset):
            top.addWidget(part, int(part is self.slider))
        for choice in (self.method, self.shrunken):
            choosing.addWidget(choice)
        for choice in (self.mode, self.without_first, self.without_last):
            grouping.addWidget(choice)
        choosing.addWidget(self._sizes, 1)
        self._sizes.setProperty("muted", True)
        grouping.addStretch()
        self._read_out.setToolTip("All layers that take part: the average over their filters, and over their weights")
        bars.addWidget(self._bars_name)
        self._note.setProperty("muted", True)
        bars.addWidget(self._note, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(12, 8, 12, 8)
        box.setSpacing(4)
        box.addLayout(top)
        box.addLayout(choosing)
        box.addLayout(grouping)
        box.addWidget(self._read_out)
        box.addLayout(bars)
        box.addWidget(self.bars)

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        self.reset.setIcon(icon("reset"))

    # What is shown

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Show the bars of these layers from now on."""
        self._names = tuple(layer.name for layer in checkpoint.layers)
        self.bars.set_names(self._names)
        self.bars.set_bars(np.array([layer.sparsity for layer in checkpoint.layers]), math.nan)
        self._shown = None
        self._read_out.setText("")
        self._sizes.setText("")

    def set_choice(self, choice: NetworkSettings) -> None:
        """Show how layers share the target, and where the slider stands."""
        self._choice = choice
        self.mode.set_index(MODES.index(choice.mode))
        self.without_first.setChecked(choice.without_first)
        self.without_last.setChecked(choice.without_last)
        self.method.set_index(tuple(METHODS).index(choice.method))
        self.mode.buttons[MODES.index("own")].setEnabled(not choice.is_by_zeros)
        self.shrunken.setChecked(choice.values == "shrunken")
        self.shrunken.setEnabled(not choice.is_by_zeros)
        self._name.setText("Zeros" if choice.is_by_zeros else "Sparsity")
        self._bars_name.setText(f"{'Zeros' if choice.is_by_zeros else 'Sparsity'} per layer (line: target)")
        self._input.set_value(choice.target_of(self._layer))

    def set_layer(self, layer: str) -> None:
        """Mark this layer; in the mode "own" the slider is its."""
        self._layer = layer
        self.bars.set_selected(self._names.index(layer) if layer in self._names else -1)
        self._input.set_value(self._choice.target_of(layer))

    def set_start(self, start: float) -> None:
        """Mark where pruning begins; NaN where that is not known."""
        self.slider.setMark(start)

    def set_note(self, note: str) -> None:
        """Say what has to be waited for, or what is in the way."""
        self._note.setText(note)

    def set_projection(self, shown: DisplayedNetwork) -> None:
        """Show the sparsities and zeros at the target."""
        self._shown = shown
        target = shown.choice.target_of(self._layer)
        is_by_zeros = shown.choice.is_by_zeros
        self.bars.set_bars(shown.zeros if is_by_zeros else shown.sparsities, target)
        of = f" for {self._layer}" if shown.choice.mode == "own" else ""
        about = "" if is_by_zeros else f"s = {target:.4f}{of}  ·  "
        if shown.is_preview:
            self._read_out.setText(f"{about}preview of {self._layer}, the other layers follow when the slider rests")
        else:
            self._read_out.setText(f"{about}average sparsity {shown.sparsity:.4f}  ·  {100 * shown.total:.2f} % zeros")

    def set_sizes(self, sizes: NetworkSizes) -> None:
        """Show how large the network is now."""
        lines = size_lines(sizes)
        self._sizes.setText("  ·  ".join(lines))
        self._sizes.tip = "\n".join(lines)

    # Edits

    def _pick(self, bar: int) -> None:
        self.layerPicked.emit(self._names[bar])
