"""Choice of the rank: cross-validated errors, and the dependence of the parts on the seed.

Bi-cross-validation leaves out a block of pixels of some images. The factors of all others are fitted, the left-out
images are described by the pixels that stay, the left-out pixels by the images that stay, and the product of the two
predicts the block. Too many parts fit noise, and predict worse.

A target for the sparsity puts dense parts out of reach, and every further basis image brings the fit nearer to them:
the errors of such fits fall with the rank whatever that of the data is. So ranks are judged by fits without a target.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends import Backend, get_backend
from gsp_studio.backends.backend import as_compute_dtype, is_out_of_core
from gsp_studio.backends.data_access import sample
from gsp_studio.core.encoding import coefficients
from gsp_studio.core.matching import above_chance, chance_cosines, match_bases
from gsp_studio.core.nmf import METHODS, Params, factorize
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.units import unit_of
from gsp_studio.core.validation import check_data
from gsp_studio.experiments.consensus import Consensus, consensus_of, groups_of

#: Sweeps that describe left-out images by a basis: enough for their error to stand still.
_SWEEPS = 60
#: Bytes of images that are looked at; of larger data a sample is.
_SAMPLE = 1 << 28
#: Standard errors that count as chance, and the part of the gain of the best rank over the worst that counts as none.
_CHANCE, _NEGLIGIBLE = 2.0, 0.02


@dataclass(frozen=True, eq=False)
class RankRow:
    """Results for one rank.

    Attributes
    ----------
    rank : int
    errors : ndarray (folds,)
        Bi-cross-validated relative error of each left-out block, by fits without a constraint on the sparsity.
    explained_energy : ndarray (seeds,)
        ``1 - (||X - W H|| / ||X||)^2`` of the fit to all data from each seed: the part of the data's sum of squares.
        No mean is subtracted, so it is no explained variance, and near 1 for images that share a bright mean.
    stability : float
        Mean similarity of matched basis images over all pairs of seeds: 1 where every seed finds the same parts, 0
        for chance, see `matching.above_chance`; NaN for one seed.
    of_basis : ndarray (rank,)
        The same for each basis image of the first seed.
    consensus : Consensus
        How far the seeds agree on which images belong together; NaN for one seed.
    free_sparsity : float
        Average Hoyer sparsity of the basis of a fit without a constraint; NaN where it is not known.
    """

    rank: int
    errors: Array
    explained_energy: Array
    stability: float
    of_basis: Array
    consensus: Consensus = field(default_factory=Consensus)
    free_sparsity: float = math.nan

    @property
    def error(self) -> float:
        """Mean of `errors`."""
        return float(self.errors.mean())

    @property
    def spread(self) -> float:
        """Standard error of that mean."""
        return _standard_error(self.errors)


@dataclass(frozen=True, eq=False)
class RankStudy:
    """All ranks that were tried, and the one that is suggested, with the reason in words.

    `warning` is a sentence where the target is above the sparsity that the data have without it, else "".
    """

    rows: tuple[RankRow, ...]
    suggested: int
    reason: str
    warning: str = ""


def bicross_validated_errors(
    X: Any,
    params: Params,
    backend: str | Backend = "auto",
    folds: tuple[int, int] = (2, 2),
    repeats: int = 2,
    on_fold: Callable[[], None] | None = None,
) -> Array:
    """Relative errors of the prediction of left-out blocks.

    Parameters
    ----------
    X : array_like (m, n), >= 0
    params : Params
        Of the fits; their seed also deals pixels and images out to folds.
    backend : str or Backend
    folds : (int, int)
        Parts that pixels and images are dealt into; each pair of parts is left out once.
    repeats : int
        How often they are dealt anew.
    on_fold : callable, optional
        Called after each block; what it raises ends the study.

    Returns
    -------
    ndarray (repeats * folds[0] * folds[1],), float64
        ``||X_IJ - W_I H_J|| / ||X_IJ||``.

    Raises
    ------
    ValueError
        A rank that the smaller matrices cannot have.

    References
    ----------
    Owen & Perry, Annals of Applied Statistics 2009, section 5 (NMF).
    """
    X = unit_of(check_data(X := as_compute_dtype(X))).data_inside(X)
    device = get_backend(backend) if isinstance(backend, str) else backend
    rng = np.random.default_rng(params.seed)
    m, n = X.shape
    found = []
    for _ in range(repeats):
        of_pixel, of_image = rng.permutation(m) % folds[0], rng.permutation(n) % folds[1]
        for a in range(folds[0]):
            for b in range(folds[1]):
                out_rows, out_columns = of_pixel == a, of_image == b
                found.append(_left_out(X, out_rows, out_columns, params, device))
                if on_fold is not None:
                    on_fold()
    return np.array(found)


def _left_out(X: Array, rows: Array, columns: Array, params: Params, backend: Backend) -> float:
    kept = np.asfortranarray(X[np.ix_(~rows, ~columns)])
    result = factorize(kept, params, backend)
    H = _coefficients(X[np.ix_(~rows, columns)], result.W, backend)
    W = _coefficients(X[np.ix_(rows, ~columns)].T, result.H.T, backend).T
    block = X[np.ix_(rows, columns)].astype(np.float64)
    size = float(np.linalg.norm(block))
    return float(np.linalg.norm(block - W.astype(np.float64) @ H)) / size if size > 0 else 0.0


def _coefficients(X: Array, W: Array, backend: Backend) -> Array:
    """``argmin_{H >= 0} ||X - W H||`` by HALS sweeps."""
    H, _ = coefficients(X, np.ascontiguousarray(W.T), backend, _SWEEPS, 0.0)
    return H


def stability_of(bases: Sequence[Array]) -> tuple[float, Array]:
    """Measure the dependence of a basis on the seed, above the level of chance.

    Parameters
    ----------
    bases : sequence of ndarray (m, r)
        One a seed.

    Returns
    -------
    float
        Mean similarity of the basis images of all seeds; NaN for one basis.
    ndarray (r,)
        That of each basis image of the first: its mean cosine with its partners less that of chance, see
        `matching.above_chance`; NaN for one basis.
    """
    seeds, rank = len(bases), bases[0].shape[1]
    if seeds < 2:
        return math.nan, np.full(rank, math.nan)
    cosines = np.zeros((seeds, rank))
    for a, b in combinations(range(seeds), 2):
        matching = match_bases(bases[a], bases[b])
        cosines[a] += matching.cosine
        cosines[b, matching.partner] += matching.cosine
    similar = above_chance(cosines / (seeds - 1), [chance_cosines(W) for W in bases])
    return float(similar.mean()), similar[0]


def study_ranks(
    X: Any,
    ranks: Iterable[int],
    params: Params,
    backend: str | Backend = "auto",
    seeds: int = 5,
    on_done: Callable[[RankRow], None] | None = None,
    on_step: Callable[[], None] | None = None,
) -> RankStudy:
    """Cross-validate several ranks and see how stable their parts are.

    Parameters
    ----------
    X : array_like (m, n), >= 0, or BlockMatrix
        Of data that stay in their file a sample of images is looked at.
    ranks : iterable of int
    params : Params
        Method, target, iterations and first seed of every fit. Those of blocks are A-HALS where the method has a
        target.
    backend : str or Backend
    seeds : int
        Fits of each rank to all data.
    on_done : callable, optional
        Called with each row when it is ready.
    on_step : callable, optional
        Called after each fit; what it raises ends the study.

    Returns
    -------
    RankStudy

    Raises
    ------
    ValueError
        No rank, or one that half of the data cannot have.
    """
    X = sample(X, _SAMPLE) if is_out_of_core(X) else as_compute_dtype(X)
    check_data(X)
    wanted = sorted(set(ranks))
    most = min(X.shape) // 2
    if not wanted or wanted[0] < 1 or wanted[-1] > most:
        raise ValueError(f"ranks are {wanted or 'none'}; accepted are whole numbers from 1 to {most}, half of the data")
    device = get_backend(backend) if isinstance(backend, str) else backend
    is_constrained = METHODS[params.method].uses_sparsity
    free = replace(params, method="ahals", weights=None, sparsity_h=None) if is_constrained else params
    rows: list[RankRow] = []
    for rank in wanted:
        of_rank, of_free = replace(params, rank=rank), replace(free, rank=rank)
        errors = bicross_validated_errors(X, of_free, device, on_fold=on_step)
        bases, groups, explained = [], [], []
        for k in range(seeds):
            result = factorize(X, replace(of_rank, seed=params.seed + k), device)
            bases.append(result.W)
            groups.append(groups_of(result.W, result.H))
            explained.append(1.0 - result.error**2)
            if on_step is not None:
                on_step()
        unconstrained = factorize(X, of_free, device).W if is_constrained else bases[0]
        free_sparsity = float(np.mean(hoyer_sparsity(unconstrained)))
        consensus = consensus_of(groups, params.seed)
        rows.append(RankRow(rank, errors, np.array(explained), *stability_of(bases), consensus, free_sparsity))
        if on_done is not None:
            on_done(rows[-1])
    rank, reason = suggest_rank(rows)
    if not is_constrained:
        return RankStudy(tuple(rows), rank, reason)
    return RankStudy(tuple(rows), rank, f"{reason} (fits without a constraint)", _warning(rows, params.sparsity))


def _warning(rows: Sequence[RankRow], target: float) -> str:
    """A sentence where the target is above the sparsity of fits without a constraint, else ""."""
    above = [row for row in rows if target > row.free_sparsity]
    if not above:
        return ""
    values = sorted(f"{row.free_sparsity:.3f}" for row in above)
    span = values[0] if values[0] == values[-1] else f"{values[0]} to {values[-1]}"
    ranks = "every rank" if len(above) == len(rows) else f"rank {', '.join(str(row.rank) for row in above)}"
    return (
        f"the target {target:g} is above the sparsity of fits without a constraint at {ranks} ({span}), so there the "
        "constraint, and not the data alone, decides on which parts seeds agree"
    )


def suggest_rank(rows: Sequence[RankRow]) -> tuple[int, str]:
    """The smallest rank that predicts as well as the best one, and why.

    As well: block by block it is worse by no more than two standard errors of that difference, or by a fiftieth of
    what the best rank gains over the worst. All ranks leave out the same blocks, and these differ from one another by
    much more than good ranks do: only the differences within blocks distinguish ranks.
    """
    best = min(rows, key=lambda row: row.error)
    negligible = _NEGLIGIBLE * (max(row.error for row in rows) - best.error)
    for row in rows:
        worse = row.errors - best.errors
        if worse.mean() <= max(_CHANCE * _standard_error(worse), negligible):
            break
    own, lowest = (
        f"its cross-validated error, {100 * row.error:.2f} %,",
        f"{100 * best.error:.2f} % at rank {best.rank}",
    )
    if row is not best:
        is_chance = worse.mean() <= _CHANCE * _standard_error(worse)
        how = "within two standard errors of" if is_chance else "next to nothing above"
        return row.rank, f"{own} is {how} the lowest, {lowest}"
    is_last = row is rows[-1] and len(rows) > 1
    return row.rank, f"{own} is the lowest" + ("; no larger rank was tried" if is_last else "")


def _standard_error(values: Array) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0
