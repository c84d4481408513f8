"""Images of a data set for the screen: those of a file that has gone or changed meanwhile are black, never an error.

A run over such a file ends with one sentence; what is only looked at must not, least of all while Qt paints.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

#: Names of a data set that are compared, spread over it; there may be millions.
_LOOKED = 64
#: Between the parts of a name, which are kept: of what is listed, "time 7, z 3", and of files, "pos1_t007".
_LISTED, _JOINED = re.compile(r"(, )"), re.compile(r"([_-])")
#: The ending of a file's name; a number after the last point is part of the name.
_ENDING = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{1,4}$")


def columns_of(dataset: Dataset, chosen: npt.ArrayLike) -> Array:
    """Columns of X (m, k); zeros where they cannot be read any more."""
    which = np.atleast_1d(np.asarray(chosen))
    try:
        columns: Array = dataset.X[:, which]
    except (OSError, ValueError):
        columns = np.zeros((len(dataset.X), len(which)), dataset.X.dtype)
    return columns


def pictures_of(dataset: Dataset, chosen: npt.ArrayLike) -> list[Array]:
    """Images, or the curves of spectra, as they are shown."""
    return list(dataset.pictures(columns_of(dataset, chosen)))


def short_names(dataset: Dataset, images: Sequence[int]) -> tuple[str, ...]:
    """Names for little room: without the endings of files, and without what the names of the data set share.

    "time 7, z 3, channel 2" is "time 7" where z and channel are those of all others; "pos1_t007_ch1.tif" is "t007". An
    image without a name of its own is its number.
    """
    names = dataset.names
    looked = {*np.linspace(0, len(names) - 1, min(len(names), _LOOKED)).astype(int).tolist(), *map(int, images)}
    parts = {j: _parts_of(names[j]) for j in looked}
    first, last = _shared(list(parts.values()))
    ends = len(next(iter(parts.values()))) - last if parts else 0
    sample = dataset.nouns.sample
    return tuple(
        str(j + 1) if names[j] == f"{sample} {j + 1}" else "".join(parts[j][first:ends]) for j in map(int, images)
    )


def _parts_of(name: str) -> list[str]:
    """Pieces of a name, with what is between them, without the ending of a file."""
    name = _ENDING.sub("", name)
    return _LISTED.split(name) if ", " in name else _JOINED.split(name)


def _shared(names: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many pieces all names have alike at their begin and at their end, where all have as many; one differs."""
    count = len(names[0]) if names else 0
    if any(len(name) != count for name in names):
        return 0, 0
    differs = [k for k in range(count) if len({name[k] for name in names}) > 1]
    return (differs[0], count - 1 - differs[-1]) if differs else (0, 0)


def long_name(dataset: Dataset, image: int) -> str:
    """Number of an image, with its name where it has one of its own."""
    number, name = f"{dataset.nouns.sample} {image + 1}", dataset.names[image]
    return number if name == number else f"{number}, {name}"


def sample_at(dataset: Dataset, row: int, column: int) -> int:
    """The sample of a scene's pixel."""
    assert dataset.grid is not None
    height, width = dataset.grid
    return row + height * column if dataset.order == "F" else row * width + column


def place_of(dataset: Dataset, sample: int) -> tuple[int, int]:
    """Row and column of a sample in its scene."""
    assert dataset.grid is not None
    height, width = dataset.grid
    return (sample % height, sample // height) if dataset.order == "F" else divmod(sample, width)
