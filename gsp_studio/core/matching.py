"""Matching the basis images of two factorizations: the Hungarian method on their cosines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import as_compute_dtype
from gsp_studio.backends.powers import exponent_of, scaled

_SHUFFLES = 5
#: Differences from 1 that count as none.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Matching:
    """A one-to-one matching of basis images.

    Attributes
    ----------
    partner : ndarray (r,) of int
        Basis image k of the first is `partner[k]` of the second; -1 where the second has none left.
    cosine : ndarray (r,)
        How alike the two are, 0 (no pixel in common) to 1 (the same but for their scale); 0 without a partner.
    """

    partner: Array
    cosine: Array

    def cells_of_second(self, order: Array, count: int) -> Array:
        """The `count` columns of the second in the cells of the first's in `order`.

        -1 where a column of the first has no partner; columns of the second without one come after all cells.
        """
        matched = self.partner[order]
        rest = np.setdiff1d(np.arange(count), matched)
        return np.concatenate([matched, rest]).astype(np.intp)


def match_bases(first: npt.ArrayLike, second: npt.ArrayLike) -> Matching:
    """Match the columns of two bases so that the sum of the cosines is the largest there is.

    Parameters
    ----------
    first, second : array_like (m, r), (m, q)
        Basis images of the same pixels. Their scales do not matter; a column of zeros is like none.

    Returns
    -------
    Matching

    Raises
    ------
    ValueError
        Bases of images of different sizes.

    References
    ----------
    Kuhn, Naval Research Logistics Quarterly 1955; computed by ``scipy.optimize.linear_sum_assignment``.

    Examples
    --------
    >>> import numpy as np
    >>> from gsp_studio.core.matching import match_bases
    >>> W = np.random.default_rng(0).random((64, 5))
    >>> match_bases(W, W[:, [3, 0, 4, 1, 2]]).partner.tolist()
    [1, 3, 4, 0, 2]
    """
    A, B = as_compute_dtype(first), as_compute_dtype(second)
    if A.ndim != 2 or B.ndim != 2 or len(A) != len(B):
        raise ValueError(f"bases of shapes {A.shape} and {B.shape} cannot be matched; accepted are (m, r) and (m, q)")
    A, B = (scaled(basis, -exponent_of(float(np.abs(basis).max(initial=0.0)))) for basis in (A, B))
    lengths = np.outer(np.linalg.norm(A, axis=0), np.linalg.norm(B, axis=0)).astype(np.float64)
    cosines = np.zeros((A.shape[1], B.shape[1]))
    np.divide(A.T @ B, lengths, out=cosines, where=lengths > 0)
    rows, columns = linear_sum_assignment(cosines, maximize=True)
    partner, cosine = np.full(A.shape[1], -1, np.intp), np.zeros(A.shape[1])
    partner[rows] = columns
    cosine[rows] = np.clip(cosines[rows, columns], 0.0, 1.0)
    return Matching(partner, cosine)


def chance_cosines(W: npt.ArrayLike) -> Array:
    """The cosines that basis images reach by chance: with images of the same values, their pixels shuffled.

    Nonnegative images are never far apart: two dense ones with nothing in common have a cosine of 0.8 and more, sparse
    ones one near 0, and the best matching of many takes the largest. So the level depends on the basis.

    Parameters
    ----------
    W : array_like (m, r)

    Returns
    -------
    ndarray (r,), float64
        Mean cosine of each with its partner in `W` with the pixels of each basis image shuffled on their own, matched
        as by `match_bases`, over 5 shuffles from a fixed seed: the same basis has the same numbers.
    """
    values, rng = as_compute_dtype(W), np.random.default_rng(0)
    shuffled = (rng.permuted(values, axis=0) for _ in range(_SHUFFLES))
    mean: Array = np.mean([match_bases(values, other).cosine for other in shuffled], axis=0)
    return mean


def above_chance(measured: npt.ArrayLike, chance: npt.ArrayLike) -> Array:
    """Agreement on a scale from 0, the level of chance or less, to 1: ``(measured - chance) / (1 - chance)``.

    1 where chance is perfect, too, as for basis images of a single grey value.
    """
    missing, room = 1.0 - np.asarray(measured, np.float64), 1.0 - np.asarray(chance, np.float64)
    none = np.where(missing > _ROUNDING, 1.0, 0.0)
    found: Array = 1.0 - np.divide(missing, room, out=none, where=room > _ROUNDING)
    return np.clip(found, 0.0, 1.0)
