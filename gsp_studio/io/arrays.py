"""Numeric arrays from .npy, .npz and MATLAB v5 files: headers first, declared sizes against the file, no pickles.

`list_arrays` tells what a file holds without loading it; `read_array` reads one. Which axis holds the images and what
shape they have is decided in `matrix.py`.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io.dataset import DatasetError

Array = npt.NDArray[Any]

_NUMERIC = "biuf"
_MATLAB_TYPES = {
    **{name: name for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")},
    "double": "float64",
    "single": "float32",
    "logical": "bool",
}


@dataclass(frozen=True)
class ArrayEntry:
    """An array in a file: its name ("" where the file has one only), shape and type."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


def list_arrays(path: Path, kind: str) -> list[ArrayEntry]:
    """The numeric arrays of a "npy", "npz" or "mat" file, from its headers.

    Raises
    ------
    DatasetError
        A file that is damaged, lies about its size, or holds Python objects.
    """
    return {"npy": _list_npy, "npz": _list_npz, "mat": _list_mat}[kind](path)


def read_array(path: Path, kind: str, key: str) -> Array:
    """One array of a file; a memory map for .npy, so that a part of it can be read alone."""
    try:
        if kind == "npy":
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        if kind == "npz":
            with np.load(path, allow_pickle=False) as archive:
                return np.asarray(archive[key])
        import scipy.io

        return np.asarray(scipy.io.loadmat(path, variable_names=[key])[key])
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, KeyError, TypeError) as error:
        raise DatasetError(f"{path} cannot be read: the file is damaged or truncated ({_short(error)})") from error


def _list_npy(path: Path) -> list[ArrayEntry]:
    with path.open("rb") as file:
        entry = _npy_header(file, "", path)
        held = path.stat().st_size - file.tell()
    if entry.nbytes > held:
        raise DatasetError(
            f"{path}: its header declares shape {entry.shape}, {entry.nbytes} bytes, but {held} bytes follow"
        )
    return [entry]


def _list_npz(path: Path) -> list[ArrayEntry]:
    entries = []
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".npy"):
                    continue
                with archive.open(info) as file:
                    try:
                        entry = _npy_header(file, info.filename.removesuffix(".npy"), path)
                    except _HoldsObjects:
                        continue  # other arrays of the archive may be numbers
                if entry.nbytes > info.file_size:
                    raise DatasetError(
                        f'{path}: "{entry.key}" declares shape {entry.shape}, {entry.nbytes} bytes, '
                        f"but holds {info.file_size}"
                    )
                entries.append(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DatasetError(f"{path} is not a readable .npz archive ({_short(error)})") from error
    return entries


class _HoldsObjects(DatasetError):
    """An array of Python objects, which would have to run code to load."""


def _npy_header(file: IO[bytes], key: str, path: Path) -> ArrayEntry:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except (ValueError, EOFError, OSError) as error:
        raise DatasetError(f"{path} is not a readable NumPy array ({_short(error)})") from error
    if dtype.hasobject:
        raise _HoldsObjects(f"{path} holds Python objects, not numbers; save a numeric array")
    return ArrayEntry(key, tuple(shape), dtype)


def _list_mat(path: Path) -> list[ArrayEntry]:
    import scipy.io

    with path.open("rb") as file:
        head = file.read(128)
    if head.startswith(b"MATLAB 7.3") or head.startswith(b"\x89HDF"):
        raise DatasetError(f"{path} is a MATLAB v7.3 file; save it with save(..., '-v7') to open it")
    try:
        found = scipy.io.whosmat(path)
    except (ValueError, OSError, TypeError, EOFError, NotImplementedError, zlib.error) as error:
        raise DatasetError(f"{path} is not a readable MATLAB v5 file, or is truncated ({_short(error)})") from error
    except Exception as error:  # SciPy's reader raises exceptions of its own for damaged headers
        raise DatasetError(f"{path} is not a readable MATLAB v5 file ({_short(error)})") from error
    return [
        ArrayEntry(name, tuple(shape), np.dtype(_MATLAB_TYPES[kind]))
        for name, shape, kind in found
        if kind in _MATLAB_TYPES
    ]


def choose_array(entries: list[ArrayEntry], key: str | None, path: Path) -> ArrayEntry:
    """The array that was asked for, else the largest that can hold images.

    Raises
    ------
    DatasetError
        No such array, or none that can hold images; the sentence lists what there is.
    """
    listed = ", ".join(f"{e.key or 'array'} {e.shape} {e.dtype}" for e in entries) or "no numeric array"
    if key is not None and len(entries) == 1 and entries[0].key == "":
        key = ""  # a .npy holds one array, whatever it is called
    if key is not None:
        for entry in entries:
            if entry.key == key:
                _require_images(entry, path)
                return entry
        raise DatasetError(f'{path} has no array "{key}"; it holds {listed}')
    usable = [e for e in entries if e.dtype.kind in _NUMERIC and len(e.shape) in (2, 3) and min(e.shape) > 0]
    if not usable:
        if len(entries) == 1:
            _require_images(entries[0], path)
        raise DatasetError(f"{path} holds no matrix or stack of images; it holds {listed}")
    return max(usable, key=lambda e: math.prod(e.shape))


def _require_images(entry: ArrayEntry, path: Path) -> None:
    where = f'"{entry.key}" in {path}' if entry.key else str(path)
    if entry.dtype.kind not in _NUMERIC:
        raise DatasetError(f"{where} holds {entry.dtype} values; accepted are real numbers")
    if len(entry.shape) not in (2, 3):
        count = len(entry.shape)
        raise DatasetError(
            f"{where} is not an image stack: it has {count} dimension{'' if count == 1 else 's'}; "
            "accepted are a matrix (2) or a stack of grey images (3)"
        )
    if min(entry.shape) == 0:
        raise DatasetError(f"{where} has shape {entry.shape}: it contains no images")


def _short(error: BaseException) -> str:
    text = (str(error) or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else text[:157] + "..."
