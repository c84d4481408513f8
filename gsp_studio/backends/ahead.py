"""Coefficients updated from a point ahead of them, on the line from the last ones: `Backend.update_ahead`.

The step is taken along with the update, as both need the coefficients alone, and so does the product that the next
step's Gram matrix follows from: X is read no more often than without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gsp_studio.backends.summation import block_slices, fold

#: As `Backend.sweep_coefficients` and `Backend.descend_coefficients`.
Kernel = Callable[..., tuple[Any, Any, Any]]


def cross_product(new: Any, H: Any, Xt: Any) -> Any:
    """``new H'`` (r, r) of coefficients of the images Xt, summed over these in the order of `summation`.

    On a device by one product: its sums have an order of their own.
    """
    if not isinstance(new, np.ndarray):
        return new @ H.T
    return fold(
        np.ascontiguousarray(new[:, some]) @ np.ascontiguousarray(H[:, some]).T
        for _, some in block_slices(Xt.shape[1], Xt.shape[0], Xt.dtype)
    )


def ahead(new: Any, old: Any, beta: float, xp: Any = np) -> Any:
    """``max(0, new + beta (new - old))``; `xp` is the module of the arrays."""
    return xp.maximum(new + new.dtype.type(beta) * (new - old), 0)


def updating_ahead(sweep: Kernel, descend: Kernel, xp: Any = np) -> Callable[..., Any]:
    """`Backend.update_ahead` by the kernels of a backend; `xp` is the module of its arrays."""

    def update(
        Xt: Any, V: Any, H: Any, old: Any, beta: float, L: float, n_inner: int, tol: float
    ) -> tuple[Any, Any, Any, Any]:
        start = H if beta == 0.0 else ahead(H, old, beta, xp)
        kernel, length = (descend, (L,)) if L > 0.0 else (sweep, ())
        new, B, G = kernel(Xt, V, start, *length, n_inner, tol)
        return new, B, G, cross_product(new, H, Xt)

    return update
