"""A whole basis as tiles, for every view that shows one beside something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.widgets.tile_buffer import Contrast, TileBuffer
from gsp_studio.gui.widgets.tile_view import TileView

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

Array = npt.NDArray[Any]


class BasisTiles(TileView):
    """Shows basis images in an order; draws nothing while it is hidden, and the newest when it comes to sight."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, is_filling=True)
        self.setAccessibleName(name)
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
        if W is None or order is None:
            self._basis = None
            return
        self._basis, self._is_drawn = (W, order), False
        self._draw()

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
        if self._white is not None:
            buffer.hold_level(self._white)
        contrast = Contrast.TILE if self._white is None else Contrast.SHARED
        buffer.fill(W, order, self._column_major, contrast)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what came while it was hidden."""
        super().showEvent(event)
        self._draw()
