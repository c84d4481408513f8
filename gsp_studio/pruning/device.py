"""Projecting tensors where they live: views of a processor's memory, CUDA tensors through the backend for CUDA.

PyTorch and the backend see each other's arrays by the CUDA array interface, so weights are not copied to the host.
Where there is no such backend (no CuPy, another device), and for groups of several layers and shares of zeros, tensors
are projected on the host and copied back: the same values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsp_studio.backends import available_backends, get_backend
from gsp_studio.core.projection import group_sparse_projection

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
    new = None
    if weight.device.type == "cuda" and weight.dtype in _NATIVE:
        new = _on_device(weight.detach(), s, axes)
    if new is None:
        new = torch.from_numpy(group_sparse_projection(host_view(weight), s, axis=axes).values)
    with torch.no_grad():
        weight.copy_(new)


def backend_of(weight: Tensor) -> Any:
    """The backend for the device that a CUDA tensor lives on; None where there is none."""
    if available_backends().get("cuda", "missing"):
        return None
    index = weight.device.index or 0
    return get_backend("cuda" if index == 0 else f"cuda:{index}")


def _on_device(weight: Tensor, s: float, axes: tuple[int, ...]) -> Tensor | None:
    backend = backend_of(weight)
    if backend is None or backend.remote is None:
        return None
    counted = [axis for axis in range(weight.ndim) if axis not in axes]
    moved = weight.permute(*counted, *axes)
    rows = moved.reshape(-1, moved[(0,) * len(counted)].numel())
    if not bool(torch.isfinite(rows).all()):
        raise ValueError("the weights hold NaN or infinite values; accepted are finite ones")
    with backend.scope():
        # An array of the backend's own kind, empty, which PyTorch sees and fills: the weights stay on the device.
        room = backend.remote.put(np.empty(rows.shape, np.float64 if rows.dtype == torch.float64 else np.float32))
        torch.as_tensor(room, device=weight.device).copy_(rows)
        torch.cuda.synchronize(weight.device)  # CuPy's stream does not wait for PyTorch's, nor the other way round
        values, _ = backend.project_rows(room, s)
    torch.cuda.synchronize(weight.device)
    back = torch.as_tensor(values, device=weight.device).reshape(moved.shape)
    order = [*counted, *axes]
    return back.permute(*(order.index(axis) for axis in range(weight.ndim)))
