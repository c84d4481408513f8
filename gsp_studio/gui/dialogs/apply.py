"""Dialog for a basis that is applied to other images: these, and a folder for their coefficients."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.gui.dialogs.answer_row import answer_row
from gsp_studio.gui.widgets.controls import label
from gsp_studio.gui.widgets.worded import word_label

_WHAT = (
    "The coefficients of other images in this basis, by the same constraints, and the error of each image, "
    "as .npy and .csv. They are read as those on the screen."
)


class ApplyDialog(QDialog):
    """Asks for images and a folder; `applyRequested(path, folder)`."""

    applyRequested = Signal(str, str)

    def __init__(self, name: str, above: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Apply the basis of {name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._name, self._above, self._proposed = name, above, ""
        self.images, self.folder = QLineEdit(), QLineEdit()
        for line, words in ((self.images, "Data"), (self.folder, "Folder for the coefficients")):
            line.setMinimumWidth(360)
            line.setAccessibleName(words)
            line.textChanged.connect(self._offer)
        self.images.textChanged.connect(self._propose)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.addRow("Data", self._row(self.images, {"File...": self._choose_file, "Folder...": self._choose_images}))
        form.addRow("Into", self._row(self.folder, {"Choose...": self._choose_folder}))
        self.apply = QPushButton("Apply")
        self.apply.clicked.connect(self._accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(12)
        box.addWidget(word_label(label(wrap=True), _WHAT))
        box.addLayout(form)
        box.addLayout(answer_row(self, self.apply))
        self._offer()

    def _row(self, line: QLineEdit, buttons: dict[str, object]) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(line, 1)
        for words, choose in buttons.items():
            button = QPushButton(words)
            button.setAutoDefault(False)
            button.clicked.connect(choose)
            row.addWidget(button)
        return row

    def _choose_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Data", str(self._above))
        self.images.setText(chosen or self.images.text())

    def _choose_images(self) -> None:
        self.images.setText(QFileDialog.getExistingDirectory(self, "Data", str(self._above)) or self.images.text())

    def _choose_folder(self) -> None:
        self.folder.setText(QFileDialog.getExistingDirectory(self, "Folder", str(self._above)) or self.folder.text())

    def _propose(self, text: str) -> None:
        """Propose a folder beside the last export, as long as none is chosen."""
        if text and self.folder.text() == self._proposed:
            self._proposed = str(self._above / f"{Path(text).stem}-in-{self._name.replace(' ', '')}")
            self.folder.setText(self._proposed)

    def _offer(self) -> None:
        self.apply.setEnabled(bool(self.images.text().strip() and self.folder.text().strip()))

    def _accept(self) -> None:
        self.applyRequested.emit(self.images.text().strip(), self.folder.text().strip())
        self.accept()
