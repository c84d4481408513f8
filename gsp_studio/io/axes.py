"""Axes of data: names, units and coordinates of rows, columns and bands, as files declare them or users enter them.

An `Axis` is checked when it is made, so that whatever holds one may rely on finite coordinates, a scale above 0 and
short texts. Dimensions are those of the source, whatever a sample is: "y" and "x" count the rows and columns of an
image, "band" the images of a source, which are the bands of a cube and the frames of a movie. Where pixels are the
samples, "y" and "x" are the axes of `Dataset.grid`, and "band" is the axis of each spectrum.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np

from gsp_studio.arrays import Array

Dimension = Literal["y", "x", "band"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

#: Coordinates and labels that one axis may list.
MOST = 1 << 16
#: Characters of a name or label, and of a unit.
_LONGEST, _LONGEST_UNIT = 120, 24
#: Magnitudes of coordinates: sums of these stay finite, in float32 as well.
_LARGEST, _SMALLEST = 1e30, 1e-30
#: Relative deviation up to which listed coordinates count as evenly spaced: headers round them.
_EVEN = 1e-3
_DEFAULT_NAMES = {"y": "Row", "x": "Column", "band": "Band"}
#: Spellings of a micrometre, a microsecond, and of micromolar and microsiemens, which capitals tell apart.
_MICRO = re.compile(r"(?:[uμ]|\\u00b5|\\u00B5|\\xb5|\\xB5|\\?mu)([msMS])")
#: Words and signs of units in files, in lower case: of these no capitals make another unit.
_UNITS = {
    **dict.fromkeys(("picometers", "picometer", "picometres", "picometre"), "pm"),
    **dict.fromkeys(("nanometers", "nanometer", "nanometres", "nanometre", "nano meters", "nanometer(s)"), "nm"),
    **dict.fromkeys(("micrometers", "micrometer", "micrometres", "micrometre", "micron", "microns"), "µm"),
    "micrometer(s)": "µm",
    **dict.fromkeys(("millimeters", "millimeter", "millimetres", "millimetre"), "mm"),
    **dict.fromkeys(("centimeters", "centimeter", "centimetres", "centimetre"), "cm"),
    **dict.fromkeys(("meters", "meter", "metres", "metre"), "m"),
    **dict.fromkeys(("degrees", "degree", "deg", "degrees_north", "degrees_east"), "°"),
    **dict.fromkeys(("angstrom", "angstroms", "å", "ångström"), "Å"),
    **dict.fromkeys(("kilometers", "kilometer", "kilometres", "kilometre"), "km"),
    **dict.fromkeys(("1/cm", "cm-1", "cm^-1", "cm^{-1}", "cm**-1", "cm^(-1)", "wavenumber", "wavenumbers"), "cm⁻¹"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("msec", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("usec", "microsecond", "microseconds"), "µs"),
    **dict.fromkeys(("nanosecond", "nanoseconds"), "ns"),
    **dict.fromkeys(("minute", "minutes", "mins"), "min"),
    **dict.fromkeys(("hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("ev", "electronvolt", "electronvolts", "electron volt", "electron volts"), "eV"),
    **dict.fromkeys(("kev", "kiloelectronvolt", "kiloelectronvolts"), "keV"),
    **dict.fromkeys(("hertz", "hz"), "Hz"),
    **dict.fromkeys(("pixel", "pixels", "px", "index", "unknown", "none", "<undefined>", "undefined", "unitless"), ""),
}


class AxisError(ValueError):
    """An axis that cannot be; the message is one sentence: what, and what is accepted."""


@dataclass(frozen=True)
class Axis:
    """Axis of rows, columns or bands.

    Attributes
    ----------
    dimension : "y" | "x" | "band"
    name : str
        "Wavelength"; "" where it is not known.
    unit : str
        "nm"; "" without one. Usual spellings are unified: "nanometers" is "nm", "um" is "µm".
    scale : float > 0
        From one place to the next, in `unit`.
    offset : float
        Coordinate of the first place (the centre of the first pixel), in `unit`.
    values : tuple of float
        Coordinates in `unit`, one a place, in place of `scale` and `offset` where they are not evenly spaced or
        descend; else empty.
    labels : tuple of str
        Names, one a place, such as the names of bands; else empty.

    Raises
    ------
    AxisError
        A value that is not accepted.
    """

    dimension: Dimension
    name: str = ""
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    values: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.dimension not in DIMENSIONS:
            raise AxisError(f'an axis of dimension "{self.dimension}" is not known; accepted are y, x, band')
        unit = _text(self, "unit", _LONGEST_UNIT)
        object.__setattr__(self, "unit", _unified(unit))
        object.__setattr__(self, "name", _text(self, "name", _LONGEST))
        scale, offset = _number(self, "scale", self.scale), _number(self, "offset", self.offset)
        if scale < _SMALLEST:
            raise AxisError(f"{self.dimension} axis: scale is {self.scale}; accepted is a finite number above 0")
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "offset", offset)
        for part in ("values", "labels"):
            held = getattr(self, part)
            if isinstance(held, (str, bytes)) or not isinstance(held, Iterable):
                raise AxisError(f"{self.dimension} axis: {part} are {str(held)[:40]!r}; accepted is a list of them")
            held = tuple(held)
            if len(held) > MOST:
                raise AxisError(f"{self.dimension} axis: {len(held)} {part}; accepted are up to {MOST}")
            object.__setattr__(self, part, held)
        object.__setattr__(self, "values", tuple(_number(self, "a coordinate", one) for one in self.values))
        object.__setattr__(self, "labels", tuple(_short(one) for one in self.labels))
        if self.values and self.labels and len(self.values) != len(self.labels):
            raise AxisError(
                f"{self.dimension} axis: {len(self.values)} values and {len(self.labels)} labels; "
                "accepted are as many of both"
            )

    @property
    def is_plain(self) -> bool:
        """Whether it only counts: without name, unit, coordinates or labels."""
        return self == Axis(self.dimension)

    @property
    def is_calibrated(self) -> bool:
        """Whether coordinates are more than a count."""
        return bool(self.unit or self.values) or (self.scale, self.offset) != (1.0, 0.0)

    @property
    def spacing(self) -> float | None:
        """Distance of neighbours in `unit`, > 0, as for a scale bar; None where they are not evenly spaced."""
        if len(self.values) < 2:
            return None if self.values else self.scale
        steps = np.diff(self.values)
        mean = float(steps.mean())
        is_even = mean != 0 and np.abs(steps - mean).max() <= _EVEN * abs(mean)
        return abs(mean) if is_even else None

    @property
    def title(self) -> str:
        """Name and unit for the axis of a plot: "Wavelength (nm)"."""
        name = self.name or _DEFAULT_NAMES[self.dimension]
        return f"{name} ({self.unit})" if self.unit else name

    def coordinates(self, count: int) -> Array:
        """Coordinates of the places.

        Parameters
        ----------
        count : int
            Places of the axis.

        Returns
        -------
        ndarray (count,), float64
            In `unit`; counted from 1 where the axis only counts.
        """
        if self.values:
            return np.array(self.values, np.float64)
        start = self.offset if self.is_calibrated else 1.0
        return start + self.scale * np.arange(count, dtype=np.float64)

    def text_at(self, place: int) -> str:
        """One place in words: "Red, 651.2 nm", "651.2 nm", "band 12".

        Parameters
        ----------
        place : int
            Counted from 0.
        """
        said = [self.labels[place]] if self.labels and self.labels[place] else []
        if self.is_calibrated:
            at = self.values[place] if self.values else self.offset + self.scale * place
            said.append(f"{at:.6g} {self.unit}".strip())
        return ", ".join(said) or f"{(self.name or _DEFAULT_NAMES[self.dimension]).lower()} {place + 1}"

    def require_count(self, count: int) -> None:
        """Raise AxisError unless its values and labels are as many as the places of the data."""
        for part in ("values", "labels"):
            held = len(getattr(self, part))
            if held not in (0, count):
                raise AxisError(f"{self.dimension} axis: {held} {part} for {count} places; accepted are as many")

    def part(self, start: int, count: int, step: int = 1) -> Axis:
        """The axis of `count` places from `start` on, every `step`-th."""
        chosen = slice(start, start + count * step, step)
        return replace(
            self,
            values=self.values[chosen],
            labels=self.labels[chosen],
            offset=self.offset if self.values or not self.is_calibrated else self.offset + start * self.scale,
            scale=self.scale if self.values or not self.is_calibrated else self.scale * step,
        )

    def picked(self, places: Sequence[int], count: int) -> Axis:
        """The axis of some of its `count` places."""
        labels = tuple(self.labels[k] for k in places) if self.labels else ()
        if not self.is_calibrated or len(places) > MOST:
            return Axis(self.dimension, self.name, labels=labels)
        if len(places) == count:
            return self
        at = self.coordinates(count)
        return replace(self, labels=labels, values=tuple(float(at[k]) for k in places), scale=1.0, offset=0.0)

    def reversed(self, count: int) -> Axis:
        """The axis of `count` places in reverse order: its coordinates descend, and are listed."""
        if not self.is_calibrated:
            return replace(self, labels=self.labels[::-1])
        if self.values and not self.labels and self.spacing is not None:
            ascending = _from_even(self, self.values[::-1])
            if ascending is not None:
                return ascending
        values = tuple(map(float, self.coordinates(count)[::-1]))
        return replace(self, values=values, labels=self.labels[::-1], scale=1.0, offset=0.0)

    def resampled(self, start: float, factor: float, count: int, before: int) -> Axis:
        """The axis of `count` new places, `factor` old ones wide each, the first of which begins at `start`.

        Parameters
        ----------
        start : float
            Edge, in old places; 0 is the edge of the first.
        factor : float > 0
        count, before : int
            New and old places.
        """
        if not self.is_calibrated or (self.values and not 0 <= start <= before - factor * count + 1e-9):
            return Axis(self.dimension, self.name)  # beyond listed coordinates there are none
        centre = start + (factor - 1) / 2
        if self.values:
            at = np.interp(centre + factor * np.arange(count), np.arange(before), self.values)
            return replace(self, values=tuple(map(float, at)), labels=())
        return replace(self, offset=self.offset + centre * self.scale, scale=self.scale * factor, labels=())


def _from_even(axis: Axis, values: Sequence[float]) -> Axis | None:
    """An axis by scale and offset that has these evenly spaced values; None where they descend or are rounded."""
    step = (values[-1] - values[0]) / (len(values) - 1)
    regular = replace(axis, values=(), scale=step, offset=values[0]) if step > 0 else None
    if regular is None or not np.allclose(regular.coordinates(len(values)), values, rtol=1e-9, atol=1e-9 * step):
        return None
    return regular


def as_axis(axis: Any) -> Axis:
    """An axis, or what run.json holds of one, checked.

    Raises
    ------
    AxisError
    """
    if isinstance(axis, Axis):
        return axis
    known = [field.name for field in fields(Axis)]
    if not isinstance(axis, Mapping) or "dimension" not in axis:
        raise AxisError(f"{str(axis)[:40]!r} is no axis; accepted are its {', '.join(known)}")
    if unknown := sorted(map(str, axis.keys() - set(known))):
        raise AxisError(f"an axis has no {unknown[0][:40]!r}; accepted are {', '.join(known)}")
    return Axis(**axis)


def as_axes(axes: Any) -> tuple[Axis, ...]:
    """Axes in the order y, x, band, each at most once, those that only count left out.

    Raises
    ------
    AxisError
    """
    if isinstance(axes, (str, bytes, Mapping)) or not isinstance(axes, Iterable):
        raise AxisError(f"axes are {str(axes)[:40]!r}; accepted is a list of axes")
    found = [as_axis(axis) for axis in axes]
    dimensions = [axis.dimension for axis in found]
    if twice := [one for one in DIMENSIONS if dimensions.count(one) > 1]:
        raise AxisError(f"there are several {twice[0]} axes; accepted is one")
    return tuple(sorted((one for one in found if not one.is_plain), key=lambda one: DIMENSIONS.index(one.dimension)))


def axis_of(axes: Sequence[Axis], dimension: Dimension) -> Axis:
    """The axis of a dimension; one that only counts where none is known."""
    return next((axis for axis in axes if axis.dimension == dimension), Axis(dimension))


def axes_json(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Axes as plain JSON, without what is not known; `as_axes` reads it."""
    return [
        {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(axis).items() if value}
        for axis in axes
    ]


def with_changes(axes: Sequence[Axis], changes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Axes of a file as a user changed them: a changed axis replaces that of its dimension; labels stay.

    Raises
    ------
    AxisError
    """
    changed = {axis.dimension: axis for axis in changes}
    for axis in axes:
        new = changed.setdefault(axis.dimension, axis)
        fits = not new.values or len(new.values) == len(axis.labels)
        if new is not axis and axis.labels and not new.labels and fits:
            changed[axis.dimension] = replace(new, labels=axis.labels)
    return as_axes(changed.values())


def unit_of_cf(text: str) -> str:
    """The unit of coordinates by the CF conventions: of "days since 2001-01-01", days."""
    return text.partition(" since ")[0]


def declared(dimension: Dimension, count: int, **told: Any) -> tuple[Axis | None, str]:
    """An axis as a file declares it, with distrust.

    Parameters
    ----------
    dimension : "y" | "x" | "band"
    count : int
        Places that the data have.
    **told
        As for `Axis`.

    Returns
    -------
    Axis or None
        None where it cannot be, or says nothing.
    str
        A note on an axis that is not used, one sentence; "" without.
    """
    try:
        scale = told.get("scale", 1.0)
        if not isinstance(scale, str) and -_LARGEST < scale < 0 and count <= MOST and not len(told.get("values", ())):
            # Coordinates that descend are listed.
            told |= {"values": told.get("offset", 0.0) + scale * np.arange(count), "scale": 1.0, "offset": 0.0}
        axis = Axis(dimension, **told)
        axis.require_count(count)
    except (AxisError, TypeError, ValueError, OverflowError) as error:
        return None, f"what the file says of its {_DEFAULT_NAMES[dimension].lower()}s is not used: {_short(str(error))}"
    if len(axis.values) > 1 and len(set(axis.values)) == 1:
        why = f"all of its coordinates are {axis.values[0]:g}"
        return None, f"what the file says of its {_DEFAULT_NAMES[dimension].lower()}s is not used: {why}"
    if axis.values and not axis.labels and len(axis.values) > 1:
        axis = _from_even(axis, axis.values) or axis
    return (None if axis.is_plain else axis), ""


def _unified(unit: str) -> str:
    """The usual spelling of a unit: "[nm]" and "Nanometers" are nm, "um" is µm; nM, uM and Mm are no such lengths."""
    bare = unit[1:-1].strip() if unit[:1] + unit[-1:] in ("[]", "()", "{}") else unit
    name, _, inner = bare.rstrip(")]").replace("[", "(").rpartition("(")
    if bare.lower() not in _UNITS and name.strip().lower() in _UNITS:  # "nanometre (nm)"
        bare = inner.strip()
    micro = _MICRO.fullmatch(bare)
    return f"µ{micro[1]}" if micro else _UNITS.get(bare.lower(), bare)


def _number(axis: Axis, what: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, (bool, str, bytes)) or not abs(number) <= _LARGEST:
        raise AxisError(f"{axis.dimension} axis: {what} is {str(value)[:40]}; accepted is a finite number up to 1e30")
    return number


def _text(axis: Axis, what: str, longest: int) -> str:
    held = getattr(axis, what)
    if not isinstance(held, str):
        raise AxisError(f"{axis.dimension} axis: {what} is {str(held)[:40]}; accepted is a text")
    said = _printable(held).strip()
    if len(said) > longest:
        raise AxisError(
            f'{axis.dimension} axis: {what} is "{said[:40]}..."; accepted is a text of up to {longest} characters'
        )
    return said


def _short(text: Any) -> str:
    said = _printable(str(text)).strip()
    return said if len(said) <= _LONGEST else said[: _LONGEST - 3] + "..."


def _printable(text: str) -> str:
    """Text on one line, without characters that control where or how text is shown."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Cf", "Zl", "Zp") else c for c in text)
