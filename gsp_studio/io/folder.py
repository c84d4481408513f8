"""Folders of image files: natural order, one size, class folders as labels, nothing read from outside.

What is read and what is left out is decided once, from the headers, and told: files that do not claim to be images,
images of another size than most, single files that are clearly no part of the set. Links to folders are not followed,
nor are links to files outside the folder: what a folder holds must not depend on what lies elsewhere.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gsp_studio.io import images
from gsp_studio.io.dataset import DatasetError, LoadOptions
from gsp_studio.io.images import Header
from gsp_studio.io.preprocess import float_type
from gsp_studio.io.source import Cancelled, LoadCancelled, Peek, Progress, Raw, reduced

Array = npt.NDArray[Any]

#: A file of another format, and in colour among grey ones or grey among coloured, is foreign beside this share.
_NEARLY_ALL = 0.95


@dataclass(frozen=True)
class Choice:
    """The image files of a folder that are read, in order, their headers, and what is left out, a sentence each."""

    files: tuple[Path, ...]
    headers: tuple[Header, ...]
    notes: tuple[str, ...]


def scan(path: Path) -> tuple[list[Path], list[str]]:
    """Find the images of a folder and of the folders in it.

    Returns
    -------
    files : list of Path
        In natural order.
    skipped : list of str
        Other files, relative to the folder; hidden ones are not counted.

    Raises
    ------
    DatasetError
        A folder without images, or a file that is named like an image and is none.
    """
    root = Path(os.path.realpath(path))
    files, skipped = [], []
    for file in _walk(path):
        outside = file.is_symlink() and not Path(os.path.realpath(file)).is_relative_to(root)
        if outside or not images.is_image(file):
            skipped.append(str(file.relative_to(path)))
        else:
            files.append(file)
    skipped.sort(key=natural_key)
    if not files:
        others = f" ({_other_files(skipped)})" if skipped else ""
        raise DatasetError(f"{path} contains no images{others}; accepted are {images.ACCEPTED}")
    return sorted(files, key=lambda file: natural_key(str(file.relative_to(path)))), skipped


def _walk(path: Path) -> Iterator[Path]:
    """Files and links below a folder, in any order; what is hidden is left out. Folders that cannot be opened raise."""
    pending = [str(path)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    yield Path(entry.path)


def natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that puts "image 2" before "image 10"; no two texts have the same."""
    parts = re.split(r"([0-9]+)", text)  # every second one is a number
    return [(0, int(part), "") if i % 2 else (1, 0, part.lower()) for i, part in enumerate(parts)], text


def choose(path: Path, wanted: tuple[int, int] | None = None) -> Choice:
    """Decide which images of a folder make the data set.

    Parameters
    ----------
    path : Path
    wanted : (height, width), optional
        Size of the images to read; by default that of most of them.

    Raises
    ------
    DatasetError
        No images, images of several sizes of which none is that of most, or none of the wanted size.
    """
    files, skipped = scan(path)
    headers = {file: images.header_of(file) for file in files}
    notes = [_other_files(skipped)] if skipped else []
    foreign = _foreign(headers)
    if foreign:
        left_out = f"{len(foreign)} of {len(files)} images left out, unlike the others in format and colour"
        notes.append(f"{left_out}: {_named(foreign, path)}")
    own = [file for file in files if file not in set(foreign)]
    size = wanted or _size_of_most(path, own, headers)
    odd = [file for file in own if headers[file].size != size]
    if len(odd) == len(own):
        sizes = _sizes_in_words(own, headers)
        raise DatasetError(f"{path} holds no image of {size[0]} x {size[1]}; its images are {sizes}")
    if odd:
        left_out = f"{len(odd)} of {len(files)} images left out, not of {size[0]} x {size[1]}"
        notes.append(f"{left_out}: {_sizes_in_words(odd, headers)}")
    own = [file for file in own if headers[file].size == size]
    coloured = [file for file in own if headers[file].is_colour]
    if 0 < len(coloured) < len(own):
        notes.append(f"{len(coloured)} of {len(own)} images are stored in colour: {_named(coloured, path)}")
    return Choice(tuple(own), tuple(headers[file] for file in own), tuple(notes))


def _foreign(headers: dict[Path, Header]) -> list[Path]:
    """The few files, if any, that differ from nearly all others in format and in being coloured: thumbnails, logos."""
    kinds = Counter((header.format, header.is_colour) for header in headers.values())
    (usual, count), *_ = kinds.most_common(1)
    if count < _NEARLY_ALL * len(headers):
        return []
    return [f for f, header in headers.items() if header.format != usual[0] and header.is_colour != usual[1]]


def _size_of_most(path: Path, files: Sequence[Path], headers: dict[Path, Header]) -> tuple[int, int]:
    (size, count), *_ = Counter(headers[file].size for file in files).most_common(1)
    if 2 * count <= len(files):
        raise DatasetError(
            f"{path}: images differ in size: {_sizes_in_words(files, headers)}; accepted are images of one size, "
            "or an image shape that says which to read"
        )
    return size


def _sizes_in_words(files: Sequence[Path], headers: dict[Path, Header]) -> str:
    """ "3 of 16 x 16 (a.png, ...), 1 of 20 x 16 (b.png)"."""
    sizes = Counter(headers[file].size for file in files).most_common()
    first = {headers[file].size: file.name for file in reversed(files)}
    words = [f"{k} of {h} x {w} ({first[h, w]}{', ...' if k > 1 else ''})" for (h, w), k in sizes[:3]]
    return ", ".join(words) + (", ..." if len(sizes) > 3 else "")


def _other_files(skipped: Sequence[str]) -> str:
    """ "2 other files skipped: notes.txt, link.png"."""
    listed = ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "")
    return f"{len(skipped)} other file{'s' if len(skipped) > 1 else ''} skipped: {listed}"


def _named(files: Sequence[Path], path: Path) -> str:
    return ", ".join(str(file.relative_to(path)) for file in files[:3]) + (", ..." if len(files) > 3 else "")


def peek(path: Path, options: LoadOptions) -> Peek:
    """What a folder holds and which images of it are read, from their headers.

    Raises
    ------
    DatasetError
        As `choose`, and for fewer than two images.
    """
    chosen = choose(path, options.image_shape)
    count = len(chosen.files)
    if count < 2:
        raise DatasetError(f"{path} contains 1 image ({chosen.files[0].name}); a factorization needs at least 2")
    height, width = chosen.headers[0].size
    has_colour = any(header.is_colour for header in chosen.headers)
    if options.colour == "rgb" and not has_colour:
        raise DatasetError(f"{path}: no image is stored in colour; accepted is grey")
    channels = 3 if options.colour == "rgb" else 1
    colour: Literal["grey", "rgb"] | None = (options.colour or "grey") if has_colour else None
    dtype = float_type(np.dtype(np.float32), options.dtype)
    formats = Counter(header.format for header in chosen.headers)
    mixed = f" ({', '.join(f'{k} {name}' for name, k in formats.most_common(4))})" if len(formats) > 1 else ""
    classes = len(set(_parents(path, chosen.files)))
    read_as = " in colour" if channels == 3 else ""
    note = f"{count} images of {height} x {width}{read_as}, one a file{mixed}, in natural order"
    return Peek(
        path=path,
        kind="images",
        n_images=count,
        image_shape=(height, width),
        order="C",
        images_in="files",
        dtype="image files",
        nbytes=height * width * (channels * count * (dtype.itemsize + 1) + images.DECODING),
        key="",
        keys=(),
        shapes=((height, width),),
        note="; ".join([note + (f", in {classes} folders" if classes > 1 else ""), *chosen.notes]),
        options=replace(
            options,
            image_shape=(height, width),
            order="C",
            dtype=dtype.name,  # type: ignore[arg-type]
            colour=colour,
        ),
        notes=chosen.notes,
        files=chosen.files,
        channels=channels,
        has_colour=has_colour,
    )


def load(found: Peek, progress: Progress, cancelled: Cancelled) -> Raw:
    """Read the images that `peek` has chosen.

    Raises
    ------
    DatasetError
        A damaged file, or one that has changed since.
    LoadCancelled
    """
    height, width = found.image_shape
    count = len(found.files)
    X = np.empty((height * width * found.channels, count), dtype=found.options.dtype, order="F")
    steps: dict[str, None] = {}  # in order, each once
    for j, file in enumerate(found.files):
        if cancelled():
            raise LoadCancelled
        image = _read(file, found, steps.setdefault)
        X[:, j] = image.ravel() if image.ndim == 2 else image.transpose(2, 0, 1).ravel()
        progress(j + 1, count)
    parents = _parents(found.path, found.files)
    labels = parents if len(set(parents)) > 1 else None
    names = tuple(str(file.relative_to(found.path)) for file in found.files)
    notes = (images.FIRST_ONLY,) if images.FIRST_ONLY in steps else ()
    return Raw(X, names, labels, (*found.notes, *steps), notes)


def sample(found: Peek, chosen: Array, longest: int) -> Array:
    """Some images (k, height, width[, 3]), float32, each reduced so that no side is much longer than `longest`."""
    few = (_read(found.files[i], found, lambda step: None) for i in chosen)
    return np.stack([reduced(image[np.newaxis], longest)[0] for image in few])


def _read(file: Path, found: Peek, note: images.Note) -> Array:
    image = images.read_image(file, note, found.channels == 3)
    if image.shape[:2] != found.image_shape:
        raise DatasetError(f"{file} has changed since the folder was looked into; open the folder again")
    return image


def _parents(path: Path, files: Sequence[Path]) -> tuple[str, ...]:
    return tuple(str(file.parent.relative_to(path)) for file in files)
