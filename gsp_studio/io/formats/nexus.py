"""What NeXus files say of their data: which dataset is the signal."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import h5py

from gsp_studio.io.formats.hdf5_attributes import text

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


def _only_data(entry: h5py.Group) -> h5py.Group | None:
    """The only group of an entry that has a signal."""
    names = islice(entry, _MEMBERS)
    inside = [entry[name] for name in names if isinstance(entry.get(name, getlink=True), h5py.HardLink)]
    found = [item for item in inside if isinstance(item, h5py.Group) and text(item, "signal")]
    return found[0] if len(found) == 1 else None
