"""From raw values to nonnegative floats: every step is a named choice and leaves a sentence in `Dataset.steps`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io.dataset import DatasetError

Array = npt.NDArray[Any]


def unit_scale(dtype: np.dtype[Any]) -> tuple[float, str]:
    """What integer values are divided by, with the step's words; (1, "") for floating values."""
    if dtype.kind in "iu":
        top = int(np.iinfo(dtype).max)
        return float(top), f"{dtype.name} divided by {top}"
    if dtype.kind == "b":
        return 1.0, "bool as 0 and 1"
    return 1.0, ""


def float_type(dtype: np.dtype[Any], wanted: str | None) -> np.dtype[Any]:
    """The type to compute in: the one that was asked for, float64 for float64, else float32."""
    if wanted is not None:
        return np.dtype(wanted)
    return np.dtype(np.float64) if dtype == np.float64 else np.dtype(np.float32)


def require_finite(X: Array, where: str) -> None:
    """Raise DatasetError that counts NaN and infinite values of X (m, n) and names the first images with them."""
    sums = X.sum(axis=0, dtype=np.float64)
    if np.all(np.isfinite(sums)):
        return
    bad = ~np.isfinite(X)
    count = int(bad.sum())
    if count == 0:  # finite values whose sum is not
        return
    images = np.flatnonzero(bad.any(axis=0)) + 1
    listed = ", ".join(map(str, images[:3])) + (", ..." if len(images) > 3 else "")
    raise DatasetError(
        f"{where} holds {count} NaN or infinite values, in image{'s' if len(images) > 1 else ''} {listed}; "
        "NMF needs finite values"
    )


def make_nonnegative(X: Array, choice: str | None, where: str) -> str:
    """Apply the choice for negative values to X in place; the step's words, "" when there were none.

    Raises
    ------
    DatasetError
        Negative values and no choice, or an unknown one.
    """
    if choice not in (None, "clip", "shift", "abs"):
        raise DatasetError(f'negative values: "{choice}" is not a choice; accepted are clip, shift and abs')
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
