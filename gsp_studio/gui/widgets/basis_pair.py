"""Two bases side by side, tile by tile: what the plain and what the weighted projection leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from gsp_studio.gui.state import DisplayedBasis
from gsp_studio.gui.texts import percent
from gsp_studio.gui.widgets.controls import elastic, label
from gsp_studio.gui.widgets.tile_buffer import TileBuffer
from gsp_studio.gui.widgets.tile_view import TileView
from gsp_studio.gui.widgets.worded import word_name

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

#: Title, what an empty side says, and which sparsity is meant.
_SIDES = (
    ("Plain", "A basis comes here once there is one", "sparsity"),
    ("Weighted", "Paint, and the weighted basis comes here", "weighted sparsity"),
)
_FAIR = (
    "Both sides project the same unprojected basis. That of a weighted run was made for its weights: what a plain run\n"
    "would reach from the start is another question, which a run and the view Compare answer."
)


class BasisPair(QWidget):
    """Shows two bases; tile i is the same basis image on both sides where they have as many."""

    basisPicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.views = tuple(TileView() for _ in _SIDES)
        self._places = tuple(QStackedWidget() for _ in _SIDES)
        self._titles = tuple(elastic(label(title)) for title, _, _ in _SIDES)
        self._words = tuple(label(muted=True) for _ in _SIDES)
        self._buffers: list[TileBuffer | None] = [None, None]
        self._bases: tuple[DisplayedBasis | None, DisplayedBasis | None] = (None, None)
        self._drawn: list[tuple[DisplayedBasis | None, DisplayedBasis | None] | None] = [None, None]
        self._dataset: Dataset | None = None
        self._selected = -1
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.setHorizontalSpacing(8)
        grid.setRowStretch(1, 1)
        for k, (title, hint, _) in enumerate(_SIDES):
            self._build_side(k, title, hint)
            grid.addWidget(self._titles[k], 0, k)
            grid.addWidget(self._places[k], 1, k)
            grid.addWidget(self._words[k], 2, k)
            grid.setColumnStretch(k, 1)

    def _build_side(self, k: int, title: str, hint: str) -> None:
        view, place = self.views[k], self._places[k]
        word_name(view, f"{title} basis images")
        view.picked.connect(lambda tile: self._pick(k, tile))
        frame = QFrame()
        frame.setObjectName("canvas")
        said = label(hint, muted=True, wrap=True)
        said.setAlignment(Qt.AlignmentFlag.AlignCenter)
        QVBoxLayout(frame).addWidget(said)
        place.addWidget(frame)
        place.addWidget(view)
        place.setMinimumSize(112, 96)
        place.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self._words[k].setText("–\n–")
        self._words[k].setToolTip(_FAIR)
        self._words[k].setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_dataset(self, dataset: Dataset) -> None:
        """Reshape as this data set's images; its bases come later."""
        self._dataset = dataset
        self._buffers = [None, None]
        self.set_bases(None, None)

    def set_bases(self, plain: DisplayedBasis | None, weighted: DisplayedBasis | None) -> None:
        """Show these, the weighted one with its weighted sparsities; None for none yet."""
        self._bases = plain, weighted
        self._draw()

    def set_selected(self, basis: int) -> None:
        """Frame a basis image on both sides; -1 for none."""
        self._selected = basis
        for k, view in enumerate(self.views):
            leader = self._leader(k)
            view.set_selected(-1 if leader is None else leader.tile_of(basis))

    def _leader(self, k: int) -> DisplayedBasis | None:
        """Return the basis that orders a side's tiles: the plain one on both, to be compared."""
        shown, plain = self._bases[k], self._bases[0]
        if shown is None or plain is None:
            return shown
        return plain if len(plain.order) == len(shown.order) else shown

    def _draw(self) -> None:
        if not self.isVisible():
            return  # behind another tab nothing is drawn: the slider has no time to lose
        for k, shown in enumerate(self._bases):
            wanted = (shown, self._leader(k))
            if self._drawn[k] != wanted:
                self._drawn[k] = wanted
                self._draw_side(k, *wanted)
        self.set_selected(self._selected)

    def _draw_side(self, k: int, shown: DisplayedBasis | None, leader: DisplayedBasis | None) -> None:
        dataset, place = self._dataset, self._places[k]
        there = shown is not None and dataset is not None
        if place.currentIndex() != int(there):
            place.setCurrentIndex(int(there))
        if shown is None or leader is None or dataset is None:
            self._words[k].setText("–\n–")
            self._titles[k].setText(_SIDES[k][0])
            return
        buffer, order = self._buffers[k], np.asarray(leader.order)
        if buffer is not None and buffer.count == len(order):
            buffer.fill(shown.W, order, dataset.order == "F")
            self.views[k].show_frame()
        else:
            buffer = TileBuffer.of(dataset, len(order))
            buffer.fill(shown.W, order, dataset.order == "F")
            self._buffers[k] = buffer
            self.views[k].set_buffer(buffer)
        self._titles[k].setText(f"{_SIDES[k][0]}, {shown.origin}")
        self._titles[k].setToolTip(f"{_SIDES[k][0]} projection of the basis of {shown.origin}\n{_FAIR}")
        self._words[k].setText(f"projected {percent(shown.error)}\n{_SIDES[k][2]} {shown.attained:.4f}")

    def _pick(self, k: int, tile: int) -> None:
        leader = self._leader(k)
        if leader is not None:
            self.basisPicked.emit(int(leader.order[tile]) if tile >= 0 else -1)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what has changed behind the other tabs."""
        super().showEvent(event)
        self._draw()
