"""Choice of the images that are read: from one to another, every so many; counted from 1, as people count frames."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from gsp_studio.gui.widgets.number_field import WholeNumber

_MOST = (1 << 31) - 1


class SubsetEditor(QWidget):
    """Edits a (start, stop, step) as a slice has it; emits `changed(subset)`, None for all, or `refused(why)`."""

    changed = Signal(object)
    refused = Signal(str)  # why what is typed cannot be

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.first, self.last, self.every = WholeNumber(), WholeNumber(), WholeNumber()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        named = (("from", self.first), ("to", self.last), ("every", self.every))
        for text, number in named:
            if text != "from":
                row.addWidget(QLabel(text))
            number.setRange(1, _MOST)
            number.setKeyboardTracking(False)
            number.setAccessibleName(f"Images {text}")
            number.valueChanged.connect(lambda _: self._tell())
            row.addWidget(number, 1 if text != "every" else 0)
        self._count = 1

    def set_subset(self, subset: tuple[int, int, int] | None, count: int) -> None:
        """Show which of `count` images are read. Emits nothing."""
        start, stop, step = subset or (0, count, 1)
        self._count = count
        for number, value in ((self.first, start + 1), (self.last, stop), (self.every, step)):
            number.blockSignals(True)
            number.setValue(value)
            number.blockSignals(False)

    @property
    def subset(self) -> tuple[int, int, int] | None:
        """Chosen range; None: all."""
        chosen = (self.first.value() - 1, self.last.value(), self.every.value())
        return None if chosen == (0, self._count, 1) else chosen

    def _tell(self) -> None:
        first, last, count = self.first.value(), self.last.value(), self._count
        if max(first, last, self.every.value()) > count:
            self.refused.emit(f"There are {count} images: accepted are numbers from 1 to {count}.")
        elif first > last:
            self.refused.emit(f"The images from {first} to {last} are none: the last comes after the first.")
        else:
            self.changed.emit(self.subset)
