"""Axes that TIFF files declare: sizes of pixels, intervals of frames, names of channels (OME, ImageJ, tags)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from gsp_studio.io.axes import Axis, declared

_DAMAGE = (ValueError, TypeError, KeyError, AttributeError, IndexError, ZeroDivisionError, ElementTree.ParseError)
#: Value of the tag ResolutionUnit for centimetres; inches are what printers and scanners write.
_CENTIMETRE = 3
#: Turns by which the rows of a file become the columns of an image.
_TURNED = (5, 6, 7, 8)


@dataclass(frozen=True)
class Scales:
    """Axes of the images of a file.

    Attributes
    ----------
    y, x : Axis or None
    band : Axis or None
        Along the images, where these differ in one of time, depth and channel alone.
    channels : tuple of str
        Names of the channels; empty where the file has none.
    notes : tuple of str
        Declarations that are not used, a sentence each.
    """

    y: Axis | None = None
    x: Axis | None = None
    band: Axis | None = None
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def named(self, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Names of images, "time 3, channel 1", with the channels' own names in them."""
        if self.band is not None and self.band.labels:
            return self.band.labels
        if names is None or not self.channels:
            return names
        own = {f"channel {k + 1}": name for k, name in enumerate(self.channels)}
        return tuple(", ".join(own.get(part, part) for part in name.split(", ")) for name in names)


def scales_of(file: Any, shape: tuple[int, int], axes: Sequence[tuple[str, int]]) -> Scales:
    """Axes that the header of a file declares.

    Parameters
    ----------
    file : tifffile.TiffFile
    shape : (height, width)
    axes : sequence of (str, int)
        Letters and lengths of the axes of its images: ("T", 20), ("C", 2).
    """
    page = file.pages.first
    try:
        if page.is_ome:
            told = _of_ome(file.ome_metadata or "")
        elif page.is_imagej:
            told = _of_imagej(file.imagej_metadata or {}, page)
        else:
            told = _of_tags(page)
    except _DAMAGE:
        return Scales()
    height, width = shape
    is_turned = "Orientation" in page.tags and page.tags["Orientation"].value in _TURNED
    y, note_y = declared("y", height, **told.get("x" if is_turned else "y", {}))
    x, note_x = declared("x", width, **told.get("y" if is_turned else "x", {}))
    long = [(letter, size) for letter, size in axes if size > 1]
    band, note = declared("band", long[0][1], **told.get(long[0][0], {})) if len(long) == 1 else (None, "")
    notes = tuple(dict.fromkeys(filter(None, (note_y, note_x, note))))
    return Scales(y, x, band, told.get("C", {}).get("labels", ()), notes)


def _of_ome(text: str) -> dict[str, dict[str, Any]]:
    """Arguments of `Axis` by the letters of axes, from OME-XML of one image."""
    root = ElementTree.fromstring(text)
    every = [child for child in root.iter() if _tag(child) == "Pixels"]
    if len(every) != 1:
        return {}
    pixels, told = every[0], {}
    for key, axis, name in (("PhysicalSizeY", "y", ""), ("PhysicalSizeX", "x", ""), ("PhysicalSizeZ", "Z", "Depth")):
        if key in pixels.attrib:
            unit = pixels.attrib.get(f"{key}Unit", "µm")
            told[axis] = {"scale": float(pixels.attrib[key]), "unit": unit, "name": name}
    if "TimeIncrement" in pixels.attrib:
        unit = pixels.attrib.get("TimeIncrementUnit", "s")
        told["T"] = {"scale": float(pixels.attrib["TimeIncrement"]), "unit": unit, "name": "Time"}
    channels = [child for child in pixels if _tag(child) == "Channel"]
    told["C"] = {"name": "Channel"}
    if channels and all(channel.attrib.get("Name", "").strip() for channel in channels):
        told["C"]["labels"] = tuple(channel.attrib["Name"].strip() for channel in channels)
    emission = [channel.attrib.get("EmissionWavelength", "") for channel in channels]
    units = {channel.attrib.get("EmissionWavelengthUnit", "nm") for channel in channels}
    if channels and all(emission) and len(units) == 1:
        told["C"] |= {"name": "Emission wavelength", "values": tuple(map(float, emission)), "unit": units.pop()}
    return told


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _of_imagej(meta: dict[str, Any], page: Any) -> dict[str, dict[str, Any]]:
    """Arguments of `Axis` by the letters of axes, from the header of ImageJ: its resolution counts pixels a unit."""
    unit = str(meta.get("unit", ""))
    told: dict[str, dict[str, Any]] = {}
    if unit:
        units = {"y": str(meta.get("yunit", unit)), "x": unit}
        for axis, size in _sizes(page).items():
            told[axis] = {"scale": size, "unit": units[axis]}
        if "spacing" in meta:
            told["Z"] = {"scale": abs(float(meta["spacing"])), "unit": str(meta.get("zunit", unit)), "name": "Depth"}
    interval = float(meta.get("finterval", 0))
    if interval > 0:
        told["T"] = {"scale": interval, "unit": str(meta.get("tunit", "s")), "name": "Time"}
    labels = meta.get("Labels", ())
    if isinstance(labels, (list, tuple)) and labels and all(str(label).strip() for label in labels):
        for letter in "TZCI":
            told.setdefault(letter, {})["labels"] = tuple(map(str, labels))
    return told


def _of_tags(page: Any) -> dict[str, dict[str, Any]]:
    """Arguments of `Axis` from the tags of resolution, where these count pixels a centimetre."""
    if "ResolutionUnit" not in page.tags or int(page.tags["ResolutionUnit"].value) != _CENTIMETRE:
        return {}
    return {axis: {"scale": 1e4 * size, "unit": "µm"} for axis, size in _sizes(page).items()}


def _sizes(page: Any) -> dict[str, float]:
    """Height and width of a pixel by the tags of resolution, in their unit; of those that can be."""
    found = {}
    for axis, name in (("y", "YResolution"), ("x", "XResolution")):
        if name in page.tags:
            over, under = map(float, page.tags[name].value)
            if over > 0 and under > 0 and math.isfinite(under / over):
                found[axis] = under / over
    return found
