"""A button whose menu asks for files of weights and of masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from gsp_studio.gui.widgets.controls import Button

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.mask_text import KeptMask

_FILES = "Arrays, tables and images (*.npy *.csv *.tsv *.txt *.png *.tif *.tiff *.bmp *.pgm);;All files (*)"


class LoadButton(Button):
    """Emits `weightsAsked(path)` and `maskAsked(path)`, "" for no mask."""

    weightsAsked = Signal(str)
    maskAsked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Load...", parent)
        self.setToolTip("Weights, or a mask of missing entries, from a file (.npy, .csv, or a picture)")
        self._folder = ""
        menu = QMenu(self)
        menu.addAction("&Weights from a file...", lambda: self._ask("Weights", self.weightsAsked.emit))
        menu.addAction("&Mask of missing entries from a file...", lambda: self._ask("Mask", self.maskAsked.emit))
        self.none = menu.addAction("&No mask", lambda: self.maskAsked.emit(""))
        self.setMenu(menu)
        self.set_mask(None)

    def set_dataset(self, dataset: Dataset) -> None:
        """Look for files beside these data."""
        self._folder = str(Path(dataset.source).parent) if dataset.source else ""

    def set_mask(self, mask: KeptMask | None) -> None:
        """Offer to go without the mask, where there is one."""
        self.none.setEnabled(mask is not None)

    def _ask(self, title: str, ask: Callable[[str], None]) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, title, self._folder, _FILES)
        if chosen:
            self._folder = str(Path(chosen).parent)
            ask(chosen)
