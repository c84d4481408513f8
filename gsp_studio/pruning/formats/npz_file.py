"""NumPy archives: read by the reader of data sets, which compares headers with sizes and unpickles nothing."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io import arrays
from gsp_studio.pruning.formats.stored import CheckpointError, Stored, check_known, computed, output_axis_by_name

Array = npt.NDArray[Any]


def read(path: Path) -> list[Stored]:
    """The arrays of a file."""
    stored = []
    for entry in arrays.list_arrays(path, "npz"):
        if entry.kind:
            raise CheckpointError(
                f'{path} holds a {entry.kind} ("{entry.key}"), which could run code when it is loaded; '
                "accepted are arrays of numbers"
            )
        is_float = entry.dtype.kind == "f" and entry.dtype.itemsize <= 8
        values = computed(arrays.read_array(path, "npz", entry)) if is_float else None
        axis = output_axis_by_name(entry.key, entry.shape)
        stored.append(Stored(entry.key, entry.key, entry.shape, entry.dtype.name, values, axis))
    return stored


def write(source: Path, target: Path, values: Mapping[str, Array], name: str) -> None:
    """The archive once more, member by member and compressed as before."""
    entries = {entry.key: entry for entry in arrays.list_arrays(source, "npz")}
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
