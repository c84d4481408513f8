"""Layout of the images in an array: their axis, their shape, and the order in which a vector fills one.

Options that are given are followed, then what the file says; the rest is guessed from the shape and the values, with
the reason in words. Matrices are laid out in `matrix_layout`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gsp_studio.io import shape_guess
from gsp_studio.io.arrangement import Arrangement, Hints, Question
from gsp_studio.io.axis_guess import FEW, WAYS, Reading, readings
from gsp_studio.io.dataset import DatasetError, LoadOptions
from gsp_studio.io.formats.array_entry import ArrayEntry
from gsp_studio.io.formats.lazy_array import laid_out
from gsp_studio.io.images import image_file
from gsp_studio.io.matrix_layout import arrange_matrix, axes_of_matrix

#: More is not read for a guess about a stack.
_READ = 1 << 28


def arrange(
    entry: ArrayEntry,
    read: Callable[[], Any],
    kind: str,
    options: LoadOptions,
    path: Path,
    is_in_parts: bool = True,
    hints: Hints | None = None,
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
    hints : Hints, optional
        Layout as other parts of the file say it.

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
    of = Question(entry, read, kind, options, path, is_in_parts, hints or Hints())
    axes = axes_of_matrix(entry, options, of.hints)
    return _arrange_stack(of) if axes is None else arrange_matrix(of, axes)


def _arrange_stack(of: Question) -> Arrangement:
    options = of.options
    found = _readings(of)
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


def _readings(of: Question) -> list[Reading]:
    """All ways to read the array; where pixels are the samples, an axis of 3 or 1 is none of colours."""
    shape, options = of.entry.shape, of.options
    found = readings(shape, of.usual == "columns")
    long = [a for a, side in enumerate(shape) if side != 1]
    if not of.is_of_pixels or of.is_in_colour or of.entry.is_certain or not 2 < len(shape) or len(long) > 3:
        return found
    bands = [one for one in found if one.channel < 0 and one.way != "one"]
    if len(long) == 3 and len(shape) > 3:
        bands = [
            replace(one, axes=tuple(long[a] for a in one.axes))
            for one in readings(tuple(shape[a] for a in long), of.usual == "columns")
            if one.way != "one"
        ]
    several = [one for one in bands if one.count > 1]
    if options.images_in is None and options.image_shape is None and len(several) > 1:
        few = [one for one in several if one.count <= FEW < min(one.image)]
        first = few[0].way if len(few) == 1 else "columns"  # cubes usually have their bands last
        return sorted(several, key=lambda one: one.way != first)
    return bands or found


def _chosen(of: Question, found: list[Reading]) -> tuple[Reading, str, bool]:
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
    told = [reading for reading in found if reading.axes[0] == of.hints.bands >= 0 and reading.colours == 1]
    if len(told) == 1 and not of.is_in_colour:
        return told[0], f"as {of.hints.why}", False
    if of.is_in_colour:
        found = [reading for reading in found if reading.colours == 3] or found
    usual = found[0]
    if usual.channel >= 0 and usual.way != "one":
        why = of.why_usual if usual.way == of.usual else f"as an axis is {usual.colours}"
        return usual, why, len(found) > 1 or usual.count == 1
    return _chosen_of_grey(of, found)


def _chosen_of_grey(of: Question, found: list[Reading]) -> tuple[Reading, str, bool]:
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


def _odd_reading(of: Question, stacks: list[Reading]) -> Reading | None:
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
