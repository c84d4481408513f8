"""Axes of the images of a source: from what its file declares and the user gives to those of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.axes import DIMENSIONS, MOST, Axis, AxisError, Dimension, as_axes, axis_of, with_changes
from gsp_studio.io.axis_steps import axes_after
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.peek import Peek, Raw


def image_axes(of_array: Sequence[Axis | None], order: tuple[int, ...], channel: int) -> tuple[Axis, ...]:
    """Axes of images from those of the array that holds them.

    Parameters
    ----------
    of_array : sequence of Axis or None
        One a dimension of the array, or none at all.
    order, channel
        As in `axis_guess.Reading`: the array's axis of the images first.
    """
    if not of_array:
        return ()
    band, *rest = order
    inner = [axis for k, axis in enumerate(rest) if k != channel]
    places: list[tuple[Dimension, int]] = [("band", band)]
    if len(inner) == 2:  # vectors have no rows and columns of their own
        places += [("y", inner[0]), ("x", inner[1])]
    found: list[Axis] = []
    for dimension, k in places:
        axis = of_array[k] if 0 <= k < len(of_array) else None
        if axis is not None:
            found.append(replace(axis, dimension=dimension))
    return as_axes(found)


def chosen_axes(of_file: Sequence[Axis], given: Sequence[Axis], counts: dict[Dimension, int], where: str) -> Any:
    """Axes of all images of a source: those of the file, and in their place those that the user gives.

    Raises
    ------
    DatasetError
        An axis of the user's that has other places than the images.
    """
    try:
        axes = with_changes(of_file, given)
        for axis in axes:
            axis.require_count(counts[axis.dimension])
    except AxisError as error:
        raise DatasetError(f"{where}: {error}") from error
    return axes


def dataset_axes(found: Peek, raw: Raw, kept: Array) -> tuple[Axis, ...]:
    """Axes of a data set, after its subset and its steps.

    Parameters
    ----------
    found : Peek
    raw : Raw
        Images or spectra as they are loaded.
    kept : ndarray of bool
        Which of the images that are read are in the data set, before the steps.
    """
    y, x, band = (axis_of(found.image_axes, dimension) for dimension in DIMENSIONS)
    band = band.part(found.picked.start, len(found.picked), found.picked.step)
    if not kept.all():
        band = band.picked([int(k) for k in np.flatnonzero(kept)], len(kept))
    axes = axes_after((y, x, band), found.options.steps, found.image_shape)
    if found.options.samples != "pixels":
        return axes
    y, x, band = (axis_of(axes, dimension) for dimension in DIMENSIONS)
    is_told = band.labels or (band.is_calibrated and found.kind != "images")
    if raw.is_named and not is_told and len(raw.names) <= MOST:
        band = replace(band, labels=tuple(raw.names))
    return as_axes((y, x, band))
