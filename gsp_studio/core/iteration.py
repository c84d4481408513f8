"""One outer iteration: the factors of a run, and the memory of their updates."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends import Backend
from gsp_studio.backends.backend import Measured
from gsp_studio.backends.kernels import adopted, for_host
from gsp_studio.core.abundances import start_on, summed
from gsp_studio.core.distributed import shards
from gsp_studio.core.distributed.matrix import made
from gsp_studio.core.edits import Edit, Kill, Split, free_problem, free_rows
from gsp_studio.core.initialization import best_scale, initial_factors
from gsp_studio.core.masking import Missing
from gsp_studio.core.methods import METHODS, UpdateBasis, new_sparse_coefficients
from gsp_studio.core.metrics import GramError, relative, squared_norm
from gsp_studio.core.momentum import Momentum
from gsp_studio.core.optimality import stationarity
from gsp_studio.core.params import Params, row_weights
from gsp_studio.core.pricing import SharedPrice
from gsp_studio.core.reseeding import reseed
from gsp_studio.core.results import Iterate, handed_out, is_other_problem
from gsp_studio.core.scaling import Scaling
from gsp_studio.core.seeds import held_params, released_after, seeded, seeds_inside
from gsp_studio.core.splitting import can_split, split
from gsp_studio.core.trials import new_trials
from gsp_studio.core.units import Unit
from gsp_studio.core.updates import largest_eigenvalue


class Iteration:
    """The factors of a run and the memory of its updates. Arrays that were handed out are never written again.

    All is in `unit` but the iterates.
    """

    def __init__(
        self,
        Xt: Any,
        missing: Missing | None,
        params: Params,
        backend: Backend,
        unit: Unit,
        scaling: Scaling | None = None,
    ) -> None:
        started = backend.clock()
        self.scaling = scaling
        self.unit = unit
        self.images = Xt  # of the host; where entries are missing, as they were filled at first
        self.Xt, self.backend = adopted(Xt.T, backend, params.rank)
        if scaling is not None:
            self.backend = scaling.on(self.backend)
        self.missing = missing
        if missing is not None:
            missing.check_device(backend)
        self.fill = None if missing is None else backend.filling(self.Xt, Xt, missing.places)
        left_out = None if missing is None else missing.left_out
        self.misfit = None if left_out is None else backend.misfit(self.Xt, Xt, left_out.places, left_out.values)
        self.x_norm2 = squared_norm(Xt.T)
        self.asked = self.params = held_params(params, 1)
        self.method = METHODS[params.method]
        self.updates: dict[tuple[str, tuple[int, ...]], UpdateBasis] = {}
        self.sparse_updates: dict[bool, UpdateBasis] = {}
        self.trials = new_trials(params, self.method.has_price)
        self.momentum = _momentum_of(params)
        self.error = math.inf
        self.n_iter = 0
        with self.backend.scope():
            self._start(params)
        self.seconds = backend.clock() - started

    def _start(self, params: Params) -> None:
        backend, images = self.backend, self.images
        init = self.unit.start_inside(params.init)
        init = init if self.scaling is None else self.scaling.start_inside(init)
        W0, H0 = initial_factors(init, images.T, params.rank, params.seed, self.unit.exponent)
        has_seeds = params.seed_basis is not None
        if has_seeds:
            own = seeds_inside(params, self.unit, W0.dtype)
            W0, H0 = seeded(W0, own if self.scaling is None else own / self.scaling.rows[:, None]), None
        V0 = W0.T
        self.V = backend.put(V0)
        if H0 is None:
            self.H, self.B, self.G = self._sweep(backend.zero_coefficients(images, V0), params)
        else:
            H0 = H0 if params.sum_to_one == 0 else start_on(H0, self._totals(H0))
            self.H = backend.put(backend.scatter(H0))
            self.B, self.G = backend.products(self.Xt, self.H)
        # Coefficients that were fitted to seeds fit them as they are, so that a seed that is held keeps its bits.
        scale = 1.0 if has_seeds else best_scale(backend.get(self.B), backend.get(self.G), V0)
        self.V = self.seen = backend.put(V0 * V0.dtype.type(scale))

    def settles(self, params: Params) -> float:
        """The iteration until which the error may rise: the target does, or ways to it are tried."""
        settled = self.trials.settle(params.tol) if self.method.has_price else params.continuation
        return max(settled, released_after(params))

    def step(self, params: Params) -> Iterate:
        """Carry out one outer iteration."""
        started = self.backend.clock()
        self.n_iter += 1
        params = held_params(params, self.n_iter)
        if is_other_problem(params, self.asked) or _targets(params) != _targets(self.asked):
            self._end_trials()
            self.momentum = _momentum_of(params)
        self.asked = params
        self.method = method = METHODS[params.method]
        if not method.has_price and self.n_iter < params.continuation:
            params = replace(params, sparsity=params.target_at(self.n_iter))
        self.params = params
        with self.backend.scope():
            self._begin_trial()
            if params.reseed_dead:
                self._reseed(tuple(k for k in self.dead() if k not in params.frozen))
            if not self.momentum.is_moving and params.sum_to_one == 0:
                self.V, self.H, self.B, self.G = self.backend.balance(
                    self.V, self.H, self.B, self.G, params.frozen, self.unit.balance
                )
            updated, dense = self._new_basis(params)
            V = self.momentum.basis(updated, self.backend)
            if V is not updated:  # a basis that goes ahead is not projected, so it is its own dense one
                dense = V
            # Without a price the run goes on from the dense basis; its projection is what it hands out.
            self.V = V if self.trials.share(self.n_iter) > 0.0 else dense
            self.seen = V
            before = (self.H, self.B, self.G)
            self.H, self.B, self.G, C = self._new_coefficients(params)
            self._refill(V)
            found = self._measure(V, params)
            of = None if self.missing is None else self.missing.norm2
            rows = None if self.scaling is None else self.scaling.rows
            gram = GramError(self.B.T, self.G, self.x_norm2, of, self.unit, rows=rows)
            left = self.x_norm2 - 2.0 * found.fit + found.own
            if not gram.is_accurate(left):
                left = self.backend.residual(self.Xt, V, self.H) + (0.0 if self.missing is None else self.missing.slack)
            held_out_error = self._held_out_error()
            sparsity_h = math.nan
            if params.sparsity_h is not None:
                sparsity_h = float(np.mean(self.backend.sparsities(self.backend.gather(self.H), None)))
            if self.V is not V:  # all that is handed out has been measured; now the fit of what goes on
                self._refill(self.V)
        self.seconds += self.backend.clock() - started
        it = Iterate(
            n_iter=self.n_iter,
            error=gram.relative(left),
            sparsity=float(np.mean(found.sparsities)),
            target=params.sparsity if method.uses_sparsity else math.nan,
            seconds=self.seconds,
            W=(V if rows is None else V * rows).T,
            H=self.H if self.scaling is None else self.H * self.scaling.columns,
            dense=(dense if rows is None else dense * rows).T,
            gram=gram,
            sparsity_h=sparsity_h,
            target_h=math.nan if params.sparsity_h is None else params.sparsity_h,
            dead=tuple(int(k) for k in np.flatnonzero(~found.is_alive)),
            held_out_error=held_out_error,
            trial=self.trials.number,
            follows=self.trials.follows,
        )
        self.error = it.error
        if self.momentum.is_on:
            self.momentum.see(updated, *before, C, it.error)
        return handed_out(it, self.backend)

    def _begin_trial(self) -> None:
        """Go back to the start, or to the end of the best trial, where a trial has ended."""
        now = (self.V, self.H, self.B, self.G)
        is_priced = any(isinstance(update, SharedPrice) and update.price > 0.0 for update in self.updates.values())
        found = self.trials.factors(self.n_iter, now, self.error, is_priced)
        if found is not now:
            self.V, self.H, self.B, self.G = found
            self._forget()
            self._refill(self.V)

    def _end_trials(self) -> None:
        """Go on from the basis that was handed out last, or from the best where a further start is no better."""
        self.trials, best = self.trials.end(self.error)
        self.V = self.seen
        if best:
            self.V, self.H, self.B, self.G = best
            self.seen = self.V
            self._forget()
            self._refill(self.V)

    def _forget(self) -> None:
        """What the updates remember is about another basis."""
        self.updates, self.sparse_updates = {}, {}
        self.momentum.forget()

    def _new_basis(self, params: Params) -> tuple[Array, Array]:
        """The basis's update; that of frozen basis images is none."""
        if len(params.frozen) == params.rank:
            return self.V, self.V
        key = params.method, params.frozen
        if key not in self.updates:
            assert self.method.new_update is not None
            self.updates[key] = self.method.new_update(self.unit.size)
        update = self.updates[key]
        share = (self.trials.share(self.n_iter),) if self.method.has_price else ()
        B, G = self.momentum.products(self.B, self.G)
        if not params.frozen:
            return update(self.V, B, G, self.backend, params, *share)
        V, B, G, of_free = free_problem(self.V, B, G, params, self.method, self.backend)
        new, step = update(V, B, G, self.backend, of_free, *share)
        free = free_rows(params)
        return self.backend.replaced(self.V, free, new), self.backend.replaced(self.V, free, step)

    def edit(self, edit: Edit) -> None:
        """Change the basis, and forget the state of its updates, which is about another one."""
        self._end_trials()
        with self.backend.scope():
            Xt, V, H, kernels = self._at_hand()
            if isinstance(edit, Kill):
                V = np.delete(V, edit.basis, axis=0)
                _, H = made(Xt, kernels, shards.without, edit.basis, of=H, basis=V)
            elif isinstance(edit, Split) and can_split(Xt, V, H, edit.basis):
                V, H = split(Xt, V, H, edit.basis)
            elif isinstance(edit, Split):
                V = np.vstack([V, np.zeros_like(V[:1])])
                _, H = made(Xt, kernels, shards.with_empty, of=H, basis=V)
                V, H = reseed(Xt, V, H, kernels, (len(V) - 1,))
            else:
                V, H = reseed(Xt, V, H, kernels, (edit.basis,))
            self._set_factors(V, H)
        self._forget()

    def _at_hand(self) -> tuple[Any, Array, Any, Backend]:
        """Images, factors and kernels as edits take them: these are rare, so the host makes those of a device."""
        backend = self.backend
        images = self.images if self.missing is None else backend.get(self.Xt)  # as they are filled now
        return images, backend.get(self.V), backend.get(self.H), for_host(backend, self.Xt)

    def _set_factors(self, V: Array, H: Any) -> None:
        self.V = self.seen = self.backend.put(V)
        self.H = self.backend.put(H)
        self.B, self.G = self.backend.products(self.Xt, self.H)
        self.momentum.forget()

    def _new_coefficients(self, params: Params) -> tuple[Array, Array, Array, Array | None]:
        """New coefficients, the products ``H X'`` and ``H H'`` of these, and that with the last ones if remembered."""
        if params.sparsity_h is not None:
            C = self.backend.encode(self.Xt, self.V)
            update = self.sparse_updates.setdefault(self.method.has_price, new_sparse_coefficients(self.method))
            H, own = self.backend.gather(self.H), self.V @ self.V.T
            H, _ = update(H, C, own, self.backend, params)
            H = self.backend.scatter(H)
            return H, *self.backend.products(self.Xt, H), None
        if params.sum_to_one > 0:
            C, own = self.backend.encode(self.Xt, self.V), self.V @ self.V.T
            steps = (params.n_steps, params.n_sweeps)
            H = summed(self.H, C, own, params.sum_to_one, self._totals(self.H), self.backend, *steps)
            return H, *self.backend.products(self.Xt, H), None
        L, most = 0.0, params.n_sweeps
        if self.method.gradient_coefficients:
            L, most = largest_eigenvalue(self.backend.get(self.V @ self.V.T)), params.n_steps
        if self.momentum.is_on:
            start = self.momentum.start(self.H)
            return self.backend.update_ahead(self.Xt, self.V, self.H, *start, L, most, params.inner_tol)
        if L > 0.0:
            return *self.backend.descend_coefficients(self.Xt, self.V, self.H, L, most, params.inner_tol), None
        return *self._sweep(self.H, params), None

    def _totals(self, H: Array) -> Array:
        """Sums of the coefficients of each image, where they are one in the data's unit."""
        ones = np.full(H.shape[1], 2.0**-self.unit.coefficients, H.dtype)
        return ones if self.scaling is None else ones / self.scaling.columns

    def _sweep(self, H: Array, params: Params) -> tuple[Array, Array, Array]:
        return self.backend.sweep_coefficients(self.Xt, self.V, H, params.n_sweeps, params.inner_tol)

    def _refill(self, V: Array) -> None:
        """Write the fit of a basis into the missing entries, so that its residual is that of the others."""
        if self.missing is not None and self.fill is not None:
            more = self.fill(V, self.H)
            if self.missing.weights is not None:
                more = self.missing.blend(self.images)
            self.x_norm2 = self.missing.norm2 + more
            self.B, self.G = self.backend.products(self.Xt, self.H)

    def _held_out_error(self) -> float:
        """The error of the fit that was written last into the entries that the run has held out; NaN without any."""
        if self.missing is None or self.missing.left_out is None or self.misfit is None:
            return math.nan
        return relative(self.misfit(), self.missing.left_out.norm2)

    def dead(self) -> tuple[int, ...]:
        """Basis images that are zero, or that no image uses."""
        return tuple(int(k) for k in np.flatnonzero(~self.backend.is_alive(self.V, self.B, self.G)))

    def _reseed(self, dead: tuple[int, ...]) -> None:
        """Restart these basis images from the residuals of the worst described images."""
        if dead:
            Xt, V, H, kernels = self._at_hand()
            self._set_factors(*reseed(Xt, V, H, kernels, dead))

    def _measure(self, V: Array, params: Params) -> Measured:
        """Measure the iterate; sparsities are weighted where the method is."""
        weights = row_weights(params, V.dtype) if self.method.uses_weights and V.shape[1] > 1 else None
        return self.backend.measure(V, self.B, self.G, weights)

    def gradient_residual(self) -> float:
        """How far the last iterate is from standing still, see `optimality.kkt_residual`; one more pass over X."""
        x_norm2 = self.x_norm2 if self.missing is None else self.missing.norm2
        with self.backend.scope():
            return stationarity(self.Xt, self.V, self.H, self.B, self.G, x_norm2, self.params, self.backend)


def _targets(params: Params) -> tuple[float, float | None, bool]:
    return params.sparsity, params.sparsity_h, params.extrapolate


def _momentum_of(params: Params) -> Momentum:
    """That of a run with these parameters. Sparse coefficients have none: their projection would move them back."""
    is_free = params.sparsity_h is None and params.sum_to_one == 0
    extrapolates = METHODS[params.method].extrapolates if params.extrapolate and is_free else ""
    return Momentum(extrapolates == "both", extrapolates != "")
