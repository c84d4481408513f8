"""Style and captions of exported figures, and montages with words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gsp_studio.arrays import Array
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.montage import Scale, grid_shape, montage_image, to_grey
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.scale_bar import ScaleBar, scale_bar_of

#: Pixels of the shorter side of a tile, in figures that are looked at.
TILE = 96
#: Pixels of the longer side of a montage beside others: as many as a small one is enlarged to, and at most.
_LONG, _LONGEST = 480, 1000

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: Grey of words beside images, dark enough on white (7:1).
_CAPTION = "#595959"


@dataclass(frozen=True)
class FigureStyle:
    """Style of exported figures.

    Attributes
    ----------
    scale : "tile" | "shared"
        White is each basis image's own maximum, or the largest of all.
    zoom : int, optional
        Pixels that one pixel becomes in each direction; by default as suits each figure.
    order : tuple of int, optional
        Basis images of a montage, in this order; by default by their numbers.
    palette : bytes
        Red, green and blue of 256 levels, which greys of the basis images become; b"" leaves them grey.
    check : callable
        Called between the steps of what takes long; raises what ends it.
    """

    scale: Scale = "tile"
    zoom: int | None = None
    order: tuple[int, ...] | None = None
    palette: bytes = b""
    check: Callable[[], None] = field(default=lambda: None, compare=False)

    def placed(self, count: int) -> list[int]:
        """Return the numbers of `count` basis images, from 0, in the order of their places."""
        return list(range(count)) if self.order is None else list(self.order)

    def colours(self) -> Array:
        """Return the colours of 256 levels (256, 3), uint8."""
        if not self.palette:
            return np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
        return np.frombuffer(self.palette, np.uint8).reshape(256, 3)


def captions_of(run: ExportedRun) -> list[str]:
    """ "3  0.87": number and sparsity of each basis image."""
    result = run.result
    weights = result.params.weights
    if result.W.shape[0] < 2:
        return [str(k + 1) for k in range(result.W.shape[1])]
    each = np.atleast_1d(hoyer_sparsity(result.W, weights))
    return [f"{k + 1}  {s:.2f}" for k, s in enumerate(each)]


def labelled_montage(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Image.Image:
    """The basis images with number and sparsity below each, in grey, and a bar of the colours with their values."""
    order = style.placed(run.result.W.shape[1])
    images, captions = dataset.pictures(run.result.W[:, order]), captions_of(run)
    zoom = style.zoom or max(1, -(-TILE // min(images.shape[1:3])))
    tiles = to_grey(images, style.scale).repeat(zoom, axis=1).repeat(zoom, axis=2)
    colours = style.colours() if images.ndim == 3 else FigureStyle().colours()
    count, h, w = tiles.shape[:3]
    rows, columns = grid_shape(count)
    font, line, gap = ImageFont.load_default(14), 20, 8
    bar = 46
    white = f"{float(images.max()):.4g}" if style.scale == "shared" else "its own maximum"
    sheet = Image.new("RGB", (columns * (w + gap) + gap, rows * (h + line + gap) + gap + bar), "white")
    draw = ImageDraw.Draw(sheet)
    for k, tile in enumerate(tiles):
        x, y = gap + (k % columns) * (w + gap), gap + (k // columns) * (h + line + gap)
        sheet.paste(Image.fromarray(np.ascontiguousarray(colours[tile] if tile.ndim == 2 else tile)), (x, y))
        draw.text((x + w / 2, y + h + 2), captions[order[k]], fill=_CAPTION, font=font, anchor="ma")
    top, wide = sheet.height - bar + 6, sheet.width - 2 * gap
    ramp = colours[np.tile(np.linspace(0, 255, wide).astype(np.uint8), (14, 1))]
    sheet.paste(Image.fromarray(ramp), (gap, top))
    draw.text((gap, top + 16), "0", fill=_CAPTION, font=font)
    draw.text((gap + wide, top + 16), white, fill=_CAPTION, font=font, anchor="ra")
    if dataset.grid is None and (scale := scale_bar_of(dataset)) is not None:
        _draw_scale_bar(draw, scale, zoom, (sheet.width / 2, top + 16), font)
    return sheet


def _draw_scale_bar(
    draw: ImageDraw.ImageDraw, bar: ScaleBar, zoom: int, above: tuple[float, float], font: Font
) -> None:
    """Draw a bar as long as in the images, and its length beside it, about the middle of a line below a point."""
    long, words = bar.pixels * zoom, float(draw.textlength(bar.text, font=font))
    left, middle = above[0] - (long + 6 + words) / 2, above[1] + 8
    draw.rectangle((left, middle - 1, left + long - 1, middle + 1), fill="black")
    draw.text((left + long + 6, above[1]), bar.text, fill=_CAPTION, font=font)


def captioned_montage(dataset: Dataset, W: Array, caption: str) -> Image.Image:
    """The basis images, each with its own white, and a line below them: one of several that are compared."""
    images = dataset.pictures(W)
    rows, columns = grid_shape(len(images))
    longer = max(rows * images.shape[1], columns * images.shape[2])
    montage = Image.fromarray(np.ascontiguousarray(montage_image(images, gap=2, zoom=max(1, _LONG // longer))))
    montage = montage.reduce(max(1, -(-max(montage.size) // _LONGEST)))
    font, line = ImageFont.load_default(14), 22
    width = max(montage.width, round(font.getlength(caption)) + 4)
    sheet = Image.new(montage.mode, (width, montage.height + line), "white")
    sheet.paste(montage, ((width - montage.width) // 2, 0))
    ImageDraw.Draw(sheet).text((width / 2, montage.height + 2), caption, fill="black", font=font, anchor="ma")
    return sheet


def side_by_side(images: Sequence[Image.Image], gap: int = 12) -> Image.Image:
    """Images of one mode in a row."""
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    sheet = Image.new(images[0].mode, (width, max(image.height for image in images)), "white")
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + gap
    return sheet
