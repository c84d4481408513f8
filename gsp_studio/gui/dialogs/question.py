"""Questions before something is replaced, deleted or closed; names of files in them are never taken for mark-up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QMessageBox, QPushButton, QWidget

from gsp_studio.gui.theme import current_theme, pixmap
from gsp_studio.gui.widgets.controls import plain

_Role, _Standard = QMessageBox.ButtonRole, QMessageBox.StandardButton


def _box(parent: QWidget | None, text: str, more: str) -> QMessageBox:
    box = QMessageBox(QMessageBox.Icon.NoIcon, "GSP Studio", plain(text), parent=parent)
    box.setIconPixmap(pixmap("warning", current_theme().amber, 32, box.devicePixelRatioF()))
    box.setInformativeText(plain(more))
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return box


def _dress(box: QMessageBox) -> None:
    """Give the buttons the manners of those of the other dialogs: no icons, and the proposed one stands out."""
    for button in box.buttons():
        button.setIcon(QIcon())
    proposed = box.defaultButton()
    proposed.setProperty("primary", True)
    proposed.style().unpolish(proposed)
    proposed.style().polish(proposed)


def is_confirmed(parent: QWidget | None, text: str, more: str, verb: str) -> bool:
    """Ask whether something that cannot be undone is to be done; Esc and the proposed button say no."""
    box = _box(parent, text, more)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    yes = box.addButton(verb, _Role.DestructiveRole)
    no = box.addButton(_Standard.Cancel)
    box.setDefaultButton(no)
    box.setEscapeButton(no)
    _dress(box)
    box.exec()
    was_yes = box.clickedButton() is yes
    box.deleteLater()
    return was_yes


def path_to_write(parent: QWidget, chosen: str, suffix: str, *, is_only: bool = False) -> Path | None:
    """Give a file that was chosen a suffix where it has none; where that is another file, ask before it is replaced.

    Parameters
    ----------
    parent : QWidget
    chosen : str
        Answer of a dialog of files, which has asked about this name alone; "" where it was cancelled.
    suffix : str
        Such as ".png".
    is_only : bool
        Whether a name with another suffix gets this one, too.

    Returns
    -------
    Path or None
        None where nothing is to be written.
    """
    path = Path(chosen)
    if not chosen or path.suffix.lower() == suffix or (path.suffix and not is_only):
        return path if chosen else None
    path = path.with_name(f"{path.name}{suffix}")
    more = "A file of that name exists."
    is_free = not path.exists() or is_confirmed(parent, f"Replace {path.name}?", more, "Replace")
    return path if is_free else None


def ask(parent: QWidget, text: str, more: str, verb: str, does: Callable[[], object]) -> None:
    """Offer something that takes nothing away, while the window behind goes on; Esc and Cancel leave it."""
    box = _box(parent, text, more)
    yes, no = box.addButton(verb, _Role.AcceptRole), box.addButton(_Standard.Cancel)
    box.setDefaultButton(yes)
    box.setEscapeButton(no)
    box.setWindowModality(Qt.WindowModality.WindowModal)
    box.finished.connect(lambda _: does() if box.clickedButton() is yes else None)
    _dress(box)
    box.show()
    box.activateWindow()


class UnsavedQuestion:
    """Save, Keep for later, Discard or Cancel, in the platform's order; the window behind goes on computing.

    Parameters
    ----------
    parent : QWidget
    text, more : str
        One sentence, and all that it is about.
    answers : dict of "save", "keep", "discard" to a function
        Only what is named is offered; Cancel, and Esc, always are and call `cancelled`.
    cancelled : function
    discard : str
        Text of the button that gives the work up, "" for the platform's.
    """

    def __init__(
        self,
        parent: QWidget,
        text: str,
        more: str,
        answers: dict[str, Callable[[], None]],
        cancelled: Callable[[], None],
        discard: str = "",
    ) -> None:
        self.box = box = _box(parent, text, more)
        self.buttons: dict[str, QPushButton] = {}
        self._answers, self._cancelled = answers, cancelled
        if "save" in answers:
            self.buttons["save"] = box.addButton(_Standard.Save)
        if "keep" in answers:
            self.buttons["keep"] = box.addButton("Keep for later", _Role.AcceptRole)
        if "discard" in answers:
            self.buttons["discard"] = box.addButton(_Standard.Discard)
            if discard:
                self.buttons["discard"].setText(discard)
        self.buttons["cancel"] = cancel = box.addButton(_Standard.Cancel)
        box.setDefaultButton(self.buttons.get("save", cancel))
        box.setEscapeButton(cancel)
        box.setWindowModality(Qt.WindowModality.WindowModal)
        box.finished.connect(self._answer)
        _dress(box)
        box.show()
        box.activateWindow()

    def _answer(self) -> None:
        clicked = self.box.clickedButton()
        chosen = next((name for name, button in self.buttons.items() if button is clicked), "cancel")
        self._answers.get(chosen, self._cancelled)()
