"""One of the bases that are compared: which one it is, what it reached, and its images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QImage, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from gsp_studio.gui.compared_basis import ComparedBasis
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.colour_bar import ColourBar, with_bar
from gsp_studio.gui.widgets.compared_cells import Cells
from gsp_studio.gui.widgets.controls import Button, ComboBox, ElidedLabel, plain
from gsp_studio.gui.widgets.scale_line import ScaleLine
from gsp_studio.gui.widgets.worded import say_nouns
from gsp_studio.nouns import IMAGES

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

_ORDINALS = ("First", "Second", "Third", "Fourth")
_MATCHED = (
    "Basis images are matched so that all pairs together are as alike as can be (Hungarian method, cosines).\n"
    "1 is the same image up to its scale, 0 has no pixel in common. What has no partner comes last."
)
_UNIT = "Of images of length 1. Point at a basis image to see the values of its own colours."


class CellView(QWidget):
    """Basis images in cells above a bar of their colours."""

    saveRequested = Signal(object, str, str)  # what makes a QImage, its name, and what it is

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tiles, self.bar, self.scale = BasisTiles(name), ColourBar(), ScaleLine(on_canvas=True)
        self.tiles.scaled.connect(self.scale.set_zoom)
        self._nouns = IMAGES
        self._title, self._cells = "", Cells(np.zeros((0, 0)), np.zeros(0))
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self.tiles, 1)
        line = QHBoxLayout()
        line.setSpacing(0)
        line.addWidget(self.scale)
        line.addWidget(self.bar, 1)
        box.addLayout(line)

    def set_dataset(self, dataset: Dataset) -> None:
        """Draw images of these data from now on."""
        self._nouns = dataset.nouns
        self.tiles.set_dataset(dataset)
        self.scale.set_dataset(dataset)
        say_nouns(self, dataset.nouns)

    def set_cells(self, title: str, cells: Cells) -> None:
        """Draw these."""
        self._title, self._cells = title, cells
        order = np.arange(cells.values.shape[1])
        if cells.is_signed:
            self.tiles.set_differences(cells.values)
        else:
            self.tiles.set_basis(cells.values, order, white=1.0)
        self.show_values(-1)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer the pictures to other programs."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("&Copy these pictures with their colour bar\tCtrl+C", self.copy)
        menu.addAction("Sa&ve these pictures with their colour bar...", self._save)
        menu.popup(event.globalPos())

    def event(self, event: QEvent) -> bool:
        """Claim the key that copies: these pictures are meant, not a tile of another view."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _copies(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy the pictures."""
        if _copies(event):
            self.copy()
        else:
            super().keyPressEvent(event)

    def copy(self) -> None:
        """Put the images and their bar on the clipboard."""
        QGuiApplication.clipboard().setImage(self.picture())

    def _save(self) -> None:
        self.saveRequested.emit(self.picture, f"compare-{self._title}", f"The picture of {self._title}")

    def picture(self) -> QImage:
        """All images, each of their pixels a square, above the bar of their colours."""
        return with_bar(self.tiles.picture(), self.tiles.colours, self._cells.ends())

    def show_values(self, cell: int) -> None:
        """Name the values of the colours of one cell; -1: of all."""
        ends = self._cells.ends(cell if cell < self._cells.values.shape[1] else -1)
        self.bar.set_bar(self._title, self.tiles.colours, ends, self._nouns.of(_UNIT))


class CellWords(ElidedLabel):
    """A line that tells of the cell under the pointer; how cells are matched is its tool tip."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("muted", True)
        self._nouns = IMAGES
        self.tell("")

    def set_dataset(self, dataset: Dataset) -> None:
        """Tell of images of these data from now on."""
        self._nouns = dataset.nouns
        self.tell("")

    def tell(self, text: str) -> None:
        """Say this of a cell, "" for none."""
        self.setText(text)
        matched = self._nouns.of(_MATCHED)
        self.tip = f"{text}\n\n{matched}" if text else matched


def _copies(event: QKeyEvent) -> bool:
    return bool(event.matches(QKeySequence.StandardKey.Copy))


class CompareColumn(QWidget):
    """A column; its images lie elsewhere, so that all of them stand in one row."""

    chosen = Signal()
    removed = Signal()

    def __init__(self, place: int, can_go: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        name = f"{_ORDINALS[place]} run"
        self.chooser = ComboBox()
        self.chooser.setAccessibleName(name)
        self.chooser.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.chooser.setMinimumContentsLength(6)
        self.chooser.activated.connect(lambda _: self.chosen.emit())
        self.chooser.currentTextChanged.connect(
            lambda text: self.chooser.setToolTip(plain(f"{name}, compared: {text}"))
        )
        self.remove = Button("×")
        self.remove.setAccessibleName(f"Compare without the {name.lower()}")
        self.remove.setToolTip(self.remove.accessibleName())
        self.remove.setFixedWidth(28)
        if not can_go:
            self.remove.hide()
        self.remove.clicked.connect(lambda _=False: self.removed.emit())
        self.words = (ElidedLabel(), ElidedLabel(), ElidedLabel(), ElidedLabel())
        for words in self.words[2:]:
            words.setProperty("muted", True)
        self.view = CellView(f"Basis images of the {name.lower()}")
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(self.chooser, 1)
        line.addWidget(self.remove)
        box = QVBoxLayout(self)
        box.setContentsMargins(12, 0, 8, 6)
        box.setSpacing(2)
        box.addLayout(line)
        for words in self.words:
            box.addWidget(words)

    def set_offers(self, offers: Sequence[ComparedBasis], key: int) -> None:
        """Offer these bases; one of them is chosen, the first where there is none of that key."""
        self.chooser.clear()
        for one in offers:
            self.chooser.addItem(one.title, one.key)
        self.chooser.setCurrentIndex(max(0, self.chooser.findData(key)))

    def rename(self, one: ComparedBasis) -> None:
        """Offer a basis under another title."""
        place = self.chooser.findData(one.key)
        if place >= 0 and self.chooser.itemText(place) != one.title:
            self.chooser.setItemText(place, one.title)

    @property
    def key(self) -> int:
        """Key of the chosen basis, -1 for none."""
        found = self.chooser.currentData(Qt.ItemDataRole.UserRole)
        return -1 if found is None else int(found)

    def set_words(self, *lines: str) -> None:
        """Show results, likeness to the first one and to a reference, if any; in tool tips where there is no room."""
        for where, text in zip(self.words, lines, strict=True):
            where.setText(text)
        self.words[-1].setVisible(bool(lines[-1]))
