"""Calls functions in a thread, in the order in which they were submitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.texts import error_texts

Value = TypeVar("Value")


class _Task(NamedTuple):
    """A function for the worker, and where its value or its error goes."""

    do: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]


class TaskQueue(QObject):
    """Calls functions that read or write files: each counts and is called in its turn.

    Parameters
    ----------
    name : str
        Of the thread, which starts with the first task.
    parent : QObject
    """

    failed = Signal(str, str)  # of tasks without a function for their errors: one sentence, details

    def __init__(self, name: str, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job[_Task, object] = Job(lambda task: task.do(), name, self, in_order=True)
        self._job.answered.connect(lambda task, value: task.done(value))
        self._job.raised.connect(lambda task, error: task.failed(error))

    @property
    def is_busy(self) -> bool:
        """Whether a task waits or is worked on, or its value has not been passed on yet."""
        return self._job.is_busy

    def submit(
        self,
        do: Callable[[], Value],
        done: Callable[[Value], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Call `do` in the thread, after all that was submitted before, then `done` with its value, or `failed`."""
        self._job.submit(_Task(do, done, failed or (lambda error: self.failed.emit(*error_texts(error)))))

    def discard(self) -> None:
        """Forget the tasks that wait; the values of the others go nowhere."""
        self._job.discard()

    def close(self, timeout: float | None = None) -> bool:
        """Finish the tasks that wait and end the thread; True when it has ended."""
        return self._job.close(timeout)
