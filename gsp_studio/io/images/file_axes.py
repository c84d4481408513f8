"""Axes of images in files: the size of a pixel, where all files agree on it."""

from __future__ import annotations

from collections.abc import Sequence

from gsp_studio.io.axes import Axis, Dimension
from gsp_studio.io.axis_steps import axes_after
from gsp_studio.io.dataset import LoadOptions
from gsp_studio.io.images.headers import Header
from gsp_studio.io.source_axes import chosen_axes
from gsp_studio.io.steps import leading_resize


def axes_of_files(
    headers: Sequence[Header], options: LoadOptions, held: int, where: str
) -> tuple[tuple[Axis, ...], tuple[str, ...]]:
    """Axes of the images as they come from the files, resized as a first step says, and a note where these disagree.

    Parameters
    ----------
    headers : sequence of Header
    options : LoadOptions
    held : int
        Images in all files.
    where : str
        For errors.

    Raises
    ------
    DatasetError
        An axis of the user's that has other places than the images.
    """
    sizes, of_files = ({getattr(header, name) for header in headers} for name in ("size", "axes"))
    height, width = min(sizes)
    counts: dict[Dimension, int] = {"y": height, "x": width, "band": held}
    is_one = len(sizes) == len(of_files) == 1
    axes = chosen_axes(headers[0].axes if is_one else (), options.axes, counts, where)
    notes = () if len(of_files) == 1 else ("the files say that their pixels differ in size: no size is used",)
    resize = leading_resize(options.steps)
    if resize is None:
        return axes, notes
    if len(sizes) > 1:  # each is scaled by a factor of its own
        return tuple(axis for axis in axes if axis.dimension == "band"), notes
    return axes_after(axes, [resize], (height, width)), notes
