"""Keeps what is done: session files when the user says so, and a folder beside them all the time.

One worker writes and reads, in the order in which it is asked; what it has to say comes by polling. A finished run is
kept when it ends, a run that is going and what the window shows every half minute, and only when they have changed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.words import told

if TYPE_CHECKING:
    from gsp_studio.gui.session import Session
    from gsp_studio.gui.state import RunEntry

SUFFIX = ".gsps"
#: Milliseconds between looks at what has changed.
AUTOSAVE_MS = 30_000
_POLL_MS = 50


@dataclass(frozen=True, eq=False)
class _Job:
    """What the worker was asked to do, and who wants to know."""

    future: Future[Any]
    done: Callable[[Any], None]
    failed: Callable[[BaseException], None]


class Keeping(QObject):
    """Saves and opens sessions; `window_state` tells what the window looks like, as plain JSON."""

    saved = Signal(object)  # Path
    opened = Signal(object)  # Reopened
    imagesMissing = Signal(object, str, str)  # Path of a session, a sentence, where its images were
    failed = Signal(str, str)
    modifiedChanged = Signal(bool)

    def __init__(self, session: Session, window_state: Callable[[], dict[str, Any]]) -> None:
        super().__init__(session)
        self._session, self._window_state = session, window_state
        self.path: Path | None = None
        self.has_data = False
        self._is_modified = False
        self._recovery: Any = None
        self._kept_runs: dict[int, RunEntry] = {}
        self._kept: tuple[Any, ...] = ()
        self._kept_weights: Any = None
        self._is_live_kept = False
        self._worker: ThreadPoolExecutor | None = None
        self._jobs: list[_Job] = []
        self._has_told = False
        self._autosave = QTimer(self, interval=AUTOSAVE_MS)
        self._autosave.timeout.connect(self.keep)
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self.poll)
        session.datasetChanged.connect(self._forget)
        session.runsChanged.connect(self._keep_runs)
        session.runNoted.connect(self._note)
        session.stabilityFound.connect(self._keep_run)
        session.weightsChanged.connect(lambda _: self._touch())

    @property
    def is_modified(self) -> bool:
        """Whether there are runs or weights that the session's file does not have."""
        return self._is_modified

    def _touch(self, modified: bool = True) -> None:
        modified = modified and self._session.dataset is not None
        if modified != self._is_modified:
            self._is_modified = modified
            self.modifiedChanged.emit(modified)

    def state(self) -> dict[str, Any]:
        """What is shown now."""
        session = self._session
        shown = session.runs[session.shown_run].number if 0 <= session.shown_run < len(session.runs) else 0
        return {
            "choice": asdict(session.choice),
            "view": asdict(session.view),
            "marked": list(session.marked),
            "shown_run": shown,
            "remarks": {str(entry.number): entry.remarks.as_json() for entry in session.runs},
            "window": self._window_state(),
        }

    # Session files

    def save(self, path: Path, with_data: bool = False) -> None:
        """Write a session file in the background; `saved` follows."""
        session = self._session
        if session.dataset is None:
            self.failed.emit("There is nothing to save yet; open some images first.", "")
            return
        runs, weights, state = session.runs, session.weights, self.state()

        def done(written: Path) -> None:
            self.path, self.has_data = written, with_data
            is_same = session.runs is runs and session.weights is weights
            self._touch(not is_same)
            self.saved.emit(written)

        self._do(lambda work: work.save(path, session.dataset, runs, weights, state, with_data), done)

    def open(self, path: Path, data: Path | None = None) -> None:
        """Read a session file in the background, or the folder of a recovery; `opened` follows."""
        if self._session.phase.is_run:
            self.failed.emit("A run is going on; cancel it before you open a session.", "")
            return

        def failed(error: BaseException) -> None:
            if hasattr(error, "source"):
                self.imagesMissing.emit(path, str(error), error.source)
            else:
                self.failed.emit(*told(error))

        self._do(lambda work: work.reopen(path, data), self._opened, failed)

    def _opened(self, found: Any) -> None:
        session = self._session
        if session.phase.is_run:
            session.logged.emit(f"{found.path.name} is not shown: a run was started while it was being opened.")
            return
        is_file = not found.path.is_dir()
        session.set_dataset(found.dataset)
        self.path, self.has_data = (found.path if is_file else None), False
        session.set_weights(found.weights)
        self.opened.emit(found)
        self._touch(not is_file)
        if not is_file and self._recovery is not None:
            self.keep()
            self._beside(lambda work: work.forget(found.path))  # after all of it has been kept anew

    # The folder beside

    def watch(self, root: Path) -> None:
        """Keep what is done in a folder under `root` from now on."""
        from gsp_studio.io.recovery import Recovery

        self._recovery = Recovery(root)
        self._autosave.start()

    def keep(self) -> None:
        """Keep what has changed: called every half minute."""
        session, recovery = self._session, self._recovery
        if recovery is None or session.dataset is None:
            return
        self._keep_live()
        state = self.state()
        if (session.dataset, state) != self._kept:
            self._kept = (session.dataset, state)
            self._beside(lambda work: recovery.save_state(work.describe(session.dataset), state))
        if session.weights is not self._kept_weights:
            self._kept_weights = weights = session.weights
            self._beside(lambda work: recovery.save_weights(weights))

    def _keep_live(self) -> None:
        live, number, recovery = self._session.live, self._session.next_number, self._recovery
        if live.runner is None:
            return
        runner, choice, origin = live.runner, live.choice, live.origin

        def write(work: Any) -> None:
            saved = work.saved_so_far(number, runner, choice, origin)
            if saved is not None and not runner.state.is_final:
                recovery.save_live(saved)

        self._beside(write)

    def _keep_runs(self, runs: tuple[RunEntry, ...], index: int) -> None:
        """Keep those that are new, at once."""
        for entry in runs:
            if entry.number not in self._kept_runs:
                self._keep_run(entry)

    def _keep_run(self, entry: RunEntry) -> None:
        self._kept_runs[entry.number] = entry
        self._touch()
        recovery = self._recovery
        if recovery is not None:
            self._beside(lambda work: recovery.save_run(work.saved_of(entry)))
            self.keep()

    def _note(self, entry: RunEntry) -> None:
        """What is written beside a run goes into the state: its factors need not be written again."""
        self._kept_runs[entry.number] = entry
        self._touch()
        self.keep()

    def _forget(self, dataset: Any) -> None:
        """Other data: what was kept of the former is not wanted, it went with them."""
        self._kept_runs, self._kept, self.path = {}, (), None
        recovery = self._recovery
        if recovery is not None:
            self._beside(lambda work: recovery.forget_runs())
            self.keep()
        self._touch(False)

    # The worker

    def _do(
        self,
        job: Callable[[Any], Any],
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Have the worker do something, after all that it was asked before."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "gsp-keep")

        def work_through() -> Any:
            return job(importlib.import_module("gsp_studio.gui.saving"))

        future = self._worker.submit(work_through)
        self._jobs.append(_Job(future, done, failed or (lambda error: self.failed.emit(*told(error)))))
        self._timer.start()

    def _beside(self, job: Callable[[Any], Any]) -> None:
        """Have the worker keep something beside; that it cannot is told once."""

        def failed(error: BaseException) -> None:
            if not self._has_told:
                self._has_told = True
                self.failed.emit(f"What you do is not kept against a crash: {error}", told(error)[1])

        self._do(job, lambda value: None, failed)

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be written or read."""
        return bool(self._jobs)

    def poll(self) -> None:
        """Tell what has been done."""
        while self._jobs and self._jobs[0].future.done():
            job = self._jobs.pop(0)
            error = job.future.exception()
            if error is None:
                job.done(job.future.result())
            else:
                job.failed(error)
        if not self._jobs:
            self._timer.stop()

    def close(self, timeout: float = 10.0) -> None:
        """Write what is to be written and end; runs that no session file has are found the next time."""
        self._autosave.stop()
        recovery = self._recovery
        if recovery is not None:
            self.keep()
            wanted = self._is_modified and bool(self._session.runs)
            self._beside(lambda work: recovery.close() if wanted else recovery.discard())
        if self._worker is not None:
            self._worker.shutdown(wait=True)
        self._timer.stop()
