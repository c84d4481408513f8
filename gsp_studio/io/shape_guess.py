"""Guessing how vectors become images: which shape, judged by how smooth the images look.

Neighbouring pixels of a picture are alike. With the wrong width each row is shifted against the next, and they are
not: the right shape has the least total variation. Squares come first among equals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gsp_studio.arrays import Array

#: Neighbours in a picture differ less than this fraction of what values by chance do.
MUCH = 0.8
#: Lines that a vector is cut into differ so much more than neighbours in a picture that is no set of vectors.
APART = 1.25
#: Pixels that an array has in each direction at least to be taken for one picture.
LEAST_SIDE = 16
#: Values in each direction from which a guess is made, about a stack and about a matrix.
BLOCK, PICTURE = 128, 512
#: Factor by which differences down and across a picture differ at most, usually; and in any picture.
_ALIKE, _AT_ALL = 1.5, 4.0
#: Factor by which values at a distance differ more than neighbours do in curves.
_CURVED = 2.5
#: Vectors from which a shape is guessed.
_SAMPLE = 64
#: Longer images than this are proposed only when nothing else divides the number of pixels.
LONGEST = 4.0
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
    usual = [shape for shape in shapes if max(shape) <= LONGEST * min(shape)]
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


def step_between_lines(vectors: Array, shape: tuple[int, int], order: str) -> float:
    """Mean absolute difference between the lines that vectors (m, k) are cut into, rows or columns as `order` says."""
    length = shape[1] if order == "C" else shape[0]
    return float(np.abs(vectors[length:] - vectors[:-length]).mean()) if 0 < length < len(vectors) else math.inf


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
    return any(min(shape) >= 2 and max(shape) <= LONGEST * min(shape) for shape in candidate_shapes(count))


def differences(block: Array) -> list[float]:
    """Mean absolute differences of neighbours along each axis, and last that of values by chance.

    Parameters
    ----------
    block : ndarray, float64
        All sides at least 2.

    Returns
    -------
    list of float
    """
    shuffled = np.random.default_rng(0).permutation(block.ravel())
    each = [float(np.abs(np.diff(block, axis=axis)).mean()) for axis in range(block.ndim)]
    return [*each, float(np.abs(np.diff(shuffled)).mean())]


def are_alike(down: float, across: float) -> bool:
    """Whether differences down and across could be those of one picture."""
    return 0 < max(down, across) <= _AT_ALL * min(down, across)


def is_picture(matrix: Callable[[], Any], vectors: Callable[[str], Array], sides: dict[str, int], order: str) -> bool:
    """Whether a matrix is one picture: much smoother than its rows or columns are as images of their best shape."""
    if min(sides.values()) < LEAST_SIDE:
        return False
    down, across, noise = differences(block(matrix(), PICTURE))
    if not are_alike(down, across):
        return False
    steps = []
    for way, count in (("rows", sides["columns"]), ("columns", sides["rows"])):
        if looks_like_pixels(count):
            some = vectors(way)
            steps.append(step_between_lines(some, rank_shapes(some, order)[0], order))
    is_smooth = down + across < noise * (2 * MUCH if steps else 1)
    return is_smooth and all(step > APART * max(down, across) for step in steps)


def least_grain(vectors: Array, order: str) -> float:
    """`grain` of vectors (m, k) as images of their most plausible shape."""
    return grain(vectors, rank_shapes(vectors, order)[0], order)


def is_smooth_both_ways(vectors: Array, order: str) -> bool:
    """Whether vectors (m, k) are pictures: neighbours along a line and between lines differ alike, and little."""
    shape = rank_shapes(vectors, order)[0]
    along, across = _differences_of_lines(vectors, shape, order)
    return grain(vectors, shape, order) < MUCH and max(along, across) <= _ALIKE * min(along, across)


def is_smooth_one_way(vectors: Array, order: str) -> bool:
    """Whether vectors (m, k) are curves: values that follow each other differ far less than lines of a picture do."""
    along, across = _differences_of_lines(vectors, rank_shapes(vectors, order)[0], order)
    return across > _CURVED * along


def _differences_of_lines(vectors: Array, shape: tuple[int, int], order: str) -> tuple[float, float]:
    """Mean absolute differences of values that follow each other, and of neighbours in lines that do."""
    along = float(np.abs(np.diff(vectors, axis=0)).mean()) if len(vectors) > 1 else math.inf
    return along, step_between_lines(vectors, shape, order)


def odd_axis(each: list[float]) -> int | None:
    """The axis of three that is not one of a picture, as neighbours differ alike along the other two.

    Pictures after another differ more along it, spectra and slow movies less.

    Parameters
    ----------
    each : list of 3 float
        Mean absolute differences along each axis.

    Returns
    -------
    int or None
        None unless it is clear.
    """
    if min(each) <= 0:
        return None
    logs = np.log(each)
    apart = [abs(logs[(k + 1) % 3] - logs[(k + 2) % 3]) for k in range(3)]
    first, second, _ = sorted(apart)
    is_clear = first < math.log(_ALIKE) and second - first > math.log(_ALIKE)
    return int(np.argmin(apart)) if is_clear else None


def sample(vectors: Any) -> Array:
    """Some vectors as columns, spread over the whole.

    Parameters
    ----------
    vectors : ndarray (n, m) or LazyArray, real numbers

    Returns
    -------
    ndarray (m, k), float64
        NaN and infinite values count as 0.
    """
    count = len(vectors)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(int))
    return _finite(vectors[chosen].T)


def block(values: Any, side: int, most: int | None = None) -> Array:
    """Neighbouring values from the middle of an array.

    Parameters
    ----------
    values : ndarray or LazyArray, real numbers
    side : int
        Values in each direction.
    most : int, optional
        Along the first axis no more than these, either.

    Returns
    -------
    ndarray, float64
        NaN and infinite values count as 0.
    """
    inner = [_middle(length, side) for length in values.shape[1:]]
    part = values[_middle(len(values), min(side, most or side))]  # what stays in its file is read along the first axis
    return _finite(part[(slice(None), *inner)])


def _middle(length: int, count: int) -> slice:
    start = max(0, (length - count) // 2)
    return slice(start, min(length, start + count))


def _finite(values: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nan_to_num(np.asarray(values, dtype=np.float64), posinf=0.0, neginf=0.0)
