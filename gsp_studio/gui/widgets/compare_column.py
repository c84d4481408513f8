"""One of the runs that are compared: which one it is, what it reached, and its basis images."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.controls import Button, ComboBox, ElidedLabel

_ORDINALS = ("First", "Second", "Third", "Fourth")


class CompareColumn(QWidget):
    """A column; its tiles lie elsewhere, so that all of them stand in one row."""

    chosen = Signal()
    removed = Signal()

    def __init__(self, place: int, can_go: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        name = f"{_ORDINALS[place]} run"
        self.chooser = ComboBox()
        self.chooser.setAccessibleName(name)
        self.chooser.setToolTip(f"{name}: which one is compared")
        self.chooser.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.chooser.setMinimumContentsLength(12)
        self.chooser.activated.connect(lambda _: self.chosen.emit())
        self.remove = Button("×")
        self.remove.setAccessibleName(f"Compare without the {name.lower()}")
        self.remove.setToolTip(self.remove.accessibleName())
        self.remove.setFixedWidth(28)
        if not can_go:
            self.remove.hide()
        self.remove.clicked.connect(lambda _=False: self.removed.emit())
        self.words = (ElidedLabel(), ElidedLabel(), ElidedLabel())
        self.words[2].setProperty("muted", True)
        self.tiles = BasisTiles(f"Basis images of the {name.lower()}")
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(self.chooser, 1)
        line.addWidget(self.remove)
        box = QVBoxLayout(self)
        box.setContentsMargins(12, 0, 12, 6)
        box.setSpacing(2)
        box.addLayout(line)
        for words in self.words:
            box.addWidget(words)

    def set_runs(self, runs: Sequence[RunEntry], index: int) -> None:
        """Offer these runs; one of them is chosen."""
        self.chooser.clear()
        self.chooser.addItems([f"{entry.name}: {entry.label}" for entry in runs])
        self.chooser.setCurrentIndex(index)
        for place in range(len(runs)):  # what a narrow column cuts
            self.chooser.setItemData(place, self.chooser.itemText(place), Qt.ItemDataRole.ToolTipRole)

    def set_words(self, *lines: str) -> None:
        """Show the run's results and likeness to the first one; in tool tips where there is no room."""
        for where, text in zip(self.words, lines, strict=True):
            where.setText(text)
