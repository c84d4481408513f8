"""Coding of values by stored numbers: missing values, scale and offset; and axes of length 1."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array

#: Codes of this size mark numbers that are nearly theirs, too: headers print the largest number of 32 bits rounded.
_ROUNDED, _NEAR = 1e30, 1e-5


@dataclass(frozen=True)
class Coding:
    """Coding of a file's numbers: ``value = stored * scale + offset``, and the codes of missing values.

    Attributes
    ----------
    missing : tuple of int or float
        Stored numbers that stand for no value, of whole numbers as they are; they are read as NaN.
    named : str
        What the file calls these: "_FillValue".
    scale, offset : float
    unread : tuple of str
        Notes on what the file says of the coding and cannot be followed, a sentence each.
    sign : "", "u" or "i"
        Whole numbers are to be read as unsigned or signed ones of their size; the codes are such numbers.
    is_turned : bool
        Unsigned numbers are to be turned round, as 0 is white; the codes are numbers before that.
    valid : (int or float, int or float)
        The smallest and largest stored number that stand for a value; others are read as NaN.
    """

    missing: tuple[int | float, ...] = ()
    named: str = ""
    scale: float = 1.0
    offset: float = 0.0
    unread: tuple[str, ...] = ()
    sign: str = ""
    is_turned: bool = False
    valid: tuple[int | float, int | float] = (-math.inf, math.inf)

    @staticmethod
    def of(
        stored: np.dtype[Any],
        missing: Iterable[Any],
        named: str,
        scale: float = 1.0,
        offset: float = 0.0,
        sign: str = "",
    ) -> Coding:
        """The coding of numbers of a type; codes that the type cannot hold, and NaN, mark nothing.

        Parameters
        ----------
        stored : numpy.dtype
            Of real numbers.
        missing : iterable of numbers
        named : str
        scale, offset : float
            Not finite ones, or a scale of 0, are not followed.
        sign : "", "u" or "i"
            Without effect on other than whole numbers, and on those that have this sign.
        """
        sign = sign if stored.kind in "iu" and sign != stored.kind else ""
        held = (_held(code, stored, sign) for code in missing)
        codes = tuple(dict.fromkeys(code for code in held if code is not None))
        if not (math.isfinite(scale) and math.isfinite(offset) and scale != 0):
            scale, offset = 1.0, 0.0
        return Coding(codes, named if codes else "", scale, offset, sign=sign)

    @property
    def is_none(self) -> bool:
        """Whether stored numbers are the values."""
        return not self.sign and not self.is_turned and self._is_whole

    @property
    def _is_whole(self) -> bool:
        """Whether whole numbers stay such."""
        return not self.missing and not self._is_limited and self.scale == 1 and self.offset == 0

    @property
    def _is_limited(self) -> bool:
        return self.valid != (-math.inf, math.inf)

    def within(self, low: Any, high: Any, stored: np.dtype[Any]) -> Coding:
        """This coding with limits of valid numbers of a type; those that no number of it is beyond mark nothing.

        Raises
        ------
        ValueError
            No number is between the limits.
        """
        read = _signed(stored, self.sign)
        low, high = (default if one != one else one for one, default in ((low, -math.inf), (high, math.inf)))
        if read.kind == "f":
            with np.errstate(over="ignore"):
                low, high = float(read.type(low)), float(read.type(high))
        else:
            least, most = int(np.iinfo(read).min), int(np.iinfo(read).max)
            low = None if abs(low) == math.inf else _held(math.ceil(low), stored, self.sign)
            high = None if abs(high) == math.inf else _held(math.floor(high), stored, self.sign)
            low = -math.inf if low is None or low == least else low
            high = math.inf if high is None or high == most else high
        if low > high:
            raise ValueError(f"{low} is more than {high}")
        return replace(self, valid=(low, high))

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """The type of the values of numbers of a type: float32 where that holds them."""
        if self._is_whole:
            return _signed(stored, self.sign)
        return np.dtype(np.float32 if stored.itemsize <= 2 or stored == np.float32 else np.float64)

    def decoded(self, numbers: Array) -> Array:
        """Values of stored numbers, of the same shape, NaN where there is none."""
        if self.sign:
            numbers = numbers.view(_signed(numbers.dtype, self.sign))
        grey = np.iinfo(numbers.dtype).max - numbers if self.is_turned else numbers
        if self._is_whole:
            return grey
        values = grey.astype(self.dtype(numbers.dtype))
        if self.scale != 1 or self.offset != 0:
            values *= values.dtype.type(self.scale)
            values += values.dtype.type(self.offset)
        for code in self.missing:
            found = numbers == numbers.dtype.type(code)
            if numbers.dtype.kind == "f" and abs(code) >= _ROUNDED:
                found = np.abs(numbers / numbers.dtype.type(code) - 1) <= _NEAR
            values[found] = np.nan
        if self._is_limited:
            low, high = self.valid
            values[(numbers < low) | (numbers > high)] = np.nan
        return values

    def notes(self, stored: np.dtype[Any]) -> tuple[str, ...]:
        """Notes in words, a sentence each."""
        told = list(self.unread)
        if self.sign:
            signed = "unsigned" if self.sign == "u" else "signed"
            told.append(f"whole numbers are read as {signed} ones, as the file says")
            stored = _signed(stored, self.sign)
        if self.is_turned:
            told.append("0 is white: turned round")
        if self.scale != 1 or self.offset != 0:
            told.append(f"stored numbers times {self.scale:g} plus {self.offset:g} are the values, as the file says")
        if self.missing:
            codes = ", ".join(f"{stored.type(code)}" for code in self.missing)
            told.append(f"stored numbers of {codes} are missing values ({self.named}), read as NaN")
        if self._is_limited:
            sides = zip(("below", "above"), self.valid, strict=True)
            limits = " and ".join(f"{side} {stored.type(one)}" for side, one in sides if abs(one) < math.inf)
            told.append(f"stored numbers {limits} are not valid by the file, read as NaN")
        return tuple(told)


def missing_note(notes: Iterable[str]) -> str:
    """Find the note on missing values among those on an array; "" where there is none."""
    return next((note for note in notes if "NaN" in note), "")


def _signed(stored: np.dtype[Any], sign: str) -> np.dtype[Any]:
    return np.dtype(f"{stored.byteorder}{sign}{stored.itemsize}") if sign else stored


def _held(code: Any, stored: np.dtype[Any], sign: str = "") -> int | float | None:
    """A code as a number of a type, or of that of another sign; None where the type does not hold it."""
    if stored.kind in "iu":
        if isinstance(code, float | np.floating) and not float(code).is_integer():
            return None
        code = int(code)  # not by way of a float, which rounds codes of 64 bits
        limits, read = np.iinfo(stored), np.iinfo(_signed(stored, sign))
        if limits.min <= code <= limits.max:
            low, bits = int(read.min), int(read.bits)
            return int((code - low) % 2**bits + low)
        return code if read.min <= code <= read.max else None
    if stored.kind != "f" or abs(code) == math.inf or code != code:
        return None
    return float(code)


def kept_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a stack that are left when axes of length 1 are left out; three always stay.

    Colour images of one row or column keep it.
    """
    axes = tuple(range(len(shape)))
    if len(shape) <= 3 or (len(shape) == 4 and 3 in (shape[1], shape[3])):
        return axes
    spare = [k for k in axes if shape[k] == 1]
    stay = max(0, 3 - (len(axes) - len(spare)))
    return tuple(k for k in axes if shape[k] != 1 or k in spare[:stay])


def axes_note(shape: tuple[int, ...], kept: tuple[int, ...]) -> tuple[str, ...]:
    """Note on axes that were left out, if any."""
    if len(kept) == len(shape):
        return ()
    stored, left = (" x ".join(map(str, sizes)) for sizes in (shape, [shape[k] for k in sorted(kept)]))
    return (f"axes of length 1 are left out: {stored} is read as {left}",)
