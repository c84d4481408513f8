"""Arrays as callers hold them: real numbers pass; types that could only be misread are refused in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

from gsp_studio.arrays import Array

_REAL = "biuf"
_REMEDIES = {
    "c": "its absolute value or its real part, for example, is one",
    "O": "X.astype(float) is one where every entry is a number",
    "V": "take one of its fields",
}


def as_real(values: Any, name: str = "X") -> Array:
    """An array of real numbers, of the type that it has.

    Parameters
    ----------
    values : array_like
    name : str
        Its name in errors.

    Returns
    -------
    ndarray
        Booleans count as 0 and 1.

    Raises
    ------
    ValueError
        A sparse matrix; a masked array that hides entries; complex numbers, dates, texts, Python objects, records:
        NumPy would take the real parts, the days since 1970, the digits, the values under the mask, without a word.
    """
    refuse_sparse(values, name)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"{name} is a masked array, and its mask has no meaning here; accepted is an array, as filled() or data is"
        )
    array = np.asarray(values)
    if array.dtype.kind not in _REAL:
        held = "Python objects" if array.dtype.kind == "O" else f"{array.dtype} values"
        remedy = f": {_REMEDIES[array.dtype.kind]}" if array.dtype.kind in _REMEDIES else ""
        raise ValueError(f"{name} holds {held}; accepted is an array of real numbers{remedy}")
    return array


def refuse_sparse(values: Any, name: str = "X") -> None:
    """Raise ValueError for a sparse matrix of any library, known by its attributes: no library is imported for it."""
    if isinstance(values, np.ndarray) or not (hasattr(values, "nnz") and hasattr(values, "shape")):
        return
    shape = tuple(values.shape)
    needed = 8e-6 * float(np.prod(shape, dtype=np.float64))
    dense = "toarray()" if hasattr(values, "toarray") else "todense()"
    raise ValueError(
        f"{name} is a sparse matrix ({type(values).__name__} {shape}); accepted is a dense array: {name}.{dense}, "
        f"which takes {needed:,.3f} MB in float64"
    )
