"""Scales of factors for people: columns of W of unit sum, maximum or norm, with the rows of H scaled inversely."""

from __future__ import annotations

import numpy as np

from gsp_studio.arrays import Array

#: Ways to scale spectra, and what they mean, for labels of axes.
UNITS = {"none": "as they are", "sum": "unit sum", "max": "unit maximum", "norm": "unit norm"}


def unit_scales(W: Array, unit: str) -> Array:
    """Find what columns are divided by.

    Parameters
    ----------
    W : ndarray (m, r), >= 0
    unit : str
        A key of `UNITS`.

    Returns
    -------
    ndarray (r,), float64
        1 for columns of zeros, and for "none".

    Raises
    ------
    ValueError
        Another unit.
    """
    if unit not in UNITS:
        raise ValueError(f'"{unit}" is no unit of spectra; accepted are {", ".join(UNITS)}')
    columns = np.asarray(W, np.float64)
    top = columns.max(axis=0, initial=0.0)
    if unit == "sum":
        scales = columns.sum(axis=0)
    elif unit == "norm":
        inside = np.divide(columns, top, out=np.zeros_like(columns), where=top > 0)  # squares stay within range
        scales = top * np.linalg.norm(inside, axis=0)
    else:
        scales = top if unit == "max" else np.ones(columns.shape[1])
    return np.where(scales > 0, scales, 1.0)


def in_units(W: Array, H: Array, unit: str) -> tuple[Array, Array]:
    """Scale spectra and, inversely, their coefficients; the product W H stays.

    Parameters
    ----------
    W : ndarray (m, r), >= 0
    H : ndarray (r, n), >= 0
    unit : str
        A key of `UNITS`.

    Returns
    -------
    ndarray (m, r), ndarray (r, n)
        The arrays themselves for "none".

    Examples
    --------
    >>> W, H = in_units(np.array([[2.0], [4.0]]), np.array([[1.0, 3.0]]), "max")
    >>> W.ravel().tolist(), H.ravel().tolist()
    ([0.5, 1.0], [4.0, 12.0])
    """
    if unit == "none":
        return W, H
    scales = unit_scales(W, unit)
    with np.errstate(over="ignore"):
        return (W / scales).astype(W.dtype), (H * scales[:, None]).astype(H.dtype)
