"""TIFF files of several images: the axes are those that the file names (ImageJ, OME), never guessed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial
from pathlib import Path

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import ArrayEntry, DeclaredAxes, require_held
from gsp_studio.io.formats.lazy_array import LazyArray, Read, between
from gsp_studio.io.formats.tiff_bounds import MOST
from gsp_studio.io.formats.tiff_directory import Chain, read_chain
from gsp_studio.io.formats.tiff_pages import Stack, TiffImages

#: First bytes of a file: little or big endian, classic or BigTIFF.
SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@lru_cache(maxsize=4)
def _chain_of(path: Path, modified: int, size: int, inode: int) -> Chain:
    """The pages of a file as it is now: it is looked at several times while it is opened."""
    with path.open("rb") as stream:
        return read_chain(stream, str(path))


@contextmanager
def _opened(path: Path) -> Iterator[TiffImages]:
    with path.open("rb") as stream:
        state = os.fstat(stream.fileno())
        chain = _chain_of(path, state.st_mtime_ns, state.st_size, state.st_ino)
        yield TiffImages(stream, str(path), chain)


def _stack_of(images: TiffImages, path: Path, key: str) -> Stack:
    for stack in images.stacks(path.name, is_alone=True):
        if stack.key == key:
            return stack
    raise DatasetError(f"{path} has changed since it was looked into; open it again")


def is_tiff(path: Path, head: bytes) -> bool:
    """Whether a file begins like a TIFF."""
    return head.startswith(SIGNATURES)


def list_series(path: Path) -> list[ArrayEntry]:
    """The sets of alike images of a file, each as a stack."""
    with _opened(path) as images:
        entries = [stack.entry for stack in images.stacks(path.name, is_alone=True)]
        for entry in entries:
            require_held(entry, path, MOST * images.size)
    return entries


def read_series(path: Path, entry: ArrayEntry) -> Array:
    """The values (image, height, width) or (image, height, width, 3)."""
    with _opened(path) as images:
        return images.read(_stack_of(images, path, entry.key), range(entry.shape[0]))


def open_series(path: Path, entry: ArrayEntry) -> LazyArray:
    """A series of which parts are read, page by page."""
    return LazyArray(entry.shape, entry.dtype, partial(_open, path, entry))


def _open(path: Path, entry: ArrayEntry) -> tuple[Read, Callable[[], object]]:
    context = ExitStack()
    images = context.enter_context(_opened(path))
    stack = _stack_of(images, path, entry.key)
    if stack.entry.shape != entry.shape or stack.entry.dtype != entry.dtype:
        raise DatasetError(f"{path} has changed since it was looked into; open it again")

    def read(axis: int, start: int, stop: int) -> Array:
        if axis == 0:
            return images.read(stack, range(start, stop))
        some = images.read(stack, range(stack.count))
        return some[between(axis, start, stop, some.ndim)]

    return read, context.close


def names(path: Path, entry: ArrayEntry) -> tuple[str, ...] | None:
    """Names of the images, "time 3, channel 1", where they have more than a number."""
    with _opened(path) as images:
        return _stack_of(images, path, entry.key).image_names


def axes(path: Path, entry: ArrayEntry) -> DeclaredAxes:
    """Axes of the images, rows and columns, as OME, ImageJ or the tags of resolution declare them."""
    with _opened(path) as images:
        scales = _stack_of(images, path, entry.key).scales
    return (scales.band, scales.y, scales.x), scales.notes


def notes(path: Path, entry: ArrayEntry) -> tuple[str, ...]:
    """Notes on parts that are left out, missing or converted, a sentence each."""
    with _opened(path) as images:
        return _stack_of(images, path, entry.key).notes
