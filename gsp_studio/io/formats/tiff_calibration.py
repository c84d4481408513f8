"""Calibration of TIFF pixels: the straight line from stored to true values that a header declares.

ImageJ stores signed values of 16 bits as unsigned ones, with an offset of -32768 in its header; GDAL has a scale and an
offset for each band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

#: Number of the straight line c0 + c1 v among ImageJ's functions, and of none at all.
_STRAIGHT, _NONE = 0, 20
#: Tag in which GDAL keeps the metadata of bands.
_GDAL = 42112


@dataclass(frozen=True)
class Calibration:
    """Straight line from stored to true values.

    Attributes
    ----------
    scale, offset : float
    source : str
        Header that declares it, "ImageJ" or "GDAL"; "" where none does.
    unusable : str
        Reason why a declared calibration cannot be applied, a clause; "" where it can.
    """

    scale: float = 1.0
    offset: float = 0.0
    source: str = ""
    unusable: str = ""

    @property
    def is_applied(self) -> bool:
        """Whether it changes values."""
        return not self.unusable and (self.scale, self.offset) != (1.0, 0.0)

    @property
    def said(self) -> str:
        """What is done with it, a clause; "" for none."""
        if self.unusable:
            return f"calibration of {self.source} not applied: {self.unusable}"
        line = f"{self.offset:.10g} + {self.scale:.10g} times the stored value"
        return f"calibrated as {self.source} says: {line}" if self.is_applied else ""


def calibration_of(page: Any, is_grey: bool) -> Calibration:
    """The calibration of the pixels of a page.

    Parameters
    ----------
    page : tifffile.TiffPage
    is_grey : bool
        Whether its samples are grey levels from black to white; other pixels are never calibrated.

    Returns
    -------
    Calibration
    """
    found = _of_imagej(page) or _of_gdal(page) or Calibration()
    if found.is_applied and not is_grey:
        return Calibration(source=found.source, unusable="its pixels are no grey levels from black to white")
    return found


def _of_imagej(page: Any) -> Calibration | None:
    if not page.parent.is_imagej or page.dtype.kind != "u" or page.dtype.itemsize > 2:
        return None  # ImageJ calibrates levels of 8 and 16 bits alone
    meta = page.parent.imagej_metadata or {}
    function = meta.get("cf", _NONE)
    if function == _NONE:
        return None
    offset, scale = _number(meta.get("c0")), _number(meta.get("c1"))
    if function != _STRAIGHT:
        told = f"its function is {str(function)[:20]} (cf); accepted is 0, a straight line"
        return Calibration(source="ImageJ", unusable=told)
    if offset is None or scale is None:
        return Calibration(source="ImageJ", unusable="its coefficients c0 and c1 are no numbers")
    return Calibration(scale, offset, "ImageJ")


def _of_gdal(page: Any) -> Calibration | None:
    text = page.tags.valueof(_GDAL)
    return _of_bands(text, int(page.samplesperpixel)) if isinstance(text, str) else None


@lru_cache(maxsize=4)
def _of_bands(text: str, bands: int) -> Calibration | None:
    """The calibration that GDAL's metadata declare for all bands of a page; None where they declare none."""
    try:
        items = list(ElementTree.fromstring(text.strip("\0 \n")).iter("Item"))
    except ElementTree.ParseError:
        return None
    declared = [item for item in items if item.get("role") in ("scale", "offset")]
    if not declared:
        return None
    lines = [[1.0, 0.0] for _ in range(bands)]
    for item in declared:
        number, sample = _number(item.text), _number(item.get("sample"))
        if number is None or sample is None:
            return Calibration(source="GDAL", unusable=f"its {item.get('role')} is no number, or that of no band")
        if 0 <= sample < bands:
            lines[int(sample)][item.get("role") == "offset"] = number
    if any(line != lines[0] for line in lines):
        return Calibration(source="GDAL", unusable="its scales and offsets differ over the bands")
    scale, offset = lines[0]
    return Calibration(scale, offset, "GDAL")


def _number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None
