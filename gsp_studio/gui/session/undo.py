"""Undo and redo: what the user has set, before and after every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QUndoCommand, QUndoStack

if TYPE_CHECKING:
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.state import View

#: Steps that are kept.
_DEPTH = 200


@dataclass(frozen=True, eq=False)
class Settings:
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
    weights: Any
    basis: int

    def is_as(self, other: Settings) -> bool:
        """Whether nothing that can be undone differs."""
        return all(
            getattr(self, field.name) is getattr(other, field.name)
            if field.name == "weights"
            else getattr(self, field.name) == getattr(other, field.name)
            for field in fields(self)
            if field.name != "basis"
        )


class _Step(QUndoCommand):
    def __init__(self, text: str, before: Settings, after: Settings, restore: Callable[[Settings], None]) -> None:
        super().__init__(text)
        self._before, self._after, self._restore = before, after, restore
        self._is_done = True  # Qt redoes a step when it is pushed; the user has done it already

    def undo(self) -> None:
        self._restore(self._before)

    def redo(self) -> None:
        was_done, self._is_done = self._is_done, False
        if not was_done:
            self._restore(self._after)


class Undoing:
    """The steps of a session."""

    def __init__(self, session: Session) -> None:
        self.stack = QUndoStack(session)
        self.stack.setUndoLimit(_DEPTH)
        self._session = session
        self._last = self._read()
        self._is_restoring = False

    def _read(self) -> Settings:
        session = self._session
        choice = session.choice
        return Settings(
            sparsity=choice.sparsity,
            sparsity_h=choice.sparsity_h,
            held=session.held,
            marked=session.display.marked,
            view=session.display.view,
            weights=session.weights,
            basis=session.basis_number,
        )

    def note(self, text: str) -> None:
        """The user has finished a change, called `text`; nothing happens where none was made."""
        now = self._read()
        if not self._is_restoring and not now.is_as(self._last):
            self.stack.push(_Step(text, self._last, now, self._bring_back))
        self._last = now

    def start_from_here(self) -> None:
        """What has changed since was not the user's doing."""
        self._last = self._read()

    def clear(self) -> None:
        """Other data: nothing of what was can come back."""
        self.stack.clear()
        self.start_from_here()

    def _bring_back(self, settings: Settings) -> None:
        self._is_restoring = True
        try:
            self._restore(settings)
        finally:
            self._is_restoring = False
        self.start_from_here()

    def _restore(self, settings: Settings) -> None:
        session = self._session
        session.display.set_view(settings.view)
        session.set_weights(settings.weights)
        if settings.basis == session.basis_number:  # of another basis nothing can be held
            session.hold(settings.held)
        now = session.choice
        if (settings.sparsity, settings.sparsity_h) != (now.sparsity, now.sparsity_h):
            session.set_targets(settings.sparsity, settings.sparsity_h)
            session.settle_sparsity()
        session.display.mark(settings.marked)
