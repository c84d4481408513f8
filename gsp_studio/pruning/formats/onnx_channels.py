"""Steps of an ONNX graph for `channels`, and the graph once more with the arrays that are left.

Operators that are not listed here, quantized ones and subgraphs keep the channels around them as they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.pruning.channels import Step
from gsp_studio.pruning.formats.onnx_graph import sides_of, sorted_nodes

_OUTPUT = "the outputs of the network stay"


def _unknown(values: Array) -> Array:
    return np.full(len(values), np.nan)


def _zero_alone(values: Array) -> Array:
    return np.where(values == 0, 0.0, np.nan)


#: Operators of single entries; of some, constants are not followed.
_MAPS: dict[str, Callable[[Array], Array] | None] = {
    "Relu": lambda values: np.maximum(values, 0.0),
    "Sigmoid": lambda values: np.asarray(1.0 / (1.0 + np.exp(-values))),
    "Tanh": np.tanh,
    "Abs": np.abs,
    "Neg": np.negative,
    "Identity": None,
    "Dropout": None,
    "MaxPool": None,
    "GlobalAveragePool": None,
    "GlobalMaxPool": None,
    **dict.fromkeys(("Elu", "Selu", "Gelu", "HardSigmoid", "HardSwish", "Mish", "Softplus", "Erf"), _unknown),
}


class Channels:
    """A model whose channels can be removed.

    Parameters
    ----------
    model : onnx.ModelProto
        With all its initializers inside; changed by `rewrite`.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Its floating initializers.
    steps : list of Step
    inputs : tuple of str
    """

    def __init__(self, model: Any) -> None:
        from onnx import TensorProto, numpy_helper

        self._graph = model.graph
        floating = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in self._graph.initializer}
        kinds = {tensor.name: tensor.data_type for tensor in self._graph.initializer}
        self.arrays: dict[str, Array] = {name: each for name, each in values.items() if kinds[name] in floating}
        self._fixed: dict[str, Array] = {name: each for name, each in values.items() if each.size <= 8}
        nodes = sorted_nodes(self._graph)
        for node, _ in nodes:
            if node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].HasField("t"):
                self._fixed[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self._uses = Counter(name for _, reads in nodes for name in reads)
        self._uses.update(value.name for value in self._graph.output)
        self._axes = {
            value.name: len(value.type.tensor_type.shape.dim)
            for value in self._graph.input
            if value.name not in values and value.type.tensor_type.HasField("shape")
        }
        self.inputs = tuple(value.name for value in self._graph.input if value.name not in values)
        self._groups: list[tuple[Any, str]] = []
        self._flat: list[tuple[Any, Step]] = []
        self._sides = sides_of(model)
        self.steps = [self._step(node, reads) for node, reads in nodes if node.op_type != "Constant"]
        self.steps += [Step("opaque", (value.name,), "", reason=_OUTPUT) for value in self._graph.output]

    # Reading

    def _step(self, node: Any, reads: list[str]) -> Step:
        made = None
        if node.domain in ("", "ai.onnx") and len(reads) == len(node.input):
            make = {
                "Conv": self._conv,
                "ConvTranspose": self._transposed,
                "Gemm": self._gemm,
                "MatMul": self._matmul,
                "BatchNormalization": self._norm,
                "Add": self._add,
                "Mul": self._mul,
                "Flatten": self._flatten,
                "Reshape": self._flatten,
                "ReduceMean": self._mean,
                "AveragePool": self._average,
                "LeakyRelu": self._leaky,
                "Clip": self._clip,
            }.get(node.op_type, self._map)
            made = make(node)
        if made is not None:
            self._axes.setdefault(made.writes, self._axes.get(made.reads[0], 0))
            if all(self._uses[name] == 1 for name in made.arrays()):
                return made
        for name in node.output[1:]:
            self._axes[name] = 0
        data = tuple(name for name in reads if name and name not in self.arrays and name not in self._fixed)
        return Step("opaque", data, node.output[0] if node.output else "", reason=f"{node.op_type} is not looked into")

    def _conv(self, node: Any) -> Step | None:
        weight = self.arrays.get(node.input[1]) if len(node.input) > 1 else None
        if weight is None or weight.ndim < 3:
            return None
        groups = _attribute(node, "group", 1)
        bias = node.input[2] if len(node.input) > 2 else ""
        if bias and (bias not in self.arrays or self.arrays[bias].size != len(weight)):
            return None
        is_padded = any(_attribute(node, "pads", ())) or _attribute(node, "auto_pad", b"NOTSET") != b"NOTSET"
        self._axes[node.output[0]] = weight.ndim
        named = {"weight": node.input[1], "bias": bias, "is_padded": is_padded}
        if groups == 1:
            return Step("weights", (node.input[0],), node.output[0], **named, new_bias=self._new(node, bias))
        if groups == len(weight) and weight.shape[1] == 1 and self._uses[node.input[1]] == 1:
            self._groups.append((node, node.input[1]))
            return Step("depthwise", (node.input[0],), node.output[0], **named)
        return None

    def _transposed(self, node: Any) -> Step | None:
        found = self._conv(node) if _attribute(node, "group", 1) == 1 and len(node.input) == 2 else None
        if found is None:
            return None
        where: dict[str, Any] = {"output_axis": 1, "input_axis": 0, "is_padded": True}
        return Step("weights", found.reads, found.writes, weight=found.weight, **where)

    def _gemm(self, node: Any) -> Step | None:
        weight = self.arrays.get(node.input[1])
        plain = not _attribute(node, "transA", 0) and _attribute(node, "alpha", 1.0) == _attribute(node, "beta", 1.0)
        if weight is None or weight.ndim != 2 or not plain or _attribute(node, "alpha", 1.0) != 1.0:
            return None
        axis = 0 if _attribute(node, "transB", 0) else 1
        bias = node.input[2] if len(node.input) > 2 else ""
        if bias and (bias not in self.arrays or self.arrays[bias].shape[-1:] != (weight.shape[axis],)):
            return None
        if bias and self.arrays[bias].size != weight.shape[axis]:
            return None
        self._axes[node.output[0]] = 2
        named: dict[str, Any] = {"output_axis": axis, "input_axis": 1 - axis}
        named |= {"weight": node.input[1], "bias": bias, "new_bias": self._new(node, bias)}
        return Step("weights", (node.input[0],), node.output[0], **named)

    def _matmul(self, node: Any) -> Step | None:
        weight = self.arrays.get(node.input[1])
        if weight is None or weight.ndim != 2 or self._axes.get(node.input[0]) != 2:
            return None
        return Step("weights", (node.input[0],), node.output[0], weight=node.input[1], output_axis=1, input_axis=0)

    def _new(self, node: Any, bias: str) -> str:
        """Name of a bias that the node may get."""
        name = f"{node.input[1]}.bias"
        is_taken = bool(bias) or name in self.arrays or self._uses[name] > 0 or len(node.input) != 2
        return "" if is_taken else name

    def _norm(self, node: Any) -> Step | None:
        if len(node.input) != 5 or len(node.output) != 1 or _attribute(node, "training_mode", 0):
            return None
        if not all(name in self.arrays for name in node.input[1:]) or len(set(node.input[1:])) != 4:
            return None
        names = dict(zip(("scale", "bias", "mean", "variance"), node.input[1:], strict=True))
        epsilon = float(_attribute(node, "epsilon", 1e-5))
        return Step("norm", (node.input[0],), node.output[0], **names, epsilon=epsilon)

    def _add(self, node: Any) -> Step | None:
        one, other = node.input
        if all(name not in self.arrays and name not in self._fixed for name in node.input):
            is_alike = self._axes.get(one, 0) == self._axes.get(other, -1) != 0 and one != other
            return Step("add", (one, other), node.output[0]) if is_alike else None
        return self._by_channel(node, "bias", lambda number: lambda values: values + number)

    def _mul(self, node: Any) -> Step | None:
        return self._by_channel(node, "scale", lambda number: lambda values: values * number)

    def _by_channel(self, node: Any, role: str, scalar: Callable[[float], Callable[[Array], Array]]) -> Step | None:
        data = next((name for name in node.input if name not in self.arrays and name not in self._fixed), "")
        constant = next((name for name in node.input if name != data), "")
        values = self.arrays.get(constant, self._fixed.get(constant))
        axes = self._axes.get(data, 0)
        if values is None or not data or not axes or values.ndim > axes:
            return None
        if values.size == 1:
            return Step("map", (data,), node.output[0], apply=scalar(float(values.reshape(-1)[0])))
        sides = (1,) * (axes - values.ndim) + values.shape
        if constant not in self.arrays or sides[1] != values.size:
            return None
        named: dict[str, Any] = {role: constant}
        return Step("affine", (data,), node.output[0], **named)

    def _flatten(self, node: Any) -> Step | None:
        is_flat = _attribute(node, "axis", 1) == 1 if node.op_type == "Flatten" else self._is_flat(node)
        if not is_flat or self._axes.get(node.input[0], 0) < 2:
            return None
        self._axes[node.output[0]] = 2
        made = Step("flatten", (node.input[0],), node.output[0])
        if node.op_type == "Reshape" and int(self._fixed[node.input[1]][1]) != -1:
            self._flat.append((node, made))
        return made

    def _is_flat(self, node: Any) -> bool:
        """Whether a Reshape gives each image a row: to [0 or their number, -1], or to the number of its values."""
        shape = self._fixed.get(node.input[1])
        if shape is None or shape.shape != (2,) or _attribute(node, "allowzero", 0):
            return False
        images, columns = map(int, shape)
        sides = self._sides.get(node.input[0], ())
        is_first = images == 0 or (bool(sides) and images == sides[0] is not None)
        if columns == -1:
            return is_first
        known = [side for side in sides[1:] if side is not None]
        is_whole = 0 < len(known) == len(sides) - 1 and columns == math.prod(known)
        return is_whole and (images == -1 or is_first)

    def _mean(self, node: Any) -> Step | None:
        axes = _attribute(node, "axes", None)
        if axes is None and len(node.input) > 1 and node.input[1] in self._fixed:
            axes = self._fixed[node.input[1]].reshape(-1).tolist()
        count = self._axes.get(node.input[0], 0)
        if axes is None or count < 3 or sorted(int(axis) % count for axis in axes) != list(range(2, count)):
            return None
        is_kept = bool(_attribute(node, "keepdims", 1))
        self._axes[node.output[0]] = count if is_kept else 2
        return Step("map", (node.input[0],), node.output[0])

    def _average(self, node: Any) -> Step | None:
        is_padded = any(_attribute(node, "pads", ())) or _attribute(node, "auto_pad", b"NOTSET") != b"NOTSET"
        is_padded = is_padded or bool(_attribute(node, "ceil_mode", 0))
        return Step("map", (node.input[0],), node.output[0], apply=_zero_alone if is_padded else None)

    def _leaky(self, node: Any) -> Step | None:
        slope = float(_attribute(node, "alpha", 0.01))
        return Step(
            "map", (node.input[0],), node.output[0], apply=lambda values: np.where(values < 0, slope * values, values)
        )

    def _clip(self, node: Any) -> Step | None:
        if any(name and name not in self._fixed for name in node.input[1:]):
            return None
        ends = [float(self._fixed[name].reshape(-1)[0]) if name else None for name in node.input[1:]]
        low, high = (*ends, None, None)[:2]
        low = float(_attribute(node, "min", -np.inf)) if low is None else low
        high = float(_attribute(node, "max", np.inf)) if high is None else high
        return Step("map", (node.input[0],), node.output[0], apply=lambda values: np.clip(values, low, high))

    def _map(self, node: Any) -> Step | None:
        if node.op_type not in _MAPS or any(self._uses[name] for name in node.output[1:]):
            return None
        return Step("map", (node.input[0],), node.output[0], apply=_MAPS[node.op_type])

    # Writing

    def rewrite(self, arrays: Mapping[str, Array], narrowed: Collection[str]) -> None:
        """Give the model other arrays: shorter ones, and biases that were made.

        Parameters
        ----------
        arrays : mapping of str to ndarray
        narrowed : collection of str
            Values of the graph that have lost channels.
        """
        from onnx import numpy_helper

        graph = self._graph
        for tensor in graph.initializer:
            if tensor.name in arrays:
                dtype = self.arrays[tensor.name].dtype
                tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name].astype(dtype), tensor.name))
        for step in self.steps:
            if step.new_bias in arrays and step.new_bias:
                node = next(node for node in graph.node if step.writes in node.output)
                node.input.append(step.new_bias)
                dtype = self.arrays[step.weight].dtype
                graph.initializer.append(numpy_helper.from_array(arrays[step.new_bias].astype(dtype), step.new_bias))
        for node, weight in self._groups:
            next(each for each in node.attribute if each.name == "group").i = len(arrays[weight])
        taken = {name for node in graph.node for name in (*node.input, *node.output)}
        for k, (node, step) in enumerate(self._flat):
            if step.writes not in narrowed:
                continue
            first = int(self._fixed[node.input[1]][0])
            name = f"flattened.{k}"
            while name in taken:
                name += "_"
            graph.initializer.append(numpy_helper.from_array(np.array([0 if first == -1 else first, -1]), name))
            node.input[1] = name
        held = {tensor.name for tensor in graph.initializer}
        kept = [value for value in graph.input if value.name not in held]  # their former shapes
        del graph.input[:]
        graph.input.extend(kept)
        del graph.value_info[:]


def _attribute(node: Any, name: str, otherwise: Any) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), otherwise)
