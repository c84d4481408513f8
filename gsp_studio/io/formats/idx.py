"""IDX files, MNIST's own format, plain or compressed by gzip: a type, the sizes of the axes, the values, big-endian.

Labels are in a file beside it; one that is a link is not followed, as what a set holds must not depend on what lies
elsewhere.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import ArrayEntry
from gsp_studio.io.formats.matlab5 import DEFLATE_MOST

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def is_idx(path: Path, head: bytes) -> bool:
    """Whether a file begins like IDX, compressed or not: two zeros, a known type, 1 to 4 axes."""
    if head.startswith(_GZIP):
        try:
            with gzip.open(path) as file:
                head = file.read(4)
        except (OSError, EOFError, zlib.error):
            return path.name.lower().endswith(("ubyte.gz", ".idx.gz"))
    return head[:2] == b"\0\0" and len(head) >= 4 and head[2] in _TYPES and 1 <= head[3] <= 4


def list_arrays(path: Path) -> list[ArrayEntry]:
    """List the one array of a file, after comparing its declared size with that of the file."""
    with _opened(path) as file:
        entry, begin = _header(file, path)
    size, is_gzip = path.stat().st_size, _is_gzip(path)
    held = DEFLATE_MOST * size if is_gzip else size - begin
    if entry.nbytes > held:
        raise DatasetError(f"{path}: its header declares {entry}, {entry.nbytes} bytes, but at most {held} follow")
    notes = [] if is_gzip or entry.nbytes == held else [f"{held - entry.nbytes} bytes behind the values are not read"]
    beside = _labels_beside(path)
    if beside is not None and beside.is_symlink():
        notes.append(f"{beside.name} is a link to another place, and its labels are not read")
    elif beside is not None and beside.is_file() and _labels(beside, entry) is None:
        notes.append(f"{beside.name} does not hold a label for each image, and is not read")
    return [replace(entry, notes=tuple(notes))]


def read_array(path: Path, entry: ArrayEntry) -> Array:
    """The values, in the byte order of this machine."""
    with _opened(path) as file:
        _header(file, path)
        try:
            content = file.read(entry.nbytes)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DatasetError(f"{path} is damaged or truncated: its compressed values end too early") from error
    if len(content) < entry.nbytes:
        count = len(content) // max(1, entry.nbytes // entry.shape[0])
        raise DatasetError(f"{path}: its header says {entry.shape[0]} images, but it holds {count}")
    values = np.frombuffer(content, entry.dtype).reshape(entry.shape)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def labels(path: Path, entry: ArrayEntry) -> tuple[str, ...] | None:
    """The values of the file of labels beside it, "t10k-labels-idx1-ubyte.gz" beside "t10k-images-idx3-ubyte.gz"."""
    beside = _labels_beside(path)
    if beside is None or beside.is_symlink() or not beside.is_file():
        return None
    found = _labels(beside, entry)
    try:
        return None if found is None else tuple(map(str, read_array(beside, found).tolist()))
    except (DatasetError, OSError):
        return None  # images are images without their labels


def _labels(beside: Path, images: ArrayEntry) -> ArrayEntry | None:
    """The labels in a file; None where it has none that fit."""
    try:
        [found] = list_arrays(beside)
    except (DatasetError, OSError, EOFError, zlib.error):
        return None
    return found if found.shape == images.shape[:1] and found.dtype.kind in "iu" else None


def _labels_beside(path: Path) -> Path | None:
    """Path of the labels of a file of images; None where its name leaves it open."""
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    return None if beside == path else beside


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if _is_gzip(path) else path.open("rb")  # type: ignore[return-value]


def _header(file: IO[bytes], path: Path) -> tuple[ArrayEntry, int]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise DatasetError(f"{path} is no IDX file, or is damaged")
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise DatasetError(f"{path} is truncated: its header ends too early")
    shape = tuple(map(int, np.frombuffer(sizes, ">u4")))
    if math.prod(shape) == 0:
        return ArrayEntry("", shape, np.dtype(_TYPES[head[2]])), 4 + len(sizes)
    return ArrayEntry("", shape, np.dtype(_TYPES[head[2]]), is_certain=True), 4 + len(sizes)
