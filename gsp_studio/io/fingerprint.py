"""Fingerprints of data: hashes that are equal for equal matrices."""

from __future__ import annotations

import hashlib

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.blocks import BlockMatrix

#: Images in the fingerprint of a matrix that stays in its file.
_SAMPLED = 64


def fingerprint_of(X: Array) -> str:
    """SHA-256 of a matrix.

    Parameters
    ----------
    X : ndarray (m, n)

    Returns
    -------
    str
        64 hexadecimal digits of shape, type and values, column by column: the same whatever the order in memory.
    """
    digest = hashlib.sha256(f"{X.shape} {X.dtype.str}".encode())
    columns = X.T if X.flags.f_contiguous else np.ascontiguousarray(X.T)
    digest.update(columns.data.cast("B"))
    return digest.hexdigest()


def sampled_fingerprint_of(X: BlockMatrix) -> str:
    """SHA-256 of shape, type and the values of some images, so that the file need not be read whole."""
    digest = hashlib.sha256(f"sampled {X.shape} {X.dtype.str}".encode())
    for j in np.unique(np.linspace(0, X.shape[1] - 1, _SAMPLED).astype(int)):
        digest.update(np.ascontiguousarray(X[:, j]).data.cast("B"))
    return digest.hexdigest()
