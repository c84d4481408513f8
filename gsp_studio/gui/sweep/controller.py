"""The dialog of sweeps and its wires: what it asks goes to `Sweeping`, what that says comes back, while it is open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings
from PySide6.QtWidgets import QMainWindow

from gsp_studio.experiments.sweep import Stage, SweepPoll
from gsp_studio.gui.formatting import plural
from gsp_studio.gui.sweep.dialog import SweepDialog
from gsp_studio.gui.widgets.controls import label

if TYPE_CHECKING:
    from gsp_studio.gui.session.session import Session

_ROOT = "sweeps"


class Sweeps(QObject):
    """Opens the dialog over `window`, one at a time; another folder is remembered in the settings."""

    def __init__(self, window: QMainWindow, session: Session, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._session, self._settings = window, session, settings
        self._dialog: SweepDialog | None = None
        self._standing = label(muted=True)
        self._standing.setToolTip("Run > Sweep shows it")
        window.statusBar().addPermanentWidget(self._standing)
        sweeping = session.sweeping
        sweeping.root = Path(str(settings.value(_ROOT, str(sweeping.root))))
        sweeping.failed.connect(self._failed)
        sweeping.dropped.connect(self._close)
        sweeping.changed.connect(self._tell)
        sweeping.ended.connect(lambda _: self._standing.clear())

    def ask(self) -> None:
        """Show the dialog: with the sweep that is going, or the last one on these data, or a proposal."""
        session, sweeping = self._session, self._session.sweeping
        dataset = session.dataset
        if self._dialog is not None or dataset is None:
            if self._dialog is not None:
                self._dialog.activateWindow()
            return
        self._dialog = dialog = SweepDialog(sweeping.base(), min(dataset.X.shape), dataset.name, self._window)
        self._wire(dialog)
        dialog.set_folder(sweeping.root)
        dialog.set_phase(session.phase)
        if sweeping.is_going and sweeping.grid is not None and sweeping.state is not None:
            dialog.set_going(sweeping.grid, sweeping.state)
            dialog.set_waiting(sweeping.waits_for)
        else:
            sweeping.find()
        dialog.show()
        dialog.activateWindow()

    def _wire(self, dialog: SweepDialog) -> None:
        session, sweeping = self._session, self._session.sweeping
        dialog.gridChanged.connect(sweeping.show)
        dialog.startRequested.connect(sweeping.begin)
        dialog.cellsCancelled.connect(sweeping.cancel)
        dialog.allCancelled.connect(sweeping.cancel_all)
        dialog.runWanted.connect(sweeping.open)
        dialog.rootChosen.connect(self._keep_in)
        dialog.form.baseWanted.connect(lambda: dialog.set_base(sweeping.base()))
        dialog.finished.connect(lambda _: self._forget())
        sweeping.found.connect(dialog.set_found)
        sweeping.changed.connect(dialog.set_poll)
        sweeping.waitingChanged.connect(dialog.set_waiting)
        session.phaseChanged.connect(dialog.set_phase)

    def _keep_in(self, root: Path) -> None:
        """Sweeps lie in another folder from now on, for example that of `gsp-studio sweep`."""
        sweeping = self._session.sweeping
        if sweeping.is_going or self._dialog is None:
            return
        self._settings.setValue(_ROOT, str(root))
        sweeping.root = root
        self._dialog.set_folder(root)
        sweeping.find()

    def _failed(self, sentence: str, details: str) -> None:
        if self._dialog is not None:
            self._dialog.set_problem(sentence, details)
        else:
            self._session.failed.emit(sentence, details)

    def _tell(self, poll: SweepPoll) -> None:
        """Say in the window's status bar what goes on, whether the dialog is open or not."""
        if poll.is_going:
            left = poll.count(Stage.QUEUED, Stage.RUNNING)
            what = "waits" if poll.is_paused else f"{left} to go"
            self._standing.setText(f"Sweep: {poll.count(Stage.DONE)} of {plural(len(poll.states), 'run')} done, {what}")

    def _close(self) -> None:
        self._standing.clear()
        if self._dialog is not None:
            self._dialog.close()

    def _forget(self) -> None:
        self._dialog = None
