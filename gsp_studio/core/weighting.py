"""Weight images for the weighted projection: presets, and a soft brush.

A weight is the cost of a pixel to a basis image, so basis images leave pixels of high weight and gather on the others.
Only ratios count: w and 2 w give the same projection, and equal weights give the plain one. Everything here lies in
[floor, 1] with floor > 0, because a pixel of weight 0 costs nothing and never leaves a basis image, not even at s = 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array

#: Rows and columns of a part of an image.
Box = tuple[slice, slice]
Side = Literal["right", "left", "bottom", "top"]

#: The lowest weight; the highest is 1.
FLOOR = 0.1
#: The part of values, in percent, that presets made from an image ignore at either end: dead and hot pixels.
_TAILS = 1.0


def centre(shape: tuple[int, int], floor: float = FLOOR) -> Array:
    """Low in the centre, high at the border: moves the basis to the centre of a face.

    Parameters
    ----------
    shape : (height, width)
        At least 1 x 1.
    floor : float
        The lowest weight, 0 < floor < 1.

    Returns
    -------
    ndarray (height, width), float64
        In [floor, 1]: rises with the squared distance from the centre, each axis in units of half its length, and is 1
        from there on.

    Raises
    ------
    ValueError
        A shape without pixels, or a floor outside (0, 1).
    """
    rows, columns = _axes(shape)
    return _between(floor, np.minimum(rows[:, None] ** 2 + columns[None, :] ** 2, 1.0))


def border(shape: tuple[int, int], floor: float = FLOOR) -> Array:
    """High in the centre, low at the border: `centre` inverted.

    Parameters, returns and raises as for `centre`.
    """
    return invert(centre(shape, floor), floor)


def ramp(shape: tuple[int, int], side: Side = "right", floor: float = FLOOR) -> Array:
    """Rising evenly from one side to the other.

    Parameters
    ----------
    shape : (height, width)
        At least 1 x 1.
    side : "right" | "left" | "bottom" | "top"
        The side with weight 1; the other one has `floor`.
    floor : float
        The lowest weight, 0 < floor < 1.

    Returns
    -------
    ndarray (height, width), float64
        In [floor, 1].

    Raises
    ------
    ValueError
        Another side, a shape without pixels, or a floor outside (0, 1).
    """
    if side not in ("right", "left", "bottom", "top"):
        raise ValueError(f"side is {side!r}; accepted are right, left, bottom and top")
    rows, columns = _axes(shape)
    across = np.broadcast_to(columns[None, :] if side in ("right", "left") else rows[:, None], shape)
    return _between(floor, (1.0 + (across if side in ("right", "bottom") else -across)) / 2.0)


def from_image(image: npt.ArrayLike, floor: float = FLOOR) -> Array:
    """Low where an image is bright, high where it is dark: keeps the basis on what the images show.

    Parameters
    ----------
    image : array_like (height, width)
        Finite; for example the mean image. Its darkest and brightest hundredth count as one value each.
    floor : float
        The lowest weight, 0 < floor < 1.

    Returns
    -------
    ndarray (height, width), float64
        In [floor, 1]; 1 everywhere for an image without contrast.

    Raises
    ------
    ValueError
        No image, values that are not finite, or a floor outside (0, 1).
    """
    values = np.asarray(image, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"image has shape {values.shape}; accepted is (height, width) with at least one pixel")
    if not np.isfinite(values).all():
        raise ValueError("image holds NaN or infinite values; accepted are finite values")
    low, high = np.percentile(values, (_TAILS, 100.0 - _TAILS))
    if not high > low:  # nearly all pixels are equal: those that are not may still tell something
        low, high = values.min(), values.max()
    if not high > low:
        return _between(floor, np.ones(values.shape))
    return _between(floor, np.clip((high - values) / (high - low), 0.0, 1.0))


def from_residual(squares: npt.ArrayLike, floor: float = FLOOR) -> Array:
    """Low where the residual is large: the error falls where it is worst, and rises elsewhere.

    Parameters
    ----------
    squares : array_like (height, width)
        The mean of the squared residual X - W H in each pixel, finite and >= 0; its square root is what counts.
    floor : float
        The lowest weight, 0 < floor < 1.

    Returns
    -------
    ndarray (height, width), float64
        In [floor, 1]; 1 everywhere where all residuals are equal.

    Raises
    ------
    ValueError
        As for `from_image`, or negative squares.
    """
    values = np.asarray(squares, dtype=np.float64)
    if values.size and float(values.min()) < 0:
        raise ValueError(f"squares holds {values.min():.6g}; accepted are values >= 0")
    return from_image(np.sqrt(values), floor)


def invert(weights: Array, floor: float = FLOOR) -> Array:
    """Low for high and high for low.

    Parameters
    ----------
    weights : ndarray, any shape
    floor : float
        The lowest weight, 0 < floor < 1.

    Returns
    -------
    ndarray, float64
        ``1 + floor - weights``, kept within [floor, 1].

    Raises
    ------
    ValueError
        A floor outside (0, 1).
    """
    _check_floor(floor)
    flipped: Array = np.clip(1.0 + floor - np.asarray(weights, dtype=np.float64), floor, 1.0)
    return flipped


def brush(
    weights: Array,
    points: Iterable[tuple[float, float]],
    value: float,
    *,
    radius: float,
    strength: float = 1.0,
    hardness: float = 0.5,
    mirror: bool = False,
) -> Array:
    """One stroke of a soft, round brush through some points.

    Parameters
    ----------
    weights : ndarray (height, width)
    points : iterable of (row, column)
        Joined by straight lines. The pixel (i, j) reaches from i to i + 1 and from j to j + 1; points may lie outside.
    value, radius, strength, hardness, mirror
        As for `Stroke`.

    Returns
    -------
    ndarray (height, width), float64
        The input is not modified.

    Examples
    --------
    >>> brush(np.zeros((1, 5)), [(0.5, 0.5), (0.5, 1.5)], 1.0, radius=0.5)
    array([[1., 1., 0., 0., 0.]])
    """
    painted = np.array(weights, dtype=np.float64)
    stroke = Stroke(painted, value, radius=radius, strength=strength, hardness=hardness, mirror=mirror)
    path = list(points)
    for start, end in itertools.pairwise([*path[:1], *path]):
        stroke.extend(start, end)
    return painted


class Stroke:
    """A stroke that grows: every pixel goes from what it was towards `value` once, however often the brush passes.

    What a stroke gives therefore depends on where the brush has been, not on how many points its path is told by.

    Parameters
    ----------
    weights : ndarray (height, width), float64
        Written in place.
    value : float
        What the brush paints.
    radius : float
        In pixels, > 0. Up to 0.5 the brush covers exactly the pixels that it meets.
    strength : float
        How far the middle of the brush goes towards `value`, 0 to 1.
    hardness : float
        0 to 1: which part of the radius is covered in full; from there the cover falls smoothly.
    mirror : bool
        Whether the same is painted with left and right exchanged.

    Attributes
    ----------
    touched : (slice, slice) or None
        The smallest box around all that the brush has met.

    Raises
    ------
    ValueError
        Numbers outside these ranges, in one sentence.
    """

    def __init__(
        self,
        weights: Array,
        value: float,
        *,
        radius: float,
        strength: float = 1.0,
        hardness: float = 0.5,
        mirror: bool = False,
    ) -> None:
        if not 0.0 < radius < np.inf:
            raise ValueError(f"radius is {radius}; accepted is a number of pixels > 0")
        for name, number in (("strength", strength), ("hardness", hardness)):
            if not 0.0 <= number <= 1.0:
                raise ValueError(f"{name} is {number}; accepted is a number from 0 to 1")
        self._weights, self._before = weights, weights.copy()
        self._value, self._strength, self._mirror = value, strength, mirror
        self._radius = max(0.5, radius)
        self._snaps = radius <= 0.5
        # Half a pixel more, and never a harder edge than a pixel's width: what is between two pixels is shared.
        self._reach = self._radius + 0.5
        self._edge = max(1.0, (1.0 - hardness) * self._radius)
        self._cover = np.zeros(weights.shape)
        self.touched: Box | None = None

    def extend(self, start: tuple[float, float], end: tuple[float, float]) -> list[Box]:
        """Go straight from one (row, column) to another; returns the boxes that have changed, one a side."""
        width = self._weights.shape[1]
        lines = [(start, end)]
        if self._mirror:
            lines.append(((start[0], width - start[1]), (end[0], width - end[1])))
        if self._snaps:
            lines = [(_middle(a), _middle(b)) for a, b in lines]
        return [box for a, b in lines if (box := self._pass(a, b)) is not None]

    def before(self, box: Box) -> Array:
        """The weights in a box as they were before the stroke."""
        return self._before[box]

    def _pass(self, a: tuple[float, float], b: tuple[float, float]) -> Box | None:
        """Cover what the brush meets between two points."""
        box = self._box(a, b)
        if box is None:
            return None
        rows = np.arange(box[0].start, box[0].stop)[:, None] + 0.5 - a[0]
        columns = np.arange(box[1].start, box[1].stop)[None, :] + 0.5 - a[1]
        cover = (self._reach - _distance(rows, columns, b[0] - a[0], b[1] - a[1])) / self._edge
        np.clip(cover, 0.0, 1.0, out=cover)
        cover *= cover * (3.0 - 2.0 * cover)
        np.maximum(cover, self._cover[box], out=self._cover[box])
        before = self._before[box]
        share = self._strength * self._cover[box]
        # Exact at either end, so that what is painted evenly is equal.
        self._weights[box] = np.where(share < 1.0, before + share * (self._value - before), self._value)
        self.touched = box if self.touched is None else _around(self.touched, box)
        return box

    def _box(self, a: tuple[float, float], b: tuple[float, float]) -> Box | None:
        """The part of the image that the brush can meet between two points; None outside."""
        sides = []
        for one, other, length in zip(a, b, self._weights.shape, strict=True):
            low = max(0, int(np.floor(min(one, other) - self._reach)))
            high = min(length, int(np.ceil(max(one, other) + self._reach)))
            if low >= high:
                return None
            sides.append(slice(low, high))
        return sides[0], sides[1]


def _distance(rows: Array, columns: Array, down: float, right: float) -> Array:
    """From pixels at (rows, columns), as seen from the start of a line, to that line."""
    squared = down * down + right * right
    if squared > 0:
        along = np.clip((rows * down + columns * right) / squared, 0.0, 1.0)
        rows, columns = rows - along * down, columns - along * right
    distance: Array = np.sqrt(rows * rows + columns * columns)
    return distance


def _middle(point: tuple[float, float]) -> tuple[float, float]:
    """The middle of the pixel that a point lies in."""
    return float(np.floor(point[0])) + 0.5, float(np.floor(point[1])) + 0.5


def _around(one: Box, other: Box) -> Box:
    """The smallest box around two."""
    rows, columns = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return rows, columns


def _axes(shape: tuple[int, int]) -> tuple[Array, Array]:
    """Rows and columns from -1 to 1; 0 where there is only one."""
    height, width = shape
    if height < 1 or width < 1:
        raise ValueError(f"shape is {shape}; accepted are a height and a width of at least 1 pixel")
    rows, columns = (np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1) for n in (height, width))
    return rows, columns


def _between(floor: float, rising: Array) -> Array:
    """Values in [0, 1] as weights in [floor, 1]."""
    _check_floor(floor)
    weights: Array = floor + (1.0 - floor) * rising
    return weights


def _check_floor(floor: float) -> None:
    if not 0.0 < floor < 1.0:
        raise ValueError(f"floor is {floor}; accepted is a number between 0 and 1: pixels of weight 0 never leave")
