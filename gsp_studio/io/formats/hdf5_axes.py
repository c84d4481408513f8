"""Axes that HDF5 files declare: hyperspy's groups, NeXus, EMD, dimension scales as NetCDF has them, and attributes
("dims" as xarray names dimensions, wavelengths, sizes of elements).

All of it is read with distrust: only what lies in the file itself, of bounded length, and checked by `axes.declared`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.axes import MOST, Axis, declared, unit_of_cf
from gsp_studio.io.formats.array_entry import DeclaredAxes
from gsp_studio.io.formats.hdf5_attributes import numbers, text, texts
from gsp_studio.io.formats.hdf5_chunks import CheckedChunks

Told = dict[str, Any]

_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError, UnicodeError)
#: Name of a dimension scale that has no coordinates, in NetCDF.
_NO_SCALE = "This is a netCDF dimension but not a netCDF variable"
#: Attributes of a data set that list the wavelengths of its bands, and the units that the names say.
_WAVELENGTHS = {"wavelength": "", "wavelengths": "", "wavelength_nm": "nm", "wavelengths_nm": "nm"}


def declared_axes(item: h5py.Dataset, kept: tuple[int, ...]) -> DeclaredAxes:
    """Axes of a dataset.

    Parameters
    ----------
    item : h5py.Dataset
    kept : tuple of int
        Its dimensions that are read, in the order in which they are.
    """
    found: list[Axis | None] = []
    notes: dict[str, None] = {}
    for k in kept:
        axis = None
        for source in (_of_hyperspy, _of_named_axes, _of_emd, _of_scales, _of_dims, _of_attributes):
            told = _attempt(source, item, k)
            if not told:
                continue
            axis, note = declared("band", int(item.shape[k]), **told)
            if note:
                notes[note.replace("its bands", f"axis {k + 1}")] = None
            if axis is not None:
                break
        found.append(axis)
    return (tuple(found) if any(found) else ()), tuple(notes)


def _attempt(source: Callable[[h5py.Dataset, int], Told], item: h5py.Dataset, k: int) -> Told:
    try:
        return source(item, k)
    except _DAMAGE:  # a damaged declaration is none
        return {}


def _of_hyperspy(item: h5py.Dataset, k: int) -> Told:
    """Groups "axis-0", "axis-1" beside the data, with the attributes name, units, scale and offset."""
    if item.name is None or not item.name.endswith("/data"):
        return {}
    group = _member(item.parent, f"axis-{k}", h5py.Group)
    if group is None:
        return {}
    told: Told = {"name": text(group, "name"), "unit": text(group, "units")}
    told["name"] = "" if told["name"].startswith("<") else told["name"]
    held = _member(group, "axis", h5py.Dataset)
    if held is not None:  # a DataAxis
        return told | {"values": _values(held, item.shape[k])}
    return told | {key: value for key in ("scale", "offset") if (value := _number(group, key)) is not None}


def _of_named_axes(item: h5py.Dataset, k: int) -> Told:
    """NeXus: the attribute "axes" of the group, or of the dataset, names the datasets of the coordinates."""
    for holder in (item.parent, item):
        names = texts(holder, "axes")
        if len(names) == 1 and ":" in names[0]:
            names = names[0].split(":")
        if len(names) == item.ndim and names[k] not in ("", "."):
            return _of_dataset(_member(item.parent, names[k], h5py.Dataset), item.shape[k], names[k])
    return {}


def _of_emd(item: h5py.Dataset, k: int) -> Told:
    """Datasets "dim1", "dim2" beside the data, with the attributes name and units, as EMD files have them."""
    held = _member(item.parent, f"dim{k + 1}", h5py.Dataset)
    if held is None or not text(held, "name"):
        return {}
    told = {"name": text(held, "name"), "unit": text(held, "units").strip("[]")}
    if held.shape == (2,) and item.shape[k] > 2:  # the first two places stand for all
        first, second = _values(held, 2)
        return told | {"offset": float(first), "scale": float(second - first)}
    return told | {"values": _values(held, item.shape[k])}


def _of_scales(item: h5py.Dataset, k: int) -> Told:
    """Dimension scales, as NetCDF and h5py attach them; else the label of the dimension."""
    dimension = item.dims[k]
    for j in range(min(len(dimension), 4)):
        scale = dimension[j]
        own = str(scale.name).rpartition("/")[2]
        if text(scale, "NAME").startswith(_NO_SCALE):
            return {"name": own}
        told = _of_dataset(scale, item.shape[k], own)
        if told:
            return told
    return {"name": str(dimension.label)} if dimension.label else {}


def _of_dims(item: h5py.Dataset, k: int) -> Told:
    """The attribute "dims" names the dimensions, as xarray does, and datasets beside the data; "units" their units."""
    for attribute in ("dims", "dimensions", "_ARRAY_DIMENSIONS"):
        names = texts(item, attribute)
        if len(names) == 1 and item.ndim > 1:
            names = names[0].replace(",", " ").split()
        if len(names) != item.ndim or not names[k]:
            continue
        told = _of_dataset(_member(item.parent, names[k], h5py.Dataset), item.shape[k], names[k])
        units = texts(item, "units")
        if len(units) == 1 and item.ndim > 1:
            units = units[0].split(",")
        unit = units[k].strip() if len(units) == item.ndim else ""
        return told or {"name": names[k], "unit": unit}
    return {}


def _of_attributes(item: h5py.Dataset, k: int) -> Told:
    """Attributes of the dataset: its wavelengths, and the size of an element as ImageJ's HDF5 files have it."""
    count = item.shape[k]
    is_alone = sum(size == count for size in item.shape) == 1
    for name, unit in _WAVELENGTHS.items():
        values = _numbers(item, name)
        if is_alone and values is not None and len(values) == count > 1:
            unit = unit or text(item, "wavelength_units") or text(item, f"{name}_units") or text(item, "units")
            return {"name": "Wavelength", "unit": unit, "values": values}
    sizes = _numbers(item, "element_size_um")
    if sizes is not None and len(sizes) == 3 and item.ndim >= 3 and k >= item.ndim - 3:
        return {"scale": float(sizes[k - item.ndim]), "unit": "µm"}
    return {}


def _of_dataset(held: h5py.Dataset | None, count: int, own: str) -> Told:
    """Coordinates in a dataset, with its attributes units and long_name."""
    if held is None:
        return {}
    named = text(held, "long_name")
    told = {"name": named if 0 < len(named) <= 60 else own, "unit": unit_of_cf(text(held, "units"))}
    if held.shape != (count,) or held.dtype.kind not in "iuf":
        return {}
    return told | {"values": _values(held, count)}


def _member(group: Any, name: str, kind: type[Any]) -> Any:
    """Something that lies in a group itself; None where there is none of the kind."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return None
    item = group[name]
    return item if isinstance(item, kind) else None


def _values(held: h5py.Dataset, count: int) -> Array:
    """The values of a vector of so many real numbers.

    Raises
    ------
    ValueError
        It is none, or its values are in another file.
    """
    is_elsewhere = held.external is not None or held.is_virtual
    if held.shape != (count,) or held.dtype.kind not in "iuf" or count > MOST or is_elsewhere:
        raise ValueError("no vector of coordinates")
    CheckedChunks(held, str(held.name)).check(0, 0, count)
    return np.asarray(held[()], np.float64)


def _number(holder: Any, name: str) -> float | None:
    values = _numbers(holder, name)
    return float(values[0]) if values is not None and len(values) == 1 else None


def _numbers(holder: Any, name: str) -> Array | None:
    """An attribute of real numbers, as a vector; None where it is something else."""
    held = numbers(holder, name, MOST)
    return None if held is None else held.astype(np.float64)
