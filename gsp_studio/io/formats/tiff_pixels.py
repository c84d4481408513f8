"""Pixels of a TIFF page by its tags: type, photometric interpretation, colours, transparency, planes, orientation.

Every TIFF page that is read goes through here, whether it is one of a stack, of a folder or of an archive.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.formats.tiff_calibration import Calibration, calibration_of
from gsp_studio.io.formats.tiff_colours import (
    Unreadable,
    is_subsampled,
    palette,
    palette_applied,
    rgb_of_cmyk,
    rgb_of_lab,
    rgb_of_ycbcr,
)

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR, _CIELAB, _ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
#: Samples that the photometric interpretation itself takes; what follows are extra samples.
_OWN = {
    _WHITE_IS_ZERO: 1,
    _BLACK_IS_ZERO: 1,
    _RGB: 3,
    _PALETTE: 1,
    _MASK: 1,
    _CMYK: 4,
    _YCBCR: 3,
    _CIELAB: 3,
    _ICCLAB: 3,
}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_CCITT = (2, 3, 4)


@dataclass(frozen=True)
class PixelFormat:
    """Conversion of the pixels of a page.

    Attributes
    ----------
    shape : (height, width)
        Upright.
    dtype : numpy.dtype
        Of the values.
    stored : str
        Type of the samples in the file: "uint16", "uint12", "float32".
    is_colour : bool
    count : int
        Images in the page: its slices times its bands.
    bands : int
        Grey samples a pixel, each an image.
    said : tuple of str
        Changes to the stored values, a clause each.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    stored: str
    is_colour: bool
    count: int
    bands: int
    said: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all images of the page."""
        return self.count * math.prod(self.shape) * (3 if self.is_colour else 1) * self.dtype.itemsize


@dataclass(frozen=True)
class _Samples:
    """Meaning of the samples of a pixel."""

    photometric: int
    own: int
    bands: int
    alpha: int | None
    is_associated: bool
    said: tuple[str, ...]


def pixel_format(page: Any) -> PixelFormat:
    """Derive the conversion of the pixels of a page from its tags.

    Parameters
    ----------
    page : tifffile.TiffPage

    Returns
    -------
    PixelFormat

    Raises
    ------
    Unreadable
    """
    samples = _samples(page)
    separate, depth, height, width, contig = page.shaped
    if min(page.shaped) < 1 or max(separate, contig) != page.samplesperpixel:
        raise Unreadable("it has no pixels")
    if page.dtype is None or page.dtype.kind not in "buif":
        kind = {5: "complex", 6: "complex", 4: "undefined"}.get(int(page.sampleformat), f"format {page.sampleformat}")
        raise Unreadable(f"its samples are of {page.bitspersample} bits, {kind}; accepted are real numbers")
    if is_subsampled(page) and (page.planarconfig != 1 or page.predictor != 1 or page.bitspersample != 8):
        raise Unreadable("its colours are stored at a lower resolution (YCbCr) than 8 bits in one plane allow")
    bits = _bits(page)
    stored = (
        "bool"
        if bits == 1
        else f"{'uint' if page.dtype.kind in 'bu' else page.dtype.name[:-1].rstrip('0123456789')}{bits}"
    )
    said = list(samples.said)
    if samples.photometric == _WHITE_IS_ZERO:
        said.append(
            "0 is white: turned round"
            if _has_white(page.dtype)
            else f"0 is white by its tag, which {stored} values have no largest one for: as stored"
        )
    calibration = _calibration(page, samples)
    if calibration.said:
        said.append(calibration.said)
    if calibration.is_applied:
        dtype = _calibrated(page)
        stored = dtype.name  # on no full scale any more
    else:
        dtype = _type_of_values(page, samples, bits)
        if dtype.kind == "f" and page.dtype.kind == "u" and samples.photometric != _PALETTE:
            said.append(f"uint{bits} divided by {2**bits - 1}")
    if samples.alpha is not None:
        said.append("transparency put on black")
    orientation = _orientation(page)
    if orientation != 1:
        said.append("turned upright as its orientation says")
    no_data = _no_data(page)
    if no_data is not None:
        has_nan = page.dtype.kind == "f" or calibration.is_applied
        said.append(f"values of {no_data:g} mean no data: {'taken as NaN' if has_nan else 'as stored'}")
    is_colour = samples.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _MASK)
    if samples.photometric == _CIELAB and samples.own == 1:
        is_colour = False
    shape = (width, height) if orientation > 4 else (height, width)
    return PixelFormat(shape, dtype, stored, is_colour, depth * samples.bands, samples.bands, tuple(said))


def is_plain(page: Any) -> bool:
    """Whether the bytes of a page are its values, in one piece, in native form or with their bytes swapped."""
    return bool(
        page.is_contiguous
        and page.compression == 1
        and page.predictor == 1
        and page.fillorder == 1
        and page.dtype is not None
        and page.bitspersample == page.dtype.itemsize * 8
    )


def pixels(page: Any, raw: Array) -> Array:
    """The images of a page.

    Parameters
    ----------
    page : tifffile.TiffPage
    raw : ndarray of `page.shaped`
        As tifffile decodes it.

    Returns
    -------
    ndarray (count, height, width), or (count, height, width, 3) of a page in colour
        Of the type and shape that `pixel_format` says; may be a view.

    Raises
    ------
    Unreadable
    """
    samples, bits = _samples(page), _bits(page)
    values = raw[..., 0].transpose(1, 2, 3, 0) if page.shaped[0] > 1 else raw[0]  # slice, y, x, sample
    no_data, calibration = _no_data(page), _calibration(page, samples)
    stored = values
    if calibration.is_applied:
        values = (calibration.offset + calibration.scale * stored.astype(np.float64)).astype(_calibrated(page))
    if no_data is not None and values.dtype.kind == "f":
        marked = stored == (stored.dtype.type(no_data) if stored.dtype.kind == "f" else no_data)
        values = np.where(marked, values.dtype.type(np.nan), values)
    own = values[..., : samples.own + samples.bands - 1] if samples.alpha is None else _without(values, samples)
    made = _CONVERSIONS.get(samples.photometric, _as_it_is)(page, own, bits)
    if samples.alpha is not None and not samples.is_associated:
        made = on_black(made, values[..., samples.alpha], bits)
    made = _widen(made, bits) if made.dtype == values.dtype and samples.photometric != _PALETTE else made
    made = upright(made, _orientation(page))
    if made.shape[-1] == 1:
        return made[..., 0]
    if samples.bands > 1:  # slices, each with its bands
        return np.moveaxis(made, -1, 1).reshape(-1, *made.shape[1:3])
    return made


def _without(values: Array, samples: _Samples) -> Array:
    last = samples.own + samples.bands - 1
    if samples.alpha is not None and samples.alpha < last:
        kept = [k for k in range(values.shape[-1]) if k != samples.alpha][:last]
        return values[..., kept]
    return values[..., :last]


def _samples(page: Any) -> _Samples:
    photometric = int(page.photometric)
    if 262 not in page.tags and page.compression != 6:
        photometric = _WHITE_IS_ZERO if page.compression in _CCITT else _BLACK_IS_ZERO
    if photometric not in _OWN:
        name = getattr(page.photometric, "name", str(photometric))
        raise Unreadable(
            f"its photometric interpretation is {name}; accepted are grey, palette, RGB, CMYK, YCbCr and Lab"
        )
    count = int(page.samplesperpixel)
    own = _OWN[photometric]
    if photometric == _CIELAB and count in (1, 2):
        own = 1  # the lightness alone
    if count < own:
        raise Unreadable(f"its pixels have {count} samples, and its photometric interpretation takes {own}")
    if photometric == _CMYK and int(page.tags.valueof(332, 1) or 1) != 1:
        raise Unreadable("its inks are not cyan, magenta, yellow and black")
    told = tuple(int(one) for one in np.ravel(page.extrasamples))[-(count - own) :] if count > own else ()
    extra = (0,) * (count - own - len(told)) + told
    alpha = next((own + k for k, kind in enumerate(extra) if kind in (_ASSOCIATED, _UNASSOCIATED)), None)
    is_associated = alpha is not None and extra[alpha - own] == _ASSOCIATED
    others = len(extra) - (alpha is not None)
    if photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _MASK):
        said = (f"{1 + others} samples a pixel, each an image of its own",) if others else ()
        return _Samples(photometric, own, 1 + others, alpha, is_associated, said)
    if others > 1 and photometric == _RGB:  # bands of which three happen to be shown as colours
        said = (f"{own + others} samples a pixel, more than red, green and blue: each an image of its own",)
        return _Samples(_BLACK_IS_ZERO, 1, own + others, alpha, is_associated, said)
    said = (f"{others} of {count} samples a pixel left out, neither colour nor transparency",) if others else ()
    return _Samples(photometric, own, 1, alpha, is_associated, said)


def _bits(page: Any) -> int:
    """Bits of a sample as the values have them: fields of unlike widths are filled up to 8 by tifffile."""
    bits = page.bitspersample
    return int(bits) if isinstance(bits, int) else 8 * page.dtype.itemsize


def _has_white(dtype: np.dtype[Any]) -> bool:
    """Whether grey levels of a type have a largest one: whole numbers from 0 of up to 16 bits."""
    return dtype.kind == "b" or (dtype.kind == "u" and dtype.itemsize <= 2)


def _type_of_values(page: Any, samples: _Samples, bits: int) -> np.dtype[Any]:
    if samples.photometric == _PALETTE:
        return np.dtype(np.uint16 if palette(page, bits).max(initial=0) > 255 else np.uint8)
    if samples.photometric in (_CMYK, _YCBCR, _CIELAB, _ICCLAB):
        if page.dtype.kind != "u" or bits not in (8, 16):
            raise Unreadable(f"its colours are of {bits} bits a sample; accepted are 8 and 16 unless they are RGB")
        kept: np.dtype[Any] = page.dtype
        return kept
    if page.dtype.kind == "u" and bits < 8 * page.dtype.itemsize and bits <= 16:
        return np.dtype(np.uint8 if bits in (2, 4) else np.float32)
    native: np.dtype[Any] = page.dtype.newbyteorder("=")
    return native


def _calibration(page: Any, samples: _Samples) -> Calibration:
    return calibration_of(page, samples.photometric == _BLACK_IS_ZERO and samples.alpha is None)


def _calibrated(page: Any) -> np.dtype[Any]:
    """Type of calibrated values: of single precision, unless the stored ones have more."""
    return np.dtype(np.float64 if page.dtype.itemsize == 8 else np.float32)


def _widen(values: Array, bits: int) -> Array:
    """Levels of fewer bits than their type has, on a full scale."""
    if values.dtype.kind != "u" or bits >= 8 * values.dtype.itemsize or bits > 16:
        return values
    if bits in (2, 4):
        return values * np.uint8(255 // (2**bits - 1))
    return values.astype(np.float32) / np.float32(2**bits - 1)


def _as_it_is(page: Any, values: Array, bits: int) -> Array:
    return values


def _white_is_zero(page: Any, values: Array, bits: int) -> Array:
    if values.dtype.kind == "b":
        return ~values
    if not _has_white(values.dtype):
        return values
    turned: Array = values.dtype.type(2**bits - 1) - values
    return turned


def on_black(values: Array, alpha: Array, bits: int) -> Array:
    """Values (..., sample) of so many bits under their opacity `alpha` (...), of the same type, on black."""
    share = alpha[..., None]
    if values.dtype.kind == "f":
        return values * share if share.dtype.kind == "f" else values * (share / (2**bits - 1)).astype(values.dtype)
    if values.dtype.kind == "b":
        shown: Array = values & share.astype(bool)
        return shown
    top = 2**bits - 1 if alpha.dtype.kind == "u" else 2 ** (bits - 1) - 1
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2 and alpha.dtype.kind == "u":
        made: Array = (values.astype(np.uint64) * share + top // 2) // top
    else:
        made = np.rint(values * (share / top))
    return made.astype(values.dtype, copy=False)


def _orientation(page: Any) -> int:
    value = page.tags.valueof(274, 1)
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


#: (slice, y, x, sample) turned upright: places of row 0 and column 0 of the stored samples.
_TURNS: dict[int, Callable[[Array], Array]] = {
    2: lambda v: v[:, :, ::-1],
    3: lambda v: v[:, ::-1, ::-1],
    4: lambda v: v[:, ::-1],
    5: lambda v: v.swapaxes(1, 2),
    6: lambda v: v.swapaxes(1, 2)[:, :, ::-1],
    7: lambda v: v.swapaxes(1, 2)[:, ::-1, ::-1],
    8: lambda v: v.swapaxes(1, 2)[:, ::-1],
}


def upright(values: Array, orientation: int) -> Array:
    """Images (slice, y, x, sample) turned and mirrored as TIFF and EXIF number it, 1 to 8: a view."""
    return _TURNS[orientation](values) if orientation != 1 else values


def _no_data(page: Any) -> float | None:
    """The value that means that there is none, as GDAL writes it."""
    text = page.tags.valueof(42113)
    try:
        value = float(str(text).strip("\0 ").replace(",", ".")) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


_CONVERSIONS: dict[int, Callable[[Any, Array, int], Array]] = {
    _WHITE_IS_ZERO: _white_is_zero,
    _PALETTE: palette_applied,
    _CMYK: rgb_of_cmyk,
    _YCBCR: rgb_of_ycbcr,
    _CIELAB: rgb_of_lab,
    _ICCLAB: rgb_of_lab,
}
