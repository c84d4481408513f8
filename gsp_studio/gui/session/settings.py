"""Settings of the next run: its parameters, its weights, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.state import RunSettings

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.params import Params
    from gsp_studio.engine.proposal import Proposal
    from gsp_studio.io.dataset import Dataset


class Settings(QObject):
    """Values edited by the panels. A value is told first to views of it, then as set, for what follows."""

    choiceChanged = Signal(object)  # RunSettings
    choiceSet = Signal(object, object)  # the RunSettings before, the one that the user made of it
    targetsSet = Signal()  # the same, but for nothing but the targets
    weightsChanged = Signal(object)  # ndarray (m,), or None: all equal
    weightsSet = Signal()
    schedulerChanged = Signal(str)  # address of the cluster of the next runs, "" for this computer
    settled = Signal(str)  # the hand is off what was moved, called so
    logged = Signal(str)
    edited = Signal(str)  # the user has finished a change that can be undone, called so

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.choice = RunSettings()
        #: Cost of using each pixel (m,), for the weighted method; None: all the same. Never written again.
        self.weights: Array | None = None
        #: Where the next runs are computed: the address of a cluster, "" for this computer.
        self.scheduler = ""
        #: A run is going on: nothing but its targets and weights can be changed.
        self.is_fixed = False
        self._proposed: Proposal | None = None
        #: A rank that the data at hand cannot have, and the one that they got in its place.
        self._lowered: tuple[int, int] | None = None

    @property
    def params(self) -> Params:
        """Parameters of the next run, without weights."""
        return self.choice.params

    def take(self, choice: RunSettings) -> None:
        """Show the choice of a run, which has consequences of its own."""
        self.choice = choice
        self.choiceChanged.emit(choice)

    def bring_back(self, choice: RunSettings, weights: Array | None) -> None:
        """Show a former choice, or a run's, and its weights, whose consequences are brought back beside them."""
        self.take(choice)
        if weights is not self.weights:
            self.weights = weights
            self.weightsChanged.emit(weights)

    def begin_anew(self, dataset: Dataset) -> None:
        """For other data: a rank and held-out entries that they can have, free coefficients, and equal weights."""
        if self.weights is not None:
            self.weights = None
            self.weightsChanged.emit(None)
        from gsp_studio.engine.proposal import proposal_for

        rank = self.params.rank
        sparsity = self.params.sparsity
        if self._proposed is not None and (rank, sparsity) == (self._proposed.rank, self._proposed.sparsity):
            usual = RunSettings().params
            rank, sparsity = usual.rank, usual.sparsity
        self._proposed = proposal_for(dataset)
        if self._proposed is not None:
            rank, sparsity, self._lowered = self._proposed.rank, self._proposed.sparsity, None
            self.logged.emit(f"{self._proposed.why[:1].upper()}{self._proposed.why[1:]}.")
        rank = self._possible_rank(rank, min(dataset.X.shape))
        changes: dict[str, Any] = {"sparsity_h": None, "rank": rank, "sparsity": sparsity}
        if not isinstance(dataset.X, np.ndarray):  # they stay in their file, where nothing can be left out
            changes["held_out"] = 0.0
        self.take(self.choice.with_params(**changes))

    def _possible_rank(self, rank: int, most: int) -> int:
        """A rank for data that can have `most`; that of before smaller data came, once there are larger ones.

        Half of what is possible: with as many basis images as images, each may copy one.
        """
        if self._lowered is not None and rank == self._lowered[1]:
            rank = self._lowered[0]
        self._lowered = None
        if rank <= most:
            return rank
        lower = max(1, most // 2)
        self._lowered = rank, lower
        self.logged.emit(f"Rank {lower} is proposed: {rank} is more than these data can have, {most}.")
        return lower

    def set_choice(self, choice: RunSettings) -> None:
        """Take what the model panel says."""
        if choice != self.choice and not self.is_fixed:
            before = self.choice
            self.take(choice)
            self.choiceSet.emit(before, choice)
            self.edited.emit("settings")

    def make_room(self, count: int) -> None:
        """Raise the rank to `count`, where there are more seeds than basis images."""
        if count > self.params.rank:
            self.set_choice(self.choice.with_params(rank=count))

    def set_sparsity(self, s: float) -> None:
        """Set the target of the basis, which can be moved while a run is going on."""
        self.set_targets(s, self.params.sparsity_h)

    def set_sparsity_h(self, s: float | None) -> None:
        """Set the target of the coefficients; 0 or None leaves them free."""
        self.set_targets(self.params.sparsity, s)

    def set_held_out(self, share: float) -> None:
        """Set the share of the entries that the next runs leave out and predict."""
        self.set_choice(self.choice.with_params(held_out=share))

    def set_targets(self, sparsity: float, sparsity_h: float | None) -> None:
        """Set both at once."""
        self.take(self.choice.with_params(sparsity=sparsity, sparsity_h=sparsity_h or None))
        self.targetsSet.emit()

    def step_sparsity(self, step: float) -> None:
        """Move the target by a step, within [0, 1]."""
        self.set_sparsity(round(min(1.0, max(0.0, self.params.sparsity + step)), 4))
        self.settle_sparsity()

    def settle_sparsity(self) -> None:
        """Settle after the slider was released."""
        self.settled.emit("sparsity")

    def set_weights(self, weights: Array | None) -> None:
        """Set what it costs to use each pixel (m,); None: all the same."""
        if weights is not self.weights:
            self.weights = weights
            self.weightsChanged.emit(weights)
            self.weightsSet.emit()

    def load_weights(self, weights: Array) -> None:
        """Set weights at once: a step of its own."""
        self.set_weights(weights if np.ptp(weights) > 0 else None)
        self.settle_weights()

    def settle_weights(self) -> None:
        """The brush was lifted."""
        self.settled.emit("weights")

    def set_scheduler(self, address: str) -> None:
        """Compute the next runs on a cluster, "" for this computer."""
        self.scheduler = address
        self.schedulerChanged.emit(address)
