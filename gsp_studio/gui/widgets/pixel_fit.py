"""A pixel of a scene: where it is, and its spectrum with its fit and the parts of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QWidget

from gsp_studio.gui.widgets.controls import label
from gsp_studio.gui.widgets.dataset_pictures import place_of, sample_at
from gsp_studio.gui.widgets.image_plates import residual_words
from gsp_studio.gui.widgets.scene_view import SceneView
from gsp_studio.gui.widgets.spectrum_plot import COLOURS, Curve, SpectrumPlot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gsp_studio.arrays import Array
    from gsp_studio.core.residuals import ImageFit
    from gsp_studio.io.dataset import Dataset

_HINT = "Click a pixel, or the curves for a band"
_ARROWS = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0)}


class PixelFit(QWidget):
    """Shows the fit of one pixel; `picked(sample)` for the user's hand, on the scene or by the arrow keys.

    Attributes
    ----------
    band_words : QLabel
        The values of the chosen band; the widget around places it.
    """

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scene, self.plot = SceneView("Scene"), SpectrumPlot()
        self.band_words = label(_HINT, muted=True)
        self._dataset: Dataset | None = None
        self._mean: Array | None = None
        self._sample, self._band = 0, -1
        self._fit: tuple[Array, Array] | None = None
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.addWidget(self.scene)
        split.addWidget(self.plot)
        split.setSizes([1000, 1600])
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(split)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.scene.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.scene.pixelPicked.connect(self._pick)
        self.scene.regionDrawn.connect(lambda *_: self.scene.set_region(None))
        self.plot.bandPicked.connect(self._set_band)

    def set_dataset(self, dataset: Dataset) -> None:
        """Show pixels of this scene."""
        from gsp_studio.io.spectra import spectral_axis

        self._dataset, self._mean, self._fit, self._band = dataset, None, None, -1
        self.plot.set_axis(*spectral_axis(dataset))
        self._tell()

    def set_scene(self, errors: Array | None = None) -> None:
        """Show the mean of all bands, or these errors (n,), one a pixel."""
        dataset = self._dataset
        if dataset is None:
            return
        if errors is not None:
            values = np.where(np.isfinite(errors), errors, 0.0)
        elif self._mean is None:
            values = self._mean = np.asarray(dataset.X).mean(axis=0, dtype=np.float64)
        else:
            values = self._mean
        self.scene.set_image(dataset.maps(values[None])[0])
        self.scene.set_pixel(place_of(dataset, self._sample))

    def set_fit(self, sample: int, fit: ImageFit, without: int = -1, seeds: Sequence[str] = ()) -> None:
        """Show the spectrum of a pixel and its fit; `without`: a part to leave out, -1 for none.

        Parts are told by their numbers, and by the names of the seeds that they began with.
        """
        made = fit.reconstruction if without < 0 else fit.reconstruction_without(without)
        self._sample, self._fit = sample, (fit.x, made)
        curves = [
            Curve("fit" if without < 0 else f"without {without + 1}", made, "", 1.0, is_dashed=True),
            Curve("pixel", fit.x, "", 2.0),
        ]
        for k in map(int, np.flatnonzero(fit.shares)):
            seed = seeds[k].partition(",")[0] if k < len(seeds) else ""  # without its place: curves need the room
            name = f"{k + 1}, {seed}" if seed else f"{k + 1}"
            width = 2.5 if k == without else 1.2
            curves.append(Curve(name, fit.h[k] * fit.W[:, k], COLOURS[k % len(COLOURS)], width))
        curves.append(Curve("residual", fit.x - made, "#8a8f98", 1.0))
        self.plot.set_curves(curves)
        if self._dataset is not None:
            self.scene.set_pixel(place_of(self._dataset, sample))
        self.plot.set_band(self._band)
        self._tell()

    def _set_band(self, band: int) -> None:
        self._band = band
        self.plot.set_band(band)
        self._tell()

    def _tell(self) -> None:
        if self._dataset is None or self._fit is None or self._band < 0:
            self.band_words.setText(_HINT)
            return
        x, made = (values[self._band] for values in self._fit)
        band = self._dataset.axis("band").text_at(self._band)
        self.band_words.setText(f"{band}  ·  {residual_words(x, made, x - made)}")

    def _pick(self, row: int, column: int) -> None:
        if self._dataset is not None:
            self.setFocus()
            self.picked.emit(sample_at(self._dataset, row, column))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go to the pixel beside."""
        step = _ARROWS.get(Qt.Key(event.key()))
        dataset = self._dataset
        if step is None or dataset is None or dataset.grid is None:
            super().keyPressEvent(event)
            return
        place = place_of(dataset, self._sample)
        row, column = (min(max(at + by, 0), side - 1) for at, by, side in zip(place, step, dataset.grid, strict=True))
        self.picked.emit(sample_at(dataset, row, column))
