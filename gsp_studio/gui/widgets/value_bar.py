"""The bar of the colours of a basis, with the values at its ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from gsp_studio.gui.state import DisplayedBasis, View
from gsp_studio.gui.widgets.colour_bar import ColourBar
from gsp_studio.gui.widgets.tile_buffer import GAP, TileBuffer
from gsp_studio.gui.widgets.tile_view import colour_table

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

_WIDTH = 160
_TIP = "Of the selected basis image where each has its own white; max: the maximum of each"


class ValueBar(ColourBar):
    """Names the values of black and white: of the selected basis image where each has its own white, else of all."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, width=_WIDTH)
        self._colours = colour_table(View.colours)[:GAP]
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # the line that it stands in is the same for colours and curves
        self.setSizePolicy(policy)

    def set_colour_map(self, name: str) -> None:
        """Take the colours of images from the next basis on."""
        self._colours = colour_table(name)[:GAP]

    def set_basis(
        self, buffer: TileBuffer | None, dataset: Dataset | None, shown: DisplayedBasis | None, basis: int
    ) -> None:
        """Show the values of tiles, of which `basis` is selected, -1: none; hidden for colours and curves."""
        if buffer is None or dataset is None or shown is None:
            return
        self.setVisible(dataset.channels == 1 and dataset.grid is None)
        is_there = 0 <= basis < shown.W.shape[1]
        top = float(shown.W[:, basis].max()) if math.isnan(buffer.white) and is_there else buffer.white
        self.set_bar("", self._colours, ("0", "max" if math.isnan(top) else f"{top:.3g}"), dataset.nouns.of(_TIP))
