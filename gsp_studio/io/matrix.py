"""Matrices and stacks of images: which axis holds the images, what shape these have, and reading them.

What was given is taken; what was not is guessed from the values, with the reason in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io import arrays, layout
from gsp_studio.io.arrays import ArrayEntry
from gsp_studio.io.dataset import DatasetError, LoadOptions, Order
from gsp_studio.io.preprocess import float_type, unit_scale
from gsp_studio.io.source import Cancelled, LoadCancelled, Peek, Progress, Raw, reduced

Array = npt.NDArray[Any]
Shape = tuple[int, int]

#: Images from which a shape is guessed.
_SAMPLE = 64
#: The unusual axis holds the images only when read so they are this much smoother.
_CLEARLY = 0.75
#: Larger arrays are not read both ways: every column of a large file touches all of it.
_COMPARED = 1 << 30
#: Bytes that are copied at once while loading.
_BLOCK = 1 << 24


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


def arrange(entry: ArrayEntry, read: Callable[[], Array], kind: str, options: LoadOptions, path: Path) -> Arrangement:
    """How to read an array, following `options` where they say something.

    Parameters
    ----------
    entry : ArrayEntry
    read : callable
        Gives the values; called only when they are needed for a guess.
    kind : "npy" | "npz" | "mat"
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
        return _arrange_stack(entry.shape, kind, options, path)
    order: Order = options.order or ("F" if kind == "mat" else "C")
    images_in, why = _axis_of_images(entry, read, kind, order, options)
    pixels, count = entry.shape if images_in == "columns" else entry.shape[::-1]
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
        shapes = layout.rank_shapes(_sample(read(), images_in, count), order)
        guess = f"shape guessed, the smoothest of {_listed(usual)}"
    h, w = shapes[0]
    filled = "by columns" if order == "F" else "by rows"
    note = f"{count} images of {h} x {w} in the {images_in} ({why}); {guess}; filled {filled} ({order})"
    return Arrangement(images_in, count, (h, w), order, tuple(shapes), note, True)


def _axis_of_images(
    entry: ArrayEntry, read: Callable[[], Array], kind: str, order: Order, options: LoadOptions
) -> tuple[str, str]:
    """ "columns" or "rows", and why."""
    if options.images_in is not None:
        return options.images_in, "as given"
    rows, columns = entry.shape
    if options.image_shape is not None:
        wanted = options.image_shape[0] * options.image_shape[1]
        if (rows == wanted) != (columns == wanted):
            return ("columns" if rows == wanted else "rows"), "where the given shape fits"
    usual, other = ("columns", "rows") if kind == "mat" else ("rows", "columns")
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
    return usual, f"as usual in {'MATLAB' if kind == 'mat' else 'NumPy'} files"


def _grain(values: Array, images_in: str, order: Order, shape: tuple[int, ...]) -> float:
    vectors = _sample(values, images_in, shape[1] if images_in == "columns" else shape[0])
    return layout.grain(vectors, layout.rank_shapes(vectors, order)[0], order)


def _arrange_stack(shape: tuple[int, ...], kind: str, options: LoadOptions, path: Path) -> Arrangement:
    usual = "columns" if kind == "mat" else "rows"  # the last axis or the first
    images_in, why, is_guess = usual, f"as usual in {'MATLAB' if kind == 'mat' else 'NumPy'} files", False
    square = {"rows": shape[1] == shape[2], "columns": shape[0] == shape[1]}
    other = "rows" if usual == "columns" else "columns"
    if options.images_in is not None:
        images_in, why = options.images_in, "as given"
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


def _sample(values: Array, images_in: str, count: int) -> Array:
    """Some images as columns (m, k), float64, spread over the whole; bad values count as zero."""
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(int))
    part = values[:, chosen] if images_in == "columns" else values[chosen].T
    return np.nan_to_num(np.asarray(part, dtype=np.float64), posinf=0.0, neginf=0.0)


def _take(values: Array, images_in: str, chosen: Array | None = None) -> Array:
    """Images as columns (m, k) in their raw type, all or those chosen; rows of a stack's image follow each other."""
    if images_in == "columns":
        return values if chosen is None else values[:, chosen]
    if images_in == "last axis":
        values = np.moveaxis(values, 2, 0)
    some = values if chosen is None else values[chosen]
    return some.reshape(len(some), -1).T


def _listed(shapes: list[Shape]) -> str:
    return ", ".join(f"{h}x{w}" for h, w in shapes[:4]) + (", ..." if len(shapes) > 4 else "")


def peek(path: Path, kind: str, options: LoadOptions) -> Peek:
    """What a "npy", "npz" or "mat" file holds and how it would be read.

    Raises
    ------
    DatasetError
        A damaged file, one without images, or options that do not fit.
    """
    entries = arrays.list_arrays(path, kind)
    entry = arrays.choose_array(entries, options.key, path)
    read = cache(lambda: arrays.read_array(path, kind, entry))
    found = arrange(entry, read, kind, options, path)
    if found.n_images < 2:
        raise DatasetError(
            f"{path} holds 1 image of {found.image_shape[0]} x {found.image_shape[1]}; at least 2 are needed"
        )
    dtype = float_type(entry.dtype, options.dtype)
    count = entry.nbytes // entry.dtype.itemsize
    in_columns = found.images_in in ("columns", "last axis")
    return Peek(
        path=path,
        kind=kind,
        n_images=found.n_images,
        image_shape=found.image_shape,
        order=found.order,
        images_in=found.images_in,
        dtype=entry.dtype.name,
        nbytes=count * (dtype.itemsize + 1) + (0 if kind == "npy" else entry.nbytes),
        key=entry.key,
        keys=tuple(e.key for e in entries if e.is_usable),
        shapes=found.shapes,
        note=found.note + (f' of "{entry.key}"' if sum(e.is_usable for e in entries) > 1 else ""),
        options=LoadOptions(
            image_shape=found.image_shape,
            order=found.order,
            images_in="columns" if in_columns else "rows",
            key=entry.key or None,
            negative=options.negative,
            dtype=dtype.name,  # type: ignore[arg-type]
            nonfinite=options.nonfinite,
        ),
        is_guess=found.is_guess,
    )


def load(found: Peek, progress: Progress, cancelled: Cancelled) -> Raw:
    """Read all images of an array, as `peek` has found them.

    Raises
    ------
    DatasetError
        A damaged file, or one that has changed since.
    LoadCancelled
    """
    values = _values(found)
    columns = _take(values, found.images_in)
    scale, step = unit_scale(values.dtype)
    m, n = columns.shape
    X = np.empty((m, n), dtype=found.options.dtype, order="F")
    block = max(1, _BLOCK // (m * X.itemsize))
    for a in range(0, n, block):
        if cancelled():
            raise LoadCancelled
        X[:, a : a + block] = columns[:, a : a + block]
        progress(min(n, a + block), n)
    if scale != 1.0:
        X /= X.dtype.type(scale)
    if values.dtype.kind == "f" and values.dtype != X.dtype:
        step = f"{values.dtype.name} values as {X.dtype.name}"
    return Raw(X, tuple(f"image {j + 1}" for j in range(n)), None, (step,) if step else ())


def sample(found: Peek, chosen: Array, longest: int) -> Array:
    """Some images (k, height, width), float32, reduced so that no side is much longer than `longest`."""
    h, w = found.image_shape
    rows = _take(_values(found), found.images_in, chosen).T
    stack = rows.reshape(-1, h, w) if found.order == "C" else rows.reshape(-1, w, h).transpose(0, 2, 1)
    return reduced(stack, longest)


def _values(found: Peek) -> Array:
    entry = arrays.choose_array(arrays.list_arrays(found.path, found.kind), found.key or None, found.path)
    values = arrays.read_array(found.path, found.kind, entry)
    if values.ndim != (3 if found.images_in.endswith("axis") else 2):
        raise DatasetError(f"{found.path} has changed since it was looked into; open it again")
    return values
