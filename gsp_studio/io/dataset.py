"""Dataset: images as the columns of a nonnegative matrix, with all that is needed to show and to name them.

Frozen and checked once, when it is made: whatever holds a Dataset may rely on finite values >= 0, on at least two
images, and on a shape that fits. How the raw values became these is told in `steps`, in words.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Order = Literal["C", "F"]


class DatasetError(ValueError):
    """A data set that cannot be used; the message is one sentence: what, where, and what is accepted."""


@dataclass(frozen=True)
class LoadOptions:
    """How a source is to be read; None: as the reader proposes.

    Attributes
    ----------
    image_shape : (height, width)
        For sources that hold images as vectors.
    order : "C" | "F"
        How a vector fills its image: row by row, or column by column as MATLAB does.
    images_in : "columns" | "rows"
        Where a matrix keeps its images.
    key : str
        Which array of a file that holds several.
    negative : "clip" | "shift" | "abs"
        What to do with negative values: set to 0, subtract the smallest value from all, or take absolute values.
    dtype : "float32" | "float64"
        The type to compute in.
    """

    image_shape: tuple[int, int] | None = None
    order: Order | None = None
    images_in: Literal["columns", "rows"] | None = None
    key: str | None = None
    negative: Literal["clip", "shift", "abs"] | None = None
    dtype: Literal["float32", "float64"] | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images as columns.

    Attributes
    ----------
    X : ndarray (m, n), float32 or float64, >= 0, finite, Fortran order
        A column an image of m pixels, each contiguous in memory. Read-only.
    image_shape : (height, width), in pixels
    order : "C" | "F"
        How a column fills its image.
    name : str
        For titles.
    names : tuple of str
        One an image.
    labels : tuple of str or None
        A class for each image, where the source has classes.
    source : str
        The path it came from.
    steps : tuple of str
        What was done to the raw values, in words, in order.
    options : LoadOptions
        What `load_dataset` was asked for, as resolved: loads the same data again.
    fingerprint : str
        SHA-256 of shape, type and values; made from them.
    """

    X: Array
    image_shape: tuple[int, int]
    order: Order
    name: str
    names: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    source: str = ""
    steps: tuple[str, ...] = ()
    options: LoadOptions = LoadOptions()
    fingerprint: str = field(default="")

    def __post_init__(self) -> None:
        _check(self)
        self.X.flags.writeable = False
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint_of(self.X))

    def as_images(self, vectors: Array) -> Array:
        """Columns of any (m, k) array as images (k, height, width); a view where memory allows."""
        height, width = self.image_shape
        if self.order == "C":
            return vectors.T.reshape(-1, height, width)
        return vectors.T.reshape(-1, width, height).transpose(0, 2, 1)

    def images(self, columns: npt.ArrayLike | None = None) -> Array:
        """The images (k, height, width) of the given columns of X, by default of all."""
        return self.as_images(self.X if columns is None else self.X[:, np.atleast_1d(np.asarray(columns))])

    def with_layout(self, image_shape: tuple[int, int] | None = None, order: Order | None = None) -> Dataset:
        """The same data with another shape or order of its images."""
        shape, order = image_shape or self.image_shape, order or self.order
        options = replace(self.options, image_shape=shape, order=order)
        return replace(self, image_shape=shape, order=order, options=options)


def fingerprint_of(X: Array) -> str:
    """SHA-256 of an array's shape, type and values (column by column), as 64 hexadecimal digits."""
    digest = hashlib.sha256(f"{X.shape} {X.dtype.str}".encode())
    columns = X.T if X.flags.f_contiguous else np.ascontiguousarray(X.T)
    digest.update(columns.data.cast("B"))
    return digest.hexdigest()


def _check(data: Dataset) -> None:
    X = data.X
    if X.ndim != 2 or X.dtype not in (np.float32, np.float64) or not X.flags.f_contiguous:
        raise DatasetError(
            f"{data.name}: X is {X.dtype} {X.shape}; expected is a float32 or float64 matrix in Fortran order"
        )
    m, n = X.shape
    if m == 0 or n == 0:
        raise DatasetError(f"{data.name} contains no images")
    if n < 2:
        raise DatasetError(f"{data.name} holds 1 image; a factorization needs at least 2")
    height, width = data.image_shape
    if height < 1 or width < 1 or height * width != m:
        raise DatasetError(f"{data.name}: images of {height} x {width} have {height * width} pixels, the data have {m}")
    if data.order not in ("C", "F"):
        raise DatasetError(f'{data.name}: order is "{data.order}"; accepted are "C" (by rows) and "F" (by columns)')
    if len(data.names) != n or (data.labels is not None and len(data.labels) != n):
        raise DatasetError(f"{data.name}: {n} images need as many names and labels")
