"""The run that is going: what a worker brings of it, and what is asked of it, which takes effect after an iteration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.state import Progress
from gsp_studio.gui.texts import error_texts

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.edits import Edit
    from gsp_studio.core.results import Iterate
    from gsp_studio.engine.run import Intervention
    from gsp_studio.engine.runner import Runner
    from gsp_studio.gui.state import RunSettings

#: Iterates that are still so close to the random start that the order of their basis images means nothing.
_YOUNG = 3

_DONE = {"kill": "killed", "split": "split", "reseed": "re-seeded"}


class LiveRun(QObject):
    """One run at a time, polled; its last signal is `ended`."""

    progressed = Signal(object)  # Progress
    recordsAdded = Signal(object)  # tuple of Record
    steered = Signal(object, object)  # the Params that the run began with, tuple of all Interventions so far
    renumbered = Signal(object)  # Edit that the next iterate shows
    killed = Signal()  # the basis images that were meant have been asked to go
    frozenChanged = Signal(object)  # tuple of the basis images that the run leaves as they are
    iterated = Signal(object)  # DisplayedBasis
    ended = Signal(object, object)  # Runner, Outcome
    failed = Signal(str, str)
    logged = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.runner: Runner | None = None
        #: Number of the run that this one is a branch of, and how many iterations they share; (0, 0) for none.
        self.origin = (0, 0)
        #: Basis images on the screen that the run leaves as they are.
        self.frozen: tuple[int, ...] = ()
        self._name = ""
        self._is_paused = False
        self.is_cancelled = False
        self._order: Array | None = None
        self._steps: tuple[Intervention, ...] = ()
        self._to_show: list[Intervention] = []
        #: Edits that no iterate on the screen has had yet, in order.
        self._unseen: list[Edit] = []

    @property
    def is_going(self) -> bool:
        """Whether there is a run that has not ended."""
        return self.runner is not None

    def start(self, runner: Runner, name: str, origin: tuple[int, int] = (0, 0)) -> None:
        """Begin a run that messages call `name`."""
        self.runner, self._name, self.origin = runner, name, origin
        self._is_paused = self.is_cancelled = False
        self._order, self._steps, self._to_show = None, (), []
        self._unseen = [edit for edit in map(_edit_of, runner.replay) if edit is not None]
        runner.start()
        self.progressed.emit(Progress(0, runner.spec.params.max_iter))

    def pause(self) -> None:
        """Stand still at the end of an iteration."""
        if self.runner is not None:
            self._is_paused = True
            self.runner.pause()

    def resume(self) -> None:
        """Go on."""
        if self.runner is not None:
            self._is_paused = False
            self.runner.resume()

    def cancel(self) -> None:
        """Stop at the end of an iteration, and keep the best iterate."""
        if self.runner is not None:
            self.is_cancelled = True
            self.runner.cancel()

    def close(self, timeout: float) -> bool:
        """Cancel and wait; True when no thread is left."""
        if self.runner is None:
            return True
        self.runner.cancel()
        return self.runner.join(timeout)

    # What is asked of it

    def steer(self, choice: RunSettings, weights: Array | None) -> None:
        """Go on with these targets and weights."""
        runner = self.runner
        if runner is not None:
            from gsp_studio.gui.jobs.compute import steer

            self._ask(lambda: runner.steer(steer(choice, runner.params, weights)))

    def can_edit(self, bases: tuple[int, ...]) -> bool:
        """Whether there is a run whose basis can be changed, and a basis image that is meant."""
        return self.is_going and not self.is_cancelled and bool(bases)

    def toggle_frozen(self, bases: tuple[int, ...]) -> None:
        """Leave basis images as they are while the others go on; where all of them are frozen, release them."""
        runner = self.runner
        if runner is None or not self.can_edit(bases):
            return
        chosen = {self.number_of(basis) for basis in bases} - {-1}
        before = set(runner.params.frozen)
        frozen = tuple(sorted(before - chosen if chosen <= before else before | chosen))
        if self._ask(lambda: runner.steer(replace(runner.params, frozen=frozen))):
            self._tell_frozen()

    def kill(self, bases: tuple[int, ...]) -> None:
        """Take basis images away."""
        self._edit("kill", bases)

    def split(self, bases: tuple[int, ...]) -> None:
        """Make two of each of these basis images."""
        self._edit("split", bases)

    def reseed(self, bases: tuple[int, ...]) -> None:
        """Begin basis images anew."""
        self._edit("reseed", bases)

    def _edit(self, kind: str, bases: tuple[int, ...]) -> None:
        if not self.can_edit(bases):
            return
        from gsp_studio.core.edits import KINDS

        asked = []
        for basis in sorted(bases):
            number = self.number_of(basis)
            if number < 0 or not self._ask(lambda number=number: self._edit_one(KINDS[kind](number))):  # type: ignore[misc]
                break
            asked.append(str(basis + 1))
        if asked and self._is_paused:
            self.logged.emit(f"Basis {', '.join(asked)} will be {_DONE[kind]} when the run goes on.")
        if kind == "kill":
            self.killed.emit()
        self._tell_frozen()

    def _edit_one(self, edit: Edit) -> None:
        assert self.runner is not None
        self.runner.edit(edit)
        self._unseen.append(edit)

    def _ask(self, asking: Callable[[], None]) -> bool:
        try:
            asking()
        except ValueError as error:
            self.failed.emit(*error_texts(error))
            return False
        return True

    def number_of(self, basis: int) -> int:
        """The number that a basis image on the screen has for the runner, after all that was asked; -1: it is gone."""
        from gsp_studio.core.edits import renumber

        for edit in self._unseen:
            if basis >= 0:
                basis = renumber(edit, basis)
        return basis

    def _tell_frozen(self) -> None:
        frozen: tuple[int, ...] = ()
        if self.runner is not None:
            kept = self.runner.params.frozen
            count = self.runner.spec.params.rank if self._order is None else len(self._order)
            frozen = tuple(basis for basis in range(count) if self.number_of(basis) in kept)
        if frozen != self.frozen:
            self.frozen = frozen
            self.frozenChanged.emit(frozen)

    # What it brings

    def poll(self) -> None:
        """Tell what is new."""
        runner = self.runner
        if runner is None:
            return
        poll = runner.poll()
        if poll.records:
            last = poll.records[-1]
            each = last.seconds / last.n_iter
            self.progressed.emit(Progress(last.n_iter, runner.spec.params.max_iter, each, last.seconds, last.trial))
            self.recordsAdded.emit(poll.records)
        if poll.interventions:
            self._steps += poll.interventions
            self._to_show += [step for step in poll.interventions if _edit_of(step) is not None]
            self.steered.emit(runner.spec.params, self._steps)
        if poll.iterate is not None:
            self._show(poll.iterate, runner)
        if poll.outcome is not None:
            self.runner = None
            self._tell_frozen()
            self.ended.emit(runner, poll.outcome)

    def _show(self, it: Iterate, runner: Runner) -> None:
        from gsp_studio.gui.jobs.compute import shown_of

        while self._to_show and self._to_show[0].n_iter < it.n_iter:
            edit = _edit_of(self._to_show.pop(0))
            assert edit is not None
            self._apply(edit)
        # What orders the tiles comes after the first few iterates; no tile moves from then on.
        order = None if it.n_iter <= _YOUNG else self._order
        shown = shown_of(it, it.target, it.target_h, order, self._name, runner.params)
        self._order = shown.order
        self.iterated.emit(shown)

    def _apply(self, edit: Edit) -> None:
        """The next iterate has this edit."""
        self._unseen.remove(edit)
        if self._order is not None:
            self._order = _order_after(edit, self._order)
        self.renumbered.emit(edit)
        self._tell_frozen()


def _order_after(edit: Edit, order: Array) -> Array:
    """Return the order of tiles with some gone, the others in their order, and new ones last."""
    from gsp_studio.core.edits import Split, renumber

    numbers = [renumber(edit, int(basis)) for basis in order]
    kept = [number for number in numbers if number >= 0]
    if isinstance(edit, Split):
        kept.append(len(kept))
    return np.array(kept)


def _edit_of(step: Intervention) -> Edit | None:
    """The edit of the basis that a step is; None where it is about parameters."""
    from gsp_studio.core.nmf import Params

    return None if isinstance(step.change, Params) else step.change
