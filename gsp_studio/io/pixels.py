"""One value a pixel from a file: weights, or pixels that are missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.formats.text_table import SUFFIXES, list_arrays, read_array
from gsp_studio.io.images.image_file import look, read_image
from gsp_studio.io.paths import check_regular

#: Bytes of a list of numbers as text, at most.
_MOST_TEXT = 64 << 20


def read_pixels(path: str | os.PathLike[str], dataset: Dataset) -> Array:
    """Read one value for each pixel of the images.

    Parameters
    ----------
    path : path-like
        A grey image of the images' shape, or a .npy or a table with numbers (height, width) or (m,); of bands a table
        may have their axis in a column before these. Of images in colour all three values of a pixel get its value.
    dataset : Dataset
        Defines the shape, and the layout of an image in a column.

    Returns
    -------
    ndarray (m,), float64
        Integers of 8 and 16 bits in an image file become 0 to 1, all others stay as they are.

    Raises
    ------
    DatasetError
        A file that cannot be read, or of another shape.
    """
    values = read_grey(Path(path))
    height, width = dataset.image_shape
    if values.shape == (height, width):
        values = dataset.from_map(values)
    elif dataset.grid is not None and values.shape == (len(dataset.X), 2) and _is_axis(values[:, 0]):
        values = values[:, 1]
    elif values.squeeze().shape == (len(dataset.X),):
        values = values.squeeze()
    else:
        accepted = f"that of the images, {(height, width)}, and {(len(dataset.X),)}"
        raise DatasetError(f"{path} has shape {values.shape}; accepted are {accepted}")
    return values.astype(np.float64)


def read_weights(path: str | os.PathLike[str], dataset: Dataset) -> Array:
    """Read what it costs to use each pixel, or each band of spectra.

    Parameters
    ----------
    path : path-like
        As for `read_pixels`.
    dataset : Dataset

    Returns
    -------
    ndarray (m,), float64
        Finite, >= 0, not all zero.

    Raises
    ------
    DatasetError
        As for `read_pixels`, or values that no weights can be.
    """
    weights = read_pixels(path, dataset)
    if not np.all(np.isfinite(weights)) or weights.min() < 0 or not weights.any():
        raise DatasetError(f"{path} holds no weights; accepted are finite values >= 0, not all of them zero")
    return weights


def read_mask(path: str | os.PathLike[str], dataset: Dataset) -> Array:
    """Read a mask of missing entries, as `factorize` takes it.

    Parameters
    ----------
    path : path-like
        A .npy with an array of X's shape (m, n), not 0 where an entry is missing; or as for `read_pixels`, not 0 where
        a pixel is missing in all images.
    dataset : Dataset

    Returns
    -------
    ndarray (m, n) of bool

    Raises
    ------
    DatasetError
        As for `read_pixels`, or NaN.
    """
    values = read_grey(Path(path))
    if values.shape == dataset.X.shape:
        return marked(values, path)
    missing = marked(read_pixels(path, dataset), path)
    return np.repeat(missing[:, None], dataset.X.shape[1], axis=1)


def marked(values: Array, path: str | os.PathLike[str]) -> Array:
    """Where a mask is not 0.

    Parameters
    ----------
    values : ndarray
    path : path-like
        Of the file that they come from, for the message.

    Returns
    -------
    ndarray of bool, of the same shape

    Raises
    ------
    DatasetError
        For NaN, which is neither 0 nor a mark: such are the empty cells of a table.
    """
    if np.isnan(values).any():
        raise DatasetError(f"{path} holds NaN or empty cells; accepted in a mask are numbers, 0 where it marks nothing")
    marks: Array = values != 0
    return marks


def read_entry_weights(path: str | os.PathLike[str], dataset: Dataset) -> Array:
    """Read what entries count, as `factorize` takes it for its mask.

    Parameters
    ----------
    path : path-like
        A .npy with an array of X's shape (m, n); or as for `read_pixels`, one number for a pixel in all images.
    dataset : Dataset

    Returns
    -------
    ndarray (m, n), float64
        From 0, missing, to 1.

    Raises
    ------
    DatasetError
        As for `read_pixels`.
    """
    values = read_grey(Path(path))
    if values.shape != dataset.X.shape:
        values = np.repeat(read_pixels(path, dataset)[:, None], dataset.X.shape[1], axis=1)
    return values.astype(np.float64)


def read_grey(path: Path) -> Array:
    """Read the values of a grey image, of a table, or of a .npy.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray, real numbers
        (height, width) of an image file or a table; any shape of a .npy.

    Raises
    ------
    DatasetError
        A file that cannot be read, or of several images.
    """
    check_regular(path, DatasetError)
    if path.suffix.lower() in SUFFIXES:
        return _read_table(path)
    if path.suffix.lower() != ".npy":
        picture = read_image(path, note=lambda text: None)
        header = look(path)
        if header is not None and header.frames > 1:
            raise DatasetError(f"{path} holds {header.frames} images; accepted is one, which counts for all images")
        return picture
    try:
        mapped: Any = np.load(path, mmap_mode="r", allow_pickle=False)  # refuses more than the file holds
        values = np.array(mapped) if isinstance(mapped, np.ndarray) else mapped
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise DatasetError(f"{path} is damaged: {error}") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "buif":
        raise DatasetError(f"{path} does not hold an array of real numbers")
    numbers: Array = values
    return numbers


def _read_table(path: Path) -> Array:
    """A table of numbers; a list with one of them in each line, and perhaps a title above, is one, too."""
    try:
        if path.stat().st_size <= _MOST_TEXT:
            lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
            column = _numbers(lines if lines and _numbers(lines[:1]) is not None else lines[1:])
            if column is not None and len(column):
                return column
        [entry] = list_arrays(path)
        return read_array(path, entry)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is no table of numbers") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error


def _numbers(words: list[str]) -> Array | None:
    try:
        return np.array([float(word) for word in words])
    except ValueError:
        return None


def _is_axis(values: Array) -> bool:
    """Whether values rise, or fall, from each to the next."""
    steps = np.diff(values)
    return bool(np.all(steps > 0) or np.all(steps < 0))
