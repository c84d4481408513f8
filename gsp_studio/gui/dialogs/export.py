"""Dialog of an export: the folder, and the parts of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.core.unit_spectra import UNITS
from gsp_studio.gui.dialogs.answer_row import answer_row
from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.texts import title_of
from gsp_studio.gui.widgets.controls import ComboBox, label
from gsp_studio.gui.widgets.number_field import WholeNumber
from gsp_studio.gui.widgets.worded import Worded, word_tip
from gsp_studio.io.export.options import ExportOptions

_PARTS = {
    "basis": ("Basis images", "a PNG each"),
    "montage": ("Montage", "all basis images in one PNG"),
    "factors": ("Factors", "W, H and their shapes as .npz"),
    "history": ("History", "error and sparsity of every iteration as .csv"),
}


class ExportDialog(QDialog):
    """Asks for a folder and parts; `exportRequested(folder, parts)` with `ExportOptions`.

    `extras` are the titles and words of what can be written besides, `chosen` those that were the last time.
    """

    exportRequested = Signal(str, object)

    def __init__(
        self,
        entry: RunEntry,
        folder: Path,
        parent: QWidget | None = None,
        extras: Mapping[str, tuple[str, str]] | None = None,
        chosen: Sequence[str] = (),
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Export {entry.name}")
        extras = extras or {}
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.folder = QLineEdit(str(folder))
        self.folder.setMinimumWidth(420)
        self.folder.setAccessibleName("Folder")
        browse = QPushButton("Choose...")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        self.parts = {key: QCheckBox() for key in _PARTS}
        for key, (title, what) in _PARTS.items():
            Worded(self.parts[key], QCheckBox.setText, f"{title}  ·  {what}")
        self.extras = {key: QCheckBox(f"{title}  ·  {what}") for key, (title, what) in extras.items()}
        self.zoom, self.white = WholeNumber(), ComboBox()
        self.as_shown = QCheckBox("As in the window")
        word_tip(
            self.as_shown,
            "Montages have the order of the tiles; they and the PNG files of basis images have the window's colours.\n"
            "Not checked: by the numbers of the basis images, and grey. Animations and 16-bit files are grey always.",
        )
        self.as_shown.setChecked(True)
        self._order: tuple[int, ...] | None = None
        self._palette = b""
        self._spectra = "none"
        self.export = QPushButton("Export")
        self.export.clicked.connect(self._accept)
        self.folder.textChanged.connect(lambda text: self.export.setEnabled(bool(text.strip())))
        where = QHBoxLayout()
        where.addWidget(self.folder, 1)
        where.addWidget(browse)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(8)
        box.addWidget(label(title_of(entry)))
        self._note = label(muted=True, wrap=True)
        self._note.hide()
        box.addWidget(self._note)
        box.addSpacing(8)
        box.addWidget(label("Folder", muted=True))
        box.addLayout(where)
        box.addSpacing(8)
        for part in self.parts.values():
            part.setChecked(True)
            box.addWidget(part)
        box.addLayout(self._look())
        more = QGridLayout()
        more.setHorizontalSpacing(24)
        half = -(-len(self.extras) // 2)
        for k, (key, extra) in enumerate(self.extras.items()):
            extra.setChecked(key in chosen)
            more.addWidget(extra, k % half, k // half)
        if self.extras:
            box.addSpacing(8)
            box.addWidget(label("More", muted=True))
            box.addLayout(more)
            box.addSpacing(8)
        always = "Always written: run.json and the script repeat.py, with everything that repeats the run."
        box.addWidget(label(always, muted=True))
        box.addSpacing(16)
        box.addLayout(answer_row(self, self.export))

    def _look(self) -> QHBoxLayout:
        """Make the controls for the look of figures."""
        self.zoom.setRange(0, 64)
        self.zoom.setSpecialValueText("as fits")
        self.zoom.setPrefix("1 : ")
        self.zoom.setToolTip("Screen pixels that a pixel of a figure becomes in each direction; never interpolated")
        self.white.addItem("each one's maximum", "tile")
        self.white.addItem("one for all", "shared")
        row = QHBoxLayout()
        row.setSpacing(8)
        for name, widget in (("Scale of figures", self.zoom), ("White", self.white)):
            widget.setAccessibleName(name)
            row.addWidget(label(name, muted=True))
            row.addWidget(widget)
            row.addSpacing(8)
        row.addWidget(self.as_shown)
        row.addStretch()
        return row

    def set_look(self, order: tuple[int, ...], colours: str, palette: bytes, spectra: str = "none") -> None:
        """Offer the order of the tiles and the colours of the window for the PNG files, and the scale of spectra."""
        self._order, self._palette, self._spectra = order, palette, spectra
        scaled = f", spectra of {UNITS[spectra]}" if spectra != "none" else ""
        self.as_shown.setText(f"As in the window: its order, {colours}{scaled}")

    def set_note(self, text: str) -> None:
        """Say how what is exported differs from what is on the screen."""
        self._note.setText(text)
        self._note.show()

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Export to", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    def _accept(self) -> None:
        extras = tuple(key for key, extra in self.extras.items() if extra.isChecked())
        written: dict[str, Any] = {key: part.isChecked() for key, part in self.parts.items()}
        parts = ExportOptions(**written, scale=self.white.currentData(), zoom=self.zoom.value() or None, extras=extras)
        if self.as_shown.isChecked():
            parts = replace(parts, order=self._order, palette=self._palette, normalize=self._spectra)
        self.exportRequested.emit(self.folder.text().strip(), parts)
        self.accept()
