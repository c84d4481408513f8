"""Run, pause, cancel, and how far it is: one bar at the top of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QWidget

from gsp_studio.core.trials import trial_words
from gsp_studio.gui.state import Phase, Progress, RunSettings
from gsp_studio.gui.texts import duration, milliseconds
from gsp_studio.gui.theme import Themed, current_theme, icon
from gsp_studio.gui.widgets.controls import Button, ElidedLabel

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

#: Share of the entries that one click leaves out.
_SHARE = 0.02
#: Its cost was measured on data of 361 x 2,000 and 4,096 x 4,000, ranks 16 to 49, 1 and 2 threads.
_HELD_OUT = (
    "Leave out {share} of the entries, drawn by the seed, in the next runs, and draw the error of the fit there\n"
    "as a second curve: where it rises while the other falls, noise is being fitted.\n"
    "An iteration takes 1.4 to 1.9 times as long, and the data are copied. The error is then that of the other {rest}."
)
_IN_FILE = "The images stay in their file; entries can be left out of images in memory alone."
_ON_CLUSTER = "The next runs are computed on a cluster; entries can be left out on this computer alone."

_BUTTON = {
    Phase.RUNNING: ("Pause", "pause"),
    Phase.CANCELLING: ("Pause", "pause"),
    Phase.PAUSED: ("Resume", "run"),
}


class _Numbers(ElidedLabel):
    """Has room for the widest text, so that nothing beside it moves; on a narrow screen it gives way."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        widest = "8888/8888  ·  888.8 ms/it  ·  trying further start 8  ·  88:88 left"
        return QSize(self.fontMetrics().horizontalAdvance(widest) + 2, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(96, super().minimumSizeHint().height())


class RunPanel(Themed, QWidget):
    """Two buttons, a bar and a line of numbers."""

    runPressed = Signal()
    cancelPressed = Signal()
    heldOutChosen = Signal(float)  # share of the entries

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = Button()
        self.cancel = Button("Cancel")
        self.bar = QProgressBar()
        self.held_out = Button()
        self.held_out.setCheckable(True)
        self._numbers = _Numbers()
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
        self.held_out.toggled.connect(lambda on: self.heldOutChosen.emit(_SHARE if on else 0.0))
        self._share, self._scheduler, self._is_in_memory = 0.0, "", True
        self.cancel.setToolTip("Stop at the end of this iteration and keep the best one (Esc)")
        self.bar.setTextVisible(False)
        self.bar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.bar.setMinimumWidth(32)  # the chip stays in view at 1280 pixels
        self.bar.setMaximumWidth(420)
        self._lay_out()
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
        row.addWidget(self._numbers, 3)
        row.addWidget(self.held_out)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        session.phaseChanged.connect(self.set_phase)
        session.activity.changed.connect(self.set_activity)
        session.live.progressed.connect(self.set_progress)
        self.runPressed.connect(session.run_or_pause)
        self.cancelPressed.connect(session.cancel)
        session.datasetChanged.connect(self.set_dataset)
        session.settings.choiceChanged.connect(self.set_choice)
        session.settings.schedulerChanged.connect(self.set_scheduler)
        self.heldOutChosen.connect(session.settings.set_held_out)
        self.set_choice(session.settings.choice)
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
        self._offer_held_out()
        self._update()

    def set_hindrance(self, reason: str) -> None:
        """Offer no new run, and say why; "" to offer it again."""
        self._hindrance = reason
        self.set_phase(self._phase)

    def set_choice(self, choice: RunSettings) -> None:
        """Show whether entries are left out, and how many."""
        self._share = choice.params.held_out
        self._offer_held_out()

    def set_dataset(self, dataset: Dataset) -> None:
        """Entries can be left out of images in memory."""
        self._is_in_memory = isinstance(dataset.X, np.ndarray)
        self._offer_held_out()

    def set_scheduler(self, address: str) -> None:
        """Entries can be left out on this computer."""
        self._scheduler = address
        self._offer_held_out()

    def _offer_held_out(self) -> None:
        box, share = self.held_out, self._share or _SHARE
        box.blockSignals(True)
        box.setChecked(self._share > 0)
        box.blockSignals(False)
        box.setText(f"Hold out {100 * share:g} %")
        reason = _ON_CLUSTER if self._scheduler else "" if self._is_in_memory else _IN_FILE
        # What is on can be turned off, though it cannot be turned on.
        box.setEnabled(not self._phase.is_run and (not reason or box.isChecked()))
        box.setToolTip(reason or _HELD_OUT.format(share=f"{100 * share:g} %", rest=f"{100 - 100 * share:g} %"))

    def set_progress(self, progress: Progress) -> None:
        """Show how far the run is."""
        self._progress = progress
        self._update()

    def set_activity(self, activity: str) -> None:
        """Show the activity besides a run, "" for none."""
        self._activity = activity
        self._can_cancel_activity = activity.startswith(("opening", "exporting", "refining", "checking", "solved path"))
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
        if self._phase in (Phase.STARTING, Phase.EMPTY):
            return ""  # the middle of the window tells it
        if not self._phase.is_run:
            ready = self._hindrance or "ready"
            return f"{self._activity}..." if self._activity else {Phase.IDLE: ready}.get(self._phase, "")
        p = self._progress
        if p.n_iter == 0 and self._activity:
            return f"{self._activity}..."
        if p.n_iter == 0:
            return f"{self._phase.value}  ·  iteration 0/{p.max_iter}"
        # Short enough for a window of 1280 pixels: the end, which says whether it runs, is cut off first.
        pace = f"{milliseconds(p.each)}/it  ·  {duration(p.elapsed)} elapsed"
        count = f"{p.n_iter}/{p.max_iter}  ·  {f'trying {trial_words(p.trial)}' if p.trial else pace}"
        tail = f"{duration(p.left)} left" if self._phase is Phase.RUNNING else self._phase.value
        return f"{count}  ·  {tail}"
