"""Axes after preprocessing steps, which move, thin out or turn the pixels that they describe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gsp_studio.io.axes import Axis, as_axes, axis_of
from gsp_studio.io.resize_fit import fit_of
from gsp_studio.io.steps import Bin, Crop, Flip, Patches, Resize, Rotate, Step, shape_after


def axes_after(axes: Sequence[Axis], steps: Sequence[Step], shape: tuple[int, int]) -> tuple[Axis, ...]:
    """Axes of the images after these steps.

    Parameters
    ----------
    axes : sequence of Axis
        Of the images before them.
    steps : sequence of Step
    shape : (height, width)
        Of the images before them.

    Returns
    -------
    tuple of Axis
        Without what no longer holds: patches have pixels of a size, but no common place, and no band.

    Raises
    ------
    StepError
        A part that does not lie within the images.
    """
    y, x, band = (axis_of(axes, dimension) for dimension in ("y", "x", "band"))
    for step in steps:
        if not step.is_on:
            continue
        height, width = shape
        after, _ = shape_after([step], shape, 1)
        match step:
            case Crop():
                y, x = y.part(step.top, step.height), x.part(step.left, step.width)
            case Bin():
                y = y.resampled(0, step.factor, after[0], height)
                x = x.resampled(0, step.factor, after[1], width)
            case Resize():
                near, (top, left) = fit_of(shape, step)
                tall, wide = height / near[0], width / near[1]
                y = y.resampled(top * tall, tall, step.height, height)
                x = x.resampled(left * wide, wide, step.width, width)
            case Flip():
                y, x = (y, x.reversed(width)) if step.direction == "left-right" else (y.reversed(height), x)
            case Rotate():
                y, x = _turned(y, x, shape, step.degrees)
            case Patches():
                y, x, band = _placeless(y), _placeless(x), Axis("band")
        shape = after
    return as_axes((y, x, band))


def _turned(y: Axis, x: Axis, shape: tuple[int, int], degrees: int) -> tuple[Axis, Axis]:
    """Axes of images turned clockwise."""
    height, width = shape
    if degrees == 180:
        return y.reversed(height), x.reversed(width)
    rows, columns = (x, y.reversed(height)) if degrees == 90 else (x.reversed(width), y)
    return replace(rows, dimension="y"), replace(columns, dimension="x")


def _placeless(axis: Axis) -> Axis:
    """An axis that says how large a pixel is, and not where."""
    if axis.spacing is None:
        return Axis(axis.dimension)
    return Axis(axis.dimension, axis.name, axis.unit, scale=axis.spacing)
