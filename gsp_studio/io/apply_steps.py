"""What the steps of `step` do to images, one after another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.patches import places_of
from gsp_studio.io.pixels import read_grey
from gsp_studio.io.steps import Crop, Mask, Nonnegative, Normalize, Patches, Per, Resize, Step, Subtract, shape_after
from gsp_studio.io.values import make_nonnegative

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Images:
    """Images on their way: values (n, height, width) or (n, height, width, 3), names and labels."""

    values: Array
    names: Sequence[str]
    labels: Sequence[str] | None


def apply(steps: Sequence[Step], images: Images) -> Images:
    """Images after these steps, new arrays."""
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
                made[k] = resized(image, step)
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
    """Where a mask is not 0, of images of that shape."""
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
    keep: Array = read_grey(Path(path)) != 0
    return keep


def _axes(per: Per, values: Array) -> tuple[int, ...]:
    return tuple(range(1, values.ndim)) if per == "image" else (0,)


def _patches(step: Patches, images: Images) -> Images:
    values = images.values
    places = places_of(step, values.shape[1:3], len(values))
    chosen, tops, lefts = places.images, places.tops, places.lefts
    made = np.empty((len(chosen), step.height, step.width, *values.shape[3:]), values.dtype)
    for k, (j, top, left) in enumerate(zip(chosen, tops, lefts, strict=True)):
        made[k] = values[j, top : top + step.height, left : left + step.width]
    names = tuple(
        f"{images.names[j]}, row {top}, column {left}" for j, top, left in zip(chosen, tops, lefts, strict=True)
    )
    return Images(made, names, images.labels and tuple(images.labels[j] for j in chosen))


def resized(image: Array, step: Resize) -> Array:
    """One image (height, width) or (height, width, 3) at the step's size; Pillow averages what becomes smaller."""
    height, width = image.shape[:2]
    target = (step.height, step.width)
    if (height, width) == target:
        return image
    if step.how == "stretch":
        return _scaled(image, target)
    wanted = max if step.how == "crop" else min
    scale = wanted(step.height / height, step.width / width)
    near = (max(1, round(height * scale)), max(1, round(width * scale)))
    # Rounding may miss the target by a pixel.
    near = tuple(
        max(side, aim) if step.how == "crop" else min(side, aim) for side, aim in zip(near, target, strict=True)
    )
    scaled = _scaled(image, (near[0], near[1]))
    if step.how == "crop":
        top, left = (near[0] - step.height) // 2, (near[1] - step.width) // 2
        return scaled[top : top + step.height, left : left + step.width]
    made = np.zeros((*target, *image.shape[2:]), image.dtype)
    top, left = (step.height - near[0]) // 2, (step.width - near[1]) // 2
    made[top : top + near[0], left : left + near[1]] = scaled
    return made


def _scaled(image: Array, shape: tuple[int, int]) -> Array:
    planes = image[..., None] if image.ndim == 2 else image
    made = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(planes[..., k], np.float32)).resize(
                (shape[1], shape[0]), Image.Resampling.BILINEAR
            )
        )
        for k in range(planes.shape[2])
    ]
    stacked: Array = np.stack(made, axis=-1).astype(image.dtype, copy=False)
    return stacked[..., 0] if image.ndim == 2 else stacked
