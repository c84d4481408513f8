"""Array operations between the kernels, in NumPy: those of every backend whose arrays are the host's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gsp_studio.backends.ahead import ahead
from gsp_studio.backends.backend import Array, Measured, Places
from gsp_studio.backends.cpu.hoyer import hoyer_flat
from gsp_studio.backends.layout import checked_weights, equal_offsets
from gsp_studio.backends.summation import block_slices, fold, inner_product, self_product


def as_is(array: Any) -> Any:
    """The array itself."""
    return array


def zero_coefficients(Xt: Any, V: Array) -> Array:
    """Coefficients of zero (r, n)."""
    return np.zeros((len(V), len(Xt)), V.dtype)


def take(V: Array, rows: Array) -> Array:
    """Some rows of V."""
    return V[rows]


def replaced(V: Array, rows: Array, new: Array) -> Array:
    """A copy of V with other rows in the place of some."""
    out = V.copy()
    out[rows] = new
    return out


def distance(a: Array, b: Array) -> float:
    """``||a - b||_F``."""
    return float(np.linalg.norm(a - b))


def balance(
    V: Array, H: Array, B: Array, G: Array, frozen: tuple[int, ...] = (), ratio: float = 1.0
) -> tuple[Array, Array, Array, Array]:
    """As `Backend.balance`."""
    nv = np.sqrt(np.einsum("kj,kj->k", V, V, dtype=np.float64))
    nh = np.sqrt(np.maximum(np.diagonal(G), 0).astype(np.float64))
    alive = (nv > 0) & (nh > 0)
    alive[list(frozen)] = False
    f = np.ones_like(nv)
    f[alive] = np.sqrt(nh[alive] / nv[alive] * ratio)
    up = f.astype(V.dtype)[:, None]
    down = (1.0 / f).astype(V.dtype)[:, None]
    return V * up, H * down, B * down, G * down * down.T


def is_alive(V: Array, B: Array, G: Array) -> Array:
    """Return whether each basis image has an entry and is used by an image, (r,)."""
    alive: Array = V.any(axis=1) & (np.diagonal(G) > 0)
    return alive


def sparsities(V: Array, weights: Array | None) -> Array:
    """As `Backend.sparsities`.

    Raises
    ------
    ValueError
        Rows that hold NaN or infinite values.
    """
    r, m = V.shape
    checked = None if weights is None else checked_weights(np.atleast_2d(weights), V.dtype)
    found = hoyer_flat(np.ascontiguousarray(V).reshape(-1), equal_offsets(r, m), checked)
    if np.isnan(found).any():
        bad = int(np.count_nonzero(~np.isfinite(V)))
        raise ValueError(f"the factors hold {bad} NaN or infinite values; NMF needs data whose products are finite")
    return found


def measure(V: Array, B: Array, G: Array, weights: Array | None) -> Measured:
    """As `Backend.measure`."""
    return Measured(
        fit=inner_product(V.T, B.T),
        own=float(np.vdot(self_product(V.T), G.astype(np.float64))),
        sparsities=sparsities(V, weights) if V.shape[1] > 1 else np.zeros(len(V)),
        is_alive=is_alive(V, B, G),
    )


def penalized(V: Array, B: Array, G: Array, multiple: Array) -> Array:
    """As `Backend.penalized`."""
    squares = np.einsum("kj,kj->k", V, V, dtype=np.float64)[:, None]
    shape = np.divide(V.sum(axis=1, keepdims=True), squares, out=np.zeros_like(squares), where=squares > 0)
    penalty = multiple * np.sqrt(np.maximum(np.diagonal(G), 0.0))[:, None] * (1.0 - shape * V)
    left: Array = (B - penalty).astype(V.dtype)
    return left


def filling(refill: Callable[[Array, Array, Array, Array, Array], None]) -> Callable[..., Any]:
    """`Backend.filling` by a kernel ``(Xt, V, H, starts, pixels) -> None`` that writes ``W H`` into Xt."""

    def of_images(Xt: Any, filled: Array, places: Places) -> Callable[[Array, Array], float]:
        def fill(V: Array, H: Array) -> float:
            refill(filled, V, H, places.starts, places.pixels)
            return float(np.sum(np.square(filled[places.images, places.pixels], dtype=np.float64)))

        return fill

    return of_images


def misfit(Xt: Any, filled: Array, places: Places, values: Array) -> Callable[[], float]:
    """`Backend.misfit`."""

    def of_now() -> float:
        left = filled[places.images, places.pixels] - values
        return float(np.sum(np.square(left, dtype=np.float64)))

    return of_now


def step_distance(gradient_step: Callable[..., Array]) -> Callable[..., float]:
    """`Backend.step_distance` by a gradient step, over blocks of images: no array of H's size is made."""

    def of_coefficients(H: Array, C: Array, own: Array, L: float, m: int, lengths: Array) -> float:
        scale = lengths.astype(H.dtype)[:, None]

        def of_block(some: slice) -> float:
            h, c = scale * H[:, some], np.ascontiguousarray(C[:, some])
            return float(np.square(h - gradient_step(h, c, own, L), dtype=np.float64).sum())

        return float(np.sqrt(fold(of_block(some) for _, some in block_slices(m, H.shape[1], H.dtype))))

    return of_coefficients


#: The operations that do not depend on a backend's kernels, as fields of `Backend`.
OPERATIONS: dict[str, Any] = {
    "ahead": ahead,
    "put": as_is,
    "get": as_is,
    "gather": as_is,
    "scatter": as_is,
    "zero_coefficients": zero_coefficients,
    "take": take,
    "replaced": replaced,
    "distance": distance,
    "balance": balance,
    "is_alive": is_alive,
    "sparsities": sparsities,
    "measure": measure,
    "penalized": penalized,
    "misfit": misfit,
}
