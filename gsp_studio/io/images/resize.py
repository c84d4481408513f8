"""Images of another size: stretched, padded or cropped."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gsp_studio.arrays import Array
from gsp_studio.io.steps import Resize


def fit_of(shape: tuple[int, int], step: Resize) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size of an image once it is scaled, and the place in it where the step's result begins.

    Parameters
    ----------
    shape : (height, width)
    step : Resize

    Returns
    -------
    (height, width)
        Larger than the step's where edges are cut, smaller where they are filled.
    (row, column)
        Below 0 where edges are filled.
    """
    target = (step.height, step.width)
    if step.how == "stretch" or shape == target:
        return target, (0, 0)
    wanted = max if step.how == "crop" else min
    scale = wanted(step.height / shape[0], step.width / shape[1])
    # Rounding may miss the target by a pixel.
    height, width = (wanted(max(1, round(side * scale)), aim) for side, aim in zip(shape, target, strict=True))
    if step.how == "crop":
        return (height, width), ((height - step.height) // 2, (width - step.width) // 2)
    return (height, width), (-((step.height - height) // 2), -((step.width - width) // 2))


def resize_image(image: Array, step: Resize) -> Array:
    """One image (height, width) or (height, width, 3) at the step's size; Pillow averages what becomes smaller."""
    target = (step.height, step.width)
    if image.shape[:2] == target:
        return image
    near, (top, left) = fit_of((image.shape[0], image.shape[1]), step)
    scaled = _scaled(image, near)
    if step.how != "pad":
        return scaled[top : top + step.height, left : left + step.width]
    made = np.zeros((*target, *image.shape[2:]), image.dtype)
    made[-top : near[0] - top, -left : near[1] - left] = scaled
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
