"""Readings of the axes of an array as images, heights, widths and colours.

Conventions alone, without a look at values: NumPy and Python libraries have (image, height, width), (image, height,
width, channel) and (image, channel, height, width), MATLAB the image last; a channel axis is 3 long, or 1 of grey
images. Axes of length 1 that are none of these are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from gsp_studio.io.shape_guess import LONGEST

Axes = tuple[int, ...]

#: Names of `Reading.way` in messages.
WAYS = {"rows": "first axis", "columns": "last axis", "middle": "middle axis", "one": "one image"}
#: A photograph in colour has sides longer than this; a shorter axis is one of bands or channels beside two long ones.
FEW = 4
#: An image with one side that short and the other so many times longer is none.
_LOPSIDED = 8
_NEW = -1


@dataclass(frozen=True)
class Reading:
    """One way to read an array of images.

    Attributes
    ----------
    way : "rows" | "columns" | "middle" | "one"
        The axis of the images: the first, the last, the middle one, or none as all of the array is one image.
    axes : tuple of int
        The array's axes in the order (image, then those of an image as they lie); -1 where an axis of one image is
        added. What is missing has length 1.
    channel : int
        Which of an image's own axes holds its channel, 1 or 3 values; -1 for none.
    count : int
        Images.
    image : (height, width)
    colours : int
        Length of the channel axis, 1 without one.
    """

    way: str
    axes: Axes
    channel: int
    count: int
    image: tuple[int, int]
    colours: int = 1

    @property
    def is_lopsided(self) -> bool:
        """Whether an image would be a strip of a few pixels."""
        short, long = sorted(self.image)
        return short <= FEW and long >= _LOPSIDED * short

    @property
    def is_usual(self) -> bool:
        """Whether an image would have usual proportions."""
        return max(self.image) <= LONGEST * min(self.image)


def readings(shape: tuple[int, ...], is_by_columns: bool) -> list[Reading]:
    """All ways to read an array of three axes or more as images.

    Parameters
    ----------
    shape : tuple of int
    is_by_columns : bool
        Whether the last axis is usually that of the images.

    Returns
    -------
    list of Reading
        The most usual first; empty where there is none.
    """
    kept = list(range(len(shape)))
    while len(kept) > 4:
        ones = [a for a in kept if shape[a] == 1]
        if not ones:
            return []
        kept.remove(next((a for a in ones if a != kept[0]), ones[0]))
    if len(kept) == 4:
        found = _of_four(shape, kept, is_by_columns)
        if found:
            return found
        ones = [a for a in kept if shape[a] == 1]
        if not ones:
            return []
        kept.remove(ones[0])
    return _of_three(shape, kept, is_by_columns) if len(kept) == 3 else []


def _of_four(shape: tuple[int, ...], kept: list[int], is_by_columns: bool) -> list[Reading]:
    """Images with a channel axis beside their own: the usual ones first, and strips only where there are no others."""
    a, b, c, d = kept
    usual = [("rows", a, d), ("rows", a, b)]
    turned = [("columns", d, c), *([("columns", d, a)] if shape[a] == 3 else [])]
    found = [
        _reading(shape, way, images, [k for k in kept if k != images], channel)
        for way, images, channel in (turned + usual if is_by_columns else usual + turned)
        if shape[channel] in (1, 3)
    ]
    whole = [reading for reading in found if min(reading.image) > 1 and not reading.is_lopsided]
    return whole or found


def _of_three(shape: tuple[int, ...], kept: list[int], is_by_columns: bool) -> list[Reading]:
    a, b, c = kept
    ends = [("columns", c), ("rows", a)] if is_by_columns else [("rows", a), ("columns", c)]
    found = [_reading(shape, way, axis, [k for k in kept if k != axis]) for way, axis in (*ends, ("middle", b))]
    return found + [_reading(shape, "one", _NEW, kept, channel) for channel in (c, a) if shape[channel] == 3]


def _reading(shape: tuple[int, ...], way: str, images: int, rest: list[int], channel: int = _NEW) -> Reading:
    height, width = (shape[k] for k in rest if k != channel)
    count = 1 if images == _NEW else shape[images]
    place = rest.index(channel) if channel != _NEW else _NEW
    return Reading(way, (images, *rest), place, count, (height, width), 1 if channel == _NEW else shape[channel])


def is_arrangement(shape: tuple[int, ...]) -> bool:
    """Whether an array of that shape can hold images."""
    return len(shape) == 2 or bool(readings(shape, False))
