"""Sparsity of a model as the pruner sees it; as text, a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gsp_studio.pruning.layers import Layer, Vectors, average_sparsity
from gsp_studio.pruning.projection import zeros_of


@dataclass(frozen=True)
class LayerState:
    """Sparsity of a layer: average Hoyer sparsity of its vectors, the fraction of zeros, vectors without a weight."""

    name: str
    shape: tuple[int, ...]
    sparsity: float
    zeros: float
    emptied: int


@dataclass(frozen=True)
class Summary:
    """Sparsity of a model; as text, a table.

    Attributes
    ----------
    layers : tuple of LayerState
    zeros : float
        Fraction of zeros in all of them together.
    is_frozen : bool
        Whether the zeros are held.
    """

    layers: tuple[LayerState, ...]
    zeros: float
    is_frozen: bool

    def __str__(self) -> str:
        width = max(len(layer.name) for layer in self.layers)
        rows = [
            f"{layer.name:{width}}  {' x '.join(map(str, layer.shape)):>18}  {layer.sparsity:8.4f}  {layer.zeros:7.2%}"
            f"  {layer.emptied:7d}"
            for layer in self.layers
        ]
        total = f"{self.zeros:.2%} zeros{', frozen' if self.is_frozen else ''}"
        return "\n".join([f"{'layer':{width}}  {'shape':>18}  sparsity    zeros  emptied", *rows, total])


def summary_of(
    layers: Sequence[Layer], shapes: dict[str, tuple[int, ...]], vectors: Vectors, is_frozen: bool
) -> Summary:
    """The summary of some layers.

    Parameters
    ----------
    layers : sequence of Layer
    shapes : dict of str to tuple
        Shapes as the model has them.
    vectors : str
        As `Grouping` has it.
    is_frozen : bool
    """
    states, zeros, size = [], 0, 0
    for layer in layers:
        found = zeros_of(layer.weights)
        emptied = int((~layer.rows(layer.weights, vectors).any(axis=1)).sum())
        sparsity = average_sparsity(layer, layer.weights, vectors)
        states.append(LayerState(layer.name, shapes[layer.name], sparsity, found / layer.size, emptied))
        zeros, size = zeros + found, size + layer.size
    return Summary(tuple(states), zeros / size, is_frozen)
