"""Axes as text: arguments of the command line, Python of a script, and a line for a person."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from gsp_studio.io.axes import Axis, AxisError, as_axis

_LISTS = ("values", "labels")
#: Characters that part the words of an argument.
_PARTING = ",;="
#: Forms of the argument, for errors and help.
ACCEPTED = "y, x or band, then name=, unit=, scale=, offset=, values= and labels=, lists parted by ;"


def axis_of_argument(text: str) -> Axis:
    """An axis from ``x:unit=um,scale=0.5`` or ``band:name=Wavelength,unit=nm,values=400;410;425``.

    Raises
    ------
    AxisError
    """
    dimension, _, rest = text.partition(":")
    told: dict[str, Any] = {"dimension": dimension.strip()}
    for part in filter(None, rest.split(",")):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or name == "dimension":
            raise AxisError(f'axis "{text[:60]}" is not understood; accepted are {ACCEPTED}')
        told[name] = _value_of(name, value)
    return as_axis(told)


def _value_of(name: str, text: str) -> Any:
    if name in _LISTS:
        parts = [part.strip() for part in text.split(";")]
        return parts if name == "labels" else [_number_of(part) for part in parts]
    return _number_of(text) if name in ("scale", "offset") else text


def _number_of(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise AxisError(f'"{text[:40]}" is no number; accepted are numbers such as 0.5') from error


def argument_of_axis(axis: Axis) -> str | None:
    """An axis as the command line has it; None where its texts hold characters that part words there."""
    texts = (axis.name, axis.unit, *axis.labels)
    if any(mark in text for mark in _PARTING for text in texts) or any(text != text.strip() for text in texts):
        return None
    said = []
    for name, value in _told(axis).items():
        said.append(f"{name}={';'.join(map(str, value)) if isinstance(value, tuple) else value}")
    return f"{axis.dimension}:{','.join(said)}"


def script_of_axis(axis: Axis) -> str:
    """An axis as Python, in ASCII: ``gs.Axis('x', unit='nm', scale=0.5)``."""
    return (
        f"gs.Axis({', '.join([repr(axis.dimension), *(f'{name}={value!a}' for name, value in _told(axis).items())])})"
    )


def _told(axis: Axis) -> dict[str, Any]:
    """Fields that differ from their defaults."""
    plain = Axis(axis.dimension)
    return {
        field.name: getattr(axis, field.name)
        for field in fields(axis)
        if field.name != "dimension" and getattr(axis, field.name) != getattr(plain, field.name)
    }


def describe_axis(axis: Axis, count: int) -> str:
    """An axis in one line: "Wavelength (nm): 156 from 401.29 to 889.2", "Row: 0.5 µm each".

    Parameters
    ----------
    axis : Axis
    count : int
        Places of the axis.
    """
    if not axis.is_calibrated or count < 1:
        return f"{axis.title}: {count}"
    if axis.dimension != "band" and axis.spacing is not None:
        return f"{axis.title}: {count} of {axis.spacing:.6g} {axis.unit}".rstrip()
    at = axis.coordinates(count)
    return f"{axis.title}: {count} from {at[0]:.6g} to {at[-1]:.6g}"
