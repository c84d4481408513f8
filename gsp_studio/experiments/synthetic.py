"""The synthetic data of the paper's Figure 1: an exact product whose left factor is half zeros."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array
from gsp_studio.core.sparsity import hoyer_sparsity


def synthetic_data(
    seed: int, m: int = 100, n: int = 100, rank: int = 10, dtype: npt.DTypeLike = np.float64
) -> tuple[Array, float]:
    """``X = max(0, N(0, 1)) (m, r) times U(0, 1) (r, n)`` and the average sparsity of the left factor.

    Parameters
    ----------
    seed : int
        Another one, another data set. The stream is not that of a start with the same seed, as a start that shares its
        random numbers with the data would know something of them.
    m, n, rank : int
    dtype : float32 or float64

    Returns
    -------
    X : ndarray (m, n), Fortran order
    sparsity : float
        Average Hoyer sparsity of the true W, about one half.

    References
    ----------
    Ohib et al., TMLR 2022, section 5.1 and Figure 1 (left).
    """
    rng = np.random.default_rng((seed, 1))
    W = np.maximum(rng.standard_normal((m, rank)), 0.0)
    H = rng.random((rank, n))
    # einsum, not BLAS: the same bits whatever the number of threads.
    X = np.einsum("ik,kj->ij", W, H)
    return np.asfortranarray(X, dtype=dtype), float(np.mean(hoyer_sparsity(W)))
