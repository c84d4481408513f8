"""Texts of widgets and actions that name the data: written for images, said for what is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.nouns import Nouns


class Worded(QObject):
    """A text of its parent, which `put` sets: it is said anew by `say_nouns`.

    `put` is a function of the class, as `QWidget.setToolTip`: a method of the parent would keep it alive.
    """

    def __init__(self, parent: QObject, put: Callable[[Any, str], object], text: str) -> None:
        super().__init__(parent)
        self._put, self._text = put, text
        put(parent, text)

    def say(self, nouns: Nouns) -> None:
        """Set the text with these nouns."""
        self._put(self.parent(), nouns.of(self._text))


def word_tip(widget: QWidget, text: str) -> None:
    """Give a widget a tool tip that names the data."""
    Worded(widget, QWidget.setToolTip, text)


def word_name(widget: QWidget, text: str) -> None:
    """Give a widget an accessible name that names the data."""
    Worded(widget, QWidget.setAccessibleName, text)


def word_label(made: QLabel, text: str) -> QLabel:
    """Give a label a text that names the data, and return it."""
    Worded(made, QLabel.setText, text)
    return made


def say_nouns(root: QObject, nouns: Nouns) -> None:
    """Say all texts of a window, a panel or a dialog with these nouns."""
    for text in root.findChildren(Worded):
        text.say(nouns)
