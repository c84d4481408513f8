"""Coding of values by attributes of the CF conventions, which NetCDF files and Zarr folders of xarray follow."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gsp_studio.io.value_codes import Coding

#: A number, numbers, or a text, as an attribute holds them.
Told = Mapping[str, Sequence[Any] | str]

_MISSING = ("_FillValue", "missing_value")
#: Of Zarr of version 2, where it is no attribute.
FILL_VALUE = "fill_value"
#: Names of the attributes that are followed.
NAMES = (*_MISSING, "scale_factor", "add_offset", "_Unsigned", "valid_range", "valid_min", "valid_max")
#: Signs by what "_Unsigned" says.
_SIGNS = {"true": "u", "false": "i"}


def declared_coding(stored: np.dtype[Any], told: Told) -> Coding:
    """The coding of numbers of a type, by attributes of their array.

    Parameters
    ----------
    stored : numpy.dtype
        Of real numbers.
    told : mapping of str to sequence of numbers, or str
        Attributes by their names, of which those in `NAMES` and `FILL_VALUE` are followed. Text is read as a number,
        and that of a missing value as the base64 of a double, as xarray writes it into Zarr of version 3.

    Returns
    -------
    Coding
        With a note on each attribute that holds something else.
    """
    unread: list[str] = []

    def numbers(name: str) -> Sequence[Any]:
        held = told.get(name, ())
        if not isinstance(held, str):
            return held
        try:
            return [_number(held, is_code=name in _MISSING)]
        except ValueError:
            unread.append(f'"{name}" of the file is not followed: it is "{held[:40]}", which is no number')
            return ()

    def single(name: str, default: float) -> Any:
        held = numbers(name)
        return held[0] if len(held) == 1 else default

    missing = {name: numbers(name) for name in (*_MISSING, FILL_VALUE)}
    coding = Coding.of(
        stored,
        _all(missing.values()),
        " and ".join(name for name, codes in missing.items() if len(codes)),
        float(single("scale_factor", 1.0)),
        float(single("add_offset", 0.0)),
        sign=_SIGNS.get(str(told.get("_Unsigned", "")).lower(), ""),
    )
    limits = numbers("valid_range")
    low, high = limits if len(limits) == 2 else (single("valid_min", -math.inf), single("valid_max", math.inf))
    if stored.kind in "iuf":
        try:
            _require_stored(coding, (low, high), stored)
            coding = coding.within(low, high, stored)
        except ValueError as error:
            unread.append(f"the limits of valid numbers in the file are not followed: {error}")
    return replace(coding, unread=tuple(unread))


def _require_stored(coding: Coding, limits: Sequence[Any], stored: np.dtype[Any]) -> None:
    """Raise ValueError for limits that may be those of the values: of scaled whole numbers, and of floating point.

    CF has limits of stored numbers; by NetCDF's own conventions their type tells which ones they are of.
    """
    is_scaled = coding.scale != 1 or coding.offset != 0
    are_floating = any(np.asarray(one).dtype.kind == "f" and abs(one) < math.inf for one in limits)
    if stored.kind != "f" and is_scaled and are_floating:
        raise ValueError(f"they are of floating point, the stored numbers {stored.name}")


def _all(parts: Iterable[Sequence[Any]]) -> list[Any]:
    return [one for part in parts for one in part]


def _number(text: str, is_code: bool) -> float:
    """A number that is written as text; a `ValueError` for something else."""
    if is_code and text.endswith("="):
        try:
            (double,) = struct.unpack("<d", base64.b64decode(text, validate=True))
        except (binascii.Error, struct.error) as error:
            raise ValueError("no double") from error
        return float(double)
    value = float(text)
    return int(text) if abs(value) < 2**65 and text.strip().lstrip("+-").isdecimal() else value
