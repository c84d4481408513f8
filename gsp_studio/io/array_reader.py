"""Matrices and stacks of images in files: their description, and reading by the layout of `array_layout`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io import shape_guess, source_axes
from gsp_studio.io.arrangement import Arrangement
from gsp_studio.io.array_layout import arrange
from gsp_studio.io.array_neighbours import axis_beside, hints_beside
from gsp_studio.io.axes import MOST, Dimension, axis_of
from gsp_studio.io.dataset import Colour, DatasetError, LoadOptions, as_images
from gsp_studio.io.formats import registry
from gsp_studio.io.formats.array_entry import LABELS, NUMERIC, ArrayEntry
from gsp_studio.io.formats.lazy_array import laid_out
from gsp_studio.io.images import image_file
from gsp_studio.io.images.names import NumberedNames
from gsp_studio.io.peek import OF_FILE, Cancelled, LoadCancelled, Peek, Progress, Raw, mixed_pages, shrink, subset_of
from gsp_studio.io.values import float_type, unit_scale

#: Kinds of types that labels can have.
_NAMES = NUMERIC + "SU"
#: Bytes that are copied at once while loading.
_BLOCK = 1 << 24


def peek(path: Path, kind: str, options: LoadOptions) -> Peek:
    """Describe the images in a file of arrays, and how they would be read.

    Raises
    ------
    DatasetError
        A damaged file, one without images, or options that do not fit.
    """
    form, entries = registry.FORMATS[kind], registry.list_arrays(path, kind)
    key = options.key and registry.canonical_key(path, kind, options.key)
    entry = registry.choose_array(entries, key, path)
    parted = registry.open_array(path, kind, entry) if entry.is_usable else None
    read = cache(lambda: registry.read_array(path, kind, entry) if parted is None else parted)
    of_array, axis_notes = registry.declared_axes(path, kind, entry)
    beside = partial(registry.read_array, path, kind)
    hints = hints_beside(entries, entry, of_array, beside) if entry.is_usable else None
    found = arrange(entry, read, kind, options, path, parted is not None, hints)
    picked = subset_of(options.subset, found.n_images, str(path))
    dtype = float_type(entry.dtype, options.dtype)
    count = entry.nbytes // entry.dtype.itemsize * len(picked) // found.n_images
    can_stay = parted is not None
    page_names, apart = _pages_of(form.names(path, entry), found.n_images)
    pages = max(1, len(page_names))
    is_mixed = pages > 1 and options.subset is None
    equals = registry.equals_of(entries, entry) if key is None else []
    axes = source_axes.image_axes(of_array, found.axes, found.channel)
    if axis_of(axes, "band").is_plain:
        band = axis_beside(entries, entry, found.n_images, beside)
        axes = (*axes, band) if band else axes
    height, width = found.image_shape
    counts: dict[Dimension, int] = {"y": height, "x": width, "band": found.n_images}
    axes = source_axes.chosen_axes(axes, options.axes, counts, str(path))
    return Peek(
        path=path,
        kind=kind,
        n_images=len(picked),
        image_shape=found.image_shape,
        order=found.order,
        images_in=found.images_in,
        dtype=entry.dtype.name,
        # Colours are copied once more, to have them one after another.
        nbytes=count * (dtype.itemsize + 1) + (0 if form.is_plain and found.channel < 0 else entry.nbytes),
        key=entry.key,
        keys=tuple(e.key for e in entries if e.is_usable),
        shapes=found.shapes,
        note=found.note + (f' of "{entry.key}"' if sum(e.is_usable for e in entries) > 1 else ""),
        options=LoadOptions(
            image_shape=found.image_shape,
            order=found.order,
            images_in=found.way,  # type: ignore[arg-type]
            key=entry.key or None,
            negative=options.negative,
            dtype=dtype.name,  # type: ignore[arg-type]
            nonfinite=options.nonfinite,
            colour=_colour_of(found, options),
            steps=options.steps,
            subset=options.subset and (picked.start, picked.stop, picked.step),
            storage=options.storage,
            samples=options.samples,
            labels=options.labels,
            axes=options.axes,
        ),
        is_guess=found.is_guess or is_mixed or (bool(equals) and not entry.is_declared),
        pages=pages,
        apart=apart,
        page_names=page_names,
        notes=(
            *((f"not said by the file, so guessed: {found.note}",) if found.is_guess else ()),
            *((mixed_pages("each moment has", pages, apart),) if is_mixed else ()),
            *((_as_large(entry, equals),) if equals else ()),
            *entry.notes,
            *registry.notes(path, kind, entry),
            *axis_notes,
        ),
        channels=found.channels,
        has_colour=found.channel >= 0 or (len(entry.shape) == 2 and _could_be_colour(entry, found)),
        picked=picked,
        n_held=found.n_images,
        is_mapped=can_stay,
        label_source=_label_source(entries, entry, kind, found.n_images, options.labels, path),
        key_texts=tuple(str(e) for e in entries if e.is_usable),
        label_keys=tuple(_label_keys(entries, entry, found.n_images)),
        axes=found.axes,
        channel=found.channel,
        ways=found.ways,
        image_axes=axes,
    )


def _as_large(taken: ArrayEntry, others: list[ArrayEntry]) -> str:
    """Say that the file has other arrays of this size, and how one of these is read."""
    listed = ", ".join(f'"{other.key}"' for other in others[:6]) + (", ..." if len(others) > 6 else "")
    verb, which = ("is", "it") if len(others) == 1 else ("are", "one")
    return f'"{taken.key}" is read; the file also holds {listed}, which {verb} as large: choose {which} by its key'


def _pages_of(names: Sequence[str] | None, count: int) -> tuple[tuple[str, ...], int]:
    """Names of the planes or channels of each moment, and how far they lie apart, by names as "time 1, channel 2"."""
    if names is None or len(names) != count or ", " not in names[0]:
        return (), 1
    parts = [name.split(", ") for name in names]
    for place in (0, -1):  # time is the slowest axis, or the fastest
        if parts[0][place].startswith("time "):
            moments = len({part[place] for part in parts})
            pages = count // moments
            if pages * moments == count and count > pages > 1:
                apart = 1 if place == 0 else moments
                own = (part[1:] if place == 0 else part[:-1] for part in parts[::apart][:pages])
                return tuple(map(", ".join, own)), apart
    return (), 1


def _label_keys(entries: Sequence[ArrayEntry], images: ArrayEntry, count: int) -> list[str]:
    """Arrays beside that of the images with one value for each of these."""
    fits = ((count,), (count, 1), (1, count))
    return [e.key for e in entries if e.shape in fits and e.key != images.key and not e.kind and e.dtype.kind in _NAMES]


def _label_source(
    entries: Sequence[ArrayEntry], images: ArrayEntry, kind: str, count: int, wanted: str | None, path: Path
) -> str:
    keys = _label_keys(entries, images, count)
    if wanted and wanted not in keys:
        accepted = ", ".join(keys) or "none, as no array has one value for each"
        raise DatasetError(f'{path}: "{wanted}" does not label the {count} images; accepted for labels: {accepted}')
    if wanted is not None:
        return wanted
    if registry.FORMATS[kind].has_labels:
        return OF_FILE
    return next((key for key in keys if key.replace(".", "/").rpartition("/")[2].lower() in LABELS), "")


def _colour_of(found: Arrangement, options: LoadOptions) -> Colour | None:
    if found.channels == 3:
        return "rgb"
    return (options.colour or "grey") if found.channel >= 0 or options.colour in image_file.PLANES else None


def _could_be_colour(entry: ArrayEntry, found: Arrangement) -> bool:
    values = found.image_shape[0] * found.image_shape[1] * found.channels
    return found.way != "one" and values % 3 == 0 and shape_guess.looks_like_pixels(values // 3)


def load(found: Peek, progress: Progress, cancelled: Cancelled) -> Raw:
    """Read all images of an array, as `peek` has found them.

    Raises
    ------
    DatasetError
        A damaged file, or one that has changed since.
    LoadCancelled
    """
    values = values_of(found, in_parts=registry.FORMATS[found.kind].is_plain)
    height, width = found.image_shape
    n = found.n_images
    X = np.empty((height * width * found.channels, n), dtype=found.options.dtype, order="F")
    block = max(1, _BLOCK // X[:, :1].nbytes)
    for a in range(0, n, block):
        if cancelled():
            raise LoadCancelled
        X[:, a : a + block] = columns_of(values, found, slice(a, min(n, a + block)))
        progress(min(n, a + block), n)
    raw = describe_columns(found, values.dtype, X)
    return replace(raw, names=tuple(raw.names))


def describe_columns(found: Peek, raw: np.dtype[Any], X: Any) -> Raw:
    """X with its names and labels, and in words how it came of values of the type `raw`."""
    form, entry = registry.FORMATS[found.kind], _entry(found)
    names, labels = form.names(found.path, entry), _labels(found, entry)
    _, step = unit_scale(raw)
    if (raw.kind == "f" or (raw.kind in "iu" and raw.itemsize > 2)) and raw.newbyteorder("=") != X.dtype:
        step = f"{raw.name} values as {X.dtype.name}"
    makes_grey = found.channels == 1 and _has_three(found)
    steps = [step, image_file.made_grey(found.options.colour) if makes_grey else ""]
    named = _pick(names, found) or _pick(_places_of(found), found)
    return Raw(
        X,
        named or NumberedNames("image {}", found.picked),
        _pick(labels, found),
        tuple(filter(None, steps)),
        is_named=named is not None,
    )


def _places_of(found: Peek) -> tuple[str, ...] | None:
    """Names of the images by the coordinates of their axis, where it has any: "651.2 nm"."""
    band = axis_of(found.image_axes, "band")
    if not (band.is_calibrated or band.labels) or found.n_held > MOST:
        return None
    return tuple(band.text_at(k) for k in range(found.n_held))


def _labels(found: Peek, images: ArrayEntry) -> tuple[str, ...] | None:
    """A label for each image of the file; None where there is none."""
    if found.options.labels == "" or not found.label_source:
        return None
    form = registry.FORMATS[found.kind]
    if found.label_source == OF_FILE:
        return form.labels(found.path, images)
    [entry] = (e for e in registry.list_arrays(found.path, found.kind) if e.key == found.label_source)
    values = np.ravel(registry.read_array(found.path, found.kind, entry, _NAMES))
    if values.dtype.kind == "f" and np.all(np.isfinite(values)) and np.all(values == np.round(values)):
        values = values.astype(np.int64)  # MATLAB's numbers are all doubles
    return tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist())


def _pick(each: Sequence[str] | None, found: Peek) -> tuple[str, ...] | None:
    """Select the entries of the images that are read."""
    if not each or len(each) != found.n_held:
        return None
    return tuple(each[j] for j in found.picked)


def columns_of(values: Any, found: Peek, some: slice) -> Array:
    """Some of the images that are read, as columns (m, k) of the type to compute in, 8 and 16 bits in [0, 1].

    Parameters
    ----------
    values : ndarray or LazyArray (n, ...)
        The whole array, as `values_of` gives it.
    found : Peek
    some : slice
        Of the images that are read, with a start and a stop.
    """
    part = part_of(values, found, some)
    return to_columns(part, found, is_own=not isinstance(values, np.ndarray) and part.flags.writeable)


def part_of(values: Any, found: Peek, some: slice) -> Array:
    """Some of the images that are read, typed as in the file; parameters as for `columns_of`."""
    of_file = found.picked[some]
    chosen = slice(of_file.start, of_file.stop if of_file.stop >= 0 else None, of_file.step)
    part: Array = values[chosen]
    return part


def to_columns(part: Array, found: Peek, is_own: bool = False) -> Array:
    """Images (k, ...) as `values_of` has them as columns (m, k) of the type to compute in; 8 and 16 bits in [0, 1].

    A copy, unless `part` has no other use and is right as it is.
    """
    columns, dtype = _columns(part, found), np.dtype(found.options.dtype)
    if found.channels == 1 and _has_three(found):
        columns = _one_plane(columns, dtype, found.options.colour)
    scale, _ = unit_scale(part.dtype)
    X: Array = columns.astype(dtype, order="F", copy=not is_own)
    if scale != 1.0:
        X /= dtype.type(scale)
    return X


def _columns(part: Array, found: Peek) -> Array:
    """Images (k, ...) as columns (m, k) of their raw type, the colours of each one after another."""
    rows = part if found.channel < 0 else np.moveaxis(part, 1 + found.channel, 1)
    return rows.reshape(len(rows), -1).T


def _has_three(found: Peek) -> bool:
    """Whether the file has three values for each pixel of its images."""
    return found.channel >= 0 or found.options.colour in ("rgb", *image_file.PLANES)


def _one_plane(columns: Array, dtype: np.dtype[Any], colour: str | None) -> Array:
    """One value a pixel (m, k) of columns (3 m, k) of red, green and blue: one of these, or the luminance."""
    colours = columns.reshape(3, len(columns) // 3, -1)
    if colour is not None and colour in image_file.PLANES:
        plane: Array = colours[image_file.PLANES.index(colour)]
        return plane
    return image_file.luminance(colours.astype(dtype))


def sample(found: Peek, chosen: Array, longest: int) -> Array:
    """Some images (k, height, width[, 3]), float32, reduced so that no side is much longer than `longest`."""
    values = values_of(found, in_parts=True)
    wanted = found.picked.start + chosen * found.picked.step
    columns = _columns(values[wanted], found)
    if found.channels == 1 and _has_three(found):
        columns = _one_plane(columns, np.dtype(np.float32), found.options.colour)
    return shrink(as_images(columns.T, found.image_shape, found.order, found.channels), longest)


def _entry(found: Peek) -> ArrayEntry:
    return registry.choose_array(registry.list_arrays(found.path, found.kind), found.key or None, found.path)


def values_of(found: Peek, in_parts: bool = False) -> Any:
    """The array that is read, an image after another (n, ...).

    With `in_parts` it stays in its file, where that can be: a `LazyArray`.

    Raises
    ------
    DatasetError
        A damaged file, or one that has changed since.
    """
    entry = _entry(found)
    values = registry.open_array(found.path, found.kind, entry) if in_parts else None
    if values is None:
        values = registry.read_array(found.path, found.kind, entry)
    try:
        laid = laid_out(values, found.axes)
        pixels = math.prod(laid.shape[1:]) // (3 if _has_three(found) else 1)
        is_same = (laid.shape[0], pixels) == (found.n_held, math.prod(found.image_shape))
    except (ValueError, IndexError):  # fewer axes, or longer ones than are left out
        is_same = False
    if not is_same:
        raise DatasetError(f"{found.path} has changed since it was looked into; open it again")
    return laid
