"""Table of the formats that hold arrays, and functions that list and read arrays of any of them.

`list_arrays` lists the arrays of a file without loading them; `read_array` reads one. The axis of the images and their
shape are chosen in `array_layout`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gsp_studio.arrays import Array
from gsp_studio.io.axis_guess import is_arrangement
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats import cifar, envi, hdf5, idx, matlab, npy, text_table, tiff, zarr
from gsp_studio.io.formats.array_entry import NUMERIC, ArrayEntry, DeclaredAxes, Format
from gsp_studio.io.formats.lazy_array import LazyArray
from gsp_studio.io.formats.plugins import plugin_formats
from gsp_studio.io.memory import require_memory

#: Words in the name of an array that is not the data begin so.
_BESIDE = ("preview", "thumb", "metadata", "quicklook", "browse", "icon", "overview")


def list_arrays(path: Path, kind: str) -> list[ArrayEntry]:
    """List the arrays of a file, from its headers.

    Parameters
    ----------
    path : Path
    kind : str
        A name in `FORMATS`.

    Returns
    -------
    list of ArrayEntry
        Arrays that cannot be images included, so that an error can name them.

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

    Raises
    ------
    DatasetError
        A damaged file, values that are not real numbers, or more of them than fit into memory.
    """
    form = FORMATS[kind]
    require_memory(entry.nbytes, f"{entry} of {path}")
    with _damage_reported(path):
        values = form.read(path, entry) if form.read is not None else _whole(form.open(path, entry))
    if values.dtype.kind not in accepted:
        raise DatasetError(f"{entry} of {path} holds {values.dtype} values; accepted are real numbers")
    if values.shape != entry.shape:
        raise DatasetError(f"{entry} of {path} holds shape {values.shape}; the file is damaged")
    return values


def _whole(parted: LazyArray | None) -> Array:
    assert parted is not None, "a format without `read` opens each of its arrays"
    return parted[:]


def open_array(path: Path, kind: str, entry: ArrayEntry) -> Any:
    """One array of a file, of which parts can be read: a `LazyArray` or memory map; None where that cannot be.

    Raises
    ------
    DatasetError
        A damaged file.
    """
    form = FORMATS[kind]
    with _damage_reported(path):
        parted = form.open(path, entry)
        return form.read(path, entry) if parted is None and form.is_plain and form.read is not None else parted


def notes(path: Path, kind: str, entry: ArrayEntry) -> tuple[str, ...]:
    """Notes on the reading of one array, a sentence each; DatasetError for a damaged file."""
    with _damage_reported(path):
        return FORMATS[kind].notes(path, entry)


def declared_axes(path: Path, kind: str, entry: ArrayEntry) -> DeclaredAxes:
    """Axes that a file declares for one of its arrays, and notes; DatasetError for a damaged file."""
    with _damage_reported(path):
        return FORMATS[kind].axes(path, entry)


def canonical_key(path: Path, kind: str, key: str) -> str:
    """The name by which `list_arrays` has the array of another name; DatasetError for a damaged file."""
    with _damage_reported(path):
        return FORMATS[kind].canonical_key(path, key)


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (DatasetError, MemoryError, PermissionError):
        raise
    except Exception as error:  # as for the headers
        raise DatasetError(f"{path} cannot be read: the file is damaged or truncated ({_short(error)})") from error


def choose_array(entries: list[ArrayEntry], key: str | None, path: Path) -> ArrayEntry:
    """The array to read.

    Parameters
    ----------
    entries : list of ArrayEntry
    key : str or None
        Name of the array; None: the one that the file declares its data, else the largest that can
        hold images and is no preview or metadata.
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
    return max(usable, key=lambda entry: (entry.is_declared, not _is_beside(entry), math.prod(entry.shape)))


def equals_of(entries: list[ArrayEntry], chosen: ArrayEntry) -> list[ArrayEntry]:
    """Other arrays of images in the file that are as large, so that nothing in the file says which one is meant."""
    if _is_beside(chosen):
        return []
    size = math.prod(chosen.shape)
    others = (entry for entry in entries if entry.is_usable and not _is_beside(entry) and entry is not chosen)
    return [entry for entry in others if math.prod(entry.shape) == size]


def _is_beside(entry: ArrayEntry) -> bool:
    """Whether an array is no data by its name or shape: a small picture of it, a description, one vector."""
    words = "".join(c if c.isalpha() else " " for c in entry.key.lower()).split()
    return any(word.startswith(_BESIDE) for word in words) or (len(entry.shape) == 2 and min(entry.shape) == 1)


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
            "accepted are a matrix (2), a stack of grey images (3), or one of images with a channel axis (4, one of "
            "which is 3, or 1 of grey images), beside axes of length 1"
        )
    if min(entry.shape) <= 0:
        raise DatasetError(f"{where} has shape {entry.shape}: it contains no images")


def _short(error: BaseException) -> str:
    text = (str(error) or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else text[:157] + "..."


class _Table(dict[str, Format]):
    """Formats by their kinds; those of other packages are found when they are asked for, in any process."""

    def __missing__(self, kind: str) -> Format:
        return plugin_formats()[0][kind]


#: Formats in the order in which they are tried.
FORMATS = _Table(
    {
        "npy": Format("NumPy", npy.is_npy, (".npy",), npy.list_npy, is_plain=True, open=npy.open_npy, parts=".npy"),
        "npz": Format("NumPy", npy.is_npz, (".npz",), npy.list_npz, npy.read_npz, resembles_images=True),
        "mat": Format(
            "MATLAB",
            matlab.is_mat,
            (".mat",),
            matlab.list_arrays,
            matlab.read_array,
            is_by_columns=True,
            open=matlab.open_array,
            parts="MATLAB 7.3",
        ),
        "hdf5": Format(
            "HDF5",
            hdf5.is_hdf5,
            (".h5", ".hdf5", ".nc"),
            hdf5.list_datasets,
            open=hdf5.open_dataset,
            parts="HDF5",
            axes=hdf5.axes,
            notes=hdf5.notes,
            canonical_key=hdf5.canonical_key,
        ),
        "zarr": Format(
            "Zarr",
            zarr.is_zarr,
            (),
            zarr.list_arrays,
            resembles_images=True,
            open=zarr.open_array,
            parts="Zarr",
            axes=zarr.axes,
            notes=zarr.notes,
        ),
        "idx": Format("IDX", idx.is_idx, (".idx", ".gz"), idx.list_arrays, idx.read_array, labels=idx.labels),
        "tiff": Format(
            "TIFF",
            tiff.is_tiff,
            (".tif", ".tiff"),
            tiff.list_series,
            tiff.read_series,
            resembles_images=True,
            open=tiff.open_series,
            parts="TIFF",
            names=tiff.names,
            axes=tiff.axes,
            notes=tiff.notes,
        ),
        "envi": Format(
            "ENVI",
            envi.is_envi,
            (".hdr",),
            envi.list_arrays,
            is_plain=True,
            open=envi.open_array,
            parts="ENVI",
            names=envi.names,
            axes=envi.axes,
            notes=envi.notes,
        ),
        "cifar": Format(
            "CIFAR",
            cifar.is_binary,
            (".bin",),
            cifar.list_binary,
            is_plain=True,
            open=cifar.open_binary,
            parts="binary CIFAR",
            labels=cifar.binary_labels,
        ),
        "batch": Format("CIFAR", cifar.is_batch, (), cifar.list_batch, cifar.read_batch, labels=cifar.batch_labels),
        "csv": Format(
            "text",
            text_table.is_table,
            text_table.SUFFIXES,
            text_table.list_arrays,
            text_table.read_array,
            names=text_table.names,
            labels=text_table.labels,
            axes=text_table.axes,
        ),
    }
)
