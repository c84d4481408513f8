"""Edits of a basis while its solver runs: take an image out, make two of one, begin one anew; and frozen ones.

Freezing is no edit but a parameter, `Params.frozen`: the named basis images keep their pixels bit for bit while their
coefficients and all others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import Backend
from gsp_studio.core.methods import METHODS, Method
from gsp_studio.core.params import Params, row_weights
from gsp_studio.core.seeds import held_for_good, seeds_without, without_name


@dataclass(frozen=True)
class Kill:
    """Take a basis image and its coefficients away: the rank falls by 1, those behind it move up by 1."""

    basis: int


@dataclass(frozen=True)
class Split:
    """Make two of a basis image: the images that use it in two ways get one each. The new one becomes the last.

    Beside one that fewer than two images use, a new one begins as for `Reseed`.
    """

    basis: int


@dataclass(frozen=True)
class Reseed:
    """Begin a basis image anew, from the residual of the worst described image."""

    basis: int


Edit = Kill | Split | Reseed
#: What a run that goes on can be sent: new parameters, an edit, or several of both in order.
Steering = Params | Edit | Sequence[Params | Edit] | None
KINDS: dict[str, type[Kill] | type[Split] | type[Reseed]] = {"kill": Kill, "split": Split, "reseed": Reseed}


def kind_of(edit: Edit) -> str:
    """The name of an edit in `KINDS`."""
    return next(name for name, kind in KINDS.items() if isinstance(edit, kind))


def steps_of(steering: Steering) -> Sequence[Params | Edit]:
    """Split a message to a run into single steps."""
    if steering is None:
        return ()
    return steering if isinstance(steering, Sequence) else (steering,)


def after_steering(steering: Steering, params: Params) -> tuple[Params, bool]:
    """The parameters in force after these steps, and whether one of them is an edit."""
    is_edited = False
    for step in steps_of(steering):
        if isinstance(step, Params):
            params = step
        else:
            params, is_edited = edited_params(step, params), True
    return params, is_edited


def text_of(edit: Edit) -> str:
    """An edit in words, basis images counted from 1: "basis 7 split"."""
    done = {Kill: "killed", Split: "split", Reseed: "re-seeded"}[type(edit)]
    return f"basis {edit.basis + 1} {done}"


def difference(new: Params, old: Params) -> str:
    """Describe what a running run takes over: "s 0.850 → 0.800, basis 3 frozen"; "" for nothing."""
    said = []
    if new.sparsity != old.sparsity:
        said.append(f"s {old.sparsity:.3f} → {new.sparsity:.3f}")
    if new.sparsity_h != old.sparsity_h:
        before, after = ("off" if s is None else f"{s:.3f}" for s in (old.sparsity_h, new.sparsity_h))
        said.append(f"s of H {before} → {after}")
    if new.method != old.method:
        said.append(f"method {new.method}")
    if new.weights is not old.weights and not np.array_equal(new.weights, old.weights):
        said.append("other weights")
    for word, numbers in (
        ("frozen", sorted(set(new.frozen) - set(old.frozen))),
        ("released", sorted(set(old.frozen) - set(new.frozen))),
    ):
        if numbers:
            said.append(f"basis {', '.join(str(k + 1) for k in numbers)} {word}")
    return ", ".join(said)


def check_edit(edit: Edit, params: Params, m: int, n: int) -> None:
    """Raise ValueError, in one sentence, when a run with these parameters cannot be edited so."""
    if not isinstance(edit, (Kill, Split, Reseed)):
        raise ValueError(f"{edit!r} is no edit; accepted are Kill, Split and Reseed")
    if not METHODS[params.method].is_least_squares:
        raise ValueError(f'the method "{params.method}" goes on with the basis images that it has; none can be edited')
    if not 0 <= edit.basis < params.rank:
        raise ValueError(f"there is no basis image {edit.basis + 1}; accepted are 1 to {params.rank}")
    if isinstance(edit, Kill) and params.rank == 1:
        raise ValueError("the last basis image cannot be taken away")
    if isinstance(edit, Split) and params.rank >= min(m, n):
        raise ValueError(f"the rank cannot exceed min(m, n) = {min(m, n)}, so no basis image can be split")
    if edit.basis in held_for_good(params) and not isinstance(edit, Kill):
        raise ValueError(f"basis image {edit.basis + 1} is frozen; release it before it is changed")


def edited_params(edit: Edit, params: Params) -> Params:
    """The parameters in force after an edit: rank, frozen basis images, weights of their own and names of seeds."""
    k, weights = edit.basis, params.weights
    if isinstance(edit, Kill):
        frozen = tuple(j - (j > k) for j in params.frozen if j != k)
        if np.ndim(weights) == 2:
            weights = np.delete(weights, k, axis=1)
        return replace(params, rank=params.rank - 1, frozen=frozen, weights=weights, **seeds_without(params, k))
    if isinstance(edit, Split):
        if np.ndim(weights) == 2:
            weights = np.column_stack([weights, weights[:, k]])
        return replace(params, rank=params.rank + 1, weights=weights)
    return without_name(params, k)


def renumber(edit: Edit, basis: int) -> int:
    """The number that a basis image has after an edit; -1 for one that is gone."""
    if not isinstance(edit, Kill) or basis < edit.basis:
        return basis
    return basis - 1 if basis > edit.basis else -1


def free_rows(params: Params) -> Array:
    """Numbers of the basis images that are not frozen."""
    return np.setdiff1d(np.arange(params.rank), params.frozen)


def free_problem(
    V: Any, B: Any, G: Any, params: Params, method: Method, backend: Backend
) -> tuple[Any, Any, Any, Params]:
    """Return the problem of the basis images that are not frozen, of the same form as the whole.

    Parameters
    ----------
    V, B, G : ndarray (r, m), (r, m), (r, r)
        Basis images as rows, ``H X'`` and ``H H'``.
    params : Params
    method : Method
        That of the parameters.
    backend : Backend
        Where the arrays are.

    Returns
    -------
    V, B, G : ndarray (f, m), (f, m), (f, f)
        Of the free basis images; what the frozen ones explain is taken out of B.
    params : Params
        With a target as near to what the frozen ones leave of the budget as there is one, in [0, 1]: where they keep
        the average below the target, it stays below, and the iterates say so. A method that gives each basis image
        its own target keeps that.
    """
    if not params.frozen:
        return V, B, G, params
    free, frozen = free_rows(params), np.array(params.frozen)
    target = params.sparsity
    if method.shares_budget and V.shape[1] > 1:
        weights = row_weights(params, V.dtype) if method.uses_weights else None
        of_frozen = weights[frozen] if weights is not None and weights.ndim == 2 else weights
        kept = float(np.sum(backend.sparsities(backend.take(V, frozen), of_frozen)))
        target = min(1.0, max(0.0, (params.rank * target - kept) / len(free)))
    of_free = replace(params, rank=len(free), frozen=(), sparsity=target, weights=_columns(params.weights, free))
    own = backend.get(G)
    coupling = backend.put(own[np.ix_(free, frozen)])
    left = backend.take(B, free) - coupling @ backend.take(V, frozen)
    rest = backend.put(np.ascontiguousarray(own[np.ix_(free, free)]))
    return backend.take(V, free), left, rest, of_free


def _columns(weights: Any, chosen: Any) -> Any:
    return weights[:, chosen] if np.ndim(weights) == 2 else weights
