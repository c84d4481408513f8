"""Sparse NMF: X ~ W H with W, H >= 0 and one number for the average sparsity of the basis.

All methods are one generator; what makes them different is data, in `methods.py`. Pausing, cancelling and threads are
not known here: the consumer stops asking, or sends new `Params`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import Backend, get_backend
from gsp_studio.backends.backend import Measured, as_compute_dtype, is_elsewhere
from gsp_studio.core import between, parts
from gsp_studio.core.checks import check_data, check_params, check_steering
from gsp_studio.core.initialization import initial_factors
from gsp_studio.core.iterates import (
    Best,
    History,
    Iterate,
    Result,
    better,
    handed_out,
    history_of,
    is_other_problem,
    result_of,
)
from gsp_studio.core.masking import Filling, Missing, apart, check_mask, fill_missing
from gsp_studio.core.methods import METHODS, UpdateBasis, new_sparse_coefficients
from gsp_studio.core.metrics import GramError, squared_norm
from gsp_studio.core.optimality import run_residual
from gsp_studio.core.params import Params, row_weights
from gsp_studio.core.pricing import SharedPrice
from gsp_studio.core.reseeding import reseeded
from gsp_studio.core.scaling import best_scale
from gsp_studio.core.splitting import can_split, split
from gsp_studio.core.spread import Spread, made, no_coefficients, sent
from gsp_studio.core.steering import (
    Edit,
    Kill,
    Reseed,
    Split,
    Steering,
    after_steering,
    check_edit,
    edited_params,
    free_problem,
    free_rows,
    steps_of,
)
from gsp_studio.core.stopping import Stop, Stopping
from gsp_studio.core.trials import Trials, new_trials
from gsp_studio.core.updates import largest_eigenvalue

__all__ = [
    "METHODS",
    "Best",
    "Edit",
    "History",
    "Iterate",
    "Kill",
    "Params",
    "Reseed",
    "Result",
    "Split",
    "Steering",
    "Stop",
    "better",
    "check_data",
    "check_params",
    "factorize",
    "history_of",
    "iterate",
    "result_of",
]

Array = npt.NDArray[Any]


def iterate(
    X: Any,
    params: Params,
    backend: str | Backend = "auto",
    mask: npt.ArrayLike | None = None,
) -> Generator[Iterate, Steering, Stop]:
    """Iterates of a sparse NMF, one an outer iteration; ``send(new_params)`` steers the run.

    An edit of the basis (`Kill`, `Split`, `Reseed` of `core.steering`), or several of both in order, can be sent too.

    Parameters
    ----------
    X : array_like (m, n), >= 0, or Streamed, Spread, dask.array.Array
        Pixels by images. float32 and float64 are computed in their own type, all others in float64. Fortran order
        (each image contiguous) is read in place; any other order is copied. What is `Streamed` is read in blocks of
        images and never is in memory as a whole. What is `Spread` is on the workers of a cluster, as a dask.array is
        where a `distributed.Client` is current; without one it is read in blocks here.
        What a NumPy masked array hides is missing, as by `mask`. Sparse matrices, complex numbers, dates and objects
        are refused.
    params : Params
    backend : str or Backend
        "auto", a backend's name, or one made by `get_backend`.
    mask : array_like (m, n) of bool, optional
        True where an entry is missing: dead pixels, or entries held out to be predicted. What X holds there is not
        read. X is copied then, and read once more in each iteration.

    Yields
    ------
    Iterate

    Returns
    -------
    Stop
        Why it ended, as the generator's return value.

    Raises
    ------
    ValueError
        X or a parameter out of range, before the first iterate or at the `send` that brought it; an edit that the
        basis cannot have; a mask for data that are not in memory.
    BackendUnavailable
        A backend that was named and cannot run here.
    ClusterError
        Workers that cannot be reached or do not keep up.

    Notes
    -----
    An outer iteration balances the factors, updates W from ``A = X H'`` and ``G = H H'``, then sweeps H and gathers
    the new A and G in one pass over X. After the W update of `psnmf` and `gsphals` every iterate meets the target. X is
    read once an iteration, and once more only when the fit is so good that the Gram form of the error has no digits
    left. On a cluster an iteration is one round trip; the iterates' H are `Coefficients`, which stay there until asked
    for.

    References
    ----------
    Ohib et al., TMLR 2022, section 3 (projection) and section 5.1 (sparse NMF); Gillis & Glineur, Neural
    Computation 2012 (A-HALS). Where we deviate: a block of 64 columns stops its sweeps on its own.
    """
    X, device = _placed(X, backend)
    X, mask = apart(X, mask)
    X = as_compute_dtype(X)
    missing = None
    if isinstance(X, Spread) and device.remote is not None:
        device = get_backend("cpu")  # the workers have devices of their own; here the basis alone is computed with
    if is_elsewhere(X):
        if mask is not None:
            raise ValueError("a mask needs the images in memory; these are in their file or on other machines")
        check_params(params, *X.shape)  # first: looking at all values takes a while
    if mask is None:
        check_data(X)
        Xt = X.T if is_elsewhere(X) else np.ascontiguousarray(X.T)
    else:
        Xt, missing = fill_missing(X, check_mask(mask, X.shape))
        check_data(Xt.T)
    check_params(params, *X.shape)
    return _iterate(Xt, missing, params, device)


def _placed(X: Any, backend: str | Backend) -> tuple[Any, Backend]:
    """A dask.array where it can be computed with, anything else as it is; and the backend of this computer.

    A name is that of the workers' backend where X is on a cluster: they may have what this computer has not.
    """
    if type(X).__module__.startswith("dask.array"):
        from gsp_studio.core.cluster import placed  # not needed, and not installed, for anything else

        X = placed(X, backend if isinstance(backend, str) else backend.name)
    if isinstance(backend, str):
        backend = get_backend("cpu" if isinstance(X, Spread) and backend != "reference" else backend)
    return X, backend


def _iterate(Xt: Any, missing: Missing | None, params: Params, backend: Backend) -> Generator[Iterate, Steering, Stop]:
    run = _Run(Xt, missing, params, backend)
    stopping = Stopping()
    while True:
        it = run.step(params)
        steered = yield it
        if steered is not None:
            for step in steps_of(steered):
                if isinstance(step, Params):
                    check_steering(step, params, *Xt.T.shape)
                    params = step
                else:
                    check_edit(step, params, *Xt.T.shape)
                    run.edit(step)
                    params = edited_params(step, params)
            stopping.restart()
        settles = run.trials.length if run.method.has_price else params.continuation
        settling = replace(params, continuation=settles)
        stop = stopping.reason(it.n_iter, it.error, it.seconds, settling, run.gradient_residual)
        if stop is not None:
            return stop


class _Run:
    """The factors of a run and what its updates remember. Arrays that were handed out are never written again."""

    def __init__(self, Xt: Any, missing: Missing | None, params: Params, backend: Backend) -> None:
        started = backend.clock()
        self.images = Xt  # of the host; where entries are missing, as they were filled at first
        self.Xt, self.backend = between.prepared(Xt.T, backend, params.rank)
        self.missing = None if missing is None else missing.where(self.Xt, Xt, backend)
        self.x_norm2 = squared_norm(Xt.T)
        self.asked = self.params = params
        self.method = METHODS[params.method]
        self.updates: dict[tuple[str, tuple[int, ...]], UpdateBasis] = {}
        self.sparse_updates: dict[bool, UpdateBasis] = {}
        # Missing entries are filled with the fit of what goes on, which has to be that of what is handed out.
        self.trials = new_trials(params, self.method.has_price, can_be_dense=missing is None)
        self.error = math.inf
        self.n_iter = 0
        with self.backend.scope():
            self._start(params)
        self.seconds = backend.clock() - started

    def _start(self, params: Params) -> None:
        backend, images = self.backend, self.images
        W0, H0 = initial_factors(params.init, images.T, params.rank, params.seed)
        V0 = W0.T
        self.V = between.put(V0, backend)
        if H0 is None:
            self.H, self.B, self.G = self._sweep(between.put(no_coefficients(images, V0), backend), params)
        else:
            self.H = between.put(H0, backend)
            self.B, self.G = backend.products(self.Xt, self.H)
        scale = best_scale(between.get(self.B, backend), between.get(self.G, backend), V0)
        self.V = between.put(V0 * V0.dtype.type(scale), backend)

    def step(self, params: Params) -> Iterate:
        """One outer iteration."""
        started = self.backend.clock()
        self.n_iter += 1
        if is_other_problem(params, self.asked) or params.sparsity != self.asked.sparsity:
            self.trials = Trials(0)
        self.asked = params
        self.method = method = METHODS[params.method]
        if not method.has_price:
            params = replace(params, sparsity=params.target_at(self.n_iter))
        self.params = params
        with self.backend.scope():
            self._begin_trial()
            if params.reseed_dead:
                self._reseed(tuple(k for k in self.dead() if k not in params.frozen))
            self.V, self.H, self.B, self.G = between.balance(
                self.V, self.H, self.B, self.G, params.frozen, self.backend
            )
            V, dense = self._new_basis(params)
            # Without a price the run goes on from the dense basis; its projection is what it hands out.
            self.V = V if self.trials.share(self.n_iter) > 0.0 else dense
            self.H, self.B, self.G = self._new_coefficients(params)
            if self.missing is not None:
                self._refill(self.missing)
            found = self._measured(V, params)
            gram = GramError(self.B.T, self.G, self.x_norm2, None if self.missing is None else self.missing.norm2)
            left = self.x_norm2 - 2.0 * found.fit + found.own
            if not gram.is_accurate(left):
                left = self.backend.residual(self.Xt, V, self.H)
            sparsity_h = math.nan
            if params.sparsity_h is not None:
                sparsity_h = float(np.mean(between.sparsities(self._whole(), None, self.backend)))
        self.seconds += self.backend.clock() - started
        it = Iterate(
            n_iter=self.n_iter,
            error=gram.relative(left),
            sparsity=float(np.mean(found.sparsities)),
            target=params.sparsity if method.uses_sparsity else math.nan,
            seconds=self.seconds,
            W=V.T,
            H=self.H,
            dense=dense.T,
            gram=gram,
            sparsity_h=sparsity_h,
            target_h=math.nan if params.sparsity_h is None else params.sparsity_h,
            dead=tuple(int(k) for k in np.flatnonzero(~found.is_alive)),
        )
        self.error = it.error
        return handed_out(it, self.backend.remote)

    def _begin_trial(self) -> None:
        """Go back to the start, or to the end of the best trial, where a trial has ended."""
        now = (self.V, self.H, self.B, self.G)
        is_priced = any(isinstance(update, SharedPrice) and update.price > 0.0 for update in self.updates.values())
        found = self.trials.factors(self.n_iter, now, self.error, is_priced)
        if found is not now:
            self.V, self.H, self.B, self.G = found
            self._forget()
            if self.missing is not None:
                self._refill(self.missing)

    def _forget(self) -> None:
        """What the updates remember is about another basis."""
        self.updates, self.sparse_updates = {}, {}

    def _new_basis(self, params: Params) -> tuple[Array, Array]:
        """The basis's update; that of frozen basis images is none."""
        update = self.updates.setdefault((params.method, params.frozen), self.method.new_update())
        share = (self.trials.share(self.n_iter),) if self.method.has_price else ()
        if not params.frozen:
            return update(self.V, self.B, self.G, self.backend, params, *share)
        V, B, G, of_free = free_problem(self.V, self.B, self.G, params, self.method, self.backend)
        new, step = update(V, B, G, self.backend, of_free, *share)
        free = free_rows(params)
        return between.replaced(self.V, free, new, self.backend), between.replaced(self.V, free, step, self.backend)

    def edit(self, edit: Edit) -> None:
        """Change the basis."""
        self.trials = Trials(0)
        with self.backend.scope():
            Xt, V, H, kernels = self._at_hand()
            if isinstance(edit, Kill):
                V = np.delete(V, edit.basis, axis=0)
                _, H = made(Xt, kernels, parts.without, edit.basis, of=H, basis=V)
            elif isinstance(edit, Split) and can_split(Xt, V, H, edit.basis):
                V, H = split(Xt, V, H, edit.basis)
            elif isinstance(edit, Split):
                V = np.vstack([V, np.zeros_like(V[:1])])
                _, H = made(Xt, kernels, parts.with_empty, of=H, basis=V)
                V, H = reseeded(Xt, V, H, kernels, (len(V) - 1,))
            else:
                V, H = reseeded(Xt, V, H, kernels, (edit.basis,))
            self._set_factors(V, H)
        self._forget()

    def _at_hand(self) -> tuple[Any, Array, Any, Backend]:
        """Images, factors and kernels as edits take them: these are rare, so the host makes those of a device."""
        backend = self.backend
        if backend.remote is None:
            return self.Xt, self.V, self.H, backend
        images = self.images if self.missing is None else between.get(self.Xt, backend)  # as they are filled now
        V, H = between.get(self.V, backend), between.get(self.H, backend)
        return images, V, H, between.for_host(backend, self.Xt)

    def _set_factors(self, V: Array, H: Any) -> None:
        self.V, self.H = between.put(V, self.backend), between.put(H, self.backend)
        self.B, self.G = self.backend.products(self.Xt, self.H)

    def _whole(self) -> Any:
        """H where its rows can be projected: what is on a cluster comes here for it."""
        return np.asarray(self.H) if self.backend.remote is None else self.H

    def _new_coefficients(self, params: Params) -> tuple[Array, Array, Array]:
        """New coefficients, and the products ``H X'`` and ``H H'`` of these."""
        if params.sparsity_h is not None:
            C = self.backend.encode(self.Xt, self.V)
            kind = self.method.has_price
            update = self.sparse_updates.setdefault(kind, new_sparse_coefficients(self.method))
            H, _ = update(self._whole(), C, self.V @ self.V.T, self.backend, params)
            H = sent(self.Xt, H)
            return H, *self.backend.products(self.Xt, H)
        if self.method.gradient_coefficients:
            L = largest_eigenvalue(between.get(self.V @ self.V.T, self.backend))
            if L > 0.0:
                return self.backend.descend_coefficients(self.Xt, self.V, self.H, L, params.n_steps, params.inner_tol)
        return self._sweep(self.H, params)

    def _sweep(self, H: Array, params: Params) -> tuple[Array, Array, Array]:
        return self.backend.sweep_coefficients(self.Xt, self.V, H, params.n_sweeps, params.inner_tol)

    def _refill(self, missing: Filling) -> None:
        """Write the fit into the missing entries: what is left of the residual is that of the others."""
        self.x_norm2 = missing.norm2 + missing.refill(self.V, self.H, self.backend)
        self.B, self.G = self.backend.products(self.Xt, self.H)

    def dead(self) -> tuple[int, ...]:
        """Basis images that are zero, or that no image uses."""
        if self.backend.remote is None:
            is_alive = self.V.any(axis=1) & (np.diagonal(self.G) > 0)
        else:
            is_alive = between.measure(self.V, self.B, self.G, None, self.backend).is_alive
        return tuple(int(k) for k in np.flatnonzero(~is_alive))

    def _reseed(self, dead: tuple[int, ...]) -> None:
        """Each of these takes what the worst described image lacks; its coefficients are fitted to that."""
        if dead:
            Xt, V, H, kernels = self._at_hand()
            self._set_factors(*reseeded(Xt, V, H, kernels, dead))

    def _measured(self, V: Array, params: Params) -> Measured:
        """What an iterate tells about itself; sparsities weighted where the method is."""
        weights = row_weights(params, V.dtype) if self.method.uses_weights and V.shape[1] > 1 else None
        return between.measure(V, self.B, self.G, weights, self.backend)

    def gradient_residual(self) -> float:
        """How far the last iterate is from standing still, see `optimality.run_residual`; one more pass over X."""
        with self.backend.scope():
            return run_residual(self.Xt, self.V, self.H, self.B, self.G, self.params, self.backend)


def factorize(
    X: Any,
    params: Params,
    backend: str | Backend = "auto",
    callback: Callable[[Iterate], None] | None = None,
    mask: npt.ArrayLike | None = None,
    steering: Mapping[int, Steering] | None = None,
) -> Result:
    """Run a sparse NMF to its end and return its best iterate.

    Parameters
    ----------
    X, params, backend, mask
        As for `iterate`.
    callback : callable, optional
        Called with every `Iterate`. To stop early or pause, use `iterate`.
    steering : mapping of int, optional
        What the run takes after given iterations: new `Params`, edits of the basis, or several of both in order.

    Returns
    -------
    Result

    Raises
    ------
    ValueError, BackendUnavailable
        As for `iterate`.

    Examples
    --------
    >>> import numpy as np, gsp_studio as gs
    >>> X = np.random.default_rng(0).random((64, 100))
    >>> result = gs.factorize(X, gs.Params(rank=5, sparsity=0.6, max_iter=20))
    >>> result.W.shape, bool(result.sparsity >= 0.6 - 1e-10)
    ((64, 5), True)
    """
    X, device = _placed(X, backend)
    steering = steering or {}
    best = Best(params)
    records: list[tuple[int, float, float, float, float]] = []
    solver = iterate(X, params, device, mask)
    step: Steering = None
    while True:
        try:
            it = solver.send(step)
        except StopIteration as end:
            assert best.iterate is not None  # max_iter >= 1
            return result_of(best.iterate, history_of(records), best.params, device, end.value)
        params, is_edited = after_steering(step, params)
        best.see(it, params, is_edited)
        records.append((it.n_iter, it.error, it.sparsity, it.target, it.seconds))
        if callback is not None:
            callback(it)
        step = steering.get(it.n_iter)
