"""Order of linear layers that read one another, by their names, their shapes and the order that files keep.

A layer goes from a number of inputs to a number of outputs; an order that fits is a path along all of them. Files of
safetensors are sorted by name, so their order says nothing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from gsp_studio.pruning.layers import Layer

#: Numbers of inputs and outputs of a layer.
Ends = tuple[int, int]

_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")
#: Formats whose files are in the order in which the network was written.
_ORDERED = ("torch", "npz")


def keeps_order(file_format: str) -> bool:
    """Whether files of a format, a name in `FORMATS`, are in the order in which they were written."""
    return file_format in _ORDERED


def chain_order(layers: Mapping[str, Ends], is_ordered: bool) -> list[str] | None:
    """The names of layers, of which each reads the one before, in the order of the network.

    Parameters
    ----------
    layers : mapping of str to (int, int)
        Inputs and outputs of each layer by name.
    is_ordered : bool
        Whether the mapping is in an order that was meant: that of the network.

    Returns
    -------
    list of str, or None
        Layers with one name and numbers (fc1, fc2; net.0, net.2) by these; others as they are given, where this was
        meant and no other order fits. None where the shapes do not fit, or the order cannot be told.
    """
    names = list(layers)
    numbers = _numbers(names)
    if numbers is not None:
        names.sort(key=numbers.__getitem__)
    ends = [layers[name] for name in names]
    if not names or any(one[1] != other[0] for one, other in pairwise(ends)):
        return None
    is_told = numbers is not None or len(names) == 1 or (is_ordered and not _fits_otherwise(ends))
    return names if is_told else None


def is_one_chain(layers: Mapping[str, Ends], is_ordered: bool) -> bool:
    """Whether layers have an order that `chain_order` tells, or a single one that fits, whatever that of their file."""
    if chain_order(layers, is_ordered) is not None:
        return True
    left, order = list(layers.values()), list[Ends]()
    while left:
        after = [k for k, ends in enumerate(left) if not order or ends[0] == order[-1][1]]
        following = [k for k in after if _is_path([*left[:k], *left[k + 1 :]], left[k][1])]
        if not following:
            return False
        order.append(left.pop(following[0]))
    return bool(order) and not _fits_otherwise(order)


def outer_layers(layers: Sequence[Layer], is_ordered: bool) -> tuple[str | None, str | None]:
    """The names of the first and the last layer of a network whose file has no graph; None where it cannot be told.

    Parameters
    ----------
    layers : sequence of Layer
        In the order of their file.
    is_ordered : bool
        Whether this is that of the network. Else names that are numbered tell it, or shapes: the first layer alone
        reads what no other gives, and the last alone gives what no other reads.
    """
    if all(layer.kind == "linear" for layer in layers):
        ends = {layer.name: (layer.shape[layer.input_axis], layer.shape[layer.output_axis]) for layer in layers}
        order = chain_order(ends, is_ordered)
        if order is not None:
            return order[0], order[-1]
    if is_ordered:
        return layers[0].name, layers[-1].name
    firsts = [layer.name for layer in layers if not any(_reads(layer, other) for other in layers)]
    lasts = [layer.name for layer in layers if not any(_reads(other, layer) for other in layers)]
    return firsts[0] if len(firsts) == 1 else None, lasts[0] if len(lasts) == 1 else None


def _reads(layer: Layer, other: Layer) -> bool:
    """Whether a layer can read what another one gives; a linear one reads all places of a convolution."""
    inputs, outputs = layer.shape[layer.input_axis], other.shape[other.output_axis]
    is_flat = layer.kind == "linear" and other.kind == "convolution"
    return layer is not other and (inputs == outputs or (is_flat and inputs % outputs == 0))


def _numbers(names: Sequence[str]) -> dict[str, int] | None:
    """The numbers of names that differ in one alone; None for others."""
    found = {name: match for name in names if (match := _NUMBERED.fullmatch(name))}
    around = {(match[1], match[3]) for match in found.values()}
    numbers = {name: int(match[2]) for name, match in found.items()}
    is_one = len(found) == len(names) and len(around) == 1 and len(set(numbers.values())) == len(names)
    return numbers if is_one else None


def _fits_otherwise(ends: Sequence[Ends]) -> bool:
    """Whether layers that fit in their order fit in another one too."""
    for k, here in enumerate(ends):
        for j in range(k + 1, len(ends)):
            is_possible = k == 0 or ends[j][0] == here[0]
            if is_possible and _is_path([*ends[k:j], *ends[j + 1 :]], ends[j][1]):
                return True
    return False


def _is_path(ends: Sequence[Ends], start: int) -> bool:
    """Whether some order of layers reads on from a number of outputs: Euler's condition."""
    balance, after = Counter[int](), defaultdict[int, set[int]](set)
    for inputs, outputs in ends:
        balance[inputs] += 1
        balance[outputs] -= 1
        after[inputs].add(outputs)
    uneven = {size: count for size, count in balance.items() if count}
    if uneven and (sorted(uneven.values()) != [-1, 1] or uneven.get(start) != 1):
        return False
    reached, waiting = {start}, [start]
    while waiting:
        new = after[waiting.pop()] - reached
        reached |= new
        waiting += new
    return all(inputs in reached for inputs, _ in ends)
