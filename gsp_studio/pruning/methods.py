"""Ways to prune a network to a share of zeros, for comparing them: the same share, then the same fine-tuning.

GSP, at once or while training; magnitude pruning, which drops the smallest weights, at once or gradually; LAMP, whose
scores are magnitudes relative to what a layer has left; and Hoyer's projection of every filter for itself, which GSP
generalises. Magnitudes are compared within each layer or over the whole network, as GSP's groups are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.projection import column_sparse_projection
from gsp_studio.core.vectors import check_target
from gsp_studio.pruning.grouping import Grouping, groups_of
from gsp_studio.pruning.layers import Layer
from gsp_studio.pruning.projection import PrunedNetwork, layers_to_zeros, reported, smallest, zeros_of
from gsp_studio.pruning.support import count_of, first_dropped

#: So far below the target the entries that vanish there are not yet zero.
_BELOW = 1e-6


@dataclass(frozen=True)
class Method:
    """Method of pruning: its names in files, messages and tables, and whether it acts while the network is trained."""

    label: str
    is_induced: bool = False


METHODS: dict[str, Method] = {
    "gsp": Method("GSP, single-shot"),
    "cut": Method("GSP, induced then cut", is_induced=True),
    "control": Method("thresholds in place of GSP, then cut", is_induced=True),
    "induced": Method("GSP, induced to its own zeros", is_induced=True),
    "magnitude": Method("magnitude"),
    "gradual": Method("magnitude, gradual", is_induced=True),
    "lamp": Method("LAMP"),
    "hoyer": Method("Hoyer, each filter"),
}
#: Those whose training does not depend on the share of zeros.
SHARED = ("cut", "control")
#: Those that a recipe compares unless told otherwise.
COMPARED = ("magnitude", "gradual", "lamp", "control", "gsp", "cut")
#: Those that prune a trained network at once and are offered for files.
AT_ONCE = ("gsp", "magnitude", "lamp")


def pruned_weights(method: str, layers: Sequence[Layer], zeros: float, grouping: Grouping) -> dict[str, Array]:
    """New weights of a trained network.

    Parameters
    ----------
    method : str
        A key of `METHODS`; those that act while training end with this.
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
        chosen = replace(grouping, values="shrunken") if method == "induced" else grouping
        return layers_to_zeros(layers, zeros, chosen).weights
    kept = [layer for group in groups_of(layers, grouping) for layer in group.layers]
    if method == "hoyer":
        return _each_vector(kept, zeros, grouping)
    scores = lamp_scores if method == "lamp" else magnitudes
    # The cut of the authors' code and gradual pruning compare all weights, whatever GSP's groups were.
    if grouping.scope == "network" or method in ("cut", "control", "gradual"):
        return smallest_dropped(kept, zeros, scores)
    return {name: new for layer in kept for name, new in smallest_dropped([layer], zeros, scores).items()}


def prune_layers(method: str, layers: Sequence[Layer], zeros: float, grouping: Grouping) -> PrunedNetwork:
    """Prune a trained network to a share of zeros at once, with a report on each layer.

    Parameters
    ----------
    method : "gsp" | "magnitude" | "lamp"
    layers, zeros, grouping
        As for `pruned_weights`.

    Raises
    ------
    ValueError
        Another method, zeros outside [0, 1]; as `groups_of`.
    """
    if method not in AT_ONCE:
        raise ValueError(f'method is "{method}"; accepted are {", ".join(AT_ONCE)}')
    share = check_target(zeros, "zeros")
    if method == "gsp":
        return layers_to_zeros(layers, share, grouping)
    if grouping.own:
        raise ValueError(f"layers have a target of their own only with GSP, not with {method}")
    return reported(pruned_weights(method, layers, share, grouping), layers, grouping)


def lamp_scores(layer: Layer) -> Array:
    """LAMP scores (Lee et al., ICLR 2021): the square of a weight over the sum of those that are not smaller."""
    squares = layer.weights.reshape(-1).astype(np.float64) ** 2
    order = np.argsort(-squares, kind="stable")
    scores = np.zeros_like(squares)
    sums = np.cumsum(squares[order])
    scores[order] = np.divide(squares[order], sums, out=np.zeros_like(sums), where=sums > 0)
    return scores


def magnitudes(layer: Layer) -> Array:
    return np.asarray(np.abs(layer.weights).reshape(-1))


def smallest_dropped(
    layers: Sequence[Layer], zeros: float, scores: Callable[[Layer], Array] = magnitudes
) -> dict[str, Array]:
    """Weights of some layers together with a share of them, of the smallest scores, zero; of equal ones the last."""
    flat = np.concatenate([scores(layer) for layer in layers])
    dropped, _ = first_dropped(flat, count_of(zeros, flat.size))
    pieces = np.split(dropped, np.cumsum([layer.size for layer in layers])[:-1])
    pairs = zip(layers, pieces, strict=True)
    return {layer.name: np.where(piece.reshape(layer.shape), 0, layer.weights) for layer, piece in pairs}


def _each_vector(layers: Sequence[Layer], zeros: float, grouping: Grouping) -> dict[str, Array]:
    """Every vector projected alone to the one s at which the share of zeros is reached.

    There many vectors of one length lose an entry at once, which overshoots: the later ones keep theirs.
    """

    def projected(s: float) -> list[Array]:
        axes = [layer.other_axes(grouping.vectors) for layer in layers]
        pairs = zip(layers, axes, strict=True)
        return [column_sparse_projection(layer.weights, s, axis=axis).values for layer, axis in pairs]

    wanted = count_of(zeros, sum(layer.size for layer in layers))
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
