"""Missing entries: dead pixels, or entries held out for cross-validation.

They are filled with the fit of the iterate before (expectation-maximization: Zhang, Wang, Ford & Makedon 2006), so
every update sees full data, and the error never rises by the filling. The error is that of the entries that are there;
of those that a run has held out itself (`Params.held_out`) the fit's error is measured apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.backend import Backend, Places
from gsp_studio.backends.powers import scale_in_place
from gsp_studio.core.metrics import squared_norm
from gsp_studio.core.units import Unit, unit_of
from gsp_studio.core.validation import check_data

Array = npt.NDArray[Any]

#: Tells the numbers that choose held-out entries from those of random starts by the same seed.
_HELD_OUT = 0x68656C64


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


def check_weights(mask: npt.ArrayLike, shape: tuple[int, int]) -> tuple[Array, Array | None]:
    """Which entries are missing (m, n), and the weights of all (m, n) where these are others than 0 and 1.

    Parameters
    ----------
    mask : array_like (m, n)
        Of bool, True where an entry is missing; or of floating numbers from 0 to 1, what an entry counts: 0 where it is
        missing.

    Raises
    ------
    ValueError
        In one sentence: another type, shape or value, or no entry that counts.
    """
    weights = np.asarray(mask)
    if weights.dtype.kind != "f":
        return check_mask(weights, shape), None
    if weights.shape != shape:
        raise ValueError(f"mask has shape {weights.shape}; expected is {shape}, that of X")
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.max() <= 1):
        raise ValueError("mask holds weights outside of 0 to 1; accepted are numbers from 0, missing, to 1")
    missing = check_mask(weights == 0, shape)
    return missing, None if np.all(missing | (weights == 1)) else weights


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
        missing, weights = (None, None) if mask is None else check_weights(mask, X.shape)
        if weights is not None:
            return X.data, np.where(hidden, 0, weights)
        mask = hidden if missing is None else hidden | missing
    return X.data, mask


def draw_held_out(shape: tuple[int, int], share: float, seed: int, mask: Array | None = None) -> Array:
    """Draw entries that a run leaves out, the same ones for the same numbers on every machine.

    Parameters
    ----------
    shape : (m, n)
    share : float
        Of the known entries, in (0, 1); rounded to whole ones, and at least one.
    seed : int
        Its numbers are others than those of a random start by the same seed.
    mask : ndarray (m, n) of bool, optional
        True where an entry is missing; none of these is drawn.

    Returns
    -------
    ndarray (m, n) of bool
        True where an entry is left out.

    Raises
    ------
    ValueError
        Too few entries are known.
    """
    known = None if mask is None else np.flatnonzero(~mask.T)  # an image a row, as the solver has them
    count = shape[0] * shape[1] if known is None else len(known)
    chosen = max(1, round(share * count))
    if chosen >= count:
        raise ValueError(f"held_out needs at least 2 known entries; X has {count}")
    drawn = np.random.default_rng((seed, _HELD_OUT)).choice(count, chosen, replace=False, shuffle=False)
    found = np.zeros((shape[1], shape[0]), bool)
    found.reshape(-1)[drawn if known is None else known[drawn]] = True
    return found.T


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Entries that a run has left out itself, so that their values are known.

    Attributes
    ----------
    places : Places
    values : ndarray (count,)
    norm2 : float
        The sum of their squares.
    """

    places: Places
    values: Array
    norm2: float


def places_of(chosen: Array) -> Places:
    """Places of the entries of images in rows that are True in `chosen` (n, m)."""
    images, pixels = (found.astype(np.int64) for found in np.nonzero(chosen))
    starts = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(np.bincount(images, minlength=len(chosen)), out=starts[1:])
    return Places(images, pixels, starts)


class Missing:
    """The missing entries of images that lie in rows.

    Attributes
    ----------
    places : Places
        Of all, those that were held out included.
    norm2 : float
        ``||X||_F^2`` over the entries that are there, each times its weight.
    left_out : HeldOut or None
    weights, values : ndarray (count,), optional
        Of the entries at `places`, where some of these count in part.
    slack : float
        What the squared residual of the filled data lacks of the weighted one: ``sum w (1 - w) (x - y)^2``.
    """

    def __init__(
        self, filled: Array, missing: Array, left_out: HeldOut | None = None, weights: Array | None = None
    ) -> None:
        """From images in rows (n, m) that hold 0 where `missing` (n, m) is True, and `weights` (n, m) of the others."""
        self.weights: Array | None = None
        self.values: Array | None = None
        self.slack = 0.0
        self.left_out = left_out
        if weights is None:
            self.places = places_of(missing)
            self.norm2 = squared_norm(filled.T)
            return
        self.places = places_of(missing | (weights < 1))
        found = self.places.images, self.places.pixels
        self.weights, self.values = weights[found].astype(np.float64), filled[found].astype(np.float64)
        self.weights[missing[found]] = 0.0
        self.norm2 = squared_norm((filled * np.sqrt(np.where(missing, 0, weights))).T)

    def check_device(self, backend: Backend) -> None:
        """Raise ValueError where weights are asked of a device with memory of its own."""
        if self.weights is not None and backend.remote is not None:
            raise ValueError("weights of entries are taken by the processor alone; accepted is the backend cpu")

    def blend(self, filled: Array) -> float:
        """Mix entries that count in part with the fit that `filled` (n, m) holds there.

        With ``w x + (1 - w) y`` in place of x, and w times x to the square in the data's norm, the squared residual of
        full data lies above the weighted one and touches it at the present fit (Srebro & Jaakkola 2003).

        Returns
        -------
        float
            ``sum (1 - w) y^2``, by which the norm of the problem exceeds `norm2`.
        """
        assert self.weights is not None
        assert self.values is not None
        found, w = (self.places.images, self.places.pixels), self.weights
        fit = filled[found].astype(np.float64)
        filled[found] = w * self.values + (1 - w) * fit
        self.slack = float(np.sum(w * (1 - w) * np.square(self.values - fit)))
        return float(np.sum((1 - w) * np.square(fit)))

    def write(self, filled: Array, of_pixel: Array) -> None:
        """Fill with one value a pixel."""
        filled[self.places.images, self.places.pixels] = of_pixel[self.places.pixels]


def fill_missing(
    X: Array, mask: Array | None, held_out: Array | None = None, weights: Array | None = None
) -> tuple[Array, Missing, Unit]:
    """A copy of X, an image a row (n, m), whose missing entries hold the mean of their pixel where it is there.

    What X holds at entries of the mask, NaN included, is never read.

    Parameters
    ----------
    X : ndarray (m, n)
    mask : ndarray (m, n) of bool, optional
        True where an entry is missing.
    held_out : ndarray (m, n) of bool, optional
        True where a known entry is left out besides.
    weights : ndarray (m, n), optional
        What the entries count, from 0 to 1.

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
        Entries that NMF cannot use, see `validation.check_data`.
    """
    filled = np.array(X.T, order="C")
    gone = np.zeros(filled.shape, bool) if mask is None else mask.T
    filled[gone] = 0
    unit = unit_of(check_data(filled.T))
    scale_in_place(filled, -unit.data)
    left_out = None
    if held_out is not None:
        left_out = _taken_out(filled, held_out.T)
        gone = gone | held_out.T
    seen = len(filled) - gone.sum(axis=0)
    sums = filled.sum(axis=0, dtype=np.float64)
    overall = sums.sum() / seen.sum()
    means = np.divide(sums, seen, out=np.full(len(sums), overall), where=seen > 0)
    missing = Missing(filled, gone, left_out, None if weights is None else weights.T)
    missing.write(filled, means)
    if missing.weights is not None:
        missing.blend(filled)
    return filled, missing, unit


def _taken_out(filled: Array, chosen: Array) -> HeldOut:
    """Take entries out of images in rows, and leave 0 in their places."""
    places, values = places_of(chosen), filled[chosen]
    filled[chosen] = 0
    norm2 = float(np.sum(np.square(values, dtype=np.float64)))
    if norm2 == 0.0 or not filled.any():
        which = "of the entries that are held out" if norm2 == 0.0 else "that is not held out"
        raise ValueError(f"no entry {which} is larger than 0; hold out another share, or take another seed")
    return HeldOut(places, values, norm2)
