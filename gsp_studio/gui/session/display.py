"""Content of the screen: the basis, its selected images, and how they are drawn. Computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.state import View

if TYPE_CHECKING:
    from gsp_studio.core.edits import Edit
    from gsp_studio.gui.state import BasisPreview, DisplayedBasis


class Display(QObject):
    """The basis on the screen, the selection and the view."""

    shownChanged = Signal(object)  # DisplayedBasis, or None
    glimpseChanged = Signal(object)  # BasisPreview of a large basis while the slider moves; shownChanged follows
    selectionChanged = Signal(int)  # the basis image that everything is about, or -1
    markedChanged = Signal(object)  # tuple of all basis images that are selected
    viewChanged = Signal(object)  # View
    edited = Signal(str)  # the user has finished a change that can be undone, called so

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.shown: DisplayedBasis | None = None
        self.glimpse: BasisPreview | None = None
        self.marked: tuple[int, ...] = ()
        self.view = View()

    def show(self, shown: DisplayedBasis | None) -> None:
        """Bring a basis to the screen; None: none."""
        self.shown, self.glimpse = shown, None
        self.shownChanged.emit(shown)

    def show_glimpse(self, glimpse: BasisPreview) -> None:
        """Bring a part of a basis to the screen, of which all is to follow."""
        self.glimpse = glimpse
        self.glimpseChanged.emit(glimpse)

    @property
    def selected(self) -> int:
        """The basis image that everything is about, the one selected last; -1 for none."""
        return self.marked[-1] if self.marked else -1

    def select(self, basis: int) -> None:
        """Select one basis image; -1 for none."""
        self.mark((basis,))

    def mark(self, bases: tuple[int, ...]) -> None:
        """Select these basis images; everything is about the last."""
        count = 0 if self.shown is None else len(self.shown.order)
        self.move_marks(tuple(basis for basis in bases if 0 <= basis < count))
        self.edited.emit("selection")

    def move_marks(self, bases: tuple[int, ...]) -> None:
        """Follow basis images that have other numbers now, or are gone: nothing that the user did."""
        self.marked = bases
        self.selectionChanged.emit(self.selected)
        self.markedChanged.emit(bases)

    def renumber(self, edit: Edit) -> None:
        """The next basis on the screen has this edit: what is selected stays so."""
        from gsp_studio.core.edits import renumber

        moved = (renumber(edit, basis) for basis in self.marked)
        self.move_marks(tuple(basis for basis in moved if basis >= 0))

    def set_view(self, view: View) -> None:
        """Draw basis images in this way."""
        if view != self.view:
            self.view = view
            self.viewChanged.emit(view)
            self.edited.emit("view")
