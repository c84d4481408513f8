"""Folders of image files: what is an image is decided by content, order is natural, nothing is half-read.

A file with an image's name and other content, or a truncated one, is refused by name: skipping it in silence would
change the data. Files that do not claim to be images are skipped and counted. Links to folders are not followed.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from gsp_studio.io.dataset import DatasetError

Array = npt.NDArray[Any]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".pgm", ".ppm", ".pbm", ".pnm", ".tif", ".tiff", ".bmp", ".gif", ".webp"}
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    **{f"P{k}".encode(): "PPM" for k in range(1, 7)},
}
#: Luminance weights of ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def sniff(head: bytes) -> str | None:
    """The image format that a file's first bytes announce, or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature) and (name != "PPM" or head[2:3].isspace()):
            return name
    return None


@dataclass(frozen=True)
class Folder:
    """Image files of a folder, in natural order, with the number of other files that were skipped."""

    path: Path
    files: tuple[Path, ...]
    skipped: int


def scan(path: Path) -> Folder:
    """Find the images of a folder and of the folders in it.

    Raises
    ------
    DatasetError
        A folder without images, or a file that is named like an image and is none.
    """
    files, skipped = [], 0
    for folder, subfolders, names in os.walk(path, followlinks=False):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            file = Path(folder, name)
            if name.startswith(".") or not _is_image(file):
                skipped += 1
            else:
                files.append(file)
    if not files:
        others = f" ({skipped} other files are there)" if skipped else ""
        raise DatasetError(f"{path} contains no images{others}; accepted are PNG, JPEG, PGM, TIFF and BMP files")
    return Folder(path, tuple(sorted(files, key=lambda file: natural_key(str(file.relative_to(path))))), skipped)


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts "image 2" before "image 10"."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"([0-9]+)", text)]


def _is_image(file: Path) -> bool:
    if not file.is_file():  # dangling links, sockets
        return False
    claims = file.suffix.lower() in _SUFFIXES
    try:
        with file.open("rb") as stream:
            head = stream.read(16)
    except OSError as error:
        if claims:
            raise DatasetError(f"{file} cannot be opened: {error.strerror}") from error
        return False
    if sniff(head) is not None:
        return True
    if claims:
        begins = head.decode("ascii", "replace").strip() if head else ""
        found = f'its content starts "{begins[:12]}"' if head else "it is empty"
        raise DatasetError(f"{file} is named like an image but is none: {found}")
    return False


@contextmanager
def opened(file: Path) -> Iterator[Image.Image]:
    """The image in a file, upright; whatever is wrong with it becomes a DatasetError that names the file."""
    try:
        with warnings.catch_warnings():
            # The memory needed is compared with what is free before anything is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                yield image
    except DatasetError:
        raise
    except Image.DecompressionBombError as error:
        raise DatasetError(f"{file} is too large to be decoded safely: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DatasetError(f"{file} is damaged or truncated ({error})") from error


def size_of(file: Path) -> tuple[int, int]:
    """(height, width) of an image file as it will be shown, from its header."""
    with opened(file) as image:
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (image.width, image.height) if turned else (image.height, image.width)


def require_one_size(files: tuple[Path, ...], sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """The size that all images share; DatasetError that names the first two that differ."""
    for file, size in zip(files, sizes, strict=True):
        if size != sizes[0]:
            raise DatasetError(
                f"images differ in size: {files[0].name} is {sizes[0][0]} x {sizes[0][1]}, "
                f"{file.name} is {size[0]} x {size[1]}; accepted are images of one size"
            )
    return sizes[0]


def read_grey(file: Path, note: Callable[[str], None]) -> Array:
    """An image file as grey float32 (height, width), integers scaled to [0, 1]; `note` is told each step in words."""
    with opened(file) as image:
        upright = ImageOps.exif_transpose(image)
        if upright is not image and image.getexif().get(0x0112, 1) != 1:
            note("turned upright as EXIF says")
        return _grey(upright, note)


def _grey(image: Image.Image, note: Callable[[str], None]) -> Array:
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        note("palette applied")
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image).convert("RGB")
        note("transparency put on black")
    if image.mode == "RGB":
        note("colour to grey by ITU-R BT.601; uint8 divided by 255")
        luma: Array = np.minimum(np.asarray(image, dtype=np.float32) @ _LUMA / np.float32(255), np.float32(1))
        return luma
    values: Array = np.asarray(image)
    if image.mode == "1":
        note("bool as 0 and 1")
        return values.astype(np.float32)
    if image.mode == "F":
        return values.astype(np.float32)
    if image.mode == "I":
        if image.format in ("PPM", "PNG"):  # 16 bits, which Pillow widens
            note("uint16 divided by 65535")
            return values.astype(np.float32) / np.float32(65535)
        note("32-bit integers as they are")
        return values.astype(np.float32)
    top = np.iinfo(values.dtype).max
    note(f"{values.dtype.name} divided by {top}")
    return values.astype(np.float32) / np.float32(top)
