"""A seed from an image: a region that is drawn on it, all of it, or what the basis leaves of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from gsp_studio.gui.texts import error_texts
from gsp_studio.gui.widgets.controls import Button, label
from gsp_studio.gui.widgets.dataset_pictures import columns_of, sample_at
from gsp_studio.gui.widgets.number_field import WholeNumber
from gsp_studio.gui.widgets.scene_view import SceneView

if TYPE_CHECKING:
    from collections.abc import Callable

    from gsp_studio.core.seeds import Seed
    from gsp_studio.gui.state import DisplayedBasis
    from gsp_studio.io.dataset import Dataset

_HINT = "Click a pixel for its spectrum, or drag over a region for its mean spectrum."
_IMAGES = "Drag over a region to take it out of the image."


class RegionDialog(QDialog):
    """Shows one image, or band of a scene; `seedMade` brings each seed, and the dialog stays open for more."""

    seedMade = Signal(object)  # Seed
    failed = Signal(str, str)

    def __init__(self, dataset: Dataset, shown: DisplayedBasis | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("A seed from the data")
        self._dataset, self._shown = dataset, shown
        self._region: tuple[int, int, int, int] | None = None
        self._sample = 0
        self.view = SceneView("The image to draw on")
        is_scene = dataset.grid is not None
        self.number = WholeNumber()
        self.number.setRange(1, dataset.X.shape[0] if is_scene else dataset.X.shape[1])
        self.number.setAccessibleName("Band" if is_scene else "Image")
        self.region, self.whole = Button("Add the region"), Button("Add the pixel" if is_scene else "Add the image")
        self.residual, self.close_button = Button("Add its residual"), Button("Close")
        top, below, box = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        top.addWidget(label("Band" if is_scene else "Image"))
        top.addWidget(self.number)
        top.addWidget(label(_HINT if is_scene else _IMAGES, muted=True), 1)
        for button in (self.region, self.whole, self.residual):
            below.addWidget(button)
        below.addStretch()
        below.addWidget(self.close_button)
        box.addLayout(top)
        box.addWidget(self.view, 1)
        box.addLayout(below)
        self.resize(640, 560)
        self.number.valueChanged.connect(self._show_image)
        self.view.regionDrawn.connect(self._take_region)
        self.view.pixelPicked.connect(self._take_pixel)
        self.region.clicked.connect(lambda _=False: self._make(self._of_region))
        self.whole.clicked.connect(lambda _=False: self._make(self._of_sample))
        self.residual.clicked.connect(lambda _=False: self._make(self._of_residual))
        self.close_button.clicked.connect(self.reject)
        self._show_image(1)

    def _show_image(self, number: float) -> None:
        dataset, place = self._dataset, int(number) - 1
        if dataset.grid is None:
            self._sample = place
            picture = dataset.as_images(columns_of(dataset, place))[0]
            self.view.set_image(picture.mean(axis=2) if picture.ndim == 3 else picture)
        else:
            self.view.set_image(dataset.maps(np.asarray(dataset.X[[place], :]))[0])
        self._offer()

    def _offer(self) -> None:
        is_here = self._shown is not None and isinstance(self._shown.H, np.ndarray)
        self.region.setEnabled(self._region is not None)
        self.residual.setEnabled(is_here)

    def _take_region(self, top: int, left: int, height: int, width: int) -> None:
        self._region = (top, left, height, width)
        self._offer()

    def _take_pixel(self, row: int, column: int) -> None:
        if self._dataset.grid is not None:
            self._sample = sample_at(self._dataset, row, column)
            self.view.set_pixel((row, column))

    def _make(self, make: Callable[[], Seed]) -> None:
        try:
            self.seedMade.emit(make())
        except ValueError as error:
            self.failed.emit(*error_texts(error))

    def _of_region(self) -> Seed:
        from gsp_studio.io.seed_sources import region_seed

        assert self._region is not None
        return region_seed(self._dataset, mask_of(self._dataset, self._region), self._sample)

    def _of_sample(self) -> Seed:
        from gsp_studio.io.seed_sources import sample_seed

        return sample_seed(self._dataset, self._sample)

    def _of_residual(self) -> Seed:
        from gsp_studio.io.seed_sources import residual_seed

        shown = self._shown
        assert shown is not None
        return residual_seed(self._dataset, shown.W, np.asarray(shown.H), self._sample)


def mask_of(dataset: Dataset, region: tuple[int, int, int, int]) -> np.ndarray:
    """The pixels of a region (top, left, height, width) as true in an image."""
    top, left, height, width = region
    mask = np.zeros(dataset.grid or dataset.image_shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask
