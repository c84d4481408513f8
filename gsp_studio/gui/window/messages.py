"""Messages in the status bar, in the Log panel and in the log on the disk; failures in a dialog besides."""

from __future__ import annotations

import html
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, QUrl
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QMainWindow

from gsp_studio.gui.panels.log import LogPanel
from gsp_studio.gui.theme import Themed, current_theme
from gsp_studio.gui.widgets.controls import ElidedLabel, label, plain
from gsp_studio.gui.window.prompts import Prompts
from gsp_studio.io.logfile import LOG

#: Milliseconds for which a refusal can be read, whatever is said after it.
_STAYS_MS = 15_000


class RefusalLine(Themed, ElidedLabel):
    """Says for a while why something was not done."""

    def __init__(self) -> None:
        super().__init__()
        self._timer = QTimer(self, singleShot=True, interval=_STAYS_MS)
        self._timer.timeout.connect(self.hide)
        self.follow_theme()
        self.hide()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        palette = QPalette(self.palette())
        palette.setColor(QPalette.ColorRole.WindowText, QColor(current_theme().amber))
        self.setPalette(palette)

    def refuse(self, sentence: str) -> None:
        """Show a sentence."""
        self.setText(f"⚠ {sentence}")
        self.show()
        self._timer.start()


class Messages(QObject):
    """Says in a window what happened and what went wrong."""

    def __init__(self, window: QMainWindow, log: LogPanel, prompts: Prompts) -> None:
        super().__init__(window)
        self._log, self._prompts = log, prompts
        self.line = label()
        self.line.setTextFormat(Qt.TextFormat.RichText)
        self.line.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.line.setOpenExternalLinks(True)
        self.refusal = RefusalLine()
        window.statusBar().addWidget(self.refusal, 2)
        window.statusBar().addWidget(self.line, 1)

    def add(self, text: str) -> None:
        """Keep a line of what happened, and show it."""
        self._log.add_line(text)
        LOG.info(text)
        self.line.setText(html.escape(text))
        self.line.setToolTip(plain(text))  # a long one is cut off

    def add_files(self, paths: list[Path]) -> None:
        """Say where files were written, with a link."""
        folder = Path(paths[-1]).parent  # run.json, the last one written, lies at the top
        self._log.add_line(f"{len(paths)} files written to {folder}")
        self.line.setToolTip(plain(f"{len(paths)} files written to {folder}"))
        link = QUrl.fromLocalFile(str(folder)).toString()
        self.line.setText(f'{len(paths)} files written to <a href="{html.escape(link)}">{html.escape(str(folder))}</a>')

    def fail(self, sentence: str, details: str) -> None:
        """Say what went wrong: in a dialog where there are details for a report, else quietly."""
        self._keep(sentence, details)
        if details:
            self._prompts.failed(sentence, details)
        else:
            self.refusal.refuse(sentence)

    def fail_to_load(self, path: Path, sentence: str, details: str) -> None:
        """Say why a data set cannot be opened."""
        self._keep(sentence, details)
        if not self._prompts.load_failed(path, sentence, details):
            self.refusal.refuse(sentence)

    def _keep(self, sentence: str, details: str) -> None:
        self._log.add_line(f"⚠ {sentence}")
        LOG.error("%s\n%s", sentence, details)
