"""Preprocessing of images between a file and a data set: named steps in an order, each of which can be switched off.

Steps are data: they are part of `LoadOptions`, so they stand in run.json and in scripts, and the same data come again.
Values that are negative or not finite afterwards need a choice of the user, and are never changed in silence.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np

from gsp_studio.arrays import Array

Per = Literal["image", "pixel"]
How = Literal["stretch", "crop", "pad"]
Direction = Literal["left-right", "up-down"]
Negative = Literal["clip", "shift", "abs"]

#: Remedy for a folder with images of many sizes.
REMEDY = "a step that resizes them"
LARGEST_SIDE = 1 << 15
#: Remedy for a source of one image.
CUT = "a step that cuts it into patches"
#: Patches of a data set.
MOST_PATCHES = 1 << 28
#: Patches that are proposed for one image, about.
_PROPOSED = 20_000


class StepError(ValueError):
    """A step that cannot be; the message is one sentence."""


@dataclass(frozen=True)
class Crop:
    """A part of each image: `height` x `width` pixels from row `top` and column `left` on."""

    top: int
    left: int
    height: int
    width: int
    is_on: bool = True
    kind: Literal["crop"] = "crop"


@dataclass(frozen=True)
class Resize:
    """All images at one size. "stretch" changes their proportions; "crop" and "pad" keep them, and cut what is too
    much or fill with black what is missing, both sides alike.
    """

    height: int
    width: int
    how: How = "crop"
    is_on: bool = True
    kind: Literal["resize"] = "resize"


@dataclass(frozen=True)
class Rotate:
    """Each image turned clockwise by 90, 180 or 270 degrees."""

    degrees: Literal[90, 180, 270] = 90
    is_on: bool = True
    kind: Literal["rotate"] = "rotate"


@dataclass(frozen=True)
class Flip:
    """Each image mirrored: "left-right" exchanges its sides, "up-down" its top and bottom."""

    direction: Direction = "left-right"
    is_on: bool = True
    kind: Literal["flip"] = "flip"


@dataclass(frozen=True)
class Bin:
    """Means of blocks of `factor` x `factor` pixels; rows and columns that fill no block, at the end, are cut off."""

    factor: int = 2
    is_on: bool = True
    kind: Literal["bin"] = "bin"


@dataclass(frozen=True)
class Patches:
    """Parts of `height` x `width` pixels in place of the images.

    `count` of them at random, as often from each image; or, with a `stride` above 0, one every so many pixels down and
    across, with those at the edges, so that they cover the images where the stride is no longer than they are.
    """

    height: int
    width: int
    count: int = 10_000
    seed: int = 0
    stride: int = 0
    is_on: bool = True
    kind: Literal["patches"] = "patches"


@dataclass(frozen=True)
class Subtract:
    """The "mean" or the "minimum" taken away, that of each image or that of each pixel over all images."""

    what: Literal["mean", "minimum"]
    per: Per = "image"
    is_on: bool = True
    kind: Literal["subtract"] = "subtract"


@dataclass(frozen=True)
class Normalize:
    """Divided by the largest absolute value ("maximum") or by the Euclidean norm ("norm"), per image or per pixel.

    Images of zeros stay as they are.
    """

    by: Literal["maximum", "norm"] = "maximum"
    per: Per = "image"
    is_on: bool = True
    kind: Literal["normalize"] = "normalize"


@dataclass(frozen=True)
class Background:
    """The background of a movie taken away: at each pixel a percentile of its values in all images; 50: the median."""

    percentile: int = 50
    is_on: bool = True
    kind: Literal["background"] = "background"


@dataclass(frozen=True)
class RelativeChange:
    """Relative change dF/F of a movie: (F - F0) / F0, where F0 is a percentile of a pixel's values in all images.

    Pixels whose F0 is not above 0 have none, and are set to 0.
    """

    percentile: int = 10
    is_on: bool = True
    kind: Literal["dff"] = "dff"


@dataclass(frozen=True)
class Mask:
    """Pixels that are 0 in a mask are set to 0 in every image.

    `path` is that of the mask: a grey image, or a .npy, of the shape that the images have when they come to this step.
    """

    path: str
    is_on: bool = True
    kind: Literal["mask"] = "mask"


@dataclass(frozen=True)
class Nonnegative:
    """Negative values set to 0 ("clip"), made positive ("abs"), or the smallest of all subtracted ("shift")."""

    negative: Negative = "clip"
    is_on: bool = True
    kind: Literal["nonnegative"] = "nonnegative"


Step = (
    Crop
    | Resize
    | Rotate
    | Flip
    | Bin
    | Patches
    | Subtract
    | Background
    | RelativeChange
    | Normalize
    | Mask
    | Nonnegative
)
#: Steps after which a pixel is another one.
Geometric = Crop | Resize | Rotate | Flip | Bin | Patches
KINDS: dict[str, Callable[..., Step]] = {
    "crop": Crop,
    "resize": Resize,
    "rotate": Rotate,
    "flip": Flip,
    "bin": Bin,
    "patches": Patches,
    "subtract": Subtract,
    "background": Background,
    "dff": RelativeChange,
    "normalize": Normalize,
    "mask": Mask,
    "nonnegative": Nonnegative,
}
CHOICES: dict[str, tuple[Any, ...]] = {
    "how": get_args(How),
    "degrees": (90, 180, 270),
    "direction": get_args(Direction),
    "per": get_args(Per),
    "what": ("mean", "minimum"),
    "by": ("maximum", "norm"),
    "negative": get_args(Negative),
}
LEAST = {"top": 0, "left": 0, "height": 1, "width": 1, "count": 2, "seed": 0, "stride": 0, "factor": 2, "percentile": 0}
#: Largest values, of those that have one of their own.
MOST = {"height": LARGEST_SIDE, "width": LARGEST_SIDE, "factor": LARGEST_SIDE, "percentile": 100}


def as_step(step: Any) -> Step:
    """A step, or what run.json holds of one, checked.

    Raises
    ------
    StepError
        A step of no known kind, or a number or a choice out of range.
    """
    if isinstance(step, dict):
        kind = step.get("kind")
        if kind not in KINDS:
            raise StepError(f'step "{kind}" is not known; accepted are {", ".join(KINDS)}')
        try:
            step = KINDS[kind](**step)
        except TypeError as error:
            raise StepError(f'step "{kind}" is incomplete ({error})') from error
    if not isinstance(step, Step):
        raise StepError(f"{step!r} is no step; accepted are {', '.join(KINDS)}")
    if isinstance(step, Mask) and not (isinstance(step.path, str) and step.path):
        raise StepError("mask: the path is empty; accepted is that of a grey image or a .npy")
    for name, accepted in CHOICES.items():
        value = getattr(step, name, accepted[0])
        if value not in accepted:
            raise StepError(f'{step.kind}: {name} is "{value}"; accepted are {", ".join(map(str, accepted))}')
    for name, least in LEAST.items():
        value = getattr(step, name, least)
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 1 << 31:
            raise StepError(f"{step.kind}: {name} is {value}; accepted is a whole number from {least}")
        if name in ("factor", "percentile") and value > MOST[name]:
            raise StepError(f"{step.kind}: {name} is {value}; accepted is a whole number from {least} to {MOST[name]}")
    if isinstance(step, Mask):
        step = replace(step, path=os.path.abspath(os.path.expanduser(step.path)))  # a run repeats from any folder
    sides = (getattr(step, "height", 1), getattr(step, "width", 1))
    if max(sides) > LARGEST_SIDE:
        raise StepError(f"{step.kind}: {sides[0]} x {sides[1]} is too large; accepted are sides up to {LARGEST_SIDE}")
    checked: Step = step
    return checked


def text_of(step: Step) -> str:
    """A step in words, for lists and for run.json."""
    match step:
        case Crop():
            return f"cropped to {step.height} x {step.width} from row {step.top + 1}, column {step.left + 1} on"
        case Resize():
            how = {"stretch": "stretched", "crop": "edges cut", "pad": "edges filled with black"}[step.how]
            return f"resized to {step.height} x {step.width}, {how}"
        case Rotate():
            return f"turned clockwise by {step.degrees} degrees"
        case Flip():
            return f"mirrored {step.direction}"
        case Bin():
            return f"means of {step.factor} x {step.factor} pixels"
        case Background():
            return f"background subtracted: {_percentile_text(step.percentile)} of each pixel"
        case RelativeChange():
            return f"dF/F, F0 the {_percentile_text(step.percentile)} of each pixel; 0 where F0 is not above 0"
        case Patches():
            patches = f"patches of {step.height} x {step.width}"
            return (
                f"{patches} every {step.stride} pixels" if step.stride else f"{step.count} {patches}, seed {step.seed}"
            )
        case Subtract():
            return f"{step.what} of each {step.per} subtracted"
        case Mask():
            return f"masked by {step.path}"
        case Nonnegative():
            done = {"clip": "set to 0", "shift": "gone: the smallest value subtracted from all", "abs": "made positive"}
            return f"negative values {done[step.negative]}"
        case Normalize():
            return f"each {step.per} divided by its {'largest absolute value' if step.by == 'maximum' else 'norm'}"


def _percentile_text(percentile: int) -> str:
    return "median" if percentile == 50 else f"percentile {percentile}"


def shape_after(steps: Sequence[Step], shape: tuple[int, int], count: int) -> tuple[tuple[int, int], int]:
    """Shape and number of the images after these steps.

    Raises
    ------
    StepError
        A part that does not lie within the images.
    """
    for step in steps:
        if step.is_on and isinstance(step, Rotate) and step.degrees != 180:
            shape = shape[1], shape[0]
        if step.is_on and isinstance(step, Bin):
            if step.factor > min(shape):
                raise StepError(f"{text_of(step)} are more than images of {shape[0]} x {shape[1]} have")
            shape = shape[0] // step.factor, shape[1] // step.factor
        if not step.is_on or not isinstance(step, Crop | Resize | Patches):
            continue
        top, left = (step.top, step.left) if isinstance(step, Crop) else (0, 0)
        within = top + step.height <= shape[0] and left + step.width <= shape[1]
        if not isinstance(step, Resize) and not within:
            raise StepError(
                f"{text_of(step)} does not lie within images of {shape[0]} x {shape[1]}; "
                "accepted are rows and columns within them"
            )
        if isinstance(step, Patches):
            count = _patches_of(step, shape, count)
            if count > MOST_PATCHES:
                raise StepError(
                    f"{text_of(step)} are {count:,}; accepted are up to {MOST_PATCHES:,}, by a longer stride"
                )
        shape = (step.height, step.width)
    return shape, count


def _patches_of(step: Patches, shape: tuple[int, int], count: int) -> int:
    if not step.stride:
        return step.count
    for side, size in zip(shape, (step.height, step.width), strict=True):
        count *= 1 + -(-(side - size) // step.stride)
    return count


def corners(step: Patches, shape: tuple[int, int]) -> Array:
    """Row and column of the upper left pixel of each patch of an image, where they are cut by a stride.

    Returns
    -------
    ndarray (k, 2) of int64
        Row by row. The last ones end where the image does.
    """
    each = []
    for side, size in zip(shape, (step.height, step.width), strict=True):
        starts = np.arange(0, side - size + 1, step.stride)
        each.append(starts if starts[-1] == side - size else np.append(starts, side - size))
    rows, columns = np.meshgrid(*each, indexing="ij")
    return np.stack([rows.ravel(), columns.ravel()], axis=1)


def proposed_patches(shape: tuple[int, int]) -> Patches:
    """Patches that cover one image of that shape twice over or so, in a number that a window can work with."""
    side = min(*shape, max(2, min(16, min(shape) // 8)))
    stride = max(1, side // 2, math.ceil(math.sqrt(shape[0] * shape[1] / _PROPOSED)))
    return Patches(min(shape[0], max(side, stride)), min(shape[1], max(side, stride)), stride=stride)


def leading_resize(steps: Sequence[Step]) -> Resize | None:
    """The first step where it brings all images to one size: files of any size can be read then."""
    first = next((step for step in steps if step.is_on), None)
    return first if isinstance(first, Resize) else None


def script_of(step: Step) -> str:
    """A step as Python: ``gs.Resize(height=64, width=64)``."""
    said = []
    for part in fields(step):
        value = getattr(step, part.name)
        if part.name != "kind" and (part.default is MISSING or value != part.default):
            said.append(f"{part.name}={value!a}")
    return f"gs.{type(step).__name__}({', '.join(said)})"


def argument_of(step: Step) -> str:
    """A step as the command line has it: ``resize:height=64,width=64``."""
    said = []
    for part in fields(step):
        value = getattr(step, part.name)
        if part.name not in ("kind", "is_on") and (part.default is MISSING or value != part.default):
            said.append(f"{part.name}={value}")
    return f"{step.kind}:{','.join(said)}"
