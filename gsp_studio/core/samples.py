"""Samples of the estimator, one a row, as the solver takes them; what it cannot take is refused here."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

from gsp_studio.arrays import Array
from gsp_studio.core.masking import check_weights
from gsp_studio.core.sparse_rows import blocks_of_rows


def filled(data: Array, mask: Any, needs_some: bool) -> tuple[Array, Array | None]:
    """Dense samples that hold 0 where entries are missing, and these, or the weights of all where these are others."""
    missing, weights = np.isnan(data), None
    if mask is not None:
        hidden, weights = check_weights(mask, data.shape)
        missing |= hidden
    if not missing.any():
        check_values(data)
        return data, weights
    if needs_some and missing.all():
        raise ValueError("X has no entry that is there: all of them are NaN or masked; at least one has to be there")
    data = data.copy()
    data[missing] = 0
    check_values(data)
    return data, missing if weights is None else np.where(missing, 0, weights)


def images(data: Any) -> Any:
    """Samples, dense or as CSR, as images in columns."""
    return blocks_of_rows(data) if issparse(data) else data.T


def of_type(data: Any, dtype: npt.DTypeLike) -> Any:
    """Samples, dense or as CSR, in a floating-point type.

    Raises
    ------
    ValueError
        Values beyond the range of the type, which would become infinite.
    """
    if data.dtype == dtype:
        return data
    largest, most = float(data.max()) if data.shape[0] else 0.0, float(np.finfo(dtype).max)
    if largest > most:
        raise ValueError(
            f"X holds values up to {largest:.6g}, and the components are {np.dtype(dtype)}; accepted are values up to "
            f"{most:.6g}, or a model that was fitted to float64"
        )
    return data.astype(dtype)


def check_values(values: Array) -> None:
    """Raise ValueError, in one sentence, for infinite or negative values."""
    if not np.isfinite(values).all():
        raise ValueError("X holds infinite values; accepted are finite values >= 0, and NaN where an entry is missing")
    if values.size and values.min() < 0:
        raise ValueError(
            f"Negative values in data passed to SparseNMF (smallest {values.min():.6g}); accepted are values >= 0"
        )
