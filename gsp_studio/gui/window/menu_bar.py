"""Menus, keys and the list of all commands, made from one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtGui import QAction, QActionGroup, QKeySequence, QUndoGroup
from PySide6.QtWidgets import QMainWindow, QMenu

from gsp_studio.gui.theme import icon
from gsp_studio.gui.widgets.worded import Worded


class MenuBar:
    """The menu bar of a window.

    Attributes
    ----------
    actions : list of QAction
        Everything that can be triggered, in the order of the menus.
    """

    def __init__(self, window: QMainWindow, titles: tuple[str, ...]) -> None:
        self._window = window
        self._menus: dict[str, QMenu] = {title: window.menuBar().addMenu(title) for title in titles}
        self._images: dict[QAction, str] = {}
        self.actions: list[QAction] = []

    def add(
        self,
        menu: str,
        text: str,
        slot: Callable[..., object],
        keys: str = "",
        image: str = "",
        checkable: bool = False,
    ) -> QAction:
        """An action; a checkable one tells the slot whether it is on."""
        action = QAction(self._window)
        Worded(action, QAction.setText, text)
        action.setCheckable(checkable)
        action.setShortcut(QKeySequence(keys))
        if checkable:
            action.triggered.connect(lambda on: slot(on))  # the user's hand alone: what is only shown makes no signal
        else:
            action.triggered.connect(lambda _=False: slot())
        return self.take(menu, action, image)

    def take(self, menu: str, action: QAction, image: str = "", said: str = "") -> QAction:
        """Add an action made elsewhere; `said`: what it is called outside of its menu."""
        if said:
            action.setIconText(said)
        self._menus[menu].addAction(action)
        self.actions.append(action)
        if image:
            self._images[action] = image
            action.setIcon(icon(image))
        return action

    def choices(
        self, menu: str, title: str, texts: Mapping[str, str], chosen: str, slot: Callable[[str], object]
    ) -> dict[str, QAction]:
        """A submenu of which one entry is on; the slot gets its key. Returns its actions by key."""
        made: dict[str, QAction] = {}
        sub = self._menus[menu].addMenu(title)
        group = QActionGroup(self._window)
        for key, text in texts.items():
            action = QAction(text, group)
            action.setCheckable(True)
            action.setChecked(key == chosen)
            action.setIconText(f"{title.replace('&', '')}: {text}")
            action.triggered.connect(lambda _=False, key=key: slot(key))
            sub.addAction(action)
            self.actions.append(action)
            made[key] = action
        return made

    def add_undo(self, menu: str, group: QUndoGroup) -> None:
        """Undo and redo, named after what they take back."""
        keys = QKeySequence.StandardKey
        for action, key, text in (
            (group.createUndoAction(self._window, "&Undo"), keys.Undo, "Undo"),
            (group.createRedoAction(self._window, "&Redo"), keys.Redo, "Redo"),
        ):
            action.setShortcuts(key)
            self.take(menu, action, said=text)
        self.separate(menu)

    def submenu(self, menu: str, sub: QMenu) -> None:
        """Add a menu filled elsewhere."""
        self._menus[menu].addMenu(sub)

    def separate(self, menu: str) -> None:
        """A line."""
        self._menus[menu].addSeparator()

    def keys(self) -> list[tuple[str, str]]:
        """Pairs of keys and what they do."""
        return [
            (action.shortcut().toString(QKeySequence.SequenceFormat.NativeText), action.iconText())
            for action in self.actions
            if not action.shortcut().isEmpty()
        ]

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        for action, image in self._images.items():
            action.setIcon(icon(image))
