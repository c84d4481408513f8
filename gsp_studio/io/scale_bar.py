"""Scale bars: lengths with round numbers that show how large a picture's pixels are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

#: Part of a picture's width that a bar takes at most.
_PART = 0.35
#: Units of length by which others of the same kind are a thousand times as large or small, in order.
_LENGTHS = ("pm", "nm", "µm", "mm", "m", "km")
#: Largest number of a label, before the next unit takes over.
_MOST = 1000.0


@dataclass(frozen=True)
class ScaleBar:
    """A bar below or on a picture.

    Attributes
    ----------
    pixels : float
        Its length, in pixels of the picture.
    text : str
        Its length in the unit: "50 µm".
    """

    pixels: float
    text: str


def scale_bar(width: float, spacing: float | None, unit: str) -> ScaleBar | None:
    """Choose the longest bar with a round length, 1, 2 or 5 times a power of ten, that suits a picture.

    Parameters
    ----------
    width : float
        Of the picture, in pixels.
    spacing : float or None
        Width of a pixel, in `unit`; None where it is not known.
    unit : str
        "" where it is not known.

    Returns
    -------
    ScaleBar or None
        At most 0.35 of the width long; None where the size of a pixel is not known, is no finite number above 0, or
        the picture is too small for a bar of a pixel.

    Examples
    --------
    >>> scale_bar(256, 0.65, "µm")
    ScaleBar(pixels=76.92307692307692, text='50 µm')
    """
    if spacing is None or not unit or not (spacing > 0 and math.isfinite(spacing)):
        return None
    most = _PART * width * spacing
    if not (most > 0 and math.isfinite(most)):
        return None
    power = 10.0 ** math.floor(math.log10(most))
    length = max(k * power for k in (1, 2, 5) if k * power <= most * (1 + 1e-9) or k == 1)
    pixels = length / spacing
    return None if pixels < 1 else ScaleBar(pixels, _in_words(length, unit))


def _in_words(length: float, unit: str) -> str:
    """A length with a number from 1 to 999 where a unit allows it: 2000 µm are "2 mm"."""
    if unit in _LENGTHS:
        place = _LENGTHS.index(unit)
        while length >= _MOST * (1 - 1e-9) and place + 1 < len(_LENGTHS):
            length, place = length / 1000.0, place + 1
        while length < 1 - 1e-9 and place > 0:
            length, place = length * 1000.0, place - 1
        unit = _LENGTHS[place]
    return f"{length:.6g}{'' if unit == '°' else ' '}{unit}"


def scale_bar_of(dataset: Dataset) -> ScaleBar | None:
    """Choose the bar of a data set's pictures: its images, or the maps of its spectra.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    ScaleBar or None
        As `scale_bar`, of the axis of columns.
    """
    axis = dataset.axis("x")
    _, width = dataset.grid or dataset.image_shape
    return scale_bar(width, axis.spacing, axis.unit)
