"""Checks of data and parameters; each violation is a ValueError of one sentence."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from gsp_studio.backends.admission import as_real
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.core.initialization import STARTS
from gsp_studio.core.methods import METHODS
from gsp_studio.core.params import PARAMETERS, Params, ordinary_weights, same_value
from gsp_studio.core.seeds import check_seeds, holds_of


def check_data(X: Any, *, may_be_zero: bool = False) -> float:
    """The largest value of X (m, n).

    Raises
    ------
    ValueError
        In one sentence, unless X is a finite, nonnegative matrix with entries, not all of them zero; of images that a
        basis is applied to these may be.
    """
    if is_out_of_core(X):
        high = float(X.largest)  # the pass that looks at all values
        if high == 0:
            raise ValueError("X is zero everywhere; there is nothing to factorize")
        return high
    if X.ndim != 2 or X.size == 0:
        raise ValueError(f"X has shape {X.shape}; expected is a matrix (pixels, images) with at least one entry")
    low, high = float(X.min()), float(X.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = int(np.count_nonzero(~np.isfinite(X)))
        raise ValueError(f"X holds {bad} NaN or infinite values; NMF needs finite values >= 0")
    if low < 0:
        raise ValueError(f"X has negative values (smallest {low:.6g}); NMF needs values >= 0")
    if high == 0 and not may_be_zero:
        raise ValueError("X is zero everywhere; there is nothing to factorize")
    return high


def check_steering(new: Params, old: Params, m: int, n: int) -> None:
    """Raise ValueError, in one sentence, when a run that goes on cannot take these parameters."""
    for name in ("rank", "seed", "init", "held_out", "seed_basis", "poisson", "sum_to_one"):
        a, b = getattr(new, name), getattr(old, name)
        # Of a start that is given as arrays only the same object passes.
        if a is not b and (isinstance(a, tuple) or not same_value(a, b)):
            raise ValueError(f"{name} is fixed while a run goes on; it can be set for the next run")
    if new.method in METHODS and METHODS[new.method].loss != METHODS[old.method].loss:
        raise ValueError(f'the loss is fixed while a run goes on; "{new.method}" has another than "{old.method}"')
    check_params(new, m, n)


def check_params(params: Params, m: int, n: int) -> None:
    """Raise ValueError, in one sentence, unless the parameters make sense for an (m, n) matrix."""
    if params.method not in METHODS:
        unknown = f'method "{params.method}" is not known; accepted are {", ".join(METHODS)}'
        raise ValueError(METHODS.reason(params.method) or unknown)
    has_target = METHODS[params.method].uses_sparsity
    for name, parameter in PARAMETERS.items():
        accepted, value = parameter.range, getattr(params, name)
        if accepted is not None and not accepted.holds(value) and (has_target or name != "sparsity"):
            raise ValueError(f"{name} is {value}; accepted is {accepted.words}")
    if params.rank > min(m, n):
        raise ValueError(f"rank {params.rank} exceeds min(m, n) = {min(m, n)} of the {m} x {n} data")
    if has_target and m < 2:
        raise ValueError("sparsity needs images of at least 2 pixels; X has 1 row")
    if params.sparsity_h is not None and n < 2:
        raise ValueError("sparsity_h needs at least 2 images; X has 1 column")
    if params.kkt_tol > 0 and METHODS[params.method].new_projection is None:
        is_other = not METHODS[params.method].is_least_squares
        why = "is defined for least squares" if is_other else "needs a penalty that does not change as it goes"
        raise ValueError(f'kkt_tol does not apply to the method "{params.method}": it {why}')
    check_seeds(params, m, is_known=m < sys.maxsize)
    if not METHODS[params.method].is_least_squares:
        _check_divergence(params)
    if params.poisson:
        _check_scaling(params)
    for name, is_given in (("sparsity_h", params.sparsity_h is not None), ("kkt_tol", params.kkt_tol > 0)):
        if params.sum_to_one > 0 and is_given:
            raise ValueError(f"{name} does not go with sum_to_one; accepted is one of the two")
    init = params.init
    if init not in STARTS if isinstance(init, str) else not (isinstance(init, tuple | list) and len(init) == 2):
        given = f'"{init}"' if isinstance(init, str) else f"of type {type(init).__name__}"
        raise ValueError(f"init is {given}; accepted are {', '.join(STARTS)} or a pair of arrays (W0, H0)")
    if not isinstance(init, str):
        for name, factor in zip(("W0", "H0"), init, strict=True):
            if not is_out_of_core(factor):
                as_real(factor, f"init: {name}")
    _check_weights(params, m)
    _check_frozen(params)


def _check_divergence(params: Params) -> None:
    for name, is_given in (
        ("sparsity_h", params.sparsity_h is not None),
        ("frozen", bool(params.frozen)),
        ("reseed_dead", params.reseed_dead),
        ("sum_to_one", params.sum_to_one > 0),
        ("seed_hold", any(hold != "free" for hold in holds_of(params))),
    ):
        if is_given:
            raise ValueError(f'{name} is for methods of least squares; "{params.method}" takes none')


def _check_scaling(params: Params) -> None:
    if not METHODS[params.method].is_least_squares:
        raise ValueError(f'poisson is for methods of least squares; the loss of "{params.method}" is that of counts')
    for name, is_given in (("sparsity_h", params.sparsity_h is not None), ("kkt_tol", params.kkt_tol > 0)):
        if is_given:
            raise ValueError(f"{name} does not go with poisson, which scales the images; accepted is one of the two")


def _check_frozen(params: Params) -> None:
    frozen = params.frozen
    if not isinstance(frozen, tuple):
        raise ValueError(f"frozen is {str(frozen)[:60]}; accepted is a list or tuple of numbers of basis images")
    for k in frozen:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 0 <= k < params.rank:
            raise ValueError(f"frozen names basis image {k}; accepted are whole numbers from 0 to {params.rank - 1}")
    if len(set(frozen)) < len(frozen):
        raise ValueError("frozen names a basis image twice")


def _check_weights(params: Params, m: int) -> None:
    if not METHODS[params.method].uses_weights:
        if params.weights is not None:
            weighted = " and ".join(f'"{name}"' for name, method in METHODS.items() if method.uses_weights)
            raise ValueError(f'weights are for the methods {weighted}; "{params.method}" takes none')
        return
    if params.weights is None:
        raise ValueError(
            f'the method "{params.method}" needs weights, an image (m,) or one for each basis image (m, rank)'
        )
    weights = as_real(params.weights, "weights")
    if weights.shape not in ((m,), (m, params.rank)):
        raise ValueError(f"weights have shape {weights.shape}; accepted are {(m,)} and {(m, params.rank)}")
    if not np.all(np.isfinite(weights)) or weights.min() < 0:
        raise ValueError("weights hold negative or non-finite values; accepted are finite values >= 0")
    each = ordinary_weights(weights).reshape(m, -1).astype(np.float64)
    if np.any(np.linalg.norm(each, axis=0) <= each.min(axis=0)):
        raise ValueError("weights are zero everywhere; a pixel's weight says what it costs to use it")
