"""Image files: format, size and values of one. Recognised by content, never half-read, upright.

A file with an image's name and other content, or a truncated one, is refused by name: to skip it in silence would
change the data. Pillow reads, and tifffile TIFF; LOAD_TRUNCATED_IMAGES stays off; only the formats below are tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from gsp_studio.arrays import Array
from gsp_studio.io.axes import as_axes
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats import tiff
from gsp_studio.io.formats.tiff_pages import in_stream
from gsp_studio.io.images import deep_colour
from gsp_studio.io.images.archives import ImageFile, Member
from gsp_studio.io.images.headers import ENOUGH, Header, gif_frames, pnm_pictures, quick_header
from gsp_studio.io.load_options import UnavailableError
from gsp_studio.io.memory import require_memory
from gsp_studio.io.values import unit_scale

Note = Callable[[str], object]

ACCEPTED = "PNG, JPEG, PGM, TIFF, BMP, GIF and WebP files"
#: Bytes that decoding takes for a pixel at its height: decoded bytes twice, colour as float32, and its grey twice.
DECODING = 32

SUFFIXES = {".png", ".jpg", ".jpeg", ".pgm", ".ppm", ".pbm", ".pnm", ".tif", ".tiff", ".bmp", ".gif", ".webp"}
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP")
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    **dict.fromkeys(tiff.SIGNATURES, "TIFF"),
}
#: Two letters, which any text can begin with: believed only under an image's name.
_WEAK_SIGNATURES = {b"BM": "BMP", **{f"P{k}".encode(): "PPM" for k in range(1, 7)}}
#: Beginnings of files that users try to open as images.
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
#: Planes of images in colour, any of which can be read alone.
PLANES = ("red", "green", "blue")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
_ANIMATED = ("GIF", "PNG", "WEBP")
#: Bytes that a frame of an animated PNG has at least: two chunks.
_LEAST_FRAME = 50
#: Frames of an animation, each of which is put together from those before it.
_MOST_FRAMES = 1 << 15
#: Pixels of all of them, and of these for each byte of the file: most of a frame can be that of the one before it.
_MOST_PIXELS, _MOST_PIXELS_A_BYTE = 1 << 26, 5000
_GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")


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
    if suffix.lower() in SUFFIXES:
        for signature, name in _WEAK_SIGNATURES.items():
            if head.startswith(signature) and (name != "PPM" or head[2:3].isspace()):
                return name
    return None


def look(file: ImageFile) -> Header | None:
    """Read the header of an image file; None for a file that is none and does not claim to be.

    Raises
    ------
    DatasetError
        A file that is named like an image and is none, or a damaged one.
    OSError
        A file that is named like an image and cannot be opened.
    """
    claims = file.suffix.lower() in SUFFIXES
    try:
        head = _head(file)
    except (OSError, DatasetError):  # a member of an archive can be encrypted, or damaged
        if claims:
            raise
        return None
    kind = sniff(head, file.suffix)
    if kind is None:
        if claims:
            raise DatasetError(
                f"{file} is named like an image but is none ({describe_file(head[:128])}); accepted are {ACCEPTED}"
            )
        return None
    quick = quick_header(head)
    if quick is not None:
        return Header(quick[0], quick[1:3], quick[3], dtype=quick[4])
    with file.open("rb") as stream:
        if kind != "TIFF":
            return _header(stream, file)
        _, stack = in_stream(stream, str(file))
        form = stack.format
        axes = as_axes(filter(None, (stack.scales.y, stack.scales.x)))
        return Header("TIFF", form.shape, form.is_colour, stack.count, form.stored, stack.notes, axes)


def _head(file: ImageFile) -> bytes:
    """First bytes of a file, enough to recognise its format."""
    if isinstance(file, Member):
        return file.head(ENOUGH)
    with file.open("rb") as stream:
        return stream.read(ENOUGH)


def describe_file(head: bytes) -> str:
    """Describe a file by its beginning, for an error message.

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
def _decode(stream: IO[bytes], file: ImageFile) -> Iterator[Image.Image]:
    """The image in a stream; whatever is wrong with it becomes a DatasetError that names the file."""
    try:
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
    with _decode(stream, file) as image:
        if min(image.size) < 1:
            raise DatasetError(f"{file} is an image of {image.height} x {image.width}: it has no pixels")
        width, height = image.size
        size = (width, height) if _orientation(image) in _TURNED else (height, width)
        is_colour = image.mode not in _GREY_MODES
        dtype = "bool" if image.mode == "1" else f"uint{deep_colour.bits(image, stream)}"
        if image.format == "GIF":
            stream.seek(0)
            _require_few(gif_frames(stream.read(), _MOST_FRAMES), file)
        frames = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
        if image.format == "GIF" and frames > 1:
            _require_end_of_gif(stream, file)
        held = stream.seek(0, os.SEEK_END)
        is_bomb = frames > 1 and frames * width * height > _MOST_PIXELS + _MOST_PIXELS_A_BYTE * held
        if is_bomb or (image.format == "PNG" and _LEAST_FRAME * (frames - 1) > held):
            raise DatasetError(
                f"{file} declares {frames} images of {height} x {width}, more than its {held} bytes can hold"
            )
        _require_few(frames, file)
        return Header(image.format or "", size, is_colour, max(1, frames), dtype, _left_out(image, stream))


def _left_out(image: Image.Image, stream: IO[bytes]) -> tuple[str, ...]:
    """A note on the pictures behind the first one of formats of which that is read."""
    held = getattr(image, "n_frames", 1) if image.format == "MPO" else 1
    if image.format == "PPM":
        held = pnm_pictures(stream, _MOST_FRAMES)
    if held < 2:
        return ()
    return (f"the first of {held if held <= _MOST_FRAMES else f'over {_MOST_FRAMES}'} pictures in a file is read",)


def _require_few(frames: int, file: ImageFile) -> None:
    if frames > _MOST_FRAMES:
        raise DatasetError(f"{file} holds more than {_MOST_FRAMES} images; accepted are animations of up to as many")


def _require_end_of_gif(stream: IO[bytes], file: ImageFile) -> None:
    """Raise DatasetError for a truncated GIF, whose first frames could be read as if they were all."""
    end = stream.seek(0, 2)
    stream.seek(max(0, end - 64))
    if not stream.read().rstrip(b"\0\r\n ").endswith(b";"):
        raise DatasetError(f"{file} is truncated: the end mark of a GIF is missing")


def read_frames(
    file: ImageFile,
    frames: Sequence[int],
    note: Note,
    colour: str = "grey",
    dtype: npt.DTypeLike = np.float32,
    tops: Mapping[str, float] | None = None,
) -> Iterator[Array]:
    """Decode images of a file.

    Parameters
    ----------
    file : ImageFile
    frames : sequence of int
        Which of them, rising from 0.
    note : callable
        Called with each step in words.
    colour : "grey" | "rgb" | "red" | "green" | "blue"
        Of images in colour: their luminance, all of it, or one of the three.
    dtype : float32 or float64
    tops : mapping of str to float, optional
        Types whose values are divided by another number than their largest value, as in `shared_tops`.

    Yields
    ------
    ndarray (height, width), or (height, width, 3) in colour, of that type
        Integers of 8 and 16 bits in [0, 1], wider and floating values as they are.

    Raises
    ------
    DatasetError
        A damaged or truncated file, or an image that does not fit into memory.
    """
    with file.open("rb") as stream:
        head = stream.read(16)
        stream.seek(0)
        values = _tiff if sniff(head, file.suffix) == "TIFF" else _by_pillow
        for stored in values(stream, file, frames, note):
            yield _in_type(stored, note, colour, np.dtype(dtype), tops or {})


def _tiff(stream: IO[bytes], file: ImageFile, frames: Sequence[int], note: Note) -> Iterator[Array]:
    images, stack = in_stream(stream, str(file))
    for said in stack.format.said:
        note(said)
    for frame in frames:
        if frame >= stack.count:
            raise UnavailableError(f"{file} has changed since it was looked into; open it again")
        yield images.read(stack, range(frame, frame + 1))[0]


def _by_pillow(stream: IO[bytes], file: ImageFile, frames: Sequence[int], note: Note) -> Iterator[Array]:
    with _decode(stream, file) as image:
        deep_colour.widen_clear_level(image)
        for frame in frames:
            if frame > 0:
                image.seek(frame)
            needed = DECODING * image.width * image.height
            require_memory(needed, f"{file}, an image of {image.height} x {image.width},")
            turn = _orientation(image)
            turned = turn in range(2, 9)
            if turned:
                note("turned upright as EXIF says")
            if frame == 0 and deep_colour.is_deep_colour(image, stream):
                yield deep_colour.colours(image, stream, turn, note)
                continue
            is_deep = deep_colour.bits(image, stream) == 16
            deep_colour.require_declared_values(image, stream)
            image.load()
            yield _stored(ImageOps.exif_transpose(image) if turned else image, is_deep, note)


def read_image(file: ImageFile, note: Note, colour: str = "grey") -> Array:
    """Decode the first image of a file, as `read_frames`."""
    return next(read_frames(file, (0,), note, colour))


def _orientation(image: Image.Image) -> int:
    """Orientation by EXIF in the header: 1 is upright."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode all of the image to look for it behind the pixels
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def _stored(image: Image.Image, is_deep: bool, note: Note) -> Array:
    """Grey levels (height, width) or colours (height, width, 3) as they are stored."""
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        note("palette applied")
    elif image.mode in ("CMYK", "YCbCr", "HSV", "RGBX"):
        image = image.convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or _has_clear_colour(image):
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image).convert("RGB")
        note("transparency put on black")
    values: Array = np.asarray(image)
    if image.mode == "I;16" and "transparency" in image.info:
        values = np.where(values == image.info["transparency"], 0, values)
        note("transparency put on black")
    if image.mode != "RGB" and values.ndim != 2:
        raise DatasetError(f"images of Pillow's mode {image.mode} cannot be read; accepted are grey and colour images")
    return values.astype(np.uint16) if is_deep and values.ndim == 2 else values


def _in_type(stored: Array, note: Note, wanted: str, dtype: np.dtype[Any], tops: Mapping[str, float]) -> Array:
    """Stored values in the type to compute in: scaled, and grey or in colour as is wanted."""
    scale, step = unit_scale(stored.dtype)
    if stored.dtype.name in tops:
        scale = tops[stored.dtype.name]
        step = f"{stored.dtype.name} divided by {scale:g}, as the unsigned values beside it"
    if step:
        note(step)
    values: Array = stored.astype(dtype)
    if values.ndim == 3 and wanted in PLANES:
        note(one_of_three(wanted))
        values = values[..., PLANES.index(wanted)]
    elif values.ndim == 3 and wanted != "rgb":
        if (stored[..., :1] != stored).any():
            note(TO_GREY)
        values = luminance(np.moveaxis(values, 2, 0))
    if scale != 1.0:
        values /= dtype.type(scale)
    return np.repeat(values[..., None], 3, axis=2) if wanted == "rgb" and values.ndim == 2 else values


def luminance(colours: Array) -> Array:
    """Luminance of red, green and blue.

    Parameters
    ----------
    colours : ndarray (3, ...), float32 or float64

    Returns
    -------
    ndarray (...)
        Of the same type; grey in three channels is exactly that grey.
    """
    red, green, blue = colours
    luma: Array = red * LUMA[0].astype(colours.dtype)
    luma += green * LUMA[1].astype(colours.dtype)
    luma += blue * LUMA[2].astype(colours.dtype)
    np.copyto(luma, red, where=(red == green) & (red == blue))
    return luma


def one_of_three(plane: str) -> str:
    """Step in words for images in colour of which one plane is read."""
    return f"{plane} of red, green and blue"


def made_grey(colour: str | None) -> str:
    """Step in words for images in colour that are read as `LoadOptions.colour`, other than "rgb"."""
    return one_of_three(colour) if colour is not None and colour in PLANES else TO_GREY


def _has_clear_colour(image: Image.Image) -> bool:
    return "transparency" in image.info and image.mode in ("1", "L", "RGB")
