"""The guide, as it is bundled."""

from __future__ import annotations

import re

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QTextBrowser, QVBoxLayout, QWidget

from gsp_studio.io.resources import guide_path

_IMAGES = re.compile(r"!\[([^\]]*)\]\([^)]*\)")

#: Links to other pages of the documentation, which are not bundled.
_LINKS = re.compile(r"\[([^\]]*)\]\((?!https?:)[^)]*\)")


class GuideDialog(QDialog):
    """Shows the guide; links to the net open in the browser."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Guide")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.page = QTextBrowser()
        self.page.setOpenExternalLinks(True)
        self.page.document().setDocumentMargin(16)
        try:
            text = guide_path().read_text(encoding="utf-8")
        except OSError as error:
            text = f"The guide cannot be shown: {error}"
        self.page.setMarkdown(_LINKS.sub(r"\1", _IMAGES.sub("", text)))
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.page)
        self.resize(860, 680)
