"""Images of another size: stretched, padded or cropped."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gsp_studio.arrays import Array
from gsp_studio.io.resize_fit import fit_of
from gsp_studio.io.steps import Resize


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
