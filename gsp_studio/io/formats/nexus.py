"""What NeXus files say of their data: which dataset is the signal, and the scaling of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import h5py
import numpy as np

from gsp_studio.io.formats.hdf5_attributes import numbers, text

#: Groups that one may lead to by the attribute "default".
_STEPS = 32
#: Members of an entry that are looked at.
_MEMBERS = 4096

#: Something by its path from a group; None where it leads nowhere.
Follow = Callable[[h5py.Group, str], Any]


def signal(file: h5py.File, follow: Follow) -> h5py.Dataset | None:
    """The dataset that the attributes "default" of the groups and "signal" of the last one lead to.

    Parameters
    ----------
    file : h5py.File
    follow : (group, path) -> object or None

    Notes
    -----
    An entry without "default" is followed to its data where it has one group with a "signal". See "How to find the
    default plottable data" in the manual of NeXus, https://manual.nexusformat.org/datarules.html.
    """
    group: Any = file if text(file, "default") else None
    for _ in range(_STEPS):
        if not isinstance(group, h5py.Group):
            break
        named = text(group, "signal")
        if named:
            group = follow(group, named)
            break
        default = text(group, "default")
        group = follow(group, default) if default else _only_data(group)
    return group if isinstance(group, h5py.Dataset) else None


def scaling(item: h5py.Dataset) -> tuple[float, float] | None:
    """Scale and offset so that ``value = stored * scale + offset``; None where nothing is declared.

    NeXus has ``value = (stored + offset) * scaling_factor`` (NXdata, FIELDNAME_scaling_factor), of scalars beside the
    dataset that are named after it, or for the signal are not, or of its attributes.
    """
    name, group = str(item.name).rpartition("/")[2], item.parent
    prefixes = (f"{name}_", "") if text(group, "signal") == name else (f"{name}_",)
    factor = _number_of(item, "scaling_factor")
    offset = _number_of(item, "offset") if factor is not None else None  # which alone may be something else
    for prefix in prefixes:
        factor = _scalar(group, f"{prefix}scaling_factor") if factor is None else factor
        offset = _scalar(group, f"{prefix}offset") if offset is None else offset
    if factor is None and offset is None:
        return None
    scale = 1.0 if factor is None else factor
    return scale, scale * (offset or 0.0)


def _number_of(item: h5py.Dataset, name: str) -> float | None:
    found = numbers(item, name, 1)
    return float(found[0]) if found is not None and len(found) == 1 else None


def _scalar(group: h5py.Group, name: str) -> float | None:
    """A dataset of one real number in a group itself."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return None
    held = group[name]
    is_one = isinstance(held, h5py.Dataset) and held.shape in ((), (1,)) and held.dtype.kind in "iuf"
    if not is_one or held.chunks is not None or held.external is not None or held.is_virtual:
        return None
    return float(np.ravel(held[()])[0])


def _only_data(entry: h5py.Group) -> h5py.Group | None:
    """The only group of an entry that has a signal."""
    names = islice(entry, _MEMBERS)
    inside = [entry[name] for name in names if isinstance(entry.get(name, getlink=True), h5py.HardLink)]
    found = [item for item in inside if isinstance(item, h5py.Group) and text(item, "signal")]
    return found[0] if len(found) == 1 else None
