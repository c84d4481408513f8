"""Steps of a PyTorch model of this package, found by tracing it: those of `channels`.

Only the models of `models` are traced. Their code is this package's own; a file gives them nothing but weights.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn
from torch.fx import Graph, Node, Tracer
from torch.nn import functional

from gsp_studio.arrays import Array
from gsp_studio.pruning.channels import Kind, Step

_ALIKE = (nn.MaxPool2d, nn.Identity, nn.Dropout)
_SHORTCUT = "the channels of shortcuts that change their number stay"


def steps_of(model: nn.Module) -> tuple[list[Step], str]:
    """The steps of a model in the order of computing, and the value that is its input.

    Parameters
    ----------
    model : nn.Module
        One of `models`.
    """
    graph: Graph = Tracer().trace(model)
    inputs = next(node for node in graph.nodes if node.op == "placeholder")
    steps = [_step(node, model) for node in graph.nodes if node.op not in ("placeholder", "output")]
    return steps, inputs.name


def _step(node: Node, model: nn.Module) -> Step:
    reads = tuple(each.name for each in node.all_input_nodes)
    if node.op == "call_module":
        return _of_module(str(node.target), model.get_submodule(str(node.target)), reads, node.name)
    kinds: dict[Any, tuple[Kind, Callable[[Array], Array] | None]] = {
        functional.relu: ("map", _relu),
        functional.max_pool2d: ("map", None),
        "mean": ("map", None),
        "flatten": ("flatten", None),
        operator.add: ("add", None),
    }
    kind, apply = kinds.get(node.target, ("opaque", None))
    if _leaves_as_is(node):
        kind = "map"
    return Step(kind, reads, node.name, apply=apply, reason=_SHORTCUT)


def _leaves_as_is(node: Node) -> bool:
    """Whether a node pads nothing, or takes every k-th place."""
    if node.target is operator.getitem:
        return all(isinstance(part, slice) and part.start is part.stop is None for part in node.args[1][:2]) and (
            node.args[1][0].step is None and node.args[1][1].step is None
        )
    return node.target is functional.pad and not any(node.args[1])


def _of_module(name: str, module: nn.Module, reads: tuple[str, ...], writes: str) -> Step:
    if isinstance(module, (nn.Conv2d, nn.Linear)) and getattr(module, "groups", 1) == 1:
        bias = f"{name}.bias" if module.bias is not None else ""
        is_padded = isinstance(module, nn.Conv2d) and any(int(each) > 0 for each in module.padding)
        return Step("weights", reads, writes, weight=f"{name}.weight", bias=bias, is_padded=is_padded)
    if isinstance(module, nn.BatchNorm2d):
        names = {"scale": "weight", "bias": "bias", "mean": "running_mean", "variance": "running_var"}
        own: dict[str, Any] = {role: f"{name}.{each}" for role, each in names.items()}
        return Step("norm", reads, writes, **own, epsilon=module.eps)
    if isinstance(module, nn.ReLU):
        return Step("map", reads, writes, apply=_relu)
    return Step("map" if isinstance(module, _ALIKE) else "opaque", reads, writes)


def _relu(values: Array) -> Array:
    return np.maximum(values, 0.0)
