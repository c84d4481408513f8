"""Signs that a factorization which meets its target is not what the target was meant for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array
from gsp_studio.core.metrics import GramError, self_product
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.nouns import IMAGES, Nouns

#: One image carries the rest: so much of the sum of all lengths |w| |h|, and so much less sparse than the median image.
_SHARE, _GAP = 0.5, 0.3
#: Sparsity from which on a basis image has one pixel, or as good as that, and the part of all from which on these are
#: many.
_ONE_PIXEL, _MANY = 1.0 - 1e-4, 0.1
#: Another run is sparser, and better, by more than luck.
_SPARSER, _LOWER = 1e-3, 0.99


class Caution(NamedTuple):
    """A sign of a poor factorization.

    Attributes
    ----------
    short : str
        A few words.
    sentence : str
        Fact and remedy.
    """

    short: str
    sentence: str


def energies_of(own: Array, gram: GramError) -> Array:
    """Share of each basis image in ``sum_k ||w_k||^2 ||h_k||^2``; `own` is ``W'W`` (r, r)."""
    squares = np.diagonal(own).astype(np.float64) * np.maximum(np.diagonal(gram.G), 0.0)
    total = squares.sum()
    shares: Array = squares / total if total > 0 else squares
    return shares


def error_without(W: Array, gram: GramError, k: int, error: float) -> float:
    """Relative error of a factorization without its k-th basis image, all else as it is; X is not read.

    Leaving out ``w_k h_k`` adds ``2 <X - W H, w_k h_k> + |w_k|^2 |h_k|^2`` to ``||X - W H||_F^2``.

    Parameters
    ----------
    W : ndarray (m, r)
    gram : GramError
        Of its coefficients.
    k : int
    error : float
        The relative error with it, a fraction.

    Returns
    -------
    float
        A fraction of ``||X||_F``, as `error`; NaN where some entries are masked, as the products have them too,
        and where the loss is no residual.
    """
    if gram.of is not None or gram.measure is not None or not gram.x_norm2 > 0:
        return math.nan
    if gram.unit.basis:
        W = gram.unit.basis_inside(W)
    if gram.rows is not None:
        W = W / gram.rows[:, None]
    w = W[:, k]
    own = (w @ W).astype(np.float64)
    lacking = float(np.dot(w, gram.A[:, k])) - float(own @ gram.G[k].astype(np.float64))
    added = 2.0 * lacking + own[k] * float(gram.G[k, k])
    return math.sqrt(max(0.0, error**2 + added / gram.x_norm2))


def cautions(sparsities: Array, energies: Array, nouns: Nouns = IMAGES) -> tuple[Caution, ...]:
    """Signs that a basis describes the data by one dense image, or by single pixels.

    An average says nothing about its terms: one dense image and many of one pixel meet it too.

    Parameters
    ----------
    sparsities : ndarray (r,)
        Hoyer sparsity of each basis image.
    energies : ndarray (r,)
        Share of each in the whole, as `energies_of`.
    nouns : Nouns
        Of the data.

    Returns
    -------
    tuple of Caution
        Empty for most.
    """
    found, r = [], len(sparsities)
    first = int(np.argmax(energies)) if r else 0
    lengths = np.sqrt(energies)
    if r >= 3 and lengths[first] > _SHARE * lengths.sum() and np.median(sparsities) - sparsities[first] > _GAP:
        share = f"{100 * energies[first]:.0f} %"
        found.append(
            Caution(
                nouns.of(f"one image carries {share}"),
                nouns.of(
                    f"basis image {first + 1} is dense (sparsity {sparsities[first]:.2f}) and carries {share} of the "
                    "energy; the others are sparse to make up for it: try another start (nndsvdar), another rank or a "
                    "lower target"
                ),
            )
        )
    if is_dusty(sparsities):
        single, lower = single_pixels(sparsities), target_without_dust(sparsities)
        others = "" if math.isnan(lower) else f": {lower:.2f} is the average of the others"
        found.append(
            Caution(
                nouns.of(f"{single} of {r} are one pixel"),
                nouns.of(
                    f"{single} of {r} basis images have one pixel or none; try a lower rank or a lower target{others}"
                ),
            )
        )
    return tuple(found)


def is_dusty(sparsities: Array) -> bool:
    """Whether many basis images have one pixel, or as good as that, by the sparsity of each."""
    return single_pixels(sparsities) >= max(2, _MANY * len(sparsities))


def target_without_dust(sparsities: Array) -> float:
    """A target that needs no basis images of single pixels: the average of the others, rounded down to two digits.

    Parameters
    ----------
    sparsities : ndarray (r,)
        Hoyer sparsity of each basis image.

    Returns
    -------
    float
        NaN where there are no others, or where they are flat.
    """
    others = np.asarray(sparsities, np.float64)[~is_dust(sparsities)]
    lower = math.floor(100 * float(others.mean())) / 100 if len(others) else 0.0
    return lower if lower > 0 else math.nan


def single_pixels(sparsities: Array) -> int:
    """Number of basis images with one pixel, or as good as that, by the sparsity of each."""
    return int(np.count_nonzero(is_dust(sparsities)))


def is_dust(sparsities: Array) -> npt.NDArray[np.bool_]:
    """Whether basis images of these sparsities have one pixel, or as good as that."""
    found: npt.NDArray[np.bool_] = np.asarray(sparsities) >= _ONE_PIXEL
    return found


def sparser_and_better(
    sparsity: float, error: float, others: Iterable[tuple[str, float, float]]
) -> tuple[Caution, ...]:
    """The run with the lowest error among those that are sparser and have an error lower by a hundredth, if any.

    Parameters
    ----------
    sparsity, error : float
        Of a run.
    others : iterable of (name, sparsity, error)
        Runs of the same rank on the same data.
    """
    rivals = [(e, s, name) for name, s, e in others if s > sparsity + _SPARSER and e < _LOWER * error]
    if not rivals:
        return ()
    e, s, name = min(rivals)
    words = f"{name} is sparser ({s:.3f}) and its error is lower ({100 * e:.3f} %)"
    return (Caution(f"{name} is sparser and better", f"{words}: this run has not found the best basis of its target"),)


def cautions_of(W: Array, gram: GramError, nouns: Nouns = IMAGES) -> tuple[Caution, ...]:
    """`cautions` about a basis (m, r) with coefficients whose products `gram` has."""
    return cautions(np.asarray(hoyer_sparsity(W)), energies_of(self_product(W), gram), nouns) if len(W) > 1 else ()
