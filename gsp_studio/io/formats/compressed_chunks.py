"""Compressed chunks, looked at before a library expands them, which does so whatever their size."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zlib
from typing import IO, Any

_PIECE = 1 << 20
#: Memory that a dictionary of LZMA may take.
_DICTIONARY = 1 << 28
#: Bytes that one of deflate becomes at most.
DEFLATE_MOST = 1032
#: Bytes that a block of Zstandard becomes at most.
_ZSTD_BLOCK = 1 << 17
_ZSTD = b"\x28\xb5\x2f\xfd"


def grows_past(content: bytes, codec: str, most: int) -> bool:
    """Whether compressed bytes hold more than they should.

    Parameters
    ----------
    content : bytes
        Damaged ones are left to the library that expands them.
    codec : str
        "deflate" or "zlib", "gzip", "bz2", "lzma", "lz4", "blosc" or "zstd", as numcodecs writes these.
    most : int
        Bytes that they may hold.

    Returns
    -------
    bool
        Found in little memory, and in no more time than `most` bytes take.
    """
    if codec in ("deflate", "zlib", "gzip"):
        if len(content) * DEFLATE_MOST <= most:
            return False
        return _inflates_past(content, most) if codec != "gzip" else _reads_past(gzip.open(io.BytesIO(content)), most)
    if codec == "bz2":
        return _reads_past(bz2.open(io.BytesIO(content)), most)
    if codec == "lzma":
        return _is_lzma_past(content, most)
    if codec in ("lz4", "blosc"):
        at = 4 if codec == "blosc" else 0
        return len(content) >= at + 4 and int.from_bytes(content[at : at + 4], "little") > most
    return _is_zstd_past(content, most)


def _inflates_past(content: bytes, most: int) -> bool:
    stream, rest, count = zlib.decompressobj(), content, 0
    try:
        while rest and not stream.eof and count <= most:
            count += len(stream.decompress(rest, _PIECE))
            rest = stream.unconsumed_tail
    except zlib.error:
        return False
    return count > most


def _reads_past(stream: IO[bytes] | Any, most: int) -> bool:
    count = 0
    try:
        with stream:
            while count <= most and (piece := stream.read(_PIECE)):
                count += len(piece)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError):
        return False
    return count > most


def _is_lzma_past(content: bytes, most: int) -> bool:
    try:
        lzma.LZMADecompressor(memlimit=_DICTIONARY + most).decompress(content, 1)
    except lzma.LZMAError as error:
        return "limit" in str(error)
    except EOFError:
        return False
    return _reads_past(lzma.open(io.BytesIO(content)), most)


def _is_zstd_past(content: bytes, most: int) -> bool:
    """Compare the sizes that frames declare; where one declares none, the number of its blocks."""
    at, count = 0, 0
    try:
        while content[at : at + 4] == _ZSTD and count <= most:
            flags = content[at + 4]
            is_single, width = bool(flags & 32), (0, 2, 4, 8)[flags >> 6]
            width = 1 if is_single and not width else width
            at += 5 + (not is_single) + (0, 1, 2, 4)[flags & 3]
            declared = int.from_bytes(content[at : at + width], "little") + (256 if width == 2 else 0)
            at, blocks, is_last = at + width, 0, False
            while not is_last and blocks <= 4 * most + _ZSTD_BLOCK:
                head = int.from_bytes(struct.unpack("<3s", content[at : at + 3])[0], "little")
                is_last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
                at += 3 + (1 if kind == 1 else size)
                blocks += size if kind == 1 else _ZSTD_BLOCK
            # Writers that say no size may have ended blocks early.
            count += declared if width else blocks // 4
            at += 4 if flags & 4 else 0
    except (IndexError, struct.error):
        pass  # truncated
    return count > most
