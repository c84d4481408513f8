"""The docks around the centre: which panel is in which, and how large they are on the first day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QFrame, QMainWindow, QScrollArea, QWidget

if TYPE_CHECKING:
    from gsp_studio.gui.window.main_window import MainWindow

_LEFT, _RIGHT, _BELOW = (
    Qt.DockWidgetArea.LeftDockWidgetArea,
    Qt.DockWidgetArea.RightDockWidgetArea,
    Qt.DockWidgetArea.BottomDockWidgetArea,
)


def make_docks(window: MainWindow) -> dict[str, QDockWidget]:
    """The docks of a window by their titles."""
    docks = {
        "Data": _dock(window, "Data", _scrolling(window.data), _LEFT),
        "Model": _dock(window, "Model", _scrolling(window.model), _LEFT),
        "Selected basis": _dock(window, "Selected basis", _scrolling(window.basis), _RIGHT),
        "Curves": _dock(window, "Curves", window.curves, _BELOW),
        "Runs": _dock(window, "Runs", window.runs, _BELOW),
        "Log": _dock(window, "Log", window.log, _BELOW),
    }
    window.tabifyDockWidget(docks["Runs"], docks["Log"])
    docks["Runs"].raise_()
    across, down = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
    window.resizeDocks([docks["Data"], docks["Selected basis"]], [300, 268], across)
    window.resizeDocks([docks["Data"], docks["Model"]], [220, 300], down)
    window.resizeDocks([docks["Curves"], docks["Runs"]], [640, 640], across)
    window.resizeDocks([docks["Curves"]], [200], down)
    return docks


def _dock(window: QMainWindow, title: str, content: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
    dock = QDockWidget(title, window)
    dock.setObjectName(title)
    dock.setWidget(content)
    window.addDockWidget(area, dock)
    return dock


def _scrolling(panel: QWidget) -> QScrollArea:
    """A panel that may be taller than its dock."""
    view = QScrollArea()
    view.setWidgetResizable(True)
    view.setFrameShape(QFrame.Shape.NoFrame)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setWidget(panel)
    view.setMinimumWidth(panel.minimumSizeHint().width() + 16)
    return view
