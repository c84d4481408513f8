"""A button whose menu asks for a reference: reference arrays of the data's own file, a file, the labels, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from gsp_studio.gui.widgets.controls import Button

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset


class ReferenceButton(Button):
    """Emits `asked(text)` with a reference as ``--truth`` names it, "labels" for those of the data, "" for none."""

    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Reference", parent)
        self._dataset: Dataset | None = None
        self.setToolTip("Compare with reference spectra, abundances or labels")
        menu = QMenu(self)
        menu.aboutToShow.connect(self._fill)
        self.setMenu(menu)
        self.setEnabled(False)

    def set_dataset(self, dataset: Dataset) -> None:
        """Offer references of these data."""
        self._dataset = dataset
        self.setEnabled(True)

    def _fill(self) -> None:
        menu, dataset = self.menu(), self._dataset
        menu.clear()
        if dataset is None:
            return
        source = Path(dataset.source)
        if source.is_file():
            menu.addAction(f"M and A, or the like, in {source.name}".replace("&", "&&"), lambda: self.asked.emit(":"))
        if dataset.labels is not None:
            menu.addAction("The &labels of the data", lambda: self.asked.emit("labels"))
        menu.addAction("From a &file...", self._ask_file)
        menu.addAction("&None", lambda: self.asked.emit(""))

    def _ask_file(self) -> None:
        folder = "" if self._dataset is None else str(Path(self._dataset.source).parent)
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Reference spectra, abundances or labels", folder, "All files (*)"
        )
        if chosen:
            self.asked.emit(chosen)
