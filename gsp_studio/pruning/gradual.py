"""Gradual magnitude pruning (Zhu and Gupta, 2017): the share of zeros rises along a cubic in the course of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
        Epochs between which the share rises.
    """

    def __init__(self, pruner: GSPPruner, zeros: float, every: int, start: float, end: float) -> None:
        self.pruner, self.zeros, self.every, self.end = pruner, zeros, every, end
        self.start = start
        self._ramp = ramp(start, end)
        self.iterations = 0

    def step(self, epoch: float | None = None) -> bool:
        """Call after every step of the optimizer; whether it has cut."""
        if epoch is None or epoch < self.start:
            return False
        self.iterations += 1
        if (self.iterations - 1) % self.every or epoch > self.end + 1:
            return False
        self.pruner.unfreeze()
        self.pruner.cut(self.zeros * self._ramp(epoch))
        return True

    def state_dict(self) -> dict[str, Any]:
        """Number of calls, and the state of the pruner with its masks."""
        return {"calls": self.iterations, "pruner": self.pruner.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.iterations = int(state["calls"])
        self.pruner.load_state_dict(state["pruner"])
