"""Scores that an ONNX graph gives images: in the order of axes, type and batches that its input declares.

Images are given as (n, channels, height, width), as (n, height, width, channels), as TensorFlow exports them, as (n,
height, width) where they are grey, or as (n, values). Where the sides fit two of these, the first nodes of the graph
decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import one_line
from gsp_studio.pruning.checkpoint import Checkpoint, CheckpointError
from gsp_studio.pruning.formats import onnx_file
from gsp_studio.pruning.formats.onnx_graph import layout_of, operators_of
from gsp_studio.pruning.images import LabelledSource

Score = Callable[[Array], Array]

#: Types of inputs by their numbers in ONNX.
_TYPES: dict[int, str] = {1: "float32", 10: "float16", 11: "float64"}
#: A graph with these can go on for ever.
_LOOPS = {"Loop", "Scan", "SequenceMap"}


def onnx_scores(checkpoint: Checkpoint, images: LabelledSource) -> Callable[[Mapping[str, Array]], Score]:
    """Make a function of weights by layer that makes one of images (n, channels, height, width): scores (n, classes).

    Parameters
    ----------
    checkpoint : Checkpoint
        An ONNX model.
    images : LabelledSource
        Those that it is going to see.

    Raises
    ------
    CheckpointError
        A graph that does not take such images, or cannot be computed; also from the functions.
    """
    from onnx import numpy_helper

    path, model = checkpoint.path, onnx_file.in_one_file(checkpoint.path)
    taken = _input_of(model, path)
    if taken.arrange(np.empty((1, *images.shape), np.float32)) is None:
        shown = " x ".join(map(str, taken.sides[1:])) or "no shape"
        raise CheckpointError(
            f"{path} takes inputs of {shown}; the images are {' x '.join(map(str, images.shape))}, "
            "channels x height x width"
        )
    if endless := _LOOPS & operators_of(model):
        raise CheckpointError(
            f"{path} computes with {min(endless)}, which may have no end; accepted are graphs without"
        )
    places = {tensor.name: tensor for tensor in model.graph.initializer}

    def with_weights(weights: Mapping[str, Array]) -> Score:
        from onnx.reference import ReferenceEvaluator

        for layer in checkpoint.layers:
            values = weights.get(layer.name, layer.weights).astype(layer.dtype, copy=False)
            places[layer.key].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), layer.key))
        run = _told(path, lambda: ReferenceEvaluator(model))

        def score(batch: Array) -> Array:
            each = taken.sides[0] or len(batch)
            found = []
            for k in range(0, len(batch), each):
                given = taken.inputs_of(batch[k : k + each], each)
                found.append(_scores(_told(path, partial(run.run, None, given)), path))
            return np.concatenate(found)[: len(batch)]

        return score

    return with_weights


def channels_read(model: Any, otherwise: int, path: Path) -> int:
    """Channels of the images that a model reads: 3 or 1 by its input; `otherwise` where that leaves it open."""
    taken = _input_of(model, path)
    sides = taken.sides
    if len(sides) == 4:
        places = (3, 1) if taken.layout == "NHWC" else (1, 3)
        return next((sides[place] for place in places if sides[place] in (1, 3)), otherwise)
    return otherwise if len(sides) != 2 or sides[1] == 0 else channels_among(sides[1])


def input_shape(model: Any, path: Path, shape: tuple[int, int, int] | None = None) -> tuple[str, tuple[int, ...]]:
    """Name and sides of the input for images, 0 for those that are left open.

    Parameters
    ----------
    model : onnx.ModelProto
    path : Path
        Of its file, for messages.
    shape : (channels, height, width), optional
        Of images that it is given, where they fit: then only the first side, that of batches, can be open.

    Raises
    ------
    CheckpointError
        A graph without one input of floating values.
    """
    taken = _input_of(model, path)
    given = None if shape is None else taken.arrange(np.empty((1, *shape), np.float32))
    return taken.name, taken.sides if given is None else (taken.sides[0], *given.shape[1:])


def channels_among(values: int) -> int:
    """Channels of square images of so many values: 3 or 1."""
    return 3 if values % 3 == 0 and _is_square(values // 3) and not _is_square(values) else 1


def _is_square(count: int) -> bool:
    return math.isqrt(count) ** 2 == count


@dataclass(frozen=True)
class _Input:
    """The input of a graph: its sides, 0 for those left open, and the order of axes that its first nodes suggest."""

    name: str
    sides: tuple[int, ...]
    dtype: str
    layout: str | None

    def arrange(self, batch: Array) -> Array | None:
        """Images (n, channels, height, width) as the input takes them; None where their sides do not fit."""
        ways = {
            2: [batch.reshape(len(batch), -1)],
            3: [batch[:, 0]] if batch.shape[1] == 1 else [],
            4: [batch, batch.transpose(0, 2, 3, 1)],
        }.get(len(self.sides), [])
        for way in reversed(ways) if self.layout == "NHWC" else ways:
            if all(side in (0, length) for side, length in zip(self.sides[1:], way.shape[1:], strict=True)):
                return way
        return None

    def inputs_of(self, batch: Array, count: int) -> dict[str, Array]:
        """Inputs of the graph: images in its order and type, filled up to a number of them with the last."""
        arranged = self.arrange(batch)
        assert arranged is not None  # compared with the shape of all images at the beginning
        full = np.concatenate([arranged, np.repeat(arranged[-1:], count - len(arranged), axis=0)])
        return {self.name: np.ascontiguousarray(full, dtype=self.dtype)}


def _input_of(model: Any, path: Path) -> _Input:
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in given]
    if len(inputs) != 1:
        raise CheckpointError(f"{path} has {len(inputs)} inputs; accepted are networks with one, the images")
    declared = inputs[0].type.tensor_type
    if declared.elem_type not in _TYPES:
        raise CheckpointError(f"{path} takes inputs of ONNX's type {declared.elem_type}; accepted are floating values")
    layout = layout_of(model.graph, inputs[0].name)
    sides = tuple(max(0, int(side.dim_value)) for side in declared.shape.dim)
    if not declared.HasField("shape") and layout is not None:
        sides = (0,) * 4
    return _Input(inputs[0].name, sides, _TYPES[declared.elem_type], layout)


def _scores(outputs: list[Any], path: Path) -> Array:
    """The scores (n, classes) among the outputs of a graph: the first with floating values of one axis beside n."""
    for found in outputs:
        is_floating = isinstance(found, np.ndarray) and found.dtype.kind == "f" and found.ndim >= 2 and found.size > 0
        if is_floating and found[0].size == max(found.shape[1:]):
            return np.asarray(found.reshape(len(found), -1))
    raise CheckpointError(f"{path} gives no scores of classes: no floating values of one axis for each image")


def _told(path: Path, compute: Callable[[], Any]) -> Any:
    """Run a computation; CheckpointError where the graph cannot be computed."""
    try:
        return compute()
    except Exception as error:  # the reference implementation raises exceptions of every kind
        told = one_line((str(error).strip() or type(error).__name__).splitlines()[0][:160])
        raise CheckpointError(f"{path} cannot be computed ({told})") from error
