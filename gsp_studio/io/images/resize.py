"""Images of another size: stretched, padded or cropped."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gsp_studio.arrays import Array
from gsp_studio.io.steps import Resize


def resize_image(image: Array, step: Resize) -> Array:
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
