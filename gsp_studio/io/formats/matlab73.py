"""Arrays in MATLAB files of version 7.3, which are HDF5 with all axes reversed.

A cell is a dataset of references, a struct a group, a sparse matrix a group of three datasets: these become what they
become in `matlab`. Only what lies in the file itself is read: links, and datasets whose values are in other files, are
listed by what they are and not followed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.formats.array_entry import NUMERIC, ArrayEntry
from gsp_studio.io.formats.hdf5_chunks import CheckedChunks, read_checked
from gsp_studio.io.formats.lazy_array import LazyArray, Read, between

_BITS = (8, 16, 32, 64)
_NUMBERS = ("double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in _BITS))
#: Variables that are listed, and cells that are looked into.
_MOST, _MOST_CELLS = 4096, 1 << 18
_SPARSE = "stored sparse, read as a full matrix"


def list_arrays(path: Path) -> list[ArrayEntry]:
    """The variables of a file, with their axes as MATLAB has them; fields of structs as "s.images"."""
    with h5py.File(path, "r") as file:
        return [_entry(name, item) for name, item in _walk(file)]


def read_array(path: Path, entry: ArrayEntry) -> Array:
    """The values of a variable."""
    with h5py.File(path, "r") as file:
        item = file[_place(entry)]
        if isinstance(item, h5py.Group):
            return _full(item, entry)
        if _is_references(item):
            images = [_matlab(one[()], entry.dtype) for one in _parts(item)]
            sides = entry.shape[:-1]
            return np.stack([image.reshape(sides, order="F") for image in images], axis=-1)
        return _matlab(read_checked(item, f'"{entry.key}" in {path}'), entry.dtype)


def open_array(path: Path, entry: ArrayEntry) -> LazyArray | None:
    """A variable of which parts are read; None for cells and sparse matrices."""
    with h5py.File(path, "r") as file:
        item = file[_place(entry)]
        if isinstance(item, h5py.Group) or _is_references(item):
            return None
    return LazyArray(entry.shape, entry.dtype, partial(_open, str(path), _place(entry), entry.dtype))


def _open(path: str, key: str, dtype: np.dtype[Any]) -> tuple[Read, Callable[[], object]]:
    file = h5py.File(path, "r")
    chunks = CheckedChunks(file[key], f'"{key}" in {path}')

    def read(axis: int, start: int, stop: int) -> Array:
        values = file[key]
        chunks.check(values.ndim - 1 - axis, start, stop)
        return _matlab(np.asarray(values[between(values.ndim - 1 - axis, start, stop, values.ndim)]), dtype)

    return read, file.close


def _matlab(values: Array, dtype: np.dtype[Any]) -> Array:
    """Values with their axes as MATLAB has them, and logicals, which are stored as bytes, as these."""
    return (values != 0 if dtype.kind == "b" else values).T


def _place(entry: ArrayEntry) -> str:
    return entry.key.replace(".", "/")


def _walk(file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Pairs of a name and its object: a dataset, the group of a sparse matrix, or a description of another class."""
    seen: set[Any] = set()
    pending = [("", file)]
    count = 0
    while pending:
        above, group = pending.pop(0)
        for name in sorted(name for name in group if isinstance(name, str)):  # others are no UTF-8
            if name.startswith("#") or "." in name or count >= _MOST:  # MATLAB's own, or none of its names
                continue
            count += 1
            path = f"{above}.{name}" if above else name
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                yield path, "link to somewhere else"
                continue
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group) and "MATLAB_sparse" not in item.attrs:
                pending.append((path, item))
            elif isinstance(item, h5py.Group | h5py.Dataset):
                yield path, item


def _entry(name: str, item: Any) -> ArrayEntry:
    if isinstance(item, str):
        return ArrayEntry(name, (), np.dtype(object), item)
    kind = item.attrs.get("MATLAB_class", b"double")
    kind = kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)
    if isinstance(item, h5py.Group):
        return _sparse_entry(name, item, kind)
    shape = tuple(map(int, item.shape or ()))[::-1]
    if not _is_inside(item):
        return ArrayEntry(name, shape, item.dtype, "dataset whose values are in another file")
    if _is_references(item):
        return _stack_entry(name, item) or ArrayEntry(name, shape, item.dtype, "cell array")
    if item.shape is None or item.dtype.kind not in NUMERIC:
        is_complex = item.dtype.names == ("real", "imag")
        return ArrayEntry(name, shape, item.dtype, "complex array" if is_complex else f"dataset of type {item.dtype}")
    if kind not in _NUMBERS or "MATLAB_empty" in item.attrs:
        return ArrayEntry(name, shape, item.dtype, f"{kind} array")
    return ArrayEntry(name, shape, np.dtype(bool) if kind == "logical" else item.dtype)


def _is_inside(item: h5py.Dataset) -> bool:
    return item.external is None and not item.is_virtual


def _is_references(item: h5py.Dataset) -> bool:
    return item.shape is not None and h5py.check_ref_dtype(item.dtype) is h5py.Reference


def _parts(item: h5py.Dataset) -> Iterator[h5py.Dataset]:
    """The datasets of a cell, in MATLAB's order.

    Raises
    ------
    ValueError
        References to nothing, or to objects that are no datasets of this file.
    """
    for reference in np.ravel(item[()]):
        part = item.file[reference] if reference else None
        if not isinstance(part, h5py.Dataset) or not _is_inside(part):
            raise ValueError("a cell holds something that is no array")
        yield part


def _stack_entry(name: str, item: h5py.Dataset) -> ArrayEntry | None:
    """A cell of equal images as the stack that it is read as; None where it is none."""
    count = math.prod(item.shape)
    if not 1 <= count <= _MOST_CELLS:
        return None
    first: ArrayEntry | None = None
    try:
        for part in _parts(item):
            if _is_references(part):
                return None  # a cell in a cell, which may hold itself
            one = _entry(name, part)
            first = first or one
            if one.kind or (one.shape, one.dtype) != (first.shape, first.dtype):
                return None
    except ValueError:
        return None
    if (
        first is None
        or min(first.shape, default=0) < 1
        or len(first.shape) not in (2, 3)
        or first.shape[2:] not in ((), (3,))
    ):
        return None
    # Images of one column are vectors, and are put side by side.
    sides = (math.prod(first.shape),) if 1 in first.shape else first.shape
    return ArrayEntry(name, (*sides, count), first.dtype, is_certain=True)


def _sparse_entry(name: str, group: h5py.Group, kind: str) -> ArrayEntry:
    """A sparse matrix; its height is an attribute, its width that of "jc"."""
    begins = _inner(group, "jc")
    try:
        height = int(np.ravel(group.attrs["MATLAB_sparse"])[0])
    except (TypeError, ValueError, IndexError):
        height = -1
    if begins is None or height < 0:
        return ArrayEntry(name, (), np.dtype(object), "damaged sparse array")
    shape = (height, max(0, len(begins) - 1))
    if kind not in ("double", "logical"):
        return ArrayEntry(name, shape, np.dtype(object), f"sparse array of {kind}")
    return ArrayEntry(name, shape, np.dtype(bool if kind == "logical" else np.float64), notes=(_SPARSE,))


def _full(group: h5py.Group, entry: ArrayEntry) -> Array:
    height, width = entry.shape
    full = np.zeros(entry.shape, entry.dtype, order="F")
    begins = _column(group, "jc", width + 1).astype(np.int64)
    count = int(begins[-1])
    if begins[0] != 0 or (np.diff(begins) < 0).any():
        raise ValueError("the columns of a sparse array are damaged")
    if count:  # else the others are not stored
        rows, values = _column(group, "ir", count).astype(np.int64), _column(group, "data", count)
        if not 0 <= rows.min() <= rows.max() < height:
            raise ValueError("the rows of a sparse array are damaged")
        full[rows, np.repeat(np.arange(width), np.diff(begins))] = values
    return full


def _column(group: h5py.Group, name: str, count: int) -> Array:
    """The first values of a part of a sparse matrix.

    Raises
    ------
    ValueError
        No such part, or fewer values.
    """
    item = _inner(group, name)
    if item is None or len(item) < count:
        raise ValueError("a sparse array is damaged")
    return np.asarray(item[:count])


def _inner(group: h5py.Group, name: str) -> h5py.Dataset | None:
    """A vector of numbers that lies in a group itself; None where there is none."""
    item = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(item, h5py.Dataset) or not _is_inside(item) or len(item.shape or ()) != 1:
        return None
    return item if item.dtype.kind in NUMERIC else None
