"""The session file of a window: saving, opening, whether it has all runs. Autosave writes beside it.

A finished run is autosaved when it ends, a run that is going after its first seconds, and that and the window's state
every half minute, where they have changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.task_queue import TaskQueue
from gsp_studio.gui.session_file.autosave import Autosave
from gsp_studio.gui.session_file.seed_texts import seeds_as_json
from gsp_studio.gui.texts import error_texts

if TYPE_CHECKING:
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.session_file.run_records import RestoredSession
    from gsp_studio.gui.state import RunEntry

SUFFIX = ".gsps"


class SessionStore(QObject):
    """Saves and opens sessions.

    Parameters
    ----------
    session : Session
    window_state : callable
        The window's look, as plain JSON.

    Attributes
    ----------
    autosave : Autosave
        Writes work that no session file has.
    path : Path or None
        The session's file.
    has_data : bool
        Whether the images are copied into it.
    """

    saved = Signal(object)  # Path
    opened = Signal(object)  # RestoredSession
    imagesMissing = Signal(object, str, str)  # Path of a session, a sentence, where its images were
    failed = Signal(str, str)
    modifiedChanged = Signal(bool)

    def __init__(self, session: Session, window_state: Callable[[], dict[str, Any]]) -> None:
        super().__init__(session)
        self._session, self._window_state = session, window_state
        self.path: Path | None = None
        self.has_data = False
        #: Modification time and size of the session's file as this window last saw it.
        self._stamp: tuple[int, int] | None = None
        self._is_modified = self._told_modified = False
        #: Numbers of the runs that the list had.
        self._known_runs: set[int] = set()
        #: Session files that are being written.
        self._saving = 0
        #: Targets that the session's file has: what is refined at these is refined again when it is opened.
        self._saved_targets: object = None
        self._tasks = TaskQueue("gsp-session-files", self)
        self._tasks.failed.connect(self.failed)
        self.autosave = Autosave(session, self.state, self._tasks, self)
        self.autosave.failed.connect(self.failed)
        session.datasetLeaving.connect(lambda: self.autosave.archive(self._has_work))
        session.datasetChanged.connect(lambda _: self._begin_anew())
        session.runs.changed.connect(lambda runs, _: self._note_runs(runs))
        session.runs.noted.connect(lambda _: self._note())
        session.runs.stabilityFound.connect(self._note_stability)
        session.settings.weightsChanged.connect(lambda _: self._touch())
        for changed in (session.seeds.changed, session.reference.changed, session.entries.maskChanged):
            changed.connect(lambda _: self._touch())
        session.phaseChanged.connect(lambda _: self._tell_modified())

    @property
    def is_modified(self) -> bool:
        """Whether there are runs or weights that the session's file does not have; a run that is going is one."""
        return self._is_modified or self._session.phase.is_run

    @property
    def _has_work(self) -> bool:
        """Whether there is work that the session's file does not have; a basis refined where a hand moved it is some.

        It is not asked about, as every move of the slider would be, but kept.
        """
        session = self._session
        is_by_hand = session.slider.is_moved or bool(session.basis.locked)
        is_new = self._targets() != self._saved_targets
        return self.is_modified or (session.refined.is_there and is_by_hand and is_new)

    def _targets(self) -> tuple[object, ...]:
        params, locked = self._session.settings.params, self._session.basis.locked
        return params.sparsity, params.sparsity_h, dict(locked)

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
            "seeds": seeds_as_json(session.seeds.seeds) if session.seeds.seeds else [],
            "reference": session.reference.as_json,
            "mask": {} if session.entries.mask is None else session.entries.mask.as_json,
            "view": asdict(session.display.view),
            "marked": list(session.display.marked),
            "shown_run": shown,
            "locked": {str(basis): s for basis, s in session.basis.locked.items()},
            "order": [] if session.display.shown is None else session.display.shown.order.tolist(),
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
        beside = self._beside_runs()
        refined = session.refined.entry()
        all_runs = runs if refined is None else (*runs, refined)
        targets = self._targets()
        if refined is not None:
            state |= {"refined_run": refined.number}

        def write() -> Path:
            from gsp_studio.gui.session_file.run_records import save

            return save(path, dataset, all_runs, weights, state, with_data)

        def done(written: Path) -> None:
            self._saving -= 1
            if session.dataset is dataset:  # else other data have been opened meanwhile
                self.path, self.has_data, self._stamp = written, with_data, _stamp_of(written)
                self._saved_targets = targets
                is_same = session.runs.entries is runs and session.settings.weights is weights
                now = zip(beside, self._beside_runs(), strict=True)
                self._touch(not (is_same and all(before is after for before, after in now)))
            self.saved.emit(written)

        def failed(error: Exception) -> None:
            self._saving -= 1
            self.failed.emit(*error_texts(error, is_loss=True))

        self._saving += 1
        self._tasks.submit(write, done, failed)

    def _beside_runs(self) -> tuple[object, ...]:
        """What is kept beside runs and weights, each another object after a change."""
        session = self._session
        return session.seeds.seeds, session.reference.truth, session.entries.mask

    @property
    def is_saving(self) -> bool:
        """Whether a session file is being written."""
        return self._saving > 0

    def open(self, path: Path, data: Path | None = None) -> None:
        """Read a session file in the background, or the folder of a recovery; `opened` follows."""
        if self._session.phase.is_run:
            self.failed.emit("A run is going on; cancel it before you open a session.", "")
            return

        def read() -> RestoredSession:
            from gsp_studio.gui.session_file.run_records import reopen

            return reopen(path, data)

        def failed(error: Exception) -> None:
            from gsp_studio.io.session_file import ImagesMissing

            if isinstance(error, ImagesMissing):
                self.imagesMissing.emit(path, str(error), error.source)
                return
            sentence, details = error_texts(error)
            if not isinstance(error, (ValueError, OSError, MemoryError)):  # those say what and where
                sentence = f"{path} cannot be opened; it is damaged ({sentence})"
            self.failed.emit(sentence, details)

        stamp = _stamp_of(path)
        self._tasks.submit(read, lambda found: self._opened(found, stamp), failed)

    def _opened(self, found: RestoredSession, stamp: tuple[int, int] | None) -> None:
        session = self._session
        if session.phase.is_run:
            session.logged.emit(f"{found.path.name} is not shown: a run was started while it was being opened.")
            return
        is_file = not found.path.is_dir()
        session.set_dataset(found.dataset)
        session.settings.set_weights(found.weights)
        session.seeds.show(found.seeds)
        session.reference.bring_back(*found.reference)
        session.entries.show_mask(found.mask)
        state = found.state
        session.restoration.bring_back(
            found.runs,
            state.choice,
            found.interrupted or state.shown_run,
            refined=found.refined,
            locked=state.locked,
            order=() if found.interrupted else state.order,
        )
        session.undo.clear()
        self._saved_targets = self._targets() if is_file else None
        if is_file and found.is_whole:  # what could not be read must not be written over
            self.path, self.has_data, self._stamp = found.path, found.has_data, stamp
        self.opened.emit(found)
        self._touch(not is_file)
        if not is_file and found.is_whole and self.autosave.is_on:
            self.autosave.settle(lambda problem: None if problem else self.autosave.forget(found.path))

    # Changes

    def _note_runs(self, runs: tuple[RunEntry, ...]) -> None:
        """Autosave those that are new, at once."""
        new = {entry.number for entry in runs} - self._known_runs
        if new:
            self._known_runs |= new
            self._note()

    def _note(self) -> None:
        self._touch()
        self.autosave.save()

    def _note_stability(self, entry: RunEntry) -> None:
        self._touch()
        self.autosave.save_again(entry)

    def give_up(self) -> None:
        """Count all of it as saved: the user has said that it may go."""
        self._touch(False)

    def _begin_anew(self) -> None:
        """Other data have come: no file is theirs."""
        self._known_runs, self._saved_targets = set(), None
        self.path, self.has_data, self._stamp = None, False, None
        self._touch(False)
        self.autosave.begin_anew()
        self.autosave.save()

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be written or read."""
        return self._tasks.is_busy

    def close(self, is_wanted: bool = True) -> None:
        """Write what is to be written and end.

        Parameters
        ----------
        is_wanted : bool
            Whether work that no session file has is to be found among the recent sessions.
        """
        self.autosave.close(is_wanted and self._has_work)
        self._tasks.close()


def _stamp_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
