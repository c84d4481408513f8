"""``python -m benchmarks.starts PATH ...``: errors of GSP-HALS from each start, over the lowest of all.

One thread, float32, 300 iterations, ranks 4, 16 and 49, six targets; cases with an exact fit are left out. A case is a
line on stderr as it is done, the table is printed at the end.
"""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import sys
from pathlib import Path

import numpy as np

import gsp_studio as gs

RANKS, TARGETS, ITERATIONS = (4, 16, 49), (0.3, 0.5, 0.7, 0.85, 0.95, 0.97), 300
STARTS = (("random", 0), ("random", 1), ("nndsvdar", 0), ("images", 0))
#: Errors, in percent, below which a fit counts as exact.
_EXACT = 0.01


def errors_of(path: str, backend: gs.Backend) -> np.ndarray:
    """Errors in percent (ranks, targets, starts) on a data set."""
    X = gs.load_dataset(path, dtype="float32").X
    found = np.full((len(RANKS), len(TARGETS), len(STARTS)), np.nan)
    for i, rank in enumerate(RANKS):
        for j, s in enumerate(TARGETS):
            for k, (init, seed) in enumerate(STARTS):
                params = gs.Params(rank, sparsity=s, init=init, seed=seed, max_iter=ITERATIONS)
                found[i, j, k] = 100 * gs.factorize(X, params, backend).error
            told = "  ".join(f"{error:.3f}" for error in found[i, j])
            print(f"{Path(path).name} rank {rank} s {s}: {told}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measure the data sets that are named."""
    backend = gs.get_backend("cpu", 1)
    print("| data | start | mean | largest | above 1.01 | largest fall of the error as s rises |")
    print("| --- | --- | --- | --- | --- | --- |")
    for path in sys.argv[1:]:
        found = errors_of(path, backend)
        lowest = found.min(axis=2)
        over = (found / lowest[:, :, None])[lowest > _EXACT]
        falls = np.max(1 - found[:, 1:] / np.maximum.accumulate(found, axis=1)[:, :-1], axis=(0, 1))
        for k, (init, seed) in enumerate(STARTS):
            name = f"{init}, seed {seed}" if init == "random" else init
            ratios = over[:, k]
            numbers = f"{ratios.mean():.3f} | {ratios.max():.3f} | {(ratios > 1.01).sum()} of {len(ratios)}"
            print(f"| {Path(path).stem} | {name} | {numbers} | {100 * max(0.0, falls[k]):.1f} % |", flush=True)


if __name__ == "__main__":
    main()
