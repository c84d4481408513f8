"""Buttons side by side, one of which is down."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QSizePolicy, QWidget

from gsp_studio.gui.widgets.controls import Button


class Switch(QWidget):
    """A choice of few; `chosen(index)` for the user's hand only."""

    chosen = Signal(int)

    def __init__(self, name: str, texts: tuple[str, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self._index = 0
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        self.buttons: list[Button] = []
        for k, text in enumerate(texts):
            button = Button(text)
            button.setCheckable(True)
            button.setProperty("segment", True)
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            self._group.addButton(button, k)
            self.buttons.append(button)
            row.addWidget(button)
        self.buttons[0].setChecked(True)
        self._group.idToggled.connect(self._toggled)

    def index(self) -> int:
        """Index of the button that is down."""
        return self._index

    def set_index(self, index: int) -> None:
        """Put one down without a signal."""
        self._index = index
        self.buttons[index].setChecked(True)

    def offer(self, index: int, on: bool) -> None:
        """Show one or hide it; the first is chosen in place of one that was down."""
        self.buttons[index].setVisible(on)
        if not on and index == self._index:
            self.buttons[0].setChecked(True)

    def _toggled(self, index: int, down: bool) -> None:
        # Clicks and the arrow keys both end here.
        if down and index != self._index:
            self._index = index
            self.chosen.emit(index)
