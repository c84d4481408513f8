"""The montage and the slider alone: all else steps back, and comes back as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QObject, QRect, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow, QMenu, QToolBar, QWidget

if TYPE_CHECKING:
    from gsp_studio.gui.window.layout import WindowLayout

_VIEW = "Basis"
_SCREEN_WIDE = Qt.WindowState.WindowMaximized | Qt.WindowState.WindowFullScreen


class FocusView(QObject):
    """Fills the screen with a window's montage and slider; `toggled` when it comes and goes."""

    toggled = Signal(bool)

    def __init__(self, window: QMainWindow, layout: WindowLayout) -> None:
        super().__init__(window)
        self._window, self._layout = window, layout
        self.is_on = False
        self._geometry, self._place = QByteArray(), QRect()
        self._state = Qt.WindowState.WindowNoState
        self._view = _VIEW
        self._hidden: list[QWidget] = []
        self._keyed: list[QAction] = []
        layout.centre.changed.connect(self._follow)

    def toggle(self, on: bool) -> None:
        """Come, or go."""
        if on:
            self.enter()
        else:
            self.leave()

    def enter(self) -> None:
        """Hide everything else."""
        if self.is_on:
            return
        window, layout = self._window, self._layout
        self._geometry, self._place = window.saveGeometry(), window.geometry()
        self._state, self._view = window.windowState(), layout.centre.current
        layout.centre.show_view(_VIEW)
        self.is_on = True
        layout.hide_docks()
        # The keys of a menu bar that is hidden are those of the window.
        self._keyed = [action for action in _actions_of(window) if action not in window.actions()]
        window.addActions(self._keyed)
        bars = [window.menuBar(), window.statusBar(), layout.centre.bar, *window.findChildren(QToolBar)]
        self._hidden = [bar for bar in bars if not bar.isHidden()]
        for bar in self._hidden:
            bar.hide()
        window.setWindowState(self._state | Qt.WindowState.WindowFullScreen)
        self.toggled.emit(True)

    def leave(self) -> None:
        """Bring everything back to where it was."""
        if not self.is_on:
            return
        view = self._view
        self._end()
        if view != self._layout.centre.current:
            self._layout.centre.show_view(view)

    def _end(self) -> None:
        window = self._window
        self.is_on = False
        for bar in self._hidden:
            bar.show()
        for action in self._keyed:
            window.removeAction(action)
        window.setWindowState(self._state)
        if not self._state & _SCREEN_WIDE:
            window.setGeometry(self._place)
        self._layout.show_docks()
        self.toggled.emit(False)

    def _follow(self, title: str) -> None:
        """Another view was asked for: it comes with all of the window."""
        if self.is_on and title != _VIEW:
            self._end()

    def geometry(self) -> QByteArray:
        """Return the window's geometry, or that before."""
        return self._geometry if self.is_on else self._window.saveGeometry()


def _actions_of(window: QMainWindow) -> list[QAction]:
    menus = [menu for menu in (action.menu() for action in window.menuBar().actions()) if isinstance(menu, QMenu)]
    return [action for menu in menus for action in menu.actions() if not action.shortcut().isEmpty()]
