"""Activity of the app besides a run, in words."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

_COMPILING = "compiling the solvers, which is done once"


class Activity(QObject):
    """Holds a text; compilation, which takes longer than anything else, goes before it."""

    changed = Signal(str)  # what is being done, "" for nothing

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.text = self._wanted = ""
        self._is_compiling = False

    def set(self, text: str) -> None:
        """Something else is being done, "" for nothing."""
        self._wanted = text
        self._update()

    def set_compiling(self, on: bool) -> None:
        """Take whether solvers are being compiled."""
        self._is_compiling = on
        self._update()

    def _update(self) -> None:
        text = _COMPILING if self._is_compiling else self._wanted
        if text != self.text:
            self.text = text
            self.changed.emit(text)
