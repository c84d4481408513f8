"""The numbers and choices of one step between a file and its data set."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

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
from gsp_studio.gui.widgets.controls import ComboBox, label
from gsp_studio.gui.widgets.number_field import WholeNumber
from gsp_studio.io.steps import CHOICES, LEAST, Step

_MOST = 10_000_000
_TITLES = {
    "top": "From row",
    "left": "From column",
    "height": "Height",
    "width": "Width",
    "count": "How many",
    "seed": "Seed",
    "stride": "One every",
    "how": "Proportions",
    "what": "What",
    "per": "Of each",
    "by": "Divided by",
    "path": "Mask",
    "negative": "They are",
}
_WORDS = {
    "crop": "kept, edges cut",
    "pad": "kept, edges black",
    "stretch": "stretched",
    "maximum": "largest absolute value",
    "clip": "set to 0",
    "shift": "gone: the smallest of all values subtracted",
    "abs": "made positive",
}


class StepDialog(QDialog):
    """Edits a step; `accepted` through `stepAccepted(step)`."""

    stepAccepted = Signal(object)

    def __init__(self, title: str, step: Step, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._step = step
        self.editors: dict[str, WholeNumber | ComboBox | QLineEdit] = {}
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        for part in fields(step):
            if part.name in LEAST or part.name in CHOICES or part.name == "path":
                editor = self._editor(part.name, getattr(step, part.name))
                self.editors[part.name] = editor
                form.addRow(_TITLES[part.name], self._with_browse(editor) if part.name == "path" else editor)
        accept = QPushButton("Apply")
        accept.clicked.connect(self._accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(16)
        box.addWidget(label(title))
        box.addLayout(form)
        box.addLayout(answer_row(self, accept))

    def _with_browse(self, editor: QWidget) -> QWidget:
        browse = QPushButton("Browse...")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        both = QWidget()
        row = QHBoxLayout(both)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(editor, 1)
        row.addWidget(browse)
        return both

    def _browse(self) -> None:
        editor = self.editors["path"]
        assert isinstance(editor, QLineEdit)
        chosen, _ = QFileDialog.getOpenFileName(self, "A mask: pixels that are 0 are left out", editor.text())
        if chosen:
            editor.setText(chosen)

    def _editor(self, name: str, value: Any) -> WholeNumber | ComboBox | QLineEdit:
        if name == "path":
            line = QLineEdit(value)
            line.setMinimumWidth(280)
            line.setPlaceholderText("A grey image, or a .npy, of the images' shape")
            return line
        if name in LEAST:
            number = WholeNumber()
            number.setRange(LEAST[name], _MOST)
            number.setValue(value)
            number.setMinimumWidth(140)
            if name == "stride":
                number.setSuffix(" pixels")
                number.setSpecialValueText("at random, as many as said")
            return number
        choice = ComboBox()
        for key in CHOICES[name]:
            choice.addItem(_WORDS.get(key, key), key)
        choice.setCurrentIndex(list(CHOICES[name]).index(value))
        return choice

    def _accept(self) -> None:
        values: dict[str, object] = {
            name: editor.value()
            if isinstance(editor, WholeNumber)
            else editor.text()
            if isinstance(editor, QLineEdit)
            else editor.currentData()
            for name, editor in self.editors.items()
        }
        step: Any = self._step
        self.stepAccepted.emit(replace(step, **values))
        self.accept()
