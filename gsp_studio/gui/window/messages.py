"""Messages in the status bar, in the Log panel and in the log on the disk; errors in a dialog besides."""

from __future__ import annotations

import html
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtWidgets import QMainWindow

from gsp_studio.gui.panels.log import LogPanel
from gsp_studio.gui.widgets.controls import label
from gsp_studio.gui.window.prompts import Prompts
from gsp_studio.io.logfile import LOG


class Messages(QObject):
    """Says in a window what happened and what went wrong."""

    def __init__(self, window: QMainWindow, log: LogPanel, prompts: Prompts) -> None:
        super().__init__(window)
        self._log, self._prompts = log, prompts
        self.line = label()
        self.line.setTextFormat(Qt.TextFormat.RichText)
        self.line.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.line.setOpenExternalLinks(True)
        window.statusBar().addWidget(self.line, 1)

    def add(self, text: str) -> None:
        """Keep a line of what happened, and show it."""
        self._log.add_line(text)
        LOG.info(text)
        self.line.setText(html.escape(text))

    def add_files(self, paths: list[Path]) -> None:
        """Say where files were written, with a link."""
        folder = Path(paths[-1]).parent  # run.json, the last one written, lies at the top
        self._log.add_line(f"{len(paths)} files written to {folder}")
        link = QUrl.fromLocalFile(str(folder)).toString()
        self.line.setText(f'{len(paths)} files written to <a href="{html.escape(link)}">{html.escape(str(folder))}</a>')

    def fail(self, sentence: str, details: str) -> None:
        """Say what went wrong."""
        self._keep(sentence, details)
        self._prompts.failed(sentence, details)

    def fail_to_load(self, path: Path, sentence: str, details: str) -> None:
        """Say why a data set cannot be opened."""
        self._keep(sentence, details)
        self._prompts.load_failed(path, sentence, details)

    def _keep(self, sentence: str, details: str) -> None:
        self._log.add_line(f"⚠ {sentence}")
        LOG.error("%s\n%s", sentence, details)
