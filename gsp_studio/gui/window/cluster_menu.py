"""Run on: this computer, or a cluster by its address, with its workers and their memory in the status bar.

Connecting, which may start workers, and asking for their state take a moment, so a thread does both.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings, Qt, QTimer
from PySide6.QtWidgets import QInputDialog, QMainWindow

from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.widgets.controls import label
from gsp_studio.gui.window.menu_bar import MenuBar

if TYPE_CHECKING:
    from gsp_studio.engine.cluster import Status

_HERE, _THERE = "here", "cluster"
#: Initial proposal.
_FIRST = "local:2"
#: Milliseconds between an answer of the scheduler and the next question.
_REST_MS = 2000
_GIB = 1 << 30


class ClusterMenu(QObject):
    """Menu that chooses where runs are computed, and the words of the status bar.

    Parameters
    ----------
    window : QMainWindow
    session : Session
        Told the address through `set_scheduler` once a scheduler has answered there.
    settings : QSettings
        Remembers the last address.
    """

    def __init__(self, window: QMainWindow, session: Session, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._session, self._settings = window, session, settings
        self._job: Job[str, Status] = Job(_status_of, "gsp-cluster", self)
        self._job.answered.connect(lambda _, status: self._show(status))
        self._job.raised.connect(lambda _, error: self._fail(error))
        self._address = ""
        self.said = label()
        self.said.setTextFormat(Qt.TextFormat.RichText)
        self.said.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.said.setOpenExternalLinks(True)
        self.said.hide()
        window.statusBar().addPermanentWidget(self.said)
        self._rest = QTimer(self, interval=_REST_MS, singleShot=True)
        self._rest.timeout.connect(lambda: self._job.submit(self._address))

    def add_to(self, menus: MenuBar) -> None:
        """The submenu Run on."""
        texts = {_HERE: "This computer", _THERE: "Cluster..."}
        self.actions = menus.choices("&Run", "Run &on", texts, _HERE, self._choose)

    def _choose(self, key: str) -> None:
        if key == _HERE:
            self._leave()
            self._session.logged.emit("Runs are computed on this computer.")
            return
        self.dialog = dialog = QInputDialog(self._window)
        dialog.setWindowTitle("Run on a cluster")
        dialog.setLabelText(
            "Address of a Dask scheduler, tcp://HOST:PORT,\nor local:2 for two workers on this computer.\n"
            "Images that stay on the disk are read by the workers, from the same paths as here."
        )
        dialog.setTextValue(str(self._settings.value("scheduler", _FIRST)))
        dialog.textValueSelected.connect(self.connect_to)
        dialog.rejected.connect(self._check)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def connect_to(self, address: str) -> None:
        """Look whether a scheduler answers there; runs go to it from then on."""
        self._session.settings.set_scheduler("")
        self._address = address.strip()
        self._say(f"connecting to {self._address}...")
        self._rest.stop()
        self._job.discard()
        self._job.submit(self._address)

    def close(self) -> None:
        """End the thread; the connection itself is closed with the program."""
        self._rest.stop()
        self._job.close(2.0)

    def _show(self, status: Status) -> None:
        if not self._session.settings.scheduler:
            self._session.settings.set_scheduler(self._address)
            self._settings.setValue("scheduler", self._address)
            self._session.logged.emit(f"Runs are computed on {self._address}, {_counted(status.workers, 'worker')}.")
        memory = f"{status.used / _GIB:.1f} of {status.limit / _GIB:.1f} GiB" if status.limit else "no memory limit"
        words = f"{html.escape(status.address)}: {_counted(status.workers, 'worker')}, {memory}"
        link = f', <a href="{html.escape(status.dashboard)}">dashboard</a>' if status.dashboard else ""
        self._say(words + link)
        self._check()
        self._rest.start()

    def _fail(self, error: Exception) -> None:
        was_used = bool(self._session.settings.scheduler)
        self._leave()
        if was_used:
            self._session.logged.emit(f"{error}; runs are computed on this computer.")
        else:
            self._session.failed.emit(str(error), "")

    def _leave(self) -> None:
        self._rest.stop()
        self._job.discard()
        self._address = ""
        self._session.settings.set_scheduler("")
        self.said.hide()
        self._check()

    def _check(self) -> None:
        """The menu shows what is in force."""
        self.actions[_THERE if self._session.settings.scheduler else _HERE].setChecked(True)

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.show()


def _status_of(address: str) -> Status:
    """Return a cluster's status; connect to it if needed."""
    from gsp_studio.engine.cluster import connect

    return connect(address).status()


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
