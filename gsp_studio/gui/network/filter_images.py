"""The weights of a layer as images: filters of 3 x 3 and larger as tiles, in colour where they look at colours.

A filter that reads one or three channels is one image; deeper filters are a tile for each kernel, filter by filter.
Rows of a first linear layer that read a square image are images again. All else is one picture of the matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.arrays import Array

if TYPE_CHECKING:
    from gsp_studio.pruning.layers import Layer


#: Pixels that are drawn at most: more would not follow a slider, and could not be seen.
MOST_PIXELS = 2**17
#: Rows and columns of a matrix that are drawn at most.
MOST_SIDE = 384
_LEAST_SIDE = 3


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of a layer's weights, and their words.

    Attributes
    ----------
    count, height, width, channels : int
        Tiles, and the pixels of each.
    columns : int
        Tiles in a row of the grid; 0 for a grid that is about square.
    inputs : int
        Tiles that make a filter; 0 where a tile is not a filter's.
    words : str
        Description.
    images_of : callable
        Weights of the layer's shape to images (count, height, width), or (count, height, width, 3) in colour.
    """

    count: int
    height: int
    width: int
    channels: int
    columns: int
    inputs: int
    words: str
    images_of: Callable[[Array], Array]

    def name_of(self, tile: int, row: int, column: int) -> str:
        """Name a pixel."""
        if not self.inputs:
            return f"output {row + 1}, input {column + 1}"
        which = f"filter {tile // self.inputs + 1}"
        which += f", input {tile % self.inputs + 1}" if self.inputs > 1 else ""
        return f"{which}  ·  row {row + 1}, column {column + 1}"


def pictures_of(layer: Layer, is_first: bool) -> Pictures:
    """Draw a layer; `is_first`: whether its inputs are the pixels of images."""
    outputs, inputs, sides = _kernel(layer)
    if len(sides) == 2 and min(sides) >= _LEAST_SIDE:
        return _kernels(layer, outputs, inputs, sides)
    if len(sides) == 1 and min(inputs, sides[0]) >= _LEAST_SIDE:
        return _whole_filters(layer, outputs, (inputs, sides[0]))
    side, channels = _image_side(inputs)
    if is_first and not sides and side:
        return _rows(layer, outputs, side, channels)
    return _matrix(layer, outputs, layer.size // outputs)


def _axes(layer: Layer) -> tuple[int, ...]:
    """Outputs, inputs, then the others in their order."""
    inputs = 1 if layer.output_axis == 0 else layer.output_axis - 1
    rest = [axis for axis in range(len(layer.shape)) if axis not in (inputs, layer.output_axis)]
    return (layer.output_axis, inputs, *rest)


def _kernel(layer: Layer) -> tuple[int, int, tuple[int, ...]]:
    """Outputs, inputs and the sides of a kernel; the slices of one in three dimensions count as inputs."""
    outputs, inputs, *sides = (layer.shape[axis] for axis in _axes(layer))
    if len(sides) == 3:
        inputs, sides = inputs * sides[0], sides[1:]
    return outputs, inputs, tuple(sides)


def _kernels(layer: Layer, outputs: int, inputs: int, sides: tuple[int, ...]) -> Pictures:
    height, width = sides
    axes, channels = _axes(layer), 3 if inputs == 3 else 1
    tiles = 1 if channels == 3 else inputs
    room = max(1, MOST_PIXELS // ((height + 1) * (width + 1)))
    filters = min(outputs, max(1, room // tiles))
    count = min(filters * tiles, room)

    def images_of(values: Array) -> Array:
        shown = values.transpose(axes)[:filters].reshape(-1, height, width)
        if channels == 3:
            return shown.reshape(filters, 3, height, width).transpose(0, 2, 3, 1)
        return shown[:count]

    what = f"of {height} × {width}" + (" in colour" if channels == 3 else f", a row for each filter of {tiles} inputs")
    columns = tiles if tiles > 1 and 0.25 <= tiles / filters <= 4 else 0
    if channels != 3 and not columns:
        what = f"of {height} × {width}" + (f", filter by filter, {tiles} inputs each" if tiles > 1 else "")
    words = f"{_of(filters, outputs)} filters {what}"
    return Pictures(count, height, width, channels, columns, tiles, words, images_of)


def _whole_filters(layer: Layer, outputs: int, sides: tuple[int, int]) -> Pictures:
    height, width = sides
    axes = _axes(layer)
    count = min(outputs, max(1, MOST_PIXELS // ((height + 1) * (width + 1))))
    words = f"{_of(count, outputs)} filters, {height} inputs down and {width} steps across"
    return Pictures(count, height, width, 1, 0, 1, words, lambda values: values.transpose(axes)[:count])


def _image_side(inputs: int) -> tuple[int, int]:
    """The side and the channels of the square images that a layer may read; (0, 0) where there are none."""
    for channels in (1, 3):
        side = math.isqrt(inputs // channels)
        if side >= _LEAST_SIDE and channels * side * side == inputs:
            return side, channels
    return 0, 0


def _rows(layer: Layer, outputs: int, side: int, channels: int) -> Pictures:
    axes = _axes(layer)
    count = min(outputs, max(1, MOST_PIXELS // (side + 1) ** 2))

    def images_of(values: Array) -> Array:
        shown = values.transpose(axes)[:count]
        if channels == 3:
            return shown.reshape(count, 3, side, side).transpose(0, 2, 3, 1)
        return shown.reshape(count, side, side)

    words = f"{_of(count, outputs)} rows as images of {side} × {side}" + (" in colour" if channels == 3 else "")
    return Pictures(count, side, side, channels, 0, 1, words, images_of)


def _matrix(layer: Layer, outputs: int, inputs: int) -> Pictures:
    axes = _axes(layer)
    height, width = min(outputs, MOST_SIDE), min(inputs, MOST_SIDE)

    def images_of(values: Array) -> Array:
        return values.transpose(axes).reshape(outputs, -1)[None, :height, :width]

    words = f"the matrix of {_of(height, outputs)} outputs × {_of(width, inputs)} inputs"
    return Pictures(1, height, width, 1, 0, 0, words, images_of)


def _of(shown: int, there: int) -> str:
    return str(there) if shown == there else f"the first {shown} of {there}"


def weights_to_draw(layer: Layer) -> Array:
    """The weights of a layer; what is not finite, and keeps the layer from being pruned, is drawn as 0."""
    return layer.weights if np.isfinite(layer.sparsity) else np.nan_to_num(layer.weights, posinf=0.0, neginf=0.0)


def white_of(images: Array) -> float:
    """The size of a weight that is drawn in full: 99.5 % of those that are not 0 are below."""
    used = np.abs(images[images != 0])
    return float(np.percentile(used, 99.5)) if used.size else 1.0
