"""The filters of a layer as tiles: blue below zero, black at zero, orange above; first layers in their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.network.filter_images import Pictures, pictures_of, weights_to_draw, white_of
from gsp_studio.gui.widgets.image_plates import signed_table
from gsp_studio.gui.widgets.tile_buffer import GAP_COLOUR, TileBuffer
from gsp_studio.gui.widgets.tile_view import TileView

if TYPE_CHECKING:
    from gsp_studio.pruning.layers import Layer

Array = npt.NDArray[Any]


class FilterTiles(TileView):
    """Shows weights of a layer; draws nothing while it is hidden, and the newest when it comes to sight."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Filters of the layer")
        self.setAcceptDrops(False)  # files that are dropped here are the panel's
        self.set_colours(np.vstack([signed_table(), np.array([GAP_COLOUR], np.uint8)]))
        self.pictures: Pictures | None = None
        self._values: Array | None = None
        self._tiles: TileBuffer | None = None
        self._white = 1.0
        self._is_drawn = True

    def set_layer(self, layer: Layer, is_first: bool) -> None:
        """Show this layer from now on, with one scale for all its tiles that projecting does not change."""
        self.pictures = pictures = pictures_of(layer, is_first)
        weights = weights_to_draw(layer)
        self._white = white_of(pictures.images_of(weights))
        gap = 1 if max(pictures.height, pictures.width) < 64 else 2
        self._tiles = TileBuffer(
            pictures.count, pictures.height, pictures.width, gap, pictures.channels, columns=pictures.columns
        )
        self._tiles.fill_signed(pictures.images_of(weights), self._white)
        self._values, self._is_drawn = weights, True
        self.set_buffer(self._tiles)

    def set_values(self, values: Array) -> None:
        """Show other weights of the layer's shape."""
        self._values, self._is_drawn = values, False
        self._draw()

    def words_for(self, tile: int, row: int, column: int, before: Array) -> str:
        """Name a pixel, with its weight before and now."""
        if self.pictures is None or self._values is None or tile < 0:
            return ""
        was, now = (self.pictures.images_of(values)[tile, row, column] for values in (before, self._values))
        told = " → ".join(" ".join(f"{part:.4f}" for part in np.atleast_1d(value)) for value in (was, now))
        return f"{self.pictures.name_of(tile, row, column)}  ·  {told}"

    def _draw(self) -> None:
        if self._tiles is None or self.pictures is None or self._values is None:
            return
        if self._is_drawn or not self.isVisible():
            return
        self._tiles.fill_signed(self.pictures.images_of(self._values), self._white)
        self.show_frame()
        self._is_drawn = True

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what came while it was hidden."""
        super().showEvent(event)
        self._draw()
