"""Everything heavy that the session uses, in one import that a worker makes after the first paint.

numba, SciPy and the solvers take a quarter of a second to import and longer to warm up; the window is there before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from gsp_studio.backends import available_backends, get_backend, reason_of
from gsp_studio.backends.backend import as_compute_dtype, is_elsewhere
from gsp_studio.backends.blocks import Interrupted, Streamed
from gsp_studio.backends.cpu import usable_cores
from gsp_studio.backends.cpu.compiling import is_compiling
from gsp_studio.backends.kernels import prepared
from gsp_studio.core.initialization import STARTS
from gsp_studio.core.matching import match_bases
from gsp_studio.core.methods import new_sparse_coefficients
from gsp_studio.core.metrics import mean_image, self_product
from gsp_studio.core.nmf import METHODS, Iterate, Params, Result, check_params, factorize
from gsp_studio.core.optimality import kkt_residual
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.steering import KINDS, renumbered
from gsp_studio.engine.run import Outcome, Record, RunSpec, RunState
from gsp_studio.engine.runner import Runner, branch
from gsp_studio.experiments.rank import RankStudy, study_ranks
from gsp_studio.experiments.stability import BasisStability, basis_stability
from gsp_studio.gui.checking import SEEDS
from gsp_studio.gui.chronicle import is_past, marks_of
from gsp_studio.gui.projector import Projector, average_sparsity, average_sparsity_of, by_energy, energies_of
from gsp_studio.gui.state import Choice, Comparison, Known, Parts, Pinned, RunEntry, Shown
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.export import ExportedRun, What, export_run
from gsp_studio.io.extras import EXTRAS
from gsp_studio.io.readers import LoadCancelled, Peek, load_dataset, peek, thumbnails
from gsp_studio.io.script import command_of, script_of

__all__ = [
    "EXTRAS",
    "KINDS",
    "DatasetError",
    "LoadCancelled",
    "Peek",
    "Projector",
    "RunState",
    "as_text",
    "branched",
    "check_params",
    "compared",
    "entry_of",
    "export",
    "is_compiling",
    "is_past",
    "known",
    "load_dataset",
    "marks_of",
    "mean_image",
    "new_denser_fit",
    "new_run",
    "new_warm_fit",
    "peek",
    "pinned_of",
    "ranked",
    "refitted",
    "renumbered",
    "reweighted",
    "shown_of",
    "stability",
    "stationarity",
    "steered",
    "thumbnails",
    "warm_up",
    "weighed",
]

Array = npt.NDArray[Any]

#: Iterations of the short unconstrained fit that gives the slider a basis before any run.
WARM_ITERATIONS = 25
#: The same of images that stay in their file, which each iteration reads; it starts near its end.
STREAMED_ITERATIONS, STREAMED_START = 2, "nndsvda"
#: Iterations of the short fit of both factors that makes a basis denser.
DENSER_ITERATIONS = 30
#: A refit of the coefficients ends when a round of sweeps lowers the squared error by less than this fraction of it.
REFIT_TOLERANCE, REFIT_ROUNDS = 1e-5, 30
#: Iterations of each fit of a study of ranks.
RANK_ITERATIONS = 100
#: Of images that stay in their file, one reading of them.
STREAMED_ROUNDS = 1


def solver_threads() -> int:
    """Threads for solvers while the window is open: one core is left to it."""
    return max(1, usable_cores() - 1)


def warm_up() -> None:
    """Compile or load the kernels for float32, the type of most images, by solving something tiny."""
    # For good: on a machine that is busy, a product of four BLAS threads takes up to seconds instead of milliseconds.
    threadpool_limits(limits=1, user_api="blas")
    X = np.asfortranarray(np.random.default_rng(0).random((12, 40), np.float32))
    result = factorize(X, Params(rank=3, sparsity=0.5, max_iter=2), get_backend("auto", solver_threads()))
    pinned = pinned_of(result, "")
    Projector(pinned).show(0.6)
    Projector(replace(pinned, weights=np.linspace(0.1, 1.0, len(X)))).show(0.6)


def known() -> Known:
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
    return Known(methods, words, dict(STARTS), weighted, tuple(offered), memory)


def new_run(dataset: Dataset, choice: Choice, weights: Array | None = None, scheduler: str = "") -> Runner:
    """A run of what the panels say, on a cluster where one is named; ValueError when the data cannot have it."""
    X = dataset.X
    params = replace(params_of(choice), weights=weights_in_force(choice, weights, len(X)))
    check_params(params, *X.shape)
    spec = RunSpec(X, params, choice.backend, solver_threads(), fingerprint=dataset.fingerprint, scheduler=scheduler)
    return Runner(spec)


def params_of(choice: Choice) -> Params:
    """What the panels say, as the solvers take it."""
    return Params(
        choice.rank,
        choice.method,
        choice.sparsity,
        choice.seed,
        choice.max_iter,
        init=choice.init,
        sparsity_h=choice.sparsity_h or None,
    )


def steered(choice: Choice, running: Params, weights: Array | None) -> Params:
    """The parameters of a run that goes on with the targets of `choice`, and these weights where it has any."""
    if running.weights is not None:
        running = replace(running, weights=np.ones(len(running.weights)) if weights is None else weights)
    return replace(running, sparsity=choice.sparsity, sparsity_h=choice.sparsity_h or None)


def weights_in_force(choice: Choice, weights: Array | None, m: int) -> Array | None:
    """The weights that a method takes: for the weighted one those that were painted, or all equal; else None."""
    if choice.method not in METHODS or not METHODS[choice.method].uses_weights:
        return None
    return np.ones(m) if weights is None else weights


def new_warm_fit(X: Any, choice: Choice) -> Runner:
    """The short unconstrained fit of the chosen rank; ValueError as `new_run`."""
    params = Params(choice.rank, "ahals", seed=choice.seed, max_iter=WARM_ITERATIONS)
    if isinstance(X, Streamed):
        params = replace(params, max_iter=STREAMED_ITERATIONS, init=STREAMED_START)
    check_params(params, *X.shape)
    return Runner(RunSpec(X, params, choice.backend, solver_threads()))


def new_denser_fit(X: Any, choice: Choice, pinned: Pinned) -> Runner:
    """A short fit of both factors at the chosen sparsity, which goes on from what is pinned, where its H is."""
    X, start = (X if isinstance(pinned.H, np.ndarray) else pinned.H.X), (pinned.W, pinned.H)
    params = Params(
        len(pinned.H),
        "psnmf" if pinned.weights is None else "wsnmf",
        choice.sparsity,
        choice.seed,
        STREAMED_ITERATIONS if is_elsewhere(X) else DENSER_ITERATIONS,
        init=start,
        sparsity_h=choice.sparsity_h or None,
        weights=pinned.weights,
    )
    check_params(params, *X.shape)
    return Runner(RunSpec(X, params, choice.backend, solver_threads()))


def refitted(X: Any, pinned: Pinned, shown: Shown, is_unwanted: Callable[[], bool]) -> Shown | None:
    """What is shown with the coefficients that fit its basis best; None where nobody wants that any more.

    HALS sweeps, a round of them at a time, from the coefficients that are shown, on the cluster where these are on one.
    """
    if not isinstance(shown.H, np.ndarray):
        X = shown.H.X
    if not is_elsewhere(X):
        return _refitted(as_compute_dtype(X), pinned, shown, is_unwanted, REFIT_ROUNDS)
    try:
        return _refitted(X.watched(is_unwanted), pinned, shown, is_unwanted, STREAMED_ROUNDS)
    except Interrupted:
        return None


def _refitted(X: Any, pinned: Pinned, shown: Shown, is_unwanted: Callable[[], bool], rounds: int) -> Shown | None:
    # On the processor: a refit is a few passes over images that are there, and a device would have to be sent them.
    Xt, backend = prepared(X, get_backend("cpu", solver_threads()))
    V = np.ascontiguousarray(shown.W.T)
    H, own, before = shown.H, self_product(shown.W), math.inf
    params = Params(len(V), sparsity_h=None if math.isnan(shown.target_h) else shown.target_h)
    update_sparse = new_sparse_coefficients(METHODS[params.method])
    with backend.scope():
        for _ in range(rounds):
            if is_unwanted():
                return None
            if params.sparsity_h is None:
                H, B, G = backend.sweep_coefficients(Xt, V, H, params.n_sweeps, params.inner_tol)
            else:
                H, _ = update_sparse(H, backend.encode(Xt, V), V @ V.T, backend, params)
                B, G = backend.products(Xt, H)
            gram = replace(pinned.gram, A=B.T, G=G)
            left = gram.squared_residual(shown.W, own)
            if left >= before * (1.0 - REFIT_TOLERANCE):
                break
            before = left
        if not gram.is_accurate(left):
            left = backend.residual(Xt, V, H)
    energies = energies_of(own, gram)
    return replace(
        shown,
        H=H,
        energies=energies,
        error=gram.relative(left),
        before_refit=shown.error,
        sparsity_h=average_sparsity_of(H) if params.sparsity_h is not None else math.nan,
    )


def reweighted(pinned: Pinned, choice: Choice, weights: Array | None) -> Pinned | None:
    """The same basis under the weights that the chosen method takes; None where they are in force already."""
    weights = weights_in_force(choice, weights, len(pinned.W))
    same = weights is pinned.weights or (
        weights is not None and pinned.weights is not None and np.array_equal(weights, pinned.weights)
    )
    return None if same else replace(pinned, weights=weights, sparsity=average_sparsity(pinned.W, weights))


def weighed(pinned: Pinned, order: Array, s: float, weights: Array | None) -> tuple[Shown, Shown | None]:
    """A basis projected to s without weights and with these; None for the second where there are none."""
    plain = Projector(replace(pinned, weights=None), None, order).show(s)
    if weights is None:
        return plain, None
    return plain, Projector(replace(pinned, weights=weights), None, order).show(s)


def pinned_of(result: Result, origin: str) -> Pinned:
    """What the slider projects after a run: its last gradient step before the projection."""
    weights = result.params.weights
    return Pinned(
        W=result.dense,
        H=result.H,
        gram=result.gram,
        sparsity=average_sparsity(result.dense, weights),
        error=result.gram.relative_error(result.dense),
        origin=origin,
        sparsity_h=average_sparsity(result.H.T) if isinstance(result.H, np.ndarray) else math.nan,
        weights=weights,
        backend=result.backend.partition(": ")[0] if result.backend.startswith("cuda") else "cpu",
    )


def shown_of(
    it: Iterate | Result, target: float, target_h: float, order: Array | None, origin: str, weights: Array | None = None
) -> Shown:
    """An iterate or a result on the screen; by energy where no order is given."""
    energies = energies_of(self_product(it.W), it.gram)
    return Shown(
        W=it.W,
        sparsities=np.asarray(hoyer_sparsity(it.W, weights)),
        energies=energies,
        order=by_energy(energies) if order is None else order,
        H=it.H,
        error=it.error,
        target=target,
        baseline=math.nan,
        origin=origin,
        sparsity_h=it.sparsity_h,
        target_h=target_h,
    )


def branched(entry: RunEntry, n_iter: int, s: float) -> Runner:
    """A run that shares the first iterations of another one and then has the target s; ValueError as `branch`."""
    return branch(entry.spec, entry.outcome.interventions, n_iter, lambda params: replace(params, sparsity=s))


def entry_of(
    number: int,
    choice: Choice,
    spec: RunSpec,
    outcome: Outcome,
    records: tuple[Record, ...],
    origin: tuple[int, int] = (0, 0),
) -> RunEntry:
    """A run that has ended with a result, for the list of runs; `choice` is what it began with."""
    result = outcome.result
    assert result is not None
    method = METHODS[choice.method]
    # The target in force when the best iterate was made: a run may have been steered since.
    target = float(result.history.target[result.best_iter - 1])
    last = result.params.sparsity if math.isnan(target) else target
    last_h = result.params.sparsity_h or 0.0
    name, rank = f"run {number}", len(result.H)
    return RunEntry(
        number=number,
        choice=replace(choice, rank=rank, sparsity=last, sparsity_h=last_h),
        label=f"{method.label}, rank {rank}"
        + (f", s = {last:.3f}" if method.uses_sparsity else "")
        + (f", s of H = {last_h:.3f}" if last_h else "")
        + (f", branch of run {origin[0]} at {origin[1]}" if origin[0] else ""),
        spec=spec,
        outcome=outcome,
        records=records,
        pinned=pinned_of(result, name),
        shown=shown_of(result, target, last_h or math.nan, None, name, result.params.weights),
        marks=marks_of(spec.params, outcome.interventions, records),
        origin=origin,
    )


def compared(*runs: RunEntry) -> Comparison:
    """Runs with their basis images in the cells of those of the first that they are most like."""
    first = runs[0].shown
    orders, cosines = [first.order], [np.ones(len(first.order))]
    for other in runs[1:]:
        matching = match_bases(first.W, other.shown.W)
        orders.append(matching.cells_of_second(first.order, other.shown.W.shape[1]))
        cosines.append(matching.cosine[first.order])
    count = max(map(len, orders))
    return Comparison(
        runs,
        tuple(np.pad(order, (0, count - len(order)), constant_values=-1) for order in orders),
        tuple(np.pad(cosine, (0, count - len(cosine))) for cosine in cosines),
    )


def stationarity(X: Any, entry: RunEntry) -> float:
    """The KKT residual of a run's result; NaN where the method has none."""
    result = entry.outcome.result
    assert result is not None
    return kkt_residual(X, result.W, result.H, result.params, get_backend("cpu", solver_threads()))


def ranked(X: Any, ranks: range, choice: Choice, seeds: int, study: Any) -> RankStudy:
    """A study of ranks; `study` counts its steps, gathers its rows, and says when nobody wants it any more."""

    def step() -> None:
        study.done += 1
        if study.unwanted.is_set():
            raise Interrupted

    method = "psnmf" if METHODS[choice.method].uses_weights else choice.method
    params = Params(1, method, choice.sparsity, choice.seed, RANK_ITERATIONS, init=choice.init)
    backend = get_backend("auto", solver_threads())
    return study_ranks(X, ranks, params, backend, seeds, study.rows.append, step)


def stability(X: Any, check: Any) -> BasisStability:
    """What further seeds make of a run's basis; `check` counts the iterations, and says when nobody wants it any more.

    The further fits have the parameters that the run ended with, from their first iteration on.
    """

    def step(fits: int, it: Iterate) -> None:
        check.done = (fits, it.n_iter)
        if check.unwanted.is_set():
            raise Interrupted

    entry = check.entry
    result = entry.outcome.result
    assert result is not None
    data = X.watched(check.unwanted.is_set) if isinstance(X, Streamed) else X
    backend = get_backend("auto", solver_threads())
    return basis_stability(data, result.W, result.params, backend, SEEDS, entry.spec.mask, step)


def as_text(kind: str, dataset: Dataset, entry: RunEntry) -> str:
    """A run as "python" or as a "command"; ExportError in one sentence where no text alone holds it."""
    make = script_of if kind == "python" else command_of
    return make(dataset, entry.exported())


def export(directory: Path, dataset: Dataset, run: ExportedRun, parts: Parts) -> list[Path]:
    """Write a run into a folder; ExportError in one sentence."""
    return export_run(directory, dataset, run, What(**asdict(parts)))
