"""Calibration of TIFF pixels: the straight line from stored to true values that a header declares.

ImageJ stores signed values of 16 bits as unsigned ones, with an offset of -32768 in its header.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

#: Number of the straight line c0 + c1 v among ImageJ's functions, and of none at all.
_STRAIGHT, _NONE = 0, 20


@dataclass(frozen=True)
class Calibration:
    """Straight line from stored to true values.

    Attributes
    ----------
    scale, offset : float
    source : str
        Header that declares it, "ImageJ"; "" where none does.
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
    found = _of_imagej(page)
    if found.is_applied and not is_grey:
        return Calibration(source=found.source, unusable="its pixels are no grey levels from black to white")
    return found


def _of_imagej(page: Any) -> Calibration:
    if not page.parent.is_imagej or page.dtype.kind != "u" or page.dtype.itemsize > 2:
        return Calibration()  # ImageJ calibrates levels of 8 and 16 bits alone
    meta = page.parent.imagej_metadata or {}
    function = meta.get("cf", _NONE)
    if function == _NONE:
        return Calibration()
    offset, scale = _number(meta.get("c0")), _number(meta.get("c1"))
    if function != _STRAIGHT:
        return Calibration(source="ImageJ", unusable=f"its function is {function} (cf); accepted is 0, a straight line")
    if offset is None or scale is None:
        return Calibration(source="ImageJ", unusable="its coefficients c0 and c1 are no numbers")
    return Calibration(scale, offset, "ImageJ")


def _number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None
