"""Dataset: images as the columns of a nonnegative matrix, with all that is needed to show and to name them.

Frozen and checked when it is made: whatever holds a Dataset may rely on finite values >= 0, on at least two images,
and on a shape that fits. `steps` lists in words how these came from the raw values.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.io.axes import Axis, AxisError, Dimension, as_axes, axis_of
from gsp_studio.io.fingerprint import fingerprint_of, sampled_fingerprint_of
from gsp_studio.io.load_options import Colour, DatasetError, LoadOptions, Order, one_line
from gsp_studio.io.montage import as_curves
from gsp_studio.io.steps import Patches, shape_after
from gsp_studio.nouns import IMAGES, SPECTRA, Nouns

__all__ = ["Colour", "Dataset", "DatasetError", "LoadOptions", "Order", "as_images", "one_line"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images as columns.

    Attributes
    ----------
    X : ndarray (m, n), float32 or float64, >= 0, finite, Fortran order; or BlockMatrix
        A column an image of m values, each contiguous in memory. Read-only. Images that stay in their file are
        `BlockMatrix`: whole columns can be taken of these, too.
    image_shape : (height, width), in pixels
    order : "C" | "F"
        How a column fills its image, or each of its three colours.
    name : str
        For titles.
    names : sequence of str
        One an image.
    labels : sequence of str or None
        A class for each image, where the source has classes.
    source : str
        The path it came from.
    steps : tuple of str
        Changes to the raw values, in words, in order.
    options : LoadOptions
        Options of `load_dataset` as resolved: they load the same data again.
    notes : tuple of str
        Notes for the user before a run, a sentence each: images without contrast, for example.
    channels : int
        Values a pixel: 1, or 3 for colour. A column holds all of red, then all of green, then all of blue.
    grid : (height, width) or None
        Where the samples are pixels with a spectrum each, which a column holds: the image that they make, filled as
        `order` says; `image_shape` is (1, bands) then.
    whole : (count, height, width) or None
        Where the images are patches that a step of `options` cut out of others: how many these were, and their shape.
        `patches.put_back` puts them together again.
    axes : tuple of Axis
        Names, units and coordinates of the dimensions that have any, after all steps: "y" and "x" of an image (of the
        picture of `grid` where the samples are pixels), "band" along the images of the source: one place an image, or
        one a value of each spectrum where the samples are pixels. `axis` gives one.
    fingerprint : str
        SHA-256 of shape, type and values; made from them, of a sample of images where these stay in their file.

    Raises
    ------
    DatasetError
        Anything above that does not hold, in one sentence.
    """

    X: Array | BlockMatrix
    image_shape: tuple[int, int]
    order: Order
    name: str
    names: Sequence[str]
    labels: Sequence[str] | None = None
    source: str = ""
    steps: tuple[str, ...] = ()
    options: LoadOptions = field(default_factory=LoadOptions)
    notes: tuple[str, ...] = ()
    channels: int = 1
    grid: tuple[int, int] | None = None
    whole: tuple[int, int, int] | None = None
    axes: tuple[Axis, ...] = ()
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "axes", _checked_axes(self))
        X: Any = self.X
        if is_out_of_core(X):  # whose values are looked at as they are read
            object.__setattr__(self, "fingerprint", sampled_fingerprint_of(X))
            return
        _check_values(self.name, X)
        frozen = X.view()  # the caller's own array stays as writeable as it was
        frozen.flags.writeable = False
        object.__setattr__(self, "X", frozen)
        object.__setattr__(self, "notes", tuple(dict.fromkeys((*self.notes, *_notes_on(frozen)))))
        object.__setattr__(self, "fingerprint", fingerprint_of(frozen))

    @property
    def nouns(self) -> Nouns:
        """Words of texts for samples, basis vectors and entries of these data."""
        return IMAGES if self.grid is None else SPECTRA

    def axis(self, dimension: Dimension) -> Axis:
        """The axis of a dimension, "y", "x" or "band"; one that only counts where nothing is known of it."""
        return axis_of(self.axes, dimension)

    def places(self, dimension: Dimension) -> int:
        """Number of places that the axis of a dimension has."""
        height, width = self.grid or self.image_shape
        counts: dict[Dimension, int] = {"y": height, "x": width, "band": self.X.shape[0 if self.grid else 1]}
        return counts[dimension]

    def as_images(self, vectors: Array) -> Array:
        """Columns as images.

        Parameters
        ----------
        vectors : ndarray (m, k), any type
            A basis, reconstructions, residuals, or a part of X.

        Returns
        -------
        ndarray (k, height, width), or (k, height, width, 3) of images in colour, the same type
            A view where memory allows.
        """
        return as_images(vectors.T, self.image_shape, self.order, self.channels)

    def pictures(self, vectors: Array, white: float | None = None) -> Array:
        """Display columns: as images, or as curves where they are spectra.

        Parameters
        ----------
        vectors : ndarray (m, k), >= 0
        white : float, optional
            Upper edge of the curves; by default the largest value of each.

        Returns
        -------
        ndarray (k, height, width), or (k, height, width, 3) of images in colour
            Images have their values, curves greys in [0, 1].
        """
        if self.grid is None:
            return self.as_images(vectors)
        top = vectors.max(axis=0, initial=0) if white is None else np.full(vectors.shape[1], white)
        return as_curves(np.divide(vectors, top, out=np.zeros(vectors.shape), where=top > 0).T)

    def maps(self, coefficients: Array) -> Array:
        """Arrange the coefficients of spectra as images: the place of each part in the picture.

        Parameters
        ----------
        coefficients : ndarray (k, n)
            Rows of H.

        Returns
        -------
        ndarray (k, height, width)
        """
        assert self.grid is not None
        return as_images(coefficients, self.grid, self.order, 1)

    def as_map(self, vector: Array) -> Array:
        """One value for each pixel: of images in colour the mean of the three.

        Parameters
        ----------
        vector : ndarray (m,)

        Returns
        -------
        ndarray (height, width)
        """
        image: Array = self.as_images(vector[:, None])[0]
        return image.mean(axis=2, dtype=np.float64).astype(image.dtype) if image.ndim == 3 else image

    def from_map(self, image: Array) -> Array:
        """A column that has one value for each pixel, the same for its three colours.

        Parameters
        ----------
        image : ndarray (height, width)

        Returns
        -------
        ndarray (m,)
        """
        return np.tile(image.ravel(order=self.order), self.channels)

    def images(self, columns: npt.ArrayLike | None = None) -> Array:
        """Images of the data.

        Parameters
        ----------
        columns : int or array of ints, optional
            Which columns of X; by default all.

        Returns
        -------
        ndarray (k, height, width), or (k, height, width, 3) of images in colour, the type of X
        """
        if columns is not None:
            return self.as_images(self.X[:, np.atleast_1d(np.asarray(columns))])
        return self.as_images(self.X[:, :])


def as_images(rows: Array, image_shape: tuple[int, int], order: str, channels: int) -> Array:
    """Rows of values (k, m) as images, see `Dataset.as_images`."""
    height, width = image_shape
    if channels == 1:
        if order == "C":
            return rows.reshape(-1, height, width)
        return rows.reshape(-1, width, height).transpose(0, 2, 1)
    if order == "C":
        return rows.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    return rows.reshape(-1, channels, width, height).transpose(0, 3, 2, 1)


def _check_values(name: str, X: Array) -> None:
    low, high = float(X.min()), float(X.max())  # NaN passes through both
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DatasetError(f"{name}: X holds NaN or infinite values; NMF needs finite values >= 0")
    if low < 0:
        raise DatasetError(f"{name}: X has negative values (smallest {low:.6g}); NMF needs values >= 0")


def _notes_on(X: Array) -> tuple[str, ...]:
    """Notes on the values. The first two images decide for most data."""
    if np.ptp(X[:, 0]) == 0 and np.all(X == X[0, 0]):
        return ("the images have no contrast: every pixel has the same value, and rank 1 describes them",)
    if np.array_equal(X[:, 0], X[:, 1]) and np.all(X == X[:, :1]):
        return ("all images are the same: rank 1 describes them",)
    return ()


def _check(data: Dataset) -> None:
    X = data.X
    if isinstance(X, np.ma.MaskedArray):
        raise DatasetError(f"{data.name}: X is a masked array; accepted are its values, and for a fit its mask as mask")
    if not isinstance(X, np.ndarray | BlockMatrix):
        raise DatasetError(f"{data.name}: X is a {type(X).__name__}; expected is an array, or images in their file")
    is_ordered = isinstance(X, BlockMatrix) or X.flags.f_contiguous
    if X.ndim != 2 or X.dtype not in (np.float32, np.float64) or not is_ordered:
        raise DatasetError(
            f"{data.name}: X is {X.dtype} {X.shape}; expected is a float32 or float64 matrix in Fortran order"
        )
    m, n = X.shape
    if m == 0 or n == 0:
        raise DatasetError(f"{data.name} contains no images")
    if n < 2:
        raise DatasetError(f"{data.name} holds 1 image; a factorization needs at least 2")
    height, width = data.image_shape
    if data.grid is not None and (data.grid[0] * data.grid[1] != n or height != 1 or data.channels != 1):
        raise DatasetError(f"{data.name}: a picture of {data.grid[0]} x {data.grid[1]} does not have {n} spectra")
    if data.channels not in (1, 3):
        raise DatasetError(f"{data.name}: {data.channels} values a pixel; accepted are 1, grey, and 3, colour")
    values = height * width * data.channels
    if height < 1 or width < 1 or values != m:
        what = f"{values} pixels" if data.channels == 1 else f"{values} values in colour"
        raise DatasetError(f"{data.name}: images of {height} x {width} have {what}, the data have {m}")
    if data.whole is not None and not _is_cut(data):
        raise DatasetError(f"{data.name}: no step cuts {n} patches of {height} x {width} out of {data.whole}")
    if data.order not in ("C", "F"):
        raise DatasetError(f'{data.name}: order is "{data.order}"; accepted are "C" (by rows) and "F" (by columns)')
    if len(data.names) != n or (data.labels is not None and len(data.labels) != n):
        raise DatasetError(f"{data.name}: {n} images need as many names and labels")


def _checked_axes(data: Dataset) -> tuple[Axis, ...]:
    """The axes, which must have as many places as the data."""
    try:
        axes = as_axes(data.axes)
        for axis in axes:
            axis.require_count(data.places(axis.dimension))
    except AxisError as error:
        raise DatasetError(f"{data.name}: {error}") from error
    return axes


def _is_cut(data: Dataset) -> bool:
    """Whether the patches are those that a step cuts out of such images."""
    assert data.whole is not None
    cuts = [step for step in data.options.steps if step.is_on and isinstance(step, Patches)]
    try:
        count, height, width = map(operator.index, data.whole)
        shape, number = shape_after(cuts[-1:], (height, width), count)
    except (TypeError, ValueError):
        return False
    return bool(cuts) and count > 0 and (shape, number) == (data.image_shape, data.X.shape[1])
