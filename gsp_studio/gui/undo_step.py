"""A step of undo that brings back a state as it was before or after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtGui import QUndoCommand

S = TypeVar("S")


class UndoStep(QUndoCommand, Generic[S]):
    """A change of a state; `after` may be replaced while more is found there."""

    def __init__(self, text: str, before: S, after: S, restore: Callable[[S], None]) -> None:
        super().__init__(text)
        self.before, self.after, self._restore = before, after, restore
        self._is_done = True  # Qt redoes a step when it is pushed; the user has done it already

    def undo(self) -> None:
        """Bring back what was before."""
        self._restore(self.before)

    def redo(self) -> None:
        """Bring back what was after."""
        was_done, self._is_done = self._is_done, False
        if not was_done:
            self._restore(self.after)
