"""Numeric arrays from .npy, .npz and MATLAB v5 files: headers first, declared sizes against the file, no pickles.

`list_arrays` tells what a file holds without loading it; `read_array` reads one. Which axis holds the images and what
shape they have is decided in `matrix.py`.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io import cifar, envi, hdf5, idx, mat_file, matlab, table, tiff, zarrs
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.entry import NUMERIC, ArrayEntry, Format, is_arrangement
from gsp_studio.io.source import require_memory

Array = npt.NDArray[Any]


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


def list_arrays(path: Path, kind: str) -> list[ArrayEntry]:
    """The arrays of a file, from its headers.

    Parameters
    ----------
    path : Path
    kind : str
        A name in `FORMATS`.

    Returns
    -------
    list of ArrayEntry
        Also of what cannot be images, so that an error can name it.

    Raises
    ------
    DatasetError
        A file that is damaged or lies about its size.
    """
    try:
        return FORMATS[kind].list(path)
    except (DatasetError, MemoryError, PermissionError):
        raise
    except Exception as error:  # zipfile and SciPy raise exceptions of many kinds for damaged headers
        raise DatasetError(f"{path} is not a readable .{kind} file, or is damaged ({_short(error)})") from error


def read_array(path: Path, kind: str, entry: ArrayEntry, accepted: str = NUMERIC) -> Array:
    """One array of a file.

    Parameters
    ----------
    path : Path
    kind : str
        A name in `FORMATS`.
    entry : ArrayEntry
        From `list_arrays`.
    accepted : str
        Kinds of NumPy types; other values are refused.

    Returns
    -------
    ndarray of the entry's shape
        A memory map for .npy, so that a part of it can be read alone.

    Raises
    ------
    DatasetError
        A damaged file, values that are not real numbers, or more of them than fit into memory.
    """
    if not FORMATS[kind].is_mapped:
        require_memory(entry.nbytes, f"{entry} of {path}")
    try:
        values = FORMATS[kind].read(path, entry)
    except (DatasetError, MemoryError, PermissionError):
        raise
    except Exception as error:  # as for the headers
        raise DatasetError(f"{path} cannot be read: the file is damaged or truncated ({_short(error)})") from error
    if values.dtype.kind not in accepted:
        raise DatasetError(f"{entry} of {path} holds {values.dtype} values; accepted are real numbers")
    if values.shape != entry.shape:
        raise DatasetError(f"{entry} of {path} holds shape {values.shape}; the file is damaged")
    return values


def opened(path: Path, kind: str, entry: ArrayEntry) -> Any:
    """One array of a file, of which parts can be read: a memory map or a `PartedArray`; None where that cannot be.

    Raises
    ------
    DatasetError
        A damaged file.
    """
    if FORMATS[kind].is_mapped:
        return read_array(path, kind, entry)
    try:
        return FORMATS[kind].open(path, entry)
    except (DatasetError, MemoryError, OSError):
        raise
    except Exception as error:  # as for the headers
        raise DatasetError(f"{path} cannot be read: the file is damaged or truncated ({_short(error)})") from error


def _read_npy(path: Path, entry: ArrayEntry) -> Array:
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _read_npz(path: Path, entry: ArrayEntry) -> Array:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # NumPy leaves damaged files open
        return np.asarray(archive[entry.key])


def _list_npy(path: Path) -> list[ArrayEntry]:
    with path.open("rb") as file:
        entry = _npy_header(file, "")
        held = path.stat().st_size - file.tell()
    if not entry.kind and entry.nbytes > held:
        raise DatasetError(f"{path}: its header declares {entry}, {entry.nbytes} bytes, but {held} bytes follow")
    return [entry]


def _list_npz(path: Path) -> list[ArrayEntry]:
    entries = []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            with archive.open(info) as file:
                entry = _npy_header(file, info.filename.removesuffix(".npy"))
            held = min(info.file_size, matlab.DEFLATE_MOST * min(info.compress_size, path.stat().st_size))
            if not entry.kind and entry.nbytes > held:
                raise DatasetError(f"{path} declares {entry}, {entry.nbytes} bytes, but holds at most {held} for it")
            entries.append(entry)
    return entries


def _npy_header(file: IO[bytes], key: str) -> ArrayEntry:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return ArrayEntry(key, tuple(shape), dtype, "list of Python objects" if dtype.hasobject else "")


def choose_array(entries: list[ArrayEntry], key: str | None, path: Path) -> ArrayEntry:
    """The array to read.

    Parameters
    ----------
    entries : list of ArrayEntry
    key : str or None
        The array that is asked for; None: the largest that can hold images.
    path : Path
        For the error.

    Raises
    ------
    DatasetError
        No such array, or none that can hold images; the sentence lists what there is.
    """
    listed = ", ".join(map(str, entries[:6])) + (", ..." if len(entries) > 6 else "") if entries else "no array"
    if len(entries) == 1 and entries[0].key == "":
        key = None  # a .npy holds one array, whatever it is called
    if key is not None:
        for entry in entries:
            if entry.key == key:
                _require_images(entry, path)
                return entry
        raise DatasetError(f'{path} has no array "{key}"; it holds {listed}')
    usable = [entry for entry in entries if entry.is_usable]
    if not usable:
        if len(entries) == 1:
            _require_images(entries[0], path)
        raise DatasetError(f"{path} holds no matrix or stack of images; it holds {listed}")
    return max(usable, key=lambda entry: math.prod(entry.shape))


def _require_images(entry: ArrayEntry, path: Path) -> None:
    where = f'"{entry.key}" in {path}' if entry.key else str(path)
    if entry.kind or entry.dtype.kind not in NUMERIC:
        shape = " x ".join(map(str, entry.shape))
        held = f"{entry.kind} ({shape})" if entry.kind else f"array ({shape}) of {entry.dtype} values"
        raise DatasetError(f"{where} is a {held}; accepted are arrays of real numbers")
    if not is_arrangement(entry.shape):
        count = len(entry.shape)
        raise DatasetError(
            f"{where} is not an image stack: it has {count} dimension{'' if count == 1 else 's'}, "
            f"{' x '.join(map(str, entry.shape)) or 'a single value'}; "
            "accepted are a matrix (2), a stack of grey images (3), or one of colour images (4, an axis of which is 3)"
        )
    if min(entry.shape) <= 0:
        raise DatasetError(f"{where} has shape {entry.shape}: it contains no images")


def _short(error: BaseException) -> str:
    text = (str(error) or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else text[:157] + "..."


def _listed_notes(path: Path, entry: ArrayEntry) -> tuple[str, ...]:
    return entry.notes


FORMATS: dict[str, Format] = {
    "npy": Format("NumPy", _list_npy, _read_npy, is_mapped=True),
    "npz": Format("NumPy", _list_npz, _read_npz),
    "mat": Format(
        "MATLAB",
        mat_file.list_arrays,
        mat_file.read_array,
        is_by_columns=True,
        open=mat_file.open_array,
        notes=_listed_notes,
    ),
    "hdf5": Format("HDF5", hdf5.list_datasets, hdf5.read_dataset, open=hdf5.open_dataset),
    "zarr": Format("Zarr", zarrs.list_arrays, zarrs.read_array, open=zarrs.open_array),
    "idx": Format("IDX", idx.list_arrays, idx.read_array, labels=idx.labels, notes=_listed_notes),
    "tiff": Format("TIFF", tiff.list_series, tiff.read_series, open=tiff.open_series, names=tiff.names),
    "envi": Format("ENVI", envi.list_arrays, envi.read_array, is_mapped=True, names=envi.names),
    "cifar": Format("CIFAR", cifar.list_binary, cifar.read_binary, open=cifar.open_binary, labels=cifar.binary_labels),
    "batch": Format("CIFAR", cifar.list_batch, cifar.read_batch, labels=cifar.batch_labels),
    "csv": Format(
        "text", table.list_arrays, table.read_array, names=table.names, labels=table.labels, notes=_listed_notes
    ),
}
