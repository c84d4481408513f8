"""The images of an open TIFF file, by tifffile and imagecodecs: sets of alike pages, each read by its tags.

A file is read through a stream that is open already, never by a name from a header, and never through a memory
map: a file that shrinks meanwhile is refused, and does not end the program.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
import tifffile

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats import tiff_axes
from gsp_studio.io.formats.array_entry import ArrayEntry
from gsp_studio.io.formats.tiff_bounds import require_all_pixels, require_bounded, require_own_size
from gsp_studio.io.formats.tiff_colours import Unreadable, is_subsampled, subsampled
from gsp_studio.io.formats.tiff_directory import Chain, read_chain
from gsp_studio.io.formats.tiff_pixels import PixelFormat, is_plain, pixel_format, pixels
from gsp_studio.io.formats.tiff_scales import Scales, scales_of

#: Attributes by which names and descriptions make tifffile do more than read pages, such as open other files.
_PLAIN: dict[str, Any] = dict.fromkeys(
    ("is_ndtiff", "is_mmstack", "is_scanimage", "is_ndpi", "is_eer", "is_lsm"), False
)


@dataclass(frozen=True)
class Stack:
    """Pages of a file that are alike.

    Attributes
    ----------
    key : str
        "" where all pages of the file are.
    format : PixelFormat
        Of each page.
    frames : tuple of (int, int)
        Of each the page's number, and which of the images that follow each other where its pixels begin.
    names : tuple of str, or None
        One a frame.
    notes : tuple of str
        Parts that are left out, missing or converted, a sentence each.
    scales : Scales
        Axes of its images as the header declares them.
    """

    key: str
    format: PixelFormat
    frames: tuple[tuple[int, int], ...]
    names: tuple[str, ...] | None
    notes: tuple[str, ...]
    scales: Scales

    @property
    def count(self) -> int:
        """Images."""
        return len(self.frames) * self.format.count

    @property
    def entry(self) -> ArrayEntry:
        """Decode the pages into an array (image, height, width) or (image, height, width, 3)."""
        colours = (3,) if self.format.is_colour else ()
        return ArrayEntry(self.key, (self.count, *self.format.shape, *colours), self.format.dtype, is_certain=True)

    @property
    def image_names(self) -> tuple[str, ...] | None:
        """One an image, "time 3, channel 1"; None where they are but numbered."""
        if self.format.count == 1:
            return self.names
        bands = self.format.bands
        parts = [
            ", ".join([f"z {k // bands + 1}"] * (self.format.count > bands) + [f"band {k % bands + 1}"] * (bands > 1))
            for k in range(self.format.count)
        ]
        outer = self.names or tuple(f"page {k + 1}" for k in range(len(self.frames)))
        if len(self.frames) == 1:
            return tuple(parts)
        return tuple(f"{name}, {part}" for name in outer for part in parts)


class TiffImages:
    """The images of an open TIFF file.

    Parameters
    ----------
    stream : binary file
        Read from any place; for one thread at a time.
    where : str
        Name of the file in an error.
    chain : Chain, optional
        Its pages, where they are known.

    Raises
    ------
    DatasetError
        A damaged file, or one whose pages cannot be read faithfully.
    """

    def __init__(self, stream: IO[bytes], where: str, chain: Chain | None = None) -> None:
        self._stream, self._where = stream, where
        self.size = stream.seek(0, os.SEEK_END)
        with _named(where):
            self._chain = chain or read_chain(stream, where)
            stream.seek(0)
            self._file = tifffile.TiffFile(stream, name="image.tif", _multifile=False, **_PLAIN)
            self._first_pages = [self._page_of(number) for number in self._chain.first_of_kind]

    def _page_of(self, number: int) -> Any:
        if number == 0:
            return self._file.pages.first
        stream, offset = self._file.filehandle, self._chain.directories[number].offset
        stream.seek(offset)
        return tifffile.TiffPage(self._file, number)

    def stacks(self, name: str = "", is_alone: bool = False) -> list[Stack]:
        """The images in sets that are alike, those of the first page first.

        Parameters
        ----------
        name : str
            Of the file, without its folder.
        is_alone : bool
            Whether files beside it are not read, so that images in these would be missing.
        """
        with _named(self._where):
            formats = self._formats()
            kinds = [directory.kind for directory in self._chain.directories]
            numbers = [k for k, kind in enumerate(kinds) if not _is_aside(self._first_pages[kind])]
            notes: list[str] = []
            if 0 < len(numbers) < len(kinds):
                notes.append(f"{len(kinds) - len(numbers)} previews, overviews or masks left out")
            numbers = numbers or list(range(len(kinds)))
            if self._chain.is_circular and is_alone:
                raise DatasetError(f"{self._where} is damaged: its pages lead in a circle")
            if self._chain.is_circular:
                notes.append("its pages lead in a circle: each is read once")
            first = self._first_pages[kinds[numbers[0]]]
            order = tiff_axes.order_of(self._file, numbers, self._held(first), name)
            if order.elsewhere and is_alone:
                listed = ", ".join(order.elsewhere[:3]) + (", ..." if len(order.elsewhere) > 3 else "")
                raise DatasetError(
                    f"{self._where} is one file of an OME data set of {order.announced} planes, others of which are in "
                    f"{listed}; open the folder that holds them all"
                )
            return self._grouped([(numbers[k], copy) for k, copy in order.pages], order, formats, notes)

    def _formats(self) -> list[PixelFormat | str]:
        """Treatment of the pixels of each kind of pages, or the reason why they cannot be read."""
        formats: list[PixelFormat | str] = []
        for page in self._first_pages:
            try:
                formats.append(pixel_format(page))
            except Unreadable as error:
                formats.append(str(error))
        return formats

    def _held(self, page: Any) -> int:
        """Images of a page's size that lie where its pixels begin, up to the end of the file."""
        if not is_plain(page) or page.nbytes < 1 or len(page.dataoffsets) < 1:
            return 1
        return max(1, (self.size - int(page.dataoffsets[0])) // int(page.nbytes))

    def _grouped(
        self, frames: list[tuple[int, int]], order: tiff_axes.Order, formats: list[PixelFormat | str], notes: list[str]
    ) -> list[Stack]:
        groups: dict[Any, list[int]] = {}
        reasons: Counter[str] = Counter()
        for k, (number, _) in enumerate(frames):
            form = formats[self._chain.directories[number].kind]
            if isinstance(form, str):
                reasons[form] += 1
            else:
                groups.setdefault((form.shape, form.dtype, form.stored, form.is_colour, form.count), []).append(k)
        if not groups:
            raise DatasetError(f"{self._where} cannot be read: {next(iter(reasons))}")
        notes += [f"{count} of {len(frames)} pages left out: {reason}" for reason, count in reasons.items()]
        if len(groups) > 1:
            sets = ", ".join(f"{len(g)} of {s[0]} x {s[1]} ({t})" for (s, _, t, *_), g in list(groups.items())[:3])
            notes.append(f"its pages are unlike in size or type, and one set of them is read: {sets}")
        stacks = []
        for i, chosen in enumerate(groups.values()):
            used = dict.fromkeys(self._chain.directories[frames[k][0]].kind for k in chosen)
            alike = [form for form in (formats[kind] for kind in used) if isinstance(form, PixelFormat)]
            said = dict.fromkeys(text for form in alike for text in form.said)
            is_all = len(groups) == 1 and not reasons and alike[0].count == 1
            scales = scales_of(self._file, alike[0].shape, order.axes if is_all else ())
            stacks.append(
                Stack(
                    f"series {i + 1}" if len(groups) > 1 else "",
                    replace(alike[0], said=tuple(said)),
                    tuple(frames[k] for k in chosen),
                    scales.named(order.names and tuple(order.names[k] for k in chosen)),
                    (*notes, *order.notes, *said),
                    scales,
                )
            )
        return stacks

    def read(self, stack: Stack, images: range) -> Array:
        """Images of a stack.

        Parameters
        ----------
        stack : Stack
        images : range
            Of those that the stack counts.

        Returns
        -------
        ndarray (k, height, width) or (k, height, width, 3)
            Of the type of the stack.

        Raises
        ------
        DatasetError
            A page that is damaged, or a file that has become shorter.
        """
        per_page = stack.format.count
        out: Array = np.empty((0, *stack.entry.shape[1:]), stack.format.dtype)
        last, made = -1, out
        for j, image in enumerate(images):
            frame = image // per_page
            if frame != last:
                last, made = frame, self._pixels(*stack.frames[frame])
            if not j:  # as late as this: a page that lies about its size has been refused now
                out = np.empty((len(images), *stack.entry.shape[1:]), stack.format.dtype)
            out[j] = made[image % per_page]
        return out

    def _pixels(self, number: int, copy: int) -> Array:
        directory = self._chain.directories[number]
        page = self._first_pages[directory.kind]
        where = f"{self._where}, page {number + 1}," if len(self._chain.directories) > 1 else self._where
        with _named(where):
            starts, sizes = page.dataoffsets, page.databytecounts
            if number != self._chain.first_of_kind[directory.kind]:
                starts = self._chain.numbers(self._stream, directory.starts, where)
                sizes = self._chain.numbers(self._stream, directory.sizes, where) or sizes
            starts, sizes = tuple(map(int, starts)), tuple(map(int, sizes))
            try:
                return pixels(page, self._raw(page, number, starts, sizes, copy, where))
            except Unreadable as error:
                raise DatasetError(f"{where} cannot be read: {error}") from error

    def _part(self, start: int, size: int) -> bytes:
        self._stream.seek(start)
        return self._stream.read(size)

    def _raw(
        self, page: Any, number: int, starts: tuple[int, ...], sizes: tuple[int, ...], copy: int, where: str
    ) -> Array:
        """The samples of a page as they are stored, of the shape `page.shaped`."""
        require_all_pixels(page, starts, sizes, where, self.size)
        require_bounded(page, sizes, where)
        if is_plain(page) and all(a + n == b for a, n, b in zip(starts, sizes, starts[1:], strict=False)):
            self._stream.seek(starts[0] + copy * page.nbytes)
            content = self._stream.read(page.nbytes)
            if len(content) < page.nbytes:
                raise DatasetError(f"{where} has changed since it was looked into, or is truncated")
            dtype = page.dtype.newbyteorder(self._chain.order)
            values = np.frombuffer(content, dtype).astype(page.dtype.newbyteorder("="), copy=False)
            return values.reshape(page.shaped)
        require_own_size(page, (self._part(a, min(n, 1 << 20)) for a, n in zip(starts, sizes, strict=False)), where)
        if is_subsampled(page):
            return subsampled(page, [self._part(start, size) for start, size in zip(starts, sizes, strict=False)])
        frame = tifffile.TiffFrame(self._file, number, keyframe=page, dataoffsets=starts, databytecounts=sizes)
        frame.jpegtables = page.jpegtables
        return np.asarray(frame.asarray(maxworkers=1)).reshape(page.shaped)


def _is_aside(page: Any) -> bool:
    """Whether a page is a reduced copy of another one, or a mask of it."""
    return bool(int(page.subfiletype) & 0b101)


class _Silence:
    """Silence of tifffile's logger while any thread reads a file: faults are reported as DatasetError."""

    def __init__(self) -> None:
        self._lock, self._readers, self._before = threading.Lock(), 0, False
        self._logger = logging.getLogger("tifffile")

    def __enter__(self) -> None:
        with self._lock:
            if not self._readers:
                self._before, self._logger.disabled = self._logger.disabled, True
            self._readers += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._readers -= 1
            if not self._readers:
                self._logger.disabled = self._before


_silence = _Silence()


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Turn exceptions of tifffile and its codecs into a DatasetError, and keep them from logging meanwhile."""
    try:
        with _silence:
            yield
    except (DatasetError, MemoryError, PermissionError, FileNotFoundError, NameError):
        raise
    except Exception as error:  # of almost any kind for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise DatasetError(f"{where} is damaged, or of a variant that cannot be read ({reason})") from error


def in_stream(stream: IO[bytes], where: str) -> tuple[TiffImages, Stack]:
    """The images of a file of a folder or archive, and the set of them that is read: the largest, the first of several.

    Raises
    ------
    DatasetError
    """
    images = TiffImages(stream, where)
    return images, max(images.stacks(), key=lambda stack: math.prod(stack.entry.shape))
