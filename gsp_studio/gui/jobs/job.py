"""A question that takes time: asked on the GUI thread, answered in a thread of its own, its answer told by a signal.

The worker's notification is a signal over a queued connection, so answers arrive on the GUI thread as its next event.
A notification carries nothing: answers are fetched when it arrives, so none that has been discarded since is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from gsp_studio.engine.latest import InOrder, LatestOnly, Request, Value, Worker
from gsp_studio.gui.texts import error_texts

#: Milliseconds between two notifications of progress, at least: one an iteration would flood the window.
_PACE_MS = 33


class Job(QObject, Generic[Request, Value]):
    """Answers requests with ``function(request)``; of those that wait the newest wins.

    Parameters
    ----------
    function : callable
        Called in the worker thread, where it imports what is heavy.
    name : str
        Of the thread, which starts with the first request.
    parent : QObject
    in_order : bool
        Whether every request counts and is answered in its turn, and `close` finishes those that wait.
    """

    answered = Signal(object, object)  # the request, its value
    failed = Signal(str, str)  # what the function raised: one sentence, details
    raised = Signal(object, object)  # the same as the request and the exception
    progressed = Signal()  # the function has called `report`
    _answer_ready = Signal()
    _progress_made = Signal()

    def __init__(
        self, function: Callable[[Request], Value], name: str, parent: QObject, *, in_order: bool = False
    ) -> None:
        super().__init__(parent)
        kind: type[Worker[Request, Value]] = InOrder if in_order else LatestOnly
        self._worker = worker = kind(function, name, self._answer_ready.emit)
        self._is_reported = self._is_closed = False
        self._pace = QTimer(self, interval=_PACE_MS, singleShot=True)
        self._pace.timeout.connect(self._tell_progress)
        self._answer_ready.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._progress_made.connect(self._hear_progress, Qt.ConnectionType.QueuedConnection)
        self.destroyed.connect(lambda: worker.close(0.0))  # no signal of a deleted object is emitted

    @property
    def is_busy(self) -> bool:
        """Whether a request waits or is worked on, or an answer has not been told yet."""
        return self._worker.is_busy

    @property
    def is_superseded(self) -> bool:
        """Whether the answer under way is superseded; the function asks it between its steps."""
        return self._worker.is_superseded

    def submit(self, request: Request) -> None:
        """Ask; `answered` or `failed` follows, unless a newer request or `discard` comes before."""
        self._worker.submit(request)

    def discard(self) -> None:
        """Forget all that was asked; none of its answers is told."""
        self._worker.discard()

    def report(self) -> None:
        """Tell by `progressed` that more is known; called in the worker thread, as often as it likes."""
        if not self._is_reported:
            self._is_reported = True
            self._worker.tell(self._progress_made.emit)

    def close(self, timeout: float | None = None) -> bool:
        """End the thread and tell nothing any more; True when the thread has ended."""
        self._is_closed = True
        self._pace.stop()
        return self._worker.close(timeout)

    @Slot()
    def _deliver(self) -> None:
        while not self._is_closed and (answer := self._worker.poll()) is not None:
            if answer.error is None:
                self.answered.emit(answer.request, answer.value)
            else:
                self.raised.emit(answer.request, answer.error)
                self.failed.emit(*error_texts(answer.error))

    @Slot()
    def _hear_progress(self) -> None:
        if not self._pace.isActive():
            self._tell_progress()

    @Slot()
    def _tell_progress(self) -> None:
        if self._is_reported and not self._is_closed:
            self._is_reported = False  # before it is told: a later report is told again
            self._pace.start()
            self.progressed.emit()
