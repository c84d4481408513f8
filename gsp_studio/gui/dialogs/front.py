"""Dialogs brought to the front, with the words for the data."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog

from gsp_studio.gui.widgets.worded import say_nouns
from gsp_studio.nouns import IMAGES, Nouns


def show_dialog(dialog: QDialog, nouns: Nouns = IMAGES) -> None:
    """Show a dialog; the window behind goes on."""
    say_nouns(dialog, nouns)
    dialog.show()
    dialog.activateWindow()  # not every window manager gives a new window the keyboard
