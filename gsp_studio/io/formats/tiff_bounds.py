"""Comparison of the sizes that a TIFF page declares with those of the file, before anything is decoded or allocated."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import tifffile

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.memory import in_units, require_memory

#: Bytes that one byte can become: LZW at its best, and the dictionary coders at theirs.
_LZW, MOST = 1400, 1 << 16
_OF_COMPRESSION = {1: 1, 5: _LZW, 8: 1040, 32946: 1040, 32773: 64}
#: Bytes of a strip or tile that are not looked at twice.
_USUAL_TILE = 1 << 26


def require_all_pixels(page: Any, starts: tuple[int, ...], sizes: tuple[int, ...], where: str, held: int) -> None:
    """Require all strips or tiles of a page: those that lack would be filled up with zeros."""
    needed = math.prod(page.chunked)
    _, depth, height, width, _ = page.shaped
    if len(starts) < needed or len(sizes) < len(starts):
        whole = height * width * depth
        there = whole * min(len(starts), len(sizes)) // needed
        if not page.is_tiled:
            there = min(whole, min(len(starts), len(sizes)) * int(page.rowsperstrip) * width)
        raise DatasetError(f"{where} is damaged or truncated ({there} of {whole} pixels are there)")
    if (
        page.compression == 1
        and not page.is_subsampled
        and 8 * sum(sizes) < page.size * _least_bits(page)
        and 0 not in sizes
    ):
        there = 8 * sum(sizes) // (_least_bits(page) * page.samplesperpixel)
        raise DatasetError(f"{where} is damaged or truncated ({there} of {height * width * depth} pixels are there)")
    empty = sum(not size for size in sizes[:needed])
    if empty:
        raise DatasetError(f"{where} has no pixels in {empty} of its {needed} strips or tiles: they were never written")
    ends = max((a + n for a, n in zip(starts, sizes, strict=False)), default=0)
    if ends > held:
        raise DatasetError(f"{where} is damaged or truncated: {held} of {ends} bytes are there")


def _least_bits(page: Any) -> int:
    return int(min(np.ravel(page.bitspersample).tolist()))


def require_bounded(page: Any, sizes: tuple[int, ...], where: str) -> None:
    """Refuse pages that declare more than they can hold, before anything is decompressed."""
    most = _OF_COMPRESSION.get(int(page.compression), MOST) * sum(sizes) + (1 << 16)
    tile = math.prod(page.chunks) * page.dtype.itemsize
    declared = page.size * _least_bits(page) // (24 if page.is_subsampled else 8)
    if declared > most or tile > max(_USUAL_TILE, 16 * page.nbytes):
        raise DatasetError(f"{where} declares {in_units(max(page.nbytes, tile))}, more than it can hold")
    require_memory(3 * page.nbytes + tile, f"{where}, a page of {page.imagelength} x {page.imagewidth},")


def _pixels_of_jpeg(content: bytes) -> int:
    try:
        _, height, width, _ = tifffile.tifffile.jpeg_shape(content)
    except (ValueError, struct.error):  # tables alone, or data that its decoder will refuse
        return 0
    return int(height * width)


def _pixels_of_jpeg2000(content: bytes) -> int:
    at = content.find(b"\xff\x4f\xff\x51")
    if at < 0 or len(content) < at + 24:
        return 0
    width, height, left, top = struct.unpack(">4I", content[at + 8 : at + 24])
    return int(max(0, width - left) * max(0, height - top))


def _pixels_of_png(content: bytes) -> int:
    width, height = struct.unpack(">II", content[16:24]) if len(content) >= 24 else (0, 0)
    return int(width * height)


#: Compressions of which each strip or tile is an image file of its own.
_WITH_HEADER = {
    **dict.fromkeys((6, 7, 33007, 34892), _pixels_of_jpeg),
    **dict.fromkeys((33003, 33004, 33005, 34712), _pixels_of_jpeg2000),
    34933: _pixels_of_png,
}


def require_own_size(page: Any, heads: Iterable[bytes], where: str) -> None:
    """Refuse strips and tiles whose own headers declare far more pixels than they have in the page."""
    most = 4 * math.prod(page.chunks) + (1 << 16)
    if page.compression in _WITH_HEADER:
        for head in heads:
            declared = _WITH_HEADER[int(page.compression)](head)
            if declared > most:
                raise DatasetError(f"{where} is damaged: a strip or tile of it declares {declared} pixels")
