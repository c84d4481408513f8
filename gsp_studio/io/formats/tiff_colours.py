"""Colours of TIFF pages: palettes, CMYK, YCbCr and Lab become red, green and blue of as many bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tifffile

from gsp_studio.arrays import Array

#: Compressions by JPEG, whose decoder makes YCbCr red, green and blue.
JPEG = (6, 7, 33007, 34892)
CIELAB = 8
#: Rows of XYZ, for the white D50 that Lab has, to linear sRGB.
_FROM_XYZ = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
_D50 = np.array([0.9642, 1.0, 0.8249])


class Unreadable(ValueError):
    """Pixels that cannot be read faithfully; the message is a clause that says why."""


def palette(page: Any, bits: int) -> Array:
    """The colours of a page, uint16 (3, levels)."""
    colours = page.colormap if page.tags.get(320) is not None else None
    if colours is None or bits > 16 or page.dtype.kind not in "bu" or np.size(colours) != 3 << bits:
        raise Unreadable("its palette is missing or does not fit its pixels")
    return np.asarray(colours, np.uint16).reshape(3, -1)


def palette_applied(page: Any, values: Array, bits: int) -> Array:
    """Colours (..., 3) of levels (..., 1)."""
    colours = palette(page, bits)
    if colours.max(initial=0) <= 255:  # written with 8 bits, as some do
        colours = colours.astype(np.uint8)
    return colours.T[values[..., 0].astype(np.intp)]


def rgb_of_cmyk(page: Any, values: Array, bits: int) -> Array:
    """Colours (..., 3) of inks (..., 4), of which 0 is none."""
    top = 2**bits - 1
    light = top - values.astype(np.uint64 if bits > 8 else np.uint32)
    rgb: Array = (light[..., :3] * light[..., 3:4] + top // 2) // top
    return rgb.astype(values.dtype, copy=False)


def rgb_of_ycbcr(page: Any, values: Array, bits: int) -> Array:
    """Colours (..., 3) of luminance and differences (..., 3), with the coefficients of the page."""
    if page.compression in JPEG and page.planarconfig == 1:
        return values  # its decoder has made them red, green and blue
    top, middle = 2**bits - 1, 1 << (bits - 1)
    red, green, blue = _rationals(page, 529, (0.299, 0.587, 0.114))
    usual = (0, top, middle, top, middle, top)
    low = _rationals(page, 532, usual)
    if any(low[k] == low[k + 1] for k in (0, 2, 4)) or min(red, green, blue) <= 0:
        raise Unreadable("the coefficients of its colours are not numbers that can be")
    y, cb, cr = (values[..., k].astype(np.float64) for k in range(3))
    y = (y - low[0]) * top / (low[1] - low[0])
    cb = (cb - low[2]) * (top - middle) / (low[3] - low[2])
    cr = (cr - low[4]) * (top - middle) / (low[5] - low[4])
    r = cr * (2 - 2 * red) + y
    b = cb * (2 - 2 * blue) + y
    g = (y - blue * b - red * r) / green
    rgb: Array = np.clip(np.rint(np.stack((r, g, b), axis=-1)), 0, top)
    return rgb.astype(values.dtype, copy=False)


def _rationals(page: Any, tag: int, usual: tuple[float, ...]) -> tuple[float, ...]:
    value = page.tags.valueof(tag)
    if value is None:
        return usual
    flat = np.ravel(value).astype(float)
    if len(flat) == 2 * len(usual):
        if not flat[1::2].all():
            return usual
        flat = flat[::2] / flat[1::2]
    return tuple(flat.tolist()) if len(flat) == len(usual) and np.isfinite(flat).all() else usual


def rgb_of_lab(page: Any, values: Array, bits: int) -> Array:
    """Colours (..., 3), sRGB, of Lab (..., 3); the lightness (..., 1) where there is no more."""
    top = 2**bits - 1
    if values.shape[-1] < 3:
        return values[..., :1]
    lightness = values[..., 0].astype(np.float64) * (100 / top)
    whole = values[..., 1:3].astype(np.float64)
    if int(page.photometric) == CIELAB:  # a and b have a sign
        whole[whole >= 1 << (bits - 1)] -= 1 << bits
    else:
        whole -= 1 << (bits - 1)
    a, b = (whole[..., k] / (1 << (bits - 8)) for k in range(2))
    y = (lightness + 16) / 116
    f = np.stack((y + a / 500, y, y - b / 200), axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _D50
    linear = np.clip(xyz @ _FROM_XYZ.T, 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    whole_rgb: Array = np.rint(rgb * top)
    return whole_rgb.astype(values.dtype, copy=False)


def is_subsampled(page: Any) -> bool:
    """Whether a page has its colours at a lower resolution, in a way that tifffile leaves to its reader."""
    return bool(page.is_subsampled and page.compression not in JPEG)


def subsampled(page: Any, parts: list[bytes]) -> Array:
    """The samples (1, 1, height, width, 3) of a page that has its colours at a lower resolution.

    Parameters
    ----------
    page : tifffile.TiffPage
        Of 8 bits, for which `is_subsampled` holds.
    parts : list of bytes
        Its strips or tiles as they are stored.

    Raises
    ------
    Unreadable
    """
    across, down = (int(one) for one in page.subsampling or (2, 2))
    _, depth, height, width, _ = page.shaped
    if depth != 1 or {across, down} - {1, 2, 4}:
        raise Unreadable(f"its colours are stored at a resolution of 1 / {across} x 1 / {down}")
    tall, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    out = np.zeros((math.ceil(height / tall) * tall, math.ceil(width / wide) * wide, 3), np.uint8)
    for k, part in enumerate(parts):
        y, x = k // (out.shape[1] // wide) * tall, k % (out.shape[1] // wide) * wide
        rows = tall if page.is_tiled else min(tall, height - y)
        units = math.ceil(rows / down), math.ceil(wide / across), across * down + 2
        size = math.prod(units)
        whole = part if page.compression == 1 else tifffile.TIFF.DECOMPRESSORS[page.compression](part, out=size)
        if len(whole) < size:
            raise Unreadable(f"one of its strips or tiles has {len(whole)} of {size} bytes")
        blocks = np.frombuffer(whole, np.uint8, size).reshape(units)
        luminance = blocks[..., :-2].reshape(*units[:2], down, across).swapaxes(1, 2)
        made = np.empty((units[0] * down, units[1] * across, 3), np.uint8)
        made[..., 0] = luminance.reshape(made.shape[:2])
        for channel in (1, 2):
            made[..., channel] = blocks[..., channel - 3].repeat(down, axis=0).repeat(across, axis=1)
        out[y : y + rows, x : x + wide] = made[:rows, :wide]
    return out[np.newaxis, np.newaxis, :height, :width]
