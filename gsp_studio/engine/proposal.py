"""Rank and sparsity that are proposed for spectra, for which those of images make no sense."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.io.dataset import Dataset

#: Relative error that the best approximation of the proposed rank may have.
_MISSED = 0.03
_LEAST, _MOST = 2, 8
#: Spectra that are looked at, spread over the picture, and bands of these at most.
_SPECTRA, _BANDS = 500, 500


_OF_SPARSITY = "the spectra themselves are that sparse"


@dataclass(frozen=True)
class Proposal:
    """Parameters that are proposed, and a sentence that says why; `missed` of the data, a fraction, is left at best."""

    rank: int
    sparsity: float
    missed: float

    @property
    def why(self) -> str:
        """Of both, in a sentence."""
        both = f"rank {self.rank} and sparsity {self.sparsity:g} are"
        return f"for spectra {both} proposed: {self._of_rank}, and {_OF_SPARSITY}"

    def why_of(self, rank: bool, sparsity: bool) -> str:
        """Of those that are used, in a sentence; "" where none is."""
        if rank and sparsity:
            return self.why
        if rank:
            return f"for spectra rank {self.rank} is proposed: {self._of_rank}"
        return f"for spectra sparsity {self.sparsity:g} is proposed: {_OF_SPARSITY}" if sparsity else ""

    @property
    def _of_rank(self) -> str:
        return f"so many components miss at best {100 * self.missed:.1f} % of the data"


def proposal_for(dataset: Dataset) -> Proposal | None:
    """Propose a rank and a sparsity for spectra; None for images, whose defaults are those of `Params`.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    Proposal or None
        The rank: the smallest from 2 to 8 whose best approximation misses 3 % or less of the data. The sparsity: the
        mean of the spectra themselves, to two digits, as those of pure materials resemble them.
    """
    if dataset.grid is None:
        return None
    m, n = dataset.X.shape
    chosen = np.unique(np.linspace(0, n - 1, min(n, _SPECTRA)).astype(int))
    X = np.asarray(dataset.X[:, chosen], np.float64)
    X = X[:: -(-m // _BANDS), :]
    top = float(X.max())
    X = X[:, X.any(axis=0)] / (top or 1.0)
    if not X.size:
        return None
    energy = np.linalg.svd(X, compute_uv=False) ** 2
    missed = np.sqrt(np.maximum(0, 1 - np.cumsum(energy) / energy.sum()))
    enough = np.flatnonzero(missed <= _MISSED)
    rank = int(np.clip(enough[0] + 1 if len(enough) else _MOST, _LEAST, _MOST))
    rank = min(rank, m, n)
    sparsity = round(float(np.mean(hoyer_sparsity(X))), 2) if len(X) > 1 else 0.0
    return Proposal(rank, sparsity, float(missed[min(rank, len(missed)) - 1]))


def sparsity_of_few(rank: int) -> float:
    """Propose an average sparsity of the maps of a scene with few materials in each pixel.

    Parameters
    ----------
    rank : int
        Number of components.

    Returns
    -------
    float
        Four fifths of ``1 - sqrt(1 / rank)``, to two digits: that is the Hoyer sparsity of maps, of many pixels, that
        are 1 in an equal share of the pixels each and 0 elsewhere. The reference maps of Samson, of which 2.1 of 3
        materials are in a pixel on average, have 0.344, and this is 0.34.
    """
    return round(0.8 * (1.0 - math.sqrt(1.0 / rank)), 2)
