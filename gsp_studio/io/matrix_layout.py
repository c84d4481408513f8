"""Layout of images in a matrix, a vector each: their axis, their shape, and the order in which a vector fills one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gsp_studio.arrays import Array
from gsp_studio.io import shape_guess
from gsp_studio.io.arrangement import IN_COLOUR, Arrangement, Hints, Question, Shape
from gsp_studio.io.axis_guess import WAYS, readings
from gsp_studio.io.dataset import DatasetError, LoadOptions, Order
from gsp_studio.io.formats.array_entry import ArrayEntry
from gsp_studio.io.formats.lazy_array import laid_out

#: The unusual axis holds the images only when read so they are this much smoother.
_CLEARLY = 0.75
#: Larger arrays are not read both ways: every column of a large file touches all of it.
_COMPARED = 1 << 30
_OF_MATRIX = ("rows", "columns", "one")


def axes_of_matrix(entry: ArrayEntry, options: LoadOptions, hints: Hints) -> tuple[int, int] | None:
    """The two axes of a matrix, of which one may be followed by an axis of length 1; None for a stack."""
    shape = entry.shape
    if len(shape) == 2:
        return 0, 1
    long = [a for a, side in enumerate(shape) if side != 1]
    if entry.is_certain or len(long) > 2:
        return None
    if len(shape) == 3 and shape[2] == 1 and shape[0] != 1 and shape[1] != 1:
        return 0, 1
    if len(long) < 2:
        return None
    if options.samples == "pixels" and options.images_in is None:  # one image has no spectra
        return long[0], long[1]
    if options.image_shape is None:
        sides = shape[long[0]], shape[long[1]]
        is_strip = max(sides) > shape_guess.LONGEST * min(sides) and min(sides) > 1
        is_told = hints.image is not None and hints.image[0] * hints.image[1] in sides
        return (long[0], long[1]) if options.images_in is None and (is_told or is_strip) else None
    fits = any(reading.image == options.image_shape for reading in readings(shape, False))
    return None if fits else (long[0], long[1])


def arrange_matrix(of: Question, axes: tuple[int, int]) -> Arrangement:
    options, path = of.options, of.path
    order: Order = options.order or ("F" if of.usual == "columns" else "C")
    sides = {"rows": of.entry.shape[axes[0]], "columns": of.entry.shape[axes[1]]}
    in_order = {"rows": axes, "columns": axes[::-1]}

    def vectors(way: str) -> Array:
        return shape_guess.sample(laid_out(of.read(), in_order[way]))

    way, why = _way_of_matrix(of, sides, lambda: laid_out(of.read(), axes), vectors, order, axes)
    if way == "one":
        return _one_grey(of, axes, why)
    if way not in in_order:
        raise DatasetError(
            f"{path}: a matrix has no {WAYS[way]} of images; accepted are its rows, its columns, one image"
        )
    count, values = sides[way], sides["columns" if way == "rows" else "rows"]
    stored = 3 if options.colour in IN_COLOUR else 1
    channels = 3 if options.colour == "rgb" else 1
    pixels = values // stored
    if pixels * stored != values:
        raise DatasetError(
            f"{path}: an image here has {values} values, which are no three times as many pixels; accepted is grey"
        )
    hints, usual = of.hints, shape_guess.candidate_shapes(pixels)
    is_told = hints.image is not None and hints.image[0] * hints.image[1] == pixels
    if options.image_shape is not None:
        shape = options.image_shape
        if shape[0] * shape[1] != pixels:
            raise DatasetError(
                f"{path}: image shape {shape[0]}x{shape[1]} has {shape[0] * shape[1]} pixels, "
                f"but an image here has {pixels} ({_listed(usual)})"
            )
        shapes, guess = [shape, *(other for other in usual if other != shape)], "shape as given"
    elif is_told:
        assert hints.image is not None
        shapes, guess = [hints.image, *(other for other in usual if other != hints.image)], f"shape as {hints.why}"
    elif len(usual) == 1:
        shapes, guess = usual, "the only usual shape"
    else:
        shapes = shape_guess.rank_shapes(vectors(way)[:pixels], order)
        guess = f"shape guessed, the smoothest of {_listed(usual)}"
    h, w = shapes[0]
    filled = "by columns" if order == "F" else "by rows"
    what = f"{count} images of {h} x {w}" + (" in colour" if channels == 3 else "")
    note = f"{what} in the {way} ({why}); {guess}; filled {filled} ({order})"
    is_given = None not in (options.images_in, options.image_shape, options.order) or is_told
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
    of: Question,
    sides: dict[str, int],
    matrix: Callable[[], Any],
    vectors: Callable[[str], Array],
    order: Order,
    axes: tuple[int, int],
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
    told = _told_way(of, pixels, axes)
    if told:
        return told, f"as {of.hints.why}"
    is_compared = entry.nbytes <= _COMPARED
    is_open = options.image_shape is None and not of.is_in_colour and is_compared and not of.is_of_pixels
    if is_open and shape_guess.is_picture(matrix, vectors, sides, order):
        return "one", "read so it is much smoother than as vectors"
    fits = {axis: shape_guess.looks_like_pixels(count) for axis, count in pixels.items()}
    if of.is_of_pixels:
        long, short = sorted(pixels, key=lambda way: -pixels[way])
        is_turned = fits[short] and is_compared and _are_spectra(vectors, long, short, fits[long], order)
        if is_turned:
            return short, "read so, an image is smooth down and across"
        return long, f"{pixels[long]} pixels, {pixels[short]} values each"
    if fits[usual] and not fits[other]:
        return usual, f"{pixels[usual]} pixels make an image, {pixels[other]} do not"
    if fits[other] and not fits[usual]:
        return other, f"{pixels[other]} pixels make an image, {pixels[usual]} do not"
    if fits[usual] and is_compared:
        grain = {axis: shape_guess.least_grain(vectors(axis), order) for axis in (usual, other)}
        if grain[other] < _CLEARLY * grain[usual]:
            return other, "read so they are much smoother"
        if _are_spectra(vectors, usual, other, True, order):
            return other, f"the {usual} are smooth as spectra are, and no images"
    return usual, of.why_usual


def _told_way(of: Question, pixels: dict[str, int], axes: tuple[int, int]) -> str:
    """The axis of the images as the file says beside the array; "" where it does not, or both would fit."""
    image, bands = of.hints.image, of.hints.bands
    if image is not None:
        fitting = [way for way, count in pixels.items() if count == image[0] * image[1]]
        if len(fitting) == 1:
            return fitting[0]
    return {axes[0]: "rows", axes[1]: "columns"}.get(bands, "")


def _are_spectra(vectors: Callable[[str], Array], way: str, other: str, has_shape: bool, order: Order) -> bool:
    """Whether vectors are curves rather than images, while those along the other axis are images."""
    if not shape_guess.is_smooth_both_ways(vectors(other), order):
        return False
    return not has_shape or shape_guess.is_smooth_one_way(vectors(way), order)


def _one_grey(of: Question, axes: tuple[int, int], why: str) -> Arrangement:
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


def _listed(shapes: list[Shape]) -> str:
    return ", ".join(f"{h}x{w}" for h, w in shapes[:4]) + (", ..." if len(shapes) > 4 else "")
