"""TIFF files of several images: the axes are those that the file names (ImageJ, OME), never guessed.

tifffile reads; what is compressed in a way that it cannot decode alone, Pillow does page by page. Files that an OME
header names beside this one are not followed.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.entry import ArrayEntry, require_held
from gsp_studio.io.parted import PartedArray, Read, between

Array = npt.NDArray[Any]

#: Bytes that one byte of a compressed TIFF can become: LZW at its best.
_MOST = 1400
_AXES = {"T": "time", "Z": "z", "C": "channel", "I": "image", "Q": "image", "P": "position", "R": "tile"}


def list_series(path: Path) -> list[ArrayEntry]:
    """The series of a file, each as a stack: all axes but those of the image count its images.

    Series that are all alike, which is how some programs write the pages of one stack, are one.
    """
    with _opened(path) as file:
        return [_entry(group, key, path) for key, group in _groups(file).items()]


def read_series(path: Path, entry: ArrayEntry) -> Array:
    """The values (image, height, width) or (image, height, width, 3)."""
    with _opened(path) as file:
        stacks = [_read(series, path) for series in _groups(file)[entry.key]]
    return stacks[0] if len(stacks) == 1 else np.concatenate(stacks)


def open_series(path: Path, entry: ArrayEntry) -> PartedArray | None:
    """A series of which parts are read, page by page or where it lies in one piece; None where it is neither."""
    with _opened(path) as file:
        group = _groups(file)[entry.key]
        for series in group:
            _require_all_pixels(series, path)
        if not _lies_by_images(group) and not _has_a_page_each(group, entry):
            return None
    return PartedArray(entry.shape, entry.dtype, partial(_open, path, entry))


def _lies_by_images(group: list[Any]) -> bool:
    """Whether all values lie in one piece, image after image."""
    [series, *others] = group
    return not others and series.dataoffset is not None and series.axes.endswith(("YX", "YXS"))


def _has_a_page_each(group: list[Any], entry: ArrayEntry) -> bool:
    pages = [page for series in group for page in series.pages]
    return len(pages) == entry.shape[0] and group[0].axes.endswith(("YX", "YXS")) and None not in pages


def _open(path: Path, entry: ArrayEntry) -> tuple[Read, Callable[[], object]]:
    with _opened(path) as file:
        group = _groups(file)[entry.key]
        if _lies_by_images(group):
            [series] = group
            dtype = series.dtype.newbyteorder(file.byteorder)
            values = _stack(np.memmap(path, dtype, "r", series.dataoffset, tuple(series.shape)), series)
            return lambda axis, start, stop: np.array(values[between(axis, start, stop, values.ndim)]), lambda: None
    stack = ExitStack()
    file = stack.enter_context(_opened(path))
    [series, *_] = group = _groups(file)[entry.key]
    pages = [page for one in group for page in one.pages]
    has_colour = series.axes.endswith("S")

    def page_of(number: int) -> Array:
        try:
            values = pages[number].asarray(maxworkers=1)
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            values = _pages_by_pillow(path, [pages[number].index])[0]
        if not has_colour:
            return np.asarray(values)
        return np.asarray(values[..., :3] if values.shape[-1] >= 3 else values[..., 0])

    def read(axis: int, start: int, stop: int) -> Array:
        numbers = range(start, stop) if axis == 0 else range(len(pages))
        some = np.stack([page_of(number) for number in numbers])
        return some if axis == 0 else some[between(axis, start, stop, some.ndim)]

    return read, stack.close


def names(path: Path, entry: ArrayEntry) -> tuple[str, ...] | None:
    """What each image is, "time 3, channel 1", where it has more than a number."""
    with _opened(path) as file:
        group = _groups(file)[entry.key]
        counted = [(axis, size) for axis, size in _counted(group[0]) if size > 1]
        if len(group) > 1 or not counted or all(axis in "IQ" for axis, _ in counted):
            return None
        places = np.ndindex(*(size for _, size in counted))
        words = [_AXES.get(axis, axis) for axis, _ in counted]
        return tuple(", ".join(f"{word} {k + 1}" for word, k in zip(words, place, strict=True)) for place in places)


@contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    _require_end_of_pages(path)
    logger = logging.getLogger("tifffile")
    before, logger.disabled = logger.disabled, True  # what is wrong is said in our words
    try:
        with tifffile.TiffFile(path, _multifile=False) as file:
            yield file
    finally:
        logger.disabled = before


def _require_end_of_pages(path: Path) -> None:
    """Each page says where the next one begins; tifffile would follow a circle for ever."""
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2], "<")
        is_big = len(head) == 16 and struct.unpack(order + "H", head[2:4])[0] == 43
        number, count, entry = ("Q", "Q", 20) if is_big else ("I", "H", 12)
        offset = head[8:16] if is_big else head[4:8]
        seen: set[int] = set()
        while len(offset) == struct.calcsize(number) and (at := struct.unpack(order + number, offset)[0]):
            if at in seen:
                raise DatasetError(f"{path} is damaged: its pages lead in a circle")
            seen.add(at)
            file.seek(min(at, 1 << 62))
            many = file.read(struct.calcsize(count))
            if len(many) < struct.calcsize(count):
                return
            file.seek(entry * struct.unpack(order + count, many)[0], 1)
            offset = file.read(struct.calcsize(number))


def _groups(file: tifffile.TiffFile) -> dict[str, list[Any]]:
    """Series by the names that they have here."""
    series = list(file.series)
    if len(series) == 1 or len({(one.axes, one.shape, str(one.dtype)) for one in series}) == 1:
        return {"": series}
    return {f"series {k + 1}": [one] for k, one in enumerate(series)}


def _counted(series: Any) -> list[tuple[str, int]]:
    """The axes that count images, and their sizes."""
    return [(axis, int(size)) for axis, size in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]


def _entry(group: list[Any], key: str, path: Path) -> ArrayEntry:
    series = group[0]
    shape = {axis: int(size) for axis, size in zip(series.axes, series.shape, strict=True)}
    if series.dtype is None or "Y" not in shape or "X" not in shape:
        return ArrayEntry(key, tuple(series.shape), np.dtype(object), "series without images")
    count = len(group) * math.prod(size for _, size in _counted(series))
    colours = (3,) if shape.get("S", 1) >= 3 else ()
    entry = ArrayEntry(key, (count, shape["Y"], shape["X"], *colours), series.dtype, is_certain=True)
    require_held(entry, path, _MOST * path.stat().st_size)
    return entry


def _read(series: Any, path: Path) -> Array:
    _require_all_pixels(series, path)
    try:
        values = series.asarray(maxworkers=1)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        values = _by_pillow(path, series)
    return _stack(values, series)


def _require_all_pixels(series: Any, path: Path) -> None:
    """What a file that was cut lacks would be filled up with zeros."""
    size = path.stat().st_size
    if series.dataoffset is not None:
        ends = [series.dataoffset + series.nbytes]
    else:
        pages = [page for page in series.pages if page is not None]
        ends = [a + n for page in pages for a, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends, default=0) > size:
        raise DatasetError(f"{path} is damaged or truncated: {size} of {max(ends)} bytes are there")


def _stack(values: Array, series: Any) -> Array:
    axes = list(series.axes)
    last = [axis for axis in "YXS" if axis in axes]
    order = [k for k, axis in enumerate(axes) if axis not in last] + [axes.index(axis) for axis in last]
    moved = values.transpose(order)
    inner = moved.shape[len(order) - len(last) :]
    stack = moved.reshape(-1, *inner)
    if "S" not in axes:
        return stack
    return stack[..., :3] if inner[-1] >= 3 else stack[..., 0]  # what is more is transparency


def _by_pillow(path: Path, series: Any) -> Array:
    values = np.stack(_pages_by_pillow(path, [page.index for page in series.pages]))
    if values.size != math.prod(series.shape):
        raise DatasetError(f"{path} is compressed in a way that cannot be read here")
    return values.reshape(series.shape)


def _pages_by_pillow(path: Path, numbers: list[int]) -> list[Array]:
    with path.open("rb") as stream, Image.open(stream, formats=("TIFF",)) as image:
        frames = []
        for number in numbers:
            image.seek(number)
            frames.append(np.array(image))
    return frames
