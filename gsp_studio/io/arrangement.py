"""Types of the layout of an array: what is asked, hints that the file gives, and the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gsp_studio.io.axis_guess import Axes
from gsp_studio.io.dataset import DatasetError, LoadOptions, Order
from gsp_studio.io.formats import registry
from gsp_studio.io.formats.array_entry import ArrayEntry
from gsp_studio.io.images import image_file

Shape = tuple[int, int]

IN_COLOUR = ("rgb", *image_file.PLANES)


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
class Hints:
    """Layout of an array as other parts of its file say it.

    Attributes
    ----------
    bands : int
        The array's axis of bands, as it is as long as the wavelengths beside it or declared as such; -1: not said.
    image : (height, width) or None
        Of numbers of rows and columns beside the array.
    why : str
        Where that is said, in words.
    """

    bands: int = -1
    image: Shape | None = None
    why: str = ""


@dataclass(frozen=True)
class Question:
    """Arguments of `arrange`."""

    entry: ArrayEntry
    read: Callable[[], Any]
    kind: str
    options: LoadOptions
    path: Path
    is_in_parts: bool
    hints: Hints

    @property
    def usual(self) -> str:
        """The axis of the images by the format's convention."""
        return "columns" if registry.FORMATS[self.kind].is_by_columns else "rows"

    @property
    def why_usual(self) -> str:
        if self.is_of_pixels:
            return "as usual for cubes"
        return f"as usual in {registry.FORMATS[self.kind].name} files"

    @property
    def is_of_pixels(self) -> bool:
        """Whether pixels are the samples, so that images are bands."""
        return self.options.samples == "pixels"

    @property
    def is_in_colour(self) -> bool:
        return self.options.colour in IN_COLOUR

    def require_shape(self, image: Shape) -> None:
        """Raise DatasetError where the options name another image shape."""
        if self.options.image_shape not in (None, image):
            given = "x".join(map(str, self.options.image_shape))
            raise DatasetError(
                f"{self.path}: image shape {given} does not fit the stack's images of {image[0]}x{image[1]}"
            )
