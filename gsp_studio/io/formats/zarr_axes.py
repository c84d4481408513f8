"""Axes that Zarr folders declare: OME-Zarr (NGFF 0.1 to 0.5, "multiscales"), and named dimensions as xarray has them.

References
----------
Next-generation file formats, https://ngff.openmicroscopy.org/0.4 and /0.5; xarray, "Zarr encoding specification".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gsp_studio.arrays import Array
from gsp_studio.io.axes import Axis, declared, unit_of_cf
from gsp_studio.io.formats.array_entry import DeclaredAxes

Told = dict[str, Any]

#: Names of the axes of images by the letters of NGFF.
_NAMES = {"t": "Time", "c": "Channel", "z": "Depth", "y": "", "x": ""}
#: Descriptions of scales that are looked at in one group, and levels of one of them.
_MOST_SCALES, _MOST_LEVELS = 16, 64


@dataclass(frozen=True)
class Surroundings:
    """An array among the groups of its folder.

    Attributes
    ----------
    key : str
        Its path in the folder.
    shape : tuple of int
    dimension_names : tuple
        As its own description has them; empty where it does not.
    attributes : (path of a group or an array) -> dict
        Empty where there are none.
    coordinates : (path of an array, count) -> ndarray (count,), or None
        Values of a vector of so many real numbers.
    """

    key: str
    shape: tuple[int, ...]
    dimension_names: tuple[Any, ...]
    attributes: Callable[[str], Mapping[str, Any]]
    coordinates: Callable[[str, int], Array | None]


def declared_axes(around: Surroundings, kept: Sequence[int]) -> DeclaredAxes:
    """Axes of an array, and notes on declarations that cannot be.

    Parameters
    ----------
    around : Surroundings
    kept : sequence of int
        Dimensions that are read, in the order in which they are.
    """
    told, why = _of_scales(around)
    if not told:
        told = _of_names(around)
    notes: dict[str, None] = {f"what its multiscales say is not used: {why}": None} if why else {}
    found: list[Axis | None] = []
    for k in kept:
        axis, note = declared("band", around.shape[k], **told[k]) if told else (None, "")
        if note:
            notes[note.replace("its bands", f"axis {k + 1}")] = None
        found.append(axis)
    return (tuple(found) if any(found) else ()), tuple(notes)


def _of_scales(around: Surroundings) -> tuple[list[Told], str]:
    """Arguments of `Axis` for each dimension by the nearest group with "multiscales" that lists the array."""
    above, _, rest = around.key.rpartition("/")
    while around.key:
        attributes = around.attributes(above)
        ome = attributes.get("ome")
        holder = ome if isinstance(ome, Mapping) else attributes
        for scales in _listed(holder.get("multiscales"))[:_MOST_SCALES]:
            levels = _listed(scales.get("datasets")) if isinstance(scales, Mapping) else []
            for level in levels[:_MOST_LEVELS]:
                if isinstance(level, Mapping) and str(level.get("path", "")).strip("/") == rest:
                    try:
                        return _of_level(around, scales, level, holder), ""
                    except (TypeError, ValueError) as error:
                        return [], str(error)[:200]
        if not above:
            break
        above, _, last = above.rpartition("/")
        rest = f"{last}/{rest}"
    return [], ""


def _of_level(around: Surroundings, scales: Mapping[str, Any], level: Mapping[str, Any], holder: Any) -> list[Told]:
    """Arguments of `Axis` for one resolution of an image."""
    count = len(around.shape)
    named = _listed(scales.get("axes")) or list(
        "tczyx"[-count:] if count <= 5 else ""
    )  # which versions before 0.3 imply
    if len(named) != count:
        raise ValueError(f"there are {len(named)} axes for the {count} of the array")
    told: list[Told] = []
    for axis in named:
        about = axis if isinstance(axis, Mapping) else {"name": axis}
        name = str(about.get("name", ""))
        told.append({"name": _NAMES.get(name, name), "unit": str(about.get("unit") or "")})
    scale, offset = [1.0] * count, [0.0] * count
    for transformation in (
        *_listed(level.get("coordinateTransformations")),
        *_listed(scales.get("coordinateTransformations")),
    ):
        kind = transformation.get("type") if isinstance(transformation, Mapping) else None
        if kind == "identity":
            continue
        numbers = _listed(transformation.get(kind)) if kind in ("scale", "translation") else []
        if len(numbers) != count or not all(_is_number(one) for one in numbers):
            raise ValueError(
                f"its transformation {str(kind)[:40]!r} has {len(numbers)} numbers; accepted are scale and translation "
                f"with {count} numbers"
            )
        if kind == "scale":
            scale = [a * b for a, b in zip(scale, numbers, strict=True)]
            offset = [a * b for a, b in zip(offset, numbers, strict=True)]
        else:
            offset = [a + b for a, b in zip(offset, numbers, strict=True)]
    for k, about in enumerate(told):
        about |= {"scale": scale[k], "offset": offset[k]}
    _name_channels(told, around.shape, holder)
    return told


def _name_channels(told: Sequence[Told], shape: tuple[int, ...], holder: Any) -> None:
    """Add the names of channels, of the rendering hints "omero"."""
    omero = holder.get("omero")
    channels = _listed(omero.get("channels")) if isinstance(omero, Mapping) else []
    labels = tuple(str(one.get("label") or "").strip() for one in channels if isinstance(one, Mapping))
    for about, size in zip(told, shape, strict=True):
        if about["name"] == "Channel" and len(labels) == size and all(labels):
            about["labels"] = labels


def _of_names(around: Surroundings) -> list[Told]:
    """Arguments of `Axis` by named dimensions, with the coordinates of these in arrays beside."""
    names = tuple(_listed(around.attributes(around.key).get("_ARRAY_DIMENSIONS"))) or around.dimension_names
    if len(names) != len(around.shape):
        return []
    folder = around.key.rpartition("/")[0]
    told: list[Told] = []
    for name, size in zip(names, around.shape, strict=True):
        if not isinstance(name, str) or not name or "/" in name or name in (".", ".."):
            told.append({})
            continue
        beside = f"{folder}/{name}" if folder else name
        about: Told = {"name": name}
        values = around.coordinates(beside, size) if beside != around.key else None
        if values is not None:
            attributes = around.attributes(beside)
            long = attributes.get("long_name")
            unit = attributes.get("units")
            about = {
                "name": long if isinstance(long, str) and 0 < len(long) <= 60 else name,
                "unit": unit_of_cf(unit) if isinstance(unit, str) else "",
                "values": values,
            }
        told.append(about)
    return told


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
