"""Supports: which weights of a group a projection keeps, and with which values.

A weight c_ij of vector i survives the projection while ``|c_ij| > mu beta_i w_ij`` (`core.projection`). Pruning takes
this support from the projection and, unless told otherwise, keeps the weights on it as they are: what the projection
shrinks costs accuracy. A vector whose weights are all below its threshold is emptied. An emptied vector and one of a
single weight both have sparsity 1, so the average is attained either way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.core.path import SparsityPath
from gsp_studio.core.projection import Projection, group_sparse_projection
from gsp_studio.pruning.grouping import Group, Grouping
from gsp_studio.pruning.layers import Layer

Array = npt.NDArray[Any]

#: Of an input's importance, in units of the root mean square: less active inputs count as this, and more active ones as
#: its inverse. Beyond, one dead input would decide the weighted sparsity of all vectors.
_LEAST_IMPORTANCE = 0.25
#: Power of a layer's root mean square that it is divided by for balanced shares: 0 is even shares, 1 thresholds that
#: are relative to each layer. Settled on images that no figure in the documentation comes from.
_BALANCE = 0.25


@dataclass(frozen=True, eq=False)
class Found:
    """New weights of a group.

    Attributes
    ----------
    weights : dict of str to ndarray
        By the names of its layers, in the types of these.
    mu : float
        Multiplier.
    sparsity : float
        Average sparsity of the projection whose support this is.
    status : str
        Outcome of the projection, in words.
    """

    weights: dict[str, Array]
    mu: float
    sparsity: float
    status: str


@dataclass(frozen=True, eq=False)
class Problem:
    """A group as the core's projection is asked about it: scaled for its shares, with weights for its inputs.

    Attributes
    ----------
    group : Group
    grouping : Grouping
    """

    group: Group
    grouping: Grouping

    @property
    def is_alone(self) -> bool:
        """Whether the group is one layer, which needs no shares."""
        return len(self.group.layers) == 1

    @cached_property
    def thresholds(self) -> list[Array] | None:
        """Weights of WGSP in each layer's shape: 1 for inputs of ordinary importance, smaller for those of more."""
        if all(layer.importance is None for layer in self.group.layers):
            return None
        return [_dearness(layer) for layer in self.group.layers]

    @cached_property
    def factors(self) -> list[float] | None:
        """Number that each layer is multiplied with before it is projected; None for the paper's shares."""
        if self.is_alone or self.grouping.shares == "paper":
            return None
        found = factors(self.group, self.grouping)
        if self.thresholds is None:
            return found
        # The gain that the weighted projection has in place of 1 / (sqrt(n) - 1).
        gains = [self._gains_of(number) for number in range(len(found))]
        lengths = [layer.size // len(gain) for layer, gain in zip(self.group.layers, gains, strict=True)]
        return [
            factor * float(gain.mean()) * (np.sqrt(length) - 1.0)
            for factor, gain, length in zip(found, gains, lengths, strict=True)
        ]

    def _gains_of(self, number: int) -> Array:
        """The beta of each vector of a layer: ``1 / (||w|| - min w)``."""
        layer = self.group.layers[number]
        if self.thresholds is None:
            rows = layer.rows(layer.weights, self.group.vectors)
            return np.full(len(rows), 1.0 / (np.sqrt(rows.shape[1]) - 1.0))
        dear = layer.rows(self.thresholds[number], self.group.vectors).astype(np.float64)
        return np.asarray(1.0 / (np.linalg.norm(dear, axis=1) - dear.min(axis=1)))

    def input(self) -> tuple[Any, Any, Any]:
        """Vectors, WGSP weights and axis for the core: one layer as it lies, or several in one buffer of their own."""
        group = self.group
        if self.is_alone:
            [layer] = group.layers
            weights = None if self.thresholds is None else self.thresholds[0]
            return layer.weights, weights, layer.other_axes(group.vectors)
        x = group.pack()
        if self.factors is not None:
            for place, factor in zip(group.places, self.factors, strict=True):
                x.values[place] *= factor
        return x, None if self.thresholds is None else self._flat_thresholds(x.values.dtype), 0

    def project(self, s: float) -> Found:
        """The group at an average sparsity."""
        x, weights, axis = self.input()
        out = None if self.is_alone else x.values
        return self.found(group_sparse_projection(x, s, weights, axis=axis, out=out))

    def path(self) -> SparsityPath:
        """The sparsity path of the group: sorted once, then any target at once."""
        x, weights, axis = self.input()
        return SparsityPath(x, weights, axis=axis, copy=False)

    def found(self, projection: Projection) -> Found:
        """New weights from a projection of `input`."""
        group, values = self.group, projection.values
        if self.is_alone:
            projected = {group.layers[0].name: values}
        else:
            if self.factors is not None and self.grouping.values == "shrunken":
                for place, factor in zip(group.places, self.factors, strict=True):
                    values[place] /= factor
            projected = group.unpack(values)
        new = {}
        for number, layer in enumerate(group.layers):
            of_projection = projected[layer.name]
            made = of_projection
            if self.grouping.values == "kept":
                made = np.where(of_projection != 0, layer.weights, 0)
            if not self.grouping.keep_one:
                made = self._without_lone(number, made, projection.mu)
            new[layer.name] = made
        return Found(new, projection.mu, projection.sparsity, projection.status.value)

    def _without_lone(self, number: int, values: Array, mu: float) -> Array:
        """Values without the single weight that a vector below its threshold keeps."""
        layer = self.group.layers[number]
        rows = layer.rows(values, self.group.vectors)
        lone = np.flatnonzero(np.count_nonzero(rows, axis=1) == 1)
        if not len(lone) or not mu > 0:
            return values
        chosen = rows[lone]
        places = np.argmax(chosen != 0, axis=1)
        ratios = self._ratios_of(number)[lone, places]
        gone = lone[ratios <= mu]
        if not len(gone):
            return values
        mask = np.zeros(len(rows), bool)
        mask[gone] = True
        others = layer.other_axes(self.group.vectors)
        shape = [1 if axis in others else size for axis, size in enumerate(layer.shape)]
        return np.where(mask.reshape(shape), 0, values).astype(values.dtype, copy=False)

    def _ratios_of(self, number: int) -> Array:
        """Multipliers (vectors, length) at which the weights of a layer fall below their threshold, float64."""
        layer = self.group.layers[number]
        rows = np.abs(layer.rows(layer.weights, self.group.vectors), dtype=np.float64)
        rows *= 1.0 if self.factors is None else self.factors[number]
        rows /= self._gains_of(number)[:, None]
        if self.thresholds is not None:
            rows /= layer.rows(self.thresholds[number], self.group.vectors)
        return np.asarray(rows)

    def to_zeros(self, wanted: int) -> Found:
        """The group with exactly so many zeros: those that a growing multiplier takes first, the last of equal ones."""
        group = self.group
        ratios = np.concatenate([self._ratios_of(k).reshape(-1) for k in range(len(group.layers))])
        is_kept = np.zeros(len(ratios), bool)
        if self.grouping.keep_one:
            for start, end in zip(group.offsets[:-1], group.offsets[1:], strict=True):
                if ratios[start:end].max() > 0:
                    is_kept[start + np.argmax(ratios[start:end])] = True
        dropped, mu = first_dropped(np.where(is_kept, np.inf, ratios), wanted)
        x = group.pack().values
        thresholds = self._at(mu)
        shrunken = _shrunken(np.abs(x, dtype=np.float64), thresholds, ~dropped & (ratios >= mu), group.offsets)
        sparsity = float(np.mean(_sparsities(shrunken, thresholds, group.offsets)))
        if self.grouping.values == "kept":
            x[dropped] = 0
        else:
            gone = np.repeat(np.logical_or.reduceat(shrunken > 0, group.offsets[:-1]), np.diff(group.offsets)) == 0
            x[...] = np.where(gone & ~dropped, x, np.where(shrunken > 0, np.copysign(shrunken, x), 0))
        found = int(np.count_nonzero(x == 0))
        status = "the target is attained" if found == wanted else _missed(found, wanted)
        return Found(group.unpack(x), mu, sparsity, status)

    def _at(self, mu: float) -> Array:
        """Thresholds of all entries (N,) in units of the weights themselves, float64."""
        flat = np.empty(self.group.size)
        for number, (layer, place) in enumerate(zip(self.group.layers, self.group.places, strict=True)):
            factor = 1.0 if self.factors is None else self.factors[number]
            gains = mu * self._gains_of(number) / factor
            dear: Any = 1.0
            if self.thresholds is not None:
                dear = layer.rows(self.thresholds[number], self.group.vectors)
            flat[place].reshape(len(gains), -1)[...] = dear * gains[:, None]
        return flat

    def _flat_thresholds(self, dtype: npt.DTypeLike) -> Array:
        assert self.thresholds is not None
        flat = np.empty(self.group.size, dtype)
        for layer, place, values in zip(self.group.layers, self.group.places, self.thresholds, strict=True):
            flat[place] = layer.rows(values, self.group.vectors).reshape(-1)
        return flat


def factors(group: Group, grouping: Grouping) -> list[float]:
    """Factor of each layer that gives the layers of a network their shares.

    The paper's projection takes weights below ``mu / (sqrt(n) - 1)``, n the length of the vector: small layers lose
    most. Multiplied with ``beta = 1 / (sqrt(n) - 1)`` first, all layers have one threshold: "even" shares, those of
    magnitude pruning. "balanced" divides a layer by the fourth root of its root mean square as well, a quarter of the
    way from there to thresholds that are relative to each layer's own weights.

    Parameters
    ----------
    group : Group
    grouping : Grouping
        Its `shares`.
    """
    found = []
    for layer in group.layers:
        length = layer.size // len(layer.rows(layer.weights, group.vectors))
        found.append(factor_of(length, root_mean_square(layer.weights) if grouping.shares == "balanced" else 1.0))
    return found


def factor_of(length: int, mean: float) -> float:
    """Factor of a layer whose vectors have this length and its weights this root mean square; 1: even shares."""
    return float(1.0 / (np.sqrt(length) - 1.0) / (mean if 0 < mean < np.inf else 1.0) ** _BALANCE)


def root_mean_square(values: Array) -> float:
    """Root mean square; 1 for zeros alone. Squares are taken of values that are at most 1."""
    largest = float(np.max(np.abs(values)))
    if not 0 < largest < np.inf:
        return 1.0
    scaled = values.reshape(-1).astype(np.float64) / largest
    return largest * float(np.sqrt(np.dot(scaled, scaled) / scaled.size))


def count_of(share: float, size: int) -> int:
    """The smallest count that is a share of `size` things: of 100, a share of 0.07 is 7, though 0.07 * 100 is above 7.

    Parameters
    ----------
    share : float
        0 to 1.
    size : int
    """
    count = math.ceil(share * size)
    return count - 1 if count > 0 and (count - 1) / size >= share else count


def first_dropped(scores: Array, wanted: int) -> tuple[Array, float]:
    """The entries of the smallest scores, so many; of equal ones the last. Infinite ones are never dropped.

    Returns
    -------
    dropped : ndarray of bool
    largest : float
        The largest score that was dropped.
    """
    wanted = min(wanted, int(np.count_nonzero(np.isfinite(scores))))
    dropped = np.zeros(len(scores), bool)
    if wanted <= 0:
        return dropped, 0.0
    largest = float(np.partition(scores, wanted - 1)[wanted - 1])
    dropped[scores < largest] = True
    ties = np.flatnonzero(scores == largest)
    missing = wanted - int(np.count_nonzero(dropped))
    dropped[ties[len(ties) - missing :]] = True
    return dropped, largest


def _dearness(layer: Layer) -> Array:
    if layer.importance is None:
        return np.ones_like(layer.weights)
    a = np.asarray(layer.importance, np.float64)
    top = float(a.max())
    if not np.isfinite(a).all() or a.min() < 0 or top <= 0:
        raise ValueError(f"the importance of the inputs of {layer.name} is not finite, >= 0 and somewhere > 0")
    active = (a / top) / np.sqrt(np.mean((a / top) ** 2))
    dear = 1.0 / layer.along_inputs(np.clip(active, _LEAST_IMPORTANCE, 1.0 / _LEAST_IMPORTANCE))
    return np.ascontiguousarray(np.broadcast_to(dear, layer.shape), layer.weights.dtype)


def _shrunken(c: Array, thresholds: Array, kept: Array, offsets: Array) -> Array:
    """Magnitudes of the projection at given thresholds, float64, of the entries that are kept."""
    starts, lengths = offsets[:-1], np.diff(offsets)
    tops = np.maximum.reduceat(c, starts)
    scale = np.repeat(np.where(tops > 0, tops, 1.0), lengths)
    c = c / scale
    z = np.where(kept, np.maximum(c - thresholds / scale, 0), 0)
    z = np.where(kept & (z == 0), np.finfo(np.float64).eps * c, z)  # of equal ones at the threshold
    norms = np.add.reduceat(z * z, starts)
    gains = np.divide(np.add.reduceat(c * z, starts), norms, out=np.zeros_like(norms), where=norms > 0)
    return np.asarray(z * np.repeat(gains, lengths) * scale)


def _sparsities(values: Array, thresholds: Array, offsets: Array) -> Array:
    """Weighted Hoyer sparsity of each vector, by weights in proportion to the thresholds; 1 for zeros alone."""
    starts = offsets[:-1]
    tops = np.maximum.reduceat(thresholds, starts)
    w = thresholds / np.repeat(tops, np.diff(offsets)) if tops.min() > 0 else np.ones_like(values)
    norms, least = np.sqrt(np.add.reduceat(w * w, starts)), np.minimum.reduceat(w, starts)
    sums, squares = np.add.reduceat(w * values, starts), np.add.reduceat(values * values, starts)
    ratios = np.divide(sums, np.sqrt(squares), out=least.copy(), where=squares > 0)
    return np.asarray((norms - ratios) / (norms - least))


def _missed(found: int, wanted: int) -> str:
    return f"{found} weights are zero for the {wanted} that were wanted"
