"""Axes that ENVI headers declare: wavelengths, band names, and the size of a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gsp_studio.io.axes import Axis, AxisError, Dimension, declared
from gsp_studio.io.formats.array_entry import DeclaredAxes
from gsp_studio.io.formats.envi_header import Fields

_FREQUENCIES = ("Hz", "kHz", "MHz", "GHz", "THz")
#: Quantities by their unit, where it is no length.
_QUANTITIES = {"cm⁻¹": "Wavenumber", "eV": "Energy", "keV": "Energy", **dict.fromkeys(_FREQUENCIES, "Frequency")}
#: Places of the sizes of a pixel in "map info", behind the projection and four coordinates.
_MAP_SIZES = slice(5, 7)
_PIXELS: tuple[Dimension, Dimension] = ("y", "x")


def wavelength_unit(fields: Fields) -> str:
    """Unit of the wavelengths, "" where the header has none that is known as one."""
    try:
        return Axis("band", unit=fields.text("wavelength units")).unit
    except AxisError:
        return ""


def declared_axes(fields: Fields, shape: Sequence[int], good: Sequence[int], is_library: bool) -> DeclaredAxes:
    """Axes of the bands, lines and samples that are read.

    Parameters
    ----------
    fields : Fields
    shape : (bands, lines, samples), of a library (spectra, 1, samples)
        All that is stored.
    good : sequence of int
        The bands, or spectra, that are read.
    is_library : bool
    """
    count = shape[2] if is_library else shape[0]
    told: dict[str, Any] = {}
    wavelengths = fields.numbers("wavelength")
    if len(wavelengths) == count:  # others are noted where the header is read
        unit = wavelength_unit(fields)
        told = {"name": _QUANTITIES.get(unit, "Wavelength"), "unit": unit, "values": wavelengths}
    labels = fields.list("band names")
    if not is_library and len(labels) == count:
        told["labels"] = labels
    spectral, note = declared("band", count, **told)
    if is_library:
        return (None, None, spectral), (note,) if note else ()
    notes = [note]
    of_pixels: list[Axis | None] = []
    sizes, unit = _pixel_sizes(fields)
    for dimension, size, places in zip(_PIXELS, sizes, shape[1:], strict=True):
        axis, note = declared(dimension, places, scale=size, unit=unit) if size is not None else (None, "")
        of_pixels.append(axis)
        notes.append(note)
    return (spectral and spectral.picked(good, shape[0]), *of_pixels), tuple(dict.fromkeys(filter(None, notes)))


def _pixel_sizes(fields: Fields) -> tuple[tuple[float | None, float | None], str]:
    """Height and width of a pixel, None where the header has none, and their unit."""
    for key, places in (("pixel size", slice(0, 2)), ("map info", _MAP_SIZES)):
        parts = fields.list(key)
        try:
            width, height = map(float, parts[places])
        except ValueError:  # fewer parts as well
            continue
        named = (part.partition("=") for part in parts)
        unit = next((value.strip() for name, _, value in named if name.strip().lower() == "units"), "")
        return (height, width), unit
    return (None, None), ""
