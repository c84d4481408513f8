"""The panels as a table, and where each stands: a tab in the centre, a dock, or the tool bar.

Panels with plots are made once the window is on the screen: plots take as long to import as all the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

from PySide6.QtCore import QByteArray, QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QDockWidget, QFrame, QMainWindow, QScrollArea, QWidget

from gsp_studio.gui.network.panel import NetworksPanel
from gsp_studio.gui.panels import Attachable, Requests
from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.panels.constraint_chip import ConstraintChip
from gsp_studio.gui.panels.data import DataPanel
from gsp_studio.gui.panels.log import LogPanel
from gsp_studio.gui.panels.model import ModelPanel
from gsp_studio.gui.panels.run import RunPanel
from gsp_studio.gui.panels.runs import RunsPanel
from gsp_studio.gui.panels.seeds import SeedsPanel
from gsp_studio.gui.panels.selected_basis import BasisPanel
from gsp_studio.gui.panels.sparsity import SparsityPanel
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.widgets.view_tabs import ViewTabs
from gsp_studio.gui.widgets.worded import say_nouns
from gsp_studio.gui.window.collapsed_docks import CollapsedDocks

#: Version of the docks' arrangement: a stored one of another version is not restored.
_VERSION = 2
#: Height of the docks below at the first start: three runs are in view.
_BELOW = 180

P = TypeVar("P", bound=QWidget)


class Place(Enum):
    """Place of a panel."""

    VIEW = auto()  # a tab of the centre
    UNDER_VIEWS = auto()
    TOOL_BAR = auto()
    LEFT = auto()
    RIGHT = auto()
    BELOW = auto()


@dataclass(frozen=True)
class PanelRow:
    """A row of `PANELS`: the panel's name as an attribute of the window, its title, its class and its place."""

    name: str
    title: str
    make: Callable[[], QWidget]
    place: Place
    is_scrolling: bool = False  # it may be taller than its dock
    is_behind: bool = False  # a tab behind the dock before it
    is_late: bool = False  # made after the first paint


def _compare() -> QWidget:
    from gsp_studio.gui.panels.compare import ComparePanel

    return ComparePanel()


def _curves() -> QWidget:
    from gsp_studio.gui.panels.curves import CurvesPanel

    return CurvesPanel()


def _inspector() -> QWidget:
    from gsp_studio.gui.panels.inspector import InspectorPanel

    return InspectorPanel()


def _path() -> QWidget:
    from gsp_studio.gui.panels.path import PathPanel

    return PathPanel()


def _spectra() -> QWidget:
    from gsp_studio.gui.panels.spectra import SpectraPanel

    return SpectraPanel()


def _weights() -> QWidget:
    from gsp_studio.gui.panels.weights import WeightsPanel

    return WeightsPanel()


#: In the order in which panels are told of what is new: what the eye is on comes first.
PANELS = (
    PanelRow("montage", "Basis", MontagePanel, Place.VIEW),
    PanelRow("compare", "Compare", _compare, Place.VIEW, is_late=True),
    PanelRow("inspector", "Inspector", _inspector, Place.VIEW, is_late=True),
    PanelRow("path", "Path", _path, Place.VIEW, is_late=True),
    PanelRow("weights", "Weights", _weights, Place.VIEW, is_late=True),
    PanelRow("networks", "Networks", NetworksPanel, Place.VIEW),
    PanelRow("spectra", "Spectra", _spectra, Place.VIEW, is_late=True),
    PanelRow("sparsity", "Sparsity", SparsityPanel, Place.UNDER_VIEWS),
    PanelRow("chip", "Constraint", ConstraintChip, Place.TOOL_BAR),
    PanelRow("data", "Data", DataPanel, Place.LEFT, is_scrolling=True),
    PanelRow("model", "Model", ModelPanel, Place.LEFT, is_scrolling=True),
    PanelRow("basis", "Selected basis", BasisPanel, Place.RIGHT, is_scrolling=True),
    PanelRow("run", "Run", RunPanel, Place.TOOL_BAR),
    PanelRow("curves", "Curves", _curves, Place.BELOW, is_late=True),
    PanelRow("runs", "Runs", RunsPanel, Place.BELOW),
    PanelRow("log", "Log", LogPanel, Place.BELOW, is_behind=True),
    PanelRow("seeds", "Seeds", SeedsPanel, Place.BELOW, is_behind=True),
)

_AREAS = {
    Place.LEFT: Qt.DockWidgetArea.LeftDockWidgetArea,
    Place.RIGHT: Qt.DockWidgetArea.RightDockWidgetArea,
    Place.BELOW: Qt.DockWidgetArea.BottomDockWidgetArea,
}


class WindowLayout(QObject):
    """The panels of a window in their places.

    Attributes
    ----------
    panels : dict of str to QWidget
        By the names in `PANELS`.
    centre : ViewTabs
        The views, a tab each.
    docks : dict of str to QDockWidget
        By their titles.
    collapsed : CollapsedDocks
    """

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.panels: dict[str, QWidget] = {row.name: row.make() for row in PANELS if not row.is_late}
        self._late = [row for row in sorted(PANELS, key=lambda row: row.place is Place.VIEW) if row.is_late]
        views = {row.title: self.panels.get(row.name) or QWidget() for row in PANELS if row.place is Place.VIEW}
        [self._below] = (self.panels[row.name] for row in PANELS if row.place is Place.UNDER_VIEWS)
        self.centre = ViewTabs(views, below=self._below)
        window.setCentralWidget(self.centre)
        self.docks: dict[str, QDockWidget] = {}
        self._front: QDockWidget  # of the docks that are tabs of one place
        self.collapsed = CollapsedDocks(window)
        for row in PANELS:
            if row.place in _AREAS:
                self._add_dock(row)
        self._is_restored = False
        window.installEventFilter(self)
        self._hidden: QByteArray | None = None
        self._first = QByteArray()

    def panel(self, kind: type[P]) -> P:
        """The panel of that class."""
        [found] = (panel for panel in self.panels.values() if type(panel) is kind)
        assert isinstance(found, kind)
        return found

    def attach(self, session: Session, window: Requests) -> None:
        """Connect every panel to the session, and to what it may ask of the window."""
        for panel in self.panels.values():
            if isinstance(panel, Attachable):
                panel.attach(session, window)
        session.datasetChanged.connect(lambda dataset: say_nouns(self._window, dataset.nouns))

    @property
    def is_whole(self) -> bool:
        """Whether all panels are there."""
        return not self._late

    def add_late(self, session: Session, window: Requests) -> tuple[str, QWidget]:
        """Make the next of the panels that are made after the first paint; return its name and itself."""
        row = self._late.pop(0)
        self.panels[row.name] = panel = row.make()
        if row.place is Place.VIEW:
            self.centre.replace(row.title, panel)
        else:
            empty = self.docks[row.title].widget()
            self.docks[row.title].setWidget(panel)
            empty.deleteLater()
        if isinstance(panel, Attachable):
            panel.attach(session, window)
        if session.dataset is not None:
            say_nouns(panel, session.dataset.nouns)
        return row.name, panel

    def _add_dock(self, row: PanelRow) -> None:
        panel = self.panels.get(row.name) or QWidget()
        dock = QDockWidget(row.title, self._window)
        dock.setObjectName(row.title)
        dock.setWidget(_scroll_area(panel) if row.is_scrolling else panel)
        self._window.addDockWidget(_AREAS[row.place], dock)
        if row.is_behind:
            self._window.tabifyDockWidget(self._front, dock)
            self._front.raise_()
        else:
            self._front = dock
        self.docks[row.title] = dock
        self.collapsed.add(dock)

    def _set_first_sizes(self) -> None:
        docks, resize = self.docks, self._window.resizeDocks
        across, down = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        resize([docks["Data"], docks["Selected basis"]], [300, 268], across)
        resize([docks["Curves"], docks["Runs"]], [640, 640], across)
        resize([docks["Curves"]], [_BELOW], down)
        resize([docks["Data"], docks["Model"]], [220, 300], down)

    # Where the docks are

    def remember_first(self) -> None:
        """Take the present arrangement for the one that `reset` brings back."""
        self._first = QByteArray(self.state())

    def state(self) -> QByteArray:
        """Return the arrangement of docks, or that before they were hidden for a view that does without."""
        return self._hidden or self._window.saveState(_VERSION)

    def restore(self, state: QByteArray) -> None:
        """Bring the docks to where `state` said that they are; at once, or when they are shown again."""
        if self._hidden is not None:
            self._hidden = state
        else:
            self._is_restored = self._window.restoreState(state, _VERSION)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Give the docks their first sizes when the window comes to the screen, in the size that it has there."""
        if watched is self._window and event.type() == QEvent.Type.Show:
            self._window.removeEventFilter(self)
            if not self._is_restored:
                self._set_first_sizes()
        return super().eventFilter(watched, event)

    def reset(self) -> None:
        """Bring the docks to where they were on the first day."""
        self._hidden = None
        self.collapsed.hold(False)
        self.collapsed.set_names(())
        for dock in self.docks.values():
            dock.setFloating(False)
            dock.show()
        self._window.restoreState(self._first, _VERSION)
        self._set_first_sizes()  # in the window as it is now

    def set_images_in_front(self, on: bool) -> None:
        """Show the docks and the slider, which are about images, or hide them for a view that is not."""
        self._below.setVisible(on)
        if on:
            self.show_docks()
        else:
            self.hide_docks()

    def hide_docks(self) -> None:
        """Hide all docks, until `show_docks`."""
        if self._hidden is None:
            self._hidden = self.state()
            self.collapsed.hold(True)
            for dock in self.docks.values():
                dock.hide()

    def show_docks(self) -> None:
        """Bring the docks back to where they were before they were hidden."""
        if self._hidden is not None:
            state, self._hidden = self._hidden, None
            self.restore(state)
            self.collapsed.hold(False)


class _PanelView(QScrollArea):
    """Gives its panel the height that its wrapped lines need in this width: by itself it may squeeze them."""

    def __init__(self, panel: QWidget) -> None:
        self._panel = panel  # first: Qt filters events of its scroll bars while it constructs
        super().__init__()
        #: Parts of the panel tell it of other words before their own layouts know.
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._fit)
        self.setWidget(panel)

    def _fit(self) -> None:
        layout = self._panel.layout()
        if layout is not None:
            wrapped = layout.totalHeightForWidth(self.viewport().width()) if layout.hasHeightForWidth() else 0
            needed = max(wrapped, layout.totalMinimumSize().height())
            if needed != self._panel.minimumHeight():
                self._panel.setMinimumHeight(needed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Follow the width."""
        super().resizeEvent(event)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow other words in the panel."""
        if watched is self._panel and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
            self._later.start()
        return super().eventFilter(watched, event)


def _scroll_area(panel: QWidget) -> QScrollArea:
    """A panel that may be taller than its dock."""
    view = _PanelView(panel)
    view.setWidgetResizable(True)
    view.setFrameShape(QFrame.Shape.NoFrame)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setMinimumWidth(panel.minimumSizeHint().width() + 16)
    return view
