"""How an array holds its images: which axis is theirs, what shape they have, how a vector fills one.

What was given is taken; what was not is guessed from the values, with the reason in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io import arrays, images, layout
from gsp_studio.io.dataset import DatasetError, LoadOptions, Order
from gsp_studio.io.entry import ArrayEntry

Array = npt.NDArray[Any]
Shape = tuple[int, int]

#: Images from which a shape is guessed.
_SAMPLE = 64
#: The unusual axis holds the images only when read so they are this much smoother.
_CLEARLY = 0.75
#: Larger arrays are not read both ways: every column of a large file touches all of it.
_COMPARED = 1 << 30


@dataclass(frozen=True)
class Arrangement:
    """How an array is read: the axis of its images, their shape and order, other shapes, and the reasons in words."""

    images_in: str  # "columns", "rows" of a matrix; "first axis", "last axis" of a stack
    n_images: int
    image_shape: Shape
    order: Order
    shapes: tuple[Shape, ...]
    note: str
    is_guess: bool
    channels: int = 1
    #: Of a stack of images in colour.
    channel_axis: int = -1


def arrange(entry: ArrayEntry, read: Callable[[], Array], kind: str, options: LoadOptions, path: Path) -> Arrangement:
    """How to read an array, following `options` where they say something.

    Parameters
    ----------
    entry : ArrayEntry
    read : callable
        Gives the values; called only when they are needed for a guess.
    kind : str
        A name in `arrays.FORMATS`.
    options : LoadOptions
    path : Path
        For errors.

    Raises
    ------
    DatasetError
        Options that do not fit the array.

    Notes
    -----
    MATLAB files keep an image a column, filled column by column, and stacks (height, width, image); NumPy files an
    image a row, filled row by row, and stacks (image, height, width). A matrix that could be either is read the other
    way when its images are much smoother then.
    """
    if len(entry.shape) == 3:
        if options.colour not in (None, "grey"):
            raise DatasetError(f"{path}: a stack of 3 dimensions holds grey images; accepted is grey")
        return _arrange_stack(entry, kind, options, path)
    if len(entry.shape) == 4:
        return _arrange_colours(entry, kind, options, path)
    order: Order = options.order or ("F" if arrays.FORMATS[kind].is_by_columns else "C")
    images_in, why = _axis_of_images(entry, read, kind, order, options)
    values, count = entry.shape if images_in == "columns" else entry.shape[::-1]
    stored = 3 if options.colour in ("rgb", *images.PLANES) else 1
    channels = 3 if options.colour == "rgb" else 1
    pixels = values // stored
    if pixels * stored != values:
        raise DatasetError(
            f"{path}: an image here has {values} values, which are no three times as many pixels; accepted is grey"
        )
    usual = layout.candidate_shapes(pixels)
    if options.image_shape is not None:
        shape = options.image_shape
        if shape[0] * shape[1] != pixels:
            raise DatasetError(
                f"{path}: image shape {shape[0]}x{shape[1]} has {shape[0] * shape[1]} pixels, "
                f"but an image here has {pixels} ({_listed(usual)})"
            )
        shapes, guess = [shape, *(other for other in usual if other != shape)], "shape as given"
    elif len(usual) == 1:
        shapes, guess = usual, "the only usual shape"
    else:
        shapes = layout.rank_shapes(_sample(read(), images_in, count)[:pixels], order)
        guess = f"shape guessed, the smoothest of {_listed(usual)}"
    h, w = shapes[0]
    filled = "by columns" if order == "F" else "by rows"
    what = f"{count} images of {h} x {w}" + (" in colour" if channels == 3 else "")
    note = f"{what} in the {images_in} ({why}); {guess}; filled {filled} ({order})"
    return Arrangement(images_in, count, (h, w), order, tuple(shapes), note, True, channels)


def _axis_of_images(
    entry: ArrayEntry, read: Callable[[], Array], kind: str, order: Order, options: LoadOptions
) -> tuple[str, str]:
    """ "columns" or "rows", and why."""
    if options.images_in is not None:
        return options.images_in, "as given"
    rows, columns = entry.shape
    if options.image_shape is not None:
        wanted = (
            options.image_shape[0] * options.image_shape[1] * (3 if options.colour in ("rgb", *images.PLANES) else 1)
        )
        if (rows == wanted) != (columns == wanted):
            return ("columns" if rows == wanted else "rows"), "where the given shape fits"
    usual, other = ("columns", "rows") if arrays.FORMATS[kind].is_by_columns else ("rows", "columns")
    pixels = {"columns": rows, "rows": columns}
    fits = {axis: layout.looks_like_pixels(count) for axis, count in pixels.items()}
    if fits[usual] and not fits[other]:
        return usual, f"{pixels[usual]} pixels make an image, {pixels[other]} do not"
    if fits[other] and not fits[usual]:
        return other, f"{pixels[other]} pixels make an image, {pixels[usual]} do not"
    if fits[usual] and entry.nbytes <= _COMPARED:
        grain = {axis: _grain(read(), axis, order, entry.shape) for axis in (usual, other)}
        if grain[other] < _CLEARLY * grain[usual]:
            return other, "read so they are much smoother"
    return usual, _usual(kind)


def _grain(values: Array, images_in: str, order: Order, shape: tuple[int, ...]) -> float:
    vectors = _sample(values, images_in, shape[1] if images_in == "columns" else shape[0])
    return layout.grain(vectors, layout.rank_shapes(vectors, order)[0], order)


def _usual(kind: str) -> str:
    return f"as usual in {arrays.FORMATS[kind].name} files"


def _arrange_stack(entry: ArrayEntry, kind: str, options: LoadOptions, path: Path) -> Arrangement:
    shape = entry.shape
    usual = "columns" if arrays.FORMATS[kind].is_by_columns else "rows"  # the last axis or the first
    images_in, why, is_guess = usual, _usual(kind), False
    square = {"rows": shape[1] == shape[2], "columns": shape[0] == shape[1]}
    other = "rows" if usual == "columns" else "columns"
    if options.images_in is not None:
        images_in, why = options.images_in, "as given"
    elif entry.is_certain:
        why = "as the file says"
    elif square[other] and not square[usual]:
        images_in, why, is_guess = other, "so they are square", True
    last = images_in == "columns"
    count, image = (shape[2], (shape[0], shape[1])) if last else (shape[0], (shape[1], shape[2]))
    if options.image_shape is not None and options.image_shape != image:
        given = "x".join(map(str, options.image_shape))
        raise DatasetError(f"{path}: image shape {given} does not fit the stack's images of {image[0]}x{image[1]}")
    where = "last axis" if last else "first axis"
    note = f"{count} images of {image[0]} x {image[1]}, a stack along its {where} ({why})"
    return Arrangement(where, count, image, "C", (image,), note, is_guess)


def _arrange_colours(entry: ArrayEntry, kind: str, options: LoadOptions, path: Path) -> Arrangement:
    """A stack of images in colour: (image, height, width, 3), (image, 3, height, width), (height, width, 3, image)."""
    shape = entry.shape
    usual = "columns" if arrays.FORMATS[kind].is_by_columns else "rows"
    axes = {"columns": (2, 0), "rows": (3, 1)}  # where the colours are, the usual axis first
    images_in, why = usual, _usual(kind)
    other = "rows" if usual == "columns" else "columns"
    if options.images_in is not None:
        images_in, why = options.images_in, "as given"
    elif not any(shape[axis] == 3 for axis in axes[usual]) and any(shape[axis] == 3 for axis in axes[other]):
        images_in, why = other, "as an axis is 3"
    axis = next((axis for axis in axes[images_in] if shape[axis] == 3), None)
    if axis is None:
        said = " x ".join(map(str, shape))
        raise DatasetError(f"{path}: the images of a {said} stack, read so, have no axis of 3 colours")
    last = images_in == "columns"
    h, w = (side for k, side in enumerate(shape) if k not in (axis, 3 if last else 0))
    if options.image_shape is not None and options.image_shape != (h, w):
        given = "x".join(map(str, options.image_shape))
        raise DatasetError(f"{path}: image shape {given} does not fit the stack's images of {h}x{w}")
    count, where = (shape[3], "last axis") if last else (shape[0], "first axis")
    channels = 3 if options.colour in (None, "rgb") else 1
    read_as = "in colour" if channels == 3 else f"made grey ({images.made_grey(options.colour)})"
    note = f"{count} images of {h} x {w} {read_as}, a stack along its {where} ({why})"
    return Arrangement(where, count, (h, w), "C", ((h, w),), note, False, channels, axis)


def _sample(values: Array, images_in: str, count: int) -> Array:
    """Some images as columns (m, k), float64, spread over the whole; bad values count as zero."""
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(int))
    part = values[:, chosen] if images_in == "columns" else values[chosen].T
    return np.nan_to_num(np.asarray(part, dtype=np.float64), posinf=0.0, neginf=0.0)


def _listed(shapes: list[Shape]) -> str:
    return ", ".join(f"{h}x{w}" for h, w in shapes[:4]) + (", ..." if len(shapes) > 4 else "")
