"""Distance of factors from a stationary point: the KKT residual of sparse NMF."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array
from gsp_studio.backends import Backend
from gsp_studio.backends.admission import as_real
from gsp_studio.backends.backend import as_compute_dtype, is_out_of_core
from gsp_studio.backends.kernels import adopted
from gsp_studio.backends.powers import exponent_of
from gsp_studio.core.distributed.matrix import step_left
from gsp_studio.core.edits import free_problem, free_rows
from gsp_studio.core.matrix import placed
from gsp_studio.core.methods import METHODS, Project
from gsp_studio.core.metrics import relative, squared_norm
from gsp_studio.core.params import Params
from gsp_studio.core.seeds import held_for_good
from gsp_studio.core.units import unit_of_factors
from gsp_studio.core.updates import gradient_residual
from gsp_studio.core.validation import check_params


def kkt_residual(X: Any, W: npt.ArrayLike, H: Any, params: Params, backend: str | Backend = "auto") -> float:
    """Relative length of a projected gradient step of both factors: 0 at a stationary point, whatever their scales.

    The sets of the problem say nothing about scales: ``W D`` and ``D^-1 H``, D > 0 diagonal, are the same
    factorization. Each step is taken at the one of these whose vectors under the constraint have length 1, so all
    factors of one product have one residual, and it is 0 only where a single price for all basis images explains them.

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
        ``hypot(sqrt(L) |W - P(W - dW / L)|, sqrt(M) |H - P(H - dH / M)|) / |X|`` with the gradients of
        ``|X - W H|^2 / 2`` and their Lipschitz constants ``L = |H H'|`` and ``M = |W'W|``; W and H have basis images
        of length 1, or for the step of H under `sparsity_h`, rows of H of length 1. It has no unit: either term is no
        less than the change of the fit ``W H`` by that step, as a fraction of X. A basis image of zeros counts as not
        there, with its coefficients. NaN for a method without a projection (l1ahals).

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
    is_distributed = is_out_of_core(H)
    X = H.X.watched(None) if is_distributed else as_compute_dtype(X)
    V = np.ascontiguousarray(np.asarray(as_real(W, "W"), X.dtype).T)
    H = H if is_distributed else np.ascontiguousarray(as_real(H, "H"), X.dtype)
    if V.ndim != 2 or H.ndim != 2 or X.shape != (V.shape[1], H.shape[1]) or len(V) != len(H):
        raise ValueError(
            f"W {np.shape(W)} and H {H.shape} do not fit X {X.shape}; accepted are (m, r) and (r, n) for X (m, n)"
        )
    params = replace(params, rank=len(V), init="random", frozen=held_for_good(params), seed_basis=None)
    check_params(params, *X.shape)
    if METHODS[params.method].new_projection is None:
        return math.nan
    unit = unit_of_factors(X, V, H)
    if unit.data:
        X, V, H = unit.data_inside(X), unit.basis_inside(V), unit.coefficients_inside(H)
    X, device = placed(X, backend)
    x_norm2 = squared_norm(X)
    with device.scope():
        Xt, device = adopted(X, device, len(V))
        V, there = device.put(V), device.put(H)
        return stationarity(Xt, V, there, *device.products(Xt, there), x_norm2, params, device)


def stationarity(Xt: Any, V: Any, H: Any, B: Any, G: Any, x_norm2: float, params: Params, backend: Backend) -> float:
    """`kkt_residual` of factors that are where their backend computes, with ``B = H X'`` and ``G = H H'``."""
    method = METHODS[params.method]
    assert method.new_projection is not None  # check_params refuses kkt_tol otherwise
    size = 2.0 ** exponent_of(math.sqrt(x_norm2))  # of the fit, whose square may leave the range of a product
    lengths = _lengths(V @ V.T, backend)
    basis = 0.0
    if len(params.frozen) < params.rank:
        free_V, free_B, free_G, free = free_problem(V, B, G, params, method, backend)
        free_lengths = lengths[free_rows(params)] if params.frozen else lengths
        basis = _of_unit_rows(free_V, free_B, free_G, free_lengths, size, free, method.new_projection(), backend)
    if params.sparsity_h is None:
        coefficients = step_left(Xt, _times(V, _inverse(lengths), backend), H, lengths, backend) / size
    else:
        of_rows, target = METHODS["psnmf"].new_projection, replace(params, sparsity=params.sparsity_h, weights=None)
        assert of_rows is not None
        rows, C, own = backend.gather(H), backend.encode(Xt, V), V @ V.T
        coefficients = _of_unit_rows(rows, C, own, _lengths(G, backend), size, target, of_rows(), backend)
    return relative(basis**2 + coefficients**2, x_norm2 / size**2)


def _of_unit_rows(
    V: Any, B: Any, G: Any, lengths: Array, size: float, params: Params, project: Project, backend: Backend
) -> float:
    """`updates.gradient_residual` with rows of V of length 1 and data of size 1; `lengths` and `size` as they are."""
    own, factors = backend.get(G), lengths / size
    own = backend.put((own * np.outer(factors, factors)).astype(own.dtype))
    unit, right = _times(V, _inverse(lengths), backend), _times(B, factors / size, backend)
    return gradient_residual(unit, right, own, backend, lambda Z: project(Z, backend, params))


def _lengths(own: Any, backend: Backend) -> Array:
    """The lengths of the rows of which these are the products (r, r), in float64."""
    lengths: Array = np.sqrt(np.diag(backend.get(own)).astype(np.float64))
    return lengths


def _inverse(lengths: Array) -> Array:
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _times(V: Any, factors: Array, backend: Backend) -> Any:
    return backend.put(factors.astype(V.dtype)[:, None]) * V
