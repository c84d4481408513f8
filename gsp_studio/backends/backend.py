"""What a device must be able to do: a few kernels, gathered in one frozen dataclass.

The house layout keeps every vector contiguous. The data come as ``Xt`` (n, m), an image a row; the basis as
``V = W'`` (r, m), a basis image a row; the coefficients as ``H`` (r, n). X is touched by
``products``, ``encode``, ``residual``, and by ``sweep_coefficients`` and ``descend_coefficients`` (both products and
the update of H in one pass over the images). All other kernels see the Gram form, so their cost does not depend on the
number of images.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Columns that one HALS block sweeps together. Part of the algorithm, not of the machine: a block stops on its
#: own when a sweep moves it little, so the same number on every backend gives the same iterates.
HALS_BLOCK = 64


class BackendUnavailable(RuntimeError):
    """A backend was asked for by name and cannot run here; the message says why."""


@dataclass(frozen=True)
class Backend:
    """The kernels of one device.

    Attributes
    ----------
    name : str
        "reference", "cpu" or "cuda".
    device : str
        What computes, in words.
    threads : int
        Threads that the kernels may use.
    products : (Xt, H) -> (B, G)
        ``B = H X'`` (r, m) and ``G = H H'`` (r, r).
    sweep_coefficients : (Xt, V, H, n_inner, tol) -> (H, B, G)
        New coefficients by HALS sweeps for the basis V, and the products of the new H.
    descend_coefficients : (Xt, V, H, L, n_inner, tol) -> (H, B, G)
        The same by fast gradient steps of length 1 / L.
    encode : (Xt, V) -> W'X (r, n)
    residual : (Xt, V, H) -> float
        ``||X - W H||_F^2`` summed directly, in float64.
    hals : (V, B, G, n_inner, tol) -> V
        HALS sweeps for ``min_V>=0 <V, G V> - 2 <B, V>``.
    gradient_step : (Y, B, G, L) -> Z
        ``max(0, Y - (G Y - B) / L)``.
    extrapolate : (new, old, Y, beta) -> (next Y, moved, uphill)
        ``new + beta (new - old)``, ``||new - old||_F^2`` and ``<Y - new, new - old>``.
    refill : (Xt, V, H, starts, pixels) -> None
        Writes the fit ``W H`` into the entries that are missing: of image j, ``pixels[starts[j]:starts[j + 1]]``.
    project_rows : (V, s, weights=None, out=None, mu0=0.0) -> (V, mu)
        The grouped sparse projection of the rows of V, all in one group.
    scope : () -> context manager
        Entered around the kernels of an iteration: gives the thread pools their turn.
    """

    name: str
    device: str
    threads: int
    products: Callable[[Array, Array], tuple[Array, Array]]
    sweep_coefficients: Callable[[Array, Array, Array, int, float], tuple[Array, Array, Array]]
    descend_coefficients: Callable[[Array, Array, Array, float, int, float], tuple[Array, Array, Array]]
    encode: Callable[[Array, Array], Array]
    residual: Callable[[Array, Array, Array], float]
    hals: Callable[[Array, Array, Array, int, float], Array]
    gradient_step: Callable[[Array, Array, Array, float], Array]
    extrapolate: Callable[[Array, Array, Array, float], tuple[Array, float, float]]
    refill: Callable[[Array, Array, Array, Array, Array], None]
    project_rows: Callable[..., tuple[Array, float]]
    scope: Callable[[], AbstractContextManager[Any]]


def is_elsewhere(X: Any) -> bool:
    """Whether a matrix is no array here: in a file (`blocks.Streamed`) or on a cluster (`core.spread.Spread`)."""
    return bool(getattr(X, "is_elsewhere", False))


def as_compute_dtype(array: Any) -> Any:
    """The array as float32 or float64: these two pass, as does what is elsewhere; all other types become float64."""
    a: Any = array if is_elsewhere(array) else np.asarray(array)
    if a.dtype in (np.float32, np.float64):
        return a
    return a.astype(np.float64)
