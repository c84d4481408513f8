"""Undo and redo in the Networks view: what was chosen before and after every step."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QUndoStack

from gsp_studio.gui.network.state import NetworkSettings
from gsp_studio.gui.undo_step import UndoStep

_DEPTH = 200
#: Milliseconds without a move of the slider after which it counts as a step.
_REST_MS = 500
_SPARSITY, _PRUNING = "Sparsity of the network", "Pruning of the network"


class NetworkHistory(QObject):
    """Steps of one network.

    Parameters
    ----------
    restore : callable
        Brings settings back.
    parent : QObject
    """

    def __init__(self, restore: Callable[[NetworkSettings], None], parent: QObject) -> None:
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(_DEPTH)
        self._restore = restore
        self._last = self._now = NetworkSettings()
        self._is_restoring = False
        self._rest = QTimer(self, interval=_REST_MS, singleShot=True)
        self._rest.timeout.connect(self.settle)

    def clear(self, choice: NetworkSettings) -> None:
        """Another network: nothing of the former one can come back."""
        self._rest.stop()
        self.stack.clear()
        self._last = self._now = choice

    def note(self, choice: NetworkSettings) -> None:
        """The user has changed something; moves of the slider become one step when it rests."""
        if self._is_restoring:
            return
        is_slider = _without_targets(choice) == _without_targets(self._now)
        if not is_slider:
            self.settle()
        self._now = choice
        if is_slider:
            self._rest.start()
        else:
            self._push(_PRUNING)

    def settle(self) -> None:
        """The slider rests."""
        self._rest.stop()
        if self._now != self._last:
            self._push(_SPARSITY)

    def follow(self, choice: NetworkSettings) -> None:
        """The last step has led to these settings by itself."""
        step = self.stack.command(self.stack.index() - 1)
        if isinstance(step, UndoStep) and step.after is self._last:
            step.after = choice
        self._last = self._now = choice

    def _push(self, text: str) -> None:
        before, self._last = self._last, self._now
        self.stack.push(UndoStep(text, before, self._now, self._bring_back))

    def _bring_back(self, choice: NetworkSettings) -> None:
        self._rest.stop()
        self._last = self._now = choice
        self._is_restoring = True
        try:
            self._restore(choice)
        finally:
            self._is_restoring = False


def _without_targets(choice: NetworkSettings) -> tuple[object, ...]:
    return choice.mode, choice.groups
