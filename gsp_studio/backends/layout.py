"""The house layout of vectors: each contiguous, one after another in a 1-D buffer, with int64 offsets."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gsp_studio.backends.backend import Array


@lru_cache(maxsize=64)
def equal_offsets(count: int, length: int) -> Array:
    """Offsets of `count` vectors of one length; shared between callers, hence read-only."""
    offsets = np.arange(count + 1, dtype=np.int64) * length
    offsets.flags.writeable = False
    return offsets
