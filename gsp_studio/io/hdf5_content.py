"""Texts and arrays in the HDF5 files of sessions and runs: written with care, read with distrust.

Only what lies in the file itself is read; nothing that a file declares is allocated before it is compared with what is
stored and with free memory.
"""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

import h5py
import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import one_line
from gsp_studio.io.formats.matlab5 import DEFLATE_MOST
from gsp_studio.io.memory import require_memory
from gsp_studio.io.schema import SchemaError, parse_json

Member = TypeVar("Member", h5py.Group, h5py.Dataset)

#: Exceptions that h5py raises for damaged files, and Python for damaged texts.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, RecursionError)
#: Bytes from which on an array is compressed.
_WORTHWHILE = 1 << 14
#: Bytes that a chunk may have beyond what is stored of it.
_CHUNK = 1 << 20


class SessionError(ValueError):
    """A session that cannot be read; the message is one sentence: what, where and why."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def write_text(group: h5py.Group, name: str, content: Any) -> None:
    """JSON as bytes: attributes end at 64 KiB, and file names may hold what is no text."""
    text = json.dumps(content).encode("ascii")
    write_array(group, name, np.frombuffer(text, np.uint8))


def read_text(group: h5py.Group, name: str) -> Any:
    """Read a text that `write_text` wrote."""
    return parse_json(bytes(read_array(group, name).astype(np.uint8)))


def write_array(group: h5py.Group, name: str, values: Array) -> None:
    """An array with its bits and its order in memory."""
    values = np.asarray(values)
    is_fortran = values.ndim == 2 and values.flags.f_contiguous and not values.flags.c_contiguous
    stored = values.T if is_fortran else values
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if values.nbytes >= _WORTHWHILE else {}
    made = group.create_dataset(name, data=stored, fletcher32=values.nbytes >= _WORTHWHILE, **packed)
    made.attrs["fortran"] = is_fortran


def member(group: h5py.Group, name: str, kind: type[Member]) -> Member:
    """Something in a group; what is linked to may lie in another file, and is refused."""
    link = group.get(name, getlink=True)
    if link is None:
        raise SchemaError(f"{name} is missing")
    if not isinstance(link, h5py.HardLink):
        raise SchemaError(f"{name} leads to another place, which is not followed")
    item = group[name]
    if not isinstance(item, kind):
        raise SchemaError(f"{name} is not what it should be")
    return item


def group_of(group: h5py.Group, name: str) -> h5py.Group:
    """A group in a group; SchemaError where there is none."""
    return member(group, name, h5py.Group)


def names_of(group: h5py.Group, name: str) -> list[str]:
    """Names in a group, without those that are not UTF-8, which h5py gives as bytes and GSP Studio never writes."""
    return sorted(one for one in group_of(group, name) if isinstance(one, str))


def read_array(group: h5py.Group, name: str) -> Array:
    """An array of real numbers, no larger than what the file holds for it and than free memory."""
    item = member(group, name, h5py.Dataset)
    if item.external is not None or item.is_virtual:
        raise SchemaError(f"the values of {name} are in another file")
    if item.shape is None or item.dtype.kind not in "biuf" or item.dtype.itemsize > 8:
        raise SchemaError(f"{name} is of type {item.dtype}; accepted are real numbers")
    stored = item.id.get_storage_size()
    chunk = math.prod(item.chunks or ()) * item.dtype.itemsize
    if max(item.nbytes, chunk) > DEFLATE_MOST * stored + _CHUNK:
        raise SchemaError(f"{name} declares {item.nbytes} bytes, but {stored} are stored for it")
    require_memory(item.nbytes + chunk, name)
    values: Array = item[()]
    return values.T if _is_fortran(item) else values


def _is_fortran(item: h5py.Dataset) -> bool:
    """Whether `write_array` transposed an array.

    Its mark is a byte of an enumeration. A damaged one is not handed to HDF5's conversion, which trusts its members and
    writes past the value: the byte is read as it lies in the file.
    """
    if "fortran" not in item.attrs:
        return False
    held = item.attrs.get_id("fortran")
    kind = held.get_type()
    if held.shape != () or kind.get_class() != h5py.h5t.ENUM or kind.get_size() != 1 or held.get_storage_size() != 1:
        return False
    mark = np.zeros((), np.uint8)
    held.read(mark, mtype=kind)
    return bool(mark)
