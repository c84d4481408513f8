"""Projecting the weights of a network: a layer is a group of vectors, its filters or its rows.

Signs are kept, biases and norm layers (fewer than two dimensions) are left alone. One group over the whole network
holds vectors of different lengths, and gives every layer the sparsity that costs it least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.core.projection import group_sparse_projection
from gsp_studio.core.sparsity import hoyer_sparsity

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LayerReport:
    """A layer's name and shape, with its average Hoyer sparsity and its fraction of zeros before and after."""

    name: str
    shape: tuple[int, ...]
    sparsity_before: float
    sparsity_after: float
    zeros_before: float
    zeros_after: float


@dataclass(frozen=True, eq=False)
class Pruned:
    """All weights under their old names, the pruned ones replaced, and a report for each of these."""

    weights: dict[str, Array]
    layers: tuple[LayerReport, ...]


def filters_of(weight: Array) -> Array:
    """The vectors of a layer as a matrix (count, length): filters of (out, in, kh, kw), rows of (out, in); a view."""
    return weight.reshape(len(weight), -1)


def is_prunable(weight: Array) -> bool:
    """Whether an array is a layer's weight: floating, at least two dimensions, vectors of at least two entries."""
    return bool(weight.ndim >= 2 and weight.dtype in (np.float32, np.float64) and filters_of(weight).shape[1] >= 2)


def project_layers(weights: Mapping[str, Array], sparsity: float, group: str = "layer") -> Pruned:
    """Project a network's weights to an average Hoyer sparsity, once (the paper's single-shot mode).

    Parameters
    ----------
    weights : mapping of str to ndarray
        Layers by name. Arrays that `is_prunable` refuses are passed on as they are.
    sparsity : float
        Target s in [0, 1].
    group : "layer" | "network"
        Every layer a group of its own, or one group over the whole network.

    Returns
    -------
    Pruned

    Raises
    ------
    ValueError
        Nothing to prune, an unknown group, or a sparsity outside [0, 1].

    References
    ----------
    Ohib et al., TMLR 2022, section 4.
    """
    if group not in ("layer", "network"):
        raise ValueError(f'group is "{group}"; accepted are "layer" and "network"')
    chosen = {name: np.asarray(weight) for name, weight in weights.items() if is_prunable(np.asarray(weight))}
    if not chosen:
        raise ValueError("the network has no layer to prune: no floating array of two or more dimensions")
    if group == "layer":
        new = {name: _project(filters_of(weight), sparsity) for name, weight in chosen.items()}
    else:
        vectors = [row for weight in chosen.values() for row in filters_of(weight)]
        projected = iter(group_sparse_projection(vectors, sparsity).values)
        new = {name: np.stack([next(projected) for _ in weight]) for name, weight in chosen.items()}
    pruned = {name: new[name].reshape(weight.shape) for name, weight in chosen.items()}
    reports = tuple(_report(name, weight, pruned[name]) for name, weight in chosen.items())
    return Pruned({name: pruned.get(name, weight) for name, weight in weights.items()}, reports)


def _project(filters: Array, sparsity: float) -> Array:
    values: Array = group_sparse_projection(filters.T, sparsity).values
    return values.T


def _report(name: str, before: Array, after: Array) -> LayerReport:
    return LayerReport(
        name,
        before.shape,
        float(np.mean(hoyer_sparsity(filters_of(before).T))),
        float(np.mean(hoyer_sparsity(filters_of(after).T))),
        float(np.mean(before == 0)),
        float(np.mean(after == 0)),
    )
