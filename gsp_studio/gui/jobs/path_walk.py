"""The walk over the targets of the path: its parameters, its runs, and about how long it takes."""

from __future__ import annotations

import math

import numpy as np

from gsp_studio.core.params import Params
from gsp_studio.core.results import attained_tolerance
from gsp_studio.core.solved_path import PathWalk
from gsp_studio.engine.run import Outcome, RunSpec
from gsp_studio.engine.runner import Runner
from gsp_studio.gui.jobs.compute import (
    REFINING_TOLERANCE,
    is_refined_at_once,
    problem_of,
    refining_iterations,
    seconds_of_iteration,
    solver_threads,
)
from gsp_studio.gui.solutions import LARGEST_KEPT, Solutions, SolvedPoint, WalkState
from gsp_studio.gui.state import RunSettings, UnprojectedBasis
from gsp_studio.io.dataset import Dataset

#: Targets of a walk, and the highest of them; with fewer than the least a curve says nothing.
TARGETS, HIGHEST, FEWEST = 25, 0.99, 5
#: Iterations of a run from a neighbour's factors, about: they end as soon as the error stands still.
_ITERATIONS = 25
#: Factors that a point keeps: of the basis itself, its dense form and its product with the data, and where it began.
_COPIES_OF_W, _COPIES_OF_H = 4, 2


def count_of_targets(pinned: UnprojectedBasis) -> int:
    """Targets of a walk from this basis, as many as fit into the memory for them; 0 where there can be none."""
    if not isinstance(pinned.H, np.ndarray) or len(pinned.W) < 2:
        return 0
    count = min(TARGETS, LARGEST_KEPT // (_COPIES_OF_W * pinned.W.nbytes + _COPIES_OF_H * pinned.H.nbytes))
    return count if count >= FEWEST else 0


def state_of_walk(dataset: Dataset, pinned: UnprojectedBasis, solutions: Solutions, each: float) -> WalkState:
    """How far a walk is, and whether it can begin; `each`: seconds of a run of it, NaN where none was measured."""
    count, is_going = count_of_targets(pinned), solutions.is_going
    if solutions.is_whole or not count:
        return WalkState()
    n_done, n_runs = (0, 0) if solutions.walk is None else (solutions.walk.n_done, solutions.walk.n_runs)
    left: float | None = None
    if not is_refined_at_once(pinned, dataset.X):
        if math.isnan(each):
            n_iter = min(_ITERATIONS, refining_iterations(dataset.X))
            each = n_iter * seconds_of_iteration(pinned, dataset.X)
        left = each * ((n_runs or 2 * count - 1) - n_done)
    return WalkState(not is_going, is_going, n_done, n_runs, left)


def new_walk(dataset: Dataset, choice: RunSettings, pinned: UnprojectedBasis) -> PathWalk:
    """A walk from the sparsity of a basis up, which begins with that basis; ValueError as `PathWalk`."""
    own = min(1.0, max(0.0, math.floor(1e4 * pinned.sparsity) / 1e4))
    targets = np.linspace(own, max(HIGHEST, (1.0 + own) / 2.0), count_of_targets(pinned))
    params = Params(
        len(pinned.H),
        sparsity_h=choice.params.sparsity_h,
        seed=choice.params.seed,
        max_iter=refining_iterations(dataset.X),
        init=(pinned.W, pinned.H),
        tol=REFINING_TOLERANCE,
        **problem_of(pinned),
    )
    return PathWalk(params, np.unique(targets.round(4)).tolist(), *dataset.X.shape)


def run_of_walk(dataset: Dataset, choice: RunSettings, params: Params) -> Runner:
    """A run that a walk has named."""
    return Runner(RunSpec(dataset.X, params, choice.backend, solver_threads(), fingerprint=dataset.fingerprint))


def solved_point(spec: RunSpec, outcome: Outcome) -> SolvedPoint | None:
    """The point that a run has found; None where it misses its targets, or its factors are not in memory here."""
    result = outcome.result
    if result is None or not isinstance(result.H, np.ndarray) or spec.params.frozen:
        return None
    least, target, target_h = attained_tolerance(result.W.dtype), result.params.sparsity, result.params.sparsity_h
    is_met = result.sparsity >= target - least and (target_h is None or result.sparsity_h >= target_h - least)
    return SolvedPoint(target, spec, outcome) if is_met else None
