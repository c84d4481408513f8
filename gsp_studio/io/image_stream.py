"""Images that stay in their file: read in blocks, each processed as loading would.

For folders of images, and for arrays that can be read in part. Steps that need all images (shifting by the smallest
value of all, patches, anything per pixel) are refused; all else is done block by block, with the functions that
loading uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.io import apply_steps, array_reader
from gsp_studio.io.dataset import DatasetError, as_images
from gsp_studio.io.formats.plain_values import PlainArray
from gsp_studio.io.formats.registry import FORMATS
from gsp_studio.io.images import image_set
from gsp_studio.io.memory import require_memory
from gsp_studio.io.peek import Peek
from gsp_studio.io.steps import Background, Nonnegative, Normalize, Patches, RelativeChange, Step, Subtract, text_of
from gsp_studio.io.value_codes import missing_note
from gsp_studio.io.values import make_finite, make_nonnegative

#: Bytes of images, as they are computed with, that are made ready at once.
_CHUNK = 1 << 21


def reason_against(found: Peek) -> str:
    """Find the reason why a source cannot stay in its file, a clause; "" where it can."""
    if not found.is_mapped:
        *others, last = (form.parts for form in FORMATS.values() if form.parts)
        return f"only folders of images and {', '.join(others)} and {last} files can be read in part"
    if found.options.negative == "shift":
        return "shifting needs the smallest of all values; accepted for negative: clip, abs"
    if found.options.nonfinite == "drop":
        return "images cannot be dropped on the way; accepted for nonfinite: zero"
    if found.options.samples == "pixels":
        return "spectra lie across all images"
    for step in found.options.steps:
        is_of_all = (
            isinstance(step, Patches | Background | RelativeChange)
            or (isinstance(step, Subtract | Normalize) and step.per != "image")
            or (isinstance(step, Nonnegative) and step.negative == "shift")
        )
        if step.is_on and is_of_all:
            return f'"{text_of(step)}" needs all images at once'
    return ""


def open_matrix(found: Peek) -> BlockMatrix:
    """The images of a source as the columns of a matrix that is read in blocks.

    Raises
    ------
    DatasetError
        A source that cannot be read in part.
    """
    reason = reason_against(found)
    if reason:
        raise DatasetError(f"{found.path} cannot stay on the disk: {reason}")
    (height, width), dtype = found.shape_after, np.dtype(found.options.dtype)
    source = _Source(found)
    shape = (height * width * found.channels, found.n_images)
    of_file = None if source.values is None else source.values.nbytes * found.n_images // found.n_held
    X = BlockMatrix(shape, dtype, source.read, of_file)
    held = min(found.n_images, X.images_at_once) * shape[0] * dtype.itemsize
    require_memory(2 * held, f"{found.path}, read in blocks of images of {height} x {width},")
    return X


class _Source:
    """Reads images of a source, an image a row, ready to compute with. Another process opens it for itself."""

    def __init__(self, found: Peek) -> None:
        self.found = found
        self.values = None if found.kind == "images" else array_reader.values_of(found, in_parts=True)
        self._in_turn = isinstance(self.values, PlainArray) and self.values.is_outermost(0)
        self._steps: list[Step] = [step for step in found.options.steps if step.is_on]

    def __reduce__(self) -> tuple[Any, ...]:
        return _Source, (self.found,)

    def read(self, start: int, stop: int, out: Array) -> None:
        # A few megabytes at a time, so that what is made on the way stays in the cache; of files that are decoded, or
        # have a value of every image in turn, more is read at once: these would be gone through again and again.
        held = None
        if self.values is not None and not self._in_turn:
            held = array_reader.part_of(self.values, self.found, slice(start, stop))
        step = max(1, _CHUNK // out[:1].nbytes) if out.size else 1
        if self.values is None:
            step = max(step, stop - start)
        for a in range(start, stop, step):
            b = min(stop, a + step)
            out[a - start : b - start] = self._chunk(a, b, held, a - start)

    def _chunk(self, start: int, stop: int, held: Array | None, first: int) -> Array:
        found = self.found
        X = self._columns(slice(start, stop), held, slice(first, first + stop - start))
        where = f"{found.path}, images {start + 1} to {stop}"
        if found.dtype.startswith("float") or self.values is None:
            make_finite(X, found.options.nonfinite, where, missing_note(found.notes))
        if self._steps:
            images = as_images(X.T, found.image_shape, found.order, found.channels)
            made = apply_steps.apply(self._steps, apply_steps.Images(images, ("",) * len(images), None)).values
            planes = made if made.ndim == 3 else made.transpose(0, 3, 1, 2)
            X = np.ascontiguousarray(planes.reshape(len(planes), -1), X.dtype).T
        if X.size and (self._steps or not found.dtype.startswith(("uint", "bool"))):
            make_nonnegative(X, found.options.negative, where)
        return X.T

    def _columns(self, some: slice, held: Array | None, of_held: slice) -> Array:
        if self.values is None:
            return image_set.columns_of(self.found, some)
        if held is None:
            return array_reader.columns_of(self.values, self.found, some)
        return array_reader.to_columns(held[of_held], self.found)
