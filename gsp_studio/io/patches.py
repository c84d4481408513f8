"""Patches of images: where they are cut out, and how the pictures come together again from a factorization of them.

Overlapping patches are averaged: in their own values that gives the image back, in those of ``W H`` its reconstruction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.powers import exponent_of, scaled
from gsp_studio.io.memory import require_memory
from gsp_studio.io.steps import Geometric, Patches, Step, corners, shape_after

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset


#: Values that are put back at once.
_BLOCK = 1 << 22


@dataclass(frozen=True, eq=False)
class Places:
    """Places of patches: the image of each, and row and column of its upper left pixel, (n,) of int64."""

    images: Array
    tops: Array
    lefts: Array


def places_of(step: Patches, shape: tuple[int, int], count: int) -> Places:
    """Choose the places of the patches of a step in `count` images of that shape, the same ones each time.

    Raises
    ------
    StepError
        Patches that are larger than the images.
    """
    shape_after([step], shape, count)
    if step.stride:
        each = corners(step, shape)
        return Places(np.repeat(np.arange(count), len(each)), *np.tile(each, (count, 1)).T)
    rng = np.random.default_rng(step.seed)
    # As often from each image as it goes; which get one more is by chance.
    whole, rest = divmod(step.count, count)
    chosen = np.sort(np.concatenate([np.repeat(np.arange(count), whole), rng.permutation(count)[:rest]]))
    tops = rng.integers(0, shape[0] - step.height + 1, step.count)
    lefts = rng.integers(0, shape[1] - step.width + 1, step.count)
    return Places(chosen, tops, lefts)


def images_before(steps: Sequence[Step], shape: tuple[int, int], count: int) -> tuple[int, int, int] | None:
    """Number, height and width of the images that patches are cut out of.

    Parameters
    ----------
    steps : sequence of Step
    shape : (height, width)
        Before the steps.
    count : int

    Returns
    -------
    (count, height, width), or None
        None where no patches are cut, or other pixels are taken of them afterwards.
    """
    on = [step for step in steps if step.is_on]
    last = max((k for k, step in enumerate(on) if isinstance(step, Geometric)), default=-1)
    if last < 0 or not isinstance(on[last], Patches):
        return None
    before, count = shape_after(on[:last], shape, count)
    return (count, *before)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image put together from its patches, and from what a basis makes of them.

    Attributes
    ----------
    original, reconstruction : ndarray (height, width) or (height, width, 3), float64
        0 where no patch lies.
    covered : ndarray (height, width) of bool
        Where patches lie.
    """

    original: Array
    reconstruction: Array
    covered: Array

    @property
    def residual(self) -> Array:
        """Original less reconstruction, signed."""
        left: Array = self.original - self.reconstruction
        return left

    @property
    def error(self) -> float:
        """``||original - reconstruction|| / ||original||`` where patches lie; NaN of a black image."""
        exponent = exponent_of(float(self.original.max()))  # squares of extreme values are no numbers
        original, residual = (scaled(values, -exponent) for values in (self.original, self.residual))
        size = float(np.linalg.norm(original))
        return float(np.linalg.norm(residual)) / size if size > 0 else math.nan

    @property
    def coverage(self) -> float:
        """The fraction of its pixels that lie in a patch."""
        return float(self.covered.mean())


def put_back(
    dataset: Dataset, W: Array, H: Any, image: int = 0, on_block: Callable[[int], object] | None = None
) -> Picture:
    """An image that was cut into patches beside what a basis makes of it: patches of X, and of W H, averaged.

    Parameters
    ----------
    dataset : Dataset
        Of patches, see `Dataset.whole`.
    W : ndarray (m, r)
    H : ndarray (r, n), or Coefficients
    image : int
        Which of the images that were cut, from 0.
    on_block : callable, optional
        Called with the number of patches done so far; what it raises ends the work.

    Returns
    -------
    Picture
        In the unit of X.

    Raises
    ------
    ValueError
        A data set of other images than patches, factors of other data, or an image that there is none of.
    """
    if dataset.whole is None:
        raise ValueError(f"{dataset.name} is not made of patches; accepted are images cut by a step (patches)")
    if (len(W), H.shape[1]) != dataset.X.shape or W.shape[1] != H.shape[0]:
        raise ValueError(f"factors {W.shape} and {H.shape} are not those of data {dataset.X.shape}")
    count, height, width = dataset.whole
    if not 0 <= image < count:
        raise ValueError(f"there is no image {image}; accepted are 0 to {count - 1}")
    needed = 24 * (count + dataset.X.shape[1]) + 8 * height * width * (4 * dataset.channels + 1)
    require_memory(needed, f"a picture of {height} x {width} of {dataset.name}")
    places = places_of(_cut(dataset), (height, width), count)
    chosen = np.flatnonzero(places.images == image)
    rows, columns = (np.arange(side) for side in dataset.image_shape)
    size, channels = height * width, dataset.channels
    sums = np.zeros((2, channels, size))
    times = np.zeros(size)
    step = max(1, _BLOCK // len(W))
    for a in range(0, len(chosen), step):
        part = chosen[a : a + step]
        tops, lefts = (corner[part, None, None] for corner in (places.tops, places.lefts))
        pixels = ((tops + rows[:, None]) * width + lefts + columns).ravel()
        times += np.bincount(pixels, minlength=size)
        for into, values in zip(sums, (dataset.X[:, part], W @ H[:, part]), strict=True):
            planes = dataset.as_images(values).reshape(-1, channels)
            for k in range(channels):
                into[k] += np.bincount(pixels, planes[:, k], size)
        if on_block is not None:
            on_block(min(len(chosen), a + step))
    means = np.divide(sums, times, out=np.zeros_like(sums), where=times > 0).reshape(2, channels, height, width)
    original, reconstruction = means[:, 0] if channels == 1 else means.transpose(0, 2, 3, 1)
    return Picture(original, reconstruction, (times > 0).reshape(height, width))


def _cut(dataset: Dataset) -> Patches:
    """The step that made a data set's patches."""
    [*_, step] = (step for step in dataset.options.steps if step.is_on and isinstance(step, Patches))
    return step


def image_of(dataset: Dataset, patch: int) -> int:
    """Number of the image that a patch comes from, from 0; as `put_back` takes it."""
    assert dataset.whole is not None
    count, height, width = dataset.whole
    return int(places_of(_cut(dataset), (height, width), count).images[patch])
