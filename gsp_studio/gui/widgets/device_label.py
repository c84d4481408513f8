"""The device that computes and its memory, for the status bar."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.gui.state import Capabilities

#: Milliseconds between looks at the memory.
LOOK_MS = 2000


class DeviceLabel(QLabel):
    """Names what computes; of a device with memory of its own also how much of that is in use."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._known: Capabilities | None = None
        self.setContentsMargins(0, 0, 8, 0)
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self.look)

    def set_known(self, known: Capabilities) -> None:
        """Name what computes."""
        self._known = known
        self.look()
        if known.memory is not None:
            self._timer.start()

    def look(self) -> None:
        """Say how much memory is in use now."""
        known = self._known
        if known is None:
            return
        used = ""
        if known.memory is not None:
            free, total = known.memory()
            used = f"  ·  {(total - free) / 1e9:.1f} of {total / 1e9:.1f} GB"
        self.setText(known.backend + used)

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()
