"""Weights to begin with: buttons that make them from the place of a pixel, an image, or the weights that are there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QWidget

from gsp_studio.arrays import Array
from gsp_studio.core import weighting
from gsp_studio.gui.widgets.controls import Button
from gsp_studio.gui.widgets.worded import Worded, word_tip

#: Makes weights (height, width) from the present ones.
Preset = Callable[[Array], Array]

_SIDES: tuple[weighting.Side, ...] = ("right", "left", "bottom", "top")
_TEXTS = {
    "centre": ("Centre", "Low in the centre, high at the border: the basis moves to the centre"),
    "border": ("Border", "Low at the border, high in the centre"),
    "ramp": ("Ramp ▾", "Rising evenly from one side to the other"),
    "image": ("From image", "Low where the mean image is bright, high where it is dark"),
    "residual": ("From residual", "Low where the residual is large: the error falls there, and rises elsewhere"),
    "invert": ("Invert", "Low for high and high for low"),
    "clear": ("Clear", "Equal weights: the plain projection"),
}


class PresetBar(QWidget):
    """A button a preset; those from images are enabled while there are these images.

    Attributes
    ----------
    buttons : dict of str to Button
    """

    chosen = Signal(object)  # Preset

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self.buttons = {key: Button() for key in _TEXTS}
        for key, button in self.buttons.items():
            text, said = _TEXTS[key]
            Worded(button, Button.setText, text)
            word_tip(button, said)
            row.addWidget(button)
        self._mean = self._residual = np.ones((1, 1))
        presets: dict[str, Preset] = {
            "centre": lambda weights: weighting.centre(_shape(weights)),
            "border": lambda weights: weighting.border(_shape(weights)),
            "image": lambda _: weighting.from_image(self._mean),
            "residual": lambda _: weighting.from_residual(self._residual),
            "invert": weighting.invert,
            "clear": lambda weights: np.full(weights.shape, weighting.FLOOR),
        }
        for key, preset in presets.items():
            self.buttons[key].clicked.connect(lambda _=False, preset=preset: self.chosen.emit(preset))
        ramps = QMenu(self)
        self._upright = []  # ramps that a single row has not
        for side in _SIDES:
            preset = partial(_ramp, side)
            action = ramps.addAction(f"Higher to the {side}")
            action.triggered.connect(lambda _=False, preset=preset: self.chosen.emit(preset))
            if side in ("bottom", "top"):
                self._upright.append(action)
        self.buttons["ramp"].setMenu(ramps)
        self.buttons["ramp"].setAccessibleName("Ramp")

    def set_is_row(self, is_row: bool) -> None:
        """Offer what weights of a single row, those of bands, can have, or all."""
        for action in self._upright:
            action.setVisible(not is_row)

    def set_images(self, mean: Array | None, residual: Array | None) -> None:
        """Take the mean image and the mean squared residual (height, width); None where there is none."""
        self.buttons["image"].setEnabled(mean is not None)
        self.buttons["residual"].setEnabled(residual is not None)
        self._mean = self._mean if mean is None else mean
        self._residual = self._residual if residual is None else residual


def _ramp(side: weighting.Side, weights: Array) -> Array:
    return weighting.ramp(_shape(weights), side)


def _shape(weights: Array) -> tuple[int, int]:
    height, width = weights.shape
    return height, width
