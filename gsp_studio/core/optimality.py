"""How far factors are from standing still: the KKT residual of sparse NMF."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import Backend, get_backend
from gsp_studio.backends.backend import as_compute_dtype
from gsp_studio.core import between
from gsp_studio.core.checks import check_params
from gsp_studio.core.coefficients import Coefficients
from gsp_studio.core.methods import METHODS, Method
from gsp_studio.core.params import Params
from gsp_studio.core.spread import step_left
from gsp_studio.core.steering import free_problem
from gsp_studio.core.updates import gradient_residual, largest_eigenvalue

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
        Says what W, and H where `sparsity_h` is set, are projected onto; frozen basis images do not count.
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
    # Whoever asks wants it, also of a run that was cancelled.
    X = H.X.watched(None) if isinstance(H, Coefficients) else as_compute_dtype(X)
    V = np.ascontiguousarray(np.asarray(W, X.dtype).T)
    H = H if isinstance(H, Coefficients) else np.ascontiguousarray(H, X.dtype)
    if V.ndim != 2 or H.ndim != 2 or X.shape != (V.shape[1], H.shape[1]) or len(V) != len(H):
        raise ValueError(
            f"W {np.shape(W)} and H {H.shape} do not fit X {X.shape}; accepted are (m, r) and (r, n) for X (m, n)"
        )
    params = replace(params, rank=len(V), init="random")
    check_params(params, *X.shape)
    method = METHODS[params.method]
    if method.new_projection is None:
        return math.nan
    device = get_backend(backend) if isinstance(backend, str) else backend
    if isinstance(H, Coefficients) and device.remote is not None:
        device = get_backend("cpu")  # the workers have devices of their own
    of_basis = method.new_projection()
    of_coefficients = METHODS["ahals" if params.sparsity_h is None else "psnmf"].new_projection
    assert of_coefficients is not None
    target_h = replace(params, weights=None, sparsity=params.sparsity_h or 0.0)
    with device.scope():
        Xt, device = between.prepared(X, device, len(V))
        V, there = between.put(V, device), between.put(H, device)
        B, G = device.products(Xt, there)
        free_V, free_B, free_G, free = free_problem(V, B, G, params, method, device)
        basis = _relative(free_V, free_B, free_G, device, lambda Z: of_basis(Z, device, free))
        if isinstance(H, Coefficients) and params.sparsity_h is None:
            length = math.sqrt(np.trace(G)) * largest_eigenvalue(V @ V.T)
            return math.hypot(basis, step_left(Xt, V, H, device) / length if length > 0.0 else 0.0)
        there = np.asarray(H) if isinstance(H, Coefficients) else there
        project_h = of_coefficients()
        C, own = device.encode(Xt, V), V @ V.T
        coefficients = _relative(there, C, own, device, lambda Z: project_h(Z, device, target_h))
    return math.hypot(basis, coefficients)


def run_residual(Xt: Any, V: Array, H: Any, B: Array, G: Array, params: Params, backend: Backend) -> float:
    """How far a run's factors are from standing still, see `updates.gradient_residual`; one pass over X.

    Parameters
    ----------
    Xt, V, H, B, G
        Images and factors where the backend computes, ``H X'`` and ``H H'``.
    params : Params
    backend : Backend
        That of the images.
    """
    method = METHODS[params.method]
    V_free, B_free, G_free, of_free = free_problem(V, B, G, params, method, backend)
    of_basis = gradient_residual(V_free, B_free, G_free, backend, _projection(method, of_free, backend))
    if params.sparsity_h is None and backend.remote is None:
        return math.hypot(of_basis, step_left(Xt, V, H, backend))
    free = METHODS["ahals"] if params.sparsity_h is None else METHODS["psnmf"]
    target_h = params if params.sparsity_h is None else replace(params, sparsity=params.sparsity_h)
    project = _projection(free, replace(target_h, weights=None), backend)
    whole = np.asarray(H) if backend.remote is None else H
    C = backend.encode(Xt, V)
    return math.hypot(of_basis, gradient_residual(whole, C, V @ V.T, backend, project))


def _projection(method: Method, params: Params, backend: Backend) -> Callable[[Array], Array]:
    assert method.new_projection is not None  # check_params refuses kkt_tol otherwise
    project = method.new_projection()
    return lambda Z: project(Z, backend, params)


def _relative(V: Array, B: Array, G: Array, backend: Backend, project: Any) -> float:
    length = float(np.linalg.norm(between.get(V, backend))) * largest_eigenvalue(between.get(G, backend))
    return gradient_residual(V, B, G, backend, project) / length if length > 0.0 else 0.0
