"""Sparse NMF: X ~ W H with W, H >= 0 and one number for the average sparsity of the basis.

All methods are one generator; what makes them different is data, in `methods.py`. Pausing, cancelling and threads are
not known here: the consumer stops asking, or sends new `Params`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import Backend, get_backend
from gsp_studio.backends.backend import as_compute_dtype
from gsp_studio.core.initialization import balance, best_scale, initial_factors
from gsp_studio.core.methods import METHODS, Params, UpdateBasis, check_params, row_weights
from gsp_studio.core.metrics import GramError, relative, squared_norm
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.updates import largest_eigenvalue

__all__ = ["METHODS", "History", "Iterate", "Params", "Result", "check_params", "factorize", "iterate"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Iterate:
    """One outer iteration's outcome. Its arrays are never written again: keep them, hand them to other threads.

    Attributes
    ----------
    n_iter : int
        Outer iterations done.
    error : float
        ``||X - W H||_F / ||X||_F``, a fraction.
    sparsity : float
        Average Hoyer sparsity of the basis images.
    target : float
        The sparsity asked for; NaN for methods without a target.
    seconds : float
        Time spent computing since the start; waiting consumers do not count.
    W, H : ndarray (m, r) Fortran-ordered, (r, n) C-ordered
    dense : ndarray (m, r)
        The last gradient step before its projection: projecting it at `target` gives W to the last bit.
    gram : GramError
        ``X H'``, ``H H'`` and ``||X||^2`` of this H: the error that any other basis would have now.
    """

    n_iter: int
    error: float
    sparsity: float
    target: float
    seconds: float
    W: Array
    H: Array
    dense: Array
    gram: GramError

    def meets_target(self) -> bool:
        """Whether the attained sparsity reaches the target, to the rounding of the factors' type."""
        return self.reaches(self.target)

    def reaches(self, target: float) -> bool:
        """`meets_target` for another target than the iterate's own; NaN is reached by every iterate."""
        return math.isnan(target) or self.sparsity >= target - attained_tolerance(self.W.dtype)


@dataclass(frozen=True, eq=False)
class History:
    """One entry an outer iteration: numbers, errors (fractions), sparsities, targets (NaN: none) and seconds."""

    n_iter: Array
    error: Array
    sparsity: Array
    target: Array
    seconds: Array


@dataclass(frozen=True, eq=False)
class Result:
    """The best iterate that meets the target, and how the run went.

    `n_iter` counts the iterations done; `best_iter` is the one kept. `params` are the last ones in force.
    `backend` says what computed; the other fields are those of `Iterate`.
    """

    W: Array
    H: Array
    error: float
    sparsity: float
    n_iter: int
    best_iter: int
    history: History
    params: Params
    backend: str
    dense: Array
    gram: GramError


def attained_tolerance(dtype: npt.DTypeLike) -> float:
    """How far below its target a sparsity may lie and still count as attained: rounding of float32 or float64."""
    return 1e-10 if np.dtype(dtype) == np.float64 else 1e-5


def check_data(X: Array) -> None:
    """Raise ValueError, in one sentence, unless X (m, n) is a finite, nonnegative matrix with entries."""
    if X.ndim != 2 or X.size == 0:
        raise ValueError(f"X has shape {X.shape}; expected is a matrix (pixels, images) with at least one entry")
    low, high = float(X.min()), float(X.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = int(np.count_nonzero(~np.isfinite(X)))
        raise ValueError(f"X holds {bad} NaN or infinite values; NMF needs finite values >= 0")
    if low < 0:
        raise ValueError(f"X has negative values (smallest {low:.6g}); NMF needs values >= 0")
    if high == 0:
        raise ValueError("X is zero everywhere; there is nothing to factorize")


def _check_steering(new: Params, old: Params, m: int, n: int) -> None:
    for name in ("rank", "seed", "init"):
        a, b = getattr(new, name), getattr(old, name)
        if a is not b and (isinstance(a, tuple) or a != b):  # a start given as arrays: only the same object passes
            raise ValueError(f"{name} is fixed while a run goes on; it can be set for the next run")
    check_params(new, m, n)


def iterate(
    X: npt.ArrayLike, params: Params, backend: str | Backend = "auto"
) -> Generator[Iterate, Params | None, None]:
    """Iterates of a sparse NMF, one an outer iteration; ``send(new_params)`` steers the run.

    Parameters
    ----------
    X : array_like (m, n), >= 0
        Pixels by images. float32 and float64 are computed in their own type, all others in float64. Fortran order
        (each image contiguous) is read in place, any other order is copied once.
    params : Params
    backend : str or Backend
        "auto", a backend's name, or one made by `get_backend`.

    Yields
    ------
    Iterate

    Raises
    ------
    ValueError
        X or a parameter out of range, before the first iterate or at the `send` that brought it.
    BackendUnavailable
        A backend that was named and cannot run here.

    Notes
    -----
    An outer iteration balances the factors, updates W from ``A = X H'`` and ``G = H H'``, then sweeps H and gathers
    the new A and G in one pass over X. After the W update of `psnmf` every iterate meets the target. X is read once
    an iteration, and once more only when the fit is so good that the Gram form of the error has no digits left.

    References
    ----------
    Ohib et al., TMLR 2022, section 3 (projection) and section 5.1 (sparse NMF); Gillis & Glineur, Neural
    Computation 2012 (A-HALS). Where we deviate: a block of 32 columns stops its sweeps on its own.
    """
    X = as_compute_dtype(X)
    check_data_and_params(X, params)
    device = get_backend(backend) if isinstance(backend, str) else backend
    return _iterate(X, params, device)


def check_data_and_params(X: Array, params: Params) -> None:
    """`check_data` and `check_params` in the order in which a user would mend them."""
    check_data(X)
    check_params(params, *X.shape)


def _iterate(X: Array, params: Params, backend: Backend) -> Generator[Iterate, Params | None, None]:
    m, n = X.shape
    clock = time.perf_counter
    started = clock()
    Xt = np.ascontiguousarray(X.T).view()
    Xt.flags.writeable = False  # always: numba compiles kernels anew for arrays that may be written
    x_norm2 = squared_norm(X)
    W0, H = initial_factors(params.init, m, n, params.rank, params.seed, X.dtype)
    V = W0.T
    with backend.scope():
        B, G = backend.products(Xt, H)
        V = V * V.dtype.type(best_scale(B, G, V))
    seconds = clock() - started
    updates: dict[str, UpdateBasis] = {}
    n_iter = 0
    while n_iter < params.max_iter:
        started = clock()
        method = METHODS[params.method]
        update_basis = updates.setdefault(params.method, method.new_update())
        with backend.scope():
            V, H, B, G = balance(V, H, B, G)
            V, dense = update_basis(V, B, G, backend, params)
            H, B, G = _update_coefficients(Xt, V, H, backend, params)
            gram = GramError(B.T, G, x_norm2)
            left = gram.squared_residual(V.T)
            if not gram.is_accurate(left):
                left = backend.residual(Xt, V, H)
        n_iter += 1
        sparsity = _average_sparsity(V, params) if m > 1 else 0.0
        target = params.sparsity if method.uses_sparsity else math.nan
        seconds += clock() - started
        steered = yield Iterate(n_iter, relative(left, x_norm2), sparsity, target, seconds, V.T, H, dense.T, gram)
        if steered is not None:
            _check_steering(steered, params, m, n)
            params = steered


def _update_coefficients(Xt: Array, V: Array, H: Array, backend: Backend, params: Params) -> tuple[Array, Array, Array]:
    """New coefficients, and the products ``H X'`` and ``H H'`` of these, in one pass over the images."""
    if METHODS[params.method].gradient_coefficients:
        L = largest_eigenvalue(V @ V.T)
        if L > 0.0:
            return backend.descend_coefficients(Xt, V, H, L, params.n_steps, params.inner_tol)
    return backend.sweep_coefficients(Xt, V, H, params.n_sweeps, params.inner_tol)


def _average_sparsity(V: Array, params: Params) -> float:
    """The average that the method's target is about: weighted where the method is."""
    weights = row_weights(params, V.dtype).T if METHODS[params.method].uses_weights else None
    return float(np.mean(hoyer_sparsity(V.T, weights)))


def better(candidate: Iterate, best: Iterate | None) -> Iterate:
    """The better of two iterates: one that meets the newest target before one that does not, then the lower error.

    The fast gradient is not monotone, and a run that is steered to a sparser target must not keep an iterate from
    before: `best` is judged by the candidate's target.
    """
    if best is None:
        return candidate
    if not best.reaches(candidate.target):
        return candidate
    if not candidate.meets_target():
        return best
    return candidate if candidate.error <= best.error else best


def history_of(records: list[tuple[int, float, float, float, float]]) -> History:
    """A `History` from rows of iteration, error, sparsity, target and seconds."""
    table = np.array(records, dtype=np.float64).reshape(-1, 5)
    return History(table[:, 0].astype(np.int64), *(table[:, i].copy() for i in range(1, 5)))


def result_of(best: Iterate, history: History, params: Params, backend: Backend) -> Result:
    """The `Result` of a run whose best iterate and history are known."""
    return Result(
        W=best.W,
        H=best.H,
        error=best.error,
        sparsity=best.sparsity,
        n_iter=int(history.n_iter[-1]),
        best_iter=best.n_iter,
        history=history,
        params=params,
        backend=f"{backend.name}: {backend.device}",
        dense=best.dense,
        gram=best.gram,
    )


def factorize(
    X: npt.ArrayLike,
    params: Params,
    backend: str | Backend = "auto",
    callback: Callable[[Iterate], None] | None = None,
) -> Result:
    """Run a sparse NMF to its end and return its best iterate.

    Parameters
    ----------
    X, params, backend
        As for `iterate`.
    callback : callable, optional
        Called with every `Iterate`. To stop early, steer or pause, use `iterate`.

    Returns
    -------
    Result

    Raises
    ------
    ValueError, BackendUnavailable
        As for `iterate`.

    Examples
    --------
    >>> import numpy as np, gsp_studio as gs
    >>> X = np.random.default_rng(0).random((64, 100))
    >>> result = gs.factorize(X, gs.Params(rank=5, sparsity=0.6, max_iter=20))
    >>> result.W.shape, bool(result.sparsity >= 0.6 - 1e-10)
    ((64, 5), True)
    """
    device = get_backend(backend) if isinstance(backend, str) else backend
    best: Iterate | None = None
    records = []
    for it in iterate(X, params, device):
        best = better(it, best)
        records.append((it.n_iter, it.error, it.sparsity, it.target, it.seconds))
        if callback is not None:
            callback(it)
    assert best is not None  # max_iter >= 1
    return result_of(best, history_of(records), params, device)
