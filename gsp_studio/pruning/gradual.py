"""Gradual magnitude pruning (Zhu and Gupta, 2017): the share of zeros rises along a cubic in the course of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gsp_studio.core.vectors import check_target
from gsp_studio.pruning.arguments import epoch_number, whole_number
from gsp_studio.pruning.pruner import GSPPruner, ramp


class GradualMagnitude:
    """Cuts the smallest weights of all layers, again and again, to a share that rises; zeros are held in between.

    Parameters
    ----------
    pruner : GSPPruner
        Of the model; its `cut` is what is called.
    zeros : float
        Share of zeros at the end.
    every : int
        Calls of `step` between two cuts.
    start, end : float
        Epochs between which the share rises. Where a whole epoch has fewer steps than `every`, the first step from
        `end` on cuts to the whole share.

    Raises
    ------
    ValueError
        Arguments that are not accepted.
    """

    def __init__(self, pruner: GSPPruner, zeros: float, every: int, start: float, end: float) -> None:
        self.pruner, self.zeros, self.every = pruner, check_target(zeros, "zeros"), whole_number(every, "every")
        self.start, self.end = epoch_number(start, "start"), epoch_number(end, "end")
        self._ramp = ramp(self.start, self.end)
        self.iterations = 0
        self._is_whole = False  # whether the whole share was cut

    def step(self, epoch: float | None = None) -> bool:
        """Call after every step of the optimizer; whether it has cut.

        Raises
        ------
        ValueError
            No epoch.
        """
        if epoch is None:
            raise ValueError("the share of zeros follows the epoch, so step needs it: step(epoch)")
        if epoch < self.start:
            return False
        self.iterations += 1
        is_turn = (self.iterations - 1) % self.every == 0 and epoch <= self.end + 1
        if not is_turn and not self._is_late(epoch):
            return False
        self.pruner.unfreeze()
        self.pruner.cut(self.zeros * self._ramp(epoch))
        self._is_whole = epoch >= self.end
        return True

    def _is_late(self, epoch: float) -> bool:
        """Whether no turn is left that would cut to the whole share: one comes in the epoch after the last, or none."""
        if self._is_whole or epoch < self.end:
            return False
        per_epoch = (self.iterations - 1) / (self.end - self.start)
        return self.every > per_epoch or epoch > self.end + 1

    def state_dict(self) -> dict[str, Any]:
        """Number of calls, and the state of the pruner with its masks."""
        return {"calls": self.iterations, "is_whole": self._is_whole, "pruner": self.pruner.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.iterations = int(state["calls"])
        self._is_whole = bool(state.get("is_whole", False))
        self.pruner.load_state_dict(state["pruner"])
