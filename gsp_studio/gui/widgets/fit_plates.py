"""An image, its reconstruction and the residual side by side, with the values under the pointer in words."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QWidget

from gsp_studio.arrays import Array
from gsp_studio.core.residuals import ImageFit
from gsp_studio.gui.widgets.image_plates import Plate, Plates, grey_table, residual_words, signed_table
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.scale_bar import scale_bar_of

_SIGNED, _GREY = signed_table(), grey_table()


class FitPlates(Plates):
    """Shows the fit of one image."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Original, reconstruction and residual", parent)
        self._dataset: Dataset | None = None
        self._vectors: tuple[Array, Array, Array] = (np.zeros(1),) * 3
        self._spread, self._image = 0.0, -1

    def forget_spread(self) -> None:
        """Scale the residual's colours anew with the next fit, whatever led there."""
        self._image = -1

    def set_spread(self, image: int, fit: ImageFit) -> None:
        """Scale the residual's colours, which keep their meaning while the same image's residual has their size."""
        largest = float(np.max(np.abs(fit.x - fit.reconstruction), initial=0.0))
        if self._image != image or not self._spread / 2 <= largest <= self._spread:
            self._spread, self._image = largest, image

    def set_fit(self, dataset: Dataset, fit: ImageFit, without: int = -1) -> None:
        """Show the fit of an image; `without`: a basis image to leave out, -1 for none."""
        self._dataset = dataset
        made = fit.reconstruction if without < 0 else fit.reconstruction_without(without)
        title = "Reconstruction" if without < 0 else f"Without basis {without + 1}"
        white = float(fit.x.max(initial=0.0)) or float(fit.reconstruction.max(initial=0.0)) or 1.0
        self.set_scale(scale_bar_of(dataset) if dataset.grid is None else None)
        spread, left = self._spread or 1.0, fit.x - made
        self._vectors = (fit.x, made, left)
        original, made_image = (_plate_of(dataset, v, white) for v in (fit.x, made))
        # Of images in colour the mean of the three: its sign is what it tells.
        left_image = dataset.as_map(left) if dataset.grid is None else _signed_curve(dataset, left, spread)
        top = "" if float(made.max(initial=0.0)) <= white else "≥ "
        below, beyond = ("", "") if float(np.abs(left).max(initial=0.0)) <= spread else ("≤ ", "≥ ")
        ends = (f"{below}−{spread:.3g}", f"{beyond}+{spread:.3g}")
        self.set_plates(
            (
                Plate("Original", original, _GREY, 0.0, white, ("0", f"{white:.3g}")),
                Plate(title, made_image, _GREY, 0.0, white, ("0", f"{top}{white:.3g}")),
                Plate("Residual", left_image, _SIGNED, -spread, spread, ends),
            )
        )

    def words_of(self, row: int, column: int) -> str:
        """Describe a pixel, or a band of a spectrum."""
        if self._dataset is not None and self._dataset.grid is not None:
            band = column * len(self._vectors[0]) // self.plates[0].image.shape[1]
            return f"band {band + 1}  ·  {residual_words(*(spectrum[band] for spectrum in self._vectors))}"
        values = residual_words(*(plate.image[row, column] for plate in self.plates))
        return f"row {row + 1}, column {column + 1}  ·  {values}"


def _plate_of(dataset: Dataset, vector: Array, white: float) -> Array:
    """An image, or the curve of a spectrum, with values up to `white`."""
    if dataset.grid is None:
        image: Array = dataset.as_images(vector[:, None])[0]
        return image
    curve: Array = dataset.pictures(np.clip(vector, 0, None)[:, None], white)[0] * white
    return curve


def _signed_curve(dataset: Dataset, vector: Array, spread: float) -> Array:
    """The curve of absolute values, in the sign's colour."""
    curve = dataset.pictures(np.abs(vector)[:, None], spread)[0] * spread
    signed: Array = curve * np.sign(vector).repeat(curve.shape[1] // len(vector))
    return signed
