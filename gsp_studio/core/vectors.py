"""The house layout: every vector contiguous, all of them in one 1-D buffer, with offsets.

`pack` brings any accepted input into it, without a copy where the input already has it, and `Packed.unpack` brings
results back into the input's structure and memory order. Everything that can be wrong with an input is found here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Axis = int | tuple[int, ...]

#: Weights are used as they are while they lie in this range, and scaled by a power of two otherwise.
_WEIGHT_RANGE = (1e-15, 1e15)


@lru_cache(maxsize=64)
def equal_offsets(count: int, length: int) -> Array:
    """Offsets of `count` vectors of one length; shared, hence read-only."""
    offsets = np.arange(count + 1, dtype=np.int64) * length
    offsets.flags.writeable = False
    return offsets


@dataclass(frozen=True, eq=False)
class Packed:
    """Vectors in the house layout.

    Attributes
    ----------
    flat : ndarray (N,), float32 or float64
        The vectors, one after another. A view of the input where its layout allows.
    offsets : ndarray (r + 1,), int64
        Vector i is ``flat[offsets[i]:offsets[i + 1]]``.
    weights : ndarray or None
        (n,) shared by all vectors, or (N,) laid out as `flat`; the dtype of `flat`.
    view : ndarray (r, n) or None
        The input with its vectors as rows, in its own memory; None for a list of vectors.
    source : Any
        The input as an array, or its list of arrays.
    axis : tuple of int
        The axes of `source` that a vector's entries run along.
    """

    flat: Array
    offsets: Array
    weights: Array | None
    source: Any
    axis: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.offsets) - 1

    @property
    def is_view(self) -> bool:
        """Whether `flat` is the input's own memory."""
        return isinstance(self.source, np.ndarray) and np.shares_memory(self.flat, self.source)

    def vector(self, i: int) -> Array:
        """Vector i, a view of `flat`."""
        return self.flat[self.offsets[i] : self.offsets[i + 1]]
