"""NumPy's own files: .npy, which is read in parts, and .npz, archives of these. Headers first, and no pickles."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import ArrayEntry
from gsp_studio.io.formats.matlab5 import DEFLATE_MOST
from gsp_studio.io.formats.plain_values import PlainArray, plain_strides

#: Bytes of a header; NumPy itself refuses longer ones, but only when they are in memory.
_LONGEST = 10_000
#: Members of an archive that are listed.
_MOST = 4096
#: Where SciPy's sparse matrices have the places of their values.
_SPARSE = ({"indices", "indptr"}, {"row", "col"}, {"offsets"}, {"coords"})
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def is_npy(path: Path, head: bytes) -> bool:
    """Whether a file begins like a .npy."""
    return head.startswith(b"\x93NUMPY")


def is_npz(path: Path, head: bytes) -> bool:
    """Whether a file is a ZIP archive that holds .npy members, or claims to.

    Parameters
    ----------
    path : Path
    head : bytes
        The first of the file.
    """
    if not head.startswith(b"PK"):
        return False
    if path.suffix.lower() == ".npz":
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except Exception:  # not our archive: another reader or the error message of the table
        return False


def list_npy(path: Path) -> list[ArrayEntry]:
    """The array of a .npy file."""
    with path.open("rb") as file:
        entry, _ = _header(file, "", str(path))
        held = path.stat().st_size - file.tell()
    if not entry.kind and entry.nbytes > held:
        raise DatasetError(f"{path}: its header declares {entry}, {entry.nbytes} bytes, but {held} bytes follow")
    return [entry]


def open_npy(path: Path, entry: ArrayEntry) -> PlainArray:
    """The array of a .npy file, of which parts are read."""
    with path.open("rb") as file:
        found, is_fortran = _header(file, "", str(path))
        offset = file.tell()
    if found.kind or (found.shape, found.dtype) != (entry.shape, entry.dtype):
        raise DatasetError(f"{path} has changed since it was looked into; open it again")
    return PlainArray(path, found.dtype, offset, found.shape, plain_strides(found.shape, found.dtype, is_fortran))


def list_npz(path: Path) -> list[ArrayEntry]:
    """The arrays of an archive."""
    entries = []
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        for info in members[:_MOST]:
            where = f"{info.filename} in {path}"
            if info is not archive.getinfo(info.filename):  # which is the last of its name
                raise DatasetError(f"{path} has several members {info.filename}; accepted is one of each name")
            if info.compress_type not in _METHODS:
                raise DatasetError(
                    f"{where} is compressed by method {info.compress_type}; accepted are stored and deflated members"
                )
            with archive.open(info) as file:
                entry, _ = _header(file, info.filename.removesuffix(".npy"), where)
            held = min(info.file_size, DEFLATE_MOST * min(info.compress_size, size))
            if not entry.kind and entry.nbytes > held:
                raise DatasetError(f"{path} declares {entry}, {entry.nbytes} bytes, but holds at most {held} for it")
            entries.append(entry)
    names = {entry.key for entry in entries}
    if any(places | {"data", "shape"} <= names for places in _SPARSE):
        raise DatasetError(
            f"{path} is a sparse matrix of SciPy; accepted are dense arrays, as scipy.sparse.load_npz(...).toarray() is"
        )
    return entries


def read_npz(path: Path, entry: ArrayEntry) -> Array:
    """The values of an array of an archive; no more than its header declares is decompressed."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{entry.key}.npy") as file:
        found, is_fortran = _header(file, entry.key, str(path))
        if found.kind or (found.shape, found.dtype) != (entry.shape, entry.dtype):
            raise DatasetError(f"{path} has changed since it was looked into; open it again")
        values = np.empty(found.shape, found.dtype, order="F" if is_fortran else "C")
        view = memoryview(values.ravel("K").view(np.uint8))  # type: ignore[arg-type]
        done = 0
        while done < len(view):
            got = file.readinto(view[done:])  # type: ignore[attr-defined]
            if not got:
                raise DatasetError(f"{entry} of {path} is truncated")
            done += got
        file.read(1)  # whose end compares the checksum
    return values


def _header(file: IO[bytes], key: str, where: str) -> tuple[ArrayEntry, bool]:
    """The array that a header describes, and whether its first axis varies fastest; `file` is behind it then."""
    magic = file.read(8)
    version, width = tuple(magic[6:]), 2 if magic[6:7] == b"\x01" else 4
    counted = file.read(width)
    length = int.from_bytes(counted, "little")
    if magic[:6] != b"\x93NUMPY" or version not in ((1, 0), (2, 0), (3, 0)) or len(counted) < width:
        raise DatasetError(f"{where} is not a readable .npy file of version 1.0, 2.0 or 3.0")
    if length > _LONGEST:
        raise DatasetError(
            f"{where} is not a readable .npy file: its header has {length} bytes; accepted are at most {_LONGEST}"
        )
    stream = io.BytesIO(counted + file.read(length))
    read = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(stream)
    return ArrayEntry(key, tuple(shape), dtype, "list of Python objects" if dtype.hasobject else ""), is_fortran
