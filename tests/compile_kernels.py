"""Compile the kernels that most tests need, for the types named: ``python tests/compile_kernels.py float32 float64``.

`script/test` does so once, a type a process, before tests that run side by side would each compile the same.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

import gsp_studio as gs


def main(dtypes: list[str]) -> None:
    """Run every method once, on small data of these types, with and without missing entries."""
    rng = np.random.default_rng(0)
    for dtype in dtypes:
        X = rng.random((12, 30)).astype(dtype)
        mask = rng.random(X.shape) < 0.1
        for method, traits in gs.METHODS.items():
            params = gs.Params(3, method=method, sparsity=0.5, max_iter=2)
            if traits.uses_weights:
                params = replace(params, weights=np.linspace(0.5, 1, 12))
            gs.factorize(X, params, "cpu")
            gs.factorize(X, params, "cpu", mask=mask)


if __name__ == "__main__":
    main(sys.argv[1:])
