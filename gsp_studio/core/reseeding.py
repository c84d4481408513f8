"""New starts for dead basis images, from the residuals of the worst described images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import Backend
from gsp_studio.core.distributed import shards
from gsp_studio.core.distributed.matrix import each, made


def reseed(Xt: Any, V: Array, H: Any, backend: Backend, dead: Sequence[int]) -> tuple[Array, Any]:
    """Restart dead basis images from the residuals of the worst described images, and fit their coefficients.

    Parameters
    ----------
    Xt : ndarray (n, m), or Rows, or DistributedRows
    V, H : ndarray (r, m), (r, n); with DistributedRows H is Coefficients
    backend : Backend
        As `blocks.prepared` gives it with Xt.
    dead : sequence of int
        Basis images; where there are more than images, the last ones stay as they are.

    Returns
    -------
    V, H
        New ones.
    """
    V = V.copy()
    found = each(Xt, backend, shards.worst, V, len(dead), of=H)
    left, numbers = (np.concatenate([one[i] for one in found]) for i in range(2))
    for k, j in zip(dead, numbers[np.argsort(-left, kind="stable")], strict=False):
        V[k] = np.maximum(Xt[j] - np.ascontiguousarray(H[:, j]) @ V, 0.0)
        _, H = made(Xt, backend, shards.refit, V.copy(), k, of=H, basis=V.copy())
    return V, H
