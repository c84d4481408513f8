"""Projecting tensors where they live: views of a processor's memory, CUDA tensors through the backend for CUDA.

PyTorch and the backend see each other's arrays by the CUDA array interface, so weights are not copied to the host.
Where there is no such backend (no CuPy, another device), for layers on several devices, and for shares of zeros,
tensors are projected on the host and copied back: the same values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsp_studio.backends import available_backends, get_backend
from gsp_studio.core.projection import group_sparse_projection
from gsp_studio.pruning.grouping import Grouping
from gsp_studio.pruning.support import factor_of

_NATIVE = (torch.float32, torch.float64)


def host_view(weight: Tensor) -> Any:
    """A weight as an array: its own memory for float32 and float64 of the processor, else a copy."""
    weight = weight.detach()
    if weight.dtype not in _NATIVE:
        weight = weight.to(torch.float32)
    return weight.cpu().numpy()


def shares_memory(weight: Tensor) -> bool:
    """Whether `host_view` is the weight's own memory."""
    return weight.device.type == "cpu" and weight.dtype in _NATIVE


def project_rows(weight: Tensor, s: float, axes: tuple[int, ...]) -> None:
    """Grouped sparse projection of one weight, in place.

    Parameters
    ----------
    weight : Tensor
        On any device.
    s : float
        Average Hoyer sparsity of its vectors.
    axes : tuple of int
        That the entries of a vector run along.

    Raises
    ------
    ValueError
        NaN or infinite weights.
    """
    if shares_memory(weight):
        view = host_view(weight)
        group_sparse_projection(view, s, axis=axes, out=view)
        torch.autograd.graph.increment_version(weight)
        return
    if project_on_device([weight], [axes], s):
        return
    new = torch.from_numpy(group_sparse_projection(host_view(weight), s, axis=axes).values)
    with torch.no_grad():
        weight.copy_(new)


def backend_of(weight: Tensor) -> Any:
    """The backend for the device that a CUDA tensor lives on; None where there is none."""
    if available_backends().get("cuda", "missing"):
        return None
    index = weight.device.index or 0
    return get_backend("cuda" if index == 0 else f"cuda:{index}")


def factors_of(weights: Sequence[Tensor], axes: Sequence[tuple[int, ...]], grouping: Grouping) -> list[float] | None:
    """Factors of layers in one group as `support.factors` has them, computed where the weights live."""
    if grouping.shares == "paper":
        return None
    lengths = [math.prod(weight.shape[axis] for axis in along) for weight, along in zip(weights, axes, strict=True)]
    if grouping.shares == "even":
        return [factor_of(length, 1.0) for length in lengths]
    means = [float(weight.detach().double().square().mean().sqrt()) for weight in weights]
    return [factor_of(length, mean) for length, mean in zip(lengths, means, strict=True)]


def project_on_device(
    weights: Sequence[Tensor], axes: Sequence[tuple[int, ...]], s: float, factors: Sequence[float] | None = None
) -> bool:
    """Grouped sparse projection of CUDA tensors as one group, in place, without leaving their device.

    Parameters
    ----------
    weights : sequence of Tensor
        float64 is computed in where one of them has it, else float32.
    axes : sequence of tuple of int
        Of each, that the entries of a vector run along.
    s : float
        Average Hoyer sparsity of all vectors.
    factors : sequence of float, optional
        What each is multiplied with before, and divided by after.

    Returns
    -------
    bool
        False where they are not on one CUDA device, or there is no backend for it: nothing is done then.

    Raises
    ------
    ValueError
        NaN or infinite weights.
    """
    device = weights[0].device
    if device.type != "cuda" or any(weight.device != device for weight in weights):
        return False
    backend = backend_of(weights[0])
    if backend is None or backend.remote is None:
        return False
    for weight, new in zip(weights, _projected_on(backend, weights, axes, s, factors), strict=True):
        with torch.no_grad():
            weight.copy_(new)
    return True


def _projected_on(
    backend: Any,
    weights: Sequence[Tensor],
    axes: Sequence[tuple[int, ...]],
    s: float,
    factors: Sequence[float] | None = None,
) -> list[Tensor]:
    """New weights, on their device."""
    scales = [1.0] * len(weights) if factors is None else factors
    device = weights[0].device
    views = [_vectors_of(weight.detach(), along) for weight, along in zip(weights, axes, strict=True)]
    if not all(bool(torch.isfinite(rows).all()) for rows in views):
        raise ValueError("the weights hold NaN or infinite values; accepted are finite ones")
    lengths = np.concatenate([np.full(len(rows), rows.shape[1], np.int64) for rows in views])
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    sizes = [rows.numel() for rows in views]
    dtype = np.float64 if any(weight.dtype == torch.float64 for weight in weights) else np.float32
    with backend.scope():
        # An array of the backend's own kind, empty, which PyTorch sees and fills: the weights stay on the device.
        room = backend.remote.empty(int(offsets[-1]), dtype)
        for rows, part, scale in zip(views, _tensor_of(room, device).split(sizes), scales, strict=True):
            part.view(rows.shape).copy_(rows).mul_(scale)
        _wait(device)  # CuPy's stream does not wait for PyTorch's, nor the other way round
        values = backend.remote.project_there(room, offsets, s)
    _wait(device)
    parts = [part / scale for part, scale in zip(_tensor_of(values, device).split(sizes), scales, strict=True)]
    return [_weight_of(part, weight, along) for part, weight, along in zip(parts, weights, axes, strict=True)]


def _tensor_of(array: Any, device: torch.device) -> Tensor:
    """The same memory, as PyTorch's."""
    return torch.as_tensor(array, device=device)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _order(weight: Tensor, along: tuple[int, ...]) -> list[int]:
    """Axes that count vectors, then those that a vector's entries run along."""
    return [*(axis for axis in range(weight.ndim) if axis not in along), *along]


def _vectors_of(weight: Tensor, along: tuple[int, ...]) -> Tensor:
    """A vector a row."""
    length = math.prod(weight.shape[axis] for axis in along)
    return weight.permute(_order(weight, along)).reshape(-1, length)


def _weight_of(flat: Tensor, weight: Tensor, along: tuple[int, ...]) -> Tensor:
    """Vectors in the shape of the weight."""
    order = _order(weight, along)
    return flat.view([weight.shape[axis] for axis in order]).permute([order.index(axis) for axis in range(weight.ndim)])
