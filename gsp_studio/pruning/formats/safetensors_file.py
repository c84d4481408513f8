"""safetensors: a header in JSON, then the values. The library checks the file, and NumPy loads the values.

Shapes and types stay as they are, so a pruned file is a copy of its source with some bytes replaced.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.memory import require_memory
from gsp_studio.pruning.formats.array_names import names_of
from gsp_studio.pruning.formats.stored_array import (
    CheckpointError,
    StoredArray,
    check_known,
    computed,
    output_axis_by_name,
    require_extra,
)

_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16"}
_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_LENGTH = 8
#: Entry "format" of the metadata of networks whose layers are narrower than their names say.
COMPACT = "gsp-studio compact network 1"


def read(path: Path) -> list[StoredArray]:
    """The arrays of a file."""
    header, begin = _header(path)
    require_memory(path.stat().st_size, f"{path}, opened,")
    names = names_of(header)
    stored = []
    for key, entry in header.items():
        shape, dtype = tuple(entry["shape"]), entry["dtype"]
        values = None
        if dtype in _FLOATS:
            values = computed(_values(path, begin, entry))
        axis = output_axis_by_name(key, shape)
        stored.append(StoredArray(key, names[key], shape, _NAMES.get(dtype, dtype), values, axis))
    return stored


def is_compact(path: Path) -> bool:
    """Whether a file is one of `compact.save_compact`."""
    require_extra("safetensors", path)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return (file.metadata() or {}).get("format") == COMPACT
    except (SafetensorError, UnicodeError):
        return False


def write(source: Path, target: Path, values: Mapping[str, Array], name: str) -> None:
    """A copy of `source` with other values."""
    header, begin = _header(source)
    check_known(source, values, {key: tuple(entry["shape"]) for key, entry in header.items()})
    shutil.copyfile(source, target)
    with target.open("r+b") as file:
        for key, new in values.items():
            file.seek(begin + header[key]["data_offsets"][0])
            file.write(np.ascontiguousarray(new, dtype=_dtype(header[key]["dtype"])).tobytes())


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The entries by name, and where the values begin; what the library accepts is whole and without overlap."""
    require_extra("safetensors", path)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            names = set(file.keys())
    except (SafetensorError, UnicodeError) as error:
        size = path.stat().st_size
        raise CheckpointError(f"{path} is no safetensors file of {size} bytes, or is damaged ({error})") from error
    with path.open("rb") as opened:
        length = int.from_bytes(opened.read(_LENGTH), "little")
        header = json.loads(opened.read(length))
    header.pop("__metadata__", None)
    if set(header) != names:
        raise CheckpointError(f"{path} is damaged: its header can be read in two ways")
    return header, _LENGTH + length


def _dtype(name: str) -> np.dtype[Any]:
    if name == "BF16":
        import ml_dtypes

        dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return dtype
    return np.dtype(_FLOATS[name])


def _values(path: Path, begin: int, entry: dict[str, Any]) -> Array:
    shape, dtype = tuple(entry["shape"]), _dtype(entry["dtype"])
    first, last = entry["data_offsets"]
    return np.fromfile(path, dtype, (last - first) // dtype.itemsize, offset=begin + first).reshape(shape)
