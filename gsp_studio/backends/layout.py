"""The house layout of vectors: each contiguous, one after another in a 1-D buffer, with int64 offsets."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gsp_studio.backends.backend import Array

#: Weights with a largest value outside this range are scaled by a power of two; sparsity ignores the scale of weights.
_WEIGHT_RANGE = (1e-3, 1e3)


@lru_cache(maxsize=64)
def equal_offsets(count: int, length: int) -> Array:
    """Offsets of `count` vectors of one length; shared between callers, hence read-only."""
    offsets = np.arange(count + 1, dtype=np.int64) * length
    offsets.flags.writeable = False
    return offsets


def checked_weights(rows: Array, dtype: npt.DTypeLike) -> Array | None:
    """Weights (1, n) or (r, n) as they are used: flat, of that dtype, None where all are equal."""
    low, high = rows.min(axis=1), rows.max(axis=1)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError("weights holds NaN or infinite values; accepted are finite weights >= 0")
    if low.min() < 0:
        raise ValueError(f"weights holds {low.min():.6g}; accepted are weights >= 0")
    if high.min() == 0:
        raise ValueError("weights are zero for all entries of a vector; at least one must be positive")
    if np.array_equal(low, high):
        return None
    if high.max() > _WEIGHT_RANGE[1] or high.min() < _WEIGHT_RANGE[0]:
        rows = np.ldexp(rows, -np.frexp(high)[1][:, None])
    return np.ascontiguousarray(rows, dtype=dtype).reshape(-1)
