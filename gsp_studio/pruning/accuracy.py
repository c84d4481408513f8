"""Accuracy of a network on an evaluation set, for any weights of its layers.

A checkpoint is evaluated when it is an ONNX model, whose graph says how to compute, or when its names and shapes are
those of a network in `models`: a file of weights does not say what to do with them, and code in files is never run.
`onnx_images` brings images into the order of axes that a graph takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.pruning.checkpoint import Checkpoint, CheckpointError
from gsp_studio.pruning.formats import FORMATS, onnx_file
from gsp_studio.pruning.images import IMAGENET, LabelledSource
from gsp_studio.pruning.layers import Layer
from gsp_studio.pruning.onnx_images import channels_among, channels_read, onnx_scores

Normalization = tuple[tuple[float, ...], tuple[float, ...]]

_BATCH = 250
#: Of networks for grey images, where nothing else is said.
_NONE: Normalization = ((0.0,), (1.0,))


class Evaluator:
    """Accuracy of a checkpoint on labelled images.

    Parameters
    ----------
    checkpoint : Checkpoint
    images : LabelledSource
        Their classes in the order of the network's outputs.
    normalization : (means, deviations), optional
        Of each channel, as the network was trained with; by default ImageNet's for colours, and none for grey.

    Raises
    ------
    CheckpointError
        A network that is not known, or one that does not fit the images.
    """

    def __init__(
        self, checkpoint: Checkpoint, images: LabelledSource, normalization: Normalization | None = None
    ) -> None:
        self._images = images
        means, deviations = normalization or (IMAGENET if images.shape[0] == 3 else _NONE)
        self._means = np.array(means, np.float32).reshape(1, -1, 1, 1)
        self._deviations = np.array(deviations, np.float32).reshape(1, -1, 1, 1)
        make = onnx_scores if checkpoint.format == "onnx" else _torch_scores
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
            Called before each batch; when it returns True, the result is that of the images so far, NaN for none.
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


def channels_of(checkpoint: Checkpoint) -> int:
    """Channels of the images that a network reads: 3 or 1, by its graph's input, or else by its first layer.

    Raises
    ------
    CheckpointError
        A file that has changed since it was opened.
    """
    inputs = [_inputs_of(layer) for layer in checkpoint.layers if layer.kind == "convolution"]
    firsts = [_inputs_of(layer) for layer in checkpoint.layers if layer.is_first]
    found = (
        next((count for count in inputs if count in (1, 3)), 1) if inputs else channels_among(min(firsts, default=1))
    )
    if checkpoint.format == "onnx":
        return channels_read(onnx_file.in_one_file(checkpoint.path), found, checkpoint.path)
    return found


def _inputs_of(layer: Layer) -> int:
    return layer.shape[1 if layer.output_axis == 0 else layer.output_axis - 1]


Score = Callable[[Array], Array]


def _torch_scores(checkpoint: Checkpoint, images: LabelledSource) -> Callable[[Mapping[str, Array]], Score]:
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
