"""Dependence of a basis on the seed: fits from further seeds, matched to it image by image.

Parts that every start finds are in the data; parts of only one may be chance. The further fits have the run's own
parameters, so the answer is about that run and not about the rank alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array
from gsp_studio.backends import Backend, get_backend
from gsp_studio.core.matching import above_chance, chance_cosines, match_bases
from gsp_studio.core.nmf import Iterate, Params, factorize
from gsp_studio.core.params import NO_SEEDS

#: Similarity below which a basis image counts as unstable.
UNSTABLE = 0.8
#: Starts that are another one for every seed; the rest would find the same every time.
_SEEDED = ("random", "images", "nndsvdar")


@dataclass(frozen=True, eq=False)
class BasisStability:
    """Comparison of a basis with those of further seeds.

    Attributes
    ----------
    seeds : int
        Fits beside the one that the basis is of.
    cosine : ndarray (r,)
        Mean cosine of each basis image with its partners.
    chance : ndarray (r,)
        The cosines that it would have by chance, see `matching.chance_cosines`.
    spread : ndarray (m, r) or None
        Standard deviation of every pixel over the basis image and its partners, all of them of length 1. None where
        it has not been kept.
    """

    seeds: int
    cosine: Array
    chance: Array
    spread: Array | None = None

    @property
    def similarity(self) -> Array:
        """``(cosine - chance) / (1 - chance)`` of each basis image: 1 where every seed finds it, 0 for chance."""
        return above_chance(self.cosine, self.chance)

    @property
    def unstable(self) -> tuple[int, ...]:
        """Basis images whose similarity is below `UNSTABLE`."""
        return tuple(int(k) for k in np.flatnonzero(self.similarity < UNSTABLE))


def basis_stability(
    X: Any,
    W: Array,
    params: Params,
    backend: str | Backend = "auto",
    seeds: int = 5,
    mask: npt.ArrayLike | None = None,
    on_iteration: Callable[[int, Iterate], None] | None = None,
) -> BasisStability:
    """Fit the data from further seeds and see which basis images come again.

    Parameters
    ----------
    X : array_like (m, n), >= 0, or BlockMatrix
    W : ndarray (m, r)
        The basis that it is about.
    params : Params
        Of the fit that found it. The further ones have the next seeds, neither frozen basis images nor given ones, and
        uniform factors to begin with where its start is the same for every seed.
    backend : str or Backend
    seeds : int
        How many further fits, >= 1.
    mask : array_like (m, n) of bool or floating numbers, optional
        As for `factorize`.
    on_iteration : callable, optional
        Called with the number of fits that are done and each `Iterate`; what it raises ends the search.

    Returns
    -------
    BasisStability

    Raises
    ------
    ValueError
        No seed, or what `factorize` does not accept.

    Examples
    --------
    >>> import numpy as np, gsp_studio as gs
    >>> from gsp_studio.experiments.stability import basis_stability
    >>> X = np.kron(np.eye(3), np.ones((4, 20))) + 0.01 * np.random.default_rng(0).random((12, 60))
    >>> params = gs.Params(rank=3, method="ahals", max_iter=100)
    >>> bool(basis_stability(X, gs.factorize(X, params).W, params, seeds=3).similarity.min() > 0.99)
    True
    """
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; accepted is a whole number >= 1")
    device = get_backend(backend) if isinstance(backend, str) else backend
    start = params.init if isinstance(params.init, str) and params.init in _SEEDED else "random"
    params = replace(params, rank=W.shape[1], init=start, frozen=(), **NO_SEEDS)
    own = _unit(W)
    cosine, total, squares = np.zeros(W.shape[1]), np.zeros_like(own), np.zeros_like(own)
    for k in range(seeds):
        callback = None if on_iteration is None else partial(on_iteration, k)
        found = factorize(X, replace(params, seed=params.seed + 1 + k), device, callback, mask).W
        matching = match_bases(W, found)
        cosine += matching.cosine
        # From the basis itself, not from zero: nothing is lost where all are nearly the same.
        apart = _unit(found)[:, matching.partner] - own
        total += apart
        squares += apart**2
    variance = (squares - total**2 / (seeds + 1)) / seeds
    spread = np.sqrt(np.maximum(variance, 0.0)).astype(W.dtype)
    return BasisStability(seeds, cosine / seeds, chance_cosines(W), spread)


def _unit(W: Array) -> Array:
    """Columns of length 1, float64 and Fortran-ordered; zeros stay."""
    unit = np.asfortranarray(W, np.float64)
    lengths = np.linalg.norm(unit, axis=0)
    return unit / np.where(lengths > 0, lengths, 1.0)
