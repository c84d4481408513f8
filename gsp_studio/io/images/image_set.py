"""Sets of image files, in folders, archives and files of several frames: natural order, one size, folders as labels.

Files are read or left out by their headers, once, with a note on each kind: files that do not claim to be images,
images of another size than most, single files that are clearly no part of the set.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import Colour, DatasetError, LoadOptions
from gsp_studio.io.images import archives, image_file
from gsp_studio.io.images.archives import Member, Source
from gsp_studio.io.images.file_axes import axes_of_files
from gsp_studio.io.images.file_planes import planes_of
from gsp_studio.io.images.headers import Header
from gsp_studio.io.images.names import natural_key
from gsp_studio.io.images.resized_frames import damage_of, read_resized
from gsp_studio.io.load_options import UnavailableError
from gsp_studio.io.paths import leads_outside
from gsp_studio.io.peek import Cancelled, LoadCancelled, Peek, Progress, Raw, shrink, subset_of
from gsp_studio.io.steps import REMEDY, leading_resize
from gsp_studio.io.values import float_type, has_full_scale

#: A file of another format, and in colour among grey ones or grey among coloured, is foreign beside this share.
_NEARLY_ALL = 0.95
#: Pixels from which on files are decoded several at a time: Pillow lets go of Python while it decodes, but not while
#: it opens a file, and threads only get into each other's way over small ones.
_WORTHWHILE = 1 << 15
#: Bytes that decoding may take at once, and files that are decoded at once, at most.
_DECODED = 1 << 28
_MOST_IMAGES = 1 << 24
_WORKERS = max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


@dataclass(frozen=True)
class Choice:
    """The image files that are read, in order, their headers, and what is left out, a sentence each."""

    files: tuple[Member, ...]
    headers: tuple[Header, ...]
    notes: tuple[str, ...]


def _workers(pixels: int) -> int:
    """Files of so many pixels that are decoded at once: large ones one after another, for the memory that it takes."""
    return max(1, min(_WORKERS, _DECODED // (image_file.DECODING * pixels))) if pixels >= _WORTHWHILE else 1


def scan(source: Source, skips_damaged: bool = False) -> tuple[dict[Member, Header], dict[str, str]]:
    """Find the images of a source; `skips_damaged`: files that are named like images and are none are skipped, too.

    Returns
    -------
    files : dict of Member to Header
        In natural order.
    skipped : dict of str to str
        Other files by their names in the source, and why those that are damaged cannot be read, "" for the others;
        hidden ones are not counted.

    Raises
    ------
    DatasetError
        A source without images, or a file that is named like an image and is none.
    """
    found, skipped = {}, dict.fromkeys(source.unread, "")
    is_folder = source.path.is_dir()
    for file in source.members():
        is_out, reason = is_folder and leads_outside(source.path, file.inside), ""
        try:
            header = None if is_out else image_file.look(file)
        except UnavailableError:
            raise
        except DatasetError as error:
            if not skips_damaged or file.where == str(source.path):
                raise
            header, reason = None, damage_of(file, error)
        if header is None:
            skipped[file.inside] = reason
        else:
            found[file] = header
    skipped = {name: skipped[name] for name in sorted(skipped, key=natural_key)}
    if not found:
        if archives.holds_zarr(source.path):
            raise DatasetError(f"{source.path} is a zipped Zarr; accepted is its folder, so unpack it")
        others = f" ({_other_files(skipped)})" if skipped else ""
        raise DatasetError(f"{source.path} contains no images{others}; accepted are {image_file.ACCEPTED}")
    return {file: found[file] for file in sorted(found, key=lambda file: natural_key(file.inside))}, skipped


def choose(
    source: Source, wanted: tuple[int, int] | None = None, any_size: bool = False, skips_damaged: bool = False
) -> Choice:
    """Decide which images of a source make the data set.

    Parameters
    ----------
    source : Source
    wanted : (height, width), optional
        Size of the images to read; by default that of most of them.
    any_size : bool
        Images of all sizes.
    skips_damaged : bool
        As for `scan`.

    Raises
    ------
    DatasetError
        No images, images of several sizes of which none is that of most, or none of the wanted size.
    """
    headers, skipped = scan(source, skips_damaged)
    files, path = list(headers), source.path
    notes = [_other_files(skipped)] if skipped else []
    replaced = [file for file in map(source.member, source.replaced) if file in headers]
    if replaced:
        left_out = f"{len(replaced)} image{'s' if len(replaced) > 1 else ''} left out"
        notes.append(f"{left_out}, as a later member has the same name: {_named(replaced)}")
    foreign = set(_foreign(headers))
    if foreign:
        left_out = f"{len(foreign)} of {len(files)} images left out, unlike the others in format and colour"
        notes.append(f"{left_out}: {_named([file for file in files if file in foreign])}")
    own = [file for file in files if file not in foreign]
    size = (0, 0) if any_size else wanted or _size_of_most(path, own, headers)
    odd = [] if any_size else [file for file in own if headers[file].size != size]
    if len(odd) == len(own):
        sizes = _sizes_in_words(own, headers)
        raise DatasetError(f"{path} holds no image of {size[0]} x {size[1]}; its images are {sizes}")
    if odd:
        left_out = f"{len(odd)} of {len(files)} images left out, not of {size[0]} x {size[1]}"
        notes.append(f"{left_out}: {_sizes_in_words(odd, headers)}")
    own = [file for file in own if any_size or headers[file].size == size]
    notes += _of_headers(path, own, headers)
    coloured = [file for file in own if headers[file].is_colour]
    if 0 < len(coloured) < len(own):
        notes.append(f"{len(coloured)} of {len(own)} images are stored in colour: {_named(coloured)}")
    return Choice(tuple(own), tuple(headers[file] for file in own), tuple(notes))


def _of_headers(path: Path, files: Sequence[Member], headers: dict[Member, Header]) -> list[str]:
    """Notes on the files by their headers, each once with the files that it is about; unlike scales are refused."""
    types = Counter(headers[file].dtype for file in files)
    scaled = [one for one in types if has_full_scale(one)]
    first = {headers[file].dtype: file.inside for file in reversed(files)}
    listed = ", ".join(f"{count} of {one} ({first[one]})" for one, count in types.most_common())
    if 0 < len(scaled) < len(types):
        raise DatasetError(
            f"{path} mixes types of which some have a full scale and others have none: {listed}; accepted are whole "
            "numbers of up to 16 bits, or wider and floating values, in one set"
        )
    notes = [f"images are of unlike types: {listed}"] if len(types) > 1 else []
    told: dict[str, list[Member]] = {}
    for file in files:
        for note in headers[file].notes:
            told.setdefault(note, []).append(file)
    for note, those in told.items():
        which = "" if len(those) == len(files) else f", in {len(those)} of {len(files)} files: {_named(those)}"
        notes.append(note + which)
    return notes


def _foreign(headers: dict[Member, Header]) -> list[Member]:
    """The few files, if any, that differ from nearly all others in format and in being coloured: thumbnails, logos."""
    kinds = Counter((header.format, header.is_colour) for header in headers.values())
    (usual, count), *_ = kinds.most_common(1)
    if count < _NEARLY_ALL * len(headers):
        return []
    return [f for f, header in headers.items() if header.format != usual[0] and header.is_colour != usual[1]]


def _size_of_most(path: Path, files: Sequence[Member], headers: dict[Member, Header]) -> tuple[int, int]:
    (size, count), *_ = Counter(headers[file].size for file in files).most_common(1)
    if 2 * count <= len(files):
        raise DatasetError(
            f"{path}: images differ in size: {_sizes_in_words(files, headers)}; accepted are images of one size, "
            f"an image shape that says which to read, or {REMEDY}"
        )
    return size


def _sizes_in_words(files: Sequence[Member], headers: dict[Member, Header]) -> str:
    """ "3 of 16 x 16 (a.png, ...), 1 of 20 x 16 (b.png)"."""
    sizes = Counter(headers[file].size for file in files).most_common()
    first = {headers[file].size: file.name for file in reversed(files)}
    words = [f"{k} of {h} x {w} ({first[h, w]}{', ...' if k > 1 else ''})" for (h, w), k in sizes[:3]]
    return ", ".join(words) + (", ..." if len(sizes) > 3 else "")


def _other_files(skipped: Mapping[str, str]) -> str:
    """ "2 other files skipped: notes.txt, link.png; 1 damaged file skipped: a.png is damaged or truncated"."""
    others, reasons = [name for name, reason in skipped.items() if not reason], [*filter(None, skipped.values())]
    told = []
    for kind, listed in (("other", others), ("damaged", reasons)):
        if listed:
            more = ", ..." if len(listed) > 3 else ""
            told.append(
                f"{len(listed)} {kind} file{'s' if len(listed) > 1 else ''} skipped: {', '.join(listed[:3])}{more}"
            )
    return "; ".join(told)


def _named(files: Sequence[Member]) -> str:
    return ", ".join(file.inside for file in files[:3]) + (", ..." if len(files) > 3 else "")


def peek(path: Path, options: LoadOptions) -> Peek:
    """Choose the images of a source to be read, from their headers.

    Raises
    ------
    DatasetError
        As `choose`, and for fewer than two images.
    """
    resize = leading_resize(options.steps)
    with archives.open_source(path) as source:
        chosen = choose(source, options.image_shape, resize is not None, options.nonfinite == "drop")
    frames = sum(header.frames for header in chosen.headers)
    if frames > _MOST_IMAGES:
        raise DatasetError(f"{path} holds {frames} images; accepted are up to {_MOST_IMAGES}")
    items = [(file, k) for file, header in zip(chosen.files, chosen.headers, strict=True) for k in range(header.frames)]
    held = len(items)
    axes, axis_notes = axes_of_files(chosen.headers, options, held, str(path))
    planes = planes_of(chosen.files, chosen.headers)
    types = {header.dtype for header in chosen.headers}
    is_mixed = planes.count > 1 and options.subset is None
    notes = (*chosen.notes, *planes.gaps, *((planes.mixture,) if is_mixed else ()))
    picked = subset_of(options.subset, held, str(path))
    items = [items[k] for k in picked]
    count = len(items)
    height, width = chosen.headers[0].size if resize is None else (resize.height, resize.width)
    has_colour = any(header.is_colour for header in chosen.headers)
    if options.colour not in (None, "grey") and not has_colour:
        raise DatasetError(f"{path}: no image is stored in colour; accepted is grey")
    channels = 3 if options.colour == "rgb" else 1
    colour: Colour | None = (options.colour or "grey") if has_colour else None
    dtype = float_type(np.dtype(np.float64 if types & {"float64", "float128"} else np.float32), options.dtype)
    formats = Counter(header.format for header in chosen.headers)
    mixed = f" ({', '.join(f'{k} {name}' for name, k in formats.most_common(4))})" if len(formats) > 1 else ""
    classes = len({file.parent for file in chosen.files})
    read_as = " in colour" if channels == 3 else ""
    of_files = f"one a file{mixed}" if held == len(chosen.files) else f"of {len(chosen.files)} files{mixed}"
    note = f"{count} images of {height} x {width}{read_as}, {of_files}, in natural order"
    return Peek(
        path=path,
        kind="images",
        n_images=count,
        image_shape=(height, width),
        order="C",
        images_in="files",
        dtype="image files",
        nbytes=height
        * width
        * (channels * count * (dtype.itemsize + 1) + _workers(height * width) * image_file.DECODING),
        key="",
        keys=(),
        shapes=((height, width),),
        note="; ".join([note + (f", in {classes} folders" if classes > 1 else ""), *notes]),
        options=replace(
            options,
            image_shape=(height, width) if resize is None else None,
            order="C",
            dtype=dtype.name,  # type: ignore[arg-type]
            colour=colour,
            subset=options.subset and (picked.start, picked.stop, picked.step),
        ),
        notes=(*notes, *axis_notes),
        image_axes=axes,
        files=tuple(("" if path.is_file() and file.where == str(path) else file.inside, k) for file, k in items),
        channels=channels,
        has_colour=has_colour,
        pages=planes.count,
        apart=planes.apart,
        page_names=planes.names,
        is_guess=is_mixed,
        picked=picked,
        n_held=held,
        types=tuple(sorted(types)),
        is_mapped=path.is_dir(),
        label_source="folders" if len({os.path.dirname(file.inside) for file, _ in items}) > 1 else "",
    )


def load(found: Peek, progress: Progress, cancelled: Cancelled) -> Raw:
    """Read the images that `peek` has chosen, several files at a time.

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
    stopped = False

    def read(source: Source, first: int, inside: str, frames: list[int]) -> dict[str, None]:
        told: dict[str, None] = {}
        if stopped:
            return told
        for j, image in enumerate(read_resized(source, inside, frames, found, told.setdefault), first):
            X[:, j] = image.ravel() if image.ndim == 2 else image.transpose(2, 0, 1).ravel()
        return told

    tasks = list(_tasks(found.files))
    with archives.open_source(found.path) as source, ThreadPoolExecutor(_workers(height * width), "gsp-decode") as pool:
        # Small files are read here, one after another.
        ahead = [pool.submit(read, source, *task) for task in tasks] if _workers(height * width) > 1 else []
        try:
            for k, task in enumerate(tasks):
                if cancelled():
                    raise LoadCancelled
                steps |= ahead[k].result() if ahead else read(source, *task)
                progress(task[0] + len(task[2]), count)
        finally:
            stopped = True  # decoding that has not begun is dropped
    return replace(describe_columns(found, X), steps=(*found.notes, *steps))


def describe_columns(found: Peek, X: Any) -> Raw:
    """X with the names and labels of its images, which stay in their files."""
    names, parents = _names(found)
    labels = parents if found.label_source and found.options.labels != "" else None
    makes_grey = found.has_colour and found.channels == 1
    grey = [image_file.made_grey(found.options.colour)] if makes_grey else []
    return Raw(X, names, labels, (*found.notes, *grey), is_named=True)


def columns_of(found: Peek, some: slice) -> Array:
    """Some of the images as columns (m, k) of the type to compute in.

    Raises
    ------
    DatasetError
        A damaged file, or one that has changed since.
    """
    height, width = found.image_shape
    chosen = found.files[some]
    X = np.empty((height * width * found.channels, len(chosen)), dtype=found.options.dtype, order="F")

    def read(task: tuple[int, str, list[int]]) -> None:
        first, inside, frames = task
        for j, image in enumerate(read_resized(source, inside, frames, found, lambda step: None), first):
            X[:, j] = image.ravel() if image.ndim == 2 else image.transpose(2, 0, 1).ravel()

    source = archives.in_folder(found.path)
    if _workers(height * width) == 1:
        for task in _tasks(chosen):
            read(task)
    else:
        with ThreadPoolExecutor(_workers(height * width), "gsp-decode") as pool:
            list(pool.map(read, _tasks(chosen)))
    return X


def _tasks(files: Sequence[tuple[str, int]]) -> Iterator[tuple[int, str, list[int]]]:
    """Place of the first image of each file, its name, and those of its frames that are read."""
    first = 0
    for inside, group in groupby(files, key=lambda item: item[0]):
        frames = [frame for _, frame in group]
        yield first, inside, frames
        first += len(frames)


def sample(found: Peek, chosen: Array, longest: int) -> Array:
    """Some images (k, height, width[, 3]), float32, each reduced so that no side is much longer than `longest`."""
    few = []
    with archives.open_source(found.path) as source:
        for i in chosen:
            inside, frame = found.files[i]
            [image] = read_resized(source, inside, [frame], found, lambda step: None)
            few.append(shrink(np.nan_to_num(image)[np.newaxis], longest)[0])
    return np.stack(few)


def _names(found: Peek) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name and folder of each image."""
    several = Counter(inside for inside, _ in found.files)
    names = []
    for inside, frame in found.files:
        name = inside or "image"
        names.append(f"{name} {frame + 1}" if several[inside] > 1 else name)
    return tuple(names), tuple(os.path.dirname(inside) or "." for inside, _ in found.files)
