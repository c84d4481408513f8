"""Depths that Pillow does not keep: colours of 16 bits in PNG and PPM files, clear levels of 2 and 4 bits in PNG."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import imagecodecs
import numpy as np
from PIL import Image

from gsp_studio.arrays import Array
from gsp_studio.io.formats.tiff_pixels import on_black, upright

_GREY_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def bits(image: Image.Image, stream: IO[bytes]) -> int:
    """Bits of a sample of an image that Pillow has opened and not yet decoded: 8 or 16."""
    return 16 if image.mode in _GREY_MODES or is_deep_colour(image, stream) else 8


def is_deep_colour(image: Image.Image, stream: IO[bytes]) -> bool:
    """Whether an image that Pillow has opened and not yet decoded has 16 bits a sample and colours or transparency."""
    if image.format == "PPM":
        return image.mode == "RGB" and _layout(image)[2] > 255
    if image.format != "PNG" or getattr(image, "n_frames", 1) > 1:
        return False
    at = stream.tell()
    stream.seek(24)
    depth, kind = (stream.read(2) + b"\0\0")[:2]
    stream.seek(at)
    return bool(depth == 16 and kind in (2, 4, 6))


def widen_clear_level(image: Image.Image) -> None:
    """Scale the transparent level of a grey PNG file of 2 or 4 bits as Pillow scales its pixels, before it decodes."""
    tiles: Any = getattr(image, "tile", ())
    bits = {"L;2": 2, "L;4": 4}.get(str(tiles[0][3])) if image.format == "PNG" and tiles else None
    clear = image.info.get("transparency")
    if bits is not None and isinstance(clear, int):
        top = 2**bits - 1
        image.info["transparency"] = (clear & top) * (255 // top)


def colours(image: Image.Image, stream: IO[bytes], orientation: int, note: Callable[[str], object]) -> Array:
    """The values (height, width, 3), or (height, width) of grey with transparency, uint16, upright.

    Raises
    ------
    Exception
        Of many kinds, for a damaged file.
    """
    if image.format == "PPM":
        values = _ppm(image, stream)
    else:
        stream.seek(0)
        values = imagecodecs.png_decode(stream.read())
        if values.shape[:2] != (image.height, image.width) or values.dtype != np.uint16:
            raise ValueError("its pixels are not those that its header declares")
    values = values.reshape(*values.shape[:2], -1)
    if values.shape[2] in (2, 4):
        note("transparency put on black")
        values = on_black(values[..., :-1], values[..., -1], 16)
    made: Array = upright(values[np.newaxis], orientation)[0]
    return np.ascontiguousarray(made[..., 0] if made.shape[2] == 1 else made)


def _layout(image: Image.Image) -> tuple[str, int, int]:
    """Decoder of a PPM file, the place where its pixels begin, and the largest value that its header declares."""
    tiles: Any = getattr(image, "tile", ())
    if not tiles:
        return "", 0, 255
    kind, _, offset, args = tiles[0]
    return str(kind), int(offset), int(args[1]) if isinstance(args, tuple) and isinstance(args[-1], int) else 255


def require_declared_values(image: Image.Image, stream: IO[bytes]) -> None:
    """Raise ValueError for a PGM or PPM file with values above the largest that its header declares: Pillow cuts them.

    Parameters
    ----------
    image : Image
        Opened by Pillow and not yet decoded.
    stream : binary file
        Of its bytes; stays where it is.
    """
    kind, offset, top = _layout(image) if image.format == "PPM" else ("", 0, 0)
    if kind != "ppm":
        return
    dtype = np.dtype(">u2" if top > 255 else "u1")
    at = stream.tell()
    stream.seek(offset)
    content = stream.read(dtype.itemsize * len(image.getbands()) * image.width * image.height)
    stream.seek(at)
    values = np.frombuffer(content, dtype, len(content) // dtype.itemsize)
    if values.max(initial=0) > top:
        raise ValueError(f"it has values of up to {values.max()}, and its header declares {top} as the largest")


def _ppm(image: Image.Image, stream: IO[bytes]) -> Array:
    (kind, offset, top), count = _layout(image), 3 * image.width * image.height
    stream.seek(offset)
    if kind == "ppm_plain":
        lines = (line.partition(b"#")[0] for line in stream)
        values = np.array([int(word) for line in lines for word in line.split()][:count], np.uint64)
    else:
        values = np.frombuffer(stream.read(2 * count), ">u2").astype(np.uint64)
    if len(values) < count or values.max(initial=0) > top:
        raise ValueError("its pixels are cut, or larger than its header declares")
    scaled = values if top == 65535 else (values * 65535 + top // 2) // top
    return scaled.astype(np.uint16).reshape(image.height, image.width, 3)
