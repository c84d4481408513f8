"""Heavy functions that the session uses, in one import that a worker makes after the first paint.

numba, SciPy and the solvers take a quarter of a second to import and longer to warm up; the window is there before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from threadpoolctl import threadpool_limits

from gsp_studio.arrays import Array
from gsp_studio.backends import available_backends, get_backend, reason_of
from gsp_studio.backends.backend import as_compute_dtype, is_out_of_core
from gsp_studio.backends.blocks import Matrix, OutOfCoreMatrix
from gsp_studio.backends.cpu.processor import usable_cores
from gsp_studio.core.diagnosis import energies_of
from gsp_studio.core.distributed.coefficients import Coefficients
from gsp_studio.core.divergence_iteration import with_measure
from gsp_studio.core.encoding import coefficients
from gsp_studio.core.initialization import STARTS
from gsp_studio.core.matching import match_bases
from gsp_studio.core.metrics import self_product
from gsp_studio.core.nmf import METHODS, Iterate, Params, Result, check_params, factorize
from gsp_studio.core.seeds import Seed, with_seeds
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.stopping import Stop
from gsp_studio.engine.run import Outcome, Record, RunSpec
from gsp_studio.engine.runner import Runner, branch
from gsp_studio.gui.jobs.projector import Projector, average_sparsity, by_energy
from gsp_studio.gui.jobs.run_events import marks_of
from gsp_studio.gui.solutions import RefinementState, SolveRequest
from gsp_studio.gui.state import Capabilities, DisplayedBasis, RunEntry, RunSettings, UnprojectedBasis
from gsp_studio.gui.texts import origin_words
from gsp_studio.io.annotations import Annotations
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.export.script import command_of, text_of_run

#: Iterations of the short unconstrained fit that gives the slider a basis before any run.
WARM_ITERATIONS = 25
#: The same of images that stay in their file, which each iteration reads; it starts near its end.
STREAMED_ITERATIONS, STREAMED_START = 2, "nndsvda"
#: Iterations of a refinement at a target at most, and the gain of 10 of them below which it has come to rest.
REFINING_ITERATIONS, REFINING_TOLERANCE = 200, 1e-4
#: The same of images that stay in their file, or on a cluster.
STREAMED_REFINING = 10
#: Seconds that an iteration of two cores takes for an entry of the data and a basis image, about.
_SECONDS = 2.5e-10
#: Entries of the data times the rank up to which it takes less than half a second.
_AT_ONCE = 2_000_000_000


def solver_threads() -> int:
    """Threads for solvers while the window is open: one core is left to it."""
    return max(1, usable_cores() - 1)


def warm_up() -> None:
    """Compile or load the kernels for float32, the type of most images, by solving something tiny."""
    # For good: on a machine that is busy, a product of four BLAS threads takes up to seconds instead of milliseconds.
    threadpool_limits(limits=1, user_api="blas")
    X = np.asfortranarray(np.random.default_rng(0).random((12, 40), np.float32))
    result = factorize(X, Params(rank=3, sparsity=0.5, max_iter=2), get_backend("auto", solver_threads()))
    pinned = unprojected_basis(result, "")
    Projector(pinned).show(0.6)
    Projector(replace(pinned, weights=np.linspace(0.1, 1.0, len(X)))).show(0.6)


def known() -> Capabilities:
    """The methods that this window offers, and what computes."""
    methods = {name: (method.label, method.summary, method.uses_sparsity) for name, method in METHODS.items()}
    weighted = tuple(name for name, method in METHODS.items() if method.uses_weights)
    backend = get_backend("auto", solver_threads())
    words = f"{backend.name}, {backend.device}"
    offered = [("auto", words, "")]
    for name, problem in available_backends().items():
        if name != "reference":
            device = "" if problem else get_backend(name, solver_threads()).device
            offered.append((name, f"{name}, {device}", reason_of(problem)))
    memory = None if backend.remote is None else backend.remote.memory
    return Capabilities(methods, words, dict(STARTS), weighted, tuple(offered), memory, METHODS.problems)


def new_run(
    dataset: Dataset,
    choice: RunSettings,
    weights: Array | None = None,
    scheduler: str = "",
    seeds: Sequence[Seed] = (),
    mask: Array | None = None,
) -> Runner:
    """A run of what the panels say, on a cluster where one is named; ValueError when the data cannot have it."""
    X = dataset.X
    params = replace(choice.params, weights=weights_in_force(choice.params.method, weights, len(X)))
    params = with_seeds(params, seeds)
    check_params(params, *X.shape)
    spec = RunSpec(X, params, choice.backend, solver_threads(), mask, dataset.fingerprint, scheduler)
    return Runner(spec)


def steer(choice: RunSettings, running: Params, weights: Array | None) -> Params:
    """The parameters of a run that goes on with the targets of `choice`, and these weights where it has any."""
    if running.weights is not None:
        running = replace(running, weights=np.ones(len(running.weights)) if weights is None else weights)
    return replace(running, sparsity=choice.params.sparsity, sparsity_h=choice.params.sparsity_h)


def weights_in_force(method: str, weights: Array | None, m: int) -> Array | None:
    """The weights that a method takes: for the weighted one those that were painted, or all equal; else None."""
    if method not in METHODS or not METHODS[method].uses_weights:
        return None
    return np.ones(m) if weights is None else weights


def weights_of_run(entry: RunEntry, painted: Array | None) -> Array | None:
    """The painted weights that a run was computed with last; `painted` where it takes none, or the same."""
    result = entry.outcome.result
    weights = None if result is None else result.params.weights
    if weights is None or not METHODS[entry.spec.params.method].uses_weights:
        return painted
    if painted is not None and np.array_equal(painted, weights):
        return painted
    return None if is_uniform(weights) else weights


def is_uniform(weights: Array | None) -> bool:
    """Whether weighted sparsities are the plain ones."""
    return weights is None or not np.ptp(weights) > 0


def new_warm_fit(X: Matrix, choice: RunSettings) -> Runner:
    """The short unconstrained fit of the chosen rank; ValueError as `new_run`."""
    params = Params(choice.params.rank, "ahals", seed=choice.params.seed, max_iter=WARM_ITERATIONS)
    if is_out_of_core(X):
        params = replace(params, max_iter=STREAMED_ITERATIONS, init=STREAMED_START)
    check_params(params, *X.shape)
    return Runner(RunSpec(X, params, choice.backend, solver_threads()))


def new_refinement(request: SolveRequest) -> Runner:
    """Iterations of both factors at the chosen targets, from a frame on; ValueError as `new_run`.

    Where its coefficients are on a cluster, these are, too.
    """
    dataset, shown = request.dataset, request.frame
    X = dataset.X if isinstance(shown.H, np.ndarray) else cast(OutOfCoreMatrix, shown.H.X)
    params = _refining(request, shown.H, refining_iterations(X))
    check_params(params, *X.shape)
    return Runner(RunSpec(X, params, request.choice.backend, solver_threads(), fingerprint=dataset.fingerprint))


def new_subset_refinement(request: SolveRequest, n_images: int) -> Runner:
    """`new_refinement` on so many images, drawn at random by the seed of the choice; these are read here."""
    X, H = request.dataset.X, request.frame.H
    assert isinstance(H, np.ndarray)
    some = np.sort(np.random.default_rng(request.choice.params.seed).choice(X.shape[1], n_images, replace=False))
    X = np.asfortranarray(X[:, some])
    params = _refining(request, H[:, some], REFINING_ITERATIONS)
    check_params(params, *X.shape)
    return Runner(RunSpec(X, params, request.choice.backend, solver_threads()))


def new_fresh_fit(request: SolveRequest) -> Runner:
    """A run from the start at the targets of a request, as the settings say but for the rank, which is the basis's."""
    own = {"rank": len(request.frame.order), "held_out": 0.0, **problem_of(request.pinned)}
    params = replace(request.choice.params, **own)
    check_params(params, *request.dataset.X.shape)
    return Runner(RunSpec(request.dataset.X, params, request.choice.backend, solver_threads()))


def with_matched_columns(found: Result, frame: DisplayedBasis) -> DisplayedBasis:
    """Show the factors of a result in place of a frame's, each basis image where the one most like it was."""
    order = match_bases(frame.W, found.W).cells_of_second(np.arange(len(frame.order)), len(found.H))
    return replace(frame, W=np.asfortranarray(found.W[:, order]), H=np.ascontiguousarray(found.H[order]), seeds=())


def with_all_coefficients(X: Matrix, found: Result, frame: DisplayedBasis, n_sweeps: int, tol: float) -> DisplayedBasis:
    """Show the basis of a result in place of a frame's, with the coefficients of all images."""
    H, gram = coefficients(as_compute_dtype(X), found.W.T, get_backend("auto", solver_threads()), n_sweeps, tol)
    own = self_product(found.W)
    return replace(
        frame,
        W=found.W,
        sparsities=np.asarray(hoyer_sparsity(found.W, found.params.weights)),
        energies=energies_of(own, gram),
        H=H,
        error=gram.relative_error(found.W, own),
        iterations=found.n_iter,
    )


def _refining(request: SolveRequest, H: Array | Coefficients, n_iter: int) -> Params:
    wanted = request.choice.params
    return Params(
        len(H),
        sparsity=wanted.sparsity,
        sparsity_h=wanted.sparsity_h,
        seed=wanted.seed,
        max_iter=n_iter,
        init=(request.frame.W, H),
        frozen=request.frozen,
        tol=REFINING_TOLERANCE,
        **problem_of(request.pinned),
    )


def problem_of(pinned: UnprojectedBasis) -> dict[str, Any]:
    """Parameters by which a basis is solved for at other targets: GSP-HALS, or the best method of its run's loss."""
    return {"method": "gsphals" if pinned.weights is None else "wgsphals", "weights": pinned.weights, **pinned.fit}


def retarget(spec: RunSpec, running: Params, choice: RunSettings, n_iter: int) -> Params:
    """The parameters of a refinement with the targets of `choice`, which has as many iterations left as a new one."""
    last = n_iter + refining_iterations(spec.X)
    return replace(running, sparsity=choice.params.sparsity, sparsity_h=choice.params.sparsity_h, max_iter=last)


def new_continuation(spec: RunSpec, last: Iterate | Result, choice: RunSettings) -> Runner:
    """A refinement that begins where another one has ended, with the targets of `choice`."""
    return Runner(replace(spec, params=replace(retarget(spec, spec.params, choice, 0), init=(last.W, last.H))))


def has_come_to_rest(result: Result) -> bool:
    """Whether a refinement has ended as its error stands still, or after as many iterations as a run needs."""
    return result.stop is Stop.TOLERANCE or result.n_iter >= REFINING_ITERATIONS


def refining_iterations(X: Matrix) -> int:
    """Iterations of a refinement of these data at most."""
    return STREAMED_REFINING if is_out_of_core(X) else REFINING_ITERATIONS


def is_refined_at_once(pinned: UnprojectedBasis, X: Matrix) -> bool:
    """Whether an iteration takes so little that a basis is refined while the slider moves."""
    return not is_out_of_core(X) and isinstance(pinned.H, np.ndarray) and pinned.W.size * X.shape[1] <= _AT_ONCE


def seconds_of_iteration(pinned: UnprojectedBasis, X: Matrix) -> float:
    """About how long an iteration takes."""
    return float(_SECONDS * pinned.W.size * X.shape[1])


def reweight(pinned: UnprojectedBasis, choice: RunSettings, weights: Array | None) -> UnprojectedBasis | None:
    """The same basis under the weights that the chosen method takes; None where they are in force already."""
    weights = weights_in_force(choice.params.method, weights, len(pinned.W))
    same = weights is pinned.weights or (
        weights is not None and pinned.weights is not None and np.array_equal(weights, pinned.weights)
    )
    return None if same else replace(pinned, weights=weights, sparsity=average_sparsity(pinned.W, weights))


def unprojected_basis(result: Result, origin: str) -> UnprojectedBasis:
    """Pin the basis of a run: its last gradient step before the projection."""
    weights = result.params.weights
    return UnprojectedBasis(
        W=result.dense,
        H=result.H,
        gram=result.gram,
        sparsity=average_sparsity(result.dense, weights),
        error=result.gram.relative_error(result.dense),
        origin=origin,
        sparsity_h=average_sparsity(result.H.T) if isinstance(result.H, np.ndarray) else math.nan,
        weights=weights,
        backend=result.backend.partition(": ")[0] if result.backend.startswith("cuda") else "cpu",
        fit=_own_fit(result.params),
        seeds=result.params.seed_names,
    )


def _own_fit(params: Params) -> dict[str, Any]:
    fit = {} if METHODS[params.method].is_least_squares else {"method": "gspkl"}
    return fit | {name: getattr(params, name) for name in ("poisson", "sum_to_one") if getattr(params, name)}


def shown_of(
    it: Iterate | Result, target: float, target_h: float, order: Array | None, origin: str, params: Params
) -> DisplayedBasis:
    """An iterate or a result of a run with these parameters on the screen; by energy where no order is given."""
    energies = energies_of(self_product(it.W), it.gram)
    return DisplayedBasis(
        W=it.W,
        sparsities=np.asarray(hoyer_sparsity(it.W, params.weights)),
        energies=energies,
        order=by_energy(energies) if order is None else order,
        H=it.H,
        error=it.error,
        target=target,
        baseline=math.nan,
        origin=origin,
        is_weighted=not is_uniform(params.weights),
        sparsity_h=it.sparsity_h,
        target_h=target_h,
        gram=it.gram,
        seeds=params.seed_names,
    )


def new_branch(entry: RunEntry, n_iter: int, s: float) -> Runner:
    """A run that shares the first iterations of another one and then has the target s; ValueError as `branch`."""
    return branch(entry.spec, entry.outcome.interventions, n_iter, lambda params: replace(params, sparsity=s))


def continue_run(entry: RunEntry, n_iter: int) -> Runner:
    """A run of so many iterations that begins with the factors of another one; ValueError where it has none here."""
    result = entry.outcome.result
    if result is None or not isinstance(result.H, np.ndarray):
        raise ValueError(f"{entry.name} cannot go on: its coefficients are not on this computer")
    # All iterations that were asked for are done.
    params = result.params.with_factors(result.W, result.H, max_iter=n_iter, max_seconds=None, tol=0.0)
    check_params(params, *entry.spec.X.shape)
    return Runner(replace(entry.spec, params=params))


def entry_of(
    number: int,
    spec: RunSpec,
    outcome: Outcome,
    records: tuple[Record, ...],
    origin: tuple[int, int] = (0, 0),
) -> RunEntry:
    """A run that has ended with a result, for the list of runs."""
    assert outcome.result is not None
    result = with_measure(outcome.result, spec.X, spec.mask)
    method = METHODS[spec.params.method]
    # The target in force when the best iterate was made: a run may have been steered since.
    target = float(result.history.target[result.best_iter - 1])
    last = result.params.sparsity if math.isnan(target) else target
    last_h = result.params.sparsity_h or None
    name, rank = f"run {number}", len(result.H)
    return RunEntry(
        number=number,
        choice=RunSettings.of_run(replace(spec.params, rank=rank, sparsity=last, sparsity_h=last_h), spec.backend),
        label=f"{method.label}, rank {rank}"
        + (f", s = {last:.3f}" if method.uses_sparsity else "")
        + (f", s of H = {last_h:.3f}" if last_h else "")
        + origin_words(origin, spec.params),
        spec=spec,
        outcome=outcome,
        records=records,
        pinned=unprojected_basis(result, name),
        shown=shown_of(result, target, last_h or math.nan, None, name, result.params),
        marks=marks_of(spec.params, outcome.interventions, records),
        origin=origin,
    )


def refinement_of(
    refined: RunEntry, pinned: UnprojectedBasis, choice: RunSettings, projected: float
) -> tuple[RefinementState, DisplayedBasis]:
    """The refinement that a run was kept from, at rest, and its basis on the screen; `projected`: the error without."""
    result = refined.outcome.result
    assert result is not None
    frame = replace(
        refined.shown,
        baseline=pinned.error,
        origin=pinned.origin,
        projected=projected,
    )
    runner = Runner(refined.spec, refined.outcome.interventions)
    params = refined.choice.params
    wanted = choice.with_params(sparsity=params.sparsity, sparsity_h=params.sparsity_h)
    state = RefinementState(runner, refined.outcome, wanted, replace(frame, iterations=result.n_iter), result)
    return state, replace(frame, iterations=result.n_iter, is_solved=has_come_to_rest(result))


def refined_entry(
    number: int, parent: int, found: tuple[RunSpec, Outcome], origin: str, order: Array, choice: RunSettings
) -> RunEntry:
    """The run that refined the basis of `origin`, its tiles in this order; its note tells the path of its targets."""
    spec, outcome = found
    assert outcome.result is not None
    entry = entry_of(number, spec, outcome, outcome.result.history.records(), (parent, 0))
    kept = entry.choice.params
    choice = choice.with_params(rank=kept.rank, method=kept.method, sparsity=kept.sparsity, sparsity_h=kept.sparsity_h)
    path = " → ".join(f"{s:.4f}" for s in targets_of(spec.params, outcome))
    remarks = Annotations(name=f"Refined basis of {origin}", note=f"Refined from {origin}: s {path}")
    return replace(entry, choice=choice, shown=replace(entry.shown, order=order), remarks=remarks)


def targets_of(start: Params, outcome: Outcome) -> list[float]:
    """Targets of the basis that a run has had, in their order."""
    steps = [step.change.sparsity for step in outcome.interventions if isinstance(step.change, Params)]
    found = [start.sparsity]
    for s in steps:
        if s != found[-1]:
            found.append(s)
    return found


def as_text(kind: str, dataset: Dataset, entry: RunEntry) -> str:
    """A run as "python" or as a "command"; ExportError in one sentence where no text alone holds it."""
    make = text_of_run if kind == "python" else command_of
    return make(dataset, entry.exported())
