"""Projection for the slider: a basis at any sparsity, with its images' energy shares.

Imports the kernels, as `work` does, which offers it to the session.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends import OutOfDeviceMemory
from gsp_studio.backends.blocks import Matrix
from gsp_studio.backends.data_access import blocks_of
from gsp_studio.core.diagnosis import energies_of
from gsp_studio.core.metrics import GramError, self_product, unknown_error
from gsp_studio.core.path import SparsityPath
from gsp_studio.core.projection import Projection, group_sparse_projection
from gsp_studio.core.results import Iterate, Result
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.gui.solutions import SolvedPoint
from gsp_studio.gui.state import BasisPreview, DisplayedBasis, UnprojectedBasis
from gsp_studio.io.dataset import Dataset

if TYPE_CHECKING:
    from gsp_studio.core.distributed.coefficients import Coefficients


#: Entries of a basis above which a drag shows a part of its pixels, and about how many entries that part has.
GLIMPSE_ABOVE, GLIMPSE_ENTRIES = 4_000_000, 1_700_000


def average_sparsity(columns: Array, weights: Array | None = None) -> float:
    """Average Hoyer sparsity of columns, 0 to 1, weighted or not."""
    return float(np.mean(hoyer_sparsity(columns, weights))) if len(columns) > 1 else 0.0


def average_sparsity_of(H: Array | Coefficients) -> float:
    """Return the average sparsity of the rows of H, which may be on a cluster."""
    if isinstance(H, np.ndarray):
        return average_sparsity(H.T)
    return float(np.mean(H.sparsities())) if H.shape[1] > 1 else 0.0


def by_energy(energies: Array) -> Array:
    """Basis images in the order of falling energy."""
    return np.argsort(-energies, kind="stable")


@dataclass(frozen=True, eq=False)
class _Coefficients:
    """Coefficients at a target, and what gives the error of any basis with them."""

    target: float
    H: Array | Coefficients
    gram: GramError
    sparsity: float


@dataclass(frozen=True, eq=False)
class _Coarse:
    """Every k-th pixel of a basis in both directions."""

    W: Array
    image_shape: tuple[int, int]


def _coarse(W: Array, dataset: Dataset) -> _Coarse:
    height, width = dataset.image_shape
    step = math.ceil(math.sqrt(W.size / GLIMPSE_ENTRIES))
    pixels = np.arange(height * width).reshape((height, width), order=dataset.order)[::step, ::step]
    of_one_colour = pixels.ravel(order=dataset.order)
    picked = np.concatenate([of_one_colour + k * height * width for k in range(dataset.channels)])
    return _Coarse(np.asfortranarray(W[picked]), (pixels.shape[0], pixels.shape[1]))


def _product(X: Matrix, H: Array) -> Array:
    """``X H'`` (m, r)."""
    total = np.zeros((X.shape[0], len(H)), H.dtype, order="F")
    for some, block in blocks_of(X):
        total += block.T @ H[:, some].T
    return total


class Projector:
    """The pinned basis, sorted once, at any sparsity; with locked basis images at the sparsity that they have."""

    def __init__(self, pinned: UnprojectedBasis, dataset: Dataset | None = None, order: Array | None = None) -> None:
        self.pinned = pinned
        self._dataset = dataset
        self._coarse: _Coarse | None = None
        self._path_h: SparsityPath | None = None
        self._sparse: _Coefficients | None = None
        self.locked: Mapping[int, float] = {}
        self._path: SparsityPath | None = None
        self._of_point: tuple[SolvedPoint, SparsityPath] | None = None
        self.order = by_energy(energies_of(self_product(pinned.W), pinned.gram)) if order is None else order

    def with_locked(self, locked: Mapping[int, float]) -> Projector:
        """The same basis with these basis images at these sparsities: the others share what is left of the budget."""
        other = copy(self)
        other.locked = dict(locked)
        return other

    def show(self, s: float, s_h: float = 0.0) -> DisplayedBasis:
        """The basis projected to s, and the coefficients to s_h where it is above 0, with the error that they have."""
        pinned = self.pinned
        projection = self._project(s)
        own = self_product(projection.values)
        coefficients = self._coefficients(s_h)
        return DisplayedBasis(
            W=projection.values,
            sparsities=projection.sparsities,
            energies=energies_of(own, coefficients.gram),
            order=self.order,
            H=coefficients.H,
            error=coefficients.gram.relative_error(projection.values, own),
            target=s,
            baseline=pinned.error,
            origin=pinned.origin,
            is_weighted=pinned.weights is not None and bool(np.ptp(pinned.weights) > 0),
            sparsity_h=coefficients.sparsity,
            target_h=math.nan if math.isnan(coefficients.sparsity) else s_h,
            gram=coefficients.gram,
            seeds=pinned.seeds,
        )

    def frame(
        self, s: float, s_h: float = 0.0, solved: Sequence[Iterate | Result | SolvedPoint] = ()
    ) -> DisplayedBasis:
        """`show`, or of what is solved that with the lower error, projected to s with its own coefficients.

        A solved point whose target is s is shown as it is. Where basis images are locked, what is solved goes first,
        whatever its error: they were locked as it has them.
        """
        plain = self.show(s, s_h)
        best = None if self.locked else plain
        for it in solved:
            found = self._frame_of(it, plain, s_h, math.inf if best is None else best.error)
            best = best if found is None else found
        return plain if best is None else best

    def _frame_of(
        self, it: Iterate | Result | SolvedPoint, plain: DisplayedBasis, s_h: float, most: float
    ) -> DisplayedBasis | None:
        """An iterate or a solution at the targets of a projection; None where its error is not below `most`."""
        s = plain.target
        point = it if isinstance(it, SolvedPoint) else None
        refined = it.result if isinstance(it, SolvedPoint) else it
        is_there = point is not None and point.target == s
        if is_there:
            W, sparsities = refined.W, np.asarray(hoyer_sparsity(refined.W, self.pinned.weights))
        elif self.locked:
            projection = group_sparse_projection(refined.dense, s, self.pinned.weights, pinned=self.locked)
            W, sparsities = projection.values, projection.sparsities
        else:
            # By the kernels of `show`: no move waits for others to be compiled.
            projection = self._sorted_of(refined, point).project(s)
            W, sparsities = projection.values, projection.sparsities
        own = self_product(W)
        error = refined.gram.relative_error(W, own)
        if not error < most:
            return None
        return replace(
            plain,
            W=W,
            sparsities=sparsities,
            energies=energies_of(own, refined.gram),
            H=refined.H,
            gram=refined.gram,
            error=error,
            sparsity_h=average_sparsity_of(refined.H) if s_h > 0.0 else math.nan,
            target_h=s_h if s_h > 0.0 else math.nan,
            projected=plain.error,
            iterations=refined.n_iter,
            is_refining=not is_there,
            is_solved=is_there,
            solved_at=math.nan if point is None else point.target,
        )

    def _sorted_of(self, refined: Iterate | Result, point: SolvedPoint | None) -> SparsityPath:
        """A refined basis, sorted; that of a point is sorted once while the slider is near it."""
        known = self._of_point
        if known is not None and known[0] is point:
            return known[1]
        path = SparsityPath(refined.dense, self.pinned.weights, copy=False)
        if point is not None:
            self._of_point = point, path
        return path

    def _coefficients(self, s_h: float) -> _Coefficients:
        """The coefficients at s_h: while the basis alone moves, its errors need no product with the data."""
        pinned = self.pinned
        if s_h <= 0.0 or self._dataset is None or not isinstance(pinned.H, np.ndarray):
            return _Coefficients(0.0, pinned.H, pinned.gram, math.nan)
        if self._sparse is None or self._sparse.target != s_h:
            if self._path_h is None:
                self._path_h = SparsityPath(pinned.H.T, copy=False)
            projection = self._path_h.project(s_h)
            H = np.ascontiguousarray(projection.values.T)
            unit = pinned.gram.unit
            X, inside = unit.data_inside(self._dataset.X), unit.coefficients_inside(H)
            gram = replace(pinned.gram, A=_product(X, inside), G=self_product(inside.T))
            if gram.measure is not None or gram.rows is not None:  # it is that of the other coefficients
                gram = replace(gram, measure=unknown_error)
            self._sparse = _Coefficients(s_h, H, gram, float(projection.sparsity))
        return self._sparse

    @property
    def is_large(self) -> bool:
        """Whether a frame of it takes so long that a drag needs `glimpse`, and what that needs is there."""
        is_plain = not self.locked and self.pinned.weights is None
        is_ready = self._path is not None and self._dataset is not None and is_plain
        return is_ready and self.pinned.W.size > GLIMPSE_ABOVE

    def glimpse(self, s: float) -> BasisPreview:
        """Every k-th pixel of the basis projected to s: they are what they will be, the others are left out."""
        assert self._dataset is not None
        path = self._sorted()
        if path.is_on_device:
            return self._glimpse_on_device(path, s)
        if self._coarse is None:
            self._coarse = _coarse(self.pinned.W, self._dataset)
        coarse = self._coarse
        n = len(self.pinned.W)
        threshold = path.mu(s) / (math.sqrt(n) - 1.0)
        z = np.maximum(coarse.W - coarse.W.dtype.type(threshold), 0)
        # The best scale of each image, from the pixels that are there.
        squares = np.einsum("ij,ij->j", z, z)
        scale = np.divide(np.einsum("ij,ij->j", z, coarse.W), squares, out=np.zeros_like(squares), where=squares > 0)
        return BasisPreview(z * scale, coarse.image_shape, path.sparsities(s), self.order, s)

    def _glimpse_on_device(self, path: SparsityPath, s: float) -> BasisPreview:
        """All pixels, of which a byte each leaves the device."""
        assert self._dataset is not None
        greys, sparsities, tops = path.greys(s, self.order)
        return BasisPreview(greys.T, self._dataset.image_shape, sparsities, self.order, s, tops)

    def points(self, values: Array) -> list[tuple[float, int]]:
        """At each sparsity the error, and how many basis images are zero or have one pixel left."""
        found = []
        for s in values:
            W = self._project(float(s)).values
            found.append((self.pinned.gram.relative_error(W), int(np.sum(np.count_nonzero(W, axis=0) <= 1))))
        return found

    def _project(self, s: float) -> Projection:
        if self.locked:
            return group_sparse_projection(self.pinned.W, s, self.pinned.weights, pinned=self.locked)
        return self._sorted().project(s)

    def _sorted(self) -> SparsityPath:
        # Sorting a large basis takes a while: it happens where the first projection does. Two threads that need it at
        # once both sort; either's result will do.
        path = self._path
        if path is None:
            # Not copied: the arrays of an iterate are never written again.
            # A small one takes less time than the way to a device and back.
            where = self.pinned.backend if self.pinned.W.size > GLIMPSE_ABOVE else "cpu"
            try:
                path = SparsityPath(self.pinned.W, self.pinned.weights, copy=False, backend=where)
            except OutOfDeviceMemory:  # it need not be told: the processor does the same
                path = SparsityPath(self.pinned.W, self.pinned.weights, copy=False)
            self._path = path
        return path
