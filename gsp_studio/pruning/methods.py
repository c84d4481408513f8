"""Ways to prune a network to a share of zeros, for comparing them: the same share, then the same fine-tuning.

GSP, alone or while training; magnitude pruning, which drops the smallest weights; and Hoyer's projection of every
filter for itself, which GSP generalises. Magnitudes are compared within each layer or over the whole network, as GSP's
groups are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.projection import column_sparse_projection
from gsp_studio.pruning.grouping import Grouping, groups_of
from gsp_studio.pruning.layers import Layer
from gsp_studio.pruning.projection import layers_to_zeros, smallest, zeros_of

#: So far below the target the entries that vanish there are not yet zero.
_BELOW = 1e-6


@dataclass(frozen=True)
class Method:
    """Method of pruning: its names in files, messages and tables, and whether it acts while the network is trained."""

    label: str
    is_induced: bool = False


METHODS: dict[str, Method] = {
    "gsp": Method("GSP, single-shot"),
    "induced": Method("GSP, induced", is_induced=True),
    "magnitude": Method("magnitude"),
    "hoyer": Method("Hoyer, each filter"),
}


def pruned_weights(method: str, layers: Sequence[Layer], zeros: float, grouping: Grouping) -> dict[str, Array]:
    """New weights of a trained network.

    Parameters
    ----------
    method : str
        "gsp", "magnitude" or "hoyer"; "induced" for the last projection of a training.
    layers : sequence of Layer
    zeros : float
        The share of weights that shall be zero.
    grouping : Grouping

    Returns
    -------
    dict of str to ndarray
        By the names of layers, for those that the grouping does not leave out.
    """
    if method in ("gsp", "induced"):
        return layers_to_zeros(layers, zeros, grouping).weights
    chosen = [layer for group in groups_of(layers, grouping) for layer in group.layers]
    if method == "hoyer":
        return _each_vector(chosen, zeros, grouping)
    if grouping.scope == "network":
        return _smallest_dropped(chosen, zeros)
    return {name: new for layer in chosen for name, new in _smallest_dropped([layer], zeros).items()}


def _smallest_dropped(layers: Sequence[Layer], zeros: float) -> dict[str, Array]:
    """All but the largest weights of some layers together set to zero; among equal ones the last go first."""
    flat = np.concatenate([layer.weights.reshape(-1) for layer in layers])
    count = math.ceil(zeros * flat.size)
    new = flat.copy()
    new[np.argsort(-np.abs(flat), kind="stable")[flat.size - count :]] = 0
    pieces = np.split(new, np.cumsum([layer.size for layer in layers])[:-1])
    return {layer.name: piece.reshape(layer.shape) for layer, piece in zip(layers, pieces, strict=True)}


def _each_vector(layers: Sequence[Layer], zeros: float, grouping: Grouping) -> dict[str, Array]:
    """Every vector projected alone to the one s at which the share of zeros is reached.

    There many vectors of one length lose an entry at once, which overshoots: the later ones keep theirs.
    """

    def projected(s: float) -> list[Array]:
        axes = [layer.other_axes(grouping.vectors) for layer in layers]
        pairs = zip(layers, axes, strict=True)
        return [column_sparse_projection(layer.weights, s, axis=axis).values for layer, axis in pairs]

    wanted = math.ceil(zeros * sum(layer.size for layer in layers))
    s = smallest(lambda s: sum(map(zeros_of, projected(s))), wanted)
    above, below = projected(s), projected(max(0.0, s - _BELOW))
    missing = wanted - sum(map(zeros_of, below))
    new = {}
    for layer, more, less in zip(layers, above, below, strict=True):
        rows, kept = layer.rows(more, grouping.vectors), layer.rows(less, grouping.vectors)
        gains = (rows == 0).sum(axis=1) - (kept == 0).sum(axis=1)
        is_enough = np.cumsum(gains) - gains >= missing
        missing -= int(gains[~is_enough].sum())
        counted = tuple(axis for axis in range(less.ndim) if axis not in layer.other_axes(grouping.vectors))
        shape = [less.shape[axis] if axis in counted else 1 for axis in range(less.ndim)]
        new[layer.name] = np.where(is_enough.reshape(shape), less, more)
    return new
