"""Images of a data set for the screen: those of a file that has gone or changed meanwhile are black, never an error.

A run over such a file ends with one sentence; what is only looked at must not, least of all while Qt paints.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

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


def short_name(dataset: Dataset, image: int) -> str:
    """Name of an image without the ending of its file, or its number where it has no name of its own."""
    name = dataset.names[image]
    # Little room: a shortened name shows its two ends, and the last letters before the ending are what differs.
    return str(image + 1) if name == f"{dataset.nouns.sample} {image + 1}" else _ENDING.sub("", name)


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
