"""Zarr folders of versions 2 and 3: their JSON is read here, the values by zarr.

An array names the codecs that its chunks pass through. Only codecs that transform bytes and numbers are accepted: one
of those that exist unpickles what it finds. Files are looked at before zarr has them, see `zarr_store`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.axes import MOST
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import NUMERIC, ArrayEntry, DeclaredAxes
from gsp_studio.io.formats.declared_coding import FILL_VALUE, NAMES, declared_coding
from gsp_studio.io.formats.lazy_array import LazyArray, Read, between
from gsp_studio.io.formats.zarr_axes import Surroundings, declared_axes
from gsp_studio.io.formats.zarr_chunks import COMPRESSORS, METADATA, chunks_of, codec_name, sizes_of
from gsp_studio.io.memory import require_memory
from gsp_studio.io.paths import leads_outside
from gsp_studio.io.value_codes import Coding, axes_note, kept_axes

_DESCRIPTIONS = METADATA[:3]
_CODECS = {"bytes", "transpose", "sharding_indexed", "crc32c", "crc32", "adler32", "fletcher32", *COMPRESSORS}
_CODECS |= {"shuffle", "delta", "fixedscaleoffset", "quantize", "bitround", "astype"}
#: Arrays that are listed, folders that are gone through for them, and bytes of one description.
_MOST, _MOST_FOLDERS, _LONGEST = 4096, 1 << 16, 1 << 24
#: Chunks of an array, each a file to be opened, and chunks that zarr reads at once.
_MOST_CHUNKS, _AT_ONCE = 1 << 18, 1 << 12
#: Numbers of an attribute that is followed.
_MOST_NUMBERS = 16


def is_zarr(path: Path, head: bytes) -> bool:
    """Whether a folder describes itself as Zarr does."""
    return path.is_dir() and any((path / name).is_file() for name in _DESCRIPTIONS)


def list_arrays(path: Path) -> list[ArrayEntry]:
    """The arrays of a folder by their paths in it, in the order of these."""
    return [_entry(key, content, path) for key, content in _walk(path)]


def open_array(path: Path, entry: ArrayEntry) -> LazyArray:
    """An array of which parts are read."""
    return LazyArray(entry.shape, entry.dtype, partial(_open, str(path), entry.key))


def notes(path: Path, entry: ArrayEntry) -> tuple[str, ...]:
    """Notes on the reading of an array, a sentence each: axes, missing values, chunks that were never written."""
    content = _content(path, entry.key)
    shape = _shape(content)
    stored = np.dtype(_told_type(content))
    told = (*axes_note(shape, kept_axes(shape)), *_coding(content, stored).notes(stored))
    count = chunks_of(content, shape, stored).count
    held = _files_in(path / entry.key, count)
    if held >= count:
        return told
    fill = content.get("fill_value")
    return (
        *told,
        f"{count - held} of {count} chunks were never written; their values are "
        f"{0 if fill is None else fill}, the fill value",
    )


def axes(path: Path, entry: ArrayEntry) -> DeclaredAxes:
    """Axes of an array, as its groups or its own description declare them."""
    content = _content(path, entry.key)
    shape, names = _shape(content), content.get("dimension_names")
    named = tuple(names) if isinstance(names, list) else ()
    around = Surroundings(entry.key, shape, named, partial(_attributes, path), partial(_coordinates, path))
    return declared_axes(around, kept_axes(shape))


def _attributes(path: Path, key: str) -> dict[str, Any]:
    """Attributes of a group or an array; none where they are missing, damaged, or elsewhere."""
    found: Any = None
    try:
        if os.path.lexists(path / key / "zarr.json"):
            found = _described(path, key, "zarr.json").get("attributes")
        elif os.path.lexists(path / key / ".zattrs"):
            found = _described(path, key, ".zattrs")
    except (OSError, ValueError):  # among these DatasetError
        return {}
    return found if isinstance(found, dict) else {}


def _coordinates(path: Path, key: str, count: int) -> Array | None:
    """Values of a vector of so many real numbers; None where there is none."""
    if count > MOST:
        return None
    try:
        entry = _entry(key, _content(path, key), path)
        if entry.kind or entry.shape != (count,) or entry.dtype.kind not in "iuf":
            return None
        return np.asarray(open_array(path, entry)[:], np.float64)
    except (OSError, ValueError):
        return None


def _open(path: str, key: str) -> tuple[Read, Any]:
    try:
        import zarr

        from gsp_studio.io.formats.zarr_store import CheckedStore
    except ImportError as error:
        raise DatasetError(f'{path} is read by zarr; pip install "gsp-studio[cluster]" brings it') from error
    content = _content(Path(path), key)
    shape, where = _shape(content), f'"{key}" in {path}' if key else path
    stored = np.dtype(_told_type(content))
    chunks, coding, axes = chunks_of(content, shape, stored), _coding(content, stored), kept_axes(shape)
    if chunks.count > _MOST_CHUNKS:
        raise DatasetError(f"{where} is cut into {chunks.count} chunks; accepted are at most {_MOST_CHUNKS}")
    require_memory(2 * chunks.nbytes, f"a chunk of {where}")
    with _damage_reported(where):
        values = zarr.open_array(store=CheckedStore(Path(path, key), chunks), mode="r")

    def read(axis: int, start: int, stop: int) -> Array:
        axis = axes[axis]
        side = chunks.sides[axis]
        others = max(1, chunks.count // max(1, -(-shape[axis] // side)))
        step = side * max(1, _AT_ONCE // others)
        edges = [start, *range((start // step + 1) * step, stop, step), stop]
        with _damage_reported(where):
            parts = [np.asarray(values[between(axis, a, b, len(shape))]) for a, b in pairwise(edges)]
        numbers = parts[0] if len(parts) == 1 else np.concatenate(parts, axis)
        return coding.decoded(numbers.reshape([numbers.shape[k] for k in axes]))

    return read, lambda: None


@contextmanager
def _damage_reported(where: str) -> Iterator[None]:
    try:
        yield
    except (DatasetError, MemoryError, PermissionError):
        raise
    except Exception as error:  # codecs raise exceptions of many kinds for damaged chunks
        told = (str(error) or type(error).__name__).splitlines()[0]
        raise DatasetError(f"{where} cannot be read: it is damaged ({told})") from error


def _walk(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths and descriptions of arrays."""
    count = 0
    for number, (folder, below, files) in enumerate(os.walk(path)):
        name = next((name for name in _DESCRIPTIONS if name in files), None)
        if name is None or number >= _MOST_FOLDERS:
            below.clear()  # chunks
            continue
        key = Path(folder).relative_to(path).as_posix()
        content = _described(path, "" if key == "." else key, name)
        below.sort()
        if name == ".zgroup" or content.get("node_type") == "group":
            continue
        below.clear()
        count += 1
        if count > _MOST:
            return
        yield "" if key == "." else key, content


def _content(path: Path, key: str) -> dict[str, Any]:
    name = next((name for name in _DESCRIPTIONS if os.path.lexists(path / key / name)), None)
    if name is None:
        raise DatasetError(f'{path} has no array "{key}" any more; open it again')
    return _described(path, key, name)


def _described(path: Path, key: str, name: str) -> dict[str, Any]:
    """A description, with the attributes that version 2 has in a file of their own."""
    file = path / key / name
    inside = file.relative_to(path).as_posix()
    if leads_outside(path, inside):
        raise DatasetError(f"{file} is a link out of {path}, or no file; nothing is read from elsewhere")
    if file.stat().st_size > _LONGEST:
        raise DatasetError(f"{file} is no description of an array")
    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise DatasetError(f"{file} is no description of an array")
    beside = path / key / ".zattrs"
    if name == ".zarray" and os.path.lexists(beside):
        content["attributes"] = _described(path, key, ".zattrs")
    return content


def _entry(key: str, content: dict[str, Any], path: Path) -> ArrayEntry:
    try:
        shape, told = _shape(content), _told_type(content)
        named = list(_codecs(content))
    except (KeyError, TypeError, ValueError, AttributeError):
        return ArrayEntry(key, (), np.dtype(object), "array whose description is damaged")
    unknown = next((codec for codec in named if codec not in _CODECS), None)
    if unknown is not None:
        return ArrayEntry(key, shape, np.dtype(object), f'array behind the codec "{unknown}"')
    try:
        dtype = np.dtype(told)
    except (TypeError, ValueError, SyntaxError):
        return ArrayEntry(key, shape, np.dtype(object), f"array of {str(told)[:60]}")
    if dtype.kind not in NUMERIC:
        return ArrayEntry(key, shape, dtype, "" if dtype.kind in "SU" else f"array of {dtype}")
    try:
        chunks_of(content, shape, dtype)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        reason = str(error) if isinstance(error, DatasetError) else "a description that is damaged"
        return ArrayEntry(key, shape, np.dtype(object), f"array with {reason}")
    return ArrayEntry(key, tuple(shape[k] for k in kept_axes(shape)), _coding(content, dtype).dtype(dtype))


def _shape(content: dict[str, Any]) -> tuple[int, ...]:
    return sizes_of(content["shape"], 0)


def _told_type(content: dict[str, Any]) -> Any:
    return content["data_type"] if content.get("zarr_format") == 3 else content["dtype"]


def _codecs(content: dict[str, Any]) -> Iterator[str]:
    """The names of all codecs in the order in which values pass through them, those within others too."""
    named = [*(content.get("filters") or ()), content.get("compressor"), *(content.get("codecs") or ())]
    for codec in filter(None, named):
        yield codec_name(codec)
        inner = codec.get("configuration") or {}
        for within in ("codecs", "index_codecs"):
            yield from _codecs({"codecs": inner.get(within)})


def _coding(content: dict[str, Any], stored: np.dtype[Any]) -> Coding:
    """Coding of values by the attributes of the CF conventions."""
    attributes = content.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    held = {name: attributes[name] for name in NAMES if name in attributes}
    # xarray keeps the missing value of version 2 there. Coordinates and labels, which are vectors, have none; 0 is what
    # other writers put there unasked, and as a value it does no harm.
    fill = content.get("fill_value") if len(_shape(content)) > 1 and "_ARRAY_DIMENSIONS" in attributes else None
    if content.get("zarr_format") == 2 and "_FillValue" not in held and _is_number(fill) and fill != 0:
        held[FILL_VALUE] = fill
    told = {name: value if isinstance(value, str) else _numbers(value) for name, value in held.items()}
    return declared_coding(stored, told)


def _numbers(value: Any) -> list[Any]:
    """The few real numbers of an attribute; none where it is something else."""
    values = value if isinstance(value, list) else [value]
    return values if len(values) <= _MOST_NUMBERS and all(map(_is_number, values)) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _files_in(folder: Path, most: int) -> int:
    """Files of chunks in a folder and below it, counted up to `most`."""
    count = 0
    for _, below, files in os.walk(folder):
        below.sort()
        count += sum(name not in METADATA for name in files)
        if count >= most:
            break
    return min(count, most)
