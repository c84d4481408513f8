"""One image file: what it is, its size, its grey values. Decided by content, never half-read, upright.

A file with an image's name and other content, or a truncated one, is refused by name: to skip it in silence would
change the data. Pillow reads; LOAD_TRUNCATED_IMAGES stays off, and only the formats below are ever tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.headers import ENOUGH, quick_header
from gsp_studio.io.source import require_memory
from gsp_studio.io.sources import ImageFile

Array = npt.NDArray[Any]
Note = Callable[[str], object]

ACCEPTED = "PNG, JPEG, PGM, TIFF, BMP, GIF and WebP files"
#: Bytes that decoding takes for a pixel at its height: decoded bytes twice, colour as float32, and its grey twice.
DECODING = 32

_SUFFIXES = {".png", ".jpg", ".jpeg", ".pgm", ".ppm", ".pbm", ".pnm", ".tif", ".tiff", ".bmp", ".gif", ".webp"}
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP")
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
#: Two letters, which any text can begin with: believed only under an image's name.
_WEAK_SIGNATURES = {b"BM": "BMP", **{f"P{k}".encode(): "PPM" for k in range(1, 7)}}
#: What users try to open and no reader here takes.
_OTHERS = {
    b"PK": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF document",
    b"MATLAB": "a MATLAB file",
    b"\x93NUMPY": "a NumPy array",
}
TO_GREY = "colour to grey by ITU-R BT.601"
#: Its luminance weights.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
#: What images in colour are made of, any of which can be read alone.
PLANES = ("red", "green", "blue")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
#: Formats that can hold several images.
_ANIMATED = ("TIFF", "GIF", "PNG", "WEBP")
_GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Header:
    """What the first bytes of an image file say.

    Attributes
    ----------
    format : str
        Pillow's name of it, "PNG" for example.
    size : (height, width)
        In pixels, as the image will be shown: turned upright where EXIF says so.
    is_colour : bool
        Colour or a palette.
    frames : int
        Images in it: pages of a TIFF, pictures of an animation.
    """

    format: str
    size: tuple[int, int]
    is_colour: bool
    frames: int = 1


def sniff(head: bytes, suffix: str = "") -> str | None:
    """The image format that a file's first bytes announce.

    Parameters
    ----------
    head : bytes
        The first 16 or more.
    suffix : str
        Of its name, with the dot; counts where a format announces itself by two letters, as any text could.

    Returns
    -------
    str or None
        Pillow's name of the format.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return name
    if suffix.lower() in _SUFFIXES:
        for signature, name in _WEAK_SIGNATURES.items():
            if head.startswith(signature) and (name != "PPM" or head[2:3].isspace()):
                return name
    return None


def look(file: ImageFile) -> Header | None:
    """What an image file holds, without decoding it; None for a file that is none and does not claim to be.

    Raises
    ------
    DatasetError
        A file that is named like an image and is none, or a damaged one.
    OSError
        A file that is named like an image and cannot be opened.
    """
    claims = file.suffix.lower() in _SUFFIXES
    try:
        stream = file.open("rb")
    except OSError:
        if claims:
            raise
        return None
    with stream:
        head = stream.read(ENOUGH)
        if sniff(head, file.suffix):
            quick = quick_header(head)
            if quick is not None:
                return Header(quick[0], quick[1:3], quick[3])
            stream.seek(0)
            return _header(stream, file)
    if claims:
        raise DatasetError(
            f"{file} is named like an image but is none ({described(head[:128])}); accepted are {ACCEPTED}"
        )
    return None


def described(head: bytes) -> str:
    """What a file is or begins with, for an error message.

    Parameters
    ----------
    head : bytes
        The first 14 or more.

    Returns
    -------
    str
        A clause: "it is a ZIP archive", 'its content starts "hello"'.
    """
    if not head:
        return "it is empty"
    for signature, name in _OTHERS.items():
        if head.startswith(signature):
            return f"it is {name}"
    text = "".join(c if c.isprintable() else " " for c in head[:14].decode("latin-1")).strip()
    return f'its content starts "{text}"' if head[:14].isascii() and text else "its content is of another kind"


@contextmanager
def _decoding(stream: IO[bytes], file: ImageFile) -> Iterator[Image.Image]:
    """The image in a stream; whatever is wrong with it becomes a DatasetError that names the file."""
    try:
        # A stream, as Pillow maps files that it has the name of, and then misreads turned TIFF files.
        with Image.open(stream, formats=_FORMATS) as image:
            yield image
    except (DatasetError, MemoryError, PermissionError, FileNotFoundError):
        raise
    except Image.DecompressionBombError as error:
        raise DatasetError(f"{file} is too large to be decoded safely ({error})") from error
    except UnidentifiedImageError as error:
        raise DatasetError(
            f"{file} is damaged, truncated or of a variant that cannot be read; accepted are {ACCEPTED}"
        ) from error
    except Exception as error:  # Pillow's decoders raise almost anything for damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{file} is damaged or truncated ({reason.replace(str(file), file.name)})") from error


def _header(stream: IO[bytes], file: ImageFile) -> Header:
    with _decoding(stream, file) as image:
        if min(image.size) < 1:
            raise DatasetError(f"{file} is an image of {image.height} x {image.width}: it has no pixels")
        width, height = image.size
        if isinstance(image, TiffImageFile):  # whose size Pillow may have turned already
            width, height = image.tag_v2[256], image.tag_v2[257]
        size = (width, height) if _orientation(image) in _TURNED else (height, width)
        is_colour = image.mode not in _GREY_MODES
        frames = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
        if image.format == "GIF" and frames > 1:
            _require_end_of_gif(stream, file)
        return Header(image.format or "", size, is_colour, max(1, frames))


def _require_end_of_gif(stream: IO[bytes], file: ImageFile) -> None:
    """Of an animation that was cut, the frames before the cut can be read, and nothing else tells of the others."""
    end = stream.seek(0, 2)
    stream.seek(max(0, end - 64))
    if not stream.read().rstrip(b"\0\r\n ").endswith(b";"):
        raise DatasetError(f"{file} is truncated: the end mark of a GIF is missing")


def read_frames(file: ImageFile, frames: Sequence[int], note: Note, colour: str = "grey") -> Iterator[Array]:
    """Decode images of a file.

    Parameters
    ----------
    file : ImageFile
    frames : sequence of int
        Which of them, rising from 0.
    note : callable
        Told each step in words.
    colour : "grey" | "rgb" | "red" | "green" | "blue"
        Of images in colour: their luminance, all of it, or one of the three.

    Yields
    ------
    ndarray (height, width), or (height, width, 3) in colour, float32
        Integers of 8 and 16 bits in [0, 1], wider and floating values as they are.

    Raises
    ------
    DatasetError
        A damaged or truncated file, or an image that does not fit into memory.
    """
    with file.open("rb") as stream, _decoding(stream, file) as image:
        for frame in frames:
            if frame > 0:
                image.seek(frame)
            needed = DECODING * image.width * image.height
            require_memory(needed, f"{file}, an image of {image.height} x {image.width},")
            _require_all_pixels(image, file)
            turned = _orientation(image) in range(2, 9)
            depth = 16 if image.mode == "I" and image.format in ("PPM", "PNG") else 0  # Pillow widens these
            image.load()  # turns TIFF files, and takes the mark away
            if turned:
                note("turned upright as EXIF says")
            yield _values(ImageOps.exif_transpose(image) if turned else image, depth, note, colour)


def read_image(file: ImageFile, note: Note, colour: str = "grey") -> Array:
    """Decode the first image of a file, as `read_frames`."""
    return next(read_frames(file, (0,), note, colour))


def _require_all_pixels(image: Image.Image, file: ImageFile) -> None:
    """A TIFF whose strips end before its image does would be filled up with zeros."""
    if image.format != "TIFF":
        return
    parts = {tuple(part[1]) for part in getattr(image, "tile", ()) if part[1] is not None}
    covered = sum(max(0, right - left) * max(0, bottom - top) for left, top, right, bottom in parts)
    if covered < image.width * image.height:
        raise DatasetError(
            f"{file} is damaged or truncated ({covered} of {image.width * image.height} pixels are there)"
        )


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation as far as the header tells: 1 is upright."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode all of the image to look for it behind the pixels
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def _values(image: Image.Image, depth: int, note: Note, wanted: str) -> Array:
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        note("palette applied")
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or _has_clear_colour(image):
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image).convert("RGB")
        note("transparency put on black")
    if image.mode == "RGB":
        colour = np.asarray(image)
        note("uint8 divided by 255")
        if wanted == "rgb":
            return colour.astype(np.float32) / np.float32(255)
        if np.array_equal(colour[..., 0], colour[..., 1]) and np.array_equal(colour[..., 0], colour[..., 2]):
            return colour[..., 0].astype(np.float32) / np.float32(255)  # grey in three channels: exactly that grey
        if wanted in PLANES:
            note(one_of_three(wanted))
            return colour[..., PLANES.index(wanted)].astype(np.float32) / np.float32(255)
        note(TO_GREY)
        luma: Array = np.zeros(colour.shape[:2], np.float32)
        for k in range(3):
            luma += np.multiply(colour[..., k], LUMA[k], dtype=np.float32)
        luma /= np.float32(255)
        return np.minimum(luma, np.float32(1), out=luma)
    grey = _single_channel(image, depth, note)
    return np.repeat(grey[..., None], 3, axis=2) if wanted == "rgb" else grey


def one_of_three(plane: str) -> str:
    """What is said of images in colour of which the red, the green or the blue is read."""
    return f"{plane} of red, green and blue"


def made_grey(colour: str | None) -> str:
    """What is said of images in colour that are read as `LoadOptions.colour` says, but not as "rgb"."""
    return one_of_three(colour) if colour is not None and colour in PLANES else TO_GREY


def _has_clear_colour(image: Image.Image) -> bool:
    return "transparency" in image.info and image.mode in ("1", "L", "RGB")


def _single_channel(image: Image.Image, depth: int, note: Note) -> Array:
    values: Array = np.asarray(image)
    if values.ndim != 2:
        raise DatasetError(f"images of Pillow's mode {image.mode} cannot be read; accepted are grey and colour images")
    if image.mode == "1":
        note("bool as 0 and 1")
        return values.astype(np.float32)
    if depth == 16:
        note("uint16 divided by 65535")
        return values.astype(np.float32) / np.float32(65535)
    if values.dtype.kind == "f" or values.dtype.itemsize > 2:
        note(f"{values.dtype.name} values as they are")
        return values.astype(np.float32)
    top = np.iinfo(values.dtype).max
    note(f"{values.dtype.name} divided by {top}")
    return values.astype(np.float32) / np.float32(top)
