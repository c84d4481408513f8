"""The run that is going: what a worker brings of it, and what can be asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.state import Choice, Progress

if TYPE_CHECKING:
    from gsp_studio.core.edits import Edit
    from gsp_studio.engine.run import Intervention
    from gsp_studio.engine.runner import Runner

#: Iterates that are still so close to the random start that the order of their basis images means nothing.
_YOUNG = 3


class LiveRun(QObject):
    """One run at a time, polled; its last signal is `ended`."""

    progressed = Signal(object)  # Progress
    recordsAdded = Signal(object)  # tuple of Record
    steered = Signal(object)  # tuple of all Interventions so far
    renumbered = Signal(object)  # Edit that the next iterate shows
    iterated = Signal(object)  # Shown
    ended = Signal(object)  # (Runner, Outcome)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.runner: Runner | None = None
        self.choice = Choice()
        #: Number of the run that this one is a branch of, and how many iterations they share; (0, 0) for none.
        self.origin = (0, 0)
        self._work: Any = None
        self._name = ""
        self._order: Any = None
        self._steps: tuple[Intervention, ...] = ()
        self._to_show: list[Intervention] = []
        #: Edits that no iterate on the screen has had yet, in order.
        self._unseen: list[Any] = []

    @property
    def is_going(self) -> bool:
        """Whether there is a run that has not ended."""
        return self.runner is not None

    def start(self, work: Any, runner: Runner, choice: Choice, name: str, origin: tuple[int, int] = (0, 0)) -> None:
        """Begin; `choice` is what it began with, `name` what people call it."""
        self._work, self.runner, self.choice, self._name, self.origin = work, runner, choice, name, origin
        self._order, self._steps, self._to_show = None, (), []
        self._unseen = [step.change for step in runner.replay if self._is_edit(step)]
        runner.start()
        self.progressed.emit(Progress(0, choice.max_iter))

    def close(self, timeout: float) -> bool:
        """Cancel and wait; True when no thread is left."""
        if self.runner is None:
            return True
        self.runner.cancel()
        return self.runner.join(timeout)

    def edit(self, edit: Edit) -> None:
        """Ask for an edit of the basis; ValueError where it cannot be."""
        assert self.runner is not None
        self.runner.edit(edit)
        self._unseen.append(edit)

    def number_of(self, basis: int) -> int:
        """The number that a basis image on the screen has for the runner, after all that was asked; -1: it is gone."""
        for edit in self._unseen:
            if basis >= 0:
                basis = self._work.renumbered(edit, basis)
        return basis

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
        if poll.interventions:
            self._steps += poll.interventions
            self._to_show += [step for step in poll.interventions if self._is_edit(step)]
            self.steered.emit(self._steps)
        if poll.iterate is not None:
            it = poll.iterate
            while self._to_show and self._to_show[0].n_iter < it.n_iter:
                self._apply(self._to_show.pop(0).change)
            # What orders the tiles comes after the first few iterates; no tile moves from then on.
            order = None if it.n_iter <= _YOUNG else self._order
            shown = self._work.shown_of(it, it.target, it.target_h, order, self._name, runner.params.weights)
            self._order = shown.order
            self.iterated.emit(shown)
        if poll.outcome is not None:
            self.runner = None
            self.ended.emit((runner, poll.outcome))

    def _is_edit(self, step: Intervention) -> bool:
        return isinstance(step.change, tuple(self._work.KINDS.values()))

    def _apply(self, edit: Any) -> None:
        """The next iterate has this edit: where a tile goes, the others stay in order; a new one is the last."""
        self._unseen.remove(edit)
        if self._order is not None:
            numbers = [self._work.renumbered(edit, basis) for basis in self._order]
            kept = [number for number in numbers if number >= 0]
            if isinstance(edit, self._work.KINDS["split"]):
                kept.append(len(kept))
            self._order = np.array(kept)
        self.renumbered.emit(edit)
