"""The numbers and choices of one step between a file and its data set."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QDialog, QFormLayout, QHBoxLayout, QPushButton, QSpinBox, QVBoxLayout, QWidget

from gsp_studio.gui.widgets.basics import label
from gsp_studio.io.step import CHOICES, LEAST, Step

_MOST = 10_000_000
_TITLES = {
    "top": "From row",
    "left": "From column",
    "height": "Height",
    "width": "Width",
    "count": "How many",
    "seed": "Seed",
    "how": "Proportions",
    "what": "What",
    "per": "Of each",
    "by": "Divided by",
}
_WORDS = {
    "crop": "kept, edges cut",
    "pad": "kept, edges black",
    "stretch": "stretched",
    "maximum": "largest absolute value",
}


class StepDialog(QDialog):
    """Edits a step; `accepted` through `stepAccepted(step)`."""

    stepAccepted = Signal(object)

    def __init__(self, title: str, step: Step, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._step = step
        self.editors: dict[str, QSpinBox | QComboBox] = {}
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        for part in fields(step):
            if part.name in LEAST or part.name in CHOICES:
                editor = self._editor(part.name, getattr(step, part.name))
                self.editors[part.name] = editor
                form.addRow(_TITLES[part.name], editor)
        accept = QPushButton("Apply")
        accept.setProperty("primary", True)
        accept.setDefault(True)
        accept.clicked.connect(self._accept)
        cancel = QPushButton("Cancel")
        cancel.setAutoDefault(False)
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(cancel)
        buttons.addWidget(accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(16)
        box.addWidget(label(title))
        box.addLayout(form)
        box.addLayout(buttons)

    def _editor(self, name: str, value: Any) -> QSpinBox | QComboBox:
        if name in LEAST:
            number = QSpinBox()
            number.setRange(LEAST[name], _MOST)
            number.setValue(value)
            number.setMinimumWidth(140)
            return number
        choice = QComboBox()
        for key in CHOICES[name]:
            choice.addItem(_WORDS.get(key, key), key)
        choice.setCurrentIndex(list(CHOICES[name]).index(value))
        return choice

    def _accept(self) -> None:
        values: dict[str, Any] = {
            name: editor.value() if isinstance(editor, QSpinBox) else editor.currentData()
            for name, editor in self.editors.items()
        }
        step: Any = self._step
        self.stepAccepted.emit(replace(step, **values))
        self.accept()
