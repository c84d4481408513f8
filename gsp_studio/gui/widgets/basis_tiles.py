"""A whole basis as tiles, for every view that shows one beside something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QImage, QShowEvent
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.widgets.image_plates import signed_table
from gsp_studio.gui.widgets.picture import qimage_of
from gsp_studio.gui.widgets.tile_buffer import GAP, GAP_COLOUR, Contrast, TileBuffer
from gsp_studio.gui.widgets.tile_view import TileView
from gsp_studio.gui.widgets.worded import word_name

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

Array = npt.NDArray[Any]


class BasisTiles(TileView):
    """Shows basis images in an order; draws nothing while it is hidden, and the newest when it comes to sight."""

    _is_signed, _colours = False, "grey"  # the view sets its colours while it is made

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, is_filling=True)
        word_name(self, name)
        self._buffer_of_basis: TileBuffer | None = None
        self._column_major = True
        self._dataset: Dataset | None = None
        self._basis: tuple[Array, Array] | None = None
        self._is_drawn = True
        self._white: float | None = None

    def set_dataset(self, dataset: Dataset) -> None:
        """Reshape from now on as this data set's images."""
        self._dataset, self._column_major = dataset, dataset.order == "F"
        self._basis, self._buffer_of_basis = None, None

    def set_basis(self, W: Array | None, order: Array | None = None, white: float | None = None) -> None:
        """Show W (m, r), tile i its column order[i]; None leaves what is there.

        White is each image's own maximum, or `white` for all.
        """
        self._white = white
        self._set_signed(False)
        if W is None or order is None:
            self._basis = None
            return
        self._basis, self._is_drawn = (W, order), False
        self._draw()

    def set_differences(self, D: Array) -> None:
        """Show differences (m, r) of basis images, -1 to 1, tile i column i: below zero blue, above it orange.

        Of spectra and of images in colour their size, like images.
        """
        dataset = self._dataset
        is_signed = dataset is not None and dataset.grid is None and dataset.channels == 1
        self._white = 1.0
        self._set_signed(is_signed)
        self._basis, self._is_drawn = (D if is_signed else np.abs(D), np.arange(D.shape[1])), False
        self._draw()

    def set_colour_map(self, name: str) -> None:
        """Take the colours of images; differences keep their own."""
        self._colours = name
        if not self._is_signed:
            super().set_colour_map(name)

    @property
    def colours(self) -> Array:
        """Colours (255, 3), uint8, from the lowest value to the highest."""
        return self._table[:GAP]

    def picture(self) -> QImage:
        """Return all tiles as they are drawn, a pixel of an image a pixel."""
        buffer = self._buffer_of_basis
        if buffer is None:
            return QImage()
        return qimage_of(np.ascontiguousarray(self._table[buffer.pixels] if buffer.channels == 1 else buffer.pixels))

    def _set_signed(self, on: bool) -> None:
        if on == self._is_signed:
            return
        self._is_signed = on
        if on:
            self.set_colours(np.vstack([signed_table(), np.array([GAP_COLOUR], np.uint8)]))
        else:
            super().set_colour_map(self._colours)

    def set_colours(self, table: Array) -> None:
        """Colours of the values of grey tiles."""
        self._table = table
        super().set_colours(table)

    def _draw(self) -> None:
        if self._basis is None or self._dataset is None or self._is_drawn or not self.isVisible():
            return
        W, order = self._basis
        buffer = self._buffer_of_basis
        if buffer is None or buffer.count != len(order):
            buffer = TileBuffer.of(self._dataset, len(order))
            self._fill(buffer, W, order)
            self._buffer_of_basis = buffer
            self.set_buffer(buffer)
        else:
            self._fill(buffer, W, order)
            self.show_frame()
        self._is_drawn = True

    def _fill(self, buffer: TileBuffer, W: Array, order: Array) -> None:
        if self._is_signed and self._dataset is not None:
            buffer.fill_signed(self._dataset.as_images(W[:, order]), self._white or 1.0)
            return
        if self._white is not None:
            buffer.hold_level(self._white)
        contrast = Contrast.TILE if self._white is None else Contrast.SHARED
        buffer.fill(W, order, self._column_major, contrast)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what came while it was hidden."""
        super().showEvent(event)
        self._draw()
