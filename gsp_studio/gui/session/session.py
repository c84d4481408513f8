"""Session: the state of the app, composed of parts that own one piece of it each and tell of its changes by signals.

A part knows neither the session nor another part; `Slider`, `RunControl`, `RefinedRun` and `UndoHistory` join those
that a move of the slider, a run, a refined basis and a step back pass through; what else crosses parts is here. Panels'
intentions end in methods of the parts, and panels show what their signals bring; nothing else changes state. Workers
never call in, so that every signal is emitted on the GUI thread. Whatever belongs to a data set that has been replaced
meanwhile is dropped: its runner is dropped, its requests are discarded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.jobs.startup import Startup
from gsp_studio.gui.session.activity import Activity
from gsp_studio.gui.session.analyses import Analyses
from gsp_studio.gui.session.basis import PinnedBasis
from gsp_studio.gui.session.course import Course
from gsp_studio.gui.session.dataset_loader import DatasetLoader
from gsp_studio.gui.session.display import Display
from gsp_studio.gui.session.entries import Entries
from gsp_studio.gui.session.exports import Exports
from gsp_studio.gui.session.live_run import LiveRun
from gsp_studio.gui.session.reference import Reference
from gsp_studio.gui.session.refined_run import RefinedRun
from gsp_studio.gui.session.restoration import Restoration
from gsp_studio.gui.session.run_control import RunControl
from gsp_studio.gui.session.run_list import RunList
from gsp_studio.gui.session.run_stability import RunStability
from gsp_studio.gui.session.seed_list import SeedList
from gsp_studio.gui.session.settings import Settings
from gsp_studio.gui.session.slider import Slider
from gsp_studio.gui.session.undo import UndoHistory
from gsp_studio.gui.session.warm_fit import WarmFit
from gsp_studio.gui.state import Capabilities, Phase, RunEntry
from gsp_studio.gui.texts import about_data
from gsp_studio.nouns import IMAGES, Nouns

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset, LoadOptions

#: Milliseconds between polls: about 30 a second.
POLL_MS = 33


class Session(QObject):
    """Composes the parts, and keeps the data set, the phase and the flows that cross parts."""

    known = Signal(object)  # Capabilities: the solvers are there
    phaseChanged = Signal(object)  # Phase
    datasetLeaving = Signal()  # other data are about to take the place of these; all of theirs is still here
    datasetChanged = Signal(object)  # Dataset
    failed = Signal(str, str)  # one sentence, details
    logged = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.phase = Phase.STARTING
        self.dataset: Dataset | None = None
        self.settings, self.display, self.activity = Settings(self), Display(self), Activity(self)
        self.basis, self.warm_fit, self.loader = PinnedBasis(self), WarmFit(self), DatasetLoader(self)
        self.live, self.course, self.runs = LiveRun(self), Course(self), RunList(self)
        self.analyses, self.exports = Analyses(self), Exports(self)
        self.seeds, self.reference, self.entries = SeedList(self), Reference(self), Entries(self)
        self._of_data = (self.exports, self.seeds, self.reference, self.entries)
        self.slider = Slider(self.settings, self.basis, self.warm_fit, self.display, self)
        self.control = RunControl(self.settings, self.live, self.course, self.runs, self)
        self.refined = RefinedRun(self.settings, self.display, self.basis, self.slider, self.runs, self.control)
        self.stability = RunStability(self.runs, self.analyses, self.display, self)
        self.restoration = Restoration(self.settings, self.basis, self.slider, self.runs, self.control)
        of_undo = (self.settings, self.display, self.basis, self.slider, self.runs, self.control)
        self.undo = UndoHistory(*of_undo, self.seeds, self.entries, self)
        self._startup = Startup(self)
        self._startup.ready.connect(self._become_ready)
        self._startup.failed.connect(self._fail_to_start)
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self.poll)
        self._join()

    def _join(self) -> None:
        display, live, analyses, slider, control = self.display, self.live, self.analyses, self.slider, self.control
        slider.runLeft.connect(lambda: self.runs.show(-1))
        display.shownChanged.connect(analyses.set_shown)
        for looked_at in (display.shownChanged, self.settings.weightsSet, analyses.pairRequested):
            looked_at.connect(lambda *_: self._pair())
        live.iterated.connect(display.show)
        live.renumbered.connect(display.renumber)
        live.killed.connect(lambda: display.move_marks(()))
        control.phaseChanged.connect(self._set_phase)
        for stops in (self.warm_fit.retire, self.basis.drop_refinement, self.basis.path.hold):
            control.starting.connect(stops)
        control.shown.connect(self._show_run)
        for compared in (self.runs.changed, display.shownChanged):
            compared.connect(lambda *_: analyses.find_residual(self.runs.current))
        self.loader.opened.connect(self._opened)
        self.seeds.changed.connect(lambda seeds: self.settings.make_room(len(seeds)))
        self.reference.changed.connect(self.exports.set_truth)
        self.entries.weightsRead.connect(self.settings.load_weights)
        for doing in (self.loader, self.warm_fit, self.basis, analyses, self.exports, self.seeds):
            doing.activityChanged.connect(self.activity.set)
        for solving in (control, live):
            solving.failed.connect(lambda sentence, details: self.failed.emit(self.nouns.of(sentence), details))
        for failing in (self.warm_fit, self.basis, analyses, *self._of_data):
            failing.failed.connect(self.failed)
        said = (self.settings, self.stability, control, live, self.basis, self.course, self.loader, analyses)
        for logging in (*said, *self._of_data):
            logging.logged.connect(self.logged)

    # Start and end

    def start(self) -> None:
        """Import and warm what is heavy in a thread; called after the first paint."""
        self._startup.start()
        self._timer.start()
        self.activity.set("getting the solvers ready")

    def _become_ready(self, found: Capabilities) -> None:
        self.activity.set("")
        self.known.emit(found)
        self._set_phase(Phase.EMPTY)
        self.logged.emit(f"Ready; computing with {found.backend}.")
        self.loader.start()

    def _fail_to_start(self, sentence: str, details: str) -> None:
        self.activity.set("")
        self.failed.emit(sentence, details)

    def poll(self) -> None:
        """Fetch what a run has brought; the timer calls this about 30 times a second."""
        if self.phase is Phase.STARTING:
            return
        from gsp_studio.backends.cpu.compiling import is_compiling

        self.activity.set_compiling(is_compiling())
        self.live.poll()
        if self.live.is_going or self.warm_fit.is_coming:
            self.basis.path.hold()
        else:
            self.basis.go_on(is_quiet=self.analyses.stability_check.entry is None)

    def close(self, timeout: float = 10.0) -> bool:
        """Stop everything that runs and wait for it; True when no thread of the session is alive."""
        self._timer.stop()
        ended = [part.close(timeout) for part in (self.live, self.warm_fit, self.basis, self.analyses, *self._of_data)]
        ended.append(self._startup.close(min(timeout, 2.0)))  # a compilation cannot be broken off, imports end soon
        ended.append(self.loader.close(timeout))
        return all(ended)

    def _set_phase(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase = phase
            self.settings.is_fixed, self.slider.is_free = phase.is_run, phase is Phase.IDLE
            self.phaseChanged.emit(phase)

    # Data

    @property
    def nouns(self) -> Nouns:
        """What texts call these data."""
        return IMAGES if self.dataset is None else self.dataset.nouns

    def open(self, path: str | Path, options: LoadOptions | None = None) -> None:
        """Open a data set in the background; a layout that has to be guessed is shown first."""
        if self.phase.is_run:
            self.failed.emit("A run is going on; cancel it before you open another data set.", "")
        else:
            self.loader.open(Path(path), options)

    def _opened(self, dataset: Dataset) -> None:
        if self.phase.is_run:
            self.logged.emit(f"{dataset.name} is not shown: a run was started while it was being opened.")
        else:
            self.set_dataset(dataset)

    def set_dataset(self, dataset: Dataset) -> None:
        """Show another data set; runs of the former one go with it."""
        self.datasetLeaving.emit()
        self.warm_fit.retire()
        for part in (self.analyses, *self._of_data):
            part.set_dataset(dataset)
        self.dataset, self.runs.nouns = dataset, dataset.nouns
        self.runs.clear()
        self.settings.begin_anew(dataset)
        self.datasetChanged.emit(dataset)
        self.slider.set_dataset(dataset)
        self.runs.show(-1)
        self.course.show(0, (), (), ())
        for line in about_data(dataset):
            self.logged.emit(line)
        self.undo.clear()
        self._set_phase(Phase.IDLE)
        self.slider.fit()

    # Runs

    def run(self) -> None:
        """Start a run of what is set on the present data."""
        if self.dataset is not None and self.phase is Phase.IDLE:
            self.control.run(self.dataset, self.seeds.seeds, self.entries.missing)

    def run_or_pause(self) -> None:
        """Run when idle, pause when running, go on when paused."""
        does = {Phase.IDLE: self.run, Phase.RUNNING: self.control.pause, Phase.PAUSED: self.control.resume}
        if self.phase in does:
            does[self.phase]()

    @property
    def can_cancel(self) -> bool:
        """Whether there is something that `cancel` would end."""
        beside = (self.loader.is_loading, self.exports.is_going, self.basis.is_working)
        is_checking = self.analyses.stability_check.entry is not None
        return self.phase in (Phase.RUNNING, Phase.PAUSED) or any(beside) or is_checking

    def cancel(self) -> None:
        """Stop the run at the end of its iteration and keep its best iterate; or give up what is under way instead."""
        if self.live.is_going:
            self.control.cancel()
        elif self.exports.cancel():
            self.logged.emit("The export ends after the file that is being written.")
        elif self.basis.stop_refining():
            self.logged.emit("Refining stopped.")
        elif self.basis.path.is_working and self.basis.path.stop():
            self.logged.emit("The solved path was stopped; its points are kept.")
        elif self.analyses.stability_check.cancel():
            self.logged.emit(f"The check of the {self.nouns.bases} was cancelled.")
        else:
            self.loader.cancel()

    def _show_run(self, entry: RunEntry) -> None:
        self.warm_fit.retire()
        self.slider.pin(entry.pinned, entry.shown.order)
        self.display.show(entry.shown)

    # Analyses

    def _pair(self) -> None:
        pinned, shown = self.basis.pinned, self.display.shown
        if pinned is not None and shown is not None and len(shown.order) == pinned.W.shape[1]:
            self.analyses.pair(pinned, shown.order, self.settings.params.sparsity, self.settings.weights)
