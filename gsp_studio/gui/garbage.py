"""Collects reference cycles on the thread of the window alone.

Python collects them in whichever thread happens to allocate. A timer or an item of a plot in such a cycle would be
destroyed by a solver's thread then, and Qt lets only their own thread do that: a native crash, rare and far from its
cause.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

#: Milliseconds between two looks: short, so that little has come together meanwhile.
_INTERVAL_MS = 100


class GarbageCollector(QObject):
    """Does what Python does by itself, at the same thresholds, by a timer of the thread that makes it."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._timer = QTimer(self, interval=_INTERVAL_MS)
        self._timer.timeout.connect(self.collect)
        self._timer.start()
        gc.disable()

    def freeze(self) -> None:
        """Leave alone from now on whatever is there: modules and their code need no look again."""
        gc.freeze()

    def collect(self) -> None:
        """Collect the generations of which enough has come together."""
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > gc.get_threshold()[generation] > 0:
                gc.collect(generation)
                return
