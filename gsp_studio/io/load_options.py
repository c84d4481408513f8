"""LoadOptions: choices for reading a source, checked when they are made; and the error of all readers."""

from __future__ import annotations

import operator
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

from gsp_studio.io.axes import Axis, AxisError, as_axes
from gsp_studio.io.steps import Step, StepError, as_step

Order = Literal["C", "F"]
Colour = Literal["grey", "rgb", "red", "green", "blue"]


class DatasetError(ValueError):
    """A data set that cannot be used; the message is one sentence: what, where, and what is accepted.

    Parameters
    ----------
    message : str
        Shown on one line, whatever the names of files in it hold.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """Text with an escape for each line break, control character and undecodable byte of a file's name.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Can be printed and encoded.
    """
    told = ("Cc", "Cs", "Zl", "Zp")
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in told else c for c in text)


class UnavailableError(DatasetError):
    """Data that need not be damaged: memory is too small for them, or they have changed since they were looked into."""


@dataclass(frozen=True)
class LoadOptions:
    """Choices for reading a source; None: as the reader proposes.

    Attributes
    ----------
    image_shape : (height, width)
        For sources that hold images as vectors; of a folder with images of several sizes, those to read.
    order : "C" | "F"
        How a vector fills its image: row by row, or column by column as MATLAB does.
    images_in : "columns" | "rows" | "middle" | "one"
        Where a matrix keeps its images; of a stack its last, first or middle axis; "one": the array is one image.
    key : str
        Which array of a file that holds several.
    negative : "clip" | "shift" | "abs"
        Treatment of negative values: set to 0, subtract the smallest value from all, or take absolute values.
        None refuses them.
    nonfinite : "zero" | "drop"
        Treatment of NaN and infinite values: set to 0, or leave out the images that hold any, and those of image files
        that are damaged. None refuses both.
    dtype : "float32" | "float64"
        The type to compute in.
    colour : "grey" | "rgb" | "red" | "green" | "blue"
        Treatment of images in colour: made grey, kept as red, green and blue, or one of these three alone.
    subset : (start, stop, step)
        Which images, or frames, as a slice of Python has it: from `start`, counted from 0, up to but not including
        `stop`, every `step`-th.
    labels : str
        "" for none; else the array of the file that has a label for each image. None: as the reader proposes.
    storage : "memory" | "disk"
        Whether images are loaded, or stay in their file and are read in blocks in every iteration. None: they stay
        where they are large and the format allows it.
    samples : "images" | "pixels"
        Meaning of a sample: an image, or a pixel with its value in every image, as in hyperspectral cubes: a column
        of X is then the spectrum of a pixel. None: an image.
    axes : tuple of Axis
        Axes as the user gives them, in place of those that the file declares; of the images as they are stored, before
        `subset` and `steps`. A dict as run.json has it is an axis, too.
    steps : tuple of Step
        Preprocessing of the images, in this order, see `steps`; a dict as run.json has it is a step, too.

    Raises
    ------
    DatasetError
        A value that is not accepted.
    """

    image_shape: tuple[int, int] | None = None
    order: Order | None = None
    images_in: Literal["columns", "rows", "middle", "one"] | None = None
    key: str | None = None
    negative: Literal["clip", "shift", "abs"] | None = None
    dtype: Literal["float32", "float64"] | None = None
    nonfinite: Literal["zero", "drop"] | None = None
    colour: Colour | None = None
    steps: tuple[Step, ...] = ()
    subset: tuple[int, int, int] | None = None
    labels: str | None = None
    storage: Literal["memory", "disk"] | None = None
    samples: Literal["images", "pixels"] | None = None
    axes: tuple[Axis, ...] = ()

    def __post_init__(self) -> None:
        for name, accepted in _CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in accepted:
                raise DatasetError(f'{name} is "{value}"; accepted are {", ".join(accepted)}')
        if self.subset is not None:
            object.__setattr__(self, "subset", _checked_subset(self.subset))
        if self.image_shape is not None:
            object.__setattr__(self, "image_shape", _checked_shape(self.image_shape))
        try:
            object.__setattr__(self, "steps", tuple(map(as_step, self.steps)))
            object.__setattr__(self, "axes", as_axes(self.axes))
        except (StepError, AxisError) as error:
            raise DatasetError(str(error)) from error


_CHOICES = {
    "order": ("C", "F"),
    "images_in": ("columns", "rows", "middle", "one"),
    "negative": ("clip", "shift", "abs"),
    "dtype": ("float32", "float64"),
    "nonfinite": ("zero", "drop"),
    "colour": ("grey", "rgb", "red", "green", "blue"),
    "storage": ("memory", "disk"),
    "samples": ("images", "pixels"),
}


def _checked_subset(subset: Any) -> tuple[int, int, int]:
    """A (start, stop, step) that makes sense, as plain ints."""
    try:
        start, stop, step = (operator.index(part) for part in subset)
    except (TypeError, ValueError):
        start = stop = step = -1
    if not 0 <= start < stop or step < 1:
        raise DatasetError(f"subset is {subset}; accepted are three whole numbers: start >= 0, stop > start, step >= 1")
    return start, stop, step


def _checked_shape(shape: Any) -> tuple[int, int]:
    """A (height, width) of two positive whole numbers, as plain ints."""
    try:
        height, width = (operator.index(side) for side in shape)
    except (TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise DatasetError(f"image shape is {shape}; accepted are two whole numbers >= 1, height and width")
    return height, width
