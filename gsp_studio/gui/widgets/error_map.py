"""Where the error is, with what it is in numbers.

Of images the average squared error of every pixel over all of them: Figure 4 of the paper. Where the samples are the
pixels of a scene, the error of each of them, and beside it the average squared error of every band.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QSplitter, QWidget

from gsp_studio.gui.texts import percent, plural
from gsp_studio.gui.widgets.controls import ElidedLabel, canvas, label_row
from gsp_studio.gui.widgets.dataset_pictures import place_of, sample_at
from gsp_studio.gui.widgets.image_plates import Plate, Plates
from gsp_studio.gui.widgets.spectrum_plot import COLOURS, Curve, SpectrumPlot
from gsp_studio.gui.widgets.tile_view import colour_table
from gsp_studio.io.scale_bar import scale_bar_of

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.residuals import Residuals
    from gsp_studio.io.dataset import Dataset

_WAIT = "Computing the errors..."
_TITLE = "Average squared error, brighter is larger"
_TITLE_SCENE = "Error pixel by pixel in %, brighter is larger"
_TITLE_BANDS = "average squared error"


class ErrorMap(QFrame):
    """One large plate, the pixel under the pointer in words; emits `picked(sample)` for a click on one of a scene."""

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plates, self.bands = Plates("Average squared error of every pixel"), SpectrumPlot()
        self.bands.setAccessibleName("Average squared error of every band")
        self.bands.setMinimumWidth(160)
        self.bands.getPlotItem().getAxis("left").setWidth(80)  # squared errors are long numbers
        self._facts = ElidedLabel()
        self._drawn: Residuals | None = None
        self._dataset: Dataset | None = None
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        for part in (self.plates, self.bands):
            split.addWidget(part)
        split.setSizes([1000, 1000])
        self.bands.hide()
        box = canvas(self, "plot")
        box.addLayout(label_row(self._facts, self.plates.pixel_words))
        box.addWidget(split, 1)
        box.addSpacing(8)
        self._facts.setText(_WAIT)
        self.plates.picked.connect(self._pick)
        self.bands.bandPicked.connect(self.bands.set_band)

    def set_errors(self, errors: Residuals | None, dataset: Dataset) -> None:
        """Show these errors of a data set; None: they are being computed."""
        if dataset is not self._dataset:
            self._take(dataset)
        if errors is self._drawn:
            return
        self._drawn = errors
        if errors is None:
            self.plates.set_plates(())
            self.bands.set_curves(())
            self._facts.setText(_WAIT)
        elif dataset.grid is None:
            self._draw_images(errors, dataset)
        else:
            self._draw_scene(errors, dataset)

    def _take(self, dataset: Dataset) -> None:
        is_scene = dataset.grid is not None
        self._dataset, self._drawn = dataset, None
        self.plates.set_plates(())
        self.plates.setAccessibleName("Error pixel by pixel" if is_scene else "Average squared error of every pixel")
        self.plates.setCursor(Qt.CursorShape.CrossCursor if is_scene else Qt.CursorShape.ArrowCursor)
        self.plates.set_scale(scale_bar_of(dataset))
        self.bands.setVisible(is_scene)
        self._facts.setText(_WAIT)
        if is_scene:
            from gsp_studio.io.spectra import spectral_axis

            self.bands.set_axis(*spectral_axis(dataset))
            self.bands.set_title(_TITLE_BANDS)

    def _draw_images(self, errors: Residuals, dataset: Dataset) -> None:
        top = float(errors.pixels.max())
        image = dataset.as_map(errors.pixels)
        row, column = np.unravel_index(int(np.argmax(image)), image.shape)
        self._show_plate(_TITLE, image, top)
        nouns = dataset.nouns
        self._facts.setText(
            f"{plural(len(errors.images), nouns.sample, nouns.samples)}  ·  mean {errors.pixels.mean():.4g}  ·  "
            f"largest {top:.4g} at row {row + 1}, column {column + 1}  ·  error {percent(errors.error)}"
        )

    def _draw_scene(self, errors: Residuals, dataset: Dataset) -> None:
        each = np.where(np.isfinite(errors.images), errors.images, 0.0)  # a spectrum of zeros has no relative error
        worst, band = int(each.argmax()), int(errors.pixels.argmax())
        row, column = place_of(dataset, worst)
        self._show_plate(_TITLE_SCENE, dataset.maps(100 * each[None])[0], 100 * float(each[worst]))
        self.bands.set_curves([Curve("", errors.pixels, COLOURS[0])])
        self._facts.setText(
            f"{len(each)} pixels  ·  error {percent(errors.error)}  ·  largest {percent(float(each[worst]))} at row "
            f"{row + 1}, column {column + 1}, and at {dataset.axis('band').text_at(band)}"
        )

    def _show_plate(self, title: str, image: Array, top: float) -> None:
        # The last colour of the table is for what lies between tiles.
        table = colour_table("magma")[:255]
        self.plates.set_plates((Plate(title, image, table, 0.0, top or 1.0, ("0", f"{top:.3g}")),))

    def _pick(self, row: int, column: int) -> None:
        if self._dataset is not None and self._dataset.grid is not None:
            self.picked.emit(sample_at(self._dataset, row, column))
