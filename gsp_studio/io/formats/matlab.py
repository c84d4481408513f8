"""MATLAB files of every version: 4 here, 5 to 7.2 in `matlab`, 7.3, which is HDF5, in `matlab73`.

Which version a file has is read in its header and nowhere else.

References
----------
.. [1] MAT-File Format, The MathWorks, chapter 2 (level 4).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats import hdf5, matlab5, matlab73
from gsp_studio.io.formats.array_entry import ArrayEntry
from gsp_studio.io.formats.lazy_array import LazyArray
from gsp_studio.io.formats.matlab5 import Variable

#: Types of values of version 4, by their digit.
_STORED = ("f8", "f4", "i4", "i2", "u2", "u1")
_SPARSE = "stored sparse, read as a full matrix"


def is_mat(path: Path, head: bytes) -> bool:
    """Whether a file is a MATLAB file by its header; version 4 has none and is believed by its name.

    Parameters
    ----------
    path : Path
    head : bytes
        The first of the file.
    """
    return head.startswith((b"MATLAB 5.0", b"MATLAB 7.3")) or path.suffix.lower() == ".mat"


def list_arrays(path: Path) -> list[ArrayEntry]:
    """The variables of a file, those of structs included, with their axes as MATLAB has them."""
    if hdf5.is_hdf5(path):
        return matlab73.list_arrays(path)
    size = path.stat().st_size
    entries = []
    is_5 = _is_version_5(path)
    for variable in matlab5.list_variables(path) if is_5 else (one for one, _ in _version_4(path)):
        dtype = variable.dtype or np.dtype(object)
        notes = (_SPARSE,) if variable.is_sparse else ()
        entry = ArrayEntry(variable.name, variable.shape, dtype, variable.kind, variable.is_stack, notes)
        most = matlab5.DEFLATE_MOST * size
        if variable.dtype is not None and not variable.is_sparse and math.prod(entry.shape) > most:
            raise DatasetError(f"{path} declares {entry}, {entry.nbytes} bytes, more than {size} bytes can hold")
        entries.append(entry)
    return entries


def read_array(path: Path, entry: ArrayEntry) -> Array:
    """The values of a variable."""
    if hdf5.is_hdf5(path):
        return matlab73.read_array(path, entry)
    if _is_version_5(path):
        return matlab5.read_variable(path, entry.key)
    for variable, place in _version_4(path):
        if variable.name == entry.key and variable.dtype is not None:
            stored, begin = place
            values = np.fromfile(path, stored, math.prod(variable.shape), offset=begin)
            return values.astype(np.float64).reshape(variable.shape, order="F")
    raise ValueError(f'no array "{entry.key}"')


def open_array(path: Path, entry: ArrayEntry) -> LazyArray | None:
    """A variable of which parts are read; None where that cannot be."""
    return matlab73.open_array(path, entry) if hdf5.is_hdf5(path) else None


def _is_version_5(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(128)
    if matlab5.is_version_5(head):
        return True
    if head.startswith(b"MATLAB "):
        declared = f"0x{matlab5.version(head):04X}" if len(head) == 128 else "none"
        raise DatasetError(
            f"{path} is not a readable .mat file: the version in its header is {declared}; "
            "accepted are 0x0100, MATLAB 5 to 7.2, and 0x0200, MATLAB 7.3, which is HDF5"
        )
    return False


def _version_4(path: Path) -> Iterator[tuple[Variable, tuple[np.dtype[Any], int]]]:
    """Variables of a file of version 4, whose numbers are all doubles, with how and where their values are stored."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = 0
        while begin < size:
            file.seek(begin)
            head = file.read(20)
            order = "<" if len(head) == 20 and 0 <= struct.unpack("<i", head[:4])[0] < 5000 else ">"
            kind, height, width, imaginary, length = struct.unpack(order + "5i", head) if len(head) == 20 else (-1,) * 5
            machine, _, stored, text = (kind // 10**k % 10 for k in (3, 2, 1, 0))
            is_whole = 0 <= kind < 5000 and kind // 100 % 10 == 0 and stored < len(_STORED) and text < 3
            if not is_whole or machine != (order == ">") or min(height, width) < 0 or imaginary not in (0, 1):
                raise ValueError("it has the header of no version")
            name = file.read(length) if 0 < length <= 256 else b""
            if len(name) < length or not name.endswith(b"\0"):
                raise ValueError("the name of a variable is damaged")
            dtype = np.dtype(order + _STORED[stored])
            place = begin + 20 + length
            begin = place + height * width * dtype.itemsize * (1 + imaginary)
            if begin > size:
                raise ValueError("the file ends early")
            other = "complex array" if imaginary else ("", "char array", "sparse array")[text]
            variable = Variable(
                name[:-1].decode("latin-1"), (height, width), None if other else np.dtype(np.float64), other
            )
            yield variable, (dtype, place)
