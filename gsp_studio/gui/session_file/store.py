"""Keeps what is done: session files when the user says so, and a folder beside them all the time.

One worker writes and reads, in the order in which it is asked. A finished run is
kept when it ends, a run that is going and what the window shows every half minute, and only when they have changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.formatting import plural, told
from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.session_file.run_records import Reopened
    from gsp_studio.gui.state import RunEntry
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.recovery import Recovery

SUFFIX = ".gsps"
#: Milliseconds between looks at what has changed.
AUTOSAVE_MS = 30_000
_Value = TypeVar("_Value")
#: Not what is in the folder, whatever that is.
_UNKNOWN = object()


class _Task(NamedTuple):
    """A thing for the worker to do, and where its value or its error goes."""

    do: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]


class SessionStore(QObject):
    """Saves and opens sessions; `window_state` tells what the window looks like, as plain JSON."""

    saved = Signal(object)  # Path
    opened = Signal(object)  # Reopened
    imagesMissing = Signal(object, str, str)  # Path of a session, a sentence, where its images were
    failed = Signal(str, str)
    modifiedChanged = Signal(bool)
    foldersChanged = Signal()  # what is kept of other work has come or gone

    def __init__(self, session: Session, window_state: Callable[[], dict[str, Any]]) -> None:
        super().__init__(session)
        self._session, self._window_state = session, window_state
        self.path: Path | None = None
        self.has_data = False
        #: Modification time and size of the session's file as this window last saw it.
        self._stamp: tuple[int, int] | None = None
        self._is_modified = self._told_modified = False
        self._recovery: Recovery | None = None
        #: Numbers of the runs that the list had, and of those that are in the folder or on their way there.
        self._known_runs: set[int] = set()
        self._kept_runs: set[int] = set()
        self._kept: tuple[Any, ...] = ()
        self._kept_weights: Any = None
        #: Why something could not be kept since this was last asked, "" where all of it was.
        self._problem = ""
        #: Session files that are being written.
        self._saving = 0
        self._job: Job[_Task, object] = Job(lambda task: task.do(), "gsp-keep", self, in_order=True)
        self._job.answered.connect(lambda task, value: task.done(value))
        self._job.raised.connect(lambda task, error: task.failed(error))
        self._has_told = False
        self._autosave = QTimer(self, interval=AUTOSAVE_MS)
        self._autosave.timeout.connect(self.keep)
        session.datasetLeaving.connect(self._archive)
        session.datasetChanged.connect(lambda _: self._begin_anew())
        session.runs.changed.connect(lambda runs, _: self._keep_runs(runs))
        session.runs.noted.connect(lambda _: self._note())
        session.runs.stabilityFound.connect(self._keep_again)
        session.settings.weightsChanged.connect(lambda _: self._touch())
        session.phaseChanged.connect(lambda _: self._tell_modified())

    @property
    def is_modified(self) -> bool:
        """Whether there are runs or weights that the session's file does not have; a run that is going is one."""
        return self._is_modified or self._session.phase.is_run

    def _touch(self, modified: bool = True) -> None:
        self._is_modified = modified and self._session.dataset is not None
        self._tell_modified()

    def _tell_modified(self) -> None:
        if self.is_modified != self._told_modified:
            self._told_modified = self.is_modified
            self.modifiedChanged.emit(self.is_modified)

    def state(self) -> dict[str, Any]:
        """Return the state."""
        session = self._session
        shown = 0 if session.runs.current is None else session.runs.current.number
        return {
            "choice": session.settings.choice.as_json(),
            "view": asdict(session.display.view),
            "marked": list(session.display.marked),
            "shown_run": shown,
            "remarks": {str(entry.number): entry.remarks.as_json() for entry in session.runs.entries},
            "window": self._window_state(),
        }

    # Session files

    @property
    def is_file_foreign(self) -> bool:
        """Whether the session's file is another one than this window last read or wrote."""
        found = None if self.path is None else _stamp_of(self.path)
        return found is not None and found != self._stamp

    def save(self, path: Path, with_data: bool = False) -> None:
        """Write a session file in the background; `saved` follows."""
        session = self._session
        if session.dataset is None:
            self.failed.emit("There is nothing to save yet; open some images first.", "")
            return
        dataset, runs, weights, state = session.dataset, session.runs.entries, session.settings.weights, self.state()

        def write() -> Path:
            from gsp_studio.gui.session_file.run_records import save

            return save(path, dataset, runs, weights, state, with_data)

        def done(written: Path) -> None:
            self._saving -= 1
            if session.dataset is dataset:  # else other data have been opened meanwhile
                self.path, self.has_data, self._stamp = written, with_data, _stamp_of(written)
                self._touch(not (session.runs.entries is runs and session.settings.weights is weights))
            self.saved.emit(written)

        def failed(error: Exception) -> None:
            self._saving -= 1
            self.failed.emit(*told(error))

        self._saving += 1
        self._do(write, done, failed)

    @property
    def is_saving(self) -> bool:
        """Whether a session file is being written."""
        return self._saving > 0

    def open(self, path: Path, data: Path | None = None) -> None:
        """Read a session file in the background, or the folder of a recovery; `opened` follows."""
        if self._session.phase.is_run:
            self.failed.emit("A run is going on; cancel it before you open a session.", "")
            return

        def read() -> Reopened:
            from gsp_studio.gui.session_file.run_records import reopen

            return reopen(path, data)

        def failed(error: Exception) -> None:
            from gsp_studio.io.session_file import ImagesMissing

            if isinstance(error, ImagesMissing):
                self.imagesMissing.emit(path, str(error), error.source)
                return
            sentence, details = told(error)
            if not isinstance(error, (ValueError, OSError, MemoryError)):  # those say what and where
                sentence = f"{path} cannot be opened; it is damaged ({sentence})"
            self.failed.emit(sentence, details)

        stamp = _stamp_of(path)
        self._do(read, lambda found: self._opened(found, stamp), failed)

    def _opened(self, found: Reopened, stamp: tuple[int, int] | None) -> None:
        session = self._session
        if session.phase.is_run:
            session.logged.emit(f"{found.path.name} is not shown: a run was started while it was being opened.")
            return
        is_file = not found.path.is_dir()
        session.set_dataset(found.dataset)
        session.settings.set_weights(found.weights)
        session.control.adopt(found.runs, found.state.choice, found.state.shown_run)
        if is_file and found.is_whole:  # what could not be read must not be written over
            self.path, self.has_data, self._stamp = found.path, found.has_data, stamp
        self.opened.emit(found)
        self._touch(not is_file)
        if not is_file and found.is_whole and self._recovery is not None:
            self.settle(lambda problem: None if problem else self._forget(found.path))

    def _forget(self, folder: Path) -> None:
        """All of it has been kept anew."""
        from gsp_studio.io.recovery import forget

        self._do(lambda: forget(folder), lambda _: self.foldersChanged.emit())

    # The folder beside

    def watch(self, root: Path) -> None:
        """Keep what is done in a folder under `root` from now on."""
        from gsp_studio.io.recovery import Recovery

        self._recovery = Recovery(root)
        self._autosave.start()
        self.keep()

    @property
    def is_watching(self) -> bool:
        """Whether what is done is kept in a folder."""
        return self._recovery is not None

    def keep(self) -> None:
        """Keep what has changed, and what could not be kept before: called every half minute."""
        session, recovery = self._session, self._recovery
        if recovery is None or session.dataset is None:
            return
        for entry in session.runs.entries:
            if entry.number not in self._kept_runs:
                self._keep_run(recovery, entry)
        self._keep_live(recovery)
        state = self.state()
        if (session.dataset, state) != self._kept:
            self._kept = (session.dataset, state)
            dataset = session.dataset
            self._beside(lambda: recovery.save_state(_description(dataset), state))
        if session.settings.weights is not self._kept_weights:
            self._kept_weights = weights = session.settings.weights
            self._beside(lambda: recovery.save_weights(weights))

    def settle(self, then: Callable[[str], None]) -> None:
        """Keep everything now, then call `then` with the reason why that was not possible, "" where it was."""
        self._problem = ""
        self.keep()
        reason = "" if self.is_watching else "there is no folder for it"
        self._do(lambda: None, lambda _: then(self._problem or reason))

    def _keep_live(self, recovery: Recovery) -> None:
        live, number = self._session.live, self._session.runs.next_number
        if live.runner is None:
            return
        runner, origin = live.runner, live.origin

        def write() -> None:
            from gsp_studio.gui.session_file.run_records import saved_so_far

            saved = saved_so_far(number, runner, origin)
            if saved is not None:
                recovery.save_live(saved)

        self._beside(write)

    def _keep_run(self, recovery: Recovery, entry: RunEntry) -> None:
        self._kept_runs.add(entry.number)

        def write() -> None:
            from gsp_studio.gui.session_file.run_records import saved_of

            recovery.save_run(saved_of(entry))

        self._beside(write)

    def _keep_runs(self, runs: tuple[RunEntry, ...]) -> None:
        """Keep those that are new, at once."""
        new = {entry.number for entry in runs} - self._known_runs
        if new:
            self._known_runs |= new
            self._note()

    def _keep_again(self, entry: RunEntry) -> None:
        self._kept_runs.discard(entry.number)
        self._note()

    def _note(self) -> None:
        """Keep remarks on a run in the state: its factors need not be written again."""
        self._touch()
        self.keep()

    def give_up(self) -> None:
        """Count all of it as saved: the user has said that it may go."""
        self._touch(False)

    def _archive(self) -> None:
        """Other data are about to come: what no session file has becomes an entry of the recent sessions."""
        recovery, session = self._recovery, self._session
        if recovery is None or session.dataset is None:
            return
        if self._is_modified:
            self.keep()
            about = f"{plural(len(session.runs.entries), 'run')} of {session.dataset.name}"
            session.logged.emit(f"What was done ({about}) is kept: File > Recent sessions opens it again.")
        self._part(recovery)
        self._recovery = type(recovery)(recovery.folder.parent)

    def _part(self, recovery: Recovery, is_wanted: bool = True) -> None:
        """Leave the folder to the recent sessions where no file has what is in it, else remove it."""
        is_wanted = is_wanted and self.is_modified

        def part() -> None:
            if is_wanted and recovery.has_work:
                recovery.close()
            else:
                recovery.discard()

        self._do(part, lambda _: self.foldersChanged.emit())

    def _begin_anew(self) -> None:
        """Other data have come: nothing of them is kept yet, and no file is theirs."""
        self._known_runs, self._kept_runs, self._kept, self._kept_weights = set(), set(), (), None
        self.path, self.has_data, self._stamp = None, False, None
        self._touch(False)
        self.keep()

    # The worker

    def _do(
        self,
        do: Callable[[], _Value],
        done: Callable[[_Value], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Have the worker do something, after all that it was asked before."""
        self._job.submit(_Task(do, done, failed or (lambda error: self.failed.emit(*told(error)))))

    def _beside(self, do: Callable[[], object]) -> None:
        """Have the worker keep something beside; that it cannot is told once, and tried again by the next `keep`."""

        def failed(error: Exception) -> None:
            self._problem = str(error) or type(error).__name__
            self._kept_runs, self._kept, self._kept_weights = set(), (), _UNKNOWN
            if not self._has_told:
                self._has_told = True
                self.failed.emit(f"What you do is not kept against a crash: {error}", told(error)[1])

        self._do(do, lambda _: None, failed)

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be written or read."""
        return self._job.is_busy

    def close(self, is_wanted: bool = True) -> None:
        """Write what is to be written and end.

        Parameters
        ----------
        is_wanted : bool
            Whether runs that no session file has are to be found among the recent sessions.
        """
        self._autosave.stop()
        if self._recovery is not None:
            if is_wanted:
                self.keep()
            self._part(self._recovery, is_wanted)
        self._job.close()


def _description(dataset: Dataset) -> dict[str, Any]:
    from gsp_studio.io.session_file import describe

    return describe(dataset)


def _stamp_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
