"""The coefficients of one basis image over all images in their order: its trace over time, where they are a movie."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.widgets.scrub_plot import ScrubPlot
from gsp_studio.gui.widgets.worded import word_name, word_tip

_HEIGHT = 112


class TracePlot(ScrubPlot):
    """A row of H; a click or a drag goes to an image: `picked(image)`, from 0."""

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("H", parent)
        self.setFixedHeight(_HEIGHT)
        word_name(self, "Coefficients of the selected basis image over the images")
        word_tip(self, "Coefficients of the selected basis image, image by image: click to go there")
        self._drawn: tuple[Array | None, int] = (None, -1)
        self.scrubbed.connect(lambda x: self.picked.emit(round(x) - 1))
        self.hide()

    def set_trace(self, H: Array | None, basis: int) -> None:
        """Draw row `basis` of H (r, n); nothing where there is none."""
        there = H is not None and 0 <= basis < len(H) and H.shape[1] > 1
        self.setVisible(there)
        if H is None or not there or (self._drawn[0] is H and self._drawn[1] == basis):
            return
        self._drawn = (H, basis)
        row = np.asarray(H[basis], dtype=float)
        self.set_curve(np.arange(1.0, len(row) + 1.0), row, 1.05 * float(row.max(initial=0.0)) or 1.0, math.nan)
        self.getPlotItem().setLabel("left", f"H, row {basis + 1}")

    def set_image(self, image: int) -> None:
        """Put the line at an image, from 0."""
        self.set_value(image + 1.0)
