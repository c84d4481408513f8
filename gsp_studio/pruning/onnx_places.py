"""How often an ONNX graph uses each of its weights for one image: counted from shapes, nothing is computed.

ONNX's own shape inference follows a copy of the graph in which weights are inputs, without values. A weight that is
used by a node whose operations are not known here, or behind a shape that depends on values, leaves the count open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gsp_studio.pruning.checkpoint import Checkpoint, CheckpointError
from gsp_studio.pruning.formats import onnx_file
from gsp_studio.pruning.formats.onnx_graph import SMALL, inferred, reason_against, sorted_nodes
from gsp_studio.pruning.onnx_images import input_shape

Shape = tuple[int, ...]
#: Uses of each weight, given the shapes of what a node reads and of what it writes, and the place of the weight.
_Count = Callable[[Any, list[Shape], list[Shape], int], int]


def graph_places(checkpoint: Checkpoint, shape: tuple[int, int, int] | None = None) -> dict[str, int] | None:
    """How often each layer of an ONNX model is used for an image, by its name.

    Parameters
    ----------
    checkpoint : Checkpoint
        An ONNX model.
    shape : (channels, height, width), optional
        Of an image, for graphs that leave the sides of their input open.

    Returns
    -------
    dict of str to int, or None
        None where the graph leaves it open, or the file has changed since it was opened.
    """
    wanted = {layer.key for layer in checkpoint.layers}
    try:
        model = onnx_file.without_values(checkpoint.path, SMALL)
    except (CheckpointError, OSError):
        return None
    if not wanted <= {tensor.name for tensor in model.graph.initializer}:
        return None
    given = _given(model, checkpoint.path, shape)
    if given is None:
        return None
    images, shapes = given
    counts = _counted(model, _inferred(model, shapes), wanted)
    if counts is None:
        return None
    return {layer.name: round(counts[layer.key] / images) for layer in checkpoint.layers}


def _given(model: Any, path: Path, shape: tuple[int, int, int] | None) -> tuple[int, dict[str, Shape]] | None:
    """Images in a batch, and the shapes of all inputs; None where some side is open."""
    try:
        name, sides = input_shape(model, path, shape)
        found = {name: sides}
    except CheckpointError:  # no input for images: the sides that are declared, if all are
        known = {tensor.name for tensor in model.graph.initializer}
        inputs = [entry for entry in model.graph.input if entry.name not in known]
        found = {
            entry.name: tuple(int(side.dim_value) for side in entry.type.tensor_type.shape.dim) for entry in inputs
        }
    images = max((sides[0] for sides in found.values() if sides), default=1)
    shapes = {name: (*(side or 1 for side in sides[:1]), *sides[1:]) for name, sides in found.items()}
    if any(min(sides, default=1) < 1 for sides in shapes.values()):
        return None
    return max(1, images), shapes


def _inferred(model: Any, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shapes of all values that follow from those of the inputs."""
    from onnx import helper

    kinds = {entry.name: entry.type.tensor_type.elem_type for entry in model.graph.input}
    inputs = [helper.make_tensor_value_info(name, kinds[name], sides) for name, sides in shapes.items()]
    known = inferred(model, inputs, onnx_file.has_values)
    if known is None:
        return {}
    found = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for entry in (*known.input, *known.value_info, *known.output):
        sides = entry.type.tensor_type.shape.dim
        if entry.type.tensor_type.HasField("shape") and all(side.HasField("dim_value") for side in sides):
            found[entry.name] = tuple(int(side.dim_value) for side in sides)
    return found


def _counted(model: Any, shapes: Mapping[str, Shape], wanted: set[str]) -> dict[str, int] | None:
    """Uses of each weight in a pass of a batch; None where one of them is not known."""
    counts = dict.fromkeys(wanted, 0)
    given = {tensor.name for tensor in model.graph.initializer}
    data = {entry.name for entry in model.graph.input} - given
    carried = {name: {name} for name in wanted}  # weights by the values, without data, that are made of them
    for node, reads in sorted_nodes(model.graph):
        if data.isdisjoint(reads) or node.op_type in ("Shape", "Size"):
            names = {weight for name in reads for weight in carried.get(name, ())}
            carried.update((out, names) for out in node.output if out)
            continue
        data.update(filter(None, node.output))
        for place, name in enumerate(reads):
            if name not in carried or not carried[name] or reason_against(node, place):
                continue
            count = _COUNTS.get(node.op_type)
            # A shape that is not known has no sides, which no count can be made of.
            read, written = ([shapes.get(each, ()) for each in names] for names in (node.input, node.output))
            if count is None or len(reads) != len(read) or not read[place]:
                return None
            try:
                uses = count(node, read, written, place)
            except (IndexError, ZeroDivisionError, ValueError):
                return None
            for weight in carried[name]:
                counts[weight] += uses
    return counts


def _of_convolution(node: Any, read: list[Shape], written: list[Shape], place: int) -> int:
    return written[0][0] * math.prod(written[0][2:])


def _of_transposed(node: Any, read: list[Shape], written: list[Shape], place: int) -> int:
    return read[0][0] * math.prod(read[0][2:])


def _of_product(node: Any, read: list[Shape], written: list[Shape], place: int) -> int:
    """Each entry of the output is a sum over the axis that both have; every weight has an equal part in them."""
    if not written[0]:
        raise ValueError("the shape of a product is not known")
    weight, is_turned = read[place], False
    if node.op_type == "Gemm":
        turned = {attribute.name for attribute in node.attribute if attribute.i}
        is_turned = ("transB" if place == 1 else "transA") in turned
    shared = weight[-2 if (place == 1) != is_turned else -1]
    return math.prod(written[0]) * shared // math.prod(weight)


def _of_recurrence(node: Any, read: list[Shape], written: list[Shape], place: int) -> int:
    return read[0][0] * read[0][1]  # steps and samples


_COUNTS: dict[str, _Count] = {
    **dict.fromkeys(("Conv", "DeformConv", "ConvInteger"), _of_convolution),
    "ConvTranspose": _of_transposed,
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger"), _of_product),
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _of_recurrence),
}
