"""Groups of vectors that share a target: each layer for itself, or all layers of a network as one group.

In one group every layer finds its own share of the sparsity: large weights stay. Layers can have a target of
their own, and the first and last, which are small and matter most, can be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.vectors import RaggedVectors, check_target
from gsp_studio.pruning.layers import VECTORS, Layer, Vectors

Scope = Literal["layer", "network"]
Values = Literal["kept", "shrunken"]
Shares = Literal["balanced", "even", "paper"]

FIRST, LAST = "first", "last"
VALUES: tuple[Values, ...] = ("kept", "shrunken")
SHARES: tuple[Shares, ...] = ("balanced", "even", "paper")


@dataclass(frozen=True)
class Grouping:
    """Settings of the projection of the layers of a network.

    Attributes
    ----------
    scope : "layer" | "network"
        Every layer a group of its own, or one group over the whole network.
    vectors : "filters" | "rows" | "columns" | "positions" | "layers"
        A vector is a filter of a convolution or a row of a linear layer (two words for the same); the weights of one
        input; those at one position (input, row and column of the kernel) across all filters; a whole layer.
    own : tuple of (name, sparsity)
        Layers with a target of their own: each is a group for itself.
    exclude : tuple of str
        Layers that are left as they are: names, those of modules around them, patterns such as "layer1.*", "first",
        "last". A network whose graph branches can have several of the last two, which are all meant.
    values : "kept" | "shrunken"
        The weights that survive keep their values, or have those of the projection, which are smaller.
    keep_one : bool
        Whether every vector keeps at least one weight, as the projection of images does; else filters may vanish.
    shares : "balanced" | "even" | "paper"
        Of layers in one group over the network; see `support.factors`.

    Raises
    ------
    ValueError
        A value that is not accepted.
    """

    scope: Scope = "layer"
    vectors: Vectors = "filters"
    own: tuple[tuple[str, float], ...] = ()
    exclude: tuple[str, ...] = ()
    values: Values = "kept"
    keep_one: bool = False
    shares: Shares = "balanced"

    def __post_init__(self) -> None:
        if self.scope not in ("layer", "network"):
            raise ValueError(f'group is "{self.scope}"; accepted are "layer" and "network"')
        if self.vectors not in VECTORS:
            raise ValueError(f'vectors is "{self.vectors}"; accepted are {", ".join(VECTORS)}')
        if self.values not in VALUES:
            raise ValueError(f'values is "{self.values}"; accepted are {", ".join(VALUES)}')
        if self.shares not in SHARES:
            raise ValueError(f'shares is "{self.shares}"; accepted are {", ".join(SHARES)}')
        for name, sparsity in self.own:
            check_target(sparsity, f"the sparsity of layer {name}")


@dataclass(frozen=True, eq=False)
class Group:
    """Layers that share a target.

    Attributes
    ----------
    layers : tuple of Layer
    vectors : str
        As `Grouping` has it.
    own : float or None
        Its own target; None: that of the network.
    """

    layers: tuple[Layer, ...]
    vectors: Vectors
    own: float | None = None

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(layer.size for layer in self.layers)

    @cached_property
    def offsets(self) -> Array:
        """Places in the buffer of `pack` where the vectors begin, and where the last one ends."""
        lengths = []
        for layer in self.layers:
            rows = layer.rows(layer.weights, self.vectors).shape
            lengths.append(np.full(rows[0], rows[1], np.int64))
        return np.concatenate(([0], np.cumsum(np.concatenate(lengths), dtype=np.int64)))

    @cached_property
    def members(self) -> tuple[slice, ...]:
        """Slice of the vectors of each layer."""
        counts = [len(layer.rows(layer.weights, self.vectors)) for layer in self.layers]
        ends = np.cumsum(counts).tolist()
        return tuple(slice(end - count, end) for end, count in zip(ends, counts, strict=True))

    def pack(self) -> RaggedVectors:
        """All vectors, one after another in a new buffer; float64 where one of the layers is."""
        dtype = np.result_type(*(layer.weights for layer in self.layers))
        flat = np.empty(self.size, dtype)
        for layer, place in zip(self.layers, self.places, strict=True):
            rows = layer.rows(layer.weights, self.vectors)
            flat[place].reshape(rows.shape)[...] = rows
        return RaggedVectors(flat, self.offsets)

    def unpack(self, flat: Array) -> dict[str, Array]:
        """The values of a buffer by the names of the layers, in their shapes; views of it where the layout allows."""
        new = {}
        for layer, place in zip(self.layers, self.places, strict=True):
            others = layer.other_axes(self.vectors)
            counted = tuple(axis for axis in range(len(layer.shape)) if axis not in others)
            order = (*counted, *others)
            values = flat[place].reshape([layer.shape[axis] for axis in order])
            new[layer.name] = values.transpose(np.argsort(order)).astype(layer.weights.dtype, copy=False)
        return new

    @cached_property
    def places(self) -> list[slice]:
        """Slice of the buffer of each layer."""
        ends = np.cumsum([layer.size for layer in self.layers]).tolist()
        return [slice(end - layer.size, end) for end, layer in zip(ends, self.layers, strict=True)]


def groups_of(layers: Sequence[Layer], grouping: Grouping) -> tuple[Group, ...]:
    """The groups of some layers.

    Parameters
    ----------
    layers : sequence of Layer
        Those of a network or some of them; where none is marked as first or last, their order says it.
    grouping : Grouping

    Returns
    -------
    tuple of Group

    Raises
    ------
    ValueError
        A name that no layer has, nothing left to prune, or NaN among the weights.
    """
    names = {layer.name for layer in layers}
    own = dict(grouping.own)
    for name in (*own, *grouping.exclude):
        if name not in (FIRST, LAST) and not meant_by(name, layers):
            known = ", ".join(sorted(names)[:6]) + (", ..." if len(names) > 6 else "")
            raise ValueError(f'no layer is called "{name}"; the layers are {known}')
    left_out = {meant for name in grouping.exclude for meant in meant_by(name, layers)}
    own = {meant: sparsity for name, sparsity in own.items() for meant in meant_by(name, layers)}
    kept = [layer for layer in layers if layer.name not in left_out and _has_vectors(layer, grouping.vectors)]
    if not kept:
        raise ValueError("the network has no layer to prune: all are left out, or have vectors of a single weight")
    for layer in kept:
        if not np.isfinite(layer.sparsity):
            raise ValueError(f"layer {layer.name} holds NaN or infinite weights; accepted are finite ones")
    single = [Group((layer,), grouping.vectors, own[layer.name]) for layer in kept if layer.name in own]
    shared = tuple(layer for layer in kept if layer.name not in own)
    if grouping.scope == "network" and shared:
        return (Group(shared, grouping.vectors), *single)
    each = {layer.name: Group((layer,), grouping.vectors, own.get(layer.name)) for layer in kept}
    return tuple(each.values())


def meant_by(name: str, layers: Sequence[Layer]) -> tuple[str, ...]:
    """The names of the layers that a name stands for: "first", "last", that of a layer or a module, a pattern."""
    if any(layer.name == name for layer in layers):
        return (name,)
    if name not in (FIRST, LAST):
        return tuple(layer.name for layer in layers if is_named(layer.name, name))
    is_meant = {layer.name: layer.is_first if name == FIRST else layer.is_last for layer in layers}
    if None in is_meant.values():
        raise ValueError(
            f'the order of the layers cannot be told from this file, so "{name}" stands for none; '
            "accepted are names of layers, files of PyTorch and NumPy, and ONNX models"
        )
    if not any(layer.is_first or layer.is_last for layer in layers):
        return (layers[0 if name == FIRST else -1].name,) if layers else ()
    return tuple(each for each, is_so in is_meant.items() if is_so)


def is_named(layer: str, name: str) -> bool:
    """Whether a name is that of a parameter, of a module around it, or a pattern of one of these."""
    parts = layer.split(".")
    around = [".".join(parts[:k]) for k in range(1, len(parts) + 1)]
    return any(fnmatchcase(each, name) for each in around)


def _has_vectors(layer: Layer, vectors: Vectors) -> bool:
    return int(np.prod([layer.shape[axis] for axis in layer.other_axes(vectors)])) >= 2
