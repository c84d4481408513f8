"""The average squared error of every pixel over all images, with what it is in numbers: Figure 4 of the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtWidgets import QFrame, QWidget

from gsp_studio.gui.texts import percent, plural
from gsp_studio.gui.widgets.controls import ElidedLabel, canvas, label_row
from gsp_studio.gui.widgets.image_plates import Plate, Plates
from gsp_studio.gui.widgets.tile_view import colour_table
from gsp_studio.io.scale_bar import scale_bar_of

if TYPE_CHECKING:
    from gsp_studio.core.residuals import Residuals
    from gsp_studio.io.dataset import Dataset

_WAIT = "Computing the errors..."
_TITLE = "Average squared error, brighter is larger"


class ErrorMap(QFrame):
    """One large plate; the pixel under the pointer is told in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plates = Plates("Average squared error, entry by entry")
        self._facts = ElidedLabel()
        self._drawn: Residuals | None = None
        box = canvas(self, "plot")
        box.addLayout(label_row(self._facts, self.plates.pixel_words))
        box.addWidget(self.plates, 1)
        box.addSpacing(8)
        self._facts.setText(_WAIT)

    def set_errors(self, errors: Residuals | None, dataset: Dataset) -> None:
        """Show these errors of a data set; None: they are being computed."""
        if errors is self._drawn:
            return
        self._drawn = errors
        if errors is None:
            self.plates.set_plates(())
            self._facts.setText(_WAIT)
            return
        top = float(errors.pixels.max())
        image = dataset.as_map(errors.pixels)
        row, column = np.unravel_index(int(np.argmax(image)), image.shape)
        self.plates.set_scale(scale_bar_of(dataset) if dataset.grid is None else None)
        # The last colour of the table is for what lies between tiles.
        table = colour_table("magma")[:255]
        self.plates.set_plates((Plate(_TITLE, image, table, 0.0, top or 1.0, ("0", f"{top:.3g}")),))
        nouns = dataset.nouns
        place = f"row {row + 1}, column {column + 1}" if dataset.grid is None else f"{nouns.entry} {column + 1}"
        self._facts.setText(
            f"{plural(len(errors.images), nouns.sample, nouns.samples)}  ·  mean {errors.pixels.mean():.4g}  ·  "
            f"largest {top:.4g} at {place}  ·  error {percent(errors.error)}"
        )
