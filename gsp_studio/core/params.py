"""The parameters of a run as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Params:
    """The parameters of a run.

    Attributes
    ----------
    rank : int
        Number of basis images r, 1 <= r <= min(m, n).
    method : str
        A key of `METHODS`.
    sparsity : float
        Target s in [0, 1] for the average Hoyer sparsity of the basis; methods without a target ignore it.
    seed : int
        Seed of the start.
    max_iter : int
        Outer iterations at most.
    init : "random" | "nndsvd" | "nndsvda" | "nndsvdar" | "images" | (W0, H0)
        The start, see `initialization.initial_factors`; scaled by ``<W0'X, H0> / <W0'W0, H0 H0'>``. The factors of
        another run go on from there.
    weights : ndarray (m,) or (m, r), optional
        For `wsnmf` and `wgsphals`: what it costs to use a pixel, shared by all basis images or one column each; >= 0.
    sparsity_h : float, optional
        Target for the average Hoyer sparsity of the rows of H; None leaves them free.
    continuation : int
        Iterations over which the target rises evenly from 0 to `sparsity`. A basis that starts dense and is made
        sparse slowly ends with a lower error at moderate targets (two fifths of `max_iter` take CBCL at 0.85 from
        9.49 % to 9.25 %) and with a higher one near 1 (CBCL at 0.95 from 19.3 % to 20.6 %).
        For `gsphals` and `wgsphals`, whose iterates all meet `sparsity`, the iterations in which ways to it are tried
        (`core.trials`); 0 stands for 200, and for none where the start is given as factors, 1 to 19 for none.
    max_seconds : float, optional
        Stop after so much time computing. Such a run is repeated by its number of iterations.
    tol : float
        Stop when the best error of the last 10 iterations is not lower than the best before by this fraction of it.
        0 never stops.
    kkt_tol : float
        Stop when the projected-gradient residual of both factors is this fraction of the first one's; looked at
        every 10 iterations, as it costs a pass over X. 0 never stops.
    reseed_dead : bool
        Give a basis image that has died (all zero, or used by no image) the worst residual of an image for a new
        start. Dead ones are reported either way, in `Iterate.dead`.
    frozen : tuple of int
        Basis images that keep their pixels, bit for bit; the others share what these leave of the target's budget.
        Changed in a run, it is what freezes and releases them.
    n_sweeps : int
        Most HALS sweeps of one factor's update.
    n_steps : int
        Most fast gradient steps of one factor's update, and most sweeps of `gsphals` over the basis. For the basis
        they cost O(m r^2), the images' number does not enter: twice the paper's 10 take CBCL from 9.9 % to 9.5 % in
        the same 500 iterations.
    inner_tol : float
        A factor's update ends when a step moves less than this fraction of its first step.
    extrapolate : bool
        `ahals` and `nenmf` update both factors, `gsphals` and `wgsphals` the coefficients, from a point ahead of the
        last iterate (`core.momentum`); other methods never do. The paper's A-HALS does not.
    """

    rank: int
    method: str = "psnmf"
    sparsity: float = 0.85
    seed: int = 0
    max_iter: int = 500
    init: Any = "random"
    weights: Any = None
    sparsity_h: float | None = None
    continuation: int = 0
    max_seconds: float | None = None
    tol: float = 0.0
    kkt_tol: float = 0.0
    reseed_dead: bool = False
    frozen: tuple[int, ...] = ()
    n_sweeps: int = 10
    n_steps: int = 20
    inner_tol: float = 0.1
    extrapolate: bool = True

    def __eq__(self, other: object) -> bool:
        """Equal in every field; arrays entry by entry."""
        if not isinstance(other, Params):
            return NotImplemented
        return all(same_value(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def target_at(self, n_iter: int) -> float:
        """The target in force at iteration `n_iter`, 1 for the first: `sparsity`, or on its way there."""
        if n_iter >= self.continuation:
            return self.sparsity
        return self.sparsity * n_iter / self.continuation


def same_value(a: Any, b: Any) -> bool:
    """Whether two values of a parameter are equal; arrays entry by entry."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same_value, a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a is b or (a is not None and b is not None and np.array_equal(a, b))
    return bool(a == b)


def row_weights(params: Params, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """`Params.weights` as the projection takes them: (m,), or a row for each basis image (r, m)."""
    weights = np.asarray(params.weights, dtype=dtype)
    return np.ascontiguousarray(weights.T)
