"""Hoyer's sparsity of vectors, plain and weighted.

One number in [0, 1] for the shape of a vector: 0 when all entries have the same size (or are proportional to their
weights), 1 when a single one is left. Scale and sign do not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gsp_studio.backends.cpu.hoyer import hoyer_flat
from gsp_studio.core.vectors import Axis, in_structure, pack, refuse_not_finite


def hoyer_sparsity(x: Any, weights: Any = None, axis: Axis = 0) -> Any:
    """Hoyer sparsity of each vector.

    Parameters
    ----------
    x : array_like, or list of 1-D array_like
        A vector; a matrix (m, r) whose columns are vectors; any array, see `axis`; vectors of different lengths as a
        list. float32 and float64 as they are, float16 as float32, integers and booleans as float64.
    weights : array_like, optional
        Finite, >= 0, not all zero in a vector: shared by all vectors, or of x's own structure.
    axis : int or tuple of int
        The axes of an array that a vector's entries run along.

    Returns
    -------
    float, or ndarray of float64
        A number for a single vector; (r,) for a matrix or a list; the shape of the other axes in general.

    Raises
    ------
    ValueError
        No vectors; a vector with fewer than two entries; NaN or infinite values; weights that do not fit.

    Notes
    -----
    ``sp(x) = (sqrt(n) - ||x||_1 / ||x||_2) / (sqrt(n) - 1)`` and, with weights,
    ``(||w||_2 - w'|x| / ||x||_2) / (||w||_2 - min w)``. A zero vector counts as 1. Sums are in float64, and every size
    from 1e-300 to 1e300 is right: vectors whose squares would overflow are scaled first.

    References
    ----------
    Hoyer, JMLR 2004; Ohib et al., TMLR 2022, equation 2 and section 3.3 (weights).

    Examples
    --------
    >>> hoyer_sparsity([3.0, 0.0, 0.0, 0.0]), hoyer_sparsity([1.0, -1.0, 1.0, 1.0])
    (1.0, 0.0)
    """
    packed = pack(x, weights, axis)
    sparsities = hoyer_flat(packed.flat, packed.offsets, packed.weights)
    if np.isnan(sparsities).any():
        refuse_not_finite(packed)
    if packed.rows is not None and packed.rows.ndim == (len(axis) if isinstance(axis, tuple) else 1):
        return float(sparsities[0])
    return in_structure(sparsities, packed, axis)
