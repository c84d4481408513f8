"""Fit of an image into another shape: how it is scaled, and which part of it is taken."""

from __future__ import annotations

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
