"""Opening of data sets: `peek` describes a source and how it would be read, `load_dataset` reads it.

Sources are image files, which `images.image_set` reads, and files of arrays, which `array_reader` reads by the table
`formats.FORMATS`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io import apply_steps, array_reader, image_stream, steps
from gsp_studio.io.dataset import Dataset, DatasetError, LoadOptions, Order, as_images
from gsp_studio.io.formats.plugins import plugin_formats
from gsp_studio.io.formats.registry import FORMATS
from gsp_studio.io.images import archives, image_file, image_set
from gsp_studio.io.images.names import Places
from gsp_studio.io.memory import require_memory
from gsp_studio.io.patches import images_before
from gsp_studio.io.peek import Cancelled, LoadCancelled, Peek, Progress, Raw, require_several, shrink
from gsp_studio.io.source_axes import dataset_axes
from gsp_studio.io.value_codes import missing_note
from gsp_studio.io.values import make_finite, make_nonnegative

__all__ = ["LoadCancelled", "Peek", "kind_of", "load_dataset", "peek", "thumbnails"]


#: Bytes from which on images stay in their file where its format allows that.
_LARGE = 1 << 30
#: Patches of one image that are shown before it is loaded.
_FEW = 8
#: Thumbnails are reduced by whole factors while their longer side is at least twice this.
_THUMBNAIL = 128


def peek(path: str | os.PathLike[str], options: LoadOptions | None = None, **choices: Any) -> Peek:
    """Describe a source without loading it.

    Parameters
    ----------
    path : path-like
        A folder, an archive or a file; its kind is decided by its content, not by its name.
    options : LoadOptions, optional
        Choices for reading it; single fields can be given as keywords.

    Returns
    -------
    Peek

    Raises
    ------
    DatasetError
        A source that is missing, not readable, damaged, empty or of an unknown kind.

    Notes
    -----
    Folders and .npy files are judged by headers and a few images. A .npz or .mat matrix without a given shape is read
    once, as its shape is guessed from its values and these formats give no part of an array alone.
    """
    path = _path_of(path)
    chosen = replace(options or LoadOptions(), **choices)
    with _one_sentence(path):
        kind = kind_of(path)
        found = image_set.peek(path, chosen) if kind == "images" else array_reader.peek(path, kind, chosen)
    is_quick = found.kind != "images" and FORMATS[found.kind].is_plain
    is_large = is_quick and _bytes_of(found) > _LARGE and not image_stream.reason_against(found)
    return replace(found, usual_storage="disk" if is_large else "memory")


def can_stay_on_disk(path: str | os.PathLike[str], **choices: Any) -> bool:
    """Whether a source can be read in part, with these choices as for `peek`; DatasetError as there."""
    return not image_stream.reason_against(peek(path, **choices))


def _path_of(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path):
        raise DatasetError(f"the path is empty; {_accept()}")
    try:
        return Path(path).expanduser()
    except RuntimeError:  # "~" and a user who does not exist: a name
        return Path(path)


def load_dataset(
    path: str | os.PathLike[str],
    options: LoadOptions | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    **choices: Any,
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    path, options, **choices
        As for `peek`, for example ``image_shape=(19, 19), order="F", negative="clip", dtype="float32"``.
    progress : callable, optional
        Called with images done and images in all.
    cancelled : callable, optional
        Called between images; True ends the loading.

    Returns
    -------
    Dataset
        Integers of 8 and 16 bits divided by their type's maximum, as float32; floating values as they are.

    Raises
    ------
    DatasetError
        As for `peek`, and for values that NMF cannot use: NaN, infinite or negative without a choice, or all zero.
    LoadCancelled
        `cancelled` returned True; nothing is kept.

    Examples
    --------
    >>> import gsp_studio as gs
    >>> from gsp_studio.io import sample_path
    >>> data = gs.load_dataset(sample_path("swimmer"))
    >>> data.X.shape, data.image_shape
    ((1024, 256), (32, 32))
    """
    found = peek(path, options, **choices)
    with _one_sentence(found.path):
        _after(found)
        require_several(found)
        if _stays_on_disk(found):
            return _stream(found)
        _require_memory(found)
        load = image_set.load if found.kind == "images" else array_reader.load
        raw = load(found, progress or (lambda done, total: None), cancelled or (lambda: False))
        raw, kept = _finite(raw, found)
        count = raw.X.shape[1]
        raw, shape, order = _apply_steps(raw, found)
        raw = _nonnegative(raw, found)
        if not raw.X.any():
            told = "; ".join(("every value is zero; there is nothing to factorize", *found.notes))
            raise DatasetError(f"{found.path}: {told}")
        grid, axes = None, dataset_axes(found, raw, kept)
        if found.options.samples == "pixels":
            raw, grid = _spectra(raw, shape, order, found), shape
            shape = (1, raw.X.shape[0])
        return Dataset(
            X=raw.X,
            axes=axes,
            image_shape=shape,
            order=order,
            grid=grid,
            whole=None if grid else images_before(found.options.steps, found.image_shape, count),
            name=found.path.resolve().name + (f" : {found.key}" if len(found.keys) > 1 else ""),
            names=raw.names,
            labels=raw.labels,
            source=str(found.path.absolute()),
            steps=raw.steps,
            options=replace(found.options, dtype=raw.X.dtype.name),
            notes=(*found.notes, *raw.notes),
            channels=found.channels,
        )


def _stays_on_disk(found: Peek) -> bool:
    """Whether `load_dataset` leaves the images in their file: by its options, or as they are large and may stay.

    Raises
    ------
    DatasetError
        The options demand it, and they cannot stay.
    """
    if found.options.storage == "disk":
        reason = image_stream.reason_against(found)
        if reason:
            raise DatasetError(f"{found.path} cannot stay on the disk: {reason}")
        return True
    return found.options.storage is None and found.usual_storage == "disk"


def _require_memory(found: Peek) -> None:
    height, width = found.image_shape
    try:
        require_memory(_bytes_of(found), f"{found.path} with {found.n_images} images of {height} x {width}")
    except DatasetError as error:
        can_stay = not image_stream.reason_against(found)
        more = "leave them on the disk (storage), " if can_stay else ""
        raise DatasetError(f"{error}; {more}read a part of them (subset), or make them smaller (a step)") from error


def _stream(found: Peek) -> Dataset:
    """The data set of images that stay in their file."""
    _after(found)
    on = [one for one in found.options.steps if one.is_on]
    X = image_stream.open_matrix(found)
    raw = (
        image_set.describe_columns(found, X)
        if found.kind == "images"
        else array_reader.describe_columns(found, np.dtype(found.dtype), X)
    )
    negative = {"clip": "negative values set to 0", "abs": "absolute values taken"}.get(found.options.negative or "")
    said = [*raw.steps, *map(steps.text_of, on), negative or "", "read from the file in blocks"]
    return Dataset(
        X=X,
        axes=dataset_axes(found, raw, np.ones(len(found.picked), bool)),
        image_shape=found.shape_after,
        order="C" if on else found.order,
        name=found.path.resolve().name + (f" : {found.key}" if len(found.keys) > 1 else ""),
        names=raw.names,
        labels=raw.labels,
        source=str(found.path.absolute()),
        steps=tuple(filter(None, said)),
        options=replace(found.options, storage="disk"),
        notes=found.notes,
        channels=found.channels,
    )


def _bytes_of(found: Peek) -> int:
    """Memory that loading takes at its height, the steps included."""
    on = [one for one in found.options.steps if one.is_on]
    (height, width), count = found.image_shape, found.n_images
    with suppress(steps.StepError):  # which loading reports
        (height, width), count = steps.shape_after(found.options.steps, found.image_shape, found.n_images)
    copies = (2 if on else 0) + (1 if found.options.samples == "pixels" else 0)
    return found.nbytes + copies * np.dtype(found.options.dtype).itemsize * height * width * found.channels * count


def _after(found: Peek) -> tuple[tuple[int, int], int]:
    """Shape and number of the images after the steps."""
    try:
        return steps.shape_after(found.options.steps, found.image_shape, found.n_images)
    except steps.StepError as error:
        raise DatasetError(f"{found.path}: {error}") from error


def _finite(raw: Raw, found: Peek) -> tuple[Raw, Array]:
    """Raw values made finite as the options say, in place, and which images are kept; what was done is a note."""
    kept, told = make_finite(raw.X, found.options.nonfinite, _where(raw, found), missing_note(found.notes))
    count, needed = int(kept.sum()), min(2, found.n_images)
    if count < needed:
        raise DatasetError(
            f"{_where(raw, found)}: {count} of {len(kept)} images are without NaN and infinite values; "
            f"{needed} {'is' if needed == 1 else 'are'} needed"
        )
    if kept.all():
        return (replace(raw, steps=(*raw.steps, told), notes=(*raw.notes, told)) if told else raw), kept
    names = tuple(name for name, keep in zip(raw.names, kept, strict=True) if keep)
    labels = raw.labels and tuple(label for label, keep in zip(raw.labels, kept, strict=True) if keep)
    said = (told,) if told else ()
    return Raw(raw.X[:, :count], names, labels, (*raw.steps, *said), (*raw.notes, *said), raw.is_named), kept


def _apply_steps(raw: Raw, found: Peek) -> tuple[Raw, tuple[int, int], Order]:
    """The images after the steps, with their shape and order."""
    on = [one for one in found.options.steps if one.is_on]
    if not on:
        return raw, found.image_shape, found.order
    shape, _ = _after(found)
    values = as_images(raw.X.T, found.image_shape, found.order, found.channels)
    made = apply_steps.apply(on, apply_steps.Images(values, raw.names, raw.labels))
    planes = made.values if made.values.ndim == 3 else made.values.transpose(0, 3, 1, 2)
    X = np.ascontiguousarray(planes.reshape(len(planes), -1), raw.X.dtype).T
    said = tuple(map(steps.text_of, on))
    return Raw(X, made.names, made.labels, (*raw.steps, *said), raw.notes, raw.is_named), shape, "C"


def _spectra(raw: Raw, shape: tuple[int, int], order: Order, found: Peek) -> Raw:
    """A pixel a column, with its value in every image."""
    if found.channels != 1:
        raise DatasetError(f"{found.path}: images in colour have no spectra of their pixels; accepted is grey")
    said = f"{shape[0]} x {shape[1]} pixels are samples, their values in {raw.X.shape[1]} images a spectrum each"
    return Raw(np.asfortranarray(raw.X.T), Places(shape, order), None, (*raw.steps, said), raw.notes)


def _nonnegative(raw: Raw, found: Peek) -> Raw:
    """Values made >= 0 as the options say, in place; what was done is a step and a note."""
    where = _where(raw, found)
    if any(step.is_on for step in found.options.steps):
        where = f"after its steps, {where}"
    told = make_nonnegative(raw.X, found.options.negative, where)
    said = (told,) if told else ()
    return replace(raw, steps=(*raw.steps, *said), notes=(*raw.notes, *said))


def _where(raw: Raw, found: Peek) -> str:
    dtype = raw.X.dtype.name
    if found.dtype.startswith("float") and found.dtype != dtype:
        return f"{found.path} as {dtype}"  # whose range may be smaller
    return str(found.path)


def thumbnails(found: Peek, count: int = 8) -> Array:
    """Some images of a source as its peek would read them, spread over the whole, for a look before it is loaded.

    Parameters
    ----------
    found : Peek
    count : int
        Images wanted; fewer where the source has fewer.

    Returns
    -------
    ndarray (k, height, width) or (k, height, width, 3), float32 in [0, 1]
        From the smallest to the largest value shown. Images of 256 pixels or more are reduced by a whole factor.

    Raises
    ------
    DatasetError
        As for `load_dataset`.
    """
    return look_at(found, count)[0]


def look_at(found: Peek, count: int = 8) -> tuple[Array, float]:
    """`thumbnails`, and the smallest value of their images before it was scaled to 0."""
    chosen = np.array(found.shown(count))
    with _one_sentence(found.path):
        stack = _sample(found, chosen)
    low, high = float(stack.min()), float(stack.max())
    scaled: Array = (stack - low) / np.float32(high - low) if high > low else np.zeros_like(stack)
    return scaled, low


def _sample(found: Peek, chosen: Array) -> Array:
    on = [one for one in found.options.steps if one.is_on]
    sample = image_set.sample if found.kind == "images" else array_reader.sample
    if not on:
        return sample(found, chosen, _THUMBNAIL)
    _after(found)
    # Steps are about pixels, so that they come before anything is made smaller.
    values = sample(found, chosen, steps.LARGEST_SIDE)
    # Patches of a few images, at random, so that they are few themselves.
    count = len(chosen) if len(chosen) > 1 else max(2, min(_FEW, found.count_after))
    few = [replace(one, count=count, stride=0) if isinstance(one, steps.Patches) else one for one in on]
    return shrink(apply_steps.apply(few, apply_steps.Images(values, ("",) * len(values), None)).values, _THUMBNAIL)


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """Turn errors of the system about a path into a DatasetError, and keep libraries from warning meanwhile.

    Their warnings are about files that are odd but readable, and about large images, whose memory is checked here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PermissionError as error:
        raise DatasetError(f"{error.filename or path} cannot be opened: permission denied") from error
    except MemoryError as error:
        raise DatasetError(f"{path} does not fit into memory") from error
    except OSError as error:
        raise DatasetError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error


def kind_of(path: Path) -> str:
    """The kind of a source: "images", or a name in `FORMATS`."""
    if not path.exists():
        raise DatasetError(f"{path} does not exist; {_accept()}")
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(128)
        if not head:
            raise DatasetError(f"{path} is empty; {_accept()}")
    elif not path.is_dir():  # a pipe or a device, which could wait for ever
        raise DatasetError(f"{path} is neither a file nor a folder; {_accept()}")
    first = {kind: form for kind, form in FORMATS.items() if form.resembles_images}
    for kind, form in first.items():
        if form.recognises(path, head):
            return kind
    if path.is_dir() or archives.is_archive(path, head) or image_file.sniff(head, path.suffix) is not None:
        return "images"
    # Readers of other packages come before text, which many files are, and after all that a signature tells.
    plugins, problems = plugin_formats()
    others = [(kind, form) for kind, form in FORMATS.items() if kind not in first]
    for kind, form in (*others[:-1], *plugins.items(), others[-1]):
        if form.recognises(path, head):
            return kind
    told = "; ".join((f"{path} is not a data set ({image_file.describe_file(head)}); {_accept()}", *problems))
    raise DatasetError(told)


def _accept() -> str:
    forms = (*FORMATS.values(), *plugin_formats()[0].values())
    names = list(dict.fromkeys(form.name for form in forms))
    return f"accepted are a folder or archive of images, and {', '.join(names[:-1])} and {names[-1]} files"
