"""Distance of factors from a stationary point: the KKT residual of sparse NMF."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import Backend
from gsp_studio.backends.backend import as_compute_dtype
from gsp_studio.backends.kernels import adopted
from gsp_studio.core.distributed.coefficients import Coefficients
from gsp_studio.core.distributed.matrix import step_left
from gsp_studio.core.edits import free_problem
from gsp_studio.core.matrix import placed
from gsp_studio.core.methods import METHODS
from gsp_studio.core.params import Params
from gsp_studio.core.units import unit_of_factors
from gsp_studio.core.updates import gradient_residual, largest_eigenvalue
from gsp_studio.core.validation import check_params

Array = npt.NDArray[Any]


def kkt_residual(X: Any, W: npt.ArrayLike, H: Any, params: Params, backend: str | Backend = "auto") -> float:
    """Relative length of a projected gradient step of both factors: 0 at a stationary point, whatever the scales.

    Parameters
    ----------
    X : array_like (m, n), >= 0
    W : array_like (m, r), >= 0
    H : array_like (r, n), >= 0, or coefficients.Coefficients
        Of those on a cluster it is computed there, with the images that they are of.
    params : Params
        Define the sets that W, and H where `sparsity_h` is set, are projected onto; frozen basis images do not count.
    backend : str or Backend

    Returns
    -------
    float
        ``hypot(|W - P(W - dW / L)| / |W|, |H - P(H - dH / L)| / |H|)`` with the gradients of ``|X - W H|^2 / 2`` and
        their Lipschitz constants L; NaN for a method without a projection (l1ahals). A factor of zeros counts as 0.

    Raises
    ------
    ValueError
        Factors whose shapes do not fit X, or parameters that do not.

    References
    ----------
    Lin, Neural Computation 2007, section 2 (projected gradients of NMF); the projection is that of Ohib et al., TMLR
    2022, section 3.
    """
    # Not watched: it is computed for a run that was cancelled, too.
    is_distributed = isinstance(H, Coefficients)
    X = H.X.watched(None) if is_distributed else as_compute_dtype(X)
    V = np.ascontiguousarray(np.asarray(W, X.dtype).T)
    H = H if is_distributed else np.ascontiguousarray(H, X.dtype)
    if V.ndim != 2 or H.ndim != 2 or X.shape != (V.shape[1], H.shape[1]) or len(V) != len(H):
        raise ValueError(
            f"W {np.shape(W)} and H {H.shape} do not fit X {X.shape}; accepted are (m, r) and (r, n) for X (m, n)"
        )
    params = replace(params, rank=len(V), init="random")
    check_params(params, *X.shape)
    method = METHODS[params.method]
    if method.new_projection is None:
        return math.nan
    unit = unit_of_factors(X, V, H)
    if unit.data:
        X, V, H = unit.data_inside(X), unit.basis_inside(V), unit.coefficients_inside(H)
    X, device = placed(X, backend)
    of_basis = method.new_projection()
    of_coefficients = METHODS["ahals" if params.sparsity_h is None else "psnmf"].new_projection
    assert of_coefficients is not None
    target_h = replace(params, weights=None, sparsity=params.sparsity_h or 0.0)
    with device.scope():
        Xt, device = adopted(X, device, len(V))
        V, there = device.put(V), device.put(H)
        B, G = device.products(Xt, there)
        free_V, free_B, free_G, free = free_problem(V, B, G, params, method, device)
        basis = _relative(free_V, free_B, free_G, device, lambda Z: of_basis(Z, device, free))
        if is_distributed and params.sparsity_h is None:
            length = math.sqrt(np.trace(G)) * largest_eigenvalue(V @ V.T)
            return math.hypot(basis, step_left(Xt, V, H, device) / length if length > 0.0 else 0.0)
        there, project_h = device.gather(there), of_coefficients()
        C, own = device.encode(Xt, V), V @ V.T
        coefficients = _relative(there, C, own, device, lambda Z: project_h(Z, device, target_h))
    return math.hypot(basis, coefficients)


def _relative(V: Array, B: Array, G: Array, backend: Backend, project: Any) -> float:
    length = float(np.linalg.norm(backend.get(V))) * largest_eigenvalue(backend.get(G))
    return gradient_residual(V, B, G, backend, project) / length if length > 0.0 else 0.0
