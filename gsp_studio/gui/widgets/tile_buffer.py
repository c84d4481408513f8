"""One preallocated image that all tiles are written into: a frame of the montage costs a few passes over the basis."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io.dataset import as_images
from gsp_studio.io.montage import as_curves, curve_shape, grid_shape

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

Array = npt.NDArray[Any]

#: The value that means "between tiles"; greys are 0 to 254.
GAP = 255
#: Colour of the gap.
GAP_COLOUR = (44, 48, 55)
#: Height of the strip under a tile, in parts of the tile's.
_STRIP = 0.06
_WHITE = 254.0
#: Value that the brightest is scaled to: truncated it is white, however the product is rounded.
_SPAN = _WHITE + 0.49


class Contrast(Enum):
    """Meaning of white; black is 0 always. The value is the text for people."""

    TILE = "per tile"
    SHARED = "shared"
    PERCENTILE = "shared, 99.5th percentile"


def _white_of(V: Array, contrast: Contrast) -> float:
    """The value that all tiles show as white."""
    if not V.any():
        return 0.0
    return float(V.max() if contrast is Contrast.SHARED else np.percentile(V[V > 0], 99.5, method="higher"))


def _strip_of(height: int) -> int:
    return max(1, round(_STRIP * height))


class TileBuffer:
    """`count` tiles of height x width pixels in a grid with `gap` pixels between them, near-square until `lay_out`.

    Tiles of 3 channels are colours; those of 1 are greys, which the view gives the colours of a map.

    Attributes
    ----------
    pixels : ndarray (rows * (height + gap) - gap, ...), uint8
        Picture; `fill` writes into it. With a last axis of 3 for colours.
    bands : int
        Values of a spectrum where tiles are curves, else 0.
    columns : int
        Tiles in a row.
    strip : int
        Pixels under each tile that are kept free.
    """

    def __init__(
        self,
        count: int,
        height: int,
        width: int,
        gap: int = 1,
        channels: int = 1,
        bands: int = 0,
        columns: int = 0,
        strip: int = 0,
    ) -> None:
        self.count, self.height, self.width, self.gap, self.channels = count, height, width, gap, channels
        self.bands, self.strip = bands, strip
        self._held = math.nan
        self._make(columns or grid_shape(count)[1])

    @property
    def pitch(self) -> tuple[int, int]:
        """(x, y): pixels from a tile to the next one."""
        return self.width + self.gap, self.height + self.strip + self.gap

    def _make(self, columns: int) -> None:
        self.columns, self.rows = columns, max(1, -(-self.count // columns))
        pitch_x, pitch_y = self.pitch
        colours = () if self.channels == 1 else (self.channels,)
        padded = np.empty((self.rows * pitch_y, self.columns * pitch_x, *colours), np.uint8)
        padded[:] = GAP if self.channels == 1 else GAP_COLOUR
        self.pixels = padded[: self.rows * pitch_y - self.gap, : self.columns * pitch_x - self.gap]
        grid = padded.reshape(self.rows, pitch_y, self.columns, pitch_x, *colours)[:, : self.height, :, : self.width]
        # A view of the tiles, row by row: (rows, columns, height, width).
        self._tiles = grid.swapaxes(1, 2)

    @property
    def empty(self) -> tuple[int, int, int, int]:
        """(x, y, width, height) of what is left of the last row, in pixels; without width where nothing is."""
        first = self.count - (self.rows - 1) * self.columns
        x, y = first * self.pitch[0] - self.gap, (self.rows - 1) * self.pitch[1]
        return x, y, max(0, self.pixels.shape[1] - x) if first < self.columns else 0, self.pixels.shape[0] - y

    def lay_out(self, columns: int) -> None:
        """Put the same tiles, in their order, into so many columns."""
        images = self._tiles.reshape(-1, *self._tiles.shape[2:])[: self.count]
        self._make(columns)
        self._write(images)

    @classmethod
    def of(cls, dataset: Dataset, count: int, with_strip: bool = False) -> TileBuffer:
        """Tiles for so many basis images of a data set, with a strip for a bar under each if asked."""
        height, width = dataset.image_shape
        bands = 0
        if dataset.grid is not None:
            bands = width
            height, width = curve_shape(bands)
        gap, strip = 1 if max(height, width) < 64 else 2, _strip_of(height) if with_strip else 0
        return cls(count, height, width, gap, dataset.channels, bands, strip=strip)

    def coarse(self, height: int, width: int) -> TileBuffer:
        """Return a buffer for the same tiles in fewer pixels, laid out as these are."""
        strip = max(0, round(height * (self.pitch[1] / self.height - 1.0)) - 1) if self.strip else 0
        return TileBuffer(self.count, height, width, channels=self.channels, columns=self.columns, strip=strip)

    def fits(self, count: int, height: int, width: int, channels: int = 1) -> bool:
        """Whether this buffer is for such tiles."""
        return (count, height, width, channels) == (self.count, self.height, self.width, self.channels)

    @property
    def white(self) -> float:
        """Value of white, where tiles share it; NaN where each has its own."""
        return self._held

    def reset_levels(self) -> None:
        """Take white anew from the next images, where tiles share it."""
        self._held = math.nan

    def hold_levels_of(self, other: TileBuffer) -> None:
        """Take over what white means where tiles share it."""
        self._held = other._held

    def hold_level(self, white: float) -> None:
        """Set the least white level of tiles that share it."""
        self._held = white

    def fill(self, W: Array, order: Array, column_major: bool, contrast: Contrast = Contrast.TILE) -> None:
        """Write basis images W (m, count), tile i showing W[:, order[i]]."""
        V = W.T[order]
        scaled = np.multiply(V, self._gain(V, contrast), dtype=V.dtype)
        if contrast is Contrast.PERCENTILE or not math.isnan(self._held):
            np.minimum(scaled, _WHITE, out=scaled)
        if self.bands:
            images = (as_curves(scaled / _SPAN) * _WHITE).astype(np.uint8)
        else:
            order_of = "F" if column_major else "C"
            images = as_images(scaled.astype(np.uint8), (self.height, self.width), order_of, self.channels)
        self._write(images)

    def fill_greys(self, greys: Array, tops: Array, column_major: bool, contrast: Contrast = Contrast.TILE) -> None:
        """Write greys (m, count) in the order of the tiles, each with its largest value, one of `tops`, white."""
        V = greys.T
        if contrast is not Contrast.TILE:
            if math.isnan(self._held):
                self._held = float(tops.max())
            share = np.minimum(tops / self._held, 1.0) if self._held > 0 else np.zeros(len(tops))
            V = (V * share[:, None].astype(np.float32)).astype(np.uint8)
        order_of = "F" if column_major else "C"
        self._write(as_images(np.ascontiguousarray(V), (self.height, self.width), order_of, self.channels))

    def fill_signed(self, images: Array, white: float) -> None:
        """Write images (count, height, width) of either sign: 0 is the level in the middle, ±`white` are the ends."""
        levels = np.multiply(images, 127.0 / white, dtype=np.float32)
        levels += 127.5
        self._write(np.clip(levels, 0.0, 254.0, out=levels).astype(np.uint8))

    def _write(self, images: Array) -> None:
        full = self.count // self.columns
        last = self.count - full * self.columns
        self._tiles[:full] = images[: full * self.columns].reshape(full, self.columns, *images.shape[1:])
        if last:
            self._tiles[full, :last] = images[full * self.columns :]

    def _gain(self, V: Array, contrast: Contrast) -> Array:
        """Return the factor of each row of V. Shared levels stay while they suffice, so that nothing flickers."""
        if contrast is Contrast.TILE:
            self._held = math.nan
            top = V.max(axis=1, keepdims=True)
        else:
            if math.isnan(self._held):
                self._held = _white_of(V, contrast)
            elif contrast is Contrast.SHARED:
                self._held = max(self._held, float(V.max()))
            top = np.full((len(V), 1), self._held, V.dtype)
        # A tile of zeros stays black: nothing is divided by zero.
        gain: Array = np.divide(_SPAN, top, out=np.zeros_like(top), where=top > 0)
        return gain

    def tile_at(self, x: float, y: float) -> int:
        """The tile at image coordinates, -1 for none."""
        column, row = int(x // self.pitch[0]), int(y // self.pitch[1])
        tile = row * self.columns + column
        inside = 0 <= column < self.columns and 0 <= row < self.rows and tile < self.count
        return tile if inside else -1

    def pixel_at(self, x: float, y: float) -> tuple[int, int] | None:
        """(row, column) within the image at these coordinates, (0, band) of a spectrum; None between tiles."""
        row, column = int(y % self.pitch[1]), int(x % self.pitch[0])
        inside = self.tile_at(x, y) >= 0 and row < self.height and column < self.width
        if self.bands:
            row, column = 0, column * self.bands // self.width
        return (row, column) if inside else None

    def origin_of(self, tile: int) -> tuple[int, int]:
        """(x, y) of the upper left corner of a tile."""
        return (tile % self.columns) * self.pitch[0], (tile // self.columns) * self.pitch[1]

    def is_in_strip(self, y: float) -> bool:
        """Whether this is below a tile, where its bar is; with the gap below, as a bar is thin."""
        return self.strip > 0 and y % self.pitch[1] >= self.height
