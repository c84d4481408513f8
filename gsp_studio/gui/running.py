"""The run that is going: what a worker brings of it, and what can be asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.state import Choice, Progress

if TYPE_CHECKING:
    from gsp_studio.engine.runner import Runner

#: Iterates that are still so close to the random start that the order of their basis images means nothing.
_YOUNG = 3


class LiveRun(QObject):
    """One run at a time, polled; its last signal is `ended`."""

    progressed = Signal(object)  # Progress
    recordsAdded = Signal(object)  # tuple of Record
    iterated = Signal(object)  # Shown
    ended = Signal(object)  # (Runner, Outcome)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.runner: Runner | None = None
        self.choice = Choice()
        self._work: Any = None
        self._name = ""
        self._order: Any = None
        #: Those that the run was steered to, of the weighted method.
        self.weights: Any = None

    @property
    def is_going(self) -> bool:
        """Whether there is a run that has not ended."""
        return self.runner is not None

    def start(self, work: Any, runner: Runner, choice: Choice, name: str) -> None:
        """Begin; `choice` is what it began with, `name` what people call it."""
        self._work, self.runner, self.choice, self._name = work, runner, choice, name
        self._order = self.weights = None
        runner.start()
        self.progressed.emit(Progress(0, choice.max_iter))

    def close(self, timeout: float) -> bool:
        """Cancel and wait; True when no thread is left."""
        if self.runner is None:
            return True
        self.runner.cancel()
        return self.runner.join(timeout)

    def poll(self) -> None:
        """Tell what is new."""
        runner = self.runner
        if runner is None:
            return
        poll = runner.poll()
        if poll.records:
            last = poll.records[-1]
            each = last.seconds / last.n_iter
            self.progressed.emit(Progress(last.n_iter, self.choice.max_iter, each, last.seconds))
            self.recordsAdded.emit(poll.records)
        if poll.iterate is not None:
            it = poll.iterate
            # What orders the tiles comes after the first few iterates; no tile moves from then on.
            order = None if it.n_iter <= _YOUNG else self._order
            weights = runner.spec.params.weights if self.weights is None else self.weights
            shown = self._work.shown_of(it, it.target, it.target_h, order, self._name, weights)
            self._order = shown.order
            self.iterated.emit(shown)
        if poll.outcome is not None:
            self.runner = None
            self.ended.emit((runner, poll.outcome))
