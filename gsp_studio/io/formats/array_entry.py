"""Types of the readers of arrays: an array as the headers of its file describe it, and the functions of a reader."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.axes import Axis
from gsp_studio.io.axis_guess import is_arrangement
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.lazy_array import LazyArray

NUMERIC = "biuf"
#: An axis for each dimension of an array, None where the file declares nothing, and notes, a sentence each.
DeclaredAxes = tuple[tuple[Axis | None, ...], tuple[str, ...]]
#: Usual names of an array that labels the images of another one.
LABELS = ("target", "targets", "label", "labels", "class", "classes", "y", "gnd")


@dataclass(frozen=True)
class ArrayEntry:
    """An array in a file: its name ("" where the file has one only), shape and type; `kind` names other contents.

    Arrays of a `kind` (Python objects, MATLAB cells) are listed so that an error message can name them. `is_certain`:
    the file says which axis holds the images, so that nothing is guessed. `notes`: a sentence for each decision of the
    reader that a user should know. `is_declared`: the file says that this one of its arrays is the data.
    """

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    kind: str = ""
    is_certain: bool = False
    notes: tuple[str, ...] = ()
    is_declared: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_usable(self) -> bool:
        """Whether it can hold images: numbers, a matrix or a stack, not empty."""
        is_numeric = not self.kind and self.dtype.kind in NUMERIC
        return is_numeric and is_arrangement(self.shape) and min(self.shape) > 0

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.shape)) or "single value"
        return f"{self.key or 'array'} ({shape}, {self.kind or self.dtype})"


def _none(path: Path, entry: ArrayEntry) -> None:
    return None


@dataclass(frozen=True)
class Format:
    """A kind of file that holds arrays: its row in `registry.FORMATS`.

    Attributes
    ----------
    name : str
        For messages: "MATLAB".
    recognises : (path, first 128 bytes) -> bool
        Whether a file or folder is of this kind, by its content, and by its suffix where the content leaves it open.
    suffixes : tuple of str
        Usual ends of its names, with the dot, as dialogs offer them.
    list : path -> list of ArrayEntry
        From its headers.
    read : (path, ArrayEntry) -> ndarray of the entry's shape, or None
        None: by way of `open`.
    resembles_images : bool
        Whether its files could be taken for images, archives or folders of these, so that it comes before them.
    is_by_columns : bool
        Whether matrices usually hold an image a column, filled column by column, and stacks the images last.
    is_plain : bool
        Whether values lie in the file as they are, so that parts of it are read as fast as the whole.
    open : (path, ArrayEntry) -> LazyArray, or None
        An array that stays in its file; None where that cannot be.
    parts : str
        For messages, those of its files that `open` reads in parts: "MATLAB 7.3"; "" for none.
    axes : (path, ArrayEntry) -> ((Axis or None, ...), (str, ...))
        An axis for each dimension of the entry, whatever `Axis.dimension` says, None where the file declares nothing;
        all of it empty where it declares none. And notes on what it declares that cannot be.
    names, labels : (path, ArrayEntry) -> tuple of str, or None
        Of the images, where the file has them.
    notes : (path, ArrayEntry) -> tuple of str
        How the array is read, where that is more than taking its values, a sentence each.
    canonical_key : (path, key) -> str
        The name by which `list` has the array of another name; that name itself where there is none.
    """

    name: str
    recognises: Callable[[Path, bytes], bool]
    suffixes: tuple[str, ...]
    list: Callable[[Path], list[ArrayEntry]]
    read: Callable[[Path, ArrayEntry], Array] | None = None
    resembles_images: bool = False
    is_by_columns: bool = False
    is_plain: bool = False
    open: Callable[[Path, ArrayEntry], LazyArray | None] = _none
    parts: str = ""
    names: Callable[[Path, ArrayEntry], tuple[str, ...] | None] = _none
    labels: Callable[[Path, ArrayEntry], tuple[str, ...] | None] = _none
    axes: Callable[[Path, ArrayEntry], DeclaredAxes] = lambda path, entry: ((), ())
    notes: Callable[[Path, ArrayEntry], tuple[str, ...]] = lambda path, entry: ()
    canonical_key: Callable[[Path, str], str] = lambda path, key: key

    @property
    def has_labels(self) -> bool:
        """Whether its files can label their images, other than by an array of labels."""
        return self.labels is not _none


def require_held(entry: ArrayEntry, path: Path, most: int) -> None:
    """Raise DatasetError when a file of `most` bytes, decompressed, cannot hold what its header declares."""
    if entry.nbytes > most:
        raise DatasetError(f"{path}: its header declares {entry}, {entry.nbytes} bytes, but it holds at most {most}")
