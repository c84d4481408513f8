"""The sparsity path: every projection of one group, ready at once.

A slider moves through targets s while the vectors stay the same. Sorted once, the group's dual function costs
O(r log n) for any multiplier instead of a pass over all entries, so what remains of a projection is writing it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends import Backend, remote_of
from gsp_studio.backends.cpu.path import SortedGroup
from gsp_studio.core.projection import Projection, finish
from gsp_studio.core.vectors import (
    Axis,
    check_target,
    flat_view,
    in_structure,
    output_like,
    pack,
    refuse_not_finite,
)

#: The grey of a vector's largest entry; truncated it is that, however the product is rounded.
_WHITE = 254.0


class RelativeError(Protocol):
    """The error of a basis against fixed coefficients, as `core.metrics.GramError` has it."""

    def relative_error(self, W: Array) -> float:
        """``||X - W H||_F / ||X||_F``."""


class SparsityPath:
    """All grouped sparse projections of one group of vectors, sorted once.

    Parameters
    ----------
    x, weights, axis
        As for `group_sparse_projection`.
    copy : bool
        Keep a private copy of x. Without, x must not be changed while the path is in use.
    backend : str or Backend
        "cpu", "cuda" or "auto": where it is sorted and projected.

    Attributes
    ----------
    start : float
        The average sparsity of x itself: at and below it, projections are x unchanged.
    is_on_device : bool
        Whether a device holds it: then `greys` costs a transfer of bytes.

    Raises
    ------
    ValueError
        As `group_sparse_projection`, for x and weights.

    Notes
    -----
    `project` gives the values of `group_sparse_projection` to rounding: both find the same root to the last digit.
    The constructor sorts, O(N log n), on several threads where that pays; the path holds one sorted copy of x (two with
    weights) and a fifth of it on top. Several threads may ask one path.

    Examples
    --------
    >>> import numpy as np
    >>> path = SparsityPath(np.random.default_rng(0).random((100, 5)))
    >>> round(path.project(0.7).sparsity, 12), bool(path.mu(0.8) > path.mu(0.7))
    (0.7, True)
    """

    def __init__(
        self, x: Any, weights: Any = None, *, axis: Axis = 0, copy: bool = True, backend: str | Backend = "cpu"
    ) -> None:
        packed = pack(x, weights, axis)
        if copy and not packed.owns:
            flat = packed.flat.copy()
            packed = replace(packed, flat=flat, owns=True)
        self._packed, self._axis = packed, axis
        remote = remote_of(backend)
        self.is_on_device = remote is not None
        make: Any = SortedGroup if remote is None else remote.sorted_group
        self._sorted = make(packed.flat, packed.offsets, packed.weights)
        if not self._sorted.finite:
            refuse_not_finite(packed)
        self.start = float(self._sorted.start.mean())

    def project(self, s: float, out: Any = None) -> Projection:
        """The projection at the target s, as `group_sparse_projection` gives it.

        Parameters
        ----------
        s : float
        out : ndarray or list of ndarray, optional
            Where the values go; not x itself where the path was made with ``copy=False``.

        Returns
        -------
        Projection
        """
        target = check_target(s)
        values = output_like(self._packed, out)
        flat = flat_view(values, self._packed, self._axis)
        if flat is None or np.may_share_memory(flat, self._packed.flat):
            flat = np.empty_like(self._packed.flat)
        solution = self._sorted.project(target, flat)
        return finish(self._packed, flat, values, self._axis, solution)

    def greys(self, s: float, order: Array) -> tuple[Array, Array, Array]:
        """The projection of nonnegative vectors as a screen shows it: 254 is each vector's largest entry, 0 is black.

        Parameters
        ----------
        s : float
        order : ndarray of int (count,)
            Which vectors, in order; they must be of one length n.

        Returns
        -------
        greys : ndarray (count, n), uint8
            Of a path on a device these bytes are what leaves it.
        sparsities : ndarray (r,)
        tops : ndarray (count,)
            The largest entries.
        """
        target = check_target(s)
        if self.is_on_device:
            found, solution, tops = self._sorted.greys(target, order, _WHITE + 0.49, _WHITE)
            return found, solution.sparsities, tops
        flat = np.empty_like(self._packed.flat)
        sparsities = self._sorted.project(target, flat).sparsities
        V = flat.reshape(self._packed.count, -1)[order]
        tops = V.max(axis=1)
        gain = np.divide(_WHITE + 0.49, tops, out=np.zeros_like(tops), where=tops > 0)
        return np.minimum(V * gain[:, None], _WHITE).astype(np.uint8), sparsities, tops

    def mu(self, s: float) -> float:
        """The multiplier at the target s; 0 up to `start`."""
        return float(self._sorted.solve(check_target(s)).mu)

    def sparsities(self, s: float) -> Array:
        """The sparsity of each vector at the target s, (r,) or the shape of the other axes."""
        sparsities = self._sorted.solve(check_target(s)).sparsities
        return in_structure(sparsities, self._packed, self._axis)

    def sparsity(self, s: float) -> float:
        """The average sparsity attained at the target s: s itself, `start` below it, more inside a jump."""
        return float(self._sorted.solve(check_target(s)).sparsities.mean())

    def support(self, s: float) -> Any:
        """Return where the projection at the target s is not zero: booleans in the structure of x."""
        values = self.project(s).values
        return [v != 0 for v in values] if isinstance(values, list) else values != 0

    def error(self, s: float, gram: RelativeError) -> float:
        """The relative error that the projection at the target s has as a basis against cached Gram data.

        Parameters
        ----------
        s : float
        gram : GramError
            ``A = X H'``, ``G = H H'`` and ``||X||^2``; never touches X.

        Returns
        -------
        float
            ``||X - W(s) H||_F / ||X||_F``.
        """
        return gram.relative_error(self.project(s).values)
