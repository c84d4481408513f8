"""Accuracy of a network on an evaluation set, for any weights of its layers.

A checkpoint is evaluated when it is an ONNX model, whose graph says how to compute, or when its names and shapes are
those of a network in `models`: a file of weights does not say what to do with them, and code in files is never run.
`onnx_images` brings images into the order of axes that a graph takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.pruning.chain import keeps_order
from gsp_studio.pruning.checkpoint import Checkpoint, CheckpointError
from gsp_studio.pruning.formats import FORMATS, onnx_file, safetensors_file
from gsp_studio.pruning.images import IMAGENET, LabelledSource
from gsp_studio.pruning.layers import Layer
from gsp_studio.pruning.onnx_images import channels_among, channels_read, onnx_scores

Normalization = tuple[tuple[float, ...], tuple[float, ...]]

_BATCH = 250
#: Heights and widths of the images of usual data sets: CIFAR-10, MNIST, ImageNet, scikit-learn's digits.
_SIDES = (32, 28, 224, 8)
#: Of networks for grey images, where nothing else is said.
_NONE: Normalization = ((0.0,), (1.0,))


def usual_normalization(channels: int) -> Normalization:
    """ImageNet's mean and deviation for colours, none for grey images."""
    return IMAGENET if channels == 3 else _NONE


class Evaluator:
    """Accuracy of a checkpoint on labelled images.

    Parameters
    ----------
    checkpoint : Checkpoint
    images : LabelledSource
        Their classes in the order of the network's outputs.
    normalization : (means, deviations), optional
        Of each channel, as the network was trained with; by default ImageNet's for colours, and none for grey.
    settle : callable, optional
        Called with the PyTorch model after its weights were set: `calibration.settled` re-estimates batch norms.

    Raises
    ------
    CheckpointError
        A network that is not known, or one that does not fit the images.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        images: LabelledSource,
        normalization: Normalization | None = None,
        settle: Callable[[Any], None] | None = None,
    ) -> None:
        self._images = images
        means, deviations = normalization or usual_normalization(images.shape[0])
        self._means = np.array(means, np.float32).reshape(1, -1, 1, 1)
        self._deviations = np.array(deviations, np.float32).reshape(1, -1, 1, 1)
        if checkpoint.format != "onnx":
            self._scores = _torch_scores(checkpoint, images, settle or (lambda model: None))
        elif settle is None:
            self._scores = onnx_scores(checkpoint, images)
        else:
            raise CheckpointError(f"{checkpoint.path} is an ONNX model; batch norms are re-estimated in PyTorch files")

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


def _torch_scores(
    checkpoint: Checkpoint, images: LabelledSource, settle: Callable[[Any], None]
) -> Callable[[Mapping[str, Array]], Score]:
    import torch

    model = network_of(checkpoint, images.shape)

    def with_weights(weights: Mapping[str, Array]) -> Score:
        set_weights(model, checkpoint, weights)
        settle(model)

        def score(batch: Array) -> Array:
            with torch.inference_mode():
                return np.asarray(model(torch.from_numpy(batch)).numpy())

        return score

    return with_weights


def network_of(checkpoint: Checkpoint, shape: tuple[int, int, int]) -> Any:
    """The PyTorch model of a checkpoint that is one of the known networks, with its weights.

    Parameters
    ----------
    checkpoint : Checkpoint
    shape : (channels, height, width)
        Of the images that it sees.

    Raises
    ------
    CheckpointError
        A network that is not known.
    """
    from gsp_studio.pruning.models import model_for

    stored = FORMATS[checkpoint.format].read(checkpoint.path)
    state = {array.name: array.values.astype(np.float32) for array in stored if array.values is not None}
    is_compact = checkpoint.format == "safetensors" and safetensors_file.is_compact(checkpoint.path)
    model = model_for(state, shape, is_compact, keeps_order(checkpoint.format)) if checkpoint.format != "onnx" else None
    if model is None:
        raise CheckpointError(
            f"{checkpoint.path} is not one of the networks that can be evaluated on images of "
            f"{' x '.join(map(str, shape))}; export it to ONNX, which says how it computes"
        )
    return model


def known_network(
    checkpoint: Checkpoint, shape: tuple[int, int, int] | None = None
) -> tuple[Any, tuple[int, int, int]] | None:
    """The PyTorch model of a checkpoint and the shape of its images; None for a network that is not known.

    Parameters
    ----------
    checkpoint : Checkpoint
    shape : (channels, height, width), optional
        Of an image; by default those of the usual data are tried.
    """
    for each in [shape] if shape else [(channels_of(checkpoint), side, side) for side in _SIDES]:
        try:
            return network_of(checkpoint, each), each
        except CheckpointError:
            continue
    return None


def set_weights(model: Any, checkpoint: Checkpoint, weights: Mapping[str, Array]) -> None:
    """Set the layers of a known network to new weights, and the others to those of its file."""
    import torch

    places = dict(model.named_parameters())
    with torch.no_grad():
        for layer in checkpoint.layers:
            values = np.array(weights.get(layer.name, layer.weights), np.float32)
            places[layer.name].copy_(torch.from_numpy(values))
