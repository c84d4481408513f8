"""A slider and a number for one sparsity."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QAbstractSpinBox

from gsp_studio.gui.widgets.number_field import DecimalNumber
from gsp_studio.gui.widgets.slider import SparsitySlider

#: Half of the last digit that the number shows.
_HALF_DIGIT = 0.5e-4 + 1e-12


class SparsityInput(QObject):
    """Keeps the two together; `edited(s)` for the user's hand only, `settled` when an edit is complete.

    Parameters
    ----------
    slider : SparsitySlider
    words : str
        Name and tool tip of the number.
    parent : QObject
    """

    edited = Signal(float)
    settled = Signal()

    def __init__(self, slider: SparsitySlider, words: str, parent: QObject) -> None:
        super().__init__(parent)
        self.slider, self.number = slider, DecimalNumber()
        self._value = 0.0
        self.number.setRange(0.0, 1.0)
        self.number.setDecimals(4)
        self.number.setSingleStep(0.01)
        self.number.setKeyboardTracking(False)
        self.number.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.number.setAccessibleName(words)
        self.number.setToolTip(words)
        self.number.setFixedWidth(84)
        self.number.valueChanged.connect(self.enter)
        slider.valueChanged.connect(self._edit)
        slider.released.connect(self.settled)

    def set_value(self, s: float) -> None:
        """Show this sparsity."""
        self._value = s
        self.slider.setValue(s)
        self.number.setValue(s)

    def enter(self, s: float) -> None:
        """Take a complete edit."""
        if self._edit(s):
            self.settled.emit()

    def _edit(self, s: float) -> bool:
        is_new = abs(s - self._value) > _HALF_DIGIT  # else the number was only told what it shows
        if is_new:
            self.set_value(s)
            self.edited.emit(s)
        return is_new
