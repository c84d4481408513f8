"""About dialog: app, version, authors of method."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from gsp_studio import __version__
from gsp_studio.gui.theme import current_theme, pixmap
from gsp_studio.gui.widgets.controls import label

_TEXT = (
    f"<b>GSP Studio {__version__}</b>"
    "<p>Image data taken apart into parts, with one number for the sparsity of the whole basis.</p>"
    "<p>The method: R. Ohib, N. Gillis, N. Dalmasso, S. Shah, V. K. Potluru, S. Plis, "
    "<i>Explicit Group Sparse Projection with Applications to Deep Learning and NMF</i>, TMLR 2022.</p>"
    "<p>BSD 3-Clause License.</p>"
)


class AboutDialog(QDialog):
    """Name, version, method, licence."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About GSP Studio")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sign = label()
        sign.setPixmap(pixmap("app", current_theme().accent, 48, self.devicePixelRatioF()))
        text = label(_TEXT, wrap=True)
        text.setTextFormat(Qt.TextFormat.RichText)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        text.setMinimumWidth(360)
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.accept)
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(text, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(16)
        box.addLayout(top)
        box.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
