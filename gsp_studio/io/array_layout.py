"""Layout of the images in an array: their axis, their shape, and the order in which a vector fills one.

Options that are given are followed; the others are guessed from the shape and the values, with the reason in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gsp_studio.arrays import Array
from gsp_studio.io import shape_guess
from gsp_studio.io.axis_guess import FEW, WAYS, Axes, Reading, readings
from gsp_studio.io.dataset import DatasetError, LoadOptions, Order
from gsp_studio.io.formats import registry
from gsp_studio.io.formats.array_entry import ArrayEntry
from gsp_studio.io.formats.lazy_array import laid_out
from gsp_studio.io.images import image_file

Shape = tuple[int, int]

#: The unusual axis holds the images only when read so they are this much smoother.
_CLEARLY = 0.75
#: Larger arrays are not read both ways: every column of a large file touches all of it.
_COMPARED = 1 << 30
#: More is not read for a guess about a stack.
_READ = 1 << 28
_IN_COLOUR = ("rgb", *image_file.PLANES)
_OF_MATRIX = ("rows", "columns", "one")


@dataclass(frozen=True)
class Arrangement:
    """Layout of an array: the axis of its images, their shape and order, other shapes, and the reasons in words.

    Attributes
    ----------
    images_in : str
        "columns", "rows" of a matrix; of a stack "first axis", "middle axis", "last axis"; "one image".
    n_images : int
    image_shape : (height, width)
    order : "C" | "F"
    shapes : tuple of (height, width)
        Others that an image could have, the one in force first.
    note : str
        All of this in one line.
    is_guess : bool
        Whether neither the file nor the options nor a convention without exception says it.
    axes, channel
        As in `axis_guess.Reading`.
    channels : int
        Values a pixel of the images that are read: 1, or 3 for colour.
    way : str
        The same as `images_in` as `LoadOptions` has it.
    ways : tuple of str
        Values that `LoadOptions.images_in` can have for this array.
    """

    images_in: str
    n_images: int
    image_shape: Shape
    order: Order
    shapes: tuple[Shape, ...]
    note: str
    is_guess: bool
    axes: Axes
    channel: int = -1
    channels: int = 1
    way: str = "rows"
    ways: tuple[str, ...] = ("rows", "columns")


@dataclass(frozen=True)
class _Question:
    """Arguments of `arrange`."""

    entry: ArrayEntry
    read: Callable[[], Any]
    kind: str
    options: LoadOptions
    path: Path
    is_in_parts: bool

    @property
    def usual(self) -> str:
        """The axis of the images by the format's convention."""
        return "columns" if registry.FORMATS[self.kind].is_by_columns else "rows"

    @property
    def why_usual(self) -> str:
        return f"as usual in {registry.FORMATS[self.kind].name} files"

    @property
    def is_in_colour(self) -> bool:
        return self.options.colour in _IN_COLOUR

    def require_shape(self, image: Shape) -> None:
        """Raise DatasetError where the options name another image shape."""
        if self.options.image_shape not in (None, image):
            given = "x".join(map(str, self.options.image_shape))
            raise DatasetError(
                f"{self.path}: image shape {given} does not fit the stack's images of {image[0]}x{image[1]}"
            )


def arrange(
    entry: ArrayEntry,
    read: Callable[[], Any],
    kind: str,
    options: LoadOptions,
    path: Path,
    is_in_parts: bool = True,
) -> Arrangement:
    """Choose the layout of an array, following `options` where they are given.

    Parameters
    ----------
    entry : ArrayEntry
    read : callable
        Gives the values, an array or a `LazyArray`; called only when they are needed for a guess.
    kind : str
        A name in `registry.FORMATS`.
    options : LoadOptions
    path : Path
        For errors.
    is_in_parts : bool
        Whether a part of the values can be had without reading all of them.

    Raises
    ------
    DatasetError
        Options that do not fit the array.

    Notes
    -----
    MATLAB files keep an image a column, filled column by column, and stacks (height, width, image); NumPy files an
    image a row, filled row by row, and stacks (image, height, width). A matrix that could be either is read the other
    way when its images are much smoother then. Of a stack whose file does not say which axis is which, the two axes of
    an image are those along which neighbours differ alike, as they do in pictures; an array with a last axis of 3 is a
    photograph.
    """
    of = _Question(entry, read, kind, options, path, is_in_parts)
    axes = _axes_of_matrix(entry, options)
    return _arrange_stack(of) if axes is None else _arrange_matrix(of, axes)


def _axes_of_matrix(entry: ArrayEntry, options: LoadOptions) -> tuple[int, int] | None:
    """The two axes of a matrix, of which one may be followed by an axis of length 1; None for a stack."""
    shape = entry.shape
    if len(shape) == 2:
        return 0, 1
    long = [a for a, side in enumerate(shape) if side != 1]
    if entry.is_certain or len(long) > 2:
        return None
    if len(shape) == 3 and shape[2] == 1 and shape[0] != 1 and shape[1] != 1:
        return 0, 1
    if options.image_shape is None or len(long) < 2:
        return None
    fits = any(reading.image == options.image_shape for reading in readings(shape, False))
    return None if fits else (long[0], long[1])


# Matrices


def _arrange_matrix(of: _Question, axes: tuple[int, int]) -> Arrangement:
    options, path = of.options, of.path
    order: Order = options.order or ("F" if of.usual == "columns" else "C")
    sides = {"rows": of.entry.shape[axes[0]], "columns": of.entry.shape[axes[1]]}
    in_order = {"rows": axes, "columns": axes[::-1]}

    def vectors(way: str) -> Array:
        return shape_guess.sample(laid_out(of.read(), in_order[way]))

    way, why = _way_of_matrix(of, sides, lambda: laid_out(of.read(), axes), vectors, order)
    if way == "one":
        return _one_grey(of, axes, why)
    if way not in in_order:
        raise DatasetError(
            f"{path}: a matrix has no {WAYS[way]} of images; accepted are its rows, its columns, one image"
        )
    count, values = sides[way], sides["columns" if way == "rows" else "rows"]
    stored = 3 if options.colour in _IN_COLOUR else 1
    channels = 3 if options.colour == "rgb" else 1
    pixels = values // stored
    if pixels * stored != values:
        raise DatasetError(
            f"{path}: an image here has {values} values, which are no three times as many pixels; accepted is grey"
        )
    usual = shape_guess.candidate_shapes(pixels)
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
        shapes = shape_guess.rank_shapes(vectors(way)[:pixels], order)
        guess = f"shape guessed, the smoothest of {_listed(usual)}"
    h, w = shapes[0]
    filled = "by columns" if order == "F" else "by rows"
    what = f"{count} images of {h} x {w}" + (" in colour" if channels == 3 else "")
    note = f"{what} in the {way} ({why}); {guess}; filled {filled} ({order})"
    is_given = None not in (options.images_in, options.image_shape, options.order)
    return Arrangement(
        images_in=way,
        n_images=count,
        image_shape=(h, w),
        order=order,
        shapes=tuple(shapes),
        note=note,
        is_guess=not is_given,
        axes=in_order[way],
        channels=channels,
        way=way,
        ways=_OF_MATRIX,
    )


def _way_of_matrix(
    of: _Question, sides: dict[str, int], matrix: Callable[[], Any], vectors: Callable[[str], Array], order: Order
) -> tuple[str, str]:
    """ "columns", "rows" or "one", and why."""
    options, entry = of.options, of.entry
    if options.images_in is not None:
        return options.images_in, "as given"
    pixels = {"columns": sides["rows"], "rows": sides["columns"]}
    if options.image_shape is not None:
        wanted = options.image_shape[0] * options.image_shape[1] * (3 if of.is_in_colour else 1)
        fitting = [way for way in pixels if pixels[way] == wanted]
        if len(fitting) == 1:
            return fitting[0], "where the given shape fits"
        if not fitting and (sides["rows"], sides["columns"]) == options.image_shape:
            return "one", "where the given shape fits"
    usual, other = ("columns", "rows") if of.usual == "columns" else ("rows", "columns")
    is_compared = entry.nbytes <= _COMPARED
    is_open = options.image_shape is None and not of.is_in_colour and is_compared
    if is_open and shape_guess.is_picture(matrix, vectors, sides, order):
        return "one", "read so it is much smoother than as vectors"
    fits = {axis: shape_guess.looks_like_pixels(count) for axis, count in pixels.items()}
    if fits[usual] and not fits[other]:
        return usual, f"{pixels[usual]} pixels make an image, {pixels[other]} do not"
    if fits[other] and not fits[usual]:
        return other, f"{pixels[other]} pixels make an image, {pixels[usual]} do not"
    if fits[usual] and is_compared:
        grain = {axis: shape_guess.least_grain(vectors(axis), order) for axis in (usual, other)}
        if grain[other] < _CLEARLY * grain[usual]:
            return other, "read so they are much smoother"
    return usual, of.why_usual


def _one_grey(of: _Question, axes: tuple[int, int], why: str) -> Arrangement:
    """A matrix as one image."""
    image = (of.entry.shape[axes[0]], of.entry.shape[axes[1]])
    if of.is_in_colour:
        raise DatasetError(f"{of.path}: a matrix that is one image is grey; accepted is grey")
    of.require_shape(image)
    return Arrangement(
        images_in=WAYS["one"],
        n_images=1,
        image_shape=image,
        order="C",
        shapes=(image,),
        note=f"1 image of {image[0]} x {image[1]}, all of the array ({why})",
        is_guess=of.options.images_in is None and of.options.image_shape is None,
        axes=(-1, *axes),
        way="one",
        ways=_OF_MATRIX,
    )


# Stacks


def _arrange_stack(of: _Question) -> Arrangement:
    options = of.options
    found = readings(of.entry.shape, of.usual == "columns")
    reading, why, is_guess = _chosen(of, found)
    of.require_shape(reading.image)
    if reading.colours == 1 and of.is_in_colour:
        raise DatasetError(
            f"{of.path}: a stack of {len(of.entry.shape)} dimensions holds grey images; accepted is grey"
        )
    h, w = reading.image
    where = WAYS[reading.way]
    channels = 3 if reading.colours == 3 and options.colour in (None, "rgb") else 1
    what = f"{reading.count} image{'' if reading.count == 1 else 's'} of {h} x {w}"
    if reading.colours == 3:
        what += " in colour" if channels == 3 else f" made grey ({image_file.made_grey(options.colour)})"
    note = f"{what}, {'all of the array' if reading.count == 1 else f'a stack along its {where}'} ({why})"
    return Arrangement(
        images_in=where,
        n_images=reading.count,
        image_shape=(h, w),
        order="C",
        shapes=((h, w),),
        note=note,
        is_guess=is_guess,
        axes=reading.axes,
        channel=reading.channel if reading.colours == 3 else -1,
        channels=channels,
        way=reading.way,
        ways=tuple(way for way in WAYS if any(other.way == way for other in found)) if not of.entry.is_certain else (),
    )


def _chosen(of: _Question, found: list[Reading]) -> tuple[Reading, str, bool]:
    """One of several readings, why, and whether that is a guess."""
    options = of.options
    if options.images_in is not None:
        given = [reading for reading in found if reading.way == options.images_in]
        if not given:
            said = " x ".join(map(str, of.entry.shape))
            lack = "images" if options.images_in != "one" else "image"
            raise DatasetError(f"{of.path}: the {lack} of a {said} stack, read so, have no axis of 3 colours")
        return given[0], "as given", False
    if of.entry.is_certain:
        return found[0], "as the file says", False
    if options.image_shape is not None:
        fitting = [reading for reading in found if reading.image == options.image_shape]
        if len(fitting) == 1:
            return fitting[0], "where the given shape fits", False
    if of.is_in_colour:
        found = [reading for reading in found if reading.colours == 3] or found
    usual = found[0]
    if usual.channel >= 0 and usual.way != "one":
        why = of.why_usual if usual.way == of.usual else f"as an axis is {usual.colours}"
        return usual, why, len(found) > 1 or usual.count == 1
    return _chosen_of_grey(of, found)


def _chosen_of_grey(of: _Question, found: list[Reading]) -> tuple[Reading, str, bool]:
    """Choose between a stack of grey images and one photograph; the first reading is the usual one."""
    usual = found[0]
    photograph = next((one for one in found if one.way == "one" and one.channel == 2), None)
    if photograph is not None and min(photograph.image) > FEW:
        return photograph, "as the last axis is 3", True
    if usual.is_lopsided:
        whole = [one for one in found if one.way != "one" and one.count <= FEW < min(one.image)]
        whole = [one for one in whole if one.count > 1 or one.way == "rows"]
        if whole:
            return whole[0], "so they are no strips", True
    stacks = [one for one in found if one.way != "one" and one.count > 1 and min(one.image) > 1]
    is_doubtful = usual.count in (1, 3)  # which could be one photograph
    square = [one for one in stacks if one.image[0] == one.image[1]]
    if len(square) == 1 and square[0] is usual:
        return usual, of.why_usual, is_doubtful
    odd = _odd_reading(of, stacks) if len(stacks) == 3 else None
    if odd is usual:
        return usual, of.why_usual, is_doubtful
    if odd is not None:
        return odd, "read so, neighbours differ alike down and across an image", True
    if len(square) == 1:
        return square[0], "so they are square", True
    is_alone = usual.is_usual and not any(one.is_usual for one in stacks if one is not usual)
    return usual, of.why_usual, is_doubtful or not is_alone


def _odd_reading(of: _Question, stacks: list[Reading]) -> Reading | None:
    """Find the reading that the values clearly favour; None without one."""
    if of.entry.nbytes > _READ and not of.is_in_parts:
        return None
    values = laid_out(of.read(), stacks[0].axes)
    most = _READ // max(1, of.entry.nbytes // len(values))
    if most < 2:
        return None
    *each, _ = shape_guess.differences(shape_guess.block(values, shape_guess.BLOCK, most))
    axis = shape_guess.odd_axis(each)
    return None if axis is None else next(one for one in stacks if one.axes[0] == stacks[0].axes[axis])


def _listed(shapes: list[Shape]) -> str:
    return ", ".join(f"{h}x{w}" for h, w in shapes[:4]) + (", ..." if len(shapes) > 4 else "")
