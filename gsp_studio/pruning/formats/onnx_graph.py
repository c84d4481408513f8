"""An ONNX graph as far as pruning asks: where weights are used, in which order, and how images enter.

Nothing is computed. A weight is a layer's where a node multiplies data by it (Conv, Gemm, MatMul ...), directly or
after nodes that read no data (Transpose, Cast, Identity ...); what is added, scaled with or looked up is none. A layer
is first where no layer lies between the network's input and it, and last where none follows it.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Literal

Layout = Literal["NCHW", "NHWC"]

#: Entries up to which an initializer may be a shape, an axis or a scale that shapes depend on, and keeps its values.
SMALL = 1024

#: Which inputs of a node are weights; the others, where they are not data, are biases and states.
_WEIGHTS = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "DeformConv", "FusedConv"), (1,)),
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger", "FusedGemm", "FusedMatMul"), (0, 1)),
    **dict.fromkeys(("RNN", "GRU", "LSTM"), (1, 2)),
}
_SCALING = {"Add", "Sub", "Mul", "Div", "Pow", "Clip", "BatchNormalization", "QuantizeLinear", "DequantizeLinear"}
_COMPARING = {"Mod", "Min", "Max", "Sum", "Mean", "PRelu", "Where", "Equal", "Less", "Greater", "And", "Or", "Xor"}
_MOVING = {"Concat", "Pad", "Resize", "Upsample", "Reshape", "Expand", "Tile", "Slice", "ScatterElements", "ScatterND"}
_NORMS = {"InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization"}
_LOOK_UPS = {"Gather", "GatherElements", "GatherND"}
#: Nodes without weights: their inputs beside data are constants of other kinds.
_WITHOUT_WEIGHTS = _SCALING | _COMPARING | _MOVING | _NORMS | _LOOK_UPS
#: Facts about a value without its entries.
_OF_SHAPES = {"Shape", "Size"}
_ELEMENTWISE = {"Identity", "Cast", "CastLike", "Sqrt", "Abs", "Neg", "Exp", "Log", "Relu", "LeakyRelu", "Dropout"}
#: Nodes whose output has the axes of their first input.
_SAME_AXES = _SCALING | _ELEMENTWISE | {"Pad"}


@dataclass(frozen=True)
class Use:
    """Use of an initializer in a graph.

    Attributes
    ----------
    order : int
        Of the first node that multiplies by it, among all nodes.
    output_axis : int or None
        The axis, perhaps counted from the end, along which the outputs of the layer lie; None: unknown.
    is_first, is_last : bool
    reason : str
        Why it is no weight of a layer; "" for one that is.
    """

    order: int
    output_axis: int | None = None
    is_first: bool = False
    is_last: bool = False
    reason: str = ""


def uses_of(graph: Any, candidates: Collection[str]) -> dict[str, Use]:
    """Find the uses of the initializers of a graph.

    Parameters
    ----------
    graph : onnx.GraphProto
        Any, also one that is no proper graph.
    candidates : collection of str
        The initializers that can be weights by their number of axes; the others count for no layer.

    Returns
    -------
    dict of str to Use
        Without those that are not used.
    """
    return _Flow(graph, frozenset(candidates)).uses()


def operators_of(model: Any) -> set[str]:
    """The kinds of all nodes of a model, also of those within others and within its functions."""
    found = set()
    ahead = [model.graph, *model.functions]
    while ahead:
        for node in ahead.pop().node:
            found.add(node.op_type)
            for attribute in node.attribute:
                ahead.extend(attribute.graphs)
                if attribute.HasField("g"):
                    ahead.append(attribute.g)
    return found


def sorted_nodes(graph: Any) -> list[tuple[Any, list[str]]]:
    """The nodes of a graph after those that they read from, with the names that they read, also in subgraphs."""
    steps = _sorted([_Step(node, _reads(node), list(filter(None, node.output))) for node in graph.node])
    return [(step.node, step.reads) for step in steps]


def layout_of(graph: Any, name: str) -> Layout | None:
    """The order of axes in which images enter a graph under a name, where its first nodes say it."""
    readers = defaultdict(list)
    for node in graph.node:
        if node.input:
            readers[node.input[0]].append(node)
    ahead, seen = deque([name]), {name}
    while ahead:
        for node in readers[ahead.popleft()]:
            if node.op_type == "Transpose" and _permutation(node) == [0, 3, 1, 2]:
                return "NHWC"
            if node.op_type in ("Conv", "FusedConv", "MaxPool", "AveragePool"):
                return "NCHW"
            if node.op_type in _SAME_AXES:
                ahead.extend(out for out in node.output if out not in seen)
                seen.update(node.output)
    return None


@dataclass
class _Step:
    """A node: the names that it reads, "" for an input left out, also within its subgraphs; those that it writes."""

    node: Any
    reads: list[str]
    writes: list[str]
    is_data: bool = False
    is_layer: bool = False


class _Flow:
    """Values followed through a graph, once forward and once backward; linear in its size."""

    def __init__(self, graph: Any, candidates: frozenset[str]) -> None:
        known = {tensor.name for tensor in graph.initializer}
        self._steps = _sorted([_Step(node, _reads(node), list(filter(None, node.output))) for node in graph.node])
        self._outputs = {value.name for value in graph.output}
        self._data = {value.name for value in graph.input} - known
        self._carriers = set(candidates)  # values without data that hold weights
        self._behind: set[str] = set()  # values behind a layer

    def uses(self) -> dict[str, Use]:
        """All uses; of values that are made of initializers alone, too."""
        for step in self._steps:
            self._go_forward(step)
        found: dict[str, Use] = {}
        followed: set[str] = set()
        reaching = set(self._outputs)
        for order in range(len(self._steps) - 1, -1, -1):
            step = self._steps[order]
            is_followed = not followed.isdisjoint(step.writes)
            is_reaching = not reaching.isdisjoint(step.writes)
            if is_reaching:
                reaching.update(filter(None, step.reads))
            if step.is_data and (step.is_layer or is_followed):
                followed.update(filter(None, step.reads))
            is_first = self._behind.isdisjoint(step.reads)
            for place, name in enumerate(step.reads):
                if name in self._data:
                    continue
                if step.is_data:
                    new = [_use_in(step.node, place, order, is_first, is_reaching and not is_followed)]
                else:
                    later = [found[out] for out in step.writes if out in found]
                    new = [_passed_on(step.node, place, reduce(_joined, later))] if later else []
                for use in new:
                    found[name] = _joined(use, found[name]) if name in found else use
        return found

    def _go_forward(self, step: _Step) -> None:
        node, reads = step.node, step.reads
        step.is_data = node.op_type not in _OF_SHAPES and any(name in self._data for name in reads)
        carried = [place for place, name in enumerate(reads) if name in self._carriers]
        if not step.is_data:
            if carried:
                self._carriers.update(step.writes)
            return
        self._data.update(step.writes)
        self._carriers.difference_update(step.writes)
        step.is_layer = any(not reason_against(node, place) for place in carried)
        if step.is_layer or not self._behind.isdisjoint(reads):
            self._behind.update(step.writes)


def _sorted(steps: list[_Step]) -> list[_Step]:
    """Nodes after those that they read from; what stands in a circle comes last, as it was."""
    makers = {name: k for k, step in enumerate(steps) for name in step.writes}
    after: dict[int, list[int]] = defaultdict(list)
    missing = [0] * len(steps)
    for k, step in enumerate(steps):
        for name in step.reads:
            if (maker := makers.get(name)) is not None and maker != k:
                after[maker].append(k)
                missing[k] += 1
    ready = deque(k for k, count in enumerate(missing) if count == 0)
    order: list[int] = []
    while ready:
        order.append(k := ready.popleft())
        for later in after[k]:
            missing[later] -= 1
            if missing[later] == 0:
                ready.append(later)
    done = set(order)
    return [steps[k] for k in (*order, *(k for k in range(len(steps)) if k not in done))]


def _reads(node: Any) -> list[str]:
    """The names that a node reads; "" for an input that it does without."""
    reads = list(node.input)
    ahead = [attribute for attribute in node.attribute if attribute.HasField("g") or attribute.graphs]
    while ahead:
        attribute = ahead.pop()
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                reads.extend(inner.input)
                ahead.extend(one for one in inner.attribute if one.HasField("g") or one.graphs)
    return reads


def reason_against(node: Any, place: int) -> str:
    """Reason why an input of a node, other than its data, is no weight of a layer; "" for one that is."""
    if node.op_type in _WEIGHTS:
        return "" if place in _WEIGHTS[node.op_type] else "a bias"
    if node.op_type in _LOOK_UPS:
        return "an embedding"
    return f"a constant of {node.op_type}" if node.op_type in _WITHOUT_WEIGHTS else ""


def _use_in(node: Any, place: int, order: int, is_first: bool, is_last: bool) -> Use:
    reason = reason_against(node, place)
    if reason:
        return Use(order, reason=reason)
    return Use(order, _output_axis(node, place), is_first, is_last)


def _output_axis(node: Any, place: int) -> int | None:
    if node.op_type in ("MatMul", "MatMulInteger", "FusedMatMul"):
        return -1 if place == 1 else -2
    if node.op_type in ("Gemm", "FusedGemm"):
        name = "transB" if place == 1 else "transA"
        is_transposed = any(attribute.name == name and attribute.i for attribute in node.attribute)
        return int(is_transposed != (place == 1))
    return {"Conv": 0, "ConvInteger": 0, "FusedConv": 0, "DeformConv": 0, "ConvTranspose": 1}.get(node.op_type)


def _passed_on(node: Any, place: int, use: Use) -> Use:
    """The use of a value that a node, which reads no data, makes another of; given that other one's."""
    axis = None
    if use.output_axis is not None and place == 0:
        if node.op_type == "Transpose":
            axis = _before(_permutation(node), use.output_axis)
        elif node.op_type in _SAME_AXES:
            axis = use.output_axis
    return replace(use, output_axis=axis)


def _before(permutation: list[int], axis: int) -> int | None:
    """The axis that a permutation makes the given one of; no permutation: the order of axes turned round."""
    if not permutation:
        return -1 - axis
    return permutation[axis] if -len(permutation) <= axis < len(permutation) else None


def _permutation(node: Any) -> list[int]:
    return next((list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), [])


def _joined(new: Use, old: Use) -> Use:
    """Two uses of one value as one: as a weight, where one of them is that; the earlier says the axis."""
    if bool(old.reason) != bool(new.reason):
        return new if old.reason else old
    early, late = (new, old) if new.order <= old.order else (old, new)
    axis = late.output_axis if early.output_axis is None else early.output_axis
    return Use(early.order, axis, new.is_first or old.is_first, new.is_last or old.is_last, early.reason)


def inferred(model: Any, inputs: Sequence[Any], is_kept: Callable[[Any], bool]) -> Any:
    """A graph with the shapes that follow from those of its inputs, of ONNX's own inference; None where this fails.

    Parameters
    ----------
    model : onnx.ModelProto
    inputs : sequence of onnx.ValueInfoProto
        Of the network.
    is_kept : callable
        Whether an initializer keeps its values, which shapes depend on; others become inputs.
    """
    import onnx
    from onnx import helper

    graph = model.graph
    light = onnx.GraphProto(name="light", node=graph.node)
    # Functions of the model could call themselves, which the inference would follow without an end.
    for tensor in graph.initializer:
        if is_kept(tensor):
            light.initializer.append(tensor)
        else:
            light.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tuple(tensor.dims)))
    light.input.extend(inputs)
    light.output.extend(onnx.ValueInfoProto(name=entry.name) for entry in graph.output)
    made = helper.make_model(light, opset_imports=model.opset_import, ir_version=max(4, model.ir_version))
    try:
        return onnx.shape_inference.infer_shapes(made, data_prop=True).graph
    except Exception:  # the inference raises exceptions of every kind, for graphs that are none
        return None


def sides_of(model: Any) -> dict[str, tuple[int | None, ...]]:
    """The shapes of a model's values by name, as far as they are known; None for open sides."""
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    graph = inferred(model, inputs, lambda tensor: math.prod(tensor.dims) <= SMALL)
    found: dict[str, tuple[int | None, ...]] = {}
    for value in () if graph is None else (*graph.input, *graph.value_info, *graph.output):
        if value.type.tensor_type.HasField("shape"):
            sides = value.type.tensor_type.shape.dim
            found[value.name] = tuple(int(side.dim_value) if side.HasField("dim_value") else None for side in sides)
    return found
