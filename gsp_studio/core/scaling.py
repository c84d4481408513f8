"""Poisson scaling: least squares in which every entry has the variance that counts have.

Of counts with means ``g_i h_j`` the variance is the mean, so ``x_ij / sqrt(g_i h_j)`` has the same noise everywhere
(Keenan & Kotula, Surface and Interface Analysis 2004). The factors are found for the scaled data and scaled back;
targets are those of the basis that is scaled back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends import Backend
from gsp_studio.backends.backend import Measured, is_out_of_core
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.backends.data_access import blocks_of
from gsp_studio.backends.summation import block_slices, fold
from gsp_studio.core.updates import projected_fast_gradient


@dataclass(frozen=True, eq=False)
class Scaling:
    """The roots of the means of pixels and images, as parts of the mean of all.

    Attributes
    ----------
    rows : ndarray (m,)
    columns : ndarray (n,)
    """

    rows: Array
    columns: Array

    def inside(self, X: Any) -> Any:
        """Data (m, n) as they are computed with: an array in Fortran order, or a `BlockMatrix`."""
        if is_out_of_core(X):
            return BlockMatrix(X.shape, X.dtype, _Reader(X, self), X.source_bytes)
        scaled: Array = np.asfortranarray(X / self.rows[:, None] / self.columns)
        return scaled

    def start_inside(self, init: Any) -> Any:
        """Given factors (W0, H0) as they are computed with; names of starts are theirs."""
        if isinstance(init, str):
            return init
        W0, H0 = (np.asarray(factor) for factor in init)
        if W0.shape[:1] != self.rows.shape or H0.shape[1:] != self.columns.shape:
            return init  # which is refused later, in words
        return W0 / self.rows[:, None], H0 / self.columns

    def on(self, backend: Backend) -> Backend:
        """A backend whose sparsities and projections of rows V are those of the basis that is scaled back."""
        rows = self.rows

        def project_rows(
            V: Array, s: float, weights: Array | None = None, out: Array | None = None, mu0: float = 0.0
        ) -> tuple[Array, float]:
            found, mu = backend.project_rows(V * rows, s, weights, mu0=mu0)
            if out is None:
                return found / rows, mu
            out[...] = found / rows
            return out, mu

        def sparsities(V: Array, weights: Array | None) -> Array:
            return backend.sparsities(V * rows, weights)

        def measure(V: Array, B: Array, G: Array, weights: Array | None) -> Measured:
            found = backend.measure(V, B, G, None)
            return replace(found, sparsities=sparsities(V, weights)) if V.shape[1] > 1 else found

        def shared_price(
            V: Array,
            B: Array,
            G: Array,
            s: float,
            weights: Array | None,
            mu: float,
            share: float,
            n_inner: int,
            tol: float,
        ) -> tuple[Array, float]:
            # A price for each column needs alike pixels: projected steps take its place, and lead further.
            def project(Z: Array) -> Array:
                nonlocal mu
                if share == 0.0:
                    return Z
                found, mu = project_rows(Z, s, weights, mu0=max(0.0, mu))
                return found

            return projected_fast_gradient(V, B, G, backend, n_inner, tol, project)[1], mu

        return replace(
            backend, project_rows=project_rows, sparsities=sparsities, measure=measure, shared_price=shared_price
        )


class _Reader:
    """Reads images of a file, and scales them."""

    def __init__(self, X: BlockMatrix, scaling: Scaling) -> None:
        self._X, self._scaling = X, scaling

    def __call__(self, start: int, stop: int, out: Array) -> None:
        out[...] = self._X.rows(slice(start, stop))
        out /= self._scaling.rows
        out /= self._scaling.columns[start:stop, None]


def scaling_of(X: Any, missing: Array | None = None) -> Scaling:
    """The scaling of counts X (m, n) >= 0, by the entries that are not `missing` (m, n); one of zeros is left alone.

    Sums over images are taken in blocks, the same ones in memory and out of core.
    """
    m, n = X.shape
    of_images, counts, start = np.zeros(n), np.full(n, float(m)), 0
    of_pixels = []
    for _, rows in blocks_of(X):
        for _, some in block_slices(m, len(rows), X.dtype):
            part, place = rows[some], slice(start, start + len(rows[some]))
            if missing is not None:
                gone = missing.T[place]
                part, counts[place] = np.where(gone, 0, part), m - gone.sum(axis=1)
            of_images[place] = np.ascontiguousarray(part).sum(axis=1, dtype=np.float64)
            of_pixels.append(part.sum(axis=0, dtype=np.float64))
            start = place.stop
    seen = np.full(m, float(n)) if missing is None else n - missing.sum(axis=1)
    return Scaling(*(_roots(*of).astype(X.dtype) for of in ((fold(of_pixels), seen), (of_images, counts))))


def _roots(sums: Array, counts: Array) -> Array:
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    overall = means[means > 0].mean() if means.any() else 1.0
    roots: Array = np.sqrt(np.where(means > 0, means / overall, 1.0))
    return roots
