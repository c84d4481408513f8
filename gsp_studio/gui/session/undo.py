"""Undo and redo: what the user has set, before and after every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoCommand, QUndoStack

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.gui.session.basis import PinnedBasis
    from gsp_studio.gui.session.display import Display
    from gsp_studio.gui.session.settings import Settings
    from gsp_studio.gui.session.slider import Slider
    from gsp_studio.gui.state import View

#: Steps that are kept.
_DEPTH = 200


@dataclass(frozen=True, eq=False)
class Snapshot:
    """State that can be undone.

    Attributes
    ----------
    sparsity : float
    sparsity_h : float or None
    locked : dict of basis image to sparsity
    marked : tuple of int
        The selected basis images.
    view : View
    weights : ndarray (m,) or None
        Never written again.
    basis : int
        Number of the pinned basis that `locked` is about.
    """

    sparsity: float
    sparsity_h: float | None
    locked: dict[int, float]
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
    """Joins the parts whose settings can be undone, which do not know each other, in one history of steps."""

    def __init__(
        self, settings: Settings, display: Display, basis: PinnedBasis, slider: Slider, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._settings, self._display, self._basis, self._slider = settings, display, basis, slider
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(_DEPTH)
        self._last = self._read()
        self._is_restoring = False
        for edited in (settings.settled, display.edited, slider.edited):
            edited.connect(self._note)
        basis.pinnedChanged.connect(lambda _: self.start_from_here())

    def _read(self) -> Snapshot:
        settings, display, basis = self._settings, self._display, self._basis
        return Snapshot(
            sparsity=settings.params.sparsity,
            sparsity_h=settings.params.sparsity_h,
            locked=basis.locked,
            marked=display.marked,
            view=display.view,
            weights=settings.weights,
            basis=basis.number,
        )

    def _note(self, text: str) -> None:
        """The user has finished a change, called `text`; nothing happens where none was made."""
        now = self._read()
        if not self._is_restoring and not now.is_as(self._last):
            self.stack.push(_Step(text, self._last, now, self._bring_back))
        self._last = now

    def start_from_here(self) -> None:
        """Take the present state as the start of undo."""
        self._last = self._read()

    def clear(self) -> None:
        """Other data: nothing of what was can come back."""
        self.stack.clear()
        self.start_from_here()

    def _bring_back(self, snapshot: Snapshot) -> None:
        self._is_restoring = True
        try:
            self._restore(snapshot)
        finally:
            self._is_restoring = False
        self.start_from_here()

    def _restore(self, snapshot: Snapshot) -> None:
        settings = self._settings
        self._display.set_view(snapshot.view)
        settings.set_weights(snapshot.weights)
        if snapshot.basis == self._basis.number:  # of another basis nothing can be locked
            self._slider.lock(snapshot.locked)
        if (snapshot.sparsity, snapshot.sparsity_h) != (settings.params.sparsity, settings.params.sparsity_h):
            self._basis.drop_refinement()
            settings.set_targets(snapshot.sparsity, snapshot.sparsity_h)
            settings.settle_sparsity()
        self._display.mark(snapshot.marked)
