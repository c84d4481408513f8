"""What a device must be able to do: a few kernels, gathered in one frozen dataclass.

The house layout keeps every vector contiguous. The data come as ``Xt`` (n, m), an image a row; the basis as
``V = W'`` (r, m), a basis image a row; the coefficients as ``H`` (r, n). X is touched by
``products``, ``encode``, ``residual``, and by ``sweep_coefficients`` and ``descend_coefficients`` (both products and
the update of H in one pass over the images). All other kernels see the Gram form, so their cost does not depend on the
number of images.
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

from gsp_studio.backends.admission import as_real

Array = npt.NDArray[Any]

#: Columns that one HALS block sweeps together. Part of the algorithm, not of the machine: a block stops on its
#: own when a sweep moves it little, so the same number on every backend gives the same iterates.
HALS_BLOCK = 64

#: The largest threshold of shared-price HALS, as a part of the one that leaves nothing of a basis image.
LARGEST_THRESHOLD = 0.999


class BackendUnavailable(RuntimeError):
    """A backend was asked for by name and cannot run here; the message says why."""


class OutOfDeviceMemory(MemoryError):
    """A device has no memory left for what was asked of it; the message says so in one sentence."""


@dataclass(frozen=True)
class Measured:
    """What an iterate tells about itself, from ``V = W'``, ``B = H X'`` and ``G = H H'``, as numbers of the host.

    ``fit = <V, B>`` and ``own = <V V', G>`` in float64; the sparsity of each basis image; whether it is not zero and
    used by an image.
    """

    fit: float
    own: float
    sparsities: Array
    is_alive: Array


class Pending(Protocol):
    """Arrays that leave a device beside what it computes next."""

    def begin(self) -> None:
        """Start, and return at once."""

    def wait(self) -> tuple[Array, ...]:
        """The arrays on the host."""


@dataclass(frozen=True)
class Remote:
    """What a device whose arrays NumPy cannot touch brings beside the kernels, so that they stay there.

    A backend without one computes on arrays of NumPy, and what is done between its kernels is NumPy too (`core.between`
    chooses). Arrays are the device's own unless they are called the host's.

    Attributes
    ----------
    put, get : array -> array
        To the device, and to the host.
    empty : (size, dtype) -> array
        A flat one, for others to fill.
    adopt : (Xt, r) -> (Xt, Backend)
        Images of the host for runs of rank r: on the device where they fit, else read by it some at a time.
    streamed : () -> Backend
        The kernels for `Rows` instead of Xt.
    balance : (V, H, B, G, frozen) -> (V, H, B, G)
        As `core.initialization.balance`.
    measure : (V, B, G, weights of the host or None) -> Measured
    sparsities : (V, weights of the host or None) -> (r,) of the host
    penalized : (V, B, G, multiple) -> B
        The right-hand side of l1 A-HALS.
    distance : (a, b) -> ``||a - b||_F``
    refill_at : (Xt, V, H, where) -> ``||.||^2`` of what is written
        The fit into the missing entries; `where` are their places in the flat Xt.
    take : (V, rows) -> V[rows]
    replaced : (V, rows, new) -> V with other rows
    descend : (V, B, G, largest, n_inner, tol, kind, s, weights, mu0) -> (V, dense, mu) or None
        All of `core.updates.projected_fast_gradient` without a word from the host; `kind` is "none", "group" or
        "rows". `largest` is asked for the largest eigenvalue of G where the device does not find it. None where that
        is 0, or a projection met a rare case that the host has to settle.
    project_flat, project_each, sorted_group
        As those of `backends.cpu`, for arrays of the host.
    project_there : (c, offsets of the host, s) -> c
        The vectors of a flat buffer, finite values, projected as one group into a new one.
    transfer : arrays -> Pending
    memory : () -> (free, total)
        Bytes.
    release : () -> None
        Give back what is not in use.
    """

    put: Callable[[Any], Any]
    get: Callable[[Any], Array]
    empty: Callable[[int, npt.DTypeLike], Any]
    adopt: Callable[[Array, int], tuple[Any, Backend]]
    streamed: Callable[[], Backend]
    balance: Callable[..., tuple[Any, Any, Any, Any]]
    measure: Callable[..., Measured]
    sparsities: Callable[..., Array]
    penalized: Callable[..., Any]
    distance: Callable[[Any, Any], float]
    refill_at: Callable[..., float]
    take: Callable[[Any, Array], Any]
    replaced: Callable[[Any, Array, Any], Any]
    descend: Callable[..., tuple[Any, Any, float] | None]
    project_flat: Callable[..., Any]
    project_each: Callable[..., Any]
    project_there: Callable[[Any, Array, float], Any]
    sorted_group: Callable[..., Any]
    transfer: Callable[[Sequence[Any]], Pending]
    memory: Callable[[], tuple[int, int]]
    release: Callable[[], None]


@dataclass(frozen=True)
class Backend:
    """The kernels of one device.

    Attributes
    ----------
    name : str
        "reference", "cpu", "cuda" or "cuda:1".
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
    shared_price : (V, B, G, s, weights, mu, share, n_inner, tol) -> (V, mu)
        Sweeps over the rows of V, each the best one for the others under the price ``share mu`` on its (weighted)
        sparsity; mu moves to where their average is s, and begins there for mu < 0. Their projection meets s exactly.
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
    clock : () -> float
        Seconds, for differences; those in which kernels are compiled are left out where that is known.
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
    encode: Callable[[Array, Array], Array]
    residual: Callable[[Array, Array, Array], float]
    hals: Callable[[Array, Array, Array, int, float], Array]
    shared_price: Callable[[Array, Array, Array, float, Array | None, float, float, int, float], tuple[Array, float]]
    gradient_step: Callable[[Array, Array, Array, float], Array]
    extrapolate: Callable[[Array, Array, Array, float], tuple[Array, float, float]]
    refill: Callable[[Array, Array, Array, Array, Array], None]
    project_rows: Callable[..., tuple[Array, float]]
    scope: Callable[[], AbstractContextManager[Any]]
    clock: Callable[[], float] = time.perf_counter
    remote: Remote | None = None
    note: str = ""


def is_elsewhere(X: Any) -> bool:
    """Whether a matrix is no array here: in a file (`blocks.Streamed`) or on a cluster (`core.spread.Spread`)."""
    return bool(getattr(X, "is_elsewhere", False))


def gives_same_bits(device: str) -> bool:
    """Whether what computed a run, as its result names it, gives its bits again on processors of this type.

    Not workers that compute on devices, whose sums depend on how the images are cut, nor a run some of whose
    coefficients were lost with a worker and fitted anew.
    """
    return not re.match(r"[0-9]+ workers?, .*( with |, [0-9]+ lost)", device)


def as_compute_dtype(array: Any) -> Any:
    """The array as float32 or float64: these two pass, as does what is elsewhere; other real numbers become float64.

    Raises
    ------
    ValueError
        As `admission.as_real`.
    """
    a: Any = array if is_elsewhere(array) else as_real(array)
    if a.dtype in (np.float32, np.float64):
        return a
    return a.astype(np.float64)
