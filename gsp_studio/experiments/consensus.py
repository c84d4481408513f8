"""Consensus: whether the images fall into the same groups whatever the seed, whichever numbers the groups have.

Every fit sorts images by the basis image that weighs most in each. How often two images meet, over all seeds, is the
consensus matrix: zeros and ones where the seeds agree. Two numbers say how far it is from that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform

from gsp_studio.arrays import Array
from gsp_studio.core.matching import above_chance

#: Images of which all pairs are looked at: the tree of 1,000 takes some hundredths of a second.
MOST_IMAGES = 1000
_DEALS = 5


@dataclass(frozen=True)
class Consensus:
    """Agreement of several fits on the groups of images.

    Attributes
    ----------
    dispersion : float
        Mean of ``4 (c - 1/2)^2`` over the entries c of the consensus matrix: 1 where every pair of images is always
        or never together, 0 where each pair is together in half of the fits. NaN for one fit.
    cophenetic : float
        Correlation of the distances ``1 - c`` with those in their tree of average linkage; 1 where the tree has them
        exactly. NaN for one fit: a single one agrees with itself whatever it found.
    chance : float
        The dispersion of groups of the same sizes, with the images dealt to them at random: the more groups, the
        more pairs are never together by chance.
    """

    dispersion: float = math.nan
    cophenetic: float = math.nan
    chance: float = 0.0

    @property
    def agreement(self) -> float:
        """``(dispersion - chance) / (1 - chance)``: 1 where all fits agree, 0 for chance."""
        return float(above_chance(self.dispersion, self.chance))


def groups_of(W: Array, H: Array) -> Array:
    """The basis image that weighs most in each image.

    Parameters
    ----------
    W : ndarray (m, r)
    H : ndarray (r, n)

    Returns
    -------
    ndarray (n,) of int
        ``argmax_k h_kj ||w_k||``; -1 for an image that no basis image is used for.
    """
    weights = H * np.linalg.norm(W, axis=0)[:, None]
    groups: Array = np.where(weights.max(axis=0) > 0, weights.argmax(axis=0), -1)
    return groups


def consensus_matrix(groups: Sequence[Array]) -> Array:
    """Compute the fraction of the fits in which two images are in one group.

    Parameters
    ----------
    groups : sequence of ndarray (n,) of int
        As `groups_of`, one a fit. Their numbers mean nothing beyond one fit.

    Returns
    -------
    ndarray (n, n), float64
    """
    n = len(groups[0])
    together = np.zeros((n, n), np.int32)
    for numbers in groups:
        together += numbers[:, None] == numbers[None, :]
    matrix: Array = together / len(groups)
    return matrix


def consensus_of(groups: Sequence[Array], seed: int = 0) -> Consensus:
    """Compute the agreement of several fits on the groups of images.

    Parameters
    ----------
    groups : sequence of ndarray (n,) of int
        As `groups_of`, one a fit.
    seed : int
        Draws `MOST_IMAGES` images where there are more.

    Returns
    -------
    Consensus
        NaN for a single fit, or a single image.

    References
    ----------
    Brunet, Tamayo, Golub & Mesirov, PNAS 2004 (consensus matrix, cophenetic correlation); Kim & Park, Bioinformatics
    2007 (dispersion).
    """
    n = len(groups[0])
    if len(groups) < 2 or n < 2:
        return Consensus()
    if n > MOST_IMAGES:
        drawn = np.sort(np.random.default_rng(seed).choice(n, MOST_IMAGES, replace=False))
        groups = [numbers[drawn] for numbers in groups]
    C, rng = consensus_matrix(groups), np.random.default_rng(seed)
    dealt = ([rng.permutation(numbers) for numbers in groups] for _ in range(_DEALS))
    chance = float(np.mean([_dispersion(consensus_matrix(numbers)) for numbers in dealt]))
    return Consensus(_dispersion(C), _cophenetic(1.0 - C), chance)


def _dispersion(C: Array) -> float:
    return float(np.mean(4.0 * (C - 0.5) ** 2))


def _cophenetic(distances: Array) -> float:
    pairs = squareform(distances, checks=False)
    in_tree = cophenet(linkage(pairs, "average"))
    # Also where all are equal, as in a single group: correlations of constants are 0 / 0.
    if np.allclose(pairs, in_tree, rtol=0.0, atol=1e-12):
        return 1.0
    return float(np.corrcoef(pairs, in_tree)[0, 1])
