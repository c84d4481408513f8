"""Everything heavy that the session uses, in one import that a worker makes after the first paint.

numba, SciPy and the solvers take a quarter of a second to import and longer to warm up; the window is there before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import event
from threadpoolctl import threadpool_limits

from gsp_studio.backends import get_backend
from gsp_studio.backends.backend import as_compute_dtype
from gsp_studio.backends.cpu import usable_cores
from gsp_studio.core.initialization import STARTS
from gsp_studio.core.matching import match_bases
from gsp_studio.core.methods import new_sparse_coefficients
from gsp_studio.core.metrics import GramError, self_product
from gsp_studio.core.nmf import METHODS, Iterate, Params, Result, check_params, factorize
from gsp_studio.core.path import SparsityPath
from gsp_studio.core.projection import Projection, group_sparse_projection
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.engine.run import Outcome, Record, RunSpec, RunState
from gsp_studio.engine.runner import Runner
from gsp_studio.gui.state import Choice, Comparison, Known, Parts, Pinned, RunEntry, Shown
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.export import ExportedRun, What, export_run
from gsp_studio.io.readers import LoadCancelled, Peek, load_dataset, peek, thumbnails

__all__ = [
    "DatasetError",
    "LoadCancelled",
    "Peek",
    "Projector",
    "RunState",
    "check_params",
    "compared",
    "entry_of",
    "export",
    "is_compiling",
    "known",
    "load_dataset",
    "new_denser_fit",
    "new_run",
    "new_warm_fit",
    "peek",
    "pinned_of",
    "refitted",
    "shown_of",
    "thumbnails",
    "warm_up",
]

Array = npt.NDArray[Any]

#: Iterations of the short unconstrained fit that gives the slider a basis before any run.
WARM_ITERATIONS = 25
#: Iterations of the short fit of both factors that makes a basis denser.
DENSER_ITERATIONS = 30
#: A refit of the coefficients ends when a round of sweeps lowers the squared error by less than this fraction of it.
REFIT_TOLERANCE, REFIT_ROUNDS = 1e-5, 30


def solver_threads() -> int:
    """Threads for solvers while the window is open: one core is left to it."""
    return max(1, usable_cores() - 1)


class _Compiling(event.Listener):  # type: ignore[misc]
    """Counts the compilations under way; what comes from numba's cache on the disk is none."""

    def __init__(self) -> None:
        self.depth = 0

    def on_start(self, event: event.Event) -> None:
        self.depth += 1

    def on_end(self, event: event.Event) -> None:
        self.depth -= 1


_COMPILING = _Compiling()
event.register("numba:compile", _COMPILING)


def is_compiling() -> bool:
    """Whether numba is compiling a kernel, as it does the first time that one is used on a machine."""
    return _COMPILING.depth > 0


def warm_up() -> None:
    """Compile or load the kernels for float32, the type of most images, by solving something tiny."""
    # For good: on a machine that is busy, a product of four BLAS threads takes up to seconds instead of milliseconds.
    threadpool_limits(limits=1, user_api="blas")
    X = np.asfortranarray(np.random.default_rng(0).random((12, 40), np.float32))
    result = factorize(X, Params(rank=3, sparsity=0.5, max_iter=2), get_backend("auto", solver_threads()))
    Projector(pinned_of(result, "")).show(0.6)


def known() -> Known:
    """The methods that this window offers, and what computes."""
    # Weights need an editor of their own, so the weighted method is not among them.
    methods = {
        name: (method.label, method.summary, method.uses_sparsity)
        for name, method in METHODS.items()
        if not method.uses_weights
    }
    backend = get_backend("auto", solver_threads())
    return Known(methods, f"{backend.name}, {backend.device}", dict(STARTS))


def new_run(X: Array, choice: Choice) -> Runner:
    """A run of what the panels say; ValueError, in one sentence, when the data cannot have it."""
    params = params_of(choice)
    check_params(params, *X.shape)
    return Runner(RunSpec(X, params, "auto", solver_threads()))


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


def steered(choice: Choice, running: Params) -> Params:
    """The parameters of a run that goes on with the targets of `choice`."""
    return replace(running, sparsity=choice.sparsity, sparsity_h=choice.sparsity_h or None)


def new_warm_fit(X: Array, choice: Choice) -> Runner:
    """The short unconstrained fit of the chosen rank; ValueError as `new_run`."""
    params = Params(choice.rank, "ahals", seed=choice.seed, max_iter=WARM_ITERATIONS)
    check_params(params, *X.shape)
    return Runner(RunSpec(X, params, "auto", solver_threads()))


def new_denser_fit(X: Array, choice: Choice, pinned: Pinned) -> Runner:
    """A short fit of both factors at the chosen sparsity, which goes on from what is pinned."""
    start = (pinned.W, pinned.H)
    params = Params(
        len(pinned.H),
        "psnmf",
        choice.sparsity,
        choice.seed,
        DENSER_ITERATIONS,
        init=start,
        sparsity_h=choice.sparsity_h or None,
    )
    check_params(params, *X.shape)
    return Runner(RunSpec(X, params, "auto", solver_threads()))


def refitted(X: Array, pinned: Pinned, shown: Shown, is_unwanted: Callable[[], bool]) -> Shown | None:
    """What is shown with the coefficients that fit its basis best; None where nobody wants that any more.

    HALS sweeps, a round of them at a time, from the coefficients that are shown.
    """
    backend = get_backend("auto", solver_threads())
    Xt = np.ascontiguousarray(as_compute_dtype(X).T).view()
    Xt.flags.writeable = False  # as the solvers do: numba compiles kernels anew for arrays that may be written
    V = np.ascontiguousarray(shown.W.T)
    H, own, before = shown.H, self_product(shown.W), math.inf
    params = Params(len(V), sparsity_h=None if math.isnan(shown.target_h) else shown.target_h)
    update_sparse = new_sparse_coefficients()
    with backend.scope():
        for _ in range(REFIT_ROUNDS):
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
        sparsity_h=average_sparsity(H.T) if params.sparsity_h is not None else math.nan,
    )


def average_sparsity(columns: Array) -> float:
    """Average Hoyer sparsity of columns, 0 to 1."""
    return float(np.mean(hoyer_sparsity(columns))) if len(columns) > 1 else 0.0


def energies_of(own: Array, gram: Any) -> Array:
    """Share of each basis image in ``sum_k ||w_k|| ||h_k||``; `own` is ``W'W``."""
    norms = np.sqrt(np.diagonal(own) * np.maximum(np.diagonal(gram.G), 0.0))
    total = norms.sum()
    shares: Array = norms / total if total > 0 else norms
    return shares


def by_energy(energies: Array) -> Array:
    """Basis images in the order of falling energy."""
    return np.argsort(-energies, kind="stable")


def pinned_of(result: Result, origin: str) -> Pinned:
    """What the slider projects after a run: its last gradient step before the projection."""
    return Pinned(
        W=result.dense,
        H=result.H,
        gram=result.gram,
        sparsity=average_sparsity(result.dense),
        error=result.gram.relative_error(result.dense),
        origin=origin,
        sparsity_h=average_sparsity(result.H.T),
    )


def shown_of(it: Iterate | Result, target: float, target_h: float, order: Array | None, origin: str) -> Shown:
    """An iterate or a result on the screen; by energy where no order is given."""
    energies = energies_of(self_product(it.W), it.gram)
    return Shown(
        W=it.W,
        sparsities=np.asarray(hoyer_sparsity(it.W)),
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


def entry_of(number: int, choice: Choice, runner: Runner, outcome: Outcome, records: tuple[Record, ...]) -> RunEntry:
    """A run that has ended with a result, for the list of runs; `choice` is what it began with."""
    result = outcome.result
    assert result is not None
    method = METHODS[choice.method]
    # The target in force when the best iterate was made: a run may have been steered since.
    target = float(result.history.target[result.best_iter - 1])
    last = result.params.sparsity if math.isnan(target) else target
    last_h = result.params.sparsity_h or 0.0
    origin = f"run {number}"
    return RunEntry(
        number=number,
        choice=replace(choice, sparsity=last, sparsity_h=last_h),
        label=f"{method.label}, rank {choice.rank}"
        + (f", s = {last:.3f}" if method.uses_sparsity else "")
        + (f", s of H = {last_h:.3f}" if last_h else ""),
        spec=runner.spec,
        outcome=outcome,
        records=records,
        pinned=pinned_of(result, origin),
        shown=shown_of(result, target, last_h or math.nan, None, origin),
    )


def compared(first: RunEntry, second: RunEntry) -> Comparison:
    """Two runs with the basis images of the second in the cells of those of the first that they are most like."""
    matching = match_bases(first.shown.W, second.shown.W)
    order = first.shown.order
    return Comparison(first, second, matching.order_of_second(order, second.shown.W.shape[1]), matching.cosine[order])


def export(directory: Path, dataset: Dataset, run: ExportedRun, parts: Parts) -> list[Path]:
    """Write a run into a folder; ExportError in one sentence."""
    return export_run(directory, dataset, run, What(**asdict(parts)))


@dataclass(frozen=True, eq=False)
class _Coefficients:
    """Coefficients at a target, and what gives the error of any basis with them."""

    target: float
    H: Array
    gram: GramError
    sparsity: float


class Projector:
    """The pinned basis, sorted once, at any sparsity; some of its basis images may be held at their own."""

    def __init__(self, pinned: Pinned, X: Array | None = None, order: Array | None = None) -> None:
        self.pinned = pinned
        self._X = X
        self._path_h: SparsityPath | None = None
        self._sparse: _Coefficients | None = None
        self.held: Mapping[int, float] = {}
        self._path: SparsityPath | None = None
        self.order = by_energy(energies_of(self_product(pinned.W), pinned.gram)) if order is None else order

    def holding(self, held: Mapping[int, float]) -> Projector:
        """The same basis with these basis images at these sparsities: the others share what is left of the budget."""
        other = copy(self)
        other.held = dict(held)
        return other

    def show(self, s: float, s_h: float = 0.0) -> Shown:
        """The basis projected to s, and the coefficients to s_h where it is above 0, with the error that they have."""
        pinned = self.pinned
        projection = self._project(s)
        own = self_product(projection.values)
        coefficients = self._coefficients(s_h)
        return Shown(
            W=projection.values,
            sparsities=projection.sparsities,
            energies=energies_of(own, coefficients.gram),
            order=self.order,
            H=coefficients.H,
            error=coefficients.gram.relative_error(projection.values, own),
            target=s,
            baseline=pinned.error,
            origin=pinned.origin,
            sparsity_h=coefficients.sparsity,
            target_h=s_h or math.nan,
        )

    def _coefficients(self, s_h: float) -> _Coefficients:
        """The coefficients at s_h: while the basis alone moves, its errors need no product with the data."""
        pinned = self.pinned
        if s_h <= 0.0 or self._X is None:
            return _Coefficients(0.0, pinned.H, pinned.gram, math.nan)
        if self._sparse is None or self._sparse.target != s_h:
            if self._path_h is None:
                self._path_h = SparsityPath(pinned.H.T, copy=False)
            projection = self._path_h.project(s_h)
            H = np.ascontiguousarray(projection.values.T)
            X = as_compute_dtype(self._X)
            gram = replace(pinned.gram, A=np.asfortranarray(X @ H.T), G=self_product(H.T))
            self._sparse = _Coefficients(s_h, H, gram, float(projection.sparsity))
        return self._sparse

    def points(self, values: Array) -> list[tuple[float, int]]:
        """At each sparsity the error, and how many basis images are zero or have one pixel left."""
        found = []
        for s in values:
            W = self._project(float(s)).values
            found.append((self.pinned.gram.relative_error(W), int(np.sum(np.count_nonzero(W, axis=0) <= 1))))
        return found

    def _project(self, s: float) -> Projection:
        if self.held:
            return group_sparse_projection(self.pinned.W, s, pinned=self.held)
        return self._sorted().project(s)

    def _sorted(self) -> SparsityPath:
        # Sorting a large basis takes a while: it happens where the first projection does. Two threads that need it at
        # once both sort; either's result will do.
        path = self._path
        if path is None:
            path = SparsityPath(self.pinned.W, copy=False)  # the arrays of an iterate are never written again
            self._path = path
        return path
