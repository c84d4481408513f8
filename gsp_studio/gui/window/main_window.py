"""The main window: the frame around the panels, its menus, messages and prompts. No logic of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QByteArray, QSettings, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QPaintEvent,
)
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QToolBar, QToolButton

from gsp_studio.gui.network.controller import NetworkController
from gsp_studio.gui.network.panel import NetworksPanel
from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.panels.constraint_chip import ConstraintChip
from gsp_studio.gui.panels.log import LogPanel
from gsp_studio.gui.panels.run import RunPanel
from gsp_studio.gui.panels.sparsity import SparsityPanel
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.session_file.menu import SessionFileMenu
from gsp_studio.gui.session_file.recent_data import RecentData
from gsp_studio.gui.sweep.background_sweep import BackgroundSweep
from gsp_studio.gui.theme import Themed, apply_theme, icon, load_theme, system_scheme
from gsp_studio.gui.widgets.controls import ToolButton
from gsp_studio.gui.widgets.device_label import DeviceLabel
from gsp_studio.gui.window.actions import MENUS, OPENINGS, make_actions, offer_actions
from gsp_studio.gui.window.cluster_menu import ClusterMenu
from gsp_studio.gui.window.focus_view import FocusView
from gsp_studio.gui.window.layout import WindowLayout
from gsp_studio.gui.window.menu_bar import MenuBar
from gsp_studio.gui.window.messages import Messages
from gsp_studio.gui.window.picture_files import PictureFiles
from gsp_studio.gui.window.prompts import Prompts
from gsp_studio.gui.window.tile_menu import OFFERS, TileMenu
from gsp_studio.gui.window.tour import Tour, hints_of
from gsp_studio.gui.window.unsaved_work import UnsavedWork
from gsp_studio.gui.window.view_menu import ViewMenu

_NO_RUN = "Run factorizes data: open the Basis view (1)"


class MainWindow(Themed, QMainWindow):
    """The app's window on one Session; emits `firstPainted` once it is on the screen, `completed` with all panels."""

    firstPainted = Signal()
    completed = Signal()

    def __init__(self, session: Session, settings: QSettings) -> None:
        super().__init__()
        self.session, self._settings = session, settings
        self._painted = False
        self.threads_ended = True
        self.tour: Tour | None = None
        self.setWindowTitle("GSP Studio")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.arrangement = WindowLayout(self)
        for name, panel in self.arrangement.panels.items():
            setattr(self, name, panel)
        self.centre, self.docks = self.arrangement.centre, self.arrangement.docks
        self.focus = FocusView(self, self.arrangement)
        self.sweep = BackgroundSweep(session)
        self.prompts = Prompts(self, session, self.sweep, settings)
        self.messages = Messages(self, self.arrangement.panel(LogPanel), self.prompts)
        self.session_menu = SessionFileMenu(self, session, self.arrangement, settings)
        self.recent_data = RecentData(settings, self)
        self.recent_data.chosen.connect(self.prompts.open)
        networks = self.arrangement.panel(NetworksPanel)
        self.network_controller = NetworkController(self, session, self.centre, networks, settings)
        self.session_menu.network = self.network_controller
        self.unsaved = UnsavedWork(self, session, self.sweep, self.session_menu, self.network_controller.session)
        self.pictures = PictureFiles(self, session, settings)
        self.tile_menu = TileMenu(self, session, self.arrangement.panel(MontagePanel), self.pictures)
        self.clusters = ClusterMenu(self, session, settings)
        self.device = DeviceLabel()
        self.statusBar().addPermanentWidget(self.device)
        self._make_tool_bar()
        self._make_menus()
        self._connect()
        self._restore()
        self._pass_focus()

    # Parts

    def _make_tool_bar(self) -> None:
        bar = QToolBar("Run")
        bar.setObjectName("run")
        bar.setMovable(False)
        bar.setIconSize(QSize(16, 16))
        bar.toggleViewAction().setEnabled(False)  # hidden by accident, it would take Run with it
        self.open_button, self.export_button = ToolButton(), ToolButton()
        for button in (self.open_button, self.export_button):
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setIconSize(QSize(16, 16))
        self.open_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        run, chip = self.arrangement.panel(RunPanel), self.arrangement.panel(ConstraintChip)
        for part in (self.open_button, run, self.export_button, chip):
            bar.addWidget(part)
        self.addToolBar(bar)

    def _connect(self) -> None:
        session, prompts, networks, messages = (
            self.session,
            self.prompts,
            self.network_controller.session,
            self.messages,
        )
        prompts.before_other_data = self.session_menu.before_other_data = self.unsaved.before_other_data
        prompts.sessionRequested.connect(self.session_menu.open)
        prompts.networkRequested.connect(self.network_controller.open)
        self.arrangement.attach(session, self)
        session.loader.layoutNeeded.connect(prompts.layout)
        session.loader.previewReady.connect(prompts.preview)
        session.control.deviceFilled.connect(prompts.device_filled)
        session.known.connect(self.device.set_known)
        session.datasetChanged.connect(self.recent_data.remember)
        session.display.viewChanged.connect(self.view_menu.set_view)
        session.basis.refinesChanged.connect(lambda on: self._settings.setValue("refine", on))
        for changed in (
            session.phaseChanged,
            session.activity.changed,
            session.basis.refinement.keepableChanged,
            session.datasetChanged,
            session.runs.changed,
            session.display.markedChanged,
            session.display.shownChanged,
            networks.pathChanged,
        ):
            changed.connect(lambda *_: self.offer_actions())
        for failed in (session.failed, networks.failed):
            failed.connect(messages.fail)
        for logged in (session.logged, networks.logged, self.session_menu.logged):
            logged.connect(messages.add)
        for written in (session.exports.exported, networks.saved):
            written.connect(messages.add_files)
        session.loader.loadFailed.connect(messages.fail_to_load)
        self.centre.changed.connect(self._view_came)
        self.firstPainted.connect(lambda: QTimer.singleShot(0, self._complete))

    def _complete(self) -> None:
        """Make the panels that the first paint did not wait for, the events of the user between them."""
        name, panel = self.arrangement.add_late(self.session, self)
        setattr(self, name, panel)
        if self.arrangement.is_whole:
            self.completed.emit()
        else:
            QTimer.singleShot(0, self._complete)

    def _make_menus(self) -> None:
        self.menus: MenuBar = MenuBar(self, MENUS)
        self.actions_by_name = make_actions(self)
        self.tile_menu.offers = [self.actions_by_name.get(name) for name in OFFERS]
        choices = QMenu(self)
        choices.addActions([self.actions_by_name[name] for name in OPENINGS])
        self.open_button.setMenu(choices)
        self.open_button.setText("Open")
        self.export_button.setDefaultAction(self.actions_by_name["export"])
        self.offer_actions()

    def offer_actions(self) -> None:
        """Offer what can be done now."""
        offer_actions(self, self.actions_by_name)

    def add_views_to_menu(self) -> None:
        """Add how basis images are drawn, the views, the docks and the theme to the View menu."""
        menus = self.menus
        self.view_menu = ViewMenu(menus, self.session, self.arrangement.panel(MontagePanel))
        menus.separate("&View")
        for number, title in enumerate(self.centre.titles, 1):
            menus.add("&View", f"{title} view", lambda title=title: self.centre.show_view(title), str(number))
        menus.separate("&View")
        for title, dock in self.docks.items():
            menus.take("&View", dock.toggleViewAction(), said=f"Show or hide {title}")
        menus.add("&View", "&Reset layout", self._reset_layout)
        alone = menus.add("&View", "&Montage and slider alone", self.focus.toggle, "F11", checkable=True)
        self.focus.toggled.connect(alone.setChecked)
        self.focus.toggled.connect(self._leave_tour)
        menus.separate("&View")
        schemes = {"": "As the system", "dark": "Dark", "light": "Light"}
        menus.choices("&View", "&Theme", schemes, str(self._settings.value("scheme", "")), self.set_scheme)

    def _reset_layout(self) -> None:
        self.focus.leave()
        self.arrangement.reset()

    # What panels ask of the window

    def open_data(self, kind: str) -> None:
        """Open a "folder", "files" or the sample "faces"."""
        self.prompts.by_key(kind)

    def change_layout(self) -> None:
        """Ask how the data set is to be read."""
        self.prompts.another_layout()

    def branch_at(self, n_iter: int) -> None:
        """Ask for a branch of the run on the screen, from this iteration on."""
        self.prompts.branch(n_iter)

    def action(self, name: str) -> QAction:
        """Return an action by its name, for a menu of a panel."""
        return self.actions_by_name[name]

    def show_view(self, title: str) -> None:
        """Bring a view to the front."""
        self.centre.show_view(title)

    def _pass_focus(self) -> None:
        """A field that is left gives the focus to the view in front."""
        self.setFocusProxy(self.centre.keyboard or self.arrangement.panel(MontagePanel).view)

    def save_picture(self, picture: Callable[[], QImage], name: str, what: str) -> None:
        """Ask where a picture is to be written; `name` is proposed, `what` it is told."""
        self.pictures.save(picture, self.pictures.name_of(name), what)

    def _view_came(self, title: str) -> None:
        """Ask for what only this view shows."""
        self._pass_focus()
        self.arrangement.set_images_in_front(not self.network_controller.is_front)
        in_networks = self.network_controller.is_front
        self.arrangement.panel(RunPanel).set_hindrance(_NO_RUN if in_networks else "")
        self.offer_actions()
        self.session.analyses.set_pairing(title == "Weights")
        if self.arrangement.is_whole:
            from gsp_studio.gui.panels.curves import CurvesPanel  # late, as its plots are

            self.arrangement.panel(CurvesPanel).set_comparing(title == "Compare")
        if title == "Weights" and self.session.display.shown is not None:
            self.session.analyses.find_errors()

    def report_mistake(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Report an exception that nothing caught; the window goes on. Ctrl-C closes it."""
        if issubclass(kind, KeyboardInterrupt):
            self.unsaved.leave()
            return
        sentence = f"Internal error ({kind.__name__}: {error}); your runs are still there"
        self.session.failed.emit(sentence, "".join(traceback.format_exception(kind, error, trace)))

    # Window

    def set_scheme(self, scheme: str) -> None:
        """ "dark", "light", or "" for the system's; remembered."""
        self._settings.setValue("scheme", scheme)
        self._apply_scheme()

    def _apply_scheme(self) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, load_theme(str(self._settings.value("scheme", "")) or system_scheme()))

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        self.menus.tint()
        self.open_button.setIcon(icon("open"))
        self.setWindowIcon(icon("app"))

    def offer_tour(self) -> None:
        """Show the tour if it has not been shown."""
        if not self._settings.value("toured", False, type=bool):
            self.take_tour()

    def take_tour(self) -> None:
        """Five hints, one after another."""
        if self.tour is not None:
            return
        self._settings.setValue("toured", True)
        self.focus.leave()
        if self.network_controller.is_front:
            self.centre.show_view("Basis")
        sparsity = self.arrangement.panel(SparsityPanel)
        run = self.arrangement.panel(RunPanel)
        bars = self.arrangement.panel(MontagePanel) if sparsity.bars.isHidden() else sparsity.bars
        hints = hints_of(self.open_button, run, sparsity.slider, bars, self.centre.bar, self.session.nouns)
        self.tour = Tour(hints, self)
        self.tour.ended.connect(self._forget_tour)
        self.session.datasetChanged.connect(self.tour.pass_opening)
        self.tour.show_hint(0)

    def _leave_tour(self, _: bool = True) -> None:
        if self.tour is not None:
            self.tour.end()

    def _forget_tour(self) -> None:
        self.tour = None

    def _restore(self) -> None:
        self.resize(1440, 900)
        self.arrangement.remember_first()
        geometry, state = self._settings.value("geometry"), self._settings.value("state")
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        if isinstance(state, QByteArray):
            self.arrangement.restore(state)
        names = str(self._settings.value("collapsed", ""))
        self.arrangement.collapsed.set_names(names.split("\n"))
        before = self._settings.value("autoRefit", True, type=bool)  # its former name
        self.session.basis.set_refine(bool(self._settings.value("refine", before, type=bool)))
        self.follow_theme()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._apply_scheme)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc leaves the tour, or the montage alone, from anywhere, when there is nothing to cancel."""
        leave = self.focus.leave if self.tour is None else self.tour.end
        if event.key() == Qt.Key.Key_Escape and (self.focus.is_on or self.tour is not None):
            leave()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Tell of the first paint, when it has reached the screen."""
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self.firstPainted.emit)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files and folders are welcome; a picture of this window's own is not."""
        if event.source() is None and event.mimeData().hasUrls() and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        self.prompts.open(Path(event.mimeData().urls()[0].toLocalFile()))
        event.acceptProposedAction()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what runs and wait for it, remember the layout; first ask about what would be lost."""
        if not self.unsaved.allows_close():
            event.ignore()
            return
        self._settings.setValue("geometry", self.focus.geometry())
        self._settings.setValue("state", self.arrangement.state())
        self._settings.setValue("collapsed", "\n".join(self.arrangement.collapsed.names))
        self._settings.sync()
        self.hide()  # no need to show a window that waits for threads
        self.session_menu.close(self.unsaved.is_wanted)
        self.clusters.close()
        self.device.stop()
        ended = [self.network_controller.session.close(), self.sweep.close(10.0), self.session.close()]
        self.threads_ended = all(ended)
        event.accept()
