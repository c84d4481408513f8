"""Arrays in HDF5 files.

Only what lies in the file itself is read: links to other files, datasets stored in other files and virtual ones are
listed by what they are and not followed. Links within the file cannot lead in circles, as each object is visited once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gsp_studio.io.entry import NUMERIC, ArrayEntry
from gsp_studio.io.parted import PartedArray, Read, between

Array = npt.NDArray[Any]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Datasets that are listed; a file with more is no browser's meat.
_MOST = 4096


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5 by its signature, at its beginning or after MATLAB's 512 bytes."""
    with path.open("rb") as file:
        if file.read(8) == _SIGNATURE:
            return True
        file.seek(512)
        return file.read(8) == _SIGNATURE


def list_datasets(path: Path) -> list[ArrayEntry]:
    """The datasets of a file by their paths in it, in the order of these."""
    with h5py.File(path, "r") as file:
        return [_entry(name, item) for name, item in _walk(file)]


def read_dataset(path: Path, entry: ArrayEntry) -> Array:
    """The values of a dataset."""
    with h5py.File(path, "r") as file:
        return np.asarray(file[entry.key][()])


def open_dataset(path: Path, entry: ArrayEntry) -> PartedArray:
    """A dataset of which parts are read."""
    return PartedArray(entry.shape, entry.dtype, partial(_open, str(path), entry.key))


def _open(path: str, key: str) -> tuple[Read, Callable[[], object]]:
    file = h5py.File(path, "r")

    def read(axis: int, start: int, stop: int) -> Array:
        values = file[key]
        return np.asarray(values[between(axis, start, stop, values.ndim)])

    return read, file.close


def _walk(file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Pairs of a path and its dataset, or what is there instead, in words."""
    seen: set[Any] = set()
    pending = [("", file)]
    count = 0
    while pending:
        above, group = pending.pop(0)
        for name in sorted(group):
            path = f"{above}/{name}" if above else name
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield path, "link to another file"
                continue
            if isinstance(link, h5py.SoftLink):
                continue  # leads to what is listed under its own name, or nowhere
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                pending.append((path, item))
            elif isinstance(item, h5py.Dataset):
                count += 1
                if count > _MOST:
                    return
                yield path, item


def _is_inside(item: h5py.Dataset) -> bool:
    return item.external is None and not item.is_virtual


def _entry(name: str, item: Any) -> ArrayEntry:
    if isinstance(item, str):
        return ArrayEntry(name, (), np.dtype(object), item)
    shape = tuple(map(int, item.shape or ()))
    if not _is_inside(item):
        return ArrayEntry(name, shape, item.dtype, "dataset whose values are in another file")
    kind = "" if item.dtype.kind in NUMERIC + "S" and item.shape is not None else f"dataset of type {item.dtype}"
    return ArrayEntry(name, shape, item.dtype, kind)
