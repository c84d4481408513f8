"""The bytes of an element of a MATLAB file of version 5, compressed or not."""

from __future__ import annotations

import struct
import zlib
from typing import IO

Bytes = bytes | bytearray

_CHUNK = 1 << 16


class Content:
    """The bytes of one element, decompressed while they are read and never more than requested.

    Parameters
    ----------
    file : binary file
        At the element's first byte.
    length : int
        Its bytes in the file.
    order : "<" | ">"
        Of bytes.
    most : int or None
        Of compressed content, the bytes that it can have at most.

    Attributes
    ----------
    position : int
        Bytes that were read, decompressed.
    """

    def __init__(self, file: IO[bytes], length: int, order: str, most: int | None) -> None:
        self._file = file
        self.position = 0
        self._left = length
        self.order = order
        self._inflater = zlib.decompressobj() if most is not None else None
        self._most = length if most is None else most

    def read(self, count: int) -> Bytes:
        """Read `count` bytes; ValueError when the element has fewer."""
        if count > self._most:
            raise ValueError(f"{count} bytes are declared, at most {self._most} can follow")
        data: Bytes = self._take(count) if self._inflater is None else self._inflate(count)
        if len(data) < count:
            raise ValueError("the file ends early")
        self._most -= count
        self.position += count
        return data

    def skip(self, to: int) -> None:
        """Read on to a position, which must not lie behind."""
        if to < self.position:
            raise ValueError("a part is longer than it declares")
        while self.position < to:
            self.read(min(_CHUNK, to - self.position))

    def tag(self) -> tuple[int, int, Bytes]:
        """Type and length of the next part; short ones come with their content, else b""."""
        head = self.read(8)
        kind, length = struct.unpack(self.order + "II", head)
        if kind >> 16:  # a short part: length and type share a word
            if kind >> 16 > 4:
                raise ValueError("a part is damaged")
            return kind & 0xFFFF, kind >> 16, head[4 : 4 + (kind >> 16)]
        return kind, length, b""

    def part(self, most: int) -> Bytes:
        """The content of the next part, which must not be longer than `most`."""
        _, length, content = self.tag()
        if content or not length:
            return content
        if length > most:
            raise ValueError(f"a part of {length} bytes is too long")
        return self.read(-(-length // 8) * 8)[:length]

    def finish(self) -> None:
        """Read to the end, where the checksum of compressed content is."""
        while self._inflater is not None and not self._inflater.eof:
            if not self._inflate(_CHUNK) and not self._inflater.eof:
                raise ValueError("the file ends early")

    @property
    def is_compressed(self) -> bool:
        """Whether the element is compressed."""
        return self._inflater is not None

    @property
    def has_more(self) -> bool:
        """Whether anything can follow."""
        return self._left > 0 if self._inflater is None else not self._inflater.eof

    def _take(self, count: int) -> bytes:
        data = self._file.read(min(count, self._left))
        self._left -= len(data)
        return data

    def _inflate(self, count: int) -> bytearray:
        assert self._inflater is not None
        found = bytearray()
        while len(found) < count and not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._take(_CHUNK)
            made = self._inflater.decompress(packed, count - len(found))
            if not packed and not made:
                break
            found += made
        return found
