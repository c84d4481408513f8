"""Compile the kernels that most tests need: one process, once, while script/test runs the linters on the other core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import gsp_studio as gs


def main() -> None:
    """Run every method once, on small data of either precision, with and without missing entries and a sparse H."""
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        X = rng.random((12, 30), dtype=dtype)
        mask = rng.random(X.shape) < 0.1
        for method, traits in gs.METHODS.items():
            params = gs.Params(3, method=method, sparsity=0.5, max_iter=2)
            if traits.uses_weights:
                params = replace(params, weights=np.linspace(0.5, 1, 12))
            gs.factorize(X, params, "cpu")
            gs.factorize(X, params, "cpu", mask=mask)


if __name__ == "__main__":
    main()
