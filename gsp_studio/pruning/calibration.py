"""Calibration on a few images: how active the inputs of layers are, and the statistics of batch norms after pruning.

The images need no labels. Activations weight the projection (WGSP): weights of inputs that are hardly active go first.
Pruning changes the mean and deviation that a batch norm sees, which some hundred images are enough to estimate again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from gsp_studio.pruning.accuracy import Normalization, network_of, set_weights, usual_normalization
from gsp_studio.pruning.checkpoint import Checkpoint
from gsp_studio.pruning.layers import Layer

Array = npt.NDArray[Any]

_BATCH = 64
#: Images that are looked at.
MOST = 512
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def input_norms(checkpoint: Checkpoint, images: Array, normalization: Normalization | None = None) -> dict[str, Array]:
    """Root mean square of the activations that each input of a layer gets.

    Parameters
    ----------
    checkpoint : Checkpoint
        One of the known networks.
    images : ndarray (n, channels, height, width)
        The first `MOST` are taken.
    normalization : (means, deviations), optional
        As for `Evaluator`.

    Returns
    -------
    dict of str to ndarray (inputs,)
        By the names of layers.

    Raises
    ------
    CheckpointError
        A network that is not known, or does not fit the images.
    """
    model = network_of(checkpoint, images.shape[1:])
    sums: dict[str, Array] = {}
    counts: dict[str, int] = {}
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            handles.append(module.register_forward_pre_hook(_listener(f"{name}.weight", sums, counts)))
    with torch.inference_mode():
        for batch in _batches(images, normalization):
            model(batch)
    for handle in handles:
        handle.remove()
    return {name: np.sqrt(total / counts[name]) for name, total in sums.items()}


def _listener(name: str, sums: dict[str, Array], counts: dict[str, int]) -> Callable[..., None]:
    def listen(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        x = inputs[0].double()
        axes = [axis for axis in range(x.ndim) if axis != (1 if not isinstance(module, nn.Linear) else x.ndim - 1)]
        sums[name] = sums.get(name, 0) + x.square().sum(axes).numpy()
        counts[name] = counts.get(name, 0) + x.numel() // x.shape[1 if not isinstance(module, nn.Linear) else -1]

    return listen


def with_importance(layers: Sequence[Layer], norms: Mapping[str, Array]) -> tuple[Layer, ...]:
    """The layers with the importance of their inputs, where it is known; inputs that are never active count least."""
    return tuple(
        replace(layer, importance=norms[layer.name]) if norms.get(layer.name, np.zeros(1)).any() else layer
        for layer in layers
    )


def settled(images: Array, normalization: Normalization | None = None) -> Callable[[Any], None]:
    """A function that re-estimates the batch norms of a PyTorch model on images, as averages over all of them."""

    def settle(model: nn.Module) -> None:
        norms = [module for module in model.modules() if isinstance(module, _NORMS)]
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        model.train()
        with torch.no_grad():
            for batch in _batches(images, normalization):
                if len(batch) > 1:
                    model(batch)
        model.eval()
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum

    return settle


def batch_norms(
    checkpoint: Checkpoint, weights: Mapping[str, Array], images: Array, normalization: Normalization | None = None
) -> dict[str, Array]:
    """Running means and variances of a network with new weights, by their names in the file.

    Raises
    ------
    CheckpointError
        As `input_norms`.
    """
    model = network_of(checkpoint, images.shape[1:])
    set_weights(model, checkpoint, weights)
    settled(images, normalization)(model)
    return {name: buffer.numpy().copy() for name, buffer in model.named_buffers() if buffer.is_floating_point()}


def _batches(images: Array, normalization: Normalization | None) -> list[torch.Tensor]:
    means, deviations = normalization or usual_normalization(images.shape[1])
    taken = images[:MOST].astype(np.float32)
    taken = (taken - np.reshape(means, (1, -1, 1, 1))) / np.reshape(deviations, (1, -1, 1, 1))
    return list(torch.from_numpy(taken.astype(np.float32)).split(_BATCH))
