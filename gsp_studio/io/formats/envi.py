"""ENVI cubes and spectral libraries: a text header beside a file of plain values, which is read in parts.

Each band is an image, of `lines` x `samples` pixels; of a spectral library, each spectrum is one, of 1 x `samples`.
The header is read in `envi_header`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import ArrayEntry, DeclaredAxes
from gsp_studio.io.formats.envi_axes import declared_axes, wavelength_unit
from gsp_studio.io.formats.envi_header import Fields, data_beside, header_beside, is_header, read_fields
from gsp_studio.io.formats.lazy_array import LazyArray, Read, read_runs
from gsp_studio.io.formats.plain_values import PlainArray
from gsp_studio.io.value_codes import Coding

_TYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}
#: Order of the axes in the file: b, l and s are bands, lines and samples.
_INTERLEAVES = {"bsq": "bls", "bil": "lbs", "bip": "lsb"}
_LIBRARY = "spectral library"
#: What values are divided by for reflectances.
_REFLECTANCE = "reflectance scale factor"
#: File types whose values are not in the file of the header's name.
_ELSEWHERE = ("meta", "virtual")


@dataclass(frozen=True)
class Cube:
    """Content of an ENVI header.

    Attributes
    ----------
    values : PlainArray (bands, lines, samples), of a library (spectra, 1, samples)
        All that is stored.
    good : tuple of int
        The bands that are not marked as bad.
    coding : Coding
    names : tuple of str
        Names, or wavelengths with their unit, of the images; empty where there are none.
    notes : tuple of str
        A sentence each.
    fields : Fields
        All of the header.
    is_library : bool
    """

    values: PlainArray
    good: tuple[int, ...]
    coding: Coding
    names: tuple[str, ...]
    notes: tuple[str, ...]
    fields: Fields
    is_library: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the images that are read."""
        return (len(self.good), *self.values.shape[1:])  # type: ignore[return-value]


def is_envi(path: Path, head: bytes) -> bool:
    """Whether a file is an ENVI header, or lies beside one that has its name."""
    return is_header(head) or header_beside(path) is not None


def list_arrays(path: Path) -> list[ArrayEntry]:
    """The cube, its bands as images."""
    cube = _read(path)
    return [ArrayEntry("", cube.shape, cube.coding.dtype(cube.values.dtype), is_certain=True)]


def open_array(path: Path, entry: ArrayEntry) -> LazyArray:
    """The images (bands, lines, samples), of which parts are read."""
    cube = _read(path)
    if cube.shape != entry.shape:
        raise DatasetError(f"{path} has changed since it was looked into; open it again")
    if cube.coding.is_none and len(cube.good) == cube.values.shape[0]:
        return cube.values
    return LazyArray(entry.shape, entry.dtype, partial(_open, cube))


def names(path: Path, entry: ArrayEntry) -> tuple[str, ...] | None:
    """Names of the bands, or of the spectra of a library."""
    return _read(path).names or None


def axes(path: Path, entry: ArrayEntry) -> DeclaredAxes:
    """Axes of bands, lines and samples: wavelengths, band names, and the size of a pixel."""
    cube = _read(path)
    return declared_axes(cube.fields, cube.values.shape, cube.good, cube.is_library)


def notes(path: Path, entry: ArrayEntry) -> tuple[str, ...]:
    """Notes on the reading, a sentence each: bands that are left out, missing values."""
    cube = _read(path)
    return (*cube.notes, *cube.coding.notes(cube.values.dtype))


def _open(cube: Cube) -> tuple[Read, Callable[[], object]]:
    good = np.array(cube.good)
    read_plain, close = cube.values.open_file()

    def read(axis: int, start: int, stop: int) -> Array:
        numbers = read_plain(axis, start, stop)[good] if axis else read_runs(read_plain, 0, good[start:stop])
        return cube.coding.decoded(numbers)

    return read, close


def _read(path: Path) -> Cube:
    """Read the header at `path`, or that of the values at `path`.

    Raises
    ------
    DatasetError
        A header without its values, or one that does not describe them.
    """
    with path.open("rb") as file:
        found = path if is_header(file.read(16)) else header_beside(path)
    if found is None:
        raise DatasetError(f"{path} has no ENVI header beside it")
    fields = read_fields(found)
    shape = (fields.whole("bands"), fields.whole("lines"), fields.whole("samples"))
    if math.prod(shape) == 0:
        raise DatasetError(f"{found} describes {shape[0]} bands of {shape[1]} x {shape[2]}: it contains no images")
    kind = fields.text("file type").lower()
    if any(word in kind for word in _ELSEWHERE):
        raise DatasetError(f'{found}: file type is "{kind}", whose values are in other files; accepted are plain cubes')
    if fields.whole("file compression", 0):
        raise DatasetError(f"{found}: its values are compressed; accepted are plain ones")
    is_library = _LIBRARY in kind and shape[0] == 1
    values = _values(fields, path, shape, is_library)
    good, told = (tuple(range(shape[1])), ()) if is_library else _good_bands(fields, shape[0])
    if is_library:
        told = (f"a spectral library: each spectrum is an image of 1 x {shape[2]}",)
    told = (*told, *_unused(fields, shape, is_library))
    if not any(key in fields.held for key in ("major frame offsets", "minor frame offsets")):  # which may end the file
        told = (*told, *_beyond(values))
    gains = [key for key in ("data gain values", "data offset values") if fields.list(key)]
    if any(factor != 1 for factor in fields.numbers(_REFLECTANCE)):
        gains.append(_REFLECTANCE)
    if gains:
        verb = "is" if gains == [_REFLECTANCE] else "are"
        told = (*told, f"values are read as they are stored: {' and '.join(gains)} of the header {verb} not applied")
    return Cube(
        values=values,
        good=good,
        coding=Coding.of(values.dtype, fields.numbers("data ignore value"), "data ignore value"),
        names=_listed(fields, "spectra names", shape[1]) if is_library else _of_bands(fields, shape[0], good),
        notes=told,
        fields=fields,
        is_library=is_library,
    )


def _values(fields: Fields, path: Path, shape: tuple[int, int, int], is_library: bool) -> PlainArray:
    interleave = fields.text("interleave", "bsq").lower()
    if interleave not in _INTERLEAVES:
        accepted = ", ".join(_INTERLEAVES)
        raise DatasetError(f'{fields.path}: interleave is "{interleave}"; accepted are {accepted}')
    code = fields.whole("data type")
    if code not in _TYPES:
        accepted = ", ".join(map(str, _TYPES))
        raise DatasetError(f"{fields.path}: data type {code} is no type of real numbers; accepted are {accepted}")
    order = fields.whole("byte order", 0)
    if order not in (0, 1):
        raise DatasetError(f"{fields.path}: byte order is {order}; accepted are 0, little-endian, and 1, big-endian")
    dtype = np.dtype(_TYPES[code]).newbyteorder(">" if order else "<")
    axes, sizes = _INTERLEAVES[interleave], dict(zip("bls", shape, strict=True))
    # A major frame is a step of the first axis, a minor one of the second; bytes before and after each are skipped.
    before, behind = fields.pair("major frame offsets")
    before_minor, behind_minor = fields.pair("minor frame offsets")
    minor = before_minor + sizes[axes[2]] * dtype.itemsize + behind_minor
    major = before + sizes[axes[1]] * minor + behind
    steps = dict(zip(axes, (major, minor, dtype.itemsize), strict=True))
    offset = fields.whole("header offset", 0) + before + before_minor
    strides = (steps["b"], steps["l"], steps["s"])
    nbytes = PlainArray(path, dtype, offset, shape, strides).end
    data = data_beside(fields.path, nbytes) if path == fields.path else path
    held = data.stat().st_size
    if nbytes > held:
        needed, after = math.prod(shape) * dtype.itemsize, max(0, held - offset)
        entry = ArrayEntry("", shape, dtype)
        raise DatasetError(f"{data}: its header declares {entry}, {needed} bytes, but {after} bytes follow")
    if is_library:  # of one band
        shape, strides = (shape[1], 1, shape[2]), (strides[1], strides[1], strides[2])
    return PlainArray(data, dtype, offset, shape, strides)


def _good_bands(fields: Fields, count: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Bands that the bad band list keeps, and a note on those it leaves out."""
    every = tuple(range(count))
    marks = fields.numbers("bbl")
    if not marks:
        problem = fields.problem("bbl", count)
        return every, (f"all bands are read: {problem}",) if problem else ()
    if len(marks) != count or not any(marks):
        said = "marks all bands as bad" if len(marks) == count else f"has {len(marks)} entries for {count} bands"
        return every, (f"all bands are read: the bad band list of the header (bbl) {said}",)
    good = tuple(band for band in every if marks[band])
    bad = [str(band + 1) for band in every if not marks[band]]
    if not bad:
        return every, ()
    listed = ", ".join(bad[:8]) + (", ..." if len(bad) > 8 else "")
    one = len(bad) == 1
    return good, (f"{len(bad)} band{'' if one else 's'} left out as bad by the header (bbl): {listed}",)


def _of_bands(fields: Fields, count: int, good: tuple[int, ...]) -> tuple[str, ...]:
    unit = wavelength_unit(fields)
    found = _listed(fields, "band names", count) or tuple(
        f"{value} {unit}".strip() for value in _listed(fields, "wavelength", count)
    )
    return tuple(found[band] for band in good) if found else ()


def _unused(fields: Fields, shape: tuple[int, int, int], is_library: bool) -> tuple[str, ...]:
    """Notes on lists of the header that do not fit what it describes."""
    bands, spectra, places = shape
    names, count = ("spectra names", spectra) if is_library else ("band names", bands)
    found = len(fields.list(names))
    listed = [] if found in (0, count) else [f'"{names}" of the header is not used: it has {found} entries for {count}']
    numbers = [fields.problem("wavelength", places if is_library else bands)]
    return tuple(filter(None, (*listed, *numbers)))


def _beyond(values: PlainArray) -> tuple[str, ...]:
    """A note on bytes behind the values: sizes or an offset of the header may be others than those of the file."""
    more = values.path.stat().st_size - values.end
    if more <= 0:
        return ()
    return (f"{values.path.name} has {more} byte{'s' if more > 1 else ''} more than its header describes",)


def _listed(fields: Fields, key: str, count: int) -> tuple[str, ...]:
    found = fields.list(key)
    return found if len(found) == count else ()
