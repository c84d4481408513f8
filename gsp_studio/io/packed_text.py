"""Arrays as text, compressed, for what is kept as JSON."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

import numpy as np

from gsp_studio.arrays import Array


def packed_bytes(content: bytes) -> str:
    """Bytes as text; `unpacked_bytes` reads them."""
    return base64.b64encode(zlib.compress(content, 1)).decode("ascii")


def unpacked_bytes(text: Any, count: int) -> bytes | None:
    """So many bytes; None where the text is none, damaged, or of other than so many. No more are decompressed."""
    try:
        found = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), count + 1)
    except (TypeError, ValueError, binascii.Error, zlib.error):
        return None
    return found if len(found) == count else None


def packed(values: Array) -> str:
    """Numbers as text; `unpacked` reads them."""
    return packed_bytes(np.ascontiguousarray(values, "<f8").tobytes())


def unpacked(text: object, count: int) -> Array | None:
    """So many numbers (count,), float64; None where the text holds no, or other than so many, finite numbers."""
    found = unpacked_bytes(text, 8 * count)
    if found is None:
        return None
    values = np.frombuffer(found, "<f8").astype(np.float64)
    return values if bool(np.all(np.isfinite(values))) else None
