"""The solved path: a factorization at each of many targets, each from the factors of its neighbours.

Walking is not computing: `PathWalk` names the runs, its consumer does them. Whatever a run is done with, pausing,
progress and Ctrl-C stay with the consumer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import Backend
from gsp_studio.core.matrix import placed
from gsp_studio.core.methods import METHODS
from gsp_studio.core.nmf import factorize
from gsp_studio.core.params import PARAMETERS, Params
from gsp_studio.core.results import Iterate, Result, attained_tolerance
from gsp_studio.core.validation import check_params

#: Of runs from a neighbour's factors: the most iterations, and the gain in 10 iterations at which they end. Upwards
#: they end soon, as the way down passes there again.
MOST, GAIN, GAIN_UPWARDS = 200, 1e-4, 1e-2
#: Targets that are farther from the next lower one get a run of their own: the way there would be a jump.
_FAR = 0.04
#: Products m n r of data so small that every target gets one.
_SMALL = 1_000_000


class PathWalk:
    """Names the runs of a solved path, one after another: each depends on the results of those before.

    Parameters
    ----------
    params : Params
        All but the target. `gsphals` with weights is `wgsphals`.
    sparsities : iterable of float
    m, n : int
        Pixels and images of the data.

    Attributes
    ----------
    targets : tuple of float
        As they were asked for.
    n_runs, n_done : int
        Runs of the whole walk, and those that are done or not needed.

    Raises
    ------
    ValueError
        Parameters out of range, a method without a target, no targets, one that is no number from 0 to 1 or comes
        twice.

    Notes
    -----
    1. Up, from the lowest target on: a run from the best factors of the target below, unless these are sparse enough
       already. The lowest begins with a run of its own, as `params` says (with its trials); so does each that is far
       from the one below, and of small data each.
    2. Down, from the highest: a run from the best factors of the target above.

    At each target the lowest error is kept. As a basis that is sparse enough for one target is so for all lower ones,
    errors never fall with the target: where the way down finds nothing better, the result of the target above stands
    for the lower one too.
    """

    def __init__(self, params: Params, sparsities: Iterable[float], m: int, n: int) -> None:
        if params.method == "gsphals" and params.weights is not None:
            params = replace(params, method="wgsphals")
        self.targets = _check(sparsities)
        self._sorted = sorted(self.targets)
        self._params = replace(params, sparsity=self._sorted[0])
        if params.method in METHODS and not METHODS[params.method].uses_sparsity:
            others = ", ".join(name for name, method in METHODS.items() if method.uses_sparsity)
            raise ValueError(f'the method "{params.method}" has no target, so it has no path; accepted are {others}')
        check_params(self._params, m, n)
        self._is_small = m * n * params.rank <= _SMALL
        self._best: dict[float, Result] = {}
        self._target = self._sorted[0]
        own = sum(self._has_own(below, target) for below, target in self._upwards())
        self.n_done, self.n_runs = 0, own + 2 * (len(self._sorted) - 1)

    def runs(self) -> Iterator[Params]:
        """Yield the parameters of each run; `see` has to get its result before the next one is asked for."""
        for below, target in self._upwards():
            self._target = target
            if self._has_own(below, target):
                tol = self._params.tol if self._is_small else max(self._params.tol, GAIN)
                yield replace(self._params, sparsity=target, tol=tol)
            found = self._best.get(below)
            if found is not None and self._rank(found, target)[0]:
                yield self._from(found, GAIN_UPWARDS)
            elif found is not None:
                self._keep(target, found)
                self.n_done += 1
        for above, target in pairwise(reversed(self._sorted)):
            self._target = target
            yield self._from(self._best[above], GAIN)
            self._keep(target, self._best[above])

    def see(self, result: Result) -> None:
        """Take the result of the run that was named last."""
        self.n_done += 1
        self._keep(self._target, result)

    def results(self) -> dict[float, Result]:
        """The results by target in the order asked for; of a walk that was left early those that there are."""
        solved = [target for target in self._sorted if target in self._best]
        for above, target in pairwise(reversed(solved)):
            self._keep(target, self._best[above])
        return {target: self._best[target] for target in self.targets if target in self._best}

    def _upwards(self) -> Iterator[tuple[float, float]]:
        """Each target with the one below it; -1 for the lowest, which has none."""
        return pairwise((-1.0, *self._sorted))

    def _has_own(self, below: float, target: float) -> bool:
        return below < 0.0 or self._is_small or target - below > _FAR

    def _from(self, neighbour: Result, gain: float) -> Params:
        params = self._params
        return params.with_factors(
            neighbour.W,
            neighbour.H,
            sparsity=self._target,
            max_iter=min(MOST, params.max_iter),
            tol=max(params.tol, gain),
        )

    def _keep(self, target: float, result: Result) -> None:
        best = self._best.get(target)
        if best is None or self._rank(result, target) < self._rank(best, target):
            self._best[target] = result

    def _rank(self, result: Result, target: float) -> tuple[bool, float]:
        """Results that meet the target come first, then the lower error."""
        least, target_h = attained_tolerance(result.W.dtype), self._params.sparsity_h
        meets = result.sparsity >= target - least and (target_h is None or result.sparsity_h >= target_h - least)
        return not meets, result.error


def solved_path(
    X: Any,
    params: Params,
    sparsities: Iterable[float],
    backend: str | Backend = "auto",
    callback: Callable[[Iterate], None] | None = None,
    mask: npt.ArrayLike | None = None,
) -> tuple[Result, ...]:
    """Factorizations at many targets, each from the factors of its neighbours, as `PathWalk` walks them.

    Parameters
    ----------
    X, backend, mask
        As for `iterate`.
    params : Params
        All but the target. A method that has one: `gsphals`, with weights `wgsphals`, or another.
    sparsities : iterable of float
        Targets in [0, 1], each once, in any order.
    callback : callable, optional
        Called with every `Iterate` of every run; its `target` is the run's.

    Returns
    -------
    tuple of Result
        One a target, in the order of `sparsities`. Errors never fall with the target.

    Raises
    ------
    ValueError, BackendUnavailable, ClusterError
        As for `iterate` and `PathWalk`.

    Notes
    -----
    Every point repeats to the bit: ``factorize(X, result.params)`` gives it again, as `init` of these parameters holds
    the factors (W0, H0) that its run went on from. Where `params.sparsity` is not the target, the result of that
    target attains this one too, and none with a lower error was found. Nothing depends on the clock but `max_seconds`,
    which holds for each run.

    Examples
    --------
    >>> import numpy as np, gsp_studio as gs
    >>> X = np.random.default_rng(0).random((64, 100))
    >>> path = gs.solved_path(X, gs.Params(rank=5, max_iter=20), [0.8, 0.5])
    >>> [bool(result.sparsity >= s - 1e-10) for result, s in zip(path, [0.8, 0.5])], path[0].error >= path[1].error
    ([True, True], True)
    """
    X, device = placed(X, backend)
    shape = np.shape(X)
    if len(shape) != 2:
        raise ValueError(f"X has shape {shape}; expected is a matrix (pixels, images)")
    walk = PathWalk(params, sparsities, *shape)
    for run in walk.runs():
        walk.see(factorize(X, run, device, callback, mask))
    return tuple(walk.results().values())


def _check(sparsities: Iterable[float]) -> tuple[float, ...]:
    accepted = PARAMETERS["sparsity"].range
    assert accepted is not None
    if not isinstance(sparsities, Iterable):
        raise ValueError(f"sparsities are {sparsities!r}; accepted are several numbers, as a list or an array")
    targets: list[float] = []
    for s in sparsities:
        if not accepted.holds(s) or math.isnan(s):
            raise ValueError(f"sparsities hold {s}; accepted is {accepted.words}")
        if float(s) in targets:
            raise ValueError(f"sparsities hold {float(s):g} twice; accepted is each target once")
        targets.append(float(s))
    if not targets:
        raise ValueError("sparsities are none; accepted are numbers from 0 to 1, one at least")
    return tuple(targets)
