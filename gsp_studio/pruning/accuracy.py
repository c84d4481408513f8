"""How many images of an evaluation set a network gets right, for any weights of its layers.

A checkpoint is evaluated when it is an ONNX model, whose graph says how to compute, or when its names and shapes are
those of a network in `models`: a file of weights does not say what to do with them, and code in files is never run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.pruning.checkpoint import Checkpoint, CheckpointError
from gsp_studio.pruning.formats import FORMATS, onnx_file
from gsp_studio.pruning.images import IMAGENET, Labelled

Array = npt.NDArray[Any]
Normalization = tuple[tuple[float, ...], tuple[float, ...]]

_BATCH = 250
#: Of networks for grey images, where nothing else is said.
_NONE: Normalization = ((0.0,), (1.0,))


class Evaluator:
    """Accuracy of a checkpoint on labelled images.

    Parameters
    ----------
    checkpoint : Checkpoint
    images : Labelled
        Their classes in the order of the network's outputs.
    normalization : (means, deviations), optional
        Of each channel, as the network was trained with; by default ImageNet's for colours, and none for grey.

    Raises
    ------
    CheckpointError
        A network that is not known, or one that does not fit the images.
    """

    def __init__(self, checkpoint: Checkpoint, images: Labelled, normalization: Normalization | None = None) -> None:
        self._images = images
        means, deviations = normalization or (IMAGENET if images.shape[0] == 3 else _NONE)
        self._means = np.array(means, np.float32).reshape(1, -1, 1, 1)
        self._deviations = np.array(deviations, np.float32).reshape(1, -1, 1, 1)
        make = _onnx_scores if checkpoint.format == "onnx" else _torch_scores
        self._scores = make(checkpoint, images)

    def accuracy(
        self, weights: Mapping[str, Array] | None = None, cancelled: Callable[[], bool] | None = None
    ) -> float:
        """The fraction of images that are classified right.

        Parameters
        ----------
        weights : mapping of str to ndarray, optional
            By the names of layers, as projections give them; the others are those of the file.
        cancelled : callable, optional
            Asked before each batch; when it says so, the answer is that of the images so far, NaN for none.
        """
        right, seen, count = 0, 0, len(self._images.labels)
        score = self._scores(weights or {})
        for first in range(0, count, _BATCH):
            if cancelled is not None and cancelled():
                break
            chosen = np.arange(first, min(first + _BATCH, count))
            batch = (self._images.batch(chosen) - self._means) / self._deviations
            found = np.argmax(score(batch.astype(np.float32)), axis=1)
            right += int(np.sum(found == self._images.labels[chosen]))
            seen += len(chosen)
        return right / seen if seen else float("nan")


Score = Callable[[Array], Array]


def _torch_scores(checkpoint: Checkpoint, images: Labelled) -> Callable[[Mapping[str, Array]], Score]:
    import torch

    from gsp_studio.pruning.models import model_for

    stored = FORMATS[checkpoint.format].read(checkpoint.path)
    state = {array.name: array.values.astype(np.float32) for array in stored if array.values is not None}
    model = model_for(state, images.shape)
    if model is None:
        raise CheckpointError(
            f"{checkpoint.path} is not one of the networks that can be evaluated on images of "
            f"{' x '.join(map(str, images.shape))}; export it to ONNX, which says how it computes"
        )
    places = dict(model.named_parameters())

    def with_weights(weights: Mapping[str, Array]) -> Score:
        with torch.no_grad():
            for layer in checkpoint.layers:
                values = np.array(weights.get(layer.name, layer.weights), np.float32)
                places[layer.name].copy_(torch.from_numpy(values))

        def score(batch: Array) -> Array:
            with torch.inference_mode():
                return np.asarray(model(torch.from_numpy(batch)).numpy())

        return score

    return with_weights


def _onnx_scores(checkpoint: Checkpoint, images: Labelled) -> Callable[[Mapping[str, Array]], Score]:
    from onnx import numpy_helper

    model = onnx_file.in_one_file(checkpoint.path)
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in given]
    if len(inputs) != 1:
        raise CheckpointError(f"{checkpoint.path} has {len(inputs)} inputs; accepted are networks with one, the images")
    name, expected = inputs[0].name, _sides(inputs[0])
    if len(expected) == 2:
        is_fit = expected[1] in (0, int(np.prod(images.shape)))
    else:
        is_fit = len(expected) == 4 and all(a in (0, b) for a, b in zip(expected[1:], images.shape, strict=True))
    if not is_fit:
        shown = " x ".join(map(str, expected[1:]))
        wanted = " x ".join(map(str, images.shape))
        raise CheckpointError(f"{checkpoint.path} takes inputs of {shown}; the images are {wanted}")
    places = {tensor.name: tensor for tensor in model.graph.initializer}

    def with_weights(weights: Mapping[str, Array]) -> Score:
        from onnx.reference import ReferenceEvaluator

        for layer in checkpoint.layers:
            values = weights.get(layer.name, layer.weights).astype(layer.dtype, copy=False)
            places[layer.key].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), layer.key))
        run = ReferenceEvaluator(model)

        def score(batch: Array) -> Array:
            x = batch.reshape(len(batch), -1) if len(expected) == 2 else batch
            each = expected[0] or len(x)
            return np.concatenate([run.run(None, {name: x[k : k + each]})[0] for k in range(0, len(x), each)])

        return score

    return with_weights


def _sides(entry: Any) -> list[int]:
    """The shape of an input; 0 for what is left open."""
    return [int(side.dim_value) for side in entry.type.tensor_type.shape.dim]
