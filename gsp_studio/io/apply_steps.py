"""Application of preprocessing steps to images, one after another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.images.resize import resize_image
from gsp_studio.io.patches import places_of
from gsp_studio.io.pixels import marked, read_grey
from gsp_studio.io.steps import (
    Background,
    Bin,
    Crop,
    Flip,
    Mask,
    Nonnegative,
    Normalize,
    Patches,
    Per,
    RelativeChange,
    Resize,
    Rotate,
    Step,
    Subtract,
    shape_after,
)
from gsp_studio.io.values import make_nonnegative


@dataclass(frozen=True, eq=False)
class Images:
    """Images between two steps: values (n, height, width) or (n, height, width, 3), names and labels."""

    values: Array
    names: Sequence[str]
    labels: Sequence[str] | None


def apply(steps: Sequence[Step], images: Images) -> Images:
    """Apply steps to images, into new arrays."""
    for step in steps:
        if step.is_on:
            images = _apply(step, images)
    return images


def _apply(step: Step, images: Images) -> Images:
    values, names, labels = images.values, images.names, images.labels
    match step:
        case Crop():
            shape_after([step], values.shape[1:3], len(values))
            part = values[:, step.top : step.top + step.height, step.left : step.left + step.width]
            return Images(part, names, labels)
        case Resize():
            made = np.empty((len(values), step.height, step.width, *values.shape[3:]), values.dtype)
            for k, image in enumerate(values):
                made[k] = resize_image(image, step)
            return Images(made, names, labels)
        case Rotate():
            return Images(np.rot90(values, -step.degrees // 90, axes=(1, 2)), names, labels)
        case Flip():
            return Images(np.flip(values, 2 if step.direction == "left-right" else 1), names, labels)
        case Bin():
            return Images(_binned(step, values), names, labels)
        case Background():
            return Images(values - _percentile(values, step.percentile), names, labels)
        case RelativeChange():
            base = _percentile(values, step.percentile)
            made = values - base
            np.divide(made, base, out=made, where=base > 0)
            made[:, base[0] <= 0] = 0
            return Images(made, names, labels)
        case Patches():
            return _patches(step, images)
        case Mask():
            keep = _kept(step.path, values.shape[1:3])
            return Images(values * (keep if values.ndim == 3 else keep[..., None]).astype(values.dtype), names, labels)
        case Nonnegative():
            made = np.array(values)
            if made.size:
                make_nonnegative(made, step.negative, "")
            return Images(made, names, labels)
        case Subtract():
            axes = _axes(step.per, values)
            base = (
                values.mean(axis=axes, keepdims=True) if step.what == "mean" else values.min(axis=axes, keepdims=True)
            )
            return Images(values - base, names, labels)
        case Normalize():
            axes = _axes(step.per, values)
            size = np.abs(values).max(axis=axes, keepdims=True)
            if step.by == "norm":
                # The largest value taken out first: squares of huge values would overflow.
                safe = np.where(size > 0, size, 1)
                size = size * np.sqrt(np.square(values / safe).sum(axis=axes, keepdims=True))
            return Images(np.divide(values, size, out=np.zeros_like(values), where=size > 0), names, labels)


def _kept(path: str, shape: tuple[int, ...]) -> Array:
    """Read a mask for images of that shape: true where it is not 0."""
    try:
        stamp = os.stat(path).st_mtime_ns
    except OSError as error:
        raise DatasetError(f"the mask {path} cannot be read: {error.strerror or error}") from error
    keep = _mask(path, stamp)
    if keep.shape != shape:
        raise DatasetError(f"the mask {path} has shape {keep.shape}; accepted is that of the images, {shape}")
    return keep


@lru_cache(maxsize=4)  # images that stay in their file come block by block
def _mask(path: str, stamp: int) -> Array:
    return marked(read_grey(Path(path)), path)


def _axes(per: Per, values: Array) -> tuple[int, ...]:
    return tuple(range(1, values.ndim)) if per == "image" else (0,)


def _binned(step: Bin, values: Array) -> Array:
    count, _, _, *rest = values.shape
    (height, width), _ = shape_after([step], values.shape[1:3], count)
    by = step.factor
    kept = values[:, : height * by, : width * by].reshape(count, height, by, width, by, *rest)
    made: Array = kept.mean(axis=(2, 4))
    return made


def _percentile(values: Array, percentile: int) -> Array:
    """A percentile of each pixel over all images, (1, height, width[, 3]); a row at a time, for the memory it takes."""
    made = np.empty((1, *values.shape[1:]), values.dtype)
    for row in range(values.shape[1]):
        made[0, row] = np.percentile(values[:, row], percentile, axis=0)
    return made


def _patches(step: Patches, images: Images) -> Images:
    values = images.values
    places = places_of(step, values.shape[1:3], len(values))
    chosen, tops, lefts = places.images, places.tops, places.lefts
    made = np.empty((len(chosen), step.height, step.width, *values.shape[3:]), values.dtype)
    for k, (j, top, left) in enumerate(zip(chosen, tops, lefts, strict=True)):
        made[k] = values[j, top : top + step.height, left : left + step.width]
    names = tuple(
        f"{images.names[j]}, row {top + 1}, column {left + 1}" for j, top, left in zip(chosen, tops, lefts, strict=True)
    )
    return Images(made, names, images.labels and tuple(images.labels[j] for j in chosen))
