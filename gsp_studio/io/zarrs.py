"""Zarr folders, of versions 2 and 3: what they hold is told by their JSON, read here; zarr reads the values.

An array names the codecs that its chunks pass through. Only codecs that transform bytes and numbers are accepted: one
of those that exist unpickles what it finds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.entry import NUMERIC, ArrayEntry
from gsp_studio.io.parted import PartedArray, Read, between

Array = npt.NDArray[Any]

_METADATA = ("zarr.json", ".zarray", ".zgroup")
_CODECS = {"bytes", "transpose", "sharding_indexed", "blosc", "gzip", "zlib", "zstd", "lz4", "lzma", "bz2", "crc32c"}
_CODECS |= {"crc32", "adler32", "fletcher32", "shuffle", "delta", "fixedscaleoffset", "quantize", "bitround", "astype"}
#: Arrays that are listed, and bytes of one description.
_MOST, _LONGEST = 4096, 1 << 24


def is_zarr(path: Path, head: bytes) -> bool:
    """Whether a folder describes itself as Zarr does."""
    return path.is_dir() and any((path / name).is_file() for name in _METADATA)


def list_arrays(path: Path) -> list[ArrayEntry]:
    """The arrays of a folder by their paths in it, in the order of these."""
    return list(_walk(path))


def read_array(path: Path, entry: ArrayEntry) -> Array:
    """The values of an array."""
    return open_array(path, entry)[:]


def open_array(path: Path, entry: ArrayEntry) -> PartedArray:
    """An array of which parts are read."""
    return PartedArray(entry.shape, entry.dtype, partial(_open, str(path), entry.key))


def _open(path: str, key: str) -> tuple[Read, Any]:
    try:
        import zarr
    except ImportError as error:
        raise DatasetError(f'{path} is read by zarr; pip install "gsp-studio[cluster]" brings it') from error
    values = zarr.open_array(os.path.join(path, key) if key else path, mode="r")

    def read(axis: int, start: int, stop: int) -> Array:
        return np.asarray(values[between(axis, start, stop, values.ndim)])

    return read, lambda: None


def _walk(path: Path) -> Iterator[ArrayEntry]:
    count = 0
    for folder, below, files in os.walk(path):
        name = next((name for name in _METADATA if name in files), None)
        if name is None:
            below.clear()  # chunks
            continue
        content = _described(Path(folder, name))
        below.sort()
        if name == ".zgroup" or content.get("node_type") == "group":
            continue
        below.clear()
        count += 1
        if count > _MOST:
            return
        key = Path(folder).relative_to(path).as_posix()
        yield _entry("" if key == "." else key, content, path)


def _described(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LONGEST:
        raise DatasetError(f"{path} is no description of an array")
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise DatasetError(f"{path} is no description of an array")
    return content


def _entry(key: str, content: dict[str, Any], path: Path) -> ArrayEntry:
    shape = tuple(int(size) for size in content["shape"])
    told = content["data_type"] if content.get("zarr_format") == 3 else content["dtype"]
    for codec in _codecs(content):
        if codec not in _CODECS:
            return ArrayEntry(key, shape, np.dtype(object), f'array behind the codec "{codec}"')
    try:
        dtype = np.dtype(told)
    except TypeError:
        return ArrayEntry(key, shape, np.dtype(object), f"array of {told}")
    return ArrayEntry(key, shape, dtype, "" if dtype.kind in NUMERIC + "SU" else f"array of {dtype}")


def _codecs(content: dict[str, Any]) -> Iterator[str]:
    """The names of all codecs, those within others too."""
    named = [content.get("compressor"), *(content.get("filters") or ()), *(content.get("codecs") or ())]
    for codec in filter(None, named):
        name = str(codec.get("name", codec.get("id", "")))
        yield name.removeprefix("numcodecs.")
        inner = codec.get("configuration") or {}
        for within in ("codecs", "index_codecs"):
            yield from _codecs({"codecs": inner.get(within)})
