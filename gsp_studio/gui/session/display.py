"""The part of a session's state that computes nothing: the basis on the screen, what is selected, how it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gsp_studio.gui.session.signals import SessionSignals
from gsp_studio.gui.state import View

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from gsp_studio.gui.state import Glimpse, Shown


class Viewing(SessionSignals):
    """What one looks at; the signals are those of `SessionSignals`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.shown: Shown | None = None
        self.glimpse: Glimpse | None = None
        self.marked: tuple[int, ...] = ()
        self.view = View()

    def _note(self, text: str) -> None:
        """The user has finished a change that can be undone."""

    def _show(self, shown: Shown | None) -> None:
        self.shown, self.glimpse = shown, None
        self.shownChanged.emit(shown)

    @property
    def selected(self) -> int:
        """The basis image that everything is about, the one selected last; -1 for none."""
        return self.marked[-1] if self.marked else -1

    def select(self, basis: int) -> None:
        """Select one basis image; -1 for none."""
        self.mark((basis,))

    def mark(self, bases: tuple[int, ...]) -> None:
        """Select these basis images; everything is about the last."""
        self._mark(bases)
        self._note("selection")

    def _mark(self, bases: tuple[int, ...]) -> None:
        count = 0 if self.shown is None else len(self.shown.order)
        self.marked = tuple(basis for basis in bases if 0 <= basis < count)
        self.selectionChanged.emit(self.selected)
        self.markedChanged.emit(self.marked)

    def set_view(self, view: View) -> None:
        """Draw basis images in this way."""
        if view != self.view:
            self.view = view
            self.viewChanged.emit(view)
            self._note("view")
