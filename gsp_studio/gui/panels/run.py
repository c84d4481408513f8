"""Run, pause, cancel, and how far it is: one bar at the top of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QWidget

from gsp_studio.gui.state import Phase, Progress
from gsp_studio.gui.texts import duration, milliseconds
from gsp_studio.gui.theme import Themed, current_theme, icon
from gsp_studio.gui.widgets.controls import Button, label, reserve

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session

_BUTTON = {
    Phase.RUNNING: ("Pause", "pause"),
    Phase.CANCELLING: ("Pause", "pause"),
    Phase.PAUSED: ("Resume", "run"),
}


class RunPanel(Themed, QWidget):
    """Two buttons, a bar and a line of numbers."""

    runPressed = Signal()
    cancelPressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = Button()
        self.cancel = Button("Cancel")
        self.bar = QProgressBar()
        self._numbers = reserve(label(), "8888/8888  ·  888.8 ms/it  ·  88:88 elapsed  ·  88:88 left")
        #: Made once in each theme: Qt's cache keeps the pixmaps of every new icon.
        self._icons: dict[str, QIcon] = {}
        self._phase = Phase.STARTING
        self._progress = Progress()
        self._activity = ""
        self._can_cancel_activity = False
        #: Why no run can be started, "" where one can.
        self._hindrance = ""
        self.run.setProperty("primary", True)
        self.run.setIconSize(QSize(16, 16))
        self.run.setMinimumWidth(96)
        self.cancel.setMinimumWidth(96)
        self.run.clicked.connect(self.runPressed)
        self.cancel.clicked.connect(self.cancelPressed)
        self.cancel.setToolTip("Stop at the end of this iteration and keep the best one (Esc)")
        self.bar.setTextVisible(False)
        self.bar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.bar.setMinimumWidth(120)
        self.bar.setMaximumWidth(420)
        self._lay_out()
        self._phase = Phase.STARTING
        self.follow_theme()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.run)
        row.addWidget(self.cancel)
        row.addSpacing(8)
        row.addWidget(self.bar, 1)
        row.addSpacing(4)
        row.addWidget(self._numbers, 2)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        session.phaseChanged.connect(self.set_phase)
        session.activity.changed.connect(self.set_activity)
        session.live.progressed.connect(self.set_progress)
        self.runPressed.connect(session.run_or_pause)
        self.cancelPressed.connect(session.cancel)
        self.set_phase(session.phase)

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        self.cancel.setIcon(icon("cancel"))
        self._icons.clear()
        self.set_phase(self._phase)

    def set_phase(self, phase: Phase) -> None:
        """Show the app's phase."""
        self._phase = phase
        text, image = _BUTTON.get(phase, ("Run", "run"))
        self.run.setText(text)
        if image not in self._icons:
            self._icons[image] = icon(image, current_theme().accent_text)
        self.run.setIcon(self._icons[image])
        hindrance = self._hindrance if phase is Phase.IDLE else ""
        self.run.setEnabled(phase in (Phase.IDLE, Phase.RUNNING, Phase.PAUSED) and not hindrance)
        self.run.setToolTip(hindrance or f"{text} (Space)")
        self._update()

    def set_hindrance(self, reason: str) -> None:
        """Offer no new run, and say why; "" to offer it again."""
        self._hindrance = reason
        self.set_phase(self._phase)

    def set_progress(self, progress: Progress) -> None:
        """Show how far the run is."""
        self._progress = progress
        self._update()

    def set_activity(self, activity: str) -> None:
        """Show the activity besides a run, "" for none."""
        self._activity = activity
        self._can_cancel_activity = activity.startswith(("opening", "refining", "checking"))
        self._update()

    def _update(self) -> None:
        running = self._phase.is_run
        self.cancel.setEnabled(self._phase in (Phase.RUNNING, Phase.PAUSED) or self._can_cancel_activity)
        busy = bool(self._activity) and not running
        self.bar.setRange(0, 0 if busy else max(1, self._progress.max_iter))
        self.bar.setValue(self._progress.n_iter)
        self.bar.setVisible(running or busy)
        self._numbers.setText(self._words())
        self.cancel.setText("Cancelling..." if self._phase is Phase.CANCELLING else "Cancel")

    def _words(self) -> str:
        if not self._phase.is_run:
            ready = self._hindrance or "ready"
            return f"{self._activity}..." if self._activity else {Phase.IDLE: ready}.get(self._phase, "")
        p = self._progress
        if p.n_iter == 0 and self._activity:
            return f"{self._activity}..."
        if p.n_iter == 0:
            return f"{self._phase.value}  ·  iteration 0/{p.max_iter}"
        count = f"{p.n_iter}/{p.max_iter}  ·  {milliseconds(p.each)}/it  ·  {duration(p.elapsed)} elapsed"
        tail = f"{duration(p.left)} left" if self._phase is Phase.RUNNING else self._phase.value
        return f"{count}  ·  {tail}"
