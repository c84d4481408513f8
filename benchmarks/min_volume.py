"""Minimum-volume factors of a scene, beside its reference: what a penalty on the volume of the spectra would give.

``||X - W H||^2 + weight ||X||^2 log det(U'U + delta I)``, where U has the columns of W at length 1, or W itself where
the coefficients of each pixel sum to one. At the basis that is there the logarithm lies below its tangent, which is
quadratic in W, so that the update of the basis stays HALS, with a term more in its matrix (Leplat, Ang & Gillis,
"Minimum-volume rank-deficient nonnegative matrix factorizations", ICASSP 2019).

    python -m benchmarks.min_volume samson_dataset.mat
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import gsp_studio as gs
from gsp_studio.arrays import Array
from gsp_studio.backends import get_backend
from gsp_studio.core.abundances import start_on, summed
from gsp_studio.core.truth import compare_with_truth
from gsp_studio.io.references import Sizes
from gsp_studio.io.seed_sources import endmember_seeds
from gsp_studio.io.truth_file import read_truth

RANK, SWEEPS, TOL = 3, 10, 0.1
WEIGHTS = (0.0, 1e-5, 3e-5, 1e-4, 3e-4)


def minimum_volume(
    X: Array, W: Array, weight: float, n_iter: int, delta: float = 1e-3, sums_to_one: bool = False
) -> tuple[Array, Array]:
    """Factors of least squares with a penalty on the volume of the basis.

    Parameters
    ----------
    X : ndarray (m, n)
    W : ndarray (m, r)
        The start.
    weight : float
        Of the penalty, as a part of ``||X||^2``.
    n_iter : int
    delta : float
        What keeps the logarithm finite.
    sums_to_one : bool
        Whether the coefficients of each pixel sum to one; else the columns of W have length 1 in the penalty.

    Returns
    -------
    W, H : ndarray (m, r), (r, n)
    """
    backend = get_backend("cpu")
    V, ones = np.ascontiguousarray(W.T), np.ones(X.shape[1])
    scale = weight * float(np.square(X).sum())

    def coefficients(V: Array, H: Array) -> Array:
        if sums_to_one:
            return summed(H, V @ X, V @ V.T, 1.0, ones, backend, 2 * SWEEPS, SWEEPS)
        return backend.hals(H, V @ X, V @ V.T, SWEEPS, TOL)

    H = start_on(np.zeros((len(V), X.shape[1])), ones)
    for _ in range(SWEEPS):
        H = coefficients(V, H)
    for _ in range(n_iter):
        lengths = np.ones(len(V)) if sums_to_one else np.linalg.norm(V, axis=1)
        unit = V / lengths[:, None]
        slope = np.linalg.inv(unit @ unit.T + delta * np.eye(len(V))) / np.outer(lengths, lengths)
        V = backend.hals(V, H @ X.T, H @ H.T + scale * slope, SWEEPS, TOL)
        H = coefficients(V, H)
    return V.T, H


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", help="a scene with its reference spectra and abundances in the same file")
    parser.add_argument("--max-iter", type=int, default=300)
    args = parser.parse_args()
    data = gs.load_dataset(args.path, samples="pixels")
    truth = read_truth([":"], Sizes.of(data))
    X: Any = np.asfortranarray(data.X, np.float64)
    random = np.random.default_rng(0).random((len(X), RANK)) * X.mean() * 2
    starts = {"N-FINDR": _endmembers(data, "nfindr"), "VCA": _endmembers(data, "vca"), "random": random}
    heads = ("start", "coefficients", "weight", "error", "mean spectral angle", "RMSE of abundances")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for start, sums_to_one, weights in (
        ("N-FINDR", False, WEIGHTS),
        ("VCA", False, WEIGHTS[2:3]),
        ("random", False, WEIGHTS[2:3]),
        ("N-FINDR", True, WEIGHTS[::2]),
    ):
        for weight in weights:
            W, H = minimum_volume(X, starts[start], weight, args.max_iter, sums_to_one=sums_to_one)
            found = compare_with_truth(W, H, truth)
            error = 100 * np.linalg.norm(X - W @ H) / np.linalg.norm(X)
            kind = "sum to one" if sums_to_one else "free"
            numbers = f"{error:.3f} % | {found.mean_angle:.2f}° | {found.total_rmse:.3f}"
            print(f"| {start} | {kind} | {weight:g} | {numbers} |", flush=True)


def _endmembers(data: gs.Dataset, method: str) -> Array:
    return np.column_stack([seed.values for seed in endmember_seeds(data, method, RANK)])


if __name__ == "__main__":
    main()
