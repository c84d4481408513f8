"""Powers of two: the factors that change no digit of a floating-point number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gsp_studio.backends.backend import Array, as_compute_dtype

#: The largest exponent that one multiplication can have: 2**-k is a normal number of the type too.
_MOST = {4: 126, 8: 1022}


def exponent_of(largest: float) -> int:
    """The exponent k with ``2**(k - 1) < largest <= 2**k``; 0 for zero, infinity and NaN."""
    if not (math.isfinite(largest) and largest > 0.0):
        return 0
    fraction, exponent = math.frexp(largest)
    return exponent - (fraction == 0.5)


def scale_in_place(array: Array, exponent: int) -> None:
    """Multiply float32 or float64 by ``2**exponent``; results beyond the type's range become infinite or 0."""
    most = _MOST[array.dtype.itemsize]
    with np.errstate(over="ignore", under="ignore"):
        while exponent:
            step = max(-most, min(most, exponent))
            array *= array.dtype.type(2.0**step)
            exponent -= step


def scaled(array: Any, exponent: int) -> Any:
    """An array times ``2**exponent``, new, in the same memory order, float32 or float64; itself for exponent 0."""
    if exponent == 0:
        return array
    out: Array = np.array(as_compute_dtype(array), order="K")
    scale_in_place(out, exponent)
    return out
