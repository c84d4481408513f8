"""The kernels of a device and the array operations between them, gathered in one frozen dataclass.

The house layout keeps every vector contiguous. The data come as ``Xt`` (n, m), an image a row; the basis as
``V = W'`` (r, m), a basis image a row; the coefficients as ``H`` (r, n). X is touched by
``products``, ``encode``, ``residual``, and by ``sweep_coefficients``, ``descend_coefficients`` and ``update_ahead``
(both products and the update of H in one pass over the images). All other kernels see the Gram form, so their cost does
not depend on the number of images.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array as Array
from gsp_studio.backends.admission import as_real

#: Columns that one HALS block sweeps together. Part of the algorithm, not of the machine: a block stops on its
#: own when a sweep moves it little, so the same number on every backend gives the same iterates.
HALS_BLOCK = 64

#: The largest threshold of shared-price HALS, as a part of the one that leaves nothing of a basis image.
LARGEST_THRESHOLD = 0.999


class BackendUnavailable(RuntimeError):
    """A backend was asked for by name and cannot run here; the message says why."""


class OutOfDeviceMemory(MemoryError):
    """A device has no memory left for a computation; the message says so in one sentence."""


@dataclass(frozen=True)
class Measured:
    """Measures of an iterate, from ``V = W'``, ``B = H X'`` and ``G = H H'``, as numbers of the host.

    ``fit = <V, B>`` and ``own = <V V', G>`` in float64; the sparsity of each basis image; whether it is not zero and
    used by an image.
    """

    fit: float
    own: float
    sparsities: Array
    is_alive: Array


class Pending(Protocol):
    """Arrays that leave a device beside its next computation."""

    def begin(self) -> None:
        """Start, and return at once."""

    def wait(self) -> tuple[Array, ...]:
        """The arrays on the host."""


@dataclass(frozen=True)
class Places:
    """Some entries of images in rows (n, m), image by image.

    Attributes
    ----------
    images, pixels : ndarray of int64
        Of each entry.
    starts : ndarray (n + 1,) of int64
        Those of image j are ``pixels[starts[j]:starts[j + 1]]``.
    """

    images: Array
    pixels: Array
    starts: Array


@dataclass(frozen=True)
class Remote:
    """The operations of a device on flat buffers, and on its memory. Arrays are the host's unless called the device's.

    Attributes
    ----------
    empty : (size, dtype) -> array of the device
        A flat one, for others to fill.
    adopt : (Xt, r) -> (Xt, Backend)
        Images for runs of rank r: on the device where they fit, else read by it some at a time.
    streamed : () -> Backend
        The kernels for `Rows` instead of Xt.
    project_flat, project_each, sorted_group
        As those of `backends.cpu`.
    project_there : (c, offsets, s) -> c
        The vectors of a flat buffer of the device, finite values, projected as one group into a new one.
    memory : () -> (free, total)
        Bytes.
    release : () -> None
        Give back what is not in use.
    """

    empty: Callable[[int, npt.DTypeLike], Any]
    adopt: Callable[[Array, int], tuple[Any, Backend]]
    streamed: Callable[[], Backend]
    project_flat: Callable[..., Any]
    project_each: Callable[..., Any]
    project_there: Callable[[Any, Array, float], Any]
    sorted_group: Callable[..., Any]
    memory: Callable[[], tuple[int, int]]
    release: Callable[[], None]


@dataclass(frozen=True)
class Backend:
    """The kernels of one device, and the array operations that a solver needs between them.

    Arrays are the backend's own, opaque to the solver, unless they are called the host's: NumPy's on the processor, a
    device's, or, of a cluster, coefficients that stay where the images are.

    Attributes
    ----------
    name : str
        "reference", "cpu", "cuda" or "cuda:1".
    device : str
        The computing device, in words.
    threads : int
        Threads that the kernels may use.
    products : (Xt, H) -> (B, G)
        ``B = H X'`` (r, m) and ``G = H H'`` (r, r).
    sweep_coefficients : (Xt, V, H, n_inner, tol) -> (H, B, G)
        New coefficients by HALS sweeps for the basis V, and the products of the new H.
    descend_coefficients : (Xt, V, H, L, n_inner, tol) -> (H, B, G)
        The same by fast gradient steps of length 1 / L.
    update_ahead : (Xt, V, H, old, beta, L, n_inner, tol) -> (H, B, G, C)
        The same, begun ahead of H on the line from `old`, at ``max(0, H + beta (H - old))``: by HALS sweeps for L = 0,
        else by gradient steps. C is the new H times the transposed H.
    encode : (Xt, V) -> W'X (r, n)
    residual : (Xt, V, H) -> float
        ``||X - W H||_F^2`` summed directly, in float64.
    hals : (V, B, G, n_inner, tol) -> V
        HALS sweeps for ``min_V>=0 <V, G V> - 2 <B, V>``.
    shared_price : (V, B, G, s, weights, mu, share, n_inner, tol) -> (V, mu)
        Sweeps over the rows of V, each the best one for the others under the price ``share mu`` on its (weighted)
        sparsity; mu moves to where their average is s, and begins there for mu < 0. Their projection meets s exactly.
    gradient_step : (Y, B, G, L) -> Z
        ``max(0, Y - (G Y - B) / L)``.
    extrapolate : (new, old, Y, beta) -> (next Y, moved, uphill)
        ``new + beta (new - old)``, ``||new - old||_F^2`` and ``<Y - new, new - old>``.
    ahead : (new, old, beta) -> ``max(0, new + beta (new - old))``
    project_rows : (V, s, weights=None, out=None, mu0=0.0) -> (V, mu)
        The grouped sparse projection of the rows of V, all in one group.
    put, get : array -> array
        From the host, and to the host.
    gather, scatter : H -> H
        Coefficients brought to where their rows can be projected, and back to where the images are.
    zero_coefficients : (Xt, V) -> H (r, n)
    take : (V, rows) -> V[rows]
    replaced : (V, rows, new) -> V with other rows
    distance : (a, b) -> ``||a - b||_F``
    balance : (V, H, B, G, frozen, ratio) -> (V, H, B, G)
        Rows of V and H scaled to norms of this ratio, W H unchanged, with B = H X' and G = H H' scaled along. Zero
        rows and frozen ones are left alone. The ratio is ``||v_k|| / ||h_k||``, see `core.units.Unit.balance`: with
        equal norms the bits would depend on the unit of the data. Without balance a factor's scale drifts and the
        Lipschitz constant of the other's gradient step loses its meaning.
    is_alive : (V, B, G) -> (r,) bool of the host
        Whether each basis image is not zero and used by an image.
    sparsities : (V, weights of the host or None) -> (r,) of the host
        Hoyer sparsity of the rows, weighted where weights (m,) or (r, m) are given.
    measure : (V, B, G, weights of the host or None) -> Measured
    penalized : (V, B, G, multiple) -> B
        The right-hand side of l1 A-HALS: B less the gradient of the penalties, ``multiple`` (r, 1) times ||h||.
    filling : (Xt, filled, Places) -> (V, H) -> ``||.||^2``
        How the fit ``W H`` is written into the missing entries of Xt, the same memory as `filled` of the host where
        Xt is no device's; each call gives the squared norm of what it has written.
    misfit : (Xt, filled, Places, values of the host) -> () -> ``||.||^2``
        How far the entries of Xt at places are from these values; Xt and `filled` as for `filling`.
    step_distance : (H, C, G, L, m, lengths of the host) -> float
        ``||K - max(0, K - (G K - C) / L)||_F``, K the rows of H times `lengths` (r,); m pixels say how many images are
        summed at once.
    scope : () -> context manager
        Entered around the kernels of an iteration: gives the thread pools their turn.
    clock : () -> float
        Seconds, for differences; those in which kernels are compiled are left out where that is known.
    descend : (V, B, G, largest, n_inner, tol, kind, s, weights, mu0) -> (V, dense, mu) or None, optional
        All steps of `core.updates.projected_fast_gradient` at once; `kind` is "none", "group" or
        "rows". `largest` is asked for the largest eigenvalue of G where the device does not find it. None where that
        is 0, or a projection met a rare case that the host has to settle.
    transfer : arrays -> Pending, optional
        The way of a device's arrays to the host; without one they are the host's.
    remote : Remote, optional
        For a device with memory of its own.
    note : str
        Why "auto" took this one and not a device that seems to be wanted; "" otherwise.
    """

    name: str
    device: str
    threads: int
    products: Callable[[Array, Array], tuple[Array, Array]]
    sweep_coefficients: Callable[[Array, Array, Array, int, float], tuple[Array, Array, Array]]
    descend_coefficients: Callable[[Array, Array, Array, float, int, float], tuple[Array, Array, Array]]
    update_ahead: Callable[[Array, Array, Any, Any, float, float, int, float], tuple[Any, Array, Array, Array]]
    encode: Callable[[Array, Array], Array]
    residual: Callable[[Array, Array, Array], float]
    hals: Callable[[Array, Array, Array, int, float], Array]
    shared_price: Callable[[Array, Array, Array, float, Array | None, float, float, int, float], tuple[Array, float]]
    gradient_step: Callable[[Array, Array, Array, float], Array]
    extrapolate: Callable[[Array, Array, Array, float], tuple[Array, float, float]]
    ahead: Callable[[Any, Any, float], Any]
    project_rows: Callable[..., tuple[Array, float]]
    put: Callable[[Any], Any]
    get: Callable[[Any], Any]
    gather: Callable[[Any], Any]
    scatter: Callable[[Any], Any]
    zero_coefficients: Callable[[Any, Any], Any]
    take: Callable[[Any, Array], Any]
    replaced: Callable[[Any, Array, Any], Any]
    distance: Callable[[Any, Any], float]
    balance: Callable[[Any, Any, Any, Any, tuple[int, ...], float], tuple[Any, Any, Any, Any]]
    is_alive: Callable[[Any, Any, Any], Array]
    sparsities: Callable[[Any, Array | None], Array]
    measure: Callable[[Any, Any, Any, Array | None], Measured]
    penalized: Callable[[Any, Any, Any, Array], Any]
    filling: Callable[[Any, Array, Places], Callable[[Any, Any], float]]
    misfit: Callable[[Any, Array, Places, Array], Callable[[], float]]
    step_distance: Callable[[Any, Any, Any, float, int, Array], float]
    scope: Callable[[], AbstractContextManager[Any]]
    clock: Callable[[], float] = time.perf_counter
    descend: Callable[..., tuple[Any, Any, float] | None] | None = None
    transfer: Callable[[Sequence[Any]], Pending] | None = None
    remote: Remote | None = None
    note: str = ""


def is_out_of_core(values: Any) -> bool:
    """Whether data or coefficients are no array here: in a file (`BlockMatrix`), or on a cluster."""
    return bool(getattr(values, "is_out_of_core", False))


def gives_same_bits(device: str) -> bool:
    """Whether the device of a run, as its result names it, gives its bits again on processors of this type.

    Not workers that compute on devices, whose sums depend on how the images are cut, nor a run some of whose
    coefficients were lost with a worker and fitted anew.
    """
    return not re.match(r"[0-9]+ workers?, .*( with |, [0-9]+ lost)", device)


def as_compute_dtype(array: Any) -> Any:
    """The array as float32 or float64: these two pass, as do matrices out of core; other real numbers become float64.

    Raises
    ------
    ValueError
        As `admission.as_real`.
    """
    a: Any = array if is_out_of_core(array) else as_real(array)
    if a.dtype in (np.float32, np.float64):
        return a
    return a.astype(np.float64)
