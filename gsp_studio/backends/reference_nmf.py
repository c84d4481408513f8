"""The NMF kernels in plain numpy: slow, readable, the oracle of the tests."""

from __future__ import annotations

import numpy as np

from gsp_studio.backends.ahead import updating_ahead
from gsp_studio.backends.backend import HALS_BLOCK, Array, Backend
from gsp_studio.backends.reference import project_rows
from gsp_studio.backends.reference_price import shared_price
from gsp_studio.backends.summation import block_slices, fold


def products(Xt: Array, H: Array) -> tuple[Array, Array]:
    """``B = H X'`` (r, m) and ``G = H H'`` (r, r)."""

    def of_block(some: slice) -> tuple[Array, Array]:
        h = np.ascontiguousarray(H[:, some])
        return h @ Xt[some], h @ h.T

    n, m = Xt.shape
    B, G = fold(of_block(some) for _, some in block_slices(m, n, Xt.dtype))
    return B, G


def sweep_coefficients(Xt: Array, V: Array, H: Array, n_inner: int, tol: float) -> tuple[Array, Array, Array]:
    """New coefficients by HALS sweeps for the basis V, and the products of the new H."""
    H = hals(H, encode(Xt, V), V @ V.T, n_inner, tol)
    return H, *products(Xt, H)


def descend_coefficients(
    Xt: Array, V: Array, H: Array, L: float, n_inner: int, tol: float
) -> tuple[Array, Array, Array]:
    """As `sweep_coefficients`, by fast gradient steps of length 1 / L."""
    H = descend(H, encode(Xt, V), V @ V.T, L, n_inner, tol)
    return H, *products(Xt, H)


def encode(Xt: Array, V: Array) -> Array:
    """``W'X`` (r, n)."""
    n, m = Xt.shape
    return np.hstack([V @ Xt[some].T for _, some in block_slices(m, n, Xt.dtype)])


def residual(Xt: Array, V: Array, H: Array) -> float:
    """``||X - W H||_F^2`` in float64."""

    def of_block(some: slice) -> float:
        R = Xt[some].astype(np.float64) - H[:, some].T.astype(np.float64) @ V.astype(np.float64)
        return float(np.sum(R * R))

    n, m = Xt.shape
    return float(fold(of_block(some) for _, some in block_slices(m, n, Xt.dtype)))


def hals(V: Array, B: Array, G: Array, n_inner: int, tol: float) -> Array:
    """HALS sweeps over the rows of V; each block of columns stops when a sweep moves it less than tol of the first."""
    V = V.copy()
    for a in range(0, V.shape[1], HALS_BLOCK):
        part = slice(a, a + HALS_BLOCK)
        block, b = V[:, part].copy(), B[:, part].copy()
        first = 0.0
        for sweep in range(n_inner):
            moved = 0.0
            for k in range(len(G)):
                if G[k, k] <= 0:
                    continue
                new = np.maximum(block[k] + (b[k] - G[k] @ block) / G[k, k], 0)
                moved += float(np.sum((new - block[k]) ** 2))
                block[k] = new
            if sweep == 0:
                first = moved
            elif moved <= tol * tol * first:
                break
        V[:, part] = block
    return V


def descend(V: Array, B: Array, G: Array, L: float, n_inner: int, tol: float) -> Array:
    """Fast gradient steps; each block of columns stops when a step moves it less than tol of the first."""
    V = V.copy()
    for a in range(0, V.shape[1], HALS_BLOCK):
        part = slice(a, a + HALS_BLOCK)
        old, y, alpha, first = V[:, part].copy(), V[:, part].copy(), 0.1, 0.0
        for step in range(n_inner):
            following = (np.sqrt(alpha**4 + 4.0 * alpha**2) - alpha**2) / 2.0
            beta = alpha * (1.0 - alpha) / (alpha**2 + following)
            alpha = following
            new = gradient_step(y, np.ascontiguousarray(B[:, part]), G, L)
            y, moved, _ = extrapolate(new, old, y, beta)
            old = new
            if step == 0:
                first = moved
            elif moved <= tol * tol * first:
                break
        V[:, part] = old
    return V


def gradient_step(Y: Array, B: Array, G: Array, L: float) -> Array:
    """``max(0, Y - (G Y - B) / L)``."""
    Z: Array = np.maximum(Y - (G @ Y - B) / Y.dtype.type(L), 0)
    return Z


def extrapolate(new: Array, old: Array, Y: Array, beta: float) -> tuple[Array, float, float]:
    """``new + beta (new - old)``, ``||new - old||_F^2`` and ``<Y - new, new - old>``."""
    step = new - old
    moved = float(np.sum(step.astype(np.float64) ** 2))
    uphill = float(np.sum((Y - new).astype(np.float64) * step))
    return new + new.dtype.type(beta) * step, moved, uphill


def refill(Xt: Array, V: Array, H: Array, starts: Array, pixels: Array) -> None:
    """The fit ``W H`` into the entries that are missing, in place."""
    for j in range(len(Xt)):
        missing = pixels[starts[j] : starts[j + 1]]
        Xt[j, missing] = H[:, j] @ V[:, missing]


def make_backend(threads: int | None) -> Backend:
    """The reference backend; `threads` is ignored: BLAS has one, as the bits of products may depend on their number."""
    from gsp_studio.backends.cpu.arrays import OPERATIONS, filling, step_distance
    from gsp_studio.backends.cpu.processor import blas_on_one_thread

    return Backend(
        name="reference",
        device="plain NumPy",
        threads=1,
        products=products,
        sweep_coefficients=sweep_coefficients,
        descend_coefficients=descend_coefficients,
        update_ahead=updating_ahead(sweep_coefficients, descend_coefficients),
        encode=encode,
        residual=residual,
        hals=hals,
        shared_price=shared_price,
        gradient_step=gradient_step,
        extrapolate=extrapolate,
        project_rows=project_rows,
        filling=filling(refill),
        step_distance=step_distance(gradient_step),
        scope=blas_on_one_thread,
        **OPERATIONS,
    )
