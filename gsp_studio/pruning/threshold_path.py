"""Threshold path of a network: magnitude pruning or LAMP at any share of zeros, its weights ranked once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.vectors import check_target
from gsp_studio.pruning.grouping import Grouping, groups_of
from gsp_studio.pruning.layers import Layer, average_sparsity
from gsp_studio.pruning.methods import lamp_scores, magnitudes
from gsp_studio.pruning.support import count_of

_SCORES = {"magnitude": magnitudes, "lamp": lamp_scores}


class ThresholdPath:
    """All prunings of a network's layers by the scores of single weights; the target is the share of zeros.

    Parameters
    ----------
    layers : sequence of Layer
    method : "magnitude" | "lamp"
    grouping : Grouping
        Scores are compared over the network, or within each layer.

    Attributes
    ----------
    names : tuple of str
        The layers that are pruned.

    Raises
    ------
    ValueError
        As `groups_of`.

    Notes
    -----
    The weights are those of `prune_layers`: of equal scores the last go first.
    """

    def __init__(self, layers: Sequence[Layer], method: str, grouping: Grouping) -> None:
        kept = [layer for group in groups_of(layers, grouping) for layer in group.layers]
        self.names = tuple(layer.name for layer in kept)
        self._layers = {layer.name: layer for layer in kept}
        self._ranks: dict[str, Array] = {}
        #: Weights that a layer is ranked among.
        self._counts: dict[str, int] = {}
        for together in [kept] if grouping.scope == "network" else [[layer] for layer in kept]:
            flat = np.concatenate([_SCORES[method](layer) for layer in together])
            order = len(flat) - 1 - np.argsort(flat[::-1], kind="stable")  # of equal ones the last first
            ranks = np.empty(len(flat), np.int32 if len(flat) < 2**31 else np.int64)
            ranks[order] = np.arange(len(flat))
            ends = np.cumsum([layer.size for layer in together])
            for layer, end in zip(together, ends.tolist(), strict=True):
                self._ranks[layer.name] = ranks[end - layer.size : end].reshape(layer.shape)
                self._counts[layer.name] = len(flat)

    @property
    def size(self) -> int:
        """Weights that are pruned."""
        return sum(layer.size for layer in self._layers.values())

    @property
    def start(self) -> float:
        """The largest share of zeros at which nothing changes yet."""
        zeros = sum(layer.size - int(np.count_nonzero(layer.weights)) for layer in self._layers.values())
        return zeros / self.size

    def project(self, share: float, only: Collection[str] | None = None) -> dict[str, Array]:
        """The weights at a share of zeros, by name; of some layers alone where that is wanted."""
        target = check_target(share, "zeros")
        return {
            name: np.where(
                self._ranks[name] < count_of(target, self._counts[name]),
                np.zeros((), layer.weights.dtype),
                layer.weights,
            )
            for name, layer in self._layers.items()
            if only is None or name in only
        }

    def at(self, share: float) -> tuple[dict[str, Array], dict[str, float]]:
        """The weights at a share of zeros, and the average sparsity of each layer."""
        new = self.project(share)
        return new, {name: average_sparsity(self._layers[name], values) for name, values in new.items()}

    def sparsities(self, share: float) -> dict[str, float]:
        """Average sparsity of each layer at a share of zeros."""
        return self.at(share)[1]

    def target_for(self, zeros: float) -> float:
        """The share itself, as `NetworkPath.target_for`."""
        return check_target(zeros, "zeros")
