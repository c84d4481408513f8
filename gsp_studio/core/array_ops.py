"""What happens to factors between the kernels: in NumPy on the host, or by a device that keeps its arrays.

The solver is written once. Where a backend has a `Remote`, its arrays are opaque here: they are handed on, multiplied,
and brought to the host only by `get`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.backend import Backend, Measured
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.backends.kernels import prepared as prepared_on_host
from gsp_studio.backends.powers import scaled
from gsp_studio.core.metrics import GramError, inner_product, self_product, squared_norm
from gsp_studio.core.scaling import balance as balance_on_host
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.units import unit_of_factors

Array = npt.NDArray[Any]


def put(array: Any, backend: Backend) -> Any:
    """An array of the host where the backend computes."""
    return array if backend.remote is None else backend.remote.put(array)


def get(array: Any, backend: Backend) -> Array:
    """An array of the backend on the host."""
    found: Array = array if backend.remote is None else backend.remote.get(array)
    return found


def prepared(X: Any, backend: Backend, rank: int) -> tuple[Any, Backend]:
    """X as kernels take it, and the kernels that do.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64, or BlockMatrix
    backend : Backend
    rank : int
        What is computed with it: images that do not fit a device beside its factors are streamed there.

    Returns
    -------
    Xt : array (n, m) or Rows
        On the device where there is one, else as `blocks.prepared` gives it.
    backend : Backend
    """
    if backend.remote is None:
        return prepared_on_host(X, backend)
    if isinstance(X, BlockMatrix):
        return X.T, backend.remote.streamed()
    return backend.remote.adopt(np.ascontiguousarray(X.T), rank)


def for_host(backend: Backend, Xt: Any) -> Backend:
    """The kernels of a device for factors of the host, about the images Xt that it has: what edits ask for."""

    def encode(images: Any, V: Array) -> Array:
        return get(backend.encode(Xt, put(V, backend)), backend)

    return replace(backend, encode=encode, remote=None)


def balance(
    V: Any, H: Any, B: Any, G: Any, frozen: tuple[int, ...], ratio: float, backend: Backend
) -> tuple[Any, Any, Any, Any]:
    """Rows of V and H scaled to norms of this ratio; see `scaling.balance`."""
    if backend.remote is not None:
        return backend.remote.balance(V, H, B, G, frozen, ratio)
    return balance_on_host(V, H, B, G, frozen, ratio)


def measure(V: Any, B: Any, G: Any, weights: Array | None, backend: Backend) -> Measured:
    """What an iterate tells about itself; weights (m,) or (r, m)."""
    if backend.remote is not None:
        return backend.remote.measure(V, B, G, weights)
    return Measured(
        fit=inner_product(V.T, B.T),
        own=float(np.vdot(self_product(V.T), G.astype(np.float64))),
        sparsities=sparsities(V, weights, backend) if V.shape[1] > 1 else np.zeros(len(V)),
        is_alive=V.any(axis=1) & (np.diagonal(G) > 0),
    )


def sparsities(V: Any, weights: Array | None, backend: Backend) -> Array:
    """Hoyer sparsity of the rows of V (r, m), weighted where weights (m,) or (r, m) are given."""
    if backend.remote is not None:
        return backend.remote.sparsities(V, weights)
    found: Array = np.asarray(hoyer_sparsity(V.T, None if weights is None else weights.T))
    return found


def distance(a: Any, b: Any, backend: Backend) -> float:
    """``||a - b||_F``."""
    return float(np.linalg.norm(a - b)) if backend.remote is None else backend.remote.distance(a, b)


def take(V: Any, rows: Array, backend: Backend) -> Any:
    """Some rows of V."""
    return V[rows] if backend.remote is None else backend.remote.take(V, rows)


def replaced(V: Any, rows: Array, new: Any, backend: Backend) -> Any:
    """V with other rows in the place of some."""
    if backend.remote is not None:
        return backend.remote.replaced(V, rows, new)
    out = V.copy()
    out[rows] = new
    return out


def coefficients(X: Array, V: Array, backend: Backend, n_sweeps: int, tol: float) -> tuple[Array, GramError]:
    """Coefficients of images X (m, n) for a basis V (r, m), by HALS sweeps from zero, and their `GramError`.

    All arrays are the host's.
    """
    unit = unit_of_factors(X, V, None)
    X, V = unit.data_inside(X), unit.basis_inside(V)
    with backend.scope():
        Xt, device = prepared(X, backend, len(V))
        start = put(np.zeros((len(V), len(Xt)), V.dtype), device)
        found = device.sweep_coefficients(Xt, put(V, device), start, n_sweeps, tol)
        H, B, G = (get(array, device) for array in found)
    return scaled(H, unit.coefficients), GramError(B.T, G, squared_norm(X), unit=unit)
