"""Columns and rows that belong to a data set, from other files: reference spectra, images, abundances."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.factors import FACTORS, read_factors
from gsp_studio.io.formats.array_entry import NUMERIC, ArrayEntry
from gsp_studio.io.formats.registry import FORMATS, list_arrays, read_array
from gsp_studio.io.images.image_file import read_image
from gsp_studio.io.readers import kind_of

#: The array that names the materials of a reference in the same file.
NAMES = "names"
#: Names of a column that holds the axis of spectra.
_AXIS = re.compile(
    r"\W*(wave|lambda|wl\b|nm\b|um\b|µm|energ|ev\b|kev|band|channel|freq|raman|shift|x\b)", re.IGNORECASE
)
#: A first column without a name that rises, and exceeds the others by this factor, is the axis of the others.
_FAR_ABOVE = 10.0


@dataclass(frozen=True)
class Sizes:
    """Sizes of a data set, against which other arrays are read: X (m, n), its images, and its file."""

    m: int
    n: int
    image_shape: tuple[int, int]
    order: str
    grid: tuple[int, int] | None
    source: str
    #: Coordinates of the bands and their unit, where the samples are spectra on an axis that is known.
    bands: tuple[Array, str] | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> Sizes:
        """Those of a data set."""
        m, n = dataset.X.shape
        axis = dataset.axis("band")
        bands = (axis.coordinates(m), axis.unit) if dataset.grid is not None and axis.is_calibrated else None
        return cls(m, n, dataset.image_shape, dataset.order, dataset.grid, dataset.source, bands)

    @classmethod
    def of_run(cls, data: Mapping[str, Any]) -> Sizes:
        """Those of the data of a run, as run.json describes them."""
        grid = data.get("grid")
        shape, m = tuple(data["image_shape"]), data["pixels"] * data.get("channels", 1)
        return cls(m, data["images"], shape, data["order"], grid and tuple(grid), data["source"])

    @property
    def column(self) -> str:
        """A column in words: "a spectrum of 156 values"."""
        if self.grid is not None:
            return f"spectra of {self.m} values"
        return f"images of {self.image_shape[0]} x {self.image_shape[1]} pixels, or of {self.m} values"


@dataclass(frozen=True, eq=False)
class Columns:
    """Named columns (m, k) of a file."""

    values: Array
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """An array of a file: its values, the name of the array, names of its columns, and whether a row is a spectrum."""

    values: Array
    title: str
    names: tuple[str, ...] = ()
    by_rows: bool = False
    axis: Array | None = None


def split_place(text: str, source: str) -> tuple[Path, str]:
    """Split "FILE:KEY" into file and name of an array; without FILE it is `source`, without KEY the name is empty."""
    if not text or Path(text).exists():
        return Path(text or source), ""
    head, mark, key = text.rpartition(":")
    if mark and (not head or Path(head).exists()):
        return Path(head or source), key
    return Path(text), ""


def read_columns(text: str, sizes: Sizes) -> Columns:
    """Read columns of a data set's X from a file.

    Parameters
    ----------
    text : str
        FILE or FILE:KEY; ":KEY" is an array of the data set's own file. Tables and ENVI libraries of spectra, arrays of
        any format that is read, images, and the folder of an exported run (KEY: basis images to take, "1,3").
    sizes : Sizes

    Returns
    -------
    Columns
        float64.

    Raises
    ------
    DatasetError
        No such file, or nothing in it that has the shape of a column.
    """
    path, key = split_place(text, sizes.source)
    if (path.is_dir() and (path / FACTORS).exists()) or path.name == FACTORS:
        return _of_run(path, key, sizes)
    kind = kind_of(path)
    if kind == "images":
        return _of_image(path, sizes)
    found = _read(path, kind, key)
    columns = _on_bands(found, sizes, path)
    if columns is None:
        columns = _as_columns(found, sizes)
    if columns is None:
        shape = " x ".join(map(str, found.values.shape))
        raise DatasetError(f"{path}: {found.title} ({shape}) does not fit the data; accepted are {sizes.column}")
    names = found.names if len(found.names) == columns.shape[1] else ()
    title = key or path.stem
    numbered = tuple(f"{title} {k + 1}" for k in range(columns.shape[1])) if columns.shape[1] > 1 else (title,)
    return Columns(columns, names or numbered)


@dataclass(frozen=True, eq=False)
class NamedArray:
    """Values of an array, its name, "" where it has none, and the names of its materials, where the file has them."""

    values: Array
    title: str
    names: tuple[str, ...] = ()


def read_arrays(text: str, sizes: Sizes, usual: Mapping[str, tuple[str, ...]]) -> dict[str, NamedArray]:
    """Read arrays by their role.

    Parameters
    ----------
    text : str
        As for `read_columns`; ":" is the data set's own file.
    sizes : Sizes
    usual : mapping of role to names
        Where no KEY is given, the arrays of these names are taken, case ignored; of a file with one array that one,
        with the role "".

    Returns
    -------
    dict of role to NamedArray
    """
    path, key = split_place("" if text == ":" else text, sizes.source)
    kind = kind_of(path)
    if kind == "images":
        raise DatasetError(f"{path} holds images; accepted is a file of arrays")
    entries = list_arrays(path, kind)
    if key or len(entries) == 1:
        found = _read(path, kind, key)
        return {"": NamedArray(found.values, key or entries[0].key, found.names or _names_in(path, kind, entries))}
    chosen = {
        role: entry
        for role, names in usual.items()
        for entry in entries
        if entry.key.lower() in names and not entry.kind and entry.dtype.kind in NUMERIC
    }
    if not chosen:
        listed = ", ".join(map(str, entries[:6]))
        raise DatasetError(f"{path} has no array named as references are; add :NAME, it holds {listed}")
    listed_names = _names_in(path, kind, entries)
    return {role: NamedArray(read_array(path, kind, entry), entry.key, listed_names) for role, entry in chosen.items()}


def _names_in(path: Path, kind: str, entries: Sequence[ArrayEntry]) -> tuple[str, ...]:
    """The texts of the array `NAMES` of a file; () where it has none."""
    for entry in entries:
        if entry.key == NAMES and not entry.kind and entry.dtype.kind == "U" and len(entry.shape) == 1:
            return tuple(read_array(path, kind, entry, accepted="U").tolist())
    return ()


def _of_run(path: Path, key: str, sizes: Sizes) -> Columns:
    try:
        W, _ = read_factors(path)
    except ExportError as error:
        raise DatasetError(str(error)) from error
    if len(W) != sizes.m:
        raise DatasetError(f"the basis images of {path} have {len(W)} values; the data have {sizes.m}")
    chosen = [int(part) for part in key.split(",")] if re.fullmatch(r"\d+(,\d+)*", key) else range(1, W.shape[1] + 1)
    if (key and chosen == range(1, W.shape[1] + 1)) or not all(1 <= k <= W.shape[1] for k in chosen):
        raise DatasetError(f'"{key}" names no basis images of {path}; accepted are numbers from 1 to {W.shape[1]}')
    title = (path if path.is_dir() else path.absolute().parent).name
    names = tuple(f"{title}, basis {k}" for k in chosen)
    return Columns(W[:, [k - 1 for k in chosen]].astype(np.float64), names)


def _of_image(path: Path, sizes: Sizes) -> Columns:
    if path.is_dir():
        raise DatasetError(f"{path} is a folder; accepted are one image, a file of arrays, or an exported run")
    image = read_image(path, note=lambda text: None)
    if sizes.grid is not None or image.shape != sizes.image_shape or image.size != sizes.m:
        shape = " x ".join(map(str, image.shape))
        raise DatasetError(f"{path} is an image of {shape}; accepted are {sizes.column}")
    return Columns(image.ravel(order=_order(sizes))[:, None].astype(np.float64), (path.stem,))


def _read(path: Path, kind: str, key: str) -> _Found:
    entries = [entry for entry in list_arrays(path, kind) if not entry.kind and entry.dtype.kind in NUMERIC]
    wanted = [entry for entry in entries if not key or entry.key == key]
    if not wanted or (not key and len(wanted) > 1):
        listed = ", ".join(map(str, entries[:6])) or "no array of numbers"
        said = f'has no array "{key}"' if key else "has several arrays"
        raise DatasetError(f"{path} {said}; accepted is {path.name}:NAME of {listed}")
    entry = wanted[0]
    values = read_array(path, kind, entry)
    if kind == "csv":
        declared, _ = FORMATS[kind].axes(path, entry)
        return _table(path, values, declared[0] if declared else None)
    names = FORMATS[kind].names(path, entry) or ()
    return _Found(np.asarray(values, np.float64), entry.key or "array", names, by_rows=_is_library(kind, entry))


def _is_library(kind: str, entry: ArrayEntry) -> bool:
    return kind == "envi" and len(entry.shape) == 3 and entry.shape[1] == 1


def _table(path: Path, values: Array, rows: Axis | None) -> _Found:
    """A table of spectra: an axis in its first column is left out, and a line of names is that of the columns.

    `rows` is the axis that its reader has taken out already.
    """
    header = _header(path)
    if rows is not None:
        names = header[1:] if len(header) == values.shape[1] + 1 else ()
        return _Found(np.asarray(values, np.float64), "its table", names, axis=rows.coordinates(len(values)))
    rises = len(values) > 1 and bool(np.all(np.diff(values[:, 0]) > 0))
    is_named = len(header) == values.shape[1] and _AXIS.match(header[0]) is not None
    others = values[:, 1:]
    is_far = others.size > 0 and float(np.abs(values[:, 0]).min()) > _FAR_ABOVE * float(np.abs(others).max())
    axis = None
    if others.size and rises and (is_named or is_far):
        axis, values, header = values[:, 0], others, header[1:] if len(header) == values.shape[1] else header
    names = header if len(header) == values.shape[1] else ()
    return _Found(np.asarray(values, np.float64), "its table", names, axis=axis)


def _on_bands(found: _Found, sizes: Sizes, path: Path) -> Array | None:
    """Spectra of a table with an axis, between whose values they are interpolated at the bands; else None."""
    if found.axis is None or sizes.bands is None:
        return None
    at, unit = sizes.bands
    order = np.argsort(found.axis)
    axis = found.axis[order]
    first, last = float(axis[0]), float(axis[-1])
    if at.min() < first or at.max() > last:
        raise DatasetError(
            f"{path} has spectra from {first:g} to {last:g}; the bands of the data are at {at.min():g} to "
            f"{at.max():g} {unit}".rstrip()
        )
    return np.column_stack([np.interp(at, axis, column[order]) for column in found.values.T])


def _header(path: Path) -> tuple[str, ...]:
    """Cells of the first line of a table, where one of them is no number; without numbers of rows before it."""
    with path.open("r", encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline(1 << 16)
    separator = next((mark for mark in ("\t", ";", ",") if mark in line), " ")
    cells = [cell.strip().lstrip("#").strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    return tuple(cells) if any(cell and not _is_number(cell) for cell in cells) else ()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_columns(found: _Found, sizes: Sizes) -> Array | None:
    """The values (m, k); None where no axis has the length of a column."""
    values = found.values
    if values.ndim == 3 and sizes.grid is None and values.shape[1:] == sizes.image_shape:
        return np.column_stack([image.ravel(order=_order(sizes)) for image in values])
    if values.ndim == 2 and sizes.grid is None and values.shape == sizes.image_shape and values.size == sizes.m:
        return values.ravel(order=_order(sizes))[:, None]
    values = values.reshape([side for side in values.shape if side > 1] or [1])
    if values.ndim == 1:
        return values[:, None] if len(values) == sizes.m else None
    if values.ndim != 2:
        return None
    first, last = values.shape[0] == sizes.m, values.shape[1] == sizes.m
    if last and (found.by_rows or not first):
        return values.T
    return values if first else None


def as_rows(values: Array, sizes: Sizes) -> Array | None:
    """Values of each sample as rows (q, n): of an array (q, n), (n, q), (n,) or maps (q, height, width); else None."""
    grid = sizes.grid
    if grid is not None and values.ndim == 3 and values.shape[1:] == grid:
        return np.stack([image.ravel(order=_order(sizes)) for image in values])
    if grid is not None and values.ndim == 3 and values.shape[:2] == grid:
        return np.stack([values[:, :, k].ravel(order=_order(sizes)) for k in range(values.shape[2])])
    if grid is not None and values.shape == grid and math.prod(grid) == sizes.n and sizes.n not in values.shape:
        return values.ravel(order=_order(sizes))[None]
    if values.ndim == 1:
        return values[None] if len(values) == sizes.n else None
    if values.ndim != 2:
        return None
    if values.shape[1] == sizes.n:
        return values
    return values.T if values.shape[0] == sizes.n else None


def as_spectra(values: Array, sizes: Sizes) -> Array | None:
    """Values as columns (m, q), of an array (m, q) or (q, m); None where no axis has the length of a column."""
    return _as_columns(_Found(np.asarray(values, np.float64), ""), sizes)


def _order(sizes: Sizes) -> Any:
    return sizes.order
