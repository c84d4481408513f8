"""Pruning the weights of a network: a group of layers is a group of vectors for the core's projection.

`project_checkpoint` asks for a sparsity, `to_zeros` for a share of zeros. Signs are kept, weights never modified; a
layer that is computed in more digits than its file stores is rounded as the file will be before anything is reported.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.vectors import check_target
from gsp_studio.pruning.checkpoint import Checkpoint
from gsp_studio.pruning.grouping import Group, Grouping, groups_of
from gsp_studio.pruning.layers import Layer, average_sparsity, layer_of, reason_against
from gsp_studio.pruning.support import Found, Problem, count_of

#: Distance of two targets whose weights cannot be distinguished.
_CLOSE = 1e-12
#: So far below a shared target the entries that vanish there are still kept.
_STEP = 1e-6


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
    emptied : int
        Vectors without any weight left.
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
    emptied: int
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
    PrunedNetwork

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
    return _projected(problems_of(layers, grouping), target)


def problems_of(layers: Sequence[Layer], grouping: Grouping | None = None) -> list[Problem]:
    """The groups of some layers, as the projection is asked about them; raises as `groups_of`."""
    chosen = grouping or Grouping()
    return [Problem(group, chosen) for group in groups_of(layers, chosen)]


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
        a target of their own keep it, and their zeros count. Of equal weights the last go first, so the share is met
        to a weight.

    Returns
    -------
    PrunedNetwork
        Its `sparsity` is the s that was found: `project_checkpoint` gives the same weights for it, but for rounding at
        the last weight that went. Where every vector keeps one weight and is down to that before so many are zero, that
        comes back, with a warning.

    Raises
    ------
    ValueError
        zeros outside [0, 1]; as `groups_of`.
    """
    return layers_to_zeros(checkpoint.layers, zeros, grouping)


def layers_to_zeros(layers: Sequence[Layer], zeros: float, grouping: Grouping | None = None) -> PrunedNetwork:
    """Project layers as `to_zeros` does."""
    share = check_target(zeros, "zeros")
    problems = problems_of(layers, grouping)
    free = [problem for problem in problems if problem.group.own is None]
    if not free:
        raise ValueError("all layers have a target of their own; none is left for the share of zeros")
    own = _projected([problem for problem in problems if problem.group.own is not None], 0.0)
    present = sum(round(layer.zeros_after * layer.size) for layer in own.layers)
    asked = count_of(share, sum(problem.group.size for problem in problems))
    wanted = max(0, asked - present)
    wanted = min(wanted, sum(problem.group.size for problem in free))
    if len(free) == 1:
        found = free[0].to_zeros(wanted)
        made = _assembled(free, [found], [found.sparsity], found.sparsity)
    else:
        s = _target_for(free, wanted)
        made = _assembled(free, _shared_out(free, s, wanted), [s] * len(free), s)
    by_name = {layer.name: layer for layer in (*made.layers, *own.layers)}
    order = [layer.name for layer in layers if layer.name in by_name]
    weights = {**made.weights, **own.weights}
    pruned = PrunedNetwork(
        {name: weights[name] for name in order}, tuple(by_name[name] for name in order), made.sparsity
    )
    reached = sum(zeros_of(values) for values in pruned.weights.values())
    if reached < asked:
        warnings.warn(
            f"{share:.2%} zeros are out of reach here: {pruned.zeros:.2%} is as near as these layers come"
            + (", as every vector keeps a weight" if free[0].grouping.keep_one else ""),
            stacklevel=3,
        )
    return pruned


def _target_for(problems: Sequence[Problem], wanted: int) -> float:
    """The smallest s, shared by all groups, at which so many weights are zero."""
    paths = [problem.path() for problem in problems]

    def zeros_at(s: float) -> int:
        pairs = zip(problems, paths, strict=True)
        return sum(_zeros_in(problem.found(path.project(s)).weights) for problem, path in pairs)

    return smallest(zeros_at, wanted)


def _shared_out(problems: Sequence[Problem], s: float, wanted: int) -> list[Found]:
    """The groups at a shared s; where its last step takes too many weights at once, the last of them come back."""
    made = [problem.project(s) for problem in problems]
    counts = [_zeros_in(found.weights) for found in made]
    below = [_zeros_in(problem.project(max(0.0, s - _STEP)).weights) for problem in problems]
    surplus = sum(counts) - wanted
    for k in np.argsort(np.subtract(below, counts), kind="stable").tolist():
        back = min(surplus, counts[k] - below[k])
        if back > 0:
            made[k] = problems[k].to_zeros(counts[k] - back)
            surplus -= back
    return made


def _zeros_in(weights: Mapping[str, Array]) -> int:
    return sum(zeros_of(values) for values in weights.values())


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


def _assembled(problems: Sequence[Problem], made: Sequence[Found], targets: Sequence[float], s: float) -> PrunedNetwork:
    weights, reports = {}, []
    for problem, found, target in zip(problems, made, targets, strict=True):
        new = weights_of(problem.group, found)
        weights.update(new)
        reports += [report_of(layer, new[layer.name], problem.group, target, found) for layer in problem.group.layers]
    return PrunedNetwork(weights, tuple(reports), s)


def _projected(problems: Sequence[Problem], s: float) -> PrunedNetwork:
    targets = [s if problem.group.own is None else problem.group.own for problem in problems]
    made = [problem.project(target) for problem, target in zip(problems, targets, strict=True)]
    return _assembled(problems, made, targets, s)


def weights_of(group: Group, found: Found) -> dict[str, Array]:
    """New weights of a group by the names of its layers, as their files store them."""
    return {layer.name: _as_stored(found.weights[layer.name], layer.dtype) for layer in group.layers}


def _as_stored(values: Array, dtype: str) -> Array:
    """Values rounded to the digits that their file stores; none becomes zero by that."""
    if dtype in ("float32", "float64"):
        return values
    import ml_dtypes

    with np.errstate(over="ignore", under="ignore"):
        stored = values.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype).astype(np.float32)
    lost = (stored == 0) & (values != 0)
    if lost.any():
        least = float(ml_dtypes.finfo(dtype).smallest_subnormal)
        stored[lost] = np.copysign(np.float32(least), values[lost])
    return np.asarray(stored)


def reported(weights: Mapping[str, Array], layers: Sequence[Layer], grouping: Grouping) -> PrunedNetwork:
    """New weights that another way of pruning gave, with a report on each layer; they have no target and no s."""
    reports = []
    for group in groups_of(layers, grouping):
        found = Found(dict(weights), math.nan, math.nan, "the target is attained")
        reports += [report_of(layer, weights[layer.name], group, math.nan, found) for layer in group.layers]
    order = [layer.name for layer in layers if layer.name in weights]
    by_name = {report.name: report for report in reports}
    return PrunedNetwork(dict(weights), tuple(by_name[name] for name in order), math.nan)


def report_of(layer: Layer, new: Array, group: Group, target: float, found: Found) -> LayerReport:
    """A layer before and after."""
    is_usual = group.vectors in ("filters", "rows")
    return LayerReport(
        name=layer.name,
        shape=layer.shape,
        kind=layer.kind,
        target=target,
        mu=found.mu,
        sparsity_before=layer.sparsity if is_usual else average_sparsity(layer, layer.weights, group.vectors),
        sparsity_after=average_sparsity(layer, new, group.vectors),
        zeros_before=layer.zeros,
        zeros_after=zeros_of(new) / new.size,
        emptied=int(np.sum(~layer.rows(new, group.vectors).any(axis=1))),
        status=found.status,
    )
