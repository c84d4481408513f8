"""The chain of pages of a TIFF file: where each is, and which of them are laid out alike.

A file can hold hundreds of thousands of pages that differ only in where their pixels lie. tifffile describes the first
page of each kind; of the others the places of their pixels are enough.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, NamedTuple

from gsp_studio.io.dataset import DatasetError

#: Pages and entries of a page that a file may have.
_MOST_PAGES = 1 << 19
_MOST_ENTRIES = 4096
#: Bytes that the value of one tag may take here.
_MOST_BYTES = 1 << 24
#: Tags on which the meaning of pixels depends: size, type, compression, colour, orientation, strips, tiles, and GDAL's.
_LAYOUT = frozenset([*range(254, 260), 262, 266, 274, 277, 278, 284, 292, 293, 317, 320, 322, 323, 332, 338, 339])
_LAYOUT |= {347, 512, 513, 514, 519, 520, 521, 529, 530, 532, 32997, 32998, 42112, 42113}
_STARTS, _SIZES = (273, 324), (279, 325)
#: Bytes of each type of the format.
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


class Field(NamedTuple):
    """The value of a tag as it stands in its directory: its type, how many there are, and four or eight bytes."""

    type: int
    size: int
    value: bytes


class Directory(NamedTuple):
    """A page: where it is described, its kind, and where its pixels are."""

    offset: int
    kind: int
    starts: Field | None
    sizes: Field | None


@dataclass(frozen=True)
class Chain:
    """All pages of a file.

    Attributes
    ----------
    directories : tuple of Directory
    first_of_kind : tuple of int
        Of each kind of pages the number of the first.
    order : "<" | ">"
        Of bytes.
    is_big : bool
        BigTIFF.
    is_circular : bool
        The last page names an earlier one as the next.
    """

    directories: tuple[Directory, ...]
    first_of_kind: tuple[int, ...]
    order: str
    is_big: bool
    is_circular: bool

    def numbers(self, stream: IO[bytes], field: Field | None, where: str) -> tuple[int, ...]:
        """The whole numbers of a field.

        Raises
        ------
        DatasetError
            A type that holds none, or a value that lies behind the end of the file.
        """
        if field is None:
            return ()
        if field.type not in _WHOLE:
            raise DatasetError(f"{where} is damaged: the places of its pixels are of type {field.type}")
        code = f"{self.order}{field.size}{_WHOLE[field.type]}"
        if field.size * _BYTES[field.type] > _MOST_BYTES:
            raise DatasetError(f"{where} declares {field.size} strips or tiles in a page; accepted are 2 million")
        content = self._content(stream, field)
        if len(content) < struct.calcsize(code):
            raise DatasetError(f"{where} is damaged or truncated: the places of its pixels lie behind its end")
        return struct.unpack(code, content[: struct.calcsize(code)])

    def _content(self, stream: IO[bytes], field: Field) -> bytes:
        size = field.size * _BYTES.get(field.type, 1)
        if size <= len(field.value):
            return field.value[:size]
        stream.seek(_offset(field.value, self.order, self.is_big))
        return stream.read(min(size, _MOST_BYTES))


def _offset(value: bytes, order: str, is_big: bool) -> int:
    (offset,) = struct.unpack(order + ("Q" if is_big else "I"), value)
    return int(min(offset, (1 << 62)))


def read_chain(stream: IO[bytes], where: str) -> Chain:
    """Follow the pages of a file from the first to the last.

    Parameters
    ----------
    stream : binary file
        TIFF or BigTIFF, of either byte order.
    where : str
        Its name in an error.

    Returns
    -------
    Chain

    Raises
    ------
    DatasetError
        A file without pages, one that ends before its last page, or one of too many pages.
    """
    stream.seek(0)
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "<")
    is_big = len(head) == 16 and struct.unpack(order + "H", head[2:4])[0] == 43
    size_of_count, entry = (8, struct.Struct(order + "HHQ8s")) if is_big else (2, struct.Struct(order + "HHI4s"))
    count_of = struct.Struct(order + ("Q" if is_big else "H"))
    next_size = 8 if is_big else 4
    following = head[8:16] if is_big else head[4:8]
    found: list[Directory] = []
    kinds: dict[tuple[object, ...], int] = {}
    first_of_kind: list[int] = []
    seen: set[int] = set()
    chain = Chain((), (), order, is_big, False)
    is_circular = False
    while len(following) == next_size and (at := _offset(following, order, is_big)):
        if at in seen:
            is_circular = True
            break
        if len(found) >= _MOST_PAGES:
            raise DatasetError(f"{where} has more than {_MOST_PAGES} pages; open a part of it at a time")
        seen.add(at)
        stream.seek(at)
        counted = stream.read(size_of_count)
        count = count_of.unpack(counted)[0] if len(counted) == size_of_count else -1
        if not 0 <= count <= _MOST_ENTRIES:
            raise _cut(where, len(found)) if count < 0 else _odd(where, len(found), count)
        content = stream.read(entry.size * count + next_size)
        if len(content) < entry.size * count:  # the four bytes that say that no page follows are at times left out
            raise _cut(where, len(found))
        starts = sizes = None
        layout: list[object] = []
        for tag, kind, number, value in entry.iter_unpack(content[: entry.size * count]):
            if tag in _STARTS:
                starts = Field(kind, number, value)
                layout.append((tag, number))
            elif tag in _SIZES:
                sizes = Field(kind, number, value)
            elif tag in _LAYOUT:
                is_inside = number * _BYTES.get(kind, 1) <= len(value)
                layout.append(
                    (tag, kind, number, value if is_inside else chain._content(stream, Field(kind, number, value)))
                )
        signature = tuple(layout)
        if signature not in kinds:
            kinds[signature] = len(kinds)
            first_of_kind.append(len(found))
        found.append(Directory(at, kinds[signature], starts, sizes))
        following = content[entry.size * count :]
    if not found:
        raise DatasetError(f"{where} is damaged: a TIFF file without a page")
    return Chain(tuple(found), tuple(first_of_kind), order, is_big, is_circular)


def _cut(where: str, pages: int) -> DatasetError:
    return DatasetError(f"{where} is damaged or truncated: page {pages + 1} lies behind its end")


def _odd(where: str, pages: int, count: int) -> DatasetError:
    return DatasetError(f"{where} is damaged: page {pages + 1} declares {count} tags")
