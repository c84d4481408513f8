"""Which axis of an array holds the images, and what shape these have: guesses with their reasons, or what was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io.arrays import ArrayEntry
from gsp_studio.io.dataset import DatasetError, LoadOptions, Order
from gsp_studio.io.layout import candidate_shapes, looks_like_pixels, rank_shapes

Array = npt.NDArray[Any]

#: Images from which a shape is guessed.
_SAMPLE = 64


@dataclass(frozen=True)
class Arrangement:
    """How an array is read: the axis of its images, their shape and order, other shapes, and the reasons in words."""

    images_in: str  # "columns", "rows" of a matrix; "first axis", "last axis" of a stack
    n_images: int
    image_shape: tuple[int, int]
    order: Order
    shapes: tuple[tuple[int, int], ...]
    note: str

    @property
    def is_stack(self) -> bool:
        """Whether the array itself says what shape its images have."""
        return self.images_in.endswith("axis")


def arrange(entry: ArrayEntry, values: Array, kind: str, options: LoadOptions, path: Path) -> Arrangement:
    """How to read `values`, an array of a "npy", "npz" or "mat" file, following `options` where they say something.

    MATLAB files keep an image a column, filled column by column, and stacks (height, width, image); NumPy files an
    image a row, filled row by row, and stacks (image, height, width).
    """
    if len(entry.shape) == 3:
        return _arrange_stack(entry, kind, options, path)
    matlab = kind == "mat"
    images_in, why = _images_in(entry.shape, matlab, options)
    pixels, count = entry.shape if images_in == "columns" else entry.shape[::-1]
    order: Order = options.order or ("F" if matlab else "C")
    shapes: tuple[tuple[int, int], ...]
    if options.image_shape is not None:
        shape = options.image_shape
        if shape[0] * shape[1] != pixels:
            raise DatasetError(
                f"{path}: image shape {shape[0]}x{shape[1]} has {shape[0] * shape[1]} pixels, "
                f"but an image here has {pixels} ({_several(pixels)})"
            )
        shapes, guess = (shape,), "shape as given"
    else:
        sample = _sample(values, images_in, count)
        shapes = tuple(rank_shapes(sample, order))
        shape = shapes[0]
        guess = "shape guessed: the smoothest of " + _several(pixels) if len(shapes) > 1 else "the only shape"
    filled = "by columns" if order == "F" else "by rows"
    note = f"{count} images of {shape[0]} x {shape[1]} in the {images_in} ({why}); {guess}; filled {filled} ({order})"
    return Arrangement(images_in, count, shape, order, shapes, note)


def _images_in(shape: tuple[int, ...], matlab: bool, options: LoadOptions) -> tuple[str, str]:
    if options.images_in is not None:
        return options.images_in, "as given"
    rows, columns = shape
    if options.image_shape is not None:
        pixels = options.image_shape[0] * options.image_shape[1]
        if (rows == pixels) != (columns == pixels):
            return ("columns" if rows == pixels else "rows"), "where the given shape fits"
    usual, pixels, other = ("columns", rows, columns) if matlab else ("rows", columns, rows)
    if not looks_like_pixels(pixels) and looks_like_pixels(other):
        return ("rows" if matlab else "columns"), f"{pixels} pixels make no image of usual proportions, {other} do"
    return usual, f"as usual in {'MATLAB' if matlab else 'NumPy'} files"


def _arrange_stack(entry: ArrayEntry, kind: str, options: LoadOptions, path: Path) -> Arrangement:
    last = kind == "mat"
    if options.images_in is not None:
        last = options.images_in == "columns"
    count = entry.shape[2] if last else entry.shape[0]
    shape = entry.shape[:2] if last else entry.shape[1:]
    if options.image_shape is not None and options.image_shape != shape:
        given = "x".join(map(str, options.image_shape))
        raise DatasetError(f"{path}: image shape {given} does not fit the stack's images of {shape[0]}x{shape[1]}")
    where = "last axis" if last else "first axis"
    note = f"{count} images of {shape[0]} x {shape[1]}, a stack along its {where}"
    return Arrangement(where, count, (shape[0], shape[1]), "C", ((shape[0], shape[1]),), note)


def _sample(values: Array, images_in: str, count: int) -> Array:
    """Some images as columns (m, k), float64, spread over the whole; bad values count as zero."""
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(int))
    part = values[:, chosen] if images_in == "columns" else values[chosen].T
    return np.nan_to_num(np.asarray(part, dtype=np.float64), posinf=0.0, neginf=0.0)


def take_images(values: Array, arrangement: Arrangement, columns: Array | None = None) -> Array:
    """Images as columns (m, k) in their raw type, all or those chosen; rows of a stack's image follow each other."""
    where = arrangement.images_in
    if where == "columns":
        return values if columns is None else values[:, columns]
    if where == "last axis":
        values = np.moveaxis(values, 2, 0)
    chosen = values if columns is None else values[columns]
    return chosen.reshape(len(chosen), -1).T


def _several(pixels: int) -> str:
    shapes = [f"{h}x{w}" for h, w in candidate_shapes(pixels)]
    return ", ".join(shapes[:4]) + (", ..." if len(shapes) > 4 else "")
