"""NumPy archives: read by the reader of data sets, which compares headers with sizes and unpickles nothing."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.formats import registry
from gsp_studio.io.memory import in_units, require_memory
from gsp_studio.pruning.formats.array_names import names_of
from gsp_studio.pruning.formats.stored_array import (
    CheckpointError,
    StoredArray,
    check_known,
    computed,
    output_axis_by_name,
)

#: Bytes that all arrays may have together, however small the file is; and how far weights are believed to compress.
_SMALL = 1 << 28
_MOST_COMPRESSION = 100
#: Of the description of an array, which NumPy reads as a whole before it looks at its length.
_LONGEST_HEADER = 1 << 16


def read(path: Path) -> list[StoredArray]:
    """The arrays of a file."""
    _check_archive(path)
    entries = registry.list_arrays(path, "npz")
    names = names_of([entry.key for entry in entries])
    stored = []
    for entry in entries:
        if entry.kind:
            raise CheckpointError(
                f'{path} holds a {entry.kind} ("{entry.key}"), which could run code when it is loaded; '
                "accepted are arrays of numbers"
            )
        is_float = entry.dtype.kind == "f" and entry.dtype.itemsize <= 8
        values = computed(registry.read_array(path, "npz", entry)) if is_float else None
        axis = output_axis_by_name(entry.key, entry.shape)
        stored.append(StoredArray(entry.key, names[entry.key], entry.shape, entry.dtype.name, values, axis))
    return stored


def _check_archive(path: Path) -> None:
    """Refuse what is larger than weights can be, two arrays of one name, and headers longer than any description."""
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            declared = sum(info.file_size for info in members)
            if declared > max(_SMALL, _MOST_COMPRESSION * size):
                raise CheckpointError(
                    f"{path} declares {in_units(declared)} in a file of {in_units(size)}; "
                    f"accepted are {_MOST_COMPRESSION} times its size"
                )
            names = [info.filename for info in members]
            if twice := next((name for name, count in Counter(names).items() if count > 1), None):
                raise CheckpointError(f"{path} holds two arrays that are called {twice}")
            for info in members:
                if info.filename.endswith(".npy"):
                    with archive.open(info) as file:
                        head = file.read(12)
                    length = int.from_bytes(head[8 : 10 if head[6:7] == b"\1" else 12], "little")
                    if length > _LONGEST_HEADER:
                        raise CheckpointError(f"{path}: {info.filename} declares a header of {in_units(length)}")
    except (CheckpointError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile raises exceptions of many kinds for damaged archives
        raise CheckpointError(f"{path} is a damaged archive ({error})") from error
    require_memory(declared, f"{path}, opened,")


def write(source: Path, target: Path, values: Mapping[str, Array], name: str) -> None:
    """The archive once more, member by member and compressed as before."""
    entries = {entry.key: entry for entry in registry.list_arrays(source, "npz")}
    check_known(source, values, {key: entry.shape for key, entry in entries.items()})
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", allowZip64=True) as new:
        for info in old.infolist():
            key = info.filename.removesuffix(".npy")
            fresh = zipfile.ZipInfo(info.filename, info.date_time)
            fresh.compress_type = info.compress_type
            with new.open(fresh, "w", force_zip64=True) as out:
                if key in values and info.filename.endswith(".npy"):
                    array = values[key].astype(entries[key].dtype)
                    np.lib.format.write_array(out, array, allow_pickle=False)
                else:
                    with old.open(info) as kept:
                        shutil.copyfileobj(kept, out)
