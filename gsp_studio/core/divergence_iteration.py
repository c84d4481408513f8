"""Outer iterations under the Kullback-Leibler loss: multiplicative updates, and descent under a target.

Without a target an iteration is the basis's multiplicative update, then that of the coefficients (Lee & Seung 2001).
With one the basis goes along a scaled gradient and is projected; a step that would raise the loss is halved, and left
out where no short one lowers it, so the loss never rises. The first iterations are those of GSP-HALS, see `_WAYS`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends import Backend
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.backends.kernels import prepared
from gsp_studio.backends.powers import exponent_of
from gsp_studio.core.divergence import Divergence, Pass, lifted, multiplied
from gsp_studio.core.edits import Edit
from gsp_studio.core.initialization import best_scale, initial_factors
from gsp_studio.core.iteration import Iteration
from gsp_studio.core.masking import Missing, check_weights
from gsp_studio.core.methods import METHODS
from gsp_studio.core.metrics import GramError, squared_norm
from gsp_studio.core.params import Params
from gsp_studio.core.results import Iterate, Result, handed_out
from gsp_studio.core.scaling import scaling_of
from gsp_studio.core.seeds import seeded, seeds_inside
from gsp_studio.core.units import Unit

#: Iterations of GSP-HALS that a run with a target begins with, unless `Params.continuation` says so or factors are
#: given: which optimum is found is decided there, and least squares find the better ones. The second half is of data
#: that are scaled as counts, whose optimum is the better one where they are counts.
_WAYS = 100
#: Updates of the coefficients that a start lacks.
_FIRST = 10
#: A step of the basis: the largest growth of an entry, the most halvings, and the growth of the step length.
_GROWTH, _HALVINGS, _LONGER = 10.0, 10, 2.0


class BasisError:
    """The loss of any basis against fixed coefficients, as a fraction of the sum of X."""

    def __init__(self, divergence: Divergence, H: Array, unit: Unit) -> None:
        self._divergence, self._H, self._unit = divergence, H, unit

    def __call__(self, W: Array) -> float:
        """Of a basis (m, r) in the data's unit."""
        V = np.ascontiguousarray(self._unit.basis_inside(W).T, dtype=self._H.dtype)
        return self._divergence.relative(self._divergence.of(V, self._H))


def with_measure(result: Result, X: Any, mask: Array | None = None) -> Result:
    """A result whose `gram` knows the loss of any basis, which files do not keep: it is that of X (m, n)."""
    if METHODS[result.params.method].is_least_squares or not isinstance(result.H, np.ndarray):
        return result
    gram = result.gram
    X = gram.unit.data_inside(X)
    weights = None
    if mask is not None:
        gone, parts = check_weights(mask, X.shape)
        weights = np.ascontiguousarray((~gone if parts is None else parts).T, dtype=X.dtype)
        X = np.where(gone, X.dtype.type(0), X)
    Xt = X.T if is_out_of_core(X) else np.ascontiguousarray(X.T)
    largest = X.largest if is_out_of_core(X) else float(X.max())
    divergence = Divergence(Xt, weights, 2.0 ** exponent_of(largest), os.cpu_count() or 1)
    measure = BasisError(divergence, gram.unit.coefficients_inside(result.H), gram.unit)
    return replace(result, gram=replace(gram, measure=measure))


class DivergenceIteration:
    """The factors of a run under the Kullback-Leibler loss; as `iteration.Iteration`, all inside `unit`."""

    def __init__(self, Xt: Any, missing: Missing | None, params: Params, backend: Backend, unit: Unit) -> None:
        started = backend.clock()
        self.unit, self.params, self.n_iter, self.missing = unit, params, 0, missing
        self.Xt, self.backend = prepared(Xt.T, backend)
        self._ways: Iteration | None = None
        self._new_ways: list[Callable[[], Iteration]] = []
        self._n_ways = 0
        if METHODS[params.method].uses_sparsity:
            self._n_ways = params.continuation or (
                _WAYS if isinstance(params.init, str) and params.seed_basis is None else 0
            )
        if self._n_ways:
            self._prepare_ways(Xt, params, backend)
        self.divergence, self._held_out = _losses(Xt, self.Xt, missing, unit, backend.threads)
        self.x_norm2 = squared_norm(Xt.T) if missing is None else missing.norm2
        self._theta, self._target, self._best = 1.0, math.nan, math.inf
        with self.backend.scope():
            self._start(params)
        self.seconds = backend.clock() - started

    def _start(self, params: Params) -> None:
        init = self.unit.start_inside(params.init)
        W0, H0 = initial_factors(init, self.Xt.T, params.rank, params.seed, self.unit.exponent)
        if params.seed_basis is not None:
            W0, H0 = seeded(W0, seeds_inside(params, self.unit, W0.dtype)), None
        V0 = np.ascontiguousarray(W0.T)
        if H0 is None:
            ones = np.ones((len(V0), len(self.Xt)), V0.dtype)
            H0 = self.divergence.coefficients(V0, ones, _FIRST)
        B, G = self.backend.products(self.Xt, H0)
        scale = best_scale(self.backend.get(B), self.backend.get(G), V0)
        self.V = V0 * V0.dtype.type(scale)
        self.dense = self.V
        self.now = self.divergence.update(self.V, H0, updates=0)

    def _prepare_ways(self, Xt: Any, params: Params, backend: Backend) -> None:
        missing, unit = self.missing, self.unit
        kept = np.array(Xt) if missing is not None else Xt  # least squares fill what is missing
        wanted = _of_ways(params, self._n_ways)

        def plain() -> Iteration:
            return Iteration(kept, missing, wanted, backend, unit)

        def as_counts() -> Iteration:
            scaling = scaling_of(Xt.T)
            X = scaling.inside(Xt.T)
            rows = X.T if is_out_of_core(X) else np.ascontiguousarray(X.T)
            return Iteration(rows, None, wanted, backend, unit, scaling)

        self._new_ways = [as_counts if missing is None else plain, plain]

    def settles(self, params: Params) -> float:
        """The iteration until which the error may rise."""
        return self._n_ways

    def edit(self, edit: Edit) -> None:
        """Refuse, as `edits.check_edit` does before."""
        raise ValueError(f'"{self.params.method}" takes no edits; methods of least squares do')

    def gradient_residual(self) -> float:
        """Refuse, as `check_params` does before."""
        raise ValueError(f'"{self.params.method}" has no residual of its conditions for a minimum')

    def step(self, params: Params) -> Iterate:
        """Carry out one outer iteration."""
        started = self.backend.clock()
        self.n_iter += 1
        self.params = params
        has_target = METHODS[params.method].uses_sparsity and self.V.shape[1] > 1
        with self.backend.scope():
            if self.n_iter <= self._n_ways and has_target:
                shown = self._step_of_ways(params)
            else:
                self._ways, self._new_ways = None, []
                if has_target:
                    self._descend(params.sparsity)
                else:
                    self.V = self.dense = multiplied(self.V, self.now.P, self.now.Q)
                    self.now = self.divergence.update(self.V, self.now.H)
                shown = self.V, self.dense, self.now
            V, dense, now = shown
            sparsities = self.backend.sparsities(V, None) if V.shape[1] > 1 else np.zeros(len(V))
        self.seconds += self.backend.clock() - started
        gram = GramError(
            np.ascontiguousarray(now.B).T,
            now.G,
            self.x_norm2,
            None,
            self.unit,
            BasisError(self.divergence, now.H, self.unit),
        )
        it = Iterate(
            n_iter=self.n_iter,
            error=self.divergence.relative(now.loss),
            sparsity=float(np.mean(sparsities)),
            target=params.sparsity if METHODS[params.method].uses_sparsity else math.nan,
            seconds=self.seconds,
            W=V.T,
            H=now.H,
            dense=dense.T,
            gram=gram,
            dead=tuple(int(k) for k in np.flatnonzero(~self.backend.is_alive(V, now.B, now.G))),
            held_out_error=self._held_out_error(V, now.H),
            trial=0 if self.n_iter > self._n_ways else 1 if self.n_iter <= self._n_ways // 2 else 2,
            follows=self.n_iter - 1,
        )
        return handed_out(it, self.backend)

    def _step_of_ways(self, params: Params) -> tuple[Array, Array, Pass]:
        """An iteration of GSP-HALS, with coefficients that are updated once; the run goes on from the best of these."""
        if self._ways is None or self.n_iter == 1 + self._n_ways // 2:
            self._ways = self._new_ways.pop()()
        it = self._ways.step(_of_ways(params, self._n_ways))
        V, H = np.ascontiguousarray(self.unit.basis_inside(it.W).T), self.unit.coefficients_inside(it.H)
        dense = np.ascontiguousarray(self.unit.basis_inside(it.dense).T)
        if self._ways.scaling is not None:  # its projection was scaled back, which has changed last bits
            V, _ = self.backend.project_rows(dense, params.sparsity)
        now = self.divergence.update(V, lifted(H))
        if params.sparsity != self._target or now.loss <= self._best:
            self.V, self.dense, self.now = V, dense, now
            self._best, self._target = now.loss, params.sparsity
        return V, dense, now

    def _descend(self, target: float) -> None:
        """A step of the basis that meets the target and does not raise the loss, then the coefficients' update."""
        if target != self._target:
            self.dense = self.V
            self.V, _ = self.backend.project_rows(self.dense, target)
            self._target, self._theta = target, 1.0
            self.now = self.divergence.update(self.V, lifted(self.now.H))
        V, now = self.V, self.now
        growth = np.minimum(now.P / np.where(now.Q > 0, now.Q, 1), _GROWTH) - 1
        direction = ((V + V.mean(axis=1, keepdims=True)) * growth).astype(V.dtype)
        theta = min(1.0, _LONGER * self._theta)
        for _ in range(_HALVINGS):
            Z = np.maximum(V + V.dtype.type(theta) * direction, 0)
            new, _ = self.backend.project_rows(Z, target)
            fit = float(np.vdot(new, now.Q))
            if fit > 0.0:
                Z *= Z.dtype.type(self.divergence.total / fit)  # the best length, which sparsity does not see
                new, _ = self.backend.project_rows(Z, target)
                if self.divergence.of(new, now.H) <= now.loss:
                    self.V, self.dense = new, Z
                    break
            theta /= _LONGER
        self._theta = theta
        self.now = self.divergence.update(self.V, now.H)

    def _held_out_error(self, V: Array, H: Array) -> float:
        if self._held_out is None:
            return math.nan
        return self._held_out.relative(self._held_out.of(V, H))


def _of_ways(params: Params, length: int) -> Params:
    return replace(params, method="gsphals", continuation=length // 2, tol=0.0)


def _losses(
    filled: Any, Xt: Any, missing: Missing | None, unit: Unit, threads: int
) -> tuple[Divergence, Divergence | None]:
    """The loss of the entries that are there, and that of those that are held out."""
    if missing is None or is_out_of_core(Xt.T):
        return Divergence(Xt, None, unit.size, threads), None
    places, left_out = missing.places, missing.left_out
    known, weights = np.array(filled), np.ones_like(filled)
    known[places.images, places.pixels] = 0
    weights[places.images, places.pixels] = 0
    if missing.weights is not None and missing.values is not None:
        known[places.images, places.pixels] = missing.values
        weights[places.images, places.pixels] = missing.weights
    if left_out is None:
        return Divergence(known, weights, unit.size, threads), None
    values, seen = np.zeros_like(filled), np.zeros_like(filled)
    values[left_out.places.images, left_out.places.pixels] = left_out.values
    seen[left_out.places.images, left_out.places.pixels] = 1
    return Divergence(known, weights, unit.size, threads), Divergence(values, seen, unit.size, threads)
