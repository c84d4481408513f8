"""A view that shows images once there are some, and until then what to do."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedLayout, QWidget

from gsp_studio.gui.widgets.controls import EmptyState
from gsp_studio.gui.widgets.worded import Worded

_OFFERS = {"folder": "Open a folder of images...", "sample": "Try the sample faces"}


class ViewPanel(QWidget):
    """The empty state of a view; its `_stack` has the full one in second place.

    Parameters
    ----------
    opening, hint : str
        Words while there are no data.
    running : str
        Words while there is no basis.
    offers : mapping of str to str
        Buttons while there are no data, by what they ask for.
    """

    asked = Signal(str)  # "files", "folder" or "sample": a button of the empty state

    def __init__(
        self,
        opening: str,
        running: str = "",
        hint: str = "",
        offers: Mapping[str, str] = _OFFERS,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._has_data = False
        self._empty_words, self._running = (opening, hint), ""
        if running:
            Worded(self, ViewPanel.set_running, running)
        self.empty = EmptyState(opening, hint, dict(offers))
        self.empty.chosen.connect(self.asked)
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self.empty)

    def set_running(self, running: str) -> None:
        """Take these words for data without a basis."""
        self._running = running
        if self._has_data:
            self.set_activity("")

    def set_activity(self, activity: str) -> None:
        """Say what is being done while there is nothing to show, "" for nothing."""
        if activity:
            self.empty.set_text(f"{activity[0].upper()}{activity[1:]}...", offers=False)
        elif self._has_data and self._running:
            self.empty.set_text(self._running, offers=False)
        else:
            self.empty.set_text(*self._empty_words)
