"""Arrays in HDF5 files.

Only what lies in the file itself is read: links to other files, datasets stored in other files and virtual ones are
listed by what they are and not followed. Links within the file cannot lead in circles, as each object is visited once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats import nexus
from gsp_studio.io.formats.array_entry import NUMERIC, ArrayEntry, DeclaredAxes
from gsp_studio.io.formats.declared_coding import NAMES, declared_coding
from gsp_studio.io.formats.hdf5_attributes import numbers, text
from gsp_studio.io.formats.hdf5_axes import declared_axes
from gsp_studio.io.formats.hdf5_chunks import CheckedChunks, unwritten
from gsp_studio.io.formats.lazy_array import LazyArray, Read, between
from gsp_studio.io.value_codes import Coding, axes_note, kept_axes

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: The signature lies at 0, 512, 1024, ...: up to here.
_LAST_PLACE = 1 << 20
#: Datasets that are listed, and links that are gone through for them.
_MOST, _MOST_LINKS = 4096, 1 << 16
#: Links that one name may lead through.
_HOPS = 32
#: Numbers of an attribute that is followed.
_MOST_NUMBERS = 16
#: Kinds of images by HDF5's specification that are not grey.
_COLOURED = ("IMAGE_TRUECOLOR", "IMAGE_INDEXED")
#: Exceptions that h5py raises for a damaged file.
_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError)


def is_hdf5(path: Path, head: bytes = b"") -> bool:
    """Whether a file is HDF5 by its signature, at its beginning or after a user block (MATLAB's has 512 bytes)."""
    with path.open("rb") as file:
        size, place = path.stat().st_size, 0
        while place < min(size, _LAST_PLACE):
            file.seek(place)
            if file.read(8) == _SIGNATURE:
                return True
            place = max(512, 2 * place)
    return False


def list_datasets(path: Path) -> list[ArrayEntry]:
    """The datasets of a file by their paths in it, in the order of these."""
    with h5py.File(path, "r") as file:
        found = list(_walk(file))
        signal = _signal(file)
        return [_entry(name, item, signal if len(found) > 1 else None) for name, item in found]


def open_dataset(path: Path, entry: ArrayEntry) -> LazyArray:
    """A dataset of which parts are read."""
    return LazyArray(entry.shape, entry.dtype, partial(_open, str(path), entry.key))


def notes(path: Path, entry: ArrayEntry) -> tuple[str, ...]:
    """Notes on the reading of a dataset, a sentence each: axes, missing values, chunks that were never written."""
    with h5py.File(path, "r") as file:
        item = _dataset(file, entry.key)
        axes = _axes(entry.key, item)
        told = axes_note(item.shape, axes)
        if _holds_frames_last(entry.key, item):
            told = (*told, "the last axis counts the frames, as in EMD files of Velox")
        if sum(not isinstance(other, str) for _, other in _walk(file, most=_MOST + 1)) > _MOST:
            told = (*told, f"the file has more arrays than the {_MOST} that are listed")
        return (*told, *_coding(item).notes(item.dtype), *unwritten(item))


def axes(path: Path, entry: ArrayEntry) -> DeclaredAxes:
    """Axes of a dataset, as the file declares them."""
    with h5py.File(path, "r") as file:
        item = _dataset(file, entry.key)
        return declared_axes(item, _axes(entry.key, item))


def canonical_key(path: Path, key: str) -> str:
    """The path by which a dataset is listed, of one that leads to it by links; `key` where there is none.

    Raises
    ------
    DatasetError
        A path through a link to another file.
    """
    with h5py.File(path, "r") as file:
        found = _followed(file, file, key, [_HOPS], f'"{key}" in {path}')
        if isinstance(found, h5py.Dataset):
            place = _address(found)
            listed = (name for name, item in _walk(file) if not isinstance(item, str) and _address(item) == place)
            return next(listed, key)
    return key


def _open(path: str, key: str) -> tuple[Read, Callable[[], object]]:
    file = h5py.File(path, "r")
    size = os.stat(path).st_size
    try:
        item = _dataset(file, key)
        chunks = CheckedChunks(item, f'"{key}" in {path}')
        axes, coding = _axes(key, item), _coding(item)
    except BaseException as error:
        file.close()
        if isinstance(error, DatasetError) or not isinstance(error, _DAMAGE):
            raise
        raise _damaged(path, key, error) from error

    def read(axis: int, start: int, stop: int) -> Array:
        if not item.ndim:
            return np.asarray(item[()])
        stored = axes[axis]
        try:
            chunks.check(stored, start, stop)
            numbers = np.asarray(item[between(stored, start, stop, item.ndim)])
        except DatasetError:
            raise
        except _DAMAGE as error:
            raise _damaged(path, key, error) from error
        if os.stat(path).st_size < size:  # HDF5 reads zeros behind the end
            raise DatasetError(f"{path} has changed since it was looked into; open it again")
        left = [k for k in range(item.ndim) if k in axes]
        numbers = numbers.reshape([numbers.shape[k] for k in left])
        return coding.decoded(numbers.transpose([left.index(k) for k in axes]))

    return read, file.close


def _damaged(path: str, key: str, error: BaseException) -> DatasetError:
    told = (str(error) or type(error).__name__).splitlines()[0]
    return DatasetError(f'"{key}" in {path} cannot be read: the file is damaged or truncated ({told})')


def _walk(file: h5py.File, most: int | None = None) -> Iterator[tuple[str, Any]]:
    """Pairs of a path and its dataset, or a description of another object there; at most `most` datasets."""
    seen: set[Any] = set()
    pending: deque[tuple[str, h5py.Group]] = deque([("", file)])
    count, links = 0, _MOST_LINKS
    while pending and links > 0:
        above, group = pending.popleft()
        names = sorted(islice(group.id, links))
        links -= len(names)
        for name in names:
            told = name.decode("utf-8", "backslashreplace")  # which can be written anywhere
            path = f"{above}/{told}" if above else told
            link = group.id.links.get_info(name).type
            if link == h5py.h5l.TYPE_SOFT:
                continue  # leads to what is listed under its own name, or nowhere
            if link != h5py.h5l.TYPE_HARD:
                yield path, "link to another file"
                continue
            item = group[name]
            address = _address(item)
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                pending.append((path, item))
            elif isinstance(item, h5py.Dataset):
                count += 1
                if count > (most or _MOST):
                    return
                yield path, item


def _address(item: Any) -> Any:
    return h5py.h5o.get_info(item.id).addr


def _dataset(file: h5py.File, key: str) -> h5py.Dataset:
    """The dataset that is listed under a key."""
    found = _followed(file, file, key, [0], key)
    if not isinstance(found, h5py.Dataset):  # a name that is not UTF-8
        found = next((item for name, item in _walk(file) if name == key and not isinstance(item, str)), None)
    if found is None:
        raise DatasetError(f'{file.filename} has no dataset "{key}" any more; open it again')
    return found


def _followed(file: h5py.File, start: h5py.Group, key: str, hops: list[int], where: str) -> Any:
    """Resolve a path by at most `hops[0]` links within the file; None where it leads nowhere.

    Raises
    ------
    DatasetError
        It leads through a link to another file.
    """
    found: Any = file if key.startswith("/") else start
    for name in filter(lambda part: part not in ("", "."), key.split("/")):
        if not isinstance(found, h5py.Group):
            return None
        links, stored = found.id.links, name.encode("utf-8", "surrogateescape")
        link = links.get_info(stored).type if links.exists(stored) else None
        if link == h5py.h5l.TYPE_SOFT:
            hops[0] -= 1
            path = links.get_val(stored).decode("utf-8", "surrogateescape")
            found = _followed(file, found, path, hops, where) if hops[0] >= 0 else None
        elif link == h5py.h5l.TYPE_HARD:
            found = found[stored]
        elif link is None:
            return None
        else:
            raise DatasetError(f"{where} is a link to another file; open that one")
    return found


def _signal(file: h5py.File) -> Any:
    """Where the dataset lies that a NeXus file declares its signal; None where there is none in the file itself."""

    def follow(group: h5py.Group, path: str) -> Any:
        return _followed(file, group, path, [_HOPS], path)

    try:
        found = nexus.signal(file, follow)
    except _DAMAGE:  # among these DatasetError, for a link to another file
        return None
    return None if found is None else _address(found)


def _entry(name: str, item: Any, signal: Any = None) -> ArrayEntry:
    entry = _stored_entry(name, item)
    if entry.kind or entry.dtype.kind not in NUMERIC:
        return entry
    shape = tuple(entry.shape[k] for k in _axes(name, item))
    is_declared = signal is not None and _address(item) == signal
    return ArrayEntry(
        name,
        shape,
        _coding(item).dtype(entry.dtype),
        is_certain=_holds_frames_last(name, item),
        notes=(f'"{name}" is the signal that the file declares (NeXus)',) if is_declared else (),
        is_declared=is_declared,
    )


def _stored_entry(name: str, item: Any) -> ArrayEntry:
    if isinstance(item, str):
        return ArrayEntry(name, (), np.dtype(object), item)
    shape = tuple(map(int, item.shape or ()))
    if item.external is not None:
        return ArrayEntry(name, shape, item.dtype, "dataset whose values are in another file")
    if item.is_virtual:
        return ArrayEntry(name, shape, item.dtype, "virtual dataset, put together from datasets of other files")
    kind = "" if item.dtype.kind in NUMERIC + "S" and item.shape is not None else f"dataset of type {item.dtype}"
    return ArrayEntry(name, shape, item.dtype, kind)


def _axes(name: str, item: h5py.Dataset) -> tuple[int, ...]:
    """The axes of a dataset that are read, in their order."""
    if _holds_frames_last(name, item):
        return 2, 0, 1
    return kept_axes(tuple(map(int, item.shape)))


def _holds_frames_last(name: str, item: h5py.Dataset) -> bool:
    """Whether a dataset is a series of images as Velox writes it into EMD files, (height, width, frame)."""
    parts = name.split("/")
    return len(parts) == 4 and parts[:2] == ["Data", "Image"] and parts[3] == "Data" and len(item.shape) == 3


def _coding(item: h5py.Dataset) -> Coding:
    """Coding of values by the attributes of the CF conventions, which NetCDF files follow, or by NeXus."""
    told: dict[str, list[Any] | str] = {}
    for name in NAMES:
        held = numbers(item, name, _MOST_NUMBERS)
        told[name] = text(item, name) if held is None else list(held)
    if not told["scale_factor"] and not told["add_offset"]:
        with suppress(*_DAMAGE):  # a damaged declaration is none
            scaling = nexus.scaling(item)
            told["scale_factor"], told["add_offset"] = ([part] for part in scaling or (1.0, 0.0))
    coding = declared_coding(item.dtype, {name: held for name, held in told.items() if held})
    if not _is_white_zero(item):
        return coding
    if item.dtype.kind == "u" and item.dtype.itemsize <= 2 and not coding.sign:
        return replace(coding, is_turned=True)
    note = f"0 is white by IMAGE_WHITE_IS_ZERO, which {item.dtype} values have no largest one for: as stored"
    return replace(coding, unread=(*coding.unread, note))


def _is_white_zero(item: h5py.Dataset) -> bool:
    """Whether 0 is white in grey images, by the HDF5 Image and Palette Specification."""
    told = numbers(item, "IMAGE_WHITE_IS_ZERO", 1)
    is_grey = text(item, "CLASS") == "IMAGE" and text(item, "IMAGE_SUBCLASS") not in _COLOURED
    return is_grey and told is not None and bool(told.any())
