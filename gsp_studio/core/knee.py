"""The knee of a curve; light, as the window imports it first."""

from __future__ import annotations

import math

import numpy as np

from gsp_studio.arrays import Array

#: A knee has at most so many times the lowest y: an error of several times that of the densest basis is not little.
_LITTLE = 3.0


def knee(x: Array, y: Array) -> float:
    """Up to where x costs little: the x of the point that lies farthest below the curve's chord; NaN where none does.

    Both axes are scaled to [0, 1] between the curve's ends, so that the chord is a diagonal; the distance of a point
    from it is then in proportion to ``y_chord - y``. Points above the chord are where the curve flattens out again:
    they do not count. A point that costs more than `_LITTLE` times the lowest y is no knee, however far it lies
    below: it is no place up to which x costs little.
    """
    width, height = float(x[-1] - x[0]), float(y[-1] - y[0])
    if width <= 0.0 or height == 0.0:
        return math.nan
    below = (y[0] + height * (x - x[0]) / width - y) / abs(height)
    best = int(np.argmax(below))
    is_cheap = y[best] <= _LITTLE * np.min(y)
    return float(x[best]) if below[best] > 1e-6 and is_cheap else math.nan
