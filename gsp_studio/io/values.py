"""Conversion of raw values to nonnegative floats: every step is a named choice and a sentence in `Dataset.steps`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError


def unit_scale(dtype: np.dtype[Any]) -> tuple[float, str]:
    """Divisor of values of a type that brings them into [0, 1].

    Parameters
    ----------
    dtype : numpy.dtype

    Returns
    -------
    scale : float
        1 where nothing is divided.
    step : str
        In words, "" where nothing is done.

    Notes
    -----
    8 and 16 bits are grey levels and have a full scale. Wider integers are counts, or grey levels that a library
    widened: their type's maximum means nothing, and dividing by 2^63 would leave nothing of them in float32.
    """
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        top = int(np.iinfo(dtype).max)
        return float(top), f"{dtype.name} divided by {top}"
    if dtype.kind in "iu":
        return 1.0, f"{dtype.name} values as they are"
    if dtype.kind == "b":
        return 1.0, "bool as 0 and 1"
    return 1.0, ""


def shared_tops(types: set[str]) -> dict[str, float]:
    """Types of image files that share the full scale of another one when they are read together.

    Each type of up to 16 bits has its own full scale; signed values beside unsigned ones of as many bits have theirs,
    so that the same number means the same in both.
    """
    return {f"int{bits}": 2.0**bits - 1 for bits in (8, 16) if {f"int{bits}", f"uint{bits}"} <= types}


def has_full_scale(dtype: str) -> bool:
    """Whether values of a type have a largest one, which becomes 1: bits, and whole numbers of up to 16 bits."""
    bits = dtype.removeprefix("u").removeprefix("int")
    return dtype == "bool" or (bits.isdigit() and int(bits) <= 16)


def float_type(dtype: np.dtype[Any], wanted: str | None) -> np.dtype[Any]:
    """The type to compute in.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the raw values.
    wanted : "float32" | "float64" | None

    Returns
    -------
    numpy.dtype
        The one that is wanted, else float64 for float64 and wider, else float32.
    """
    if wanted is not None:
        return np.dtype(wanted)
    return np.dtype(np.float64) if dtype.kind == "f" and dtype.itemsize >= 8 else np.dtype(np.float32)


def bad_images(X: Array) -> Array:
    """Indices of the columns of X (m, n) that hold NaN or infinite values, ascending."""
    with np.errstate(over="ignore", invalid="ignore"):  # Inf - Inf is what is looked for
        suspects = np.flatnonzero(~np.isfinite(X.sum(axis=0, dtype=np.float64)))
    bad: Array = suspects[[not np.isfinite(X[:, j]).all() for j in suspects]] if len(suspects) else suspects
    return bad


def make_finite(X: Array, choice: str | None, where: str, why: str = "") -> tuple[Array, str]:
    """Apply the choice ("zero", "drop") for NaN and infinite values to X (m, n), in place.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64, Fortran order
    choice : "zero" | "drop" | None
        Set them to 0, or leave out the images that hold any.
    where : str
        What to call the source in the error.
    why : str
        More on such values for the error, a clause.

    Returns
    -------
    kept : ndarray of bool (n,)
        Which images stay; with "drop", these are moved to the first columns of X.
    step : str
        In words, "" where nothing was done.

    Raises
    ------
    DatasetError
        Such values and no choice; it counts them and names the first images.
    """
    kept = np.ones(X.shape[1], dtype=bool)
    bad = bad_images(X)
    if not len(bad):
        return kept, ""
    count = sum(int(np.count_nonzero(~np.isfinite(X[:, j]))) for j in bad)
    listed = ", ".join(str(j + 1) for j in bad[:3]) + (", ..." if len(bad) > 3 else "")
    found = f"{count} NaN or infinite value{'s' if count > 1 else ''}"
    images = f"image{'s' if len(bad) > 1 else ''} {listed}"
    if choice is None:
        raise DatasetError(
            f"{where} holds {found}, in {images}; NMF needs finite values (accepted for nonfinite: zero, drop)"
            + (f"; {why}" if why else "")
        )
    if choice == "zero":
        for j in bad:
            X[~np.isfinite(X[:, j]), j] = 0
        return kept, f"{found} set to 0, in {images}"
    kept[bad] = False
    for j, i in enumerate(np.flatnonzero(kept)):
        if i != j:
            X[:, j] = X[:, i]
    return kept, f"left out for {found}: {images}"


def make_nonnegative(X: Array, choice: str | None, where: str) -> str:
    """Apply the choice ("clip", "shift", "abs") for negative values to X, in place.

    Parameters
    ----------
    X : ndarray (m, n), float32 or float64, finite
    choice : "clip" | "shift" | "abs" | None
        Set them to 0, subtract the smallest value from all, or take absolute values.
    where : str
        What to call the source in the error.

    Returns
    -------
    str
        What was done, in words, "" where nothing was.

    Raises
    ------
    DatasetError
        Negative values and no choice.
    """
    low = float(X.min())
    if low >= 0:
        return ""
    count = int(np.count_nonzero(X < 0))
    if choice is None:
        raise DatasetError(
            f"{where} holds {count} negative values (smallest {low:.6g}); choose clip, shift or abs to make them >= 0"
        )
    if choice == "clip":
        np.maximum(X, 0, out=X)
        return f"{count} negative values set to 0"
    if choice == "shift":
        X -= X.dtype.type(low)
        return f"shifted by {-low:.6g} so that the smallest value is 0"
    np.abs(X, out=X)
    return f"absolute value taken of {count} negative values"
