"""Images of one file of a set, as the set takes them: resized one by one, and missing where the file is damaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.images import image_file
from gsp_studio.io.images.archives import Member, Source
from gsp_studio.io.images.resize import resize_image
from gsp_studio.io.load_options import UnavailableError
from gsp_studio.io.peek import Peek
from gsp_studio.io.steps import leading_resize
from gsp_studio.io.values import shared_tops


def read_resized(source: Source, inside: str, frames: Sequence[int], found: Peek, note: image_file.Note) -> list[Array]:
    """Read images of a file of a source, and bring each to the size of the set before the next one is decoded.

    Parameters
    ----------
    source : Source
    inside : str
        The name of the file in the source.
    frames : sequence of int
        Which of its images, rising from 0.
    found : Peek
        How they are read.
    note : callable
        Called with each step in words.

    Returns
    -------
    list of ndarray (height, width) or (height, width, 3)
        Of `found.image_shape`; of NaN, which are left out like others, where the file is damaged and damage is dropped.

    Raises
    ------
    DatasetError
        A damaged file that is not to be dropped; in any case one that has changed since it was looked into, and one
        that does not fit into memory.
    """
    file = source.member(inside)
    resize = leading_resize(found.options.steps)
    tops = shared_tops(set(found.types))
    colour, dtype = found.options.colour or "grey", found.options.dtype or "float32"
    read = []
    try:
        for image in image_file.read_frames(file, frames, note, colour, dtype, tops):
            image = image if resize is None else resize_image(image, resize)
            if image.shape[:2] != found.image_shape:
                raise UnavailableError(f"{file} has changed since it was looked into; open {found.path} again")
            read.append(image)
    except UnavailableError:
        raise
    except DatasetError as error:
        if found.options.nonfinite != "drop":
            raise
        note(f"no pixels can be read from {inside}: {damage_of(file, error)}")
        shape = (*found.image_shape, 3) if found.channels == 3 else found.image_shape
        return [np.full(shape, np.nan, dtype)] * len(frames)
    return read


def damage_of(file: Member, error: DatasetError) -> str:
    """Why a file cannot be read, by its name in its source."""
    return str(error).replace(str(file), file.inside).partition("; accepted")[0]
