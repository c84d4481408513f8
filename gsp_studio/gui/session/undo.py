"""Undo and redo: what the user has set, before and after every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

if TYPE_CHECKING:
    from gsp_studio.gui.state import Array, View

#: Steps that are kept.
_DEPTH = 200


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything that can be undone.

    Attributes
    ----------
    sparsity, sparsity_h : float
    held : dict of basis image to sparsity
    marked : tuple of int
        The selected basis images.
    view : View
    weights : ndarray (m,) or None
        Never written again.
    basis : int
        Number of the pinned basis that `held` is about.
    """

    sparsity: float
    sparsity_h: float
    held: dict[int, float]
    marked: tuple[int, ...]
    view: View
    weights: Array | None
    basis: int

    def is_as(self, other: Snapshot) -> bool:
        """Whether nothing that can be undone differs."""
        return all(
            getattr(self, field.name) is getattr(other, field.name)
            if field.name == "weights"
            else getattr(self, field.name) == getattr(other, field.name)
            for field in fields(self)
            if field.name != "basis"
        )


class _Step(QUndoCommand):
    def __init__(self, text: str, before: Snapshot, after: Snapshot, restore: Callable[[Snapshot], None]) -> None:
        super().__init__(text)
        self._before, self._after, self._restore = before, after, restore
        self._is_done = True  # Qt redoes a step when it is pushed; the user has done it already

    def undo(self) -> None:
        self._restore(self._before)

    def redo(self) -> None:
        was_done, self._is_done = self._is_done, False
        if not was_done:
            self._restore(self._after)


class UndoHistory(QObject):
    """The steps of a session; whose settings these are says each call, and who hears `restored` brings them back."""

    restored = Signal(object)  # Snapshot of the settings that were in force before a step, or after it

    def __init__(self, now: Snapshot, parent: QObject) -> None:
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(_DEPTH)
        self._last = now
        self._is_restoring = False

    def note(self, text: str, now: Snapshot) -> None:
        """The user has finished a change, called `text`; nothing happens where none was made."""
        if not self._is_restoring and not now.is_as(self._last):
            self.stack.push(_Step(text, self._last, now, self._restore))
        self._last = now

    def start_from(self, now: Snapshot) -> None:
        """What has changed since was not the user's doing."""
        self._last = now

    def clear(self, now: Snapshot) -> None:
        """Other data: nothing of what was can come back."""
        self.stack.clear()
        self._last = now

    def _restore(self, snapshot: Snapshot) -> None:
        self._is_restoring = True
        try:
            self.restored.emit(snapshot)
        finally:
            self._is_restoring = False
