"""Guessing how vectors become images: which shape, judged by how smooth the images look.

Neighbouring pixels of a picture are alike. With the wrong width each row is shifted against the next, and they are
not: the right shape has the least total variation. Squares come first among equals.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Longer images than this are proposed only when nothing else divides the number of pixels.
_LONGEST = 4.0
#: Larger images are not looked for.
_MOST_PIXELS = 1 << 40


def candidate_shapes(pixels: int) -> list[tuple[int, int]]:
    """Shapes that images of so many pixels can have.

    Parameters
    ----------
    pixels : int
        At least 1.

    Returns
    -------
    list of (height, width)
        Nearest to a square first; sides of more than 4 : 1 only when there are no others. Never empty.
    """
    if pixels > _MOST_PIXELS:  # which only a damaged header declares
        return [(1, pixels)]
    pairs = [(h, pixels // h) for h in range(1, math.isqrt(pixels) + 1) if pixels % h == 0]
    shapes = sorted({*pairs, *((w, h) for h, w in pairs)}, key=lambda s: (max(s) / min(s), s))
    usual = [shape for shape in shapes if max(shape) <= _LONGEST * min(shape)]
    return usual or shapes


def roughness(vectors: Array, shape: tuple[int, int], order: str) -> float:
    """Mean absolute difference of neighbouring pixels.

    Parameters
    ----------
    vectors : ndarray (m, k), float64
        Images as columns.
    shape : (height, width)
        With m pixels.
    order : "C" | "F"

    Returns
    -------
    float
        In the unit of the values.
    """
    h, w = shape
    grid = vectors.T.reshape(-1, h, w) if order == "C" else vectors.T.reshape(-1, w, h)
    steps = [np.abs(np.diff(grid, axis=axis)).mean() for axis in (1, 2) if grid.shape[axis] > 1]
    return float(np.mean(steps)) if steps else 0.0


def grain(vectors: Array, shape: tuple[int, int], order: str) -> float:
    """`roughness` as a fraction of that of the same pixels shuffled: about 1 for noise, 0.1 to 0.5 for images.

    Parameters as for `roughness`.
    """
    shuffled = np.random.default_rng(0).permutation(vectors, axis=0)
    noise = float(np.abs(np.diff(shuffled, axis=0)).mean()) if len(vectors) > 1 else 0.0
    return roughness(vectors, shape, order) / noise if noise > 0 else 1.0


def rank_shapes(vectors: Array, order: str) -> list[tuple[int, int]]:
    """Candidate shapes, the most plausible first: the smoothest, with a small price on long ones.

    Parameters
    ----------
    vectors : ndarray (m, k), float64
        Some images as columns.
    order : "C" | "F"

    Returns
    -------
    list of (height, width)
    """
    shapes = candidate_shapes(len(vectors))

    def penalty(shape: tuple[int, int]) -> float:
        return roughness(vectors, shape, order) * (1.0 + 0.1 * math.log(max(shape) / min(shape)))

    return sorted(shapes, key=lambda shape: (penalty(shape), max(shape) / min(shape), shape))


def looks_like_pixels(count: int) -> bool:
    """Whether images of usual proportions can have that many pixels, at least 2 x 2."""
    return any(min(shape) >= 2 and max(shape) <= _LONGEST * min(shape) for shape in candidate_shapes(count))
