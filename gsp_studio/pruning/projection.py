"""Projecting the weights of a network: a group of layers is a group of vectors for the core's projection.

`project_checkpoint` asks for a sparsity, `to_zeros` for a share of zeros. Signs are kept, weights never modified; a
layer that is computed in more digits than its file stores is rounded as the file will be before anything is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.path import SparsityPath
from gsp_studio.core.projection import Projection, group_sparse_projection, project_to_zeros
from gsp_studio.core.vectors import check_target
from gsp_studio.pruning.checkpoint import Checkpoint
from gsp_studio.pruning.grouping import Group, Grouping, groups_of
from gsp_studio.pruning.layers import Layer, average_sparsity, layer_of, reason_against

#: Distance of two targets whose weights cannot be distinguished.
_CLOSE = 1e-12


@dataclass(frozen=True)
class LayerReport:
    """Report on a pruned layer.

    Attributes
    ----------
    name, shape, kind
        Of the layer.
    target : float
        The sparsity that its group had to reach.
    mu : float
        The multiplier of its group.
    sparsity_before, sparsity_after : float
        Average Hoyer sparsity of its vectors.
    zeros_before, zeros_after : float
        Fraction of its weights that are zero.
    status : str
        Whether its group attained the target, in words.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    target: float
    mu: float
    sparsity_before: float
    sparsity_after: float
    zeros_before: float
    zeros_after: float
    status: str

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class PrunedNetwork:
    """New weights of a network, and how it went.

    Attributes
    ----------
    weights : dict of str to ndarray
        By the names of the layers that were pruned; the others are as they were.
    layers : tuple of LayerReport
    sparsity : float
        The target s, as given or found for a share of zeros.
    """

    weights: dict[str, Array]
    layers: tuple[LayerReport, ...]
    sparsity: float

    @property
    def zeros(self) -> float:
        """Fraction of zeros in the layers that were pruned."""
        return sum(layer.zeros_after * layer.size for layer in self.layers) / sum(layer.size for layer in self.layers)


def project_checkpoint(checkpoint: Checkpoint, sparsity: float, grouping: Grouping | None = None) -> PrunedNetwork:
    """Project a network to an average Hoyer sparsity, once: the paper's single-shot mode.

    Parameters
    ----------
    checkpoint : Checkpoint
    sparsity : float
        Target s in [0, 1] of every group that has none of its own.
    grouping : Grouping, optional
        By default every layer a group of its own, filters and rows as vectors.

    Returns
    -------
    Pruned

    Raises
    ------
    ValueError
        A sparsity outside [0, 1]; as `groups_of`.

    References
    ----------
    Ohib et al., TMLR 2022, section 4.
    """
    return project_layers(checkpoint.layers, sparsity, grouping)


def project_layers(layers: Sequence[Layer], sparsity: float, grouping: Grouping | None = None) -> PrunedNetwork:
    """Project layers as `project_checkpoint` does."""
    target = check_target(sparsity, "sparsity")
    return _project(groups_of(layers, grouping or Grouping()), target)


def project_weights(weights: Mapping[str, Array], sparsity: float, grouping: Grouping | None = None) -> PrunedNetwork:
    """Project arrays by name as `project_checkpoint` does; those that are no layers (`reason_against`) are left out."""
    return project_layers(layers_of(weights), sparsity, grouping)


def layers_of(weights: Mapping[str, Array]) -> list[Layer]:
    """The layers among arrays by name.

    Raises
    ------
    ValueError
        None.
    """
    layers = []
    for name, values in weights.items():
        array = np.asarray(values)
        if not reason_against(name, array.shape, array.dtype in (np.float32, np.float64)):
            layers.append(layer_of(name, array))
    if not layers:
        raise ValueError("the network has no layer to prune: no floating array of two or more dimensions")
    return layers


def to_zeros(checkpoint: Checkpoint, zeros: float, grouping: Grouping | None = None) -> PrunedNetwork:
    """Project a network so that a share of its weights is zero: the smallest target s that does it.

    Parameters
    ----------
    checkpoint : Checkpoint
    zeros : float
        Fraction of zeros wanted in all layers that are pruned together, 0 to 1, counting zeros that are there.
    grouping : Grouping, optional
        One group over the network is solved exactly by a selection; layers that share one s, by bisection. Layers with
        a target of their own keep it, and their zeros count.

    Returns
    -------
    Pruned
        Its `sparsity` is the s that was found: `project_checkpoint` gives the same weights for it, but for rounding at
        the last weight that went. Where every vector is down to one weight before so many are zero, that comes back.

    Raises
    ------
    ValueError
        zeros outside [0, 1]; as `groups_of`.
    """
    return layers_to_zeros(checkpoint.layers, zeros, grouping)


def layers_to_zeros(layers: Sequence[Layer], zeros: float, grouping: Grouping | None = None) -> PrunedNetwork:
    """Project layers as `to_zeros` does."""
    share = check_target(zeros, "zeros")
    groups = groups_of(layers, grouping or Grouping())
    free = [group for group in groups if group.own is None]
    if not free:
        raise ValueError("all layers have a target of their own; none is left for the share of zeros")
    own = _project([group for group in groups if group.own is not None], 0.0)
    present = sum(round(layer.zeros_after * layer.size) for layer in own.layers)
    wanted = max(0, math.ceil(share * sum(group.size for group in groups)) - present)
    wanted = min(wanted, sum(group.size for group in free))
    if len(free) == 1:
        x, axis = _vectors(free[0])
        found = project_to_zeros(x, wanted, axis=axis)
        made = _assemble(free, [found], [found.sparsity], found.sparsity)
    else:
        made = _project(free, _target_for(free, wanted))
    by_name = {layer.name: layer for layer in (*made.layers, *own.layers)}
    order = [layer.name for layer in layers if layer.name in by_name]
    weights = {**made.weights, **own.weights}
    return PrunedNetwork({name: weights[name] for name in order}, tuple(by_name[name] for name in order), made.sparsity)


def _target_for(groups: Sequence[Group], wanted: int) -> float:
    """The smallest s, shared by all groups, at which so many weights are zero."""
    paths = [path_of(group) for group in groups]

    def zeros_at(s: float) -> int:
        return sum(zeros_of(path.project(s).values) for path in paths)

    return smallest(zeros_at, wanted)


def zeros_of(values: Array) -> int:
    """Count the values that are zero."""
    return values.size - int(np.count_nonzero(values))


def smallest(zeros_at: Callable[[float], int], wanted: int) -> float:
    """The smallest s in [0, 1] for which a rising count reaches a number, to 1e-12; 1 where none does."""
    low, high = 0.0, 1.0
    if zeros_at(low) >= wanted:
        return low
    while high - low > _CLOSE:
        middle = (low + high) / 2
        found = zeros_at(middle)
        if found >= wanted:
            high = middle
            if found == wanted:
                break
        else:
            low = middle
    return high


def path_of(group: Group) -> SparsityPath:
    """The sparsity path of a group: sorted once, then any target at once."""
    x, axis = _vectors(group)
    return SparsityPath(x, axis=axis, copy=False)


def _vectors(group: Group) -> tuple[Any, Any]:
    """Input of the core: the weights of one layer as they lie, or those of several in one buffer; and the axis."""
    if len(group.layers) == 1:
        return group.layers[0].weights, group.layers[0].other_axes(group.vectors)
    return group.pack(), 0


def _project(groups: Sequence[Group], s: float) -> PrunedNetwork:
    projections, targets = [], []
    for group in groups:
        target = s if group.own is None else group.own
        x, axis = _vectors(group)
        out = x.values if len(group.layers) > 1 else None  # a buffer of its own
        projections.append(group_sparse_projection(x, target, axis=axis, out=out))
        targets.append(target)
    return _assemble(groups, projections, targets, s)


def _assemble(
    groups: Sequence[Group], projections: Sequence[Projection], targets: Sequence[float], s: float
) -> PrunedNetwork:
    weights, reports = {}, []
    for group, projection, target in zip(groups, projections, targets, strict=True):
        new = weights_of(group, projection.values)
        weights.update(new)
        sparsities = np.asarray(projection.sparsities).reshape(-1)
        for layer, members in zip(group.layers, group.members, strict=True):
            after = float(np.mean(sparsities[members]))
            reports.append(report_of(layer, new[layer.name], group, after, target, projection))
    return PrunedNetwork(weights, tuple(reports), s)


def weights_of(group: Group, values: Array) -> dict[str, Array]:
    """Weights that a projection of a group gave, by the names of its layers, as their files store them."""
    new = {group.layers[0].name: values} if len(group.layers) == 1 else group.unpack(values)
    return {layer.name: _as_stored(new[layer.name], layer.dtype) for layer in group.layers}


def _as_stored(values: Array, dtype: str) -> Array:
    """Values rounded to the digits that their file stores."""
    if dtype in ("float32", "float64"):
        return values
    if dtype == "bfloat16":
        import ml_dtypes

        return values.astype(ml_dtypes.bfloat16).astype(np.float32)
    with np.errstate(over="ignore"):
        return values.astype(dtype).astype(np.float32)


def report_of(
    layer: Layer, new: Array, group: Group, sparsity: float, target: float, projection: Projection
) -> LayerReport:
    """A layer before and after."""
    is_usual = group.vectors == "filters"
    return LayerReport(
        name=layer.name,
        shape=layer.shape,
        kind=layer.kind,
        target=target,
        mu=projection.mu,
        sparsity_before=layer.sparsity if is_usual else average_sparsity(layer, layer.weights, group.vectors),
        sparsity_after=sparsity,
        zeros_before=layer.zeros,
        zeros_after=zeros_of(new) / new.size,
        status=projection.status.value,
    )
