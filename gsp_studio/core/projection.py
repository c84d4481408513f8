"""Grouped sparse projection: one number for the average sparsity of a group of vectors.

`group_sparse_projection` is GSP, and WGSP with weights. `column_sparse_projection` makes every vector a group of its
own, and `project_to_zeros` asks the inverse question. The search itself is `backends.cpu.projection`; this module
checks arguments, shares the budget with pinned vectors, and says on the result what was attained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends import Backend, remote_of
from gsp_studio.backends.cpu import projection as kernels
from gsp_studio.backends.cpu.each import Solutions, project_each
from gsp_studio.backends.cpu.hoyer import hoyer_flat
from gsp_studio.backends.cpu.root import JUMP, NOT_FINITE, OVERFLOW, ROOT, UNCHANGED
from gsp_studio.backends.cpu.scale import scale_vectors
from gsp_studio.core.vectors import (
    Axis,
    PackedVectors,
    as_float,
    check_target,
    flat_view,
    in_structure,
    output_like,
    pack,
    refuse_not_finite,
    refuse_too_large,
    unpack,
)


class Status(StrEnum):
    """The outcome of a projection."""

    EXACT = "the target is attained"
    UNCHANGED = "the input is sparse enough and comes back unchanged"
    JUMP = "the sparsity jumps past the target, where equal entries leave together; the constraint is kept"
    OUT_OF_REACH = "the target is out of reach; what was attained comes nearest"


_STATUS = {ROOT: Status.EXACT, UNCHANGED: Status.UNCHANGED, JUMP: Status.JUMP}
#: An average this much below the target is short of it, and not by rounding.
_SHORT = 1e-9


@dataclass(frozen=True, eq=False)
class Projection:
    """A projection and how it went.

    Attributes
    ----------
    values : ndarray or list of ndarray
        The projected vectors, in the structure, memory order and floating-point type of the input.
    mu : float
        The multiplier that all free vectors of the group share; the largest, where vectors have their own. Infinite
        where float64 cannot hold it (vectors near 1e308). Known to a factor of 2**50 only where largest entries of
        vectors are more than 2**2000 apart.
    sparsity : float
        Attained average sparsity.
    n_iter : int
        Evaluations of the dual function that the search took.
    sparsities : ndarray
        Attained sparsity of each vector, (r,) or the shape of the input's other axes.
    mus : ndarray
        The multiplier of each vector, shaped as `sparsities`.
    status : Status
        Whether the target was attained exactly, and why not.
    """

    values: Any
    mu: float
    sparsity: float
    n_iter: int
    sparsities: Array
    mus: Array
    status: Status

    @property
    def reached(self) -> bool:
        """Whether the average sparsity is at least the target."""
        return self.status is not Status.OUT_OF_REACH


def group_sparse_projection(
    x: Any,
    s: float,
    weights: Any = None,
    *,
    axis: Axis = 0,
    out: Any = None,
    pinned: Mapping[int, float] | None = None,
    backend: str | Backend = "cpu",
) -> Projection:
    """The nearest vectors whose average Hoyer sparsity is at least s.

    Parameters
    ----------
    x : array_like, list of 1-D array_like, or RaggedVectors
        The group: the columns of a matrix (m, r), of any memory order and strides, signed or not; one vector; any
        array, see `axis`; vectors of different lengths as a list, or in one buffer (`core.vectors.RaggedVectors`: the
        values are such a buffer, too). float32 and float64 are computed and returned as they
        are (each array of a list in its own type), float16 as float32, integers and booleans as float64; other types
        are refused. Never modified, unless
        `out` is x.
    s : float
        Target average sparsity, 0 to 1.
    weights : array_like, optional
        Finite, >= 0, not all zero in a vector: shared by all vectors, or of x's own structure. An entry of larger
        higher weight costs more to use.
    axis : int or tuple of int
        The axes of an array that a vector's entries run along: 0 for columns, 1 for rows, (1, 2, 3) for filters.
    out : ndarray or list of ndarray, optional
        Where the values go: x's shape and the type of the result. May be x.
    pinned : mapping of int to float, optional
        Vectors with a sparsity of their own. Each is projected alone; the others share what is left of ``r s``.
    backend : str or Backend
        "cpu", "cuda" or "auto": where it is computed. x and the values are the host's either way, so a device pays
        for large groups only.

    Returns
    -------
    Projection

    Raises
    ------
    BackendUnavailable
        A backend that was named and cannot run here.
    ValueError
        s outside [0, 1]; no vectors; a vector with fewer than two entries; NaN or infinite values; weights, out or
        pinned that do not fit x; an x so large that entries of its projection, which may exceed x's, are not finite.

    Notes
    -----
    Maximises ``sum_i |c_i|' x_i`` over unit vectors ``x_i >= 0`` whose average sparsity is at least s, and returns
    ``sign(c_i) (|c_i|' x_i) x_i``. With ``z_i(mu) = (|c_i| - mu beta_i w_i)_+`` the solution is ``z_i / ||z_i||`` at
    the one mu where the average is s: how sparse a single vector becomes follows from that. A vector whose z vanishes
    keeps its best single entry. The root is found to the last digit of s, with as many digits of mu as that takes:
    entries of weight 0 do not move with mu, and may be far smaller than the entry that leaves before them. What a
    vector has left to a sparsity of 1 is known to some 1e-16, so near s = 1 single entries may have fewer digits than
    the sparsity. Where all that would be left of a vector is less than 1e-100 of its largest entry, squares leave
    float64: the vector then keeps that at once, as in a jump.

    A group that is sparse enough, to within 5e-14, comes back unchanged, zero vectors stay zero (and count as 1). Where
    tied largest entries leave a vector together the sparsity jumps past s (`Status.JUMP`): ties are dropped in as few
    vectors as possible, lowest indices kept, so the same input gives the same answer.

    References
    ----------
    Ohib, Gillis, Dalmasso, Shah, Potluru, Plis, TMLR 2022, section 3, algorithm 1 (GSP), section 3.3 (WGSP). Where we
    deviate: sparse inputs are unchanged, and jumps keep the constraint.

    Examples
    --------
    >>> import numpy as np
    >>> p = group_sparse_projection(np.random.default_rng(0).random((100, 5)), 0.7)
    >>> round(p.sparsity, 12), p.values.shape
    (0.7, (100, 5))
    """
    target = check_target(s)
    packed = pack(x, weights, axis)
    values = output_like(packed, out)
    flat = _target(packed, values, axis, out is None)
    remote = remote_of(backend)
    project_flat = kernels.project_flat if remote is None else remote.project_flat
    if pinned:
        each = project_each if remote is None else remote.project_each
        solution, mus = _project_pinned(packed, target, pinned, flat, project_flat, each)
        result = finish(packed, flat, values, axis, solution, mus)
        short = result.sparsity < target - _SHORT
        return replace(result, status=Status.OUT_OF_REACH) if short else result
    scratch = _scratch(flat, values) if flat is packed.flat else None
    _, solution = project_flat(packed.flat, packed.offsets, target, packed.weights, flat, scratch)
    if solution.outcome == NOT_FINITE:
        refuse_not_finite(packed)
    return finish(packed, flat, values, axis, solution)


def _target(packed: PackedVectors, values: Any, axis: Axis, is_new: bool) -> Array:
    """The flat buffer that the kernels write: the values' own memory where it has the house layout."""
    view = flat_view(values, packed, axis)
    if view is not None:
        if is_new:
            return view
        if view.__array_interface__["data"] == packed.flat.__array_interface__["data"]:
            return packed.flat
        if not np.may_share_memory(view, packed.flat):
            return view
    return packed.flat if packed.owns else np.empty_like(packed.flat)


def _scratch(flat: Array, values: Any) -> Array | None:
    """The memory of the values to work in, while the flat buffer is not part of it."""
    if not isinstance(values, np.ndarray) or np.may_share_memory(flat, values):
        return None
    return values.ravel(order="K") if values.flags.c_contiguous or values.flags.f_contiguous else None


def finish(
    packed: PackedVectors, flat: Array, values: Any, axis: Axis, solution: kernels.Solution, mus: Array | None = None
) -> Projection:
    """A `Projection` from the flat results of the kernels."""
    if solution.outcome == OVERFLOW:
        refuse_too_large(packed)
    if not (isinstance(values, np.ndarray) and np.may_share_memory(flat, values)):
        values = unpack(flat, packed, values, axis)
    if mus is None:
        mus = np.full(packed.count, solution.mu)
    return Projection(
        values=values,
        mu=solution.mu,
        sparsity=float(solution.sparsities.mean()),
        n_iter=solution.n_iter,
        sparsities=in_structure(solution.sparsities, packed, axis),
        mus=in_structure(mus, packed, axis),
        status=_STATUS[solution.outcome],
    )


def column_sparse_projection(
    x: Any, s: Any, weights: Any = None, *, axis: Axis = 0, out: Any = None, backend: str | Backend = "cpu"
) -> Projection:
    """Project every vector on its own: each reaches its target (cPSNMF's constraint), and none pays for another.

    Parameters
    ----------
    x, weights, axis, out, backend
        As for `group_sparse_projection`.
    s : float or array_like
        One target for all vectors, or one for each, shaped as `Projection.sparsities`.

    Returns
    -------
    Projection
        `mus` holds each vector's multiplier; `status` is the worst of all vectors.

    Raises
    ------
    ValueError
        As `group_sparse_projection`.

    References
    ----------
    Hoyer, JMLR 2004, section 3 (the projection of one vector; by another algorithm); Ohib et al., TMLR 2022, section 5.

    Examples
    --------
    >>> column_sparse_projection([[4.0, 3.0, 1.0], [1.0, 1.0, 9.0]], 0.5).sparsities.round(6).tolist()
    [0.5, 0.716677]
    """
    packed = pack(x, weights, axis)
    targets = _targets(s, packed.count)
    values = output_like(packed, out)
    target = _target(packed, values, axis, out is None)
    scratch = _scratch(target, values) if target is packed.flat else None
    remote = remote_of(backend)
    each = project_each if remote is None else remote.project_each
    solutions = each(packed.flat, packed.offsets, targets, packed.weights, target, scratch)
    if (solutions.outcomes == NOT_FINITE).any():
        refuse_not_finite(packed)
    outcome = _worst(set(solutions.outcomes.tolist()))
    n_iter = int(solutions.n_iter.max())
    total = kernels.Solution(float(solutions.mu.max()), solutions.sparsities, n_iter, outcome)
    return finish(packed, target, values, axis, total, solutions.mu)


def _worst(outcomes: set[int]) -> int:
    """Describe a projection whose vectors ended so."""
    for outcome in (OVERFLOW, JUMP, ROOT):
        if outcome in outcomes:
            return outcome
    return UNCHANGED


def _targets(s: Any, count: int) -> Array:
    if np.isscalar(s) or s is None:
        return np.full(count, check_target(s))
    targets = as_float("s", s)
    if targets.ndim and targets.size != count:
        raise ValueError(f"s holds {targets.size} targets; accepted are one number, or one for each of {count} vectors")
    for value in targets.ravel().tolist():
        check_target(value)
    return np.array(np.broadcast_to(targets.ravel(), (count,)), dtype=np.float64)


def _project_pinned(
    packed: PackedVectors,
    s: float,
    pinned: Mapping[int, float],
    target: Array,
    project_flat: Callable[..., tuple[Array, kernels.Solution]],
    each: Callable[..., Solutions],
) -> tuple[kernels.Solution, Array]:
    """Pinned vectors alone, the others as a group with what is left of the budget ``r s``; solution and multipliers."""
    refuse_not_finite(packed)
    r = packed.count
    goals = np.full(r, np.nan)
    if not isinstance(pinned, Mapping):
        raise ValueError(f"pinned is a {type(pinned).__name__}; accepted is a mapping of vector numbers to sparsities")
    for i, goal in pinned.items():
        if not isinstance(i, (int, np.integer)) or not -r <= i < r:
            raise ValueError(f"pinned names vector {i}; accepted are numbers from 0 to {r - 1}")
        goals[i] = check_target(goal, f"the sparsity of pinned vector {i}")
    held = ~np.isnan(goals)
    result, sparsities, mus = np.empty_like(packed.flat), np.empty(r), np.zeros(r)
    mask, flat, offsets, weights = _part(packed, held)
    alone = each(flat, offsets, goals[held], weights, flat)
    result[mask], sparsities[held], mus[held] = flat, alone.sparsities, alone.mu
    outcomes, mu, steps = set(alone.outcomes.tolist()), 0.0, int(alone.n_iter.max())
    if not held.all():
        share = (r * s - float(alone.sparsities.sum())) / int((~held).sum())
        mask, flat, offsets, weights = _part(packed, ~held)
        _, free = project_flat(flat, offsets, min(1.0, max(0.0, share)), weights, flat)
        result[mask], sparsities[~held], mus[~held] = flat, free.sparsities, free.mu
        outcomes.add(free.outcome)
        mu, steps = free.mu, steps + free.n_iter
    outcome = _worst(outcomes)
    if outcome != OVERFLOW:
        target[:] = result
    return kernels.Solution(mu, sparsities, steps, outcome), mus


def _part(packed: PackedVectors, members: Array) -> tuple[Array, Array, Array, Array | None]:
    """Some of the vectors: where their entries are in the flat buffer, and copies of entries, offsets and weights."""
    lengths = np.diff(packed.offsets)
    mask = np.repeat(members, lengths)
    offsets = np.concatenate(([0], np.cumsum(lengths[members])))
    weights = packed.weights
    if weights is not None and weights.size == packed.flat.size:
        weights = weights[mask]
    return mask, packed.flat[mask], offsets, weights


def project_to_zeros(x: Any, zeros: int, weights: Any = None, *, axis: Axis = 0, out: Any = None) -> Projection:
    """The smallest change on the sparsity path that leaves at least so many zeros: which s gives a storage budget?

    Parameters
    ----------
    x, weights, axis, out
        As for `group_sparse_projection`.
    zeros : int
        Zeros wanted in the whole group, counting those that x has.

    Returns
    -------
    Projection
        The projection with the smallest multiplier that has at least `zeros` zeros; its `sparsity` is the target s
        that gives it. `Status.JUMP` where equal entries make more zeros at once, `Status.OUT_OF_REACH` where every
        vector is down to one entry before.

    Raises
    ------
    ValueError
        As `group_sparse_projection`; `zeros` below 0 or above the number of entries.

    Notes
    -----
    Entry j of vector i becomes zero at ``mu = |c_ij| / (beta_i w_ij)``, except that a vector keeps the entry of largest
    ratio. The multiplier is the `zeros`-th smallest of the other ratios: a selection, linear in the number of entries.

    Examples
    --------
    >>> [int((vector > 0).sum()) for vector in project_to_zeros([[4.0, 3.0, 1.0], [1.0, 2.0, 9.0]], 2).values]
    [2, 2]
    """
    packed = pack(x, weights, axis)
    refuse_not_finite(packed)
    flat, values = packed.flat, output_like(packed, out)
    if isinstance(zeros, bool) or not isinstance(zeros, (int, np.integer)) or not 0 <= zeros <= flat.size:
        raise ValueError(f"zeros is {zeros}; accepted is a whole number from 0 to the {flat.size} entries of x")
    present = int(np.count_nonzero(flat == 0))
    if zeros <= present:
        solution = kernels.Solution(0.0, hoyer_flat(flat, packed.offsets, packed.weights), 0, UNCHANGED)
        return finish(packed, flat.copy(), values, axis, solution)
    scaled = scale_vectors(flat, packed.offsets)
    ratios = kernels.vanishing_multipliers(scaled, packed.weights)
    mu = float(np.partition(ratios, zeros - 1)[zeros - 1])
    reached = np.isfinite(mu)
    if not reached:
        mu = float(ratios[np.isfinite(ratios)].max())
    target = np.empty_like(flat)
    if not kernels.project_at(scaled, mu, packed.weights, target):
        refuse_too_large(packed)
    alive = ratios > mu
    target[~alive] = 0  # and entries at the threshold that rounding has left
    # A vector that is gone keeps its entry of largest ratio, as it is; the projection would keep the cheapest one.
    gone = np.repeat(np.logical_or.reduceat(target != 0, packed.offsets[:-1]), np.diff(packed.offsets)) == 0
    target[alive & gone] = flat[alive & gone]
    sparsities = hoyer_flat(target, packed.offsets, packed.weights)
    found = int(np.count_nonzero(target == 0))
    solution = kernels.Solution(scaled.multiplier(mu), sparsities, 1, JUMP if found > zeros else ROOT)
    result = finish(packed, target, values, axis, solution)
    return result if reached else replace(result, status=Status.OUT_OF_REACH)
