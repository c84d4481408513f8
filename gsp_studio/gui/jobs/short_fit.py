"""Short fits in the background: the slider's first basis, and the solution at its target."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome
    from gsp_studio.engine.runner import Runner


class ShortFit(QObject):
    """Runs one fit that counts; one that is cancelled ends at its next iteration, and the next begins after it."""

    progressed = Signal()  # the fit that counts has iterated; its news are to be polled
    ended = Signal(object)  # Outcome
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job[Runner, Outcome] = Job(lambda runner: runner.run(lambda _: self._job.report()), "gsp-fit", self)
        self._job.progressed.connect(self.progressed)
        self._job.answered.connect(lambda _, outcome: self._end(lambda: self.ended.emit(outcome)))
        self._job.failed.connect(lambda *error: self._end(lambda: self.failed.emit(*error)))
        self._runner: Runner | None = None

    @property
    def is_running(self) -> bool:
        """Whether a fit that counts is under way."""
        return self._runner is not None

    def start(self, runner: Runner) -> None:
        """Run this one instead of the fit under way."""
        self.cancel()
        self._runner = runner
        self._job.submit(runner)

    def cancel(self) -> bool:
        """Cancel the fit under way; whether there was one."""
        if self._runner is None:
            return False
        self._runner.cancel()
        self._runner = None
        self._job.discard()
        return True

    def close(self, timeout: float) -> bool:
        """Cancel and wait; True when the thread has ended."""
        self.cancel()
        return self._job.close(timeout)

    def _end(self, tell: Callable[[], None]) -> None:
        self._runner = None
        tell()
