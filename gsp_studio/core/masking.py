"""Missing entries: dead pixels, or entries held out for cross-validation.

They are filled with the fit of the iterate before (expectation-maximization: Zhang, Wang, Ford & Makedon 2006), so
every update sees full data, and the error never rises by the filling. What is measured are the entries that are there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.backend import Places
from gsp_studio.backends.powers import scale_in_place
from gsp_studio.core.metrics import squared_norm
from gsp_studio.core.units import Unit, unit_of
from gsp_studio.core.validation import check_data

Array = npt.NDArray[Any]


def check_mask(mask: npt.ArrayLike, shape: tuple[int, int]) -> Array:
    """The mask as a boolean array (m, n); ValueError, in one sentence, when it is none or leaves nothing."""
    mask = np.asarray(mask)
    if mask.dtype != np.bool_:
        raise ValueError(f"mask has type {mask.dtype}; expected is a boolean array, True where an entry is missing")
    if mask.shape != shape:
        raise ValueError(f"mask has shape {mask.shape}; expected is {shape}, that of X")
    if mask.all():
        raise ValueError("mask leaves no entry; at least one has to be there")
    return mask


def apart(X: Any, mask: npt.ArrayLike | None) -> tuple[Any, Any]:
    """The values of a NumPy masked array, and `mask` with the entries that it hides; all else as it is.

    Raises
    ------
    ValueError
        Both are there and do not fit together.
    """
    if not isinstance(X, np.ma.MaskedArray):
        return X, mask
    if np.ma.is_masked(X):
        hidden = np.ma.getmaskarray(X)
        mask = hidden if mask is None else hidden | check_mask(mask, X.shape)
    return X.data, mask


class Missing:
    """The missing entries of images that lie in rows.

    Attributes
    ----------
    places : Places
    norm2 : float
        ``||X||_F^2`` over the entries that are there.
    """

    def __init__(self, filled: Array, missing: Array) -> None:
        """From images in rows (n, m) that hold 0 where `missing` (n, m) is True."""
        images, pixels = (found.astype(np.int64) for found in np.nonzero(missing))
        starts = np.zeros(len(filled) + 1, np.int64)
        np.cumsum(np.bincount(images, minlength=len(filled)), out=starts[1:])
        self.places = Places(images, pixels, starts)
        self.norm2 = squared_norm(filled.T)

    def write(self, filled: Array, of_pixel: Array) -> None:
        """Fill with one value a pixel."""
        filled[self.places.images, self.places.pixels] = of_pixel[self.places.pixels]


def fill_missing(X: Array, mask: Array) -> tuple[Array, Missing, Unit]:
    """A copy of X, an image a row (n, m), whose missing entries hold the mean of their pixel where it is there.

    What X holds at missing entries, NaN included, is never read.

    Parameters
    ----------
    X : ndarray (m, n)
    mask : ndarray (m, n) of bool
        True where an entry is missing.

    Returns
    -------
    filled : ndarray (n, m)
        In `unit`.
    missing : Missing
    unit : Unit
        Of the entries that are there.

    Raises
    ------
    ValueError
        Entries that NMF cannot use, see `checks.check_data`.
    """
    filled = np.array(X.T, order="C")
    gone = mask.T
    filled[gone] = 0
    unit = unit_of(check_data(filled.T))
    scale_in_place(filled, -unit.data)
    seen = len(filled) - gone.sum(axis=0)
    sums = filled.sum(axis=0, dtype=np.float64)
    overall = sums.sum() / seen.sum()
    means = np.divide(sums, seen, out=np.full(len(sums), overall), where=seen > 0)
    missing = Missing(filled, gone)
    missing.write(filled, means)
    return filled, missing, unit
