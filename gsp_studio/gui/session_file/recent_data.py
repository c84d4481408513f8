"""The recent data sets, newest first: a menu that opens them again as they were read."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSettings, Signal
from PySide6.QtWidgets import QMenu, QWidget

from gsp_studio.gui.widgets.controls import plain

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

#: Data sets that are remembered.
_MOST = 8


class RecentData(QMenu):
    """The data sets that were opened last; `chosen(path)`."""

    chosen = Signal(object)  # Path

    def __init__(self, settings: QSettings, parent: QWidget) -> None:
        super().__init__("Recent &data", parent)
        self._settings = settings
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self.list_paths)
        self.list_paths()

    def paths(self) -> list[Path]:
        """The paths, newest first."""
        with suppress(ValueError):
            found = json.loads(str(self._settings.value("recentData", "[]")))
            if isinstance(found, list):
                return [Path(path) for path in found if isinstance(path, str)][:_MOST]
        return []

    def remember(self, dataset: Dataset) -> None:
        """Put a data set at the top; one that is in no file is not remembered."""
        path = Path(dataset.source).absolute()
        if not dataset.source or not path.exists():
            return
        paths = [path, *(other for other in self.paths() if other != path)][:_MOST]
        self._settings.setValue("recentData", json.dumps([str(path) for path in paths]))
        self.list_paths()

    def _choose(self, path: Path, _is_checked: bool = False) -> None:
        self.chosen.emit(path)

    def list_paths(self) -> None:
        """Fill the menu; what is not there any more is grey."""
        self.clear()
        for path in self.paths():
            action = self.addAction(path.name.replace("&", "&&"))
            action.triggered.connect(partial(self._choose, path))
            action.setToolTip(plain(str(path)))
            action.setEnabled(path.exists())
        self.menuAction().setEnabled(not self.isEmpty())
