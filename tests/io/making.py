"""Small sources on disk for the tests of io: images that differ from each other, and files that lie."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def pictures(count: int = 6, height: int = 9, width: int = 7, seed: int = 0) -> np.ndarray:
    """Smooth grey images (count, height, width), uint8, not symmetric in any way, each different."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] + 0.5
    images = []
    for _ in range(count):
        (cy, cx), size = rng.uniform(0.2, 0.8, 2) * (height, width), rng.uniform(0.15, 0.4) * height
        hill = np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / size**2)
        images.append(40 + 180 * hill + 30 * y / height)
    return np.round(images).astype(np.uint8)


def save_all(images: np.ndarray, folder: Path, pattern: str = "image {}.png") -> list[Path]:
    """Write images into a folder, numbered from 1, in the format that the pattern's suffix names."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / pattern.format(k + 1) for k in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def npy_bytes(shape: tuple[int, ...], descr: str = "<f4", body: bytes = b"") -> bytes:
    """A .npy file with any header, true or not."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def lying_npz(path: Path, content: bytes, declared: int) -> None:
    """A .npz whose directory claims another size for its member than it has."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", content)
    true, claimed = struct.pack("<I", len(content)), struct.pack("<I", declared)
    path.write_bytes(buffer.getvalue().replace(true, claimed))


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds no pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def mat_bytes(rows: int, columns: int, body: bytes = b"", order: str = "<") -> bytes:
    """A MATLAB v5 file with one double matrix "X" of any declared shape."""
    flags = struct.pack(order + "IIII", 6, 8, 6, 0)
    shape = struct.pack(order + "IIii", 5, 8, rows, columns)
    name = struct.pack(order + "I4s", 1 << 16 | 1, b"X\0\0\0")
    values = struct.pack(order + "II", 9, min(8 * rows * columns, 2**32 - 8)) + body
    matrix = flags + shape + name + values
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x0100) + (b"IM" if order == "<" else b"MI")
    return head + struct.pack(order + "II", 14, len(matrix)) + matrix


def tiff_bytes(pages: list[tuple[bytes, dict[int, tuple[int, tuple[int, ...]]]]], following: int = 0) -> bytes:
    """A little-endian TIFF file of any tags, true or not: of each page its pixels, and by their numbers its tags.

    A tag is its type, 3 for 16 bits and 4 for 32, and its values. The place of the pixels is added.
    """
    codes = {1: "B", 2: "B", 3: "H", 4: "I"}
    content, link = bytearray(b"II*\0\0\0\0\0"), 4
    for pixels, tags in pages:
        at = len(content)
        content += pixels + bytes(len(pixels) % 2)
        every = {273: (4, (at,)), 279: (4, (len(pixels),)), **tags}
        fields = []
        for tag, (kind, values) in sorted(every.items()):
            packed = struct.pack(f"<{len(values)}{codes[kind]}", *values)
            if len(packed) > 4:
                place = len(content)
                content += packed + bytes(len(packed) % 2)
                packed = struct.pack("<I", place)
            fields.append(struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0"))
        content[link : link + 4] = struct.pack("<I", len(content))
        content += struct.pack("<H", len(fields)) + b"".join(fields)
        link = len(content)
        content += struct.pack("<I", following)
    return bytes(content)


def grey_tags(height: int, width: int, bits: int = 8, **more: tuple[int, tuple[int, ...]]) -> dict:
    """The tags of a grey page in one strip, for `tiff_bytes`; others as ``_274=(3, (6,))``."""
    tags = {256: (4, (width,)), 257: (4, (height,)), 258: (3, (bits,)), 259: (3, (1,)), 262: (3, (1,)), 277: (3, (1,))}
    return tags | {278: (4, (height,))} | {int(name[1:]): field for name, field in more.items()}
