"""Coefficients of images for a basis that is known."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from gsp_studio.backends.backend import Backend
from gsp_studio.backends.kernels import adopted
from gsp_studio.backends.powers import scaled
from gsp_studio.core.metrics import GramError, squared_norm
from gsp_studio.core.units import unit_of_factors

Array = npt.NDArray[Any]


def coefficients(X: Array, V: Array, backend: Backend, n_sweeps: int, tol: float) -> tuple[Array, GramError]:
    """Coefficients of images X (m, n) for a basis V (r, m), by HALS sweeps from zero, and their `GramError`.

    All arrays are the host's.
    """
    unit = unit_of_factors(X, V, None)
    X, V = unit.data_inside(X), unit.basis_inside(V)
    with backend.scope():
        Xt, device = adopted(X, backend, len(V))
        start = device.zero_coefficients(Xt, V)
        found = device.sweep_coefficients(Xt, device.put(V), start, n_sweeps, tol)
        H, B, G = map(device.get, found)
    return scaled(H, unit.coefficients), GramError(B.T, G, squared_norm(X), unit=unit)
