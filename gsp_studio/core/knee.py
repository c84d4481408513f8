"""The knee of a curve; light, as the window imports it first."""

from __future__ import annotations

import math

import numpy as np

from gsp_studio.arrays import Array

#: Points with more than so many times the lowest y are no part of the curve that has a knee: they are not cheap.
_LITTLE = 3.0


def knee(x: Array, y: Array) -> float:
    """Up to where x costs little: the x of the point that lies farthest below the curve's chord; NaN where none does.

    Only the curve up to the last point with at most `_LITTLE` times the lowest y counts: an error rises to 1 in the
    end, and a chord to there would call a knee what costs many times the lowest error. Both axes are scaled to [0, 1]
    between the ends, so that the chord is a diagonal; the distance of a point from it is then in proportion to
    ``y_chord - y``. Points above the chord are where the curve flattens out again: they do not count.
    """
    little = np.flatnonzero(y <= _LITTLE * np.min(y))
    x, y = x[: little[-1] + 1], y[: little[-1] + 1]
    width, height = float(x[-1] - x[0]), float(y[-1] - y[0])
    if width <= 0.0 or height == 0.0:
        return math.nan
    below = (y[0] + height * (x - x[0]) / width - y) / abs(height)
    best = int(np.argmax(np.where(y <= _LITTLE * np.min(y), below, 0.0)))
    return float(x[best]) if below[best] > 1e-6 else math.nan
