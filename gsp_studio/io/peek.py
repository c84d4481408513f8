"""Types shared by all readers: the description of a source and its raw values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import DatasetError, LoadOptions
from gsp_studio.io.steps import CUT, StepError, argument_of, proposed_patches, shape_after

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


#: Source of labels that a format has a place of its own for.
OF_FILE = "the file"


class LoadCancelled(Exception):
    """Loading was cancelled by the user; nothing was kept."""


@dataclass(frozen=True)
class Peek:
    """Description of a source, and of how it would be read.

    Attributes
    ----------
    path : Path
    kind : str
        "images", or a name in `formats.registry.FORMATS`.
    n_images : int
    image_shape : (height, width)
    order : "C" | "F"
    images_in : str
        "files"; "columns", "rows" of a matrix; "first axis", "middle axis", "last axis" of a stack; "one image" where
        an array is one.
    dtype : str
        Of the raw values.
    nbytes : int
        Memory that loading takes at its height, in bytes.
    key : str
        The array that is read, "" where there is only one.
    keys : tuple of str
        The arrays that could be read instead.
    key_texts : tuple of str
        Description of each of these: "train/data (7291 x 256, float64)".
    shapes : tuple of (height, width)
        Plausible image shapes, the one in force first; one where the source is unambiguous.
    note : str
        All of this in one line, with the reasons of guesses.
    options : LoadOptions
        The choice in full: ``load_dataset(path, options=peek.options)`` loads just this.
    is_guess : bool
        Whether the layout should be shown before it is accepted.
    notes : tuple of str
        Notes for the user before loading, a sentence each: images that are left out, for example.
    files : tuple of (str, int)
        Of image files, the images that are read, in order: the file's name in its folder or archive, and which of its
        frames.
    types : tuple of str
        Of image files, the types of their values as they are stored.
    channels : int
        Values a pixel: 1, or 3 for colour.
    has_colour : bool
        Whether it could be read in colour, or in grey, as `LoadOptions.colour` says.
    picked : range
        Which of the source's images are read, of `n_held`.
    n_held : int
        Images that the source holds.
    is_mapped : bool
        Whether parts of it can be read alone, so that it need not be loaded.
    usual_storage : "memory" | "disk"
        Default place of the images.
    label_source : str
        Where labels come from: "folders", an array of the file, `OF_FILE`, or "" where there are none.
    label_keys : tuple of str
        The arrays that labels could come from.
    axes, channel
        Of an array, as in `axis_guess.Reading`.
    pages : int
        Images that belong together and follow each other: those in each of several files, where all hold as many, or
        the planes or channels of a moment; 1 where there are none.
    page_names : tuple of str
        Of the images of a moment, "z 3, channel 2"; empty where they have none.
    apart : int
        How far the images of a moment lie apart: 1 where they follow each other, else the number of moments.
    ways : tuple of str
        Values that `LoadOptions.images_in` can have for it.
    image_axes : tuple of Axis
        Of the images as they are stored: before `subset` and `steps`.
    """

    path: Path
    kind: str
    n_images: int
    image_shape: tuple[int, int]
    order: Literal["C", "F"]
    images_in: str
    dtype: str
    nbytes: int
    key: str
    keys: tuple[str, ...]
    shapes: tuple[tuple[int, int], ...]
    note: str
    options: LoadOptions
    is_guess: bool = False
    notes: tuple[str, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    types: tuple[str, ...] = ()
    channels: int = 1
    has_colour: bool = False
    picked: range = range(0)
    n_held: int = 0
    is_mapped: bool = False
    usual_storage: Literal["memory", "disk"] = "memory"
    label_source: str = ""
    label_keys: tuple[str, ...] = ()
    key_texts: tuple[str, ...] = ()
    axes: tuple[int, ...] = ()
    channel: int = -1
    ways: tuple[str, ...] = ()
    pages: int = 1
    page_names: tuple[str, ...] = ()
    apart: int = 1
    image_axes: tuple[Axis, ...] = ()

    @property
    def shape_after(self) -> tuple[int, int]:
        """Shape of the images after the steps, (1, bands) of spectra; their own where a step does not fit."""
        return self._after[0]

    @property
    def count_after(self) -> int:
        """Images after the steps."""
        return self._after[1]

    def shown(self, count: int) -> list[int]:
        """Which images are shown in a look at it: spread over the whole; the first, where planes may be mixed."""
        if self.pages > 1 and self.options.subset is None:
            first = min(count, self.n_images)
            if self.apart == 1:
                return list(range(first))
            moments, pages = range(max(1, first // self.pages)), range(min(first, self.pages))
            return [page * self.apart + moment for page in pages for moment in moments]
        spread = np.linspace(0, self.n_images - 1, max(1, min(count, self.n_images)))
        return [int(k) for k in np.unique(spread.astype(int))]

    def subset_of_page(self, page: int) -> tuple[int, int, int]:
        """The images of one plane or channel, as `LoadOptions.subset`."""
        if self.apart > 1:
            return page * self.apart, (page + 1) * self.apart, 1
        return page, self.n_held, self.pages

    def moment_and_page(self, image: int) -> tuple[int, int]:
        """The moment of an image, and which of the images of that it is."""
        if self.apart > 1:
            return image % self.apart, image // self.apart
        return image // self.pages, image % self.pages

    def name_of_page(self, page: int) -> str:
        """Name of a plane or channel, "z 3, channel 2", or its number: "plane 2"."""
        return self.page_names[page] if self.page_names else f"plane {page + 1}"

    @property
    def is_one(self) -> bool:
        """Whether it is one image and stays so after the steps: nothing to factorize unless it is cut."""
        return self.count_after < 2 and self.options.samples != "pixels"

    @property
    def in_patches(self) -> LoadOptions:
        """Its options with one more step that cuts patches, as is proposed for one image."""
        return replace(self.options, steps=(*self.options.steps, proposed_patches(self.shape_after)))

    @property
    def _after(self) -> tuple[tuple[int, int], int]:
        shape, count = self.image_shape, self.n_images
        with suppress(StepError):  # which loading reports
            shape, count = shape_after(self.options.steps, self.image_shape, self.n_images)
        if self.options.samples == "pixels":
            return (1, count), shape[0] * shape[1]
        return shape, count


@dataclass(frozen=True, eq=False)
class Raw:
    """Raw values as columns X (m, n) of the final floating type, writeable; the rest as in Dataset.

    `is_named`: the names are the source's own, and no numbers.
    """

    X: Any
    names: Sequence[str]
    labels: Sequence[str] | None = None
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_named: bool = False


def require_several(found: Peek) -> None:
    """Raise DatasetError where a source and its steps give one image: it says how that is cut into patches."""
    if found.is_one:
        height, width = found.image_shape
        told = (
            f"{found.path} holds 1 image of {height} x {width}; a factorization needs at least 2: open the folder that "
            f"holds your images, or add {CUT}, as {argument_of(proposed_patches(found.image_shape))}"
        )
        raise DatasetError("; ".join((told, *found.notes)))


def subset_of(subset: tuple[int, int, int] | None, count: int, where: str) -> range:
    """The images of `count` that are read: all for None.

    Raises
    ------
    DatasetError
        A subset that begins behind the last image.
    """
    chosen = range(count) if subset is None else range(count)[slice(*subset)]
    if not chosen:
        raise DatasetError(f"{where}: the subset begins at image {subset and subset[0]}, counted from 0, of {count}")
    return chosen


def mixed_pages(where: str, pages: int, apart: int = 1) -> str:
    """A note on planes or channels that are all read as images of one set; `where`: "each of 20 files holds"."""
    one = f"every {pages}" if apart == 1 else f"images 1 to {apart}, or of the next {apart},"
    return f"{where} {pages} images (planes or channels): all are read; a subset of {one} reads one of each"


def shrink(images: Array, longest: int) -> Array:
    """Images made smaller for a look at them.

    Parameters
    ----------
    images : ndarray (k, h, w) or (k, h, w, 3), real numbers
    longest : int
        Pixels that no side should exceed by much.

    Returns
    -------
    ndarray (k, h // by, w // by) or (k, h // by, w // by, 3), float32
        Averages over whole blocks of by x by pixels; NaN and infinite values count as 0.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.nan_to_num(np.asarray(images, dtype=np.float32), posinf=0.0, neginf=0.0)
    k, h, w, *rest = values.shape
    by = max(1, max(h, w) // longest)
    height, width = max(1, h // by), max(1, w // by)
    if by == 1 or h < by or w < by:
        return values
    blocks = values[:, : height * by, : width * by].reshape(k, height, by, width, by, *rest)
    smaller: Array = blocks.mean(axis=(2, 4), dtype=np.float32)
    return smaller
