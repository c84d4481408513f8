"""All keys, in one table."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QPushButton, QVBoxLayout, QWidget

from gsp_studio.gui.widgets.controls import label


class KeysDialog(QDialog):
    """Shows pairs of keys and what they do."""

    def __init__(self, keys: list[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(8)
        half = -(-len(keys) // 2)
        for k, (key, what) in enumerate(keys):
            name = label(key)
            font = name.font()
            font.setBold(True)
            name.setFont(font)
            grid.addWidget(name, k % half, 2 * (k // half))
            grid.addWidget(label(what, muted=True), k % half, 2 * (k // half) + 1)
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(16)
        box.addLayout(grid)
        box.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
