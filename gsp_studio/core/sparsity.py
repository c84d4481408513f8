"""Hoyer sparsity (first version)."""
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def hoyer_sparsity(x: Any, weights: Any = None, axis: int = 0) -> Any:
    """Hoyer sparsity along axis."""
    a = np.abs(np.asarray(x, dtype=np.float64))
    a = np.moveaxis(a, axis, 0)
    w = np.ones(a.shape[0]) if weights is None else np.asarray(weights, dtype=np.float64)
    w = w.reshape(w.shape + (1,) * (a.ndim - w.ndim))
    norm, low = np.linalg.norm(w, axis=0), w.min(axis=0)
    n2 = np.linalg.norm(a, axis=0)
    ratio = np.divide((w * a).sum(axis=0), n2, out=np.zeros_like(n2) + low, where=n2 > 0)
    result = (norm - ratio) / (norm - low)
    return float(result) if result.ndim == 0 else result
