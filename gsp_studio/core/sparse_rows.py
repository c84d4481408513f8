"""Compressed sparse rows (SciPy's CSR) as images that become dense some at a time."""

from __future__ import annotations

from typing import Any

from gsp_studio.backends.backend import Array
from gsp_studio.backends.blocks import BlockMatrix


def blocks_of_rows(X: Any) -> BlockMatrix:
    """The rows of a CSR matrix as images, made dense in blocks as they are read.

    Parameters
    ----------
    X : scipy.sparse.csr_array or csr_matrix (n, m), float32 or float64
        Kept, and not written to. Entries that are not stored are zeros.

    Returns
    -------
    BlockMatrix (m, n)
    """
    stored = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    return BlockMatrix(X.shape[::-1], X.dtype, _DenseRows(X), stored)


class _DenseRows:
    """Writes rows of a CSR matrix into dense memory."""

    def __init__(self, X: Any) -> None:
        self._X = X

    def __call__(self, start: int, stop: int, out: Array) -> None:
        self._X[start:stop].toarray(out=out)
