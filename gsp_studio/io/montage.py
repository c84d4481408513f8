"""Many small images in one: the layout that the export and the window share."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from gsp_studio.arrays import Array

Scale = Literal["tile", "shared"]

#: Pixels that the picture of a spectrum is wide at least.
_CURVE = 72
#: Grey of the area under a curve.
_AREA = 0.35
#: Grey of the lines between tiles: neither black (a zero) nor white (a maximum).
GAP_LEVEL = 64


def grid_shape(count: int) -> tuple[int, int]:
    """(rows, columns) of a near-square grid for `count` tiles, never fewer columns than rows."""
    columns = max(1, math.ceil(math.sqrt(count)))
    return max(1, math.ceil(count / columns)), columns


def to_grey(images: Array, scale: Scale = "tile") -> Array:
    """Images as levels of grey, or of each colour: black is 0, white the maximum, of each tile or of all.

    Parameters
    ----------
    images : ndarray (k, h, w) or (k, h, w, 3), >= 0
    scale : "tile" | "shared"

    Returns
    -------
    ndarray of the same shape, uint8

    Notes
    -----
    An image of zeros stays black: nothing is divided by zero, and nothing is stretched that has no contrast.
    """
    values = np.asarray(images, dtype=np.float64)
    top = values.max(axis=tuple(range(1, values.ndim)), keepdims=True, initial=0.0)
    if scale == "shared":
        top = np.full_like(top, top.max(initial=0.0))
    grey = np.divide(values * 255.0, top, out=np.zeros_like(values), where=top > 0)
    rounded: Array = np.round(np.clip(grey, 0.0, 255.0)).astype(np.uint8)
    return rounded


def curve_shape(bands: int) -> tuple[int, int]:
    """(height, width) of the picture of a spectrum: a band is one pixel wide, or several where there are few."""
    each = max(1, -(-_CURVE // bands))
    return max(_CURVE * 2 // 3, min(2 * _CURVE, bands * each * 2 // 3)), bands * each


def as_curves(spectra: Array) -> Array:
    """Spectra as pictures: the area under each curve in grey, the curve itself in white.

    Parameters
    ----------
    spectra : ndarray (k, bands), in [0, 1]
        1 is the upper edge.

    Returns
    -------
    ndarray (k, height, width), float32 in [0, 1]
    """
    bands = spectra.shape[1]
    height, width = curve_shape(bands)
    tops = height - np.clip(np.round(spectra * (height - 1)), 0, height - 1).astype(np.int16) - 1
    rows = np.arange(height, dtype=np.int16)[:, None]
    # The curve joins the tops of neighbours, so that it has no holes where it is steep.
    before = np.concatenate([tops[:, :1], tops[:, :-1]], axis=1)
    low, high = np.minimum(tops, before)[:, None, :], np.maximum(tops, before)[:, None, :]
    greys = np.array([0, _AREA, 1], np.float32)  # above the curve, below it, on it
    pictures = greys[(rows >= low).view(np.uint8) + ((rows >= low) & (rows <= high)).view(np.uint8)]
    wide: Array = pictures.repeat(width // bands, axis=2) if width > bands else pictures
    return wide


def montage_image(
    images: Array, columns: int | None = None, gap: int = 1, scale: Scale = "tile", zoom: int = 1
) -> Array:
    """All images in one grid, row by row.

    Parameters
    ----------
    images : ndarray (k, h, w) or (k, h, w, 3), >= 0
    columns : int, optional
        Of the grid; near-square by default.
    gap : int
        Pixels between tiles, after zooming.
    scale : "tile" | "shared"
        White is each tile's own maximum, or the largest of all.
    zoom : int
        Every pixel becomes zoom x zoom: no interpolation.

    Returns
    -------
    ndarray (rows * h * zoom + (rows - 1) * gap, ...), uint8
        With a last axis of 3 where the images have one.
    """
    count, h, w, *colours = images.shape
    rows, columns = grid_shape(count) if columns is None else (max(1, math.ceil(count / columns)), columns)
    h, w = h * zoom, w * zoom
    tiles = to_grey(images, scale).repeat(zoom, axis=1).repeat(zoom, axis=2)
    canvas = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, *colours), GAP_LEVEL, np.uint8)
    for k, tile in enumerate(tiles):
        y, x = (k // columns) * (h + gap), (k % columns) * (w + gap)
        canvas[y : y + h, x : x + w] = tile
    return canvas
