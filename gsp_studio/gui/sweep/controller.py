"""The dialog of sweeps, while it is open: what it asks goes to `BackgroundSweep`, what that says comes back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings
from PySide6.QtWidgets import QMainWindow

from gsp_studio.experiments.sweep import Stage, SweepPoll
from gsp_studio.gui.sweep.dialog import SweepDialog
from gsp_studio.gui.texts import plural
from gsp_studio.gui.widgets.controls import label

if TYPE_CHECKING:
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.sweep.background_sweep import BackgroundSweep

_ROOT = "sweeps"


class SweepController(QObject):
    """Opens the dialog over `window`, one at a time; another folder is remembered in the settings."""

    def __init__(self, window: QMainWindow, session: Session, sweep: BackgroundSweep, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._session, self._sweep, self._settings = window, session, sweep, settings
        self._dialog: SweepDialog | None = None
        self._standing = label(muted=True)
        self._standing.setToolTip("Run > Sweep shows it")
        window.statusBar().addPermanentWidget(self._standing)
        sweep.root = Path(str(settings.value(_ROOT, str(sweep.root))))
        sweep.failed.connect(self._failed)
        sweep.dropped.connect(self._close)
        sweep.changed.connect(self._tell)
        sweep.ended.connect(lambda _: self._standing.clear())

    def ask(self) -> None:
        """Show the dialog: with the sweep that is going, or the last one on these data, or a proposal."""
        session, sweep = self._session, self._sweep
        dataset = session.dataset
        if self._dialog is not None or dataset is None:
            if self._dialog is not None:
                self._dialog.activateWindow()
            return
        self._dialog = dialog = SweepDialog(sweep.base(), min(dataset.X.shape), dataset.name, self._window)
        self._wire(dialog)
        dialog.set_folder(sweep.root)
        dialog.set_phase(session.phase)
        if sweep.is_going and sweep.grid is not None and sweep.state is not None:
            dialog.set_going(sweep.grid, sweep.state)
            dialog.set_waiting(sweep.waits_for)
        else:
            sweep.find()
        dialog.show()
        dialog.activateWindow()

    def _wire(self, dialog: SweepDialog) -> None:
        session, sweep = self._session, self._sweep
        dialog.gridChanged.connect(sweep.show)
        dialog.startRequested.connect(sweep.begin)
        dialog.cellsCancelled.connect(sweep.cancel)
        dialog.allCancelled.connect(sweep.cancel_all)
        dialog.runRequested.connect(sweep.open)
        dialog.rootChosen.connect(self._keep_in)
        dialog.form.baseRequested.connect(lambda: dialog.set_base(sweep.base()))
        dialog.finished.connect(lambda _: self._forget())
        sweep.found.connect(dialog.set_found)
        sweep.changed.connect(dialog.set_poll)
        sweep.waitingChanged.connect(dialog.set_waiting)
        session.phaseChanged.connect(dialog.set_phase)

    def _keep_in(self, root: Path) -> None:
        """Sweeps lie in another folder from now on, for example that of `gsp-studio sweep`."""
        sweep = self._sweep
        if sweep.is_going or self._dialog is None:
            return
        self._settings.setValue(_ROOT, str(root))
        sweep.root = root
        self._dialog.set_folder(root)
        sweep.find()

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
