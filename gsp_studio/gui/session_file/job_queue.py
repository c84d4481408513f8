"""Jobs for one worker, done in the order in which they were asked for; what they bring comes by polling."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer

_POLL_MS = 50


@dataclass(frozen=True, eq=False)
class _Job:
    """What the worker was asked to do, and where its answer goes."""

    future: Future[Any]
    done: Callable[[Any], None]
    failed: Callable[[BaseException], None]


class JobQueue(QObject):
    """Calls jobs with a module that the worker imports, as it is heavy.

    Parameters
    ----------
    module : str
    name : str
        Of the thread, which starts with the first job.
    """

    def __init__(self, module: str, name: str, parent: QObject) -> None:
        super().__init__(parent)
        self._module, self._name = module, name
        self._worker: ThreadPoolExecutor | None = None
        self._jobs: list[_Job] = []
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self.poll)

    @property
    def is_busy(self) -> bool:
        """Whether a job has not been told of yet."""
        return bool(self._jobs)

    def do(
        self, job: Callable[[Any], Any], done: Callable[[Any], None], failed: Callable[[BaseException], None]
    ) -> None:
        """Have the worker do something, after all that it was asked before; `done` gets its value."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, self._name)
        module = self._module
        future = self._worker.submit(lambda: job(importlib.import_module(module)))
        self._jobs.append(_Job(future, done, failed))
        self._timer.start()

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

    def close(self) -> None:
        """Do what is left, and end; nothing is told any more."""
        if self._worker is not None:
            self._worker.shutdown(wait=True)
        self._timer.stop()
