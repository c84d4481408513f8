"""Arrays beside that of the images: wavelengths of its bands, numbers of its rows and columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.arrangement import Hints
from gsp_studio.io.axes import MOST, Axis, declared
from gsp_studio.io.coordinate_names import bare_name, coordinate_name
from gsp_studio.io.formats.array_entry import NUMERIC, ArrayEntry

#: Names of numbers of rows and columns, and of pairs of these, without separators.
_SIZES = {
    **dict.fromkeys(("nrow", "nrows", "rows", "numrows", "lines", "nlines", "height", "imageheight", "h"), "rows"),
    **dict.fromkeys(("ncol", "ncols", "cols", "columns", "numcols", "samples", "nsamples", "width"), "columns"),
    **dict.fromkeys(("imagewidth", "w"), "columns"),
    **dict.fromkeys(("imagesize", "imsize", "imgsize", "imageshape", "imgshape", "spatialsize", "dims"), "both"),
}
#: Names and units of axes that count bands or frames.
_SPECTRAL_NAMES = (
    "wavelength",
    "wavenumber",
    "energy",
    "raman",
    "frequency",
    "band",
    "channel",
    "time",
    "spectr",
    "m/z",
)
_SPECTRAL_UNITS = ("eV", "keV", "cm⁻¹", "Hz", "GHz", "THz", "s", "ms")


def axis_beside(
    entries: Sequence[ArrayEntry], images: ArrayEntry, count: int, read: Callable[[ArrayEntry], Array]
) -> Axis | None:
    """The band axis from an array of wavelengths or the like that lies beside the images.

    Parameters
    ----------
    entries : sequence of ArrayEntry
        Of the file.
    images : ArrayEntry
    count : int
        Images.
    read : callable
        Gives the values of an entry.
    """
    if not 1 < count <= MOST:
        return None
    for entry, said in _coordinates(entries, images):
        if math.prod(entry.shape) == count:
            values = np.ravel(read(entry)).astype(np.float64)
            if np.all(np.diff(values) > 0) or np.all(np.diff(values) < 0):  # NaN is neither
                axis, _ = declared("band", count, name=said[0], unit=said[1], values=values)
                return axis
    return None


def hints_beside(
    entries: Sequence[ArrayEntry],
    images: ArrayEntry,
    of_array: Sequence[Axis | None],
    read: Callable[[ArrayEntry], Array],
) -> Hints:
    """Layout of an array as it is said beside it: by its axes, its wavelengths, or its numbers of rows and columns.

    Parameters
    ----------
    entries : sequence of ArrayEntry
        Of the file.
    images : ArrayEntry
    of_array : sequence of Axis or None
        Axes that the file declares for it, one a dimension.
    read : callable
        Gives the values of an entry.
    """
    image, named = _size_beside(entries, images, read)
    if image is not None:
        return Hints(-1, image, f"{named} beside it say")
    spectral = [k for k, axis in enumerate(of_array) if axis is not None and _is_spectral(axis)]
    if len(spectral) == 1:
        return Hints(spectral[0], None, f"its {of_array[spectral[0]].title} axis says")  # type: ignore[union-attr]
    for entry, _ in _coordinates(entries, images):
        fitting = [k for k, side in enumerate(images.shape) if side == math.prod(entry.shape)]
        if len(fitting) == 1:
            return Hints(fitting[0], None, f"{entry.key} beside it says")
    return Hints()


def _coordinates(entries: Sequence[ArrayEntry], images: ArrayEntry) -> Iterator[tuple[ArrayEntry, tuple[str, str]]]:
    """Vectors with the names of wavelengths or the like and what these say, those in the folder of the images first."""
    folder = images.key.rpartition("/")[0]
    for entry in sorted(entries, key=lambda one: one.key.rpartition("/")[0] != folder):
        count = math.prod(entry.shape)
        is_vector = 1 < count <= MOST and max(entry.shape) == count and not entry.kind and entry.dtype.kind in NUMERIC
        said = coordinate_name(entry.key)
        if is_vector and said is not None and entry is not images:
            yield entry, said


def _is_spectral(axis: Axis) -> bool:
    """Whether an axis counts bands or frames, by its name or unit."""
    return axis.unit in _SPECTRAL_UNITS or any(word in axis.name.lower() for word in _SPECTRAL_NAMES)


def _size_beside(
    entries: Sequence[ArrayEntry], images: ArrayEntry, read: Callable[[ArrayEntry], Array]
) -> tuple[tuple[int, int] | None, str]:
    """Rows and columns of an image, of numbers beside an array whose sides they fit, and the names of these."""
    folder = images.key.rpartition("/")[0]
    beside = [one for one in entries if one.key.rpartition("/")[0] == folder and one is not images and not one.kind]
    found: dict[str, tuple[int, str]] = {}
    for entry in beside:
        name = bare_name(entry.key)
        count = math.prod(entry.shape)
        if entry.dtype.kind not in "iuf" or not 1 <= count <= 3 or name not in _SIZES:
            continue
        values = np.ravel(read(entry)).astype(np.float64)
        if not np.all((values >= 1) & (values == np.round(values)) & (values < 1 << 31)):
            continue
        which = _SIZES[name]
        if which == "both" and count > 1:
            found |= {"rows": (int(values[0]), entry.key), "columns": (int(values[1]), entry.key)}
        elif which != "both" and count == 1:
            found.setdefault(which, (int(values[0]), entry.key))
    if len(found) < 2:
        return None, ""
    (rows, first), (columns, second) = found["rows"], found["columns"]
    if rows * columns not in images.shape:
        return None, ""
    return (rows, columns), first if first == second else f"{first} and {second}"
