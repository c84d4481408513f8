"""The methods of the paper as data: how each updates the basis, and what its target means.

`METHODS` maps a name to its updates; `Params` says what to compute. The loop that uses them is in `nmf.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.backend import Backend
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.updates import Update, hals, projected_fast_gradient

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Params:
    """What to compute.

    Attributes
    ----------
    rank : int
        Number of basis images r, 1 <= r <= min(m, n).
    method : str
        A key of `METHODS`.
    sparsity : float
        Target s in [0, 1] for the average Hoyer sparsity of the basis; methods without a target ignore it.
    seed : int
        Seed of the random start.
    max_iter : int
        Outer iterations.
    init : "random" or (W0, H0)
        The start, scaled by ``<W0'X, H0> / <W0'W0, H0 H0'>``.
    weights : ndarray (m,) or (m, r), optional
        For `wsnmf`: what it costs to use a pixel, shared by all basis images or one column each; >= 0.
    n_sweeps : int
        Most HALS sweeps of one factor's update.
    n_steps : int
        Most fast gradient steps of one factor's update. For the basis they cost O(m r^2), the images' number does not
        enter: twice the paper's 10 take CBCL from 9.9 % to 9.5 % in the same 500 iterations.
    inner_tol : float
        A factor's update ends when a step moves less than this fraction of its first step.
    """

    rank: int
    method: str = "psnmf"
    sparsity: float = 0.85
    seed: int = 0
    max_iter: int = 500
    init: Any = "random"
    weights: Any = None
    n_sweeps: int = 10
    n_steps: int = 20
    inner_tol: float = 0.1

    def __eq__(self, other: object) -> bool:
        """Equal in every field; arrays entry by entry."""
        if not isinstance(other, Params):
            return NotImplemented
        return all(_same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a is b or (a is not None and b is not None and np.array_equal(a, b))
    return bool(a == b)


#: (V, B, G, backend, params) -> (new V, the last step before its projection)
UpdateBasis = Callable[[Array, Array, Array, Backend, Params], Update]


@dataclass(frozen=True)
class Method:
    """A method as data.

    Attributes
    ----------
    label : str
        The paper's name for it.
    summary : str
        One line for people.
    uses_sparsity : bool
        Whether it has a target.
    uses_weights : bool
        Whether the sparsity that it sets is the weighted one.
    new_update : () -> UpdateBasis
        The basis's update, made new for every run: what it learns on the way belongs to the run.
    gradient_coefficients : bool
        Coefficients by fast gradient steps; by HALS sweeps otherwise.
    """

    label: str
    summary: str
    uses_sparsity: bool
    new_update: Callable[[], UpdateBasis]
    uses_weights: bool = False
    gradient_coefficients: bool = False


def _ahals() -> UpdateBasis:
    def update(V: Array, B: Array, G: Array, backend: Backend, params: Params) -> Update:
        return hals(V, B, G, backend, params.n_sweeps, params.inner_tol)

    return update


def _nenmf() -> UpdateBasis:
    def update(V: Array, B: Array, G: Array, backend: Backend, params: Params) -> Update:
        return projected_fast_gradient(V, B, G, backend, params.n_steps, params.inner_tol, lambda Z: Z)

    return update


def _psnmf() -> UpdateBasis:
    def update(V: Array, B: Array, G: Array, backend: Backend, params: Params) -> Update:
        weights = None if params.weights is None else row_weights(params, V.dtype)
        mu = 0.0

        def project(Z: Array) -> Array:
            nonlocal mu  # the next step's multiplier is close to this one's
            projected, mu = backend.project_rows(Z, params.sparsity, weights, mu0=mu)
            return projected

        return projected_fast_gradient(V, B, G, backend, params.n_steps, params.inner_tol, project)

    return update


def _cpsnmf() -> UpdateBasis:
    def update(V: Array, B: Array, G: Array, backend: Backend, params: Params) -> Update:
        def project(Z: Array) -> Array:
            projected = np.empty_like(Z)
            for k in range(len(Z)):
                backend.project_rows(Z[k : k + 1], params.sparsity, out=projected[k : k + 1])
            return projected

        return projected_fast_gradient(V, B, G, backend, params.n_steps, params.inner_tol, project)

    return update


def _l1ahals() -> UpdateBasis:
    """A-HALS with a penalty for each basis image, moved after every iteration by how far it is from its target.

    The penalty is a fraction of the largest entry of the image's right-hand side, so it has no unit; at 1 the image
    would vanish.
    """
    fraction = np.zeros((0, 1))

    def update(V: Array, B: Array, G: Array, backend: Backend, params: Params) -> Update:
        nonlocal fraction
        if len(fraction) != len(V):
            fraction = np.zeros((len(V), 1))
        penalty = (fraction * B.max(axis=1, keepdims=True)).astype(V.dtype)
        new, _ = hals(V, B - penalty, G, backend, params.n_sweeps, params.inner_tol)
        missing = params.sparsity - np.asarray(hoyer_sparsity(new.T))
        fraction = np.clip(fraction + 0.02 * missing[:, None], 0.0, 0.9)
        return new, new

    return update


METHODS: dict[str, Method] = {
    "psnmf": Method("PSNMF", "average sparsity of the basis set, each image finds its own", True, _psnmf),
    "ahals": Method("A-HALS", "no constraint: accelerated HALS", False, _ahals),
    "nenmf": Method("NeNMF", "no constraint: fast gradient on both factors", False, _nenmf, gradient_coefficients=True),
    "cpsnmf": Method("cPSNMF", "every basis image at the target", True, _cpsnmf),
    "l1ahals": Method("l1 A-HALS", "an l1 penalty for each basis image chases the target", True, _l1ahals),
    "wsnmf": Method("WSNMF", "average sparsity, with pixels weighted", True, _psnmf, uses_weights=True),
}


def row_weights(params: Params, dtype: npt.DTypeLike) -> Array:
    """`Params.weights` as the projection takes them: (m,), or a row for each basis image (r, m)."""
    weights = np.asarray(params.weights, dtype=dtype)
    return np.ascontiguousarray(weights.T)


def check_params(params: Params, m: int, n: int) -> None:
    """Raise ValueError, in one sentence, unless the parameters make sense for an (m, n) matrix."""
    if params.method not in METHODS:
        raise ValueError(f'method "{params.method}" is not known; accepted are {", ".join(METHODS)}')
    _check_integer("rank", params.rank, 1)
    if params.rank > min(m, n):
        raise ValueError(f"rank {params.rank} exceeds min(m, n) = {min(m, n)} of the {m} x {n} data")
    # NaN fails the comparison too, and is refused.
    if METHODS[params.method].uses_sparsity and not 0.0 <= params.sparsity <= 1.0:
        raise ValueError(f"sparsity is {params.sparsity}; accepted is a number from 0 to 1")
    if METHODS[params.method].uses_sparsity and m < 2:
        raise ValueError("sparsity needs images of at least 2 pixels; X has 1 row")
    for name, low in (("seed", 0), ("max_iter", 1), ("n_sweeps", 1), ("n_steps", 1)):
        _check_integer(name, getattr(params, name), low)
    if not 0.0 <= params.inner_tol < 1.0:
        raise ValueError(f"inner_tol is {params.inner_tol}; accepted is a number from 0 up to, but not including, 1")
    _check_weights(params, m)


def _check_integer(name: str, value: Any, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise ValueError(f"{name} is {value}; accepted is a whole number >= {low}")


def _check_weights(params: Params, m: int) -> None:
    if not METHODS[params.method].uses_weights:
        if params.weights is not None:
            raise ValueError(f'weights are for the method "wsnmf"; "{params.method}" takes none')
        return
    if params.weights is None:
        raise ValueError('the method "wsnmf" needs weights, an image (m,) or one for each basis image (m, rank)')
    weights = np.asarray(params.weights)
    if weights.shape not in ((m,), (m, params.rank)):
        raise ValueError(f"weights have shape {weights.shape}; accepted are {(m,)} and {(m, params.rank)}")
    if not np.all(np.isfinite(weights)) or weights.min() < 0:
        raise ValueError("weights hold negative or non-finite values; accepted are finite values >= 0")
    each = weights.reshape(m, -1).astype(np.float64)
    if np.any(np.linalg.norm(each, axis=0) <= each.min(axis=0)):
        raise ValueError("weights are zero everywhere; a pixel's weight says what it costs to use it")
