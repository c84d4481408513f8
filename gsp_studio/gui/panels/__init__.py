"""One file a panel; no panel knows another. What panels may ask of their window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QAction, QImage

    from gsp_studio.gui.session.session import Session


class Requests(Protocol):
    """Requests of a panel to the window around it."""

    def open_data(self, kind: str) -> None:
        """Open a "folder", "files" or the sample "faces"."""

    def change_layout(self) -> None:
        """Ask how the data set is to be read."""

    def branch_at(self, n_iter: int) -> None:
        """Ask for a branch of the run on the screen, from this iteration on."""

    def action(self, name: str) -> QAction:
        """Return an action of the window by its name, for a menu of the panel's own."""

    def show_view(self, title: str) -> None:
        """Bring a view to the front."""

    def save_picture(self, picture: Callable[[], QImage], name: str, what: str) -> None:
        """Ask where a picture is to be written; `name` is proposed, `what` it is told."""


@runtime_checkable
class Attachable(Protocol):
    """A panel that connects itself."""

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
