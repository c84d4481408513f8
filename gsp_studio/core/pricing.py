"""The update of shared-price HALS: what a run remembers of its price between two updates."""

from __future__ import annotations

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import Backend
from gsp_studio.core.params import Params, row_weights
from gsp_studio.core.updates import Update

_UNKNOWN = -1.0


class SharedPrice:
    """Sweeps over the basis images under one price, then the projection onto the target.

    The last price is where the next update begins, unless the target has moved.

    Attributes
    ----------
    price : float
        The multiplier of the projection's constraint; 0 where the target asks for none, negative before an update.
    """

    def __init__(self) -> None:
        self.price, self._target = _UNKNOWN, np.nan

    def __call__(self, V: Array, B: Array, G: Array, backend: Backend, params: Params, share: float = 1.0) -> Update:
        """As `methods.UpdateBasis`; `share` of the price is in force."""
        weights = None if params.weights is None else row_weights(params, V.dtype)
        if params.sparsity != self._target:
            self.price, self._target = _UNKNOWN, params.sparsity
        dense, self.price = backend.shared_price(
            V, B, G, params.sparsity, weights, self.price, share, params.n_steps, params.inner_tol
        )
        new, _ = backend.project_rows(dense, params.sparsity, weights)
        return new, dense
