"""Two runs side by side: what one has found in the cells of what the other has found, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from gsp_studio.gui.state import Comparison, RunEntry
from gsp_studio.gui.widgets.basics import EmptyState, elastic, label
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.switch import Switch
from gsp_studio.gui.words import percent, signed_percent

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

Array = npt.NDArray[Any]

_EMPTY = "Two runs are needed to compare"
_HINT = "press Run (Space) again with another rank, sparsity, method or seed"
_MATCHED = (
    "Basis images are matched so that all pairs together are as alike as can be (Hungarian method, cosines).\n"
    "1 is the same image up to its scale, 0 has no pixel in common. What has no partner comes last."
)
_SEEN = (
    "Flicker shows both runs in turn, in the same cells; Difference what is left of each pair when one image is\n"
    "taken from the other, both of length 1: black where they agree."
)
_MODES = ("Side by side", "Flicker", "Difference")
SIDE_BY_SIDE, FLICKER, DIFFERENCE = range(3)
#: Milliseconds that flicker shows each run.
FLICKER_MS = 600
#: Cosines from here on count as the same basis image.
_SAME = 0.999


class ComparePanel(QWidget):
    """Shows a `Comparison`; asks for one by `compareRequested(first, second)`, places in the list of runs."""

    compareRequested = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty = EmptyState(_EMPTY, _HINT, {})
        self.choosers = (QComboBox(), QComboBox())
        self.tiles = (BasisTiles("Basis images of the first run"), BasisTiles("Basis images of the second run"))
        self._words, self._alike, self._pair = elastic(label()), label(), elastic(label(muted=True))
        self._runs: tuple[RunEntry, ...] = ()
        self._comparison: Comparison | None = None
        self.mode = Switch("How two runs are compared", _MODES)
        self._flicker = QTimer(self, interval=FLICKER_MS)
        self._flicker.timeout.connect(self._turn_over)
        self._is_second = False
        self._lay_out()
        self.mode.chosen.connect(lambda _: self._show())
        for which, view in enumerate(self.tiles):
            view.picked.connect(self._mark)
            view.hovered.connect(lambda tile, row, column: self._tell_pair(tile))
            self.choosers[which].activated.connect(self._ask)
        self.tiles[1].link_zoom(self.tiles[0])

    def _lay_out(self) -> None:
        names, views = QHBoxLayout(), QHBoxLayout()
        names.setContentsMargins(12, 0, 12, 6)
        names.setSpacing(24)
        views.setSpacing(2)
        for chooser, view, name in zip(self.choosers, self.tiles, ("First run", "Second run"), strict=True):
            chooser.setAccessibleName(name)
            chooser.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            chooser.setMinimumContentsLength(12)
            chooser.setToolTip(f"{name}: which one is compared")
            names.addWidget(chooser, 1)
            views.addWidget(view, 1)
        lines = QVBoxLayout()
        lines.setContentsMargins(12, 6, 12, 6)
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(self._words, 1)
        top.addWidget(self.mode)
        self.mode.setToolTip(_SEEN)
        lines.addLayout(top)
        second = QHBoxLayout()
        second.setSpacing(16)
        second.addWidget(self._alike)
        second.addWidget(self._pair, 1)
        self._pair.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        lines.addLayout(second)
        self._alike.setToolTip(_MATCHED)
        self._pair.setToolTip(_MATCHED)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(lines)
        box.addLayout(names)
        box.addLayout(views, 1)
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(full)

    def retint(self) -> None:
        """Take the colours of the theme in force."""
        for view in self.tiles:
            view.retint()

    def set_dataset(self, dataset: Dataset) -> None:
        """Reshape from now on as this data set's images."""
        self._comparison = None
        for view in self.tiles:
            view.set_dataset(dataset)

    def set_runs(self, runs: Sequence[RunEntry], index: int = -1) -> None:
        """Offer these; the two newest are compared when a run has come, until others are chosen."""
        if tuple(runs) == self._runs:
            return
        self._runs = tuple(runs)
        count = len(self._runs)
        for which, chooser in enumerate(self.choosers):
            chooser.clear()
            chooser.addItems([f"{entry.name}: {entry.label}" for entry in self._runs])
            chooser.setCurrentIndex(max(0, count - 2 + which))
        self._stack.setCurrentIndex(1 if count >= 2 else 0)
        self._ask()

    def set_comparison(self, comparison: Comparison) -> None:
        """Show this."""
        self._comparison = comparison
        self._show()
        self._words.setText(_difference(comparison))
        self._alike.setText(_likeness(comparison))
        self._mark(-1)
        self._tell_pair(-1)

    def _show(self) -> None:
        """Draw the comparison in the way that is chosen."""
        found, mode = self._comparison, self.mode.index()
        self._is_second = False
        if mode == FLICKER:
            self._flicker.start()
        else:
            self._flicker.stop()
        self.tiles[1].setVisible(mode == SIDE_BY_SIDE)
        if found is None:
            return
        first, second = found.first.shown, found.second.shown
        if mode == SIDE_BY_SIDE:
            self.tiles[0].set_basis(first.W, first.order)
            self.tiles[1].set_basis(second.W, found.order)
            return
        one, two = _in_cells(found)
        if mode == DIFFERENCE:
            top = np.maximum(one.max(axis=0), two.max(axis=0))
            left = np.divide(np.abs(one - two), top, out=np.zeros_like(one), where=top > 0)
            self.tiles[0].set_basis(left, np.arange(left.shape[1]), white=1.0)
        else:
            self.tiles[0].set_basis(one, np.arange(one.shape[1]))

    def _turn_over(self) -> None:
        """The other run in the same cells."""
        if self._comparison is None or not self.isVisible():
            return
        self._is_second = not self._is_second
        W = _in_cells(self._comparison)[int(self._is_second)]
        self.tiles[0].set_basis(W, np.arange(W.shape[1]))

    def _ask(self) -> None:
        pair = tuple(chooser.currentIndex() for chooser in self.choosers)
        if self.isVisible() and len(self._runs) >= 2:
            self.compareRequested.emit(*pair)

    def _mark(self, tile: int) -> None:
        for view in self.tiles:
            view.set_selected(tile)

    def _tell_pair(self, tile: int) -> None:
        found = self._comparison
        if found is None or not 0 <= tile < min(len(found.cosine), len(found.order)):
            self._pair.setText("")
            return
        k, j = int(found.first.shown.order[tile]), int(found.order[tile])
        self._pair.setText(
            f"basis {k + 1}, sparsity {found.first.shown.sparsities[k]:.3f}  ·  "
            f"basis {j + 1}, sparsity {found.second.shown.sparsities[j]:.3f}  ·  cosine {found.cosine[tile]:.3f}"
        )

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for what has changed behind the other tabs."""
        super().showEvent(event)
        found = self._comparison
        chosen = [self._runs[chooser.currentIndex()] for chooser in self.choosers if self._runs]
        if found is None or chosen != [found.first, found.second]:
            self._ask()


def _in_cells(found: Comparison) -> tuple[Array, Array]:
    """Both bases (m, count), each image of length 1, column i that of cell i; black where one has none."""
    first, second = found.first.shown, found.second.shown
    count = max(len(first.order), len(found.order))
    sides = []
    for W, order in ((first.W, first.order), (second.W, found.order)):
        cells = np.zeros((W.shape[0], count), W.dtype, order="F")
        lengths = np.sqrt(np.einsum("ij,ij->j", W, W))
        cells[:, : len(order)] = np.divide(W, lengths, out=np.zeros_like(W), where=lengths > 0)[:, order]
        sides.append(cells)
    return sides[0], sides[1]


def _difference(found: Comparison) -> str:
    """What the second has in other amounts than the first."""
    one, two = found.first, found.second
    return (
        f"error {percent(one.shown.error)} → {percent(two.shown.error)} "
        f"({signed_percent(two.shown.error - one.shown.error)})  ·  "
        f"sparsity {one.shown.attained:.4f} → {two.shown.attained:.4f}  ·  "
        f"time {one.seconds:.2f} s → {two.seconds:.2f} s"
    )


def _likeness(found: Comparison) -> str:
    same = int(np.count_nonzero(found.cosine >= _SAME))
    count = max(len(found.cosine), len(found.order))
    if same == count:
        return "the same basis images"
    return f"{same} of {count} basis images the same  ·  median cosine {np.median(found.cosine):.3f}"
