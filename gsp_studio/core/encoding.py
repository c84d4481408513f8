"""Coefficients of images for a basis that is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import Backend, is_out_of_core
from gsp_studio.backends.kernels import adopted
from gsp_studio.backends.powers import exponent_of, scaled
from gsp_studio.core.abundances import start_on, summed
from gsp_studio.core.divergence import Divergence
from gsp_studio.core.masking import Missing
from gsp_studio.core.methods import METHODS, new_sparse_coefficients
from gsp_studio.core.metrics import GramError, squared_norm
from gsp_studio.core.params import Params
from gsp_studio.core.units import Unit, unit_of_factors

#: HALS sweeps of `encode`: as many for every image, so that its coefficients do not depend on its neighbours.
_SWEEPS = 300
#: Updates of sparse coefficients at most; they end where so many lower the squared error by less than a fraction.
_UPDATES, _WINDOW, _GAIN = 200, 5, 1e-4


def coefficients(X: Any, V: Array, backend: Backend, n_sweeps: int, tol: float) -> tuple[Array, GramError]:
    """Coefficients of images X (m, n) for a basis V (r, m), by HALS sweeps from zero, and their `GramError`.

    X is an array or a `BlockMatrix`; arrays are the host's.
    """
    unit = _unit_of(X, V)
    X, V = unit.data_inside(X), unit.basis_inside(V)
    with backend.scope():
        Xt, device = adopted(X, backend, len(V))
        start = device.zero_coefficients(Xt, V)
        found = device.sweep_coefficients(Xt, device.put(V), start, n_sweeps, tol)
        H, B, G = map(device.get, found)
    return scaled(H, unit.coefficients), GramError(B.T, G, squared_norm(X), unit=unit)


def encode(
    X: Any,
    V: Array,
    backend: Backend,
    params: Params | None = None,
    missing: Array | None = None,
    weights: Array | None = None,
) -> tuple[Array, float]:
    """Coefficients of images for a basis, and the length of the residual that they leave.

    Free ones are those of least squares, ``argmin_{H >= 0} ||X - W H||`` over the entries that are there, whose squares
    count as `weights` say. Sparse ones go on from these by the update that `params.method` has for them, until the
    error stands still.

    Parameters
    ----------
    X : ndarray (m, n), or BlockMatrix
        Finite and >= 0, missing entries included.
    V : ndarray (r, m), the type of X
        W'.
    backend : Backend
    params : Params, optional
        Of the run that found V, as `of_coefficients` leaves them: its `sparsity_h` and its loss hold for these images
        too; None for free coefficients.
    missing : ndarray (m, n) of bool, optional
        True where an entry of X is missing; X is an array then. An image without any entry gets zeros.
    weights : ndarray (m, n), optional
        With `missing`: what the other entries count, above 0 and up to 1.

    Returns
    -------
    H : ndarray (r, n)
    residual : float
        ``||X - W H||_F`` over the entries that are there, in the data's unit; under the Kullback-Leibler loss D of
        `params.method` ``sqrt(2 D)``, as in scikit-learn.
    """
    if params is not None and not METHODS[params.method].is_least_squares:
        return _of_divergence(X, V, backend, missing, weights)
    if params is not None and params.sum_to_one > 0:
        if missing is None:
            return _of_sums(X, V, backend, params)
        return _of_entries_there(X, V, backend, missing, params, weights)
    if missing is None:
        H, gram = coefficients(X, V, backend, _SWEEPS, 0.0)
        left = gram.squared_residual(V.T)
        if params is None and gram.is_accurate(left):
            return H, gram.length_of(left)
    else:
        H, residual = _of_entries_there(X, V, backend, missing, None, weights)
        if params is None:
            return H, residual
    unit = _unit_of(X, V)
    X, V, H = unit.data_inside(X), unit.basis_inside(V), unit.coefficients_inside(H)
    gone = None
    if missing is not None:
        filled = np.array(X.T, order="C")
        filled[missing.T] = 0
        gone, X = Missing(filled, missing.T, None, None if weights is None else weights.T), filled.T
    with backend.scope():
        Xt, device = adopted(X, backend, len(V))
        V, H = device.put(V), device.put(H)
        fill = None if gone is None else _filling(device, Xt, X.T, gone)
        if params is not None:
            H = _sparse(Xt, V, H, device, params, squared_norm(X) if gone is None else gone.norm2, fill)
        if fill is not None:
            fill(V, H)
        left = device.residual(Xt, V, H) + (0.0 if gone is None else gone.slack)
        H = device.get(H)
    with np.errstate(over="ignore"):
        return scaled(H, unit.coefficients), float(np.ldexp(math.sqrt(left), unit.data))


def _filling(device: Backend, Xt: Any, filled: Array, gone: Missing) -> Callable[[Any, Any], float]:
    """How a fit is written into the entries that are missing or count in part, and what that adds to the norm."""
    write = device.filling(Xt, filled, gone.places)
    if gone.weights is None:
        return write
    gone.check_device(device)
    return lambda V, H: (write(V, H), gone.blend(filled))[1]


def of_coefficients(params: Params) -> Params | None:
    """The part of a run's parameters that says how `encode` finds coefficients; None for free ones of least squares."""
    if params.sparsity_h is None and METHODS[params.method].is_least_squares and params.sum_to_one == 0:
        return None
    return Params(params.rank, params.method, sparsity_h=params.sparsity_h, sum_to_one=params.sum_to_one)


def _of_sums(X: Any, V: Array, backend: Backend, params: Params, whole: Array | None = None) -> tuple[Array, float]:
    """Coefficients whose sums are drawn to one, and the length of the residual; V can be a part of the `whole` W'."""
    unit = _unit_of(X, V)
    X, V = unit.data_inside(X), unit.basis_inside(V)
    with backend.scope():
        Xt, device = adopted(X, backend, len(V))
        totals = np.full(X.shape[1], 2.0**-unit.coefficients, V.dtype)
        start = start_on(np.zeros((len(V), X.shape[1]), V.dtype), totals)
        C, own = device.encode(Xt, V), V @ V.T
        inside = None if whole is None else unit.basis_inside(whole)
        H = summed(start, C, own, params.sum_to_one, totals, device, _SWEEPS, _SWEEPS, inside)
        left = device.residual(Xt, V, H)
    return scaled(H, unit.coefficients), float(np.ldexp(math.sqrt(left), unit.data))


def divergence_of(X: Any, missing: Array | None, backend: Backend, weights: Array | None = None) -> Divergence:
    """The Kullback-Leibler loss of images (m, n), which are 0 where entries are missing; others count as weighted."""
    if missing is not None:
        there = ~missing if weights is None else np.where(missing, 0, weights)
        weights = np.ascontiguousarray(there.T, dtype=X.dtype)
    largest = X.largest if is_out_of_core(X) else float(X.max())
    Xt = X.T if is_out_of_core(X) else np.ascontiguousarray(X.T)
    return Divergence(Xt, weights, 2.0 ** exponent_of(largest), backend.threads)


def _of_divergence(
    X: Any, V: Array, backend: Backend, missing: Array | None, weights: Array | None
) -> tuple[Array, float]:
    """Coefficients under the Kullback-Leibler loss, from those of least squares on, and ``sqrt(2 D)``."""
    H, _ = encode(X, V, backend, None, missing)
    unit = _unit_of(X, V)
    X, V, H = unit.data_inside(X), unit.basis_inside(V), unit.coefficients_inside(H)
    divergence = divergence_of(X, missing, backend, weights)
    with backend.scope():
        H = divergence.coefficients(V, H)
        loss = divergence.of(V, H)
    return scaled(H, unit.coefficients), math.sqrt(2.0 * float(np.ldexp(loss, unit.data)))


def _unit_of(X: Any, V: Array) -> Unit:
    return unit_of_factors(np.array([X.largest]) if is_out_of_core(X) else X, V, None)


def _of_entries_there(
    X: Array, V: Array, backend: Backend, missing: Array, params: Params | None = None, weights: Array | None = None
) -> tuple[Array, float]:
    """Least squares over fewer pixels, for all images that lack and weigh the same ones at a time.

    With `params` their sums are drawn to one, by the penalty of the whole basis, as in a run.
    """
    H = np.zeros((len(V), X.shape[1]), V.dtype)
    alike = np.packbits(missing, axis=0).T if weights is None else np.where(missing, 0, weights).T
    kinds, of_image = np.unique(alike, axis=0, return_inverse=True)
    of_image = of_image.ravel()
    ends = np.cumsum(np.bincount(of_image, minlength=len(kinds)))
    lengths = []
    for some in np.split(np.argsort(of_image, kind="stable"), ends[:-1]):
        there = ~missing[:, some[0]]
        if there.any():
            seen, basis = X[np.ix_(there, some)], V[:, there]
            if weights is not None:
                roots = np.sqrt(weights[there, some[0]]).astype(V.dtype)
                seen, basis = seen * roots[:, None], basis * roots
            seen, basis = np.asfortranarray(seen), np.ascontiguousarray(basis)
            if params is None:
                H[:, some], length = encode(seen, basis, backend)
            else:
                H[:, some], length = _of_sums(seen, basis, backend, params, V)
            lengths.append(length)
    return H, math.hypot(*lengths)


def _sparse(
    Xt: Any, V: Any, H: Any, device: Backend, params: Params, known: float, fill: Callable[[Any, Any], float] | None
) -> Any:
    """Sparse coefficients from H on, those of the lowest error.

    `fill` writes the fit into missing entries and gives their squared length; `known` is that of the others.
    """
    update, own = new_sparse_coefficients(METHODS[params.method]), V @ V.T
    C, x_norm2, best = None, known, H
    lowest: list[float] = []
    while len(lowest) < _UPDATES:
        if fill is not None:
            x_norm2, C = known + fill(V, H), None
        C = device.encode(Xt, V) if C is None else C
        H, _ = update(H, C, own, device, params)
        found = device.measure(H, C, own, None)
        left = x_norm2 - 2.0 * found.fit + found.own
        if not lowest or left < lowest[-1]:
            best = H
        lowest.append(min([left, *lowest[-1:]]))
        if len(lowest) > _WINDOW and lowest[-1 - _WINDOW] - lowest[-1] <= _GAIN * lowest[-1]:
            break
    return best
