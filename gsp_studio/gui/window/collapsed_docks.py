"""Docks collapsed to their titles: one in a column by itself, a whole column to upright titles, a row at once."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow

from gsp_studio.gui.widgets.dock_title import THICKNESS, DockTitle

#: Qt's largest size of a widget, which is no limit.
_ANY = 16777215
#: Width and height of a dock that is opened again where nothing else is known.
_USUAL = 280, 240
_SIDES = (Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea)


class CollapsedDocks(QObject):
    """Collapses the docks of a window, and opens them again in the size that they had."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._docks: dict[str, QDockWidget] = {}
        self._titles: dict[str, DockTitle] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._collapsed: set[str] = set()
        self._is_held = False

    def add(self, dock: QDockWidget) -> None:
        """Give a dock a title that collapses it."""
        name = dock.windowTitle()
        title = DockTitle(dock)
        dock.setTitleBarWidget(title)
        self._docks[name], self._titles[name] = dock, title
        title.collapseToggled.connect(lambda: self.toggle(name))
        dock.topLevelChanged.connect(lambda floats: self._open((name,)) if floats else self._apply())
        dock.dockLocationChanged.connect(lambda _: self._apply())
        dock.visibilityChanged.connect(lambda _: self._apply())

    @property
    def names(self) -> tuple[str, ...]:
        """Titles of those that are collapsed."""
        return tuple(name for name in self._docks if name in self._collapsed)

    def set_names(self, names: Iterable[str]) -> None:
        """Collapse the docks of these titles, and open all others."""
        wanted = {name for name in names if name in self._docks}
        self._open(self._collapsed - wanted)
        self._collapse(wanted - self._collapsed)

    def toggle(self, name: str) -> None:
        """Collapse a dock, or open it; with those that stand beside it in a row, as the row has one height."""
        if self._docks[name].isFloating():
            return
        if name in self._collapsed:
            self._open(self._beside(name))
        else:
            self._collapse(self._beside(name))

    def hold(self, on: bool) -> None:
        """Leave titles and sizes as they are while all docks are hidden."""
        self._is_held = on
        self._apply()

    def _beside(self, name: str) -> set[str]:
        dock, window = self._docks[name], self._window
        row = {other.windowTitle() for other in window.tabifiedDockWidgets(dock)} & set(self._docks)
        area = window.dockWidgetArea(dock)
        for other, there in self._docks.items():
            is_near = there.isVisible() and not there.isFloating() and window.dockWidgetArea(there) == area
            if is_near and min(dock.geometry().bottom(), there.geometry().bottom()) > max(dock.y(), there.y()):
                row |= {other} | {more.windowTitle() for more in window.tabifiedDockWidgets(there)}
        return (row | {name}) & set(self._docks)

    def _collapse(self, names: Iterable[str]) -> None:
        for name, dock in self._docks.items():
            if dock.isVisible() and name not in self._collapsed:
                self._sizes[name] = dock.width(), dock.height()
        self._collapsed |= set(names)
        self._apply()

    def _open(self, names: Iterable[str]) -> None:
        opened = self._collapsed & set(names)
        if not opened:
            return
        self._collapsed -= opened
        self._apply()
        layout = self._window.layout()
        if layout is not None:
            layout.activate()
        for area in {self._window.dockWidgetArea(self._docks[name]) for name in opened}:
            there = [name for name in self._docks if self._is_open_in(name, area)]
            docks, sizes = [self._docks[name] for name in there], [self._sizes.get(name, _USUAL) for name in there]
            is_side = area in _SIDES
            some = len(docks) if is_side else 1  # those in a row have one height
            self._window.resizeDocks(docks[:some], [height for _, height in sizes[:some]], Qt.Orientation.Vertical)
            if is_side:
                self._window.resizeDocks(docks[:1], [width for width, _ in sizes[:1]], Qt.Orientation.Horizontal)

    def _is_open_in(self, name: str, area: Qt.DockWidgetArea) -> bool:
        dock = self._docks[name]
        is_there = dock.isVisible() and not dock.isFloating() and name not in self._collapsed
        return is_there and self._window.dockWidgetArea(dock) == area

    def _apply(self) -> None:
        if self._is_held:
            return
        for name, dock in self._docks.items():
            is_collapsed = name in self._collapsed
            upright = is_collapsed and self._is_rail(dock)
            content, feature = dock.widget(), QDockWidget.DockWidgetFeature.DockWidgetVerticalTitleBar
            if content is not None and content.isHidden() is not is_collapsed:
                content.setVisible(not is_collapsed)
            features = dock.features() | feature if upright else dock.features() & ~feature
            if features != dock.features():
                dock.setFeatures(features)
            self._titles[name].set_collapsed(is_collapsed, upright)
            dock.setMaximumSize(THICKNESS if upright else _ANY, THICKNESS if is_collapsed and not upright else _ANY)

    def _is_rail(self, dock: QDockWidget) -> bool:
        """Whether all docks of its side are collapsed."""
        area, window = self._window.dockWidgetArea(dock), self._window
        there = (name for name, other in self._docks.items() if window.dockWidgetArea(other) == area)
        shown = [name for name in there if not self._docks[name].isHidden() and not self._docks[name].isFloating()]
        return area in _SIDES and all(name in self._collapsed for name in shown)
