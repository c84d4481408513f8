"""The part of a session that steers: what is changed in a run that is going, and runs that branch off another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gsp_studio.gui.formatting import told
from gsp_studio.gui.session.analyses import Answering
from gsp_studio.gui.session.live_run import LiveRun
from gsp_studio.gui.state import Choice, Mark, Phase, RunEntry
from gsp_studio.gui.sweep.background_sweep import Sweeping

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from gsp_studio.engine.run import Intervention, Record
    from gsp_studio.engine.runner import Runner
    from gsp_studio.io.session_file import SavedRun

_DONE = {"kill": "killed", "split": "split", "reseed": "re-seeded"}


class Steering(Answering):
    """What is asked of the run that is going takes effect after its next iteration."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.phase = Phase.STARTING
        #: Basis images on the screen that the run leaves as they are.
        self.frozen: tuple[int, ...] = ()
        self.marks: tuple[Mark, ...] = ()
        self._work: Any = None
        self._records: list[Record] = []
        self._logged = 0
        self._branch_at: tuple[int, float] | None = None
        self._live = LiveRun(self)
        self._live.steered.connect(self._hear_steps)
        self._live.renumbered.connect(self._renumber)
        self.sweeping = Sweeping(self)
        self._answering = (*self._answering, self.sweeping)

    @property
    def live(self) -> LiveRun:
        """The run that is going, if one is."""
        return self._live

    def _begin(self, runner: Runner, choice: Choice, origin: tuple[int, int] = (0, 0)) -> None:
        """Start a run."""

    def cancel(self) -> None:
        """Stop the run."""

    def text_of_run(self, kind: str) -> str:
        """The run on the screen, or the last one, as "python" or as a "command"; "" where that cannot be."""
        if self.dataset is None or not self.runs.entries:
            return ""
        try:
            return str(self._work.as_text(kind, self.dataset, self.runs.entries[self.runs.index]))
        except ValueError as error:
            self.failed.emit(*told(error))
            return ""

    def show_run(self, index: int) -> None:
        """Bring a run of the list back to the screen."""

    def take_in(self, saved: SavedRun) -> None:
        """Show a run that a sweep computed, as one of the list: that which is there already, or a new one.

        Raises
        ------
        ValueError
            It is not one of these data, or a run is going on.
        """
        from gsp_studio.gui.session_file.run_records import entry_of_cell, is_run_of

        if self.dataset is None or self.phase is not Phase.IDLE:
            raise ValueError("a run is going on; open the cell when it has ended")
        index = next((k for k, entry in enumerate(self.runs.entries) if is_run_of(entry, saved)), -1)
        if index < 0:
            entry = entry_of_cell(saved, self.runs.next_number, self.dataset.X)
            index = self.runs.append(entry)
            self.logged.emit(
                f"{entry.name} is the run behind a cell of the sweep: {entry.label}, seed {entry.choice.seed}."
            )
        self.show_run(index)

    # Targets

    def _steer(self) -> None:
        """The run goes on with the targets and weights that the panels say."""
        runner = self._live.runner
        if runner is not None:
            self._ask(
                lambda: runner.steer(self._work.steered(self.settings.choice, runner.params, self.settings.weights))
            )

    def _ask(self, asking: Callable[[], None]) -> bool:
        try:
            asking()
        except ValueError as error:
            self.failed.emit(*told(error))
            return False
        return True

    # The basis

    @property
    def can_steer(self) -> bool:
        """Whether there is a run whose basis can be changed, and a basis image that is meant."""
        return self.phase in (Phase.RUNNING, Phase.PAUSED) and bool(self.display.marked)

    def toggle_frozen(self) -> None:
        """Leave the selected basis images as they are while the others go on; where all are frozen, release them."""
        runner = self._live.runner
        if runner is None or not self.can_steer:
            return
        chosen = {self._live.number_of(basis) for basis in self.display.marked} - {-1}
        before = set(runner.params.frozen)
        frozen = tuple(sorted(before - chosen if chosen <= before else before | chosen))
        if self._ask(lambda: runner.steer(replace(runner.params, frozen=frozen))):
            self._tell_frozen()

    def kill(self) -> None:
        """Take the selected basis images away."""
        self._edit("kill")

    def split(self) -> None:
        """Make two of each selected basis image."""
        self._edit("split")

    def reseed(self) -> None:
        """Begin the selected basis images anew."""
        self._edit("reseed")

    def _edit(self, kind: str) -> None:
        if not self.can_steer:
            return
        live, make = self._live, self._work.KINDS[kind]
        asked = []
        for basis in sorted(self.display.marked):
            number = live.number_of(basis)
            if number < 0 or not self._ask(lambda number=number: live.edit(make(number))):  # type: ignore[misc]
                break
            asked.append(str(basis + 1))
        if asked and self.phase is Phase.PAUSED:
            self.logged.emit(f"Basis {', '.join(asked)} will be {_DONE[kind]} when the run goes on.")
        if kind == "kill":
            self.display.move_marks(())
        self._tell_frozen()

    def _renumber(self, edit: Any) -> None:
        """The next basis on the screen has this edit."""
        moved = (self._work.renumbered(edit, basis) for basis in self.display.marked)
        self.display.move_marks(tuple(basis for basis in moved if basis >= 0))
        self._tell_frozen()

    def _tell_frozen(self) -> None:
        runner = self._live.runner
        frozen: tuple[int, ...] = ()
        if runner is not None and self.display.shown is not None:
            kept = runner.params.frozen
            frozen = tuple(k for k in range(len(self.display.shown.order)) if self._live.number_of(k) in kept)
        if frozen != self.frozen:
            self.frozen = frozen
            self.frozenChanged.emit(frozen)

    # What was done

    def _hear_steps(self, steps: tuple[Intervention, ...]) -> None:
        assert self._live.runner is not None
        self._set_marks(self._work.marks_of(self._live.runner.spec.params, steps, self._records))

    def _set_marks(self, marks: tuple[Mark, ...]) -> None:
        if marks != self.marks:
            self.marks = marks
            self.marksChanged.emit(marks)

    def _log_marks(self, is_over: bool) -> None:
        """Say what was done; the last one may still go on while the slider moves."""
        for mark in self.marks[self._logged :]:
            is_last = mark is self.marks[-1]
            if is_last and mark.is_target and not is_over and not self._work.is_past(mark, self._records):
                return
            self.logged.emit(f"Run {self.runs.next_number}, {mark.line}.")
            self._logged += 1

    # Branches

    @property
    def branch_end(self) -> int:
        """The last iteration after which a branch is possible of the run on the screen; 0 where none is."""
        if self.phase in (Phase.RUNNING, Phase.PAUSED):
            return len(self._records)
        entry = self.runs.current
        return 0 if entry is None else min(len(entry.records), entry.spec.params.max_iter - 1)

    def branch(self, n_iter: int, sparsity: float) -> None:
        """What if the target had been another one from an iteration on: a run that shares those up to there.

        A run that is going is stopped for it, and kept.
        """
        entry = self.runs.current
        if self.phase in (Phase.RUNNING, Phase.PAUSED):
            self._branch_at = (n_iter, sparsity)
            self.cancel()
        elif self.phase is Phase.IDLE and entry is not None:
            self._branch(entry, n_iter, sparsity)

    def _branch_if_wanted(self) -> None:
        """The run that was to be branched has been stopped."""
        wanted, self._branch_at = self._branch_at, None
        if wanted is not None:
            self.branch(*wanted)

    def _branch(self, entry: RunEntry, n_iter: int, sparsity: float) -> None:
        try:
            runner = self._work.branched(entry, n_iter, sparsity)
        except ValueError as error:
            self.failed.emit(*told(error))
            return
        self._begin(runner, replace(entry.choice, sparsity=sparsity), (entry.number, n_iter))
