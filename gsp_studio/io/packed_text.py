"""Arrays as text, compressed, for what is kept as JSON."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np

from gsp_studio.arrays import Array


def packed(values: Array) -> str:
    """Numbers as text; `unpacked` reads them."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values, "<f8").tobytes(), 1)).decode("ascii")


def unpacked(text: object, count: int) -> Array | None:
    """So many numbers (count,), float64; None where the text holds no, or other than so many, finite numbers."""
    if not isinstance(text, str):
        return None
    try:
        inflate = zlib.decompressobj()
        found = inflate.decompress(base64.b64decode(text, validate=True), 8 * count + 1)  # no more than there should be
    except (ValueError, binascii.Error, zlib.error):
        return None
    if len(found) != 8 * count:
        return None
    values = np.frombuffer(found, "<f8").astype(np.float64)
    return values if bool(np.all(np.isfinite(values))) else None
