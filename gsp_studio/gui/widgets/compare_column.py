"""One of the bases that are compared: which one it is, what it reached, and its images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from gsp_studio.gui.compared_basis import ComparedBasis
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.colour_bar import ColourBar, with_bar
from gsp_studio.gui.widgets.compared_cells import Cells
from gsp_studio.gui.widgets.controls import Button, ComboBox, ElidedLabel, plain
from gsp_studio.nouns import IMAGES, Nouns

_ORDINALS = ("First", "Second", "Third", "Fourth")
_UNIT = "Of images of length 1. Point at a basis image to see the values of its own colours."


class CellView(QWidget):
    """Basis images in cells above a bar of their colours."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tiles, self.bar = BasisTiles(name), ColourBar()
        self._nouns = IMAGES
        self._title, self._cells = "", Cells(np.zeros((0, 0)), np.zeros(0))
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self.tiles, 1)
        box.addWidget(self.bar)

    def set_nouns(self, nouns: Nouns) -> None:
        """Name the data so."""
        self._nouns = nouns

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
        menu.addAction("Copy these pictures with their colour bar", self.copy)
        menu.popup(event.globalPos())

    def copy(self) -> None:
        """Put the images and their bar on the clipboard."""
        picture = with_bar(self.tiles.picture(), self.tiles.colours, self._cells.ends())
        QGuiApplication.clipboard().setImage(picture)

    def show_values(self, cell: int) -> None:
        """Name the values of the colours of one cell; -1: of all."""
        ends = self._cells.ends(cell if cell < self._cells.values.shape[1] else -1)
        self.bar.set_bar(self._title, self.tiles.colours, ends, self._nouns.of(_UNIT))


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
