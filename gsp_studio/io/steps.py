"""What is done to images between a file and a data set: named steps in an order, each of which can be switched off.

Steps are data: they are part of `LoadOptions`, so they stand in run.json and in scripts, and the same data come again.
What is negative or not finite afterwards is asked about, as ever, and never changed in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]
Per = Literal["image", "pixel"]
How = Literal["stretch", "crop", "pad"]

LARGEST_SIDE = 1 << 15


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
class Patches:
    """`count` parts of `height` x `width` pixels in place of the images, at random, as often from each."""

    height: int
    width: int
    count: int
    seed: int = 0
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

    What is all zero stays so.
    """

    by: Literal["maximum", "norm"] = "maximum"
    per: Per = "image"
    is_on: bool = True
    kind: Literal["normalize"] = "normalize"


Step = Crop | Resize | Patches | Subtract | Normalize
KINDS: dict[str, Callable[..., Step]] = {
    "crop": Crop,
    "resize": Resize,
    "patches": Patches,
    "subtract": Subtract,
    "normalize": Normalize,
}
_CHOICES = {
    "how": get_args(How),
    "per": get_args(Per),
    "what": ("mean", "minimum"),
    "by": ("maximum", "norm"),
}
_LEAST = {"top": 0, "left": 0, "height": 1, "width": 1, "count": 2, "seed": 0}


@dataclass(frozen=True, eq=False)
class Images:
    """Images on their way: values (n, height, width) or (n, height, width, 3), names and labels."""

    values: Array
    names: tuple[str, ...]
    labels: tuple[str, ...] | None


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
    for name, accepted in _CHOICES.items():
        value = getattr(step, name, accepted[0])
        if value not in accepted:
            raise StepError(f'{step.kind}: {name} is "{value}"; accepted are {", ".join(accepted)}')
    for name, least in _LEAST.items():
        value = getattr(step, name, least)
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 1 << 31:
            raise StepError(f"{step.kind}: {name} is {value}; accepted is a whole number from {least}")
    sides = (getattr(step, "height", 1), getattr(step, "width", 1))
    if max(sides) > LARGEST_SIDE:
        raise StepError(f"{step.kind}: {sides[0]} x {sides[1]} is too large; accepted are sides up to {LARGEST_SIDE}")
    return step


def text_of(step: Step) -> str:
    """A step in words, for lists and for run.json."""
    match step:
        case Crop():
            return f"cropped to {step.height} x {step.width} at row {step.top}, column {step.left}"
        case Resize():
            how = {"stretch": "stretched", "crop": "edges cut", "pad": "edges filled with black"}[step.how]
            return f"resized to {step.height} x {step.width}, {how}"
        case Patches():
            return f"{step.count} patches of {step.height} x {step.width}, seed {step.seed}"
        case Subtract():
            return f"{step.what} of each {step.per} subtracted"
        case Normalize():
            return f"each {step.per} divided by its {'largest absolute value' if step.by == 'maximum' else 'norm'}"


def shape_after(steps: Sequence[Step], shape: tuple[int, int], count: int) -> tuple[tuple[int, int], int]:
    """Shape and number of the images after these steps.

    Raises
    ------
    StepError
        A part that does not lie within the images.
    """
    for step in steps:
        if not step.is_on or isinstance(step, (Subtract, Normalize)):
            continue
        top, left = (step.top, step.left) if isinstance(step, Crop) else (0, 0)
        within = top + step.height <= shape[0] and left + step.width <= shape[1]
        if not isinstance(step, Resize) and not within:
            raise StepError(
                f"{text_of(step)} does not lie within images of {shape[0]} x {shape[1]}; accepted is a part of them"
            )
        shape = (step.height, step.width)
        if isinstance(step, Patches):
            count = step.count
    return shape, count


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
            said.append(f"{part.name}={value!r}")
    return f"gs.{type(step).__name__}({', '.join(said)})"


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


def _axes(per: Per, values: Array) -> tuple[int, ...]:
    return tuple(range(1, values.ndim)) if per == "image" else (0,)


def _patches(step: Patches, images: Images) -> Images:
    values = images.values
    shape_after([step], values.shape[1:3], len(values))
    rng = np.random.default_rng(step.seed)
    # As often from each image as it goes; which get one more is by chance.
    whole, rest = divmod(step.count, len(values))
    chosen = np.sort(np.concatenate([np.repeat(np.arange(len(values)), whole), rng.permutation(len(values))[:rest]]))
    tops = rng.integers(0, values.shape[1] - step.height + 1, step.count)
    lefts = rng.integers(0, values.shape[2] - step.width + 1, step.count)
    made = np.empty((step.count, step.height, step.width, *values.shape[3:]), values.dtype)
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
