"""Errors by their definitions, to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.powers import scaled
from gsp_studio.core.residuals import _blocks, _relative
from gsp_studio.core.units import unit_of_factors

Array = npt.NDArray[Any]


def masked_error(X: npt.ArrayLike, W: Array, H: Array, mask: npt.ArrayLike) -> float:
    """``||X - W H||_F / ||X||_F`` over the entries where `mask` is True: the error on what was held out.

    Parameters
    ----------
    X : array_like (m, n)
    W, H : ndarray (m, r), (r, n)
    mask : array_like (m, n) of bool

    Returns
    -------
    float
        A fraction; NaN where X is zero on all of them, or none is True.
    """
    unit = unit_of_factors(X := np.asarray(X), W, H)
    W, H = unit.basis_inside(W), unit.coefficients_inside(H)
    images, pixels = np.nonzero(np.asarray(mask, dtype=bool).T)
    truth = scaled(X[pixels, images].astype(np.float64), -unit.data)
    fit = np.empty(len(truth))
    step = max(1, (1 << 20) // max(1, W.shape[1]))
    for a in range(0, len(truth), step):
        part = slice(a, a + step)
        fit[part] = np.einsum("ik,ki->i", W[pixels[part]], H[:, images[part]], dtype=np.float64)
    norm = float(np.linalg.norm(truth))
    return float(np.linalg.norm(truth - fit)) / norm if norm > 0 else float("nan")


def image_errors(X: Array, W: Array, H: Array) -> Array:
    """``||x_j - W h_j|| / ||x_j||`` of every image (n,), in blocks of images; 0 or infinity for a zero image."""
    unit = unit_of_factors(X, W, H)
    if unit.data:
        X, W, H = unit.data_inside(X), unit.basis_inside(W), unit.coefficients_inside(H)
    errors = np.zeros(X.shape[1])
    for some, images, left in _blocks(X, W, H):
        norms = np.square(images, dtype=np.float64).sum(axis=1)
        errors[some] = _relative(np.square(left, dtype=np.float64).sum(axis=1), norms)
    return errors
