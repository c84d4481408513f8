"""Layers of a network: weights whose filters or rows are the vectors that are projected.

The kind of a layer follows from its shape and name alone: two axes make a linear layer, three to five a convolution.
Biases, norms and embeddings are left alone, with the reason, and so are arrays that are not floating.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.sparsity import hoyer_sparsity

Kind = Literal["linear", "convolution"]
Vectors = Literal["filters", "rows", "columns", "positions", "layers"]

VECTORS: tuple[Vectors, ...] = ("filters", "rows", "columns", "positions", "layers")
_NORM = re.compile(r"(^|[._/])(\w*norm\d*|bn\d*|ln\d*)([._/]|$)", re.IGNORECASE)
_EMBEDDING = re.compile(r"embed|(^|[._/])w[tp]e([._/]|$)|cls_token", re.IGNORECASE)
_BIAS = re.compile(r"(^|[._/])bias(_\w+)?$", re.IGNORECASE)
_MOST_AXES = 5


@dataclass(frozen=True, eq=False)
class Layer:
    """A weight that can be pruned.

    Attributes
    ----------
    name : str
        Name in messages.
    key : str
        In its file.
    kind : "linear" | "convolution"
    dtype : str
        As stored; half precision is computed in float32.
    weights : ndarray, float32 or float64, read-only
        As shaped in the file.
    output_axis : int
        The axis that the outputs (filters, rows) are counted along.
    sparsity : float
        Average Hoyer sparsity of its filters or rows; NaN where there is none: NaN or infinite weights.
    zeros : float
        Fraction of its weights that are zero.
    is_first, is_last : bool or None
        Whether no layer lies between the network's input and it, and whether none follows it: by the graph where the
        file has one, else by the order of the layers; None of all layers where their order cannot be told.
    group_axis : int or None
        An axis before those of inputs and outputs that counts groups which share neither.
    importance : ndarray (inputs,) or None
        How much each input matters, > 0: the norm of its activations. Weights of unimportant inputs go first.
    """

    name: str
    key: str
    kind: Kind
    dtype: str
    weights: Array
    output_axis: int
    sparsity: float
    zeros: float
    is_first: bool | None = False
    is_last: bool | None = False
    group_axis: int | None = None
    importance: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weights."""
        return self.weights.shape

    @property
    def size(self) -> int:
        """Number of weights."""
        return self.weights.size

    @property
    def filters(self) -> Array:
        """The filters or rows (count, length) as a matrix; a view where the outputs come first."""
        return self.rows(self.weights)

    def rows(self, values: Array, vectors: Vectors = "filters") -> Array:
        """Values of the layer's shape as a matrix whose rows are the vectors; a view where the layout allows it."""
        others = self.other_axes(vectors)
        counted = tuple(axis for axis in range(values.ndim) if axis not in others)
        count = int(np.prod([values.shape[axis] for axis in counted], dtype=int))
        return values.transpose(*counted, *others).reshape(count, -1)

    def other_axes(self, vectors: Vectors = "filters") -> tuple[int, ...]:
        """The axes that the entries of a vector run along."""
        axes = tuple(range(self.weights.ndim))
        if vectors == "layers":
            return axes
        if vectors == "positions":
            return (self.output_axis,)
        counted = self.input_axis if vectors == "columns" else self.output_axis
        return tuple(axis for axis in axes if axis not in (counted, self.group_axis))

    @property
    def input_axis(self) -> int:
        """The axis of the inputs, which lies beside that of the outputs: PyTorch's order, and (..., in, out)."""
        return 1 if self.output_axis == 0 else self.output_axis - 1

    def along_inputs(self, values: Array) -> Array:
        """Values for each input (inputs,) in a shape that can be multiplied with the weights."""
        groups = 1 if self.group_axis is None else self.shape[self.group_axis]
        shape = [1] * self.weights.ndim
        shape[self.input_axis] = self.shape[self.input_axis]
        if self.group_axis is not None:
            shape[self.group_axis] = groups
        if len(values) != shape[self.input_axis] * groups and len(values) % shape[self.input_axis] == 0:
            # A grouped convolution: outputs of one group see inputs of their own; the mean over groups stands for them.
            values = values.reshape(-1, shape[self.input_axis]).mean(axis=0)
        return values.reshape(shape)


@dataclass(frozen=True)
class LeftAlone:
    """An array of a network that is not pruned, and why."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    reason: str


def reason_against(name: str, shape: tuple[int, ...], is_float: bool = True) -> str:
    """Find the reason why an array is no layer that can be pruned; "" for one that is.

    Parameters
    ----------
    name : str
    shape : tuple of int
    is_float : bool
        Whether it holds floating values.
    """
    if not is_float:
        return "no floating values"
    if _BIAS.search(name):
        return "a bias"
    if _NORM.search(name):
        return "of a norm layer"
    if len(shape) < 2:
        return "a bias or of a norm layer"
    if _EMBEDDING.search(name):
        return "an embedding"
    if len(shape) > _MOST_AXES:
        return f"{len(shape)} axes"
    if min(shape) == 0 or np.prod(shape[1:]) < 2:
        return "vectors of fewer than two weights"
    return ""


def layer_of(
    name: str, weights: Array, key: str | None = None, dtype: str | None = None, output_axis: int = 0
) -> Layer:
    """A layer with its sparsities.

    Parameters
    ----------
    name : str
    weights : ndarray, float32 or float64
        An array that `reason_against` has nothing against.
    key, dtype : str, optional
        In the file, where they differ.
    output_axis : int
    """
    kind: Kind = "linear" if weights.ndim == 2 else "convolution"
    made = Layer(name, key or name, kind, dtype or weights.dtype.name, weights, output_axis, 0.0, 0.0)
    values = weights if weights.flags.c_contiguous else np.ascontiguousarray(weights)
    zeros = 1.0 - np.count_nonzero(values) / values.size
    return Layer(name, made.key, kind, made.dtype, weights, output_axis, average_sparsity(made, weights), zeros)


def average_sparsity(layer: Layer, values: Array, vectors: Vectors = "filters") -> float:
    """Average Hoyer sparsity of the vectors of values that have the layer's shape; NaN where it has none."""
    try:
        return float(np.mean(hoyer_sparsity(values, axis=layer.other_axes(vectors))))
    except ValueError:  # NaN or infinite weights, which only pruning refuses
        return float("nan")
