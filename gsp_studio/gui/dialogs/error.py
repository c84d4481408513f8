"""Error dialog: one sentence; the details are for a report, behind a button."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from gsp_studio.gui.theme import current_theme, pixmap
from gsp_studio.gui.widgets.controls import label


class ErrorDialog(QDialog):
    """One sentence, "Copy details", "Close"; `remedy` names a button that accepts, `logs` a folder to open."""

    def __init__(
        self, sentence: str, details: str, remedy: str = "", parent: QWidget | None = None, logs: Path | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("GSP Studio")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.sentence, self.details = sentence, details
        sign = label()
        sign.setPixmap(pixmap("warning", current_theme().red, 32, self.devicePixelRatioF()))
        text = label(_as_sentence(sentence), wrap=True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        text.setMinimumWidth(380)
        self.copy = QPushButton("Copy details")
        self.copy.setAutoDefault(False)
        self.copy.clicked.connect(self._copy)
        self.open_logs = QPushButton("Open log folder")
        self.open_logs.setAutoDefault(False)
        self.open_logs.setVisible(logs is not None and logs.is_dir())
        self.open_logs.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(logs))))
        self.close_button = QPushButton("Close")
        self.close_button.clicked.connect(self.reject)
        self.remedy = QPushButton(remedy)
        self.remedy.setVisible(bool(remedy))
        self.remedy.clicked.connect(self.accept)
        main = self.remedy if remedy else self.close_button
        main.setProperty("primary", True)
        main.setDefault(True)
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(text, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.copy)
        buttons.addWidget(self.open_logs)
        buttons.addStretch()
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.remedy)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(24)
        box.addLayout(top)
        box.addLayout(buttons)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(f"{self.sentence}\n\n{self.details}".strip())
        self.copy.setText("Copied")


def _as_sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
