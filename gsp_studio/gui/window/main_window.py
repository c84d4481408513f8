"""The main window: docks, menus, keys, and the wires between the session and the panels. No logic of its own.

What panels show comes from the session's signals, what the user wants goes to its methods: see `wiring`.
"""

from __future__ import annotations

import html
import traceback
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QByteArray, QSettings, QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QPaintEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QToolBar, QToolButton

from gsp_studio.gui.network.controller import Networking
from gsp_studio.gui.network.panel import NetworksPanel
from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.panels.compare import ComparePanel
from gsp_studio.gui.panels.constraint_chip import ConstraintChip
from gsp_studio.gui.panels.curves import CurvesPanel
from gsp_studio.gui.panels.data import DataPanel
from gsp_studio.gui.panels.inspector import InspectorPanel
from gsp_studio.gui.panels.log import LogPanel
from gsp_studio.gui.panels.model import ModelPanel
from gsp_studio.gui.panels.path import PathPanel
from gsp_studio.gui.panels.run import RunPanel
from gsp_studio.gui.panels.runs import RunsPanel
from gsp_studio.gui.panels.selected_basis import BasisPanel
from gsp_studio.gui.panels.sparsity import SparsityPanel
from gsp_studio.gui.panels.weights import WeightsPanel
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.session_file.menu import Filing
from gsp_studio.gui.session_file.unsaved_work import UnsavedWork
from gsp_studio.gui.state import Phase, RunEntry
from gsp_studio.gui.sweep.background_sweep import BackgroundSweep
from gsp_studio.gui.theme import apply_theme, icon, load_theme, system_scheme
from gsp_studio.gui.widgets.controls import label
from gsp_studio.gui.widgets.device_label import DeviceLabel
from gsp_studio.gui.window.cluster_menu import Clusters
from gsp_studio.gui.window.layout import make_docks
from gsp_studio.gui.window.menu_bar import Menus
from gsp_studio.gui.window.prompts import Asking
from gsp_studio.gui.window.tour import Tour, hints_of
from gsp_studio.gui.window.view_menu import ViewMenu
from gsp_studio.gui.window.view_tabs import Centre
from gsp_studio.gui.window.wiring import wire_panels, wire_session
from gsp_studio.io.logfile import LOG

#: Version of the docks' arrangement: a stored one of another version is not restored.
_LAYOUT = 2


class MainWindow(QMainWindow):
    """The app's window on one Session; emits `firstPainted` once it is on the screen."""

    firstPainted = Signal()

    def __init__(self, session: Session, settings: QSettings) -> None:
        super().__init__()
        self.session, self._settings = session, settings
        self._painted = False
        self.threads_ended = True
        self.tour: Tour | None = None
        self.sweep = BackgroundSweep(session)
        self.asking = Asking(self, session, self.sweep, settings)
        self.filing = Filing(self, settings)
        self.unsaved = UnsavedWork(self)
        self.asking.before_other_data = self.unsaved.before_other_data
        self.asking.sessionWanted.connect(self.filing.open)
        self.setWindowTitle("GSP Studio")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self._make_panels()
        self.docks = make_docks(self)
        self.networking = Networking(self, self.networks, settings)
        self._make_menus()
        wire_session(self)
        wire_panels(self)
        self.centre.changed.connect(self.on_view_in_front)
        self._restore()
        self.on_phase(session.phase)
        for panel in self.panels:
            if hasattr(panel, "set_phase"):
                panel.set_phase(session.phase)
            if hasattr(panel, "set_choice"):
                panel.set_choice(session.settings.choice)

    # Parts

    def _make_panels(self) -> None:
        self.montage, self.sparsity = MontagePanel(), SparsityPanel()
        self.data, self.model, self.basis = DataPanel(), ModelPanel(), BasisPanel()
        self.run, self.chip = RunPanel(), ConstraintChip()
        self.curves, self.runs, self.log = CurvesPanel(), RunsPanel(), LogPanel()
        self.compare, self.inspector, self.path = ComparePanel(), InspectorPanel(), PathPanel()
        self.weights, self.networks = WeightsPanel(), NetworksPanel()
        views = {
            "Basis": self.montage,
            "Compare": self.compare,
            "Inspector": self.inspector,
            "Path": self.path,
            "Weights": self.weights,
            "Networks": self.networks,
        }
        self.centre = Centre(views, below=self.sparsity)
        self.setCentralWidget(self.centre)
        #: In the order in which they are told of what is new: what the eye is on comes first.
        self.panels = (
            *views.values(),
            self.sparsity,
            self.chip,
            self.basis,
            self.data,
            self.model,
            self.run,
            self.curves,
            self.runs,
        )
        bar = QToolBar("Run")
        bar.setObjectName("run")
        bar.setMovable(False)
        bar.setIconSize(QSize(16, 16))
        bar.toggleViewAction().setEnabled(False)  # hidden by accident, it would take Run with it
        self.open_button, self.export_button = QToolButton(), QToolButton()
        for button in (self.open_button, self.export_button):
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setIconSize(QSize(16, 16))
        self.open_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        for part in (self.open_button, self.run, self.export_button, self.chip):
            bar.addWidget(part)
        self.addToolBar(bar)
        self._said = label()
        self._said.setTextFormat(Qt.TextFormat.RichText)
        self._said.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self._said.setOpenExternalLinks(True)
        self.statusBar().addWidget(self._said, 1)
        self.clusters = Clusters(self, self.session, self._settings)
        self.device = DeviceLabel()
        self.statusBar().addPermanentWidget(self.device)

    def _make_menus(self) -> None:
        session, asking, front = self.session, self.asking, self.networking
        self.menus = menus = Menus(self, ("&File", "&Edit", "&View", "&Run", "&Help"))
        openings = [
            menus.add("&File", "Open a &folder of images...", asking.folder, "Ctrl+O", "open"),
            menus.add("&File", "Open a f&ile...", asking.file, "Ctrl+Shift+O", "image"),
            menus.add("&File", "Open the sample &faces", lambda: asking.sample("faces")),
            menus.add("&File", "Open the sample &swimmer", lambda: asking.sample("swimmer")),
        ]
        menus.separate("&File")
        self.filing.add_to(menus)
        self.networking.add_to(menus)
        menus.separate("&File")
        self._export_action = menus.add("&File", "&Export...", asking.export, "Ctrl+E", "export")
        self._copy_actions = [
            menus.add("&File", "&Copy the run as Python", lambda: asking.copy("python")),
            menus.add("&File", "Copy the run as a command &line", lambda: asking.copy("command")),
        ]
        menus.separate("&File")
        menus.add("&File", "&Quit", self.close, "Ctrl+Q")
        menus.add_undo("&Edit", session.undo.stack)
        menus.add("&Edit", "Sparsity &up by 0.01", lambda: front.step_sparsity(0.01), "]")
        menus.add("&Edit", "Sparsity &down by 0.01", lambda: front.step_sparsity(-0.01), "[")
        menus.add("&Edit", "Sparsity to the basis's &own", front.reset_sparsity, "Backspace", "reset")
        menus.separate("&Edit")
        runs, display = session.runs, session.display
        self._judging_actions = [
            menus.add("&Edit", f"{text} the selected basis images", lambda ok=ok: runs.judge(display.marked, ok), key)
            for text, ok, key in (("&Accept", True, "A"), ("Re&ject", False, "X"))
        ]
        self._run_action = menus.add("&Run", "&Run, pause or resume", session.run_or_pause, "Space", "run")
        self._cancel_action = menus.add("&Run", "&Cancel and keep the best iterate", session.cancel, "", "cancel")
        self.clusters.add_to(menus)
        self._make_steering_menu()
        self._make_view_menu()
        menus.add("&Help", "&Keys...", lambda: asking.keys(menus), "?", "help")
        menus.add("&Help", "Take the &tour", self.take_tour)
        menus.add("&Help", "&Command palette...", lambda: asking.palette(menus), "Ctrl+Shift+P")
        menus.add("&Help", "&About", asking.about)
        choices = QMenu(self)
        choices.addActions(openings)
        self.open_button.setMenu(choices)
        self.open_button.setText("Open")
        self.export_button.setDefaultAction(self._export_action)

    def _make_steering_menu(self) -> None:
        menus, live, display = self.menus, self.session.live, self.session.display
        menus.separate("&Run")
        self._steering_actions = [
            menus.add("&Run", f"{text} the selected basis images", lambda edit=edit: edit(display.marked), key)
            for text, edit, key in (
                ("&Freeze or release", live.toggle_frozen, "Shift+F"),
                ("&Split", live.split, "Shift+S"),
                ("Re-s&eed", live.reseed, "Shift+R"),
                ("&Kill", live.kill, "Del"),
            )
        ]
        menus.separate("&Run")
        self._rank_action = menus.add("&Run", "&How many basis images?...", self.asking.rank)
        asked, key = self.session.check_stability, "Shift+U"
        self._check_action = menus.add("&Run", "How st&able are these basis images?", asked, key)
        self._sweep_action = menus.add("&Run", "S&weep: ranks, sparsities, seeds...", self.asking.sweep)
        self._branch_action = menus.add("&Run", "&Branch: the same run with another s...", self.asking.branch, "B")
        self.montage.view.addActions(self._steering_actions)
        self.montage.view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.offer_steering()

    def offer_steering(self) -> None:
        """Offer what can be done with the run and the selected basis images."""
        for action in self._steering_actions:
            action.setEnabled(self.session.live.can_edit(self.session.display.marked))
        for action in self._judging_actions:
            action.setEnabled(self.session.runs.can_judge(self.session.display.marked))
        self._branch_action.setEnabled(self.session.control.branch_end > 0)
        self._rank_action.setEnabled(self.session.phase is Phase.IDLE)
        self._check_action.setEnabled(self.session.phase is Phase.IDLE and self.session.runs.index >= 0)
        self._sweep_action.setEnabled(self.session.dataset is not None)

    def _make_view_menu(self) -> None:
        menus = self.menus
        self.view_menu = ViewMenu(menus, self.session, self.montage)
        menus.separate("&View")
        for number, title in enumerate(self.centre.titles, 1):
            menus.add("&View", f"{title} view", lambda title=title: self.centre.show_view(title), str(number))
        menus.separate("&View")
        for title, dock in self.docks.items():
            menus.take("&View", dock.toggleViewAction(), said=f"Show or hide {title}")
        menus.add("&View", "&Reset layout", self.reset_layout)
        menus.separate("&View")
        schemes = {"": "As the system", "dark": "Dark", "light": "Light"}
        menus.choices("&View", "&Theme", schemes, str(self._settings.value("scheme", "")), self.set_scheme)

    # What the session says

    def on_phase(self, phase: Phase) -> None:
        """Offer what can be done now."""
        self._run_action.setEnabled(phase in (Phase.IDLE, Phase.RUNNING, Phase.PAUSED))
        self._cancel_action.setEnabled(self.session.can_cancel)
        self.offer_steering()

    def on_activity(self, text: str) -> None:
        """Offer to cancel what can be cancelled."""
        self._cancel_action.setEnabled(self.session.can_cancel)

    def on_view_in_front(self, title: str) -> None:
        """Ask for what only this view shows."""
        self.networking.on_view_in_front(title)
        self.session.analyses.set_pairing(title == "Weights")
        self.curves.set_comparing(title == "Compare")
        if title == "Weights" and self.session.display.shown is not None:
            self.session.analyses.find_errors()

    def on_auto_refit(self, on: bool) -> None:
        """Remember it."""
        self._settings.setValue("autoRefit", on)

    def on_runs(self, runs: tuple[RunEntry, ...], index: int) -> None:
        """Offer to export them, and to branch off the one on the screen."""
        for action in (self._export_action, *self._copy_actions):
            action.setEnabled(bool(runs))
        self.offer_steering()

    def on_failed(self, sentence: str, details: str) -> None:
        """Say what went wrong."""
        self.log.add_line(f"⚠ {sentence}")
        LOG.error("%s\n%s", sentence, details)
        self.asking.failed(sentence, details)

    def broke(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """A mistake of ours that nobody caught: told like any other error, and the window goes on. Ctrl-C closes it."""
        if issubclass(kind, KeyboardInterrupt):
            self.unsaved.leave()
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        self.session.failed.emit(
            f"GSP Studio made a mistake ({kind.__name__}: {error}); your runs are still there", details
        )

    def on_load_failed(self, path: Path, sentence: str, details: str) -> None:
        """Say why a data set cannot be opened."""
        self.log.add_line(f"⚠ {sentence}")
        LOG.error("%s\n%s", sentence, details)
        self.asking.load_failed(path, sentence, details)

    def on_logged(self, text: str) -> None:
        """Keep a line of what happened, and show it."""
        self.log.add_line(text)
        LOG.info(text)
        self._said.setText(html.escape(text))

    def on_exported(self, paths: list[Path]) -> None:
        """Say where the files are, with a link."""
        folder = Path(paths[-1]).parent  # run.json, the last one written, lies at the top
        self.log.add_line(f"{len(paths)} files written to {folder}")
        link = QUrl.fromLocalFile(str(folder)).toString()
        self._said.setText(
            f'{len(paths)} files written to <a href="{html.escape(link)}">{html.escape(str(folder))}</a>'
        )

    # Window

    def set_scheme(self, scheme: str) -> None:
        """ "dark", "light", or "" for the system's; remembered."""
        self._settings.setValue("scheme", scheme)
        self._apply_scheme()

    def _apply_scheme(self) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, load_theme(str(self._settings.value("scheme", "")) or system_scheme()))
        views = (self.montage.view, self.compare, self.inspector, self.path, self.weights, self.networks)
        for part in (*views, self.curves, self.run, self.sparsity, self.data, self.menus):
            part.retint()
        self._tint()

    def _tint(self) -> None:
        self.open_button.setIcon(icon("open"))
        self.setWindowIcon(icon("app"))

    def offer_tour(self) -> None:
        """Show the tour to somebody who has not seen it."""
        if not self._settings.value("toured", False, type=bool):
            self.take_tour()

    def take_tour(self) -> None:
        """Five hints, one after another."""
        if self.tour is not None:
            return
        self._settings.setValue("toured", True)
        self.networking.step_back()
        self.tour = Tour(hints_of(self), self)
        self.tour.ended.connect(self._forget_tour)
        self.tour.show_hint(0)

    def _forget_tour(self) -> None:
        self.tour = None

    def docks_state(self) -> QByteArray:
        """Where the docks are, or were before they stepped back."""
        return self.networking.docks or self.saveState(_LAYOUT)

    def restore_docks(self, state: QByteArray) -> None:
        """Bring the docks to where `docks_state` said that they are."""
        if not self.networking.keep_docks(state):
            self.restoreState(state, _LAYOUT)

    def reset_layout(self) -> None:
        """Docks as they were on the first day."""
        self.networking.keep_docks(None)
        for dock in self.docks.values():
            dock.setFloating(False)
            dock.show()
        self.restoreState(self._first_layout, _LAYOUT)

    def _restore(self) -> None:
        self.resize(1440, 900)
        self._first_layout = QByteArray(self.docks_state())
        geometry, state = self._settings.value("geometry"), self._settings.value("state")
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        if isinstance(state, QByteArray):
            self.restoreState(state, _LAYOUT)
        self.session.basis.set_auto_refit(bool(self._settings.value("autoRefit", True, type=bool)))
        self.on_runs((), -1)
        self._tint()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._apply_scheme)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Tell of the first paint, when it has reached the screen."""
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self.firstPainted.emit)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files and folders are welcome."""
        if event.mimeData().hasUrls() and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        self.asking.open(Path(event.mimeData().urls()[0].toLocalFile()))
        event.acceptProposedAction()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what runs and wait for it, remember the layout; first ask about what would be lost."""
        if not self.unsaved.allows_close():
            event.ignore()
            return
        self._settings.setValue("geometry", self.saveGeometry())
        self._settings.setValue("state", self.docks_state())
        self._settings.sync()
        self.hide()  # nobody has to look at a window that waits for threads
        self.filing.close(self.unsaved.is_wanted)
        self.clusters.close()
        self.device.stop()
        ended = [self.networking.session.close(), self.sweep.close(10.0), self.session.close()]
        self.threads_ended = all(ended)
        event.accept()
