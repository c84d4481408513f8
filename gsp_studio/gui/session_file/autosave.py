"""Autosave: work that no session file has, in a folder of its own, so that a crash or other data lose none of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.texts import error_texts, plural

if TYPE_CHECKING:
    from gsp_studio.gui.jobs.task_queue import TaskQueue
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.state import Phase, RunEntry
    from gsp_studio.io.recovery import Recovery

#: Milliseconds between looks at what has changed.
AUTOSAVE_MS = 30_000
#: Milliseconds of a run until it is written for the first time: half a minute would lose a run that is killed early.
FIRST_RUN_MS = 3_000
#: Not what is in the folder, whatever that is.
_UNKNOWN = object()


class Autosave(QObject):
    """Writes what has changed since the last time into a recovery folder.

    Parameters
    ----------
    session : Session
    state : callable
        State of the window, as plain JSON.
    tasks : TaskQueue
        Writes.
    parent : QObject
    """

    foldersChanged = Signal()  # a recovery folder has come or gone
    failed = Signal(str, str)

    def __init__(
        self, session: Session, state: Callable[[], dict[str, Any]], tasks: TaskQueue, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._state, self._tasks = session, state, tasks
        self._recovery: Recovery | None = None
        #: Numbers of the runs in the folder or on their way there.
        self._written_runs: set[int] = set()
        self._written: tuple[object, ...] = ()
        self._written_weights: object = None
        self._written_refined: object = None
        #: Number of the last run of which something was written while it was going.
        self._written_live = 0
        #: Why something could not be written since this was last asked, "" where all of it was.
        self._problem = ""
        self._has_told = False
        self._timer = QTimer(self, interval=AUTOSAVE_MS)
        self._timer.timeout.connect(self.save)
        self._early = QTimer(self, interval=FIRST_RUN_MS)
        self._early.timeout.connect(self._save_early)
        session.phaseChanged.connect(self._note_phase)

    @property
    def is_on(self) -> bool:
        """Whether there is a folder to write into."""
        return self._recovery is not None

    def start(self, root: Path) -> None:
        """Write into a folder under `root` from now on."""
        from gsp_studio.io.recovery import Recovery

        self._recovery = Recovery(root)
        self._timer.start()
        self.save()

    def save(self) -> None:
        """Write what has changed, and what could not be written before: called every half minute."""
        session, recovery = self._session, self._recovery
        if recovery is None or session.dataset is None:
            return
        for entry in session.runs.entries:
            if entry.number not in self._written_runs:
                self._save_run(recovery, entry)
        self._save_live(recovery)
        self._save_refined(recovery)
        state = self._state()
        if (session.dataset, state) != self._written:
            self._written = (session.dataset, state)
            dataset = session.dataset

            def write() -> None:
                from gsp_studio.io.session_file import describe

                recovery.save_state(describe(dataset), state)

            self._write(write)
        if session.settings.weights is not self._written_weights:
            self._written_weights = weights = session.settings.weights
            self._write(lambda: recovery.save_weights(weights))

    def save_again(self, entry: RunEntry) -> None:
        """Write a run anew: there is more of it than its remarks, which are part of the state."""
        self._written_runs.discard(entry.number)
        self.save()

    def settle(self, then: Callable[[str], None]) -> None:
        """Write everything now, then call `then` with the reason why that was not possible, "" where it was."""
        self._problem = ""
        self.save()
        reason = "" if self.is_on else "there is no folder for it"
        self._tasks.submit(lambda: None, lambda _: then(self._problem or reason))

    def forget(self, folder: Path) -> None:
        """Remove a recovery folder whose content is in that of this window."""
        from gsp_studio.io.recovery import forget

        self._tasks.submit(lambda: forget(folder), lambda _: self.foldersChanged.emit())

    def archive(self, is_wanted: bool) -> None:
        """Leave the folder to the recent sessions where its work is wanted, and go on with another: other data come."""
        recovery, session = self._recovery, self._session
        if recovery is None or session.dataset is None:
            return
        told = ""
        if is_wanted:
            self.save()
            runs = session.runs.entries
            about = f"{plural(len(runs), 'run') if runs else 'what was made'} of {session.dataset.name}"
            told = f"Unsaved work ({about}) was autosaved: File > Recent sessions opens it again."
        self._leave(recovery, is_wanted, told)
        self._recovery = type(recovery)(recovery.folder.parent)

    def begin_anew(self) -> None:
        """Write other data from now on, of which nothing is in the folder yet."""
        self._written_runs, self._written, self._written_weights, self._written_refined = set(), (), None, None
        self._written_live = 0

    def close(self, is_wanted: bool) -> None:
        """Stop; leave the folder to the recent sessions where its work is wanted."""
        self._timer.stop()
        self._early.stop()
        if self._recovery is not None:
            if is_wanted:
                self.save()
            self._leave(self._recovery, is_wanted)

    def _leave(self, recovery: Recovery, is_wanted: bool, told: str = "") -> None:
        """Close the folder or remove it, then say so: after what is said of the data that came meanwhile."""

        def leave() -> bool:
            if is_wanted and recovery.has_work:
                recovery.close()
                return True
            recovery.discard()
            return False

        def left(is_kept: bool) -> None:
            self.foldersChanged.emit()
            if is_kept and told:
                self._session.logged.emit(told)

        self._tasks.submit(leave, left)

    def _note_phase(self, phase: Phase) -> None:
        """Write a run that begins within its first seconds."""
        if not phase.is_run:
            self._early.stop()
        elif self._session.runs.next_number != self._written_live:
            self._early.start()

    def _save_early(self) -> None:
        """Write the run that has begun; again, as long as it has no iterate yet."""
        if self._session.runs.next_number == self._written_live:
            self._early.stop()
        else:
            self.save()

    def _save_live(self, recovery: Recovery) -> None:
        live, number = self._session.live, self._session.runs.next_number
        if live.runner is None:
            return
        runner, origin = live.runner, live.origin

        def write() -> bool:
            from gsp_studio.gui.session_file.run_records import saved_so_far

            saved = saved_so_far(number, runner, origin)
            if saved is not None:
                recovery.save_live(saved)
            return saved is not None

        def done(is_written: bool) -> None:
            if is_written:
                self._written_live = number

        self._write(write, done)

    def _save_refined(self, recovery: Recovery) -> None:
        session = self._session
        latest = session.basis.refinement.latest if session.refined.is_there else None
        if latest is self._written_refined:
            return
        self._written_refined, entry = latest, session.refined.entry(goes_on=True)

        def write() -> None:
            from gsp_studio.gui.session_file.run_records import saved_of

            recovery.save_refined(None if entry is None else saved_of(entry))

        self._write(write)

    def _save_run(self, recovery: Recovery, entry: RunEntry) -> None:
        self._written_runs.add(entry.number)

        def write() -> None:
            from gsp_studio.gui.session_file.run_records import saved_of

            recovery.save_run(saved_of(entry))

        self._write(write)

    def _write(self, do: Callable[[], Any], done: Callable[[Any], None] = lambda _: None) -> None:
        """Write in the thread, then call `done`; an error is told once, and the next `save` tries again."""

        def failed(error: Exception) -> None:
            self._problem = str(error) or type(error).__name__
            self._written_runs, self._written, self._written_weights = set(), (), _UNKNOWN
            self._written_refined = _UNKNOWN
            if not self._has_told:
                self._has_told = True
                self.failed.emit(f"Your work cannot be autosaved: {error}", error_texts(error, is_loss=True)[1])

        self._tasks.submit(do, done, failed)
