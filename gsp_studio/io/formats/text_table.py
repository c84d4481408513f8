"""Tables of numbers as text, an image a row by default.

Encoding, separator, number style and header are deduced from the first lines, see `dialect`. A column that is named
label, class or target labels the images, one that counts the rows is left out, texts name or label the images.
"""

from __future__ import annotations

import codecs
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.axes import MOST, Axis, declared
from gsp_studio.io.coordinate_names import coordinate_name
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import ArrayEntry, DeclaredAxes
from gsp_studio.io.formats.table_dialect import Dialect, Line, deduce, not_a_number
from gsp_studio.io.memory import require_memory

SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat")
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_COMMENTS = ("#", "%", "//")
#: Lines that the dialect is deduced from, and the text that they may have together.
_LOOKED_AT, _SAMPLE = 50, 1 << 22
_LONGEST_LINE = 1 << 24
#: Memory of a line as cells, and of a table as numbers, in bytes for each byte of the file.
_BYTES_OF_LINE, _BYTES_OF_TABLE = 30, 6
#: A number with a separator behind it.
_FIRST_NUMBER = re.compile(r"\s*+[+-]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?+\d++)?+[;,\t ]++[+-.\d]", re.ASCII)


@dataclass(frozen=True, eq=False)
class _Table:
    values: Array
    labels: tuple[str, ...] | None
    names: tuple[str, ...] | None
    notes: tuple[str, ...]
    rows: Axis | None


def is_table(path: Path, head: bytes) -> bool:
    """Whether a file is text by its content, and a table by its name or by the numbers in its first line."""
    if not head or (b"\0" in head and not _encoding(head).startswith(("utf-16", "utf-32"))):
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        return _FIRST_NUMBER.match(head.decode("ascii")) is not None
    except UnicodeDecodeError:
        return False


def list_arrays(path: Path) -> list[ArrayEntry]:
    """List the one table of a file, which has to be read for that."""
    found = _table_of(path)
    return [ArrayEntry("", found.values.shape, found.values.dtype, notes=found.notes)]


def read_array(path: Path, entry: ArrayEntry) -> Array:
    """Its numbers, float64; NaN where a cell is empty."""
    return _table_of(path).values


def labels(path: Path, entry: ArrayEntry) -> tuple[str, ...] | None:
    """The column of labels, where there is one."""
    return _table_of(path).labels


def names(path: Path, entry: ArrayEntry) -> tuple[str, ...] | None:
    """The column of texts that differ in each row, where there is one."""
    return _table_of(path).names


def axes(path: Path, entry: ArrayEntry) -> DeclaredAxes:
    """The axis of the rows, where their first column says it."""
    rows = _table_of(path).rows
    return ((), ()) if rows is None else ((rows, None), ())


def _table_of(path: Path) -> _Table:
    state = path.stat()
    return _cached(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)
def _cached(path: Path, changed: int, size: int) -> _Table:
    require_memory(_BYTES_OF_TABLE * size, f"{path}, a table of {size} bytes of text,")
    with path.open("rb") as file:
        encoding = _encoding(file.read(128))
    try:
        return _read(path, encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise DatasetError(f"{path} is no {encoding.upper()} text, as its first bytes say") from error
        return _read(path, "latin-1")


def _encoding(head: bytes) -> str:
    marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if marked is not None:
        return marked
    pairs = len(head) // 2
    if pairs and head[1::2].count(0) == pairs and 0 not in head[::2]:
        return "utf-16-le"
    return "utf-16-be" if pairs and head[::2].count(0) >= pairs and 0 not in head[1::2] else "utf-8"


def _read(path: Path, encoding: str) -> _Table:
    try:
        odd: list[Line] = []  # lines that did not fit the dialect of the lines before them
        while True:
            dialect = _deduce(path, encoding, odd)
            try:
                return _rows(path, encoding, dialect)
            except _OddLineError as error:
                odd.append(error.line)
                if len(odd) > 3 or _deduce(path, encoding, odd) == dialect:
                    raise
    except DatasetError as error:
        told = str(error)
        raise DatasetError(told if told.startswith(str(path)) else f"{path}: {told}") from error


class _OddLineError(DatasetError):
    """A line that does not fit the dialect."""

    def __init__(self, line: Line, message: str) -> None:
        super().__init__(message)
        self.line = line


def _deduce(path: Path, encoding: str, odd: list[Line]) -> Dialect:
    """Dialect of the table; with lines that did not fit before, the same where no other fits them all."""
    comments: list[str] = []
    lines = _lines(path, encoding, comments)
    sample: list[Line] = []
    for line in islice(lines, _LOOKED_AT):
        sample.append(line)
        if sum(len(text) for _, text in sample) > _SAMPLE and len(sample) > 2:
            break
    separator = None
    if sample and sample[0][1].strip().lower()[:4] == "sep=" and len(sample[0][1].strip()) == 5:  # as Excel has it
        separator = sample.pop(0)[1].strip()[4]
    comment = "".join(comments)
    try:
        return deduce([*sample, *odd], comment, separator)
    except DatasetError:
        if not odd:
            raise
        return deduce(sample, comment, separator)


def _lines(path: Path, encoding: str, comments: list[str]) -> Iterator[Line]:
    """Lines with their numbers; blank ones are left out, and comments, those before the first line kept aside."""
    with path.open(encoding=encoding, newline=None) as file:  # which ends lines at CR, too
        number, is_first = 0, True
        while text := file.readline(_LONGEST_LINE + 1):
            number += 1
            if len(text) > _LONGEST_LINE:
                raise DatasetError(f"line {number} is longer than {_LONGEST_LINE} characters, which no image is")
            require_memory(_BYTES_OF_LINE * len(text), f"line {number} of {path}")
            text = text.rstrip("\n")
            bare = text.lstrip()
            if bare.startswith(_COMMENTS):
                if is_first:
                    comments[:] = [bare.lstrip("#%/ ")]  # the last one
            elif bare:
                is_first = False
                yield number, text


def _rows(path: Path, encoding: str, dialect: Dialect) -> _Table:
    header = {*dialect.header}
    aside = sorted({*dialect.texts, *dialect.labels})
    pixels = [c for c in range(dialect.columns) if c not in aside]
    values, beside = array("d"), {c: [] for c in aside}  # type: ignore[var-annotated]
    known: dict[str, str] = {}  # texts are kept once
    empty: list[str] = []
    for line in _lines(path, encoding, []):
        if line[0] in header or line[1].strip().lower()[:4] == "sep=":
            continue
        row = dialect.fields(line)
        if len(row) != dialect.columns:
            raise _OddLineError(
                line, f"line {line[0]} has {len(row)} values, the first line of numbers has {dialect.columns}"
            )
        cells = [row[c] for c in pixels] if aside else row
        values.extend(_numbers(cells, line, pixels, dialect, empty))
        for c in aside:
            beside[c].append(known.setdefault(row[c], row[c]))
    matrix = np.frombuffer(values, np.float64).reshape(-1, len(pixels)) if values else np.empty((0, len(pixels)))
    return _arrange(matrix, pixels, beside, dialect, empty)


def _numbers(cells: list[str], line: Line, pixels: list[int], dialect: Dialect, empty: list[str]) -> list[float]:
    """The numbers of a row; which of them are missing is noted in `empty`."""
    style, text = dialect.style, line[1]
    if style.decimal == "." and not style.thousands and text.isascii() and "_" not in text:
        try:
            return [float(cell) for cell in cells]  # takes nothing else then that the style does not
        except ValueError:
            pass
    found = []
    for column, cell in zip(pixels, cells, strict=True):
        value = style.value(cell)
        if value is None:
            raise _OddLineError(line, not_a_number(line[0], column, cell))
        if value != value and cell.lstrip("+-").lower() != "nan":
            empty.append(f"line {line[0]}, column {column + 1}" if not empty else "")
        found.append(value)
    return found


def _arrange(
    matrix: Array, pixels: list[int], beside: dict[int, list[str]], dialect: Dialect, empty: list[str]
) -> _Table:
    """Pixels without a column that counts the rows, and the meaning of the texts beside them."""
    notes = [*dialect.notes]
    if empty:
        are = "1 cell is" if len(empty) == 1 else f"{len(empty)} cells are"
        notes.append(f"{are} without a value, the first in {empty[0]}; read as NaN")
    if dialect.may_be_index and len(pixels) > 1 and _is_index(matrix[:, 0], bool(dialect.names)):
        first, last = (f"{value:.0f}" for value in (matrix[0, 0], matrix[-1, 0]))
        notes.append(f"column 1, {first} to {last}, numbers the rows and is left out")
        matrix = matrix[:, 1:]
    rows = _axis_of_rows(matrix, pixels, dialect)
    if rows is not None:
        first, last = (f"{value:g}" for value in (matrix[0, 0], matrix[-1, 0]))
        notes.append(f"column 1, {dialect.names[0]}, {first} to {last}, is the axis of the rows")
        matrix = matrix[:, 1:]
    label, name = dialect.label, None
    notes += [f"column {c + 1}, {dialect.names[c]}, labels them, too, and is left out" for c in dialect.labels[1:]]
    for column in dialect.texts:
        if column in dialect.labels:
            continue
        is_name = len(set(beside[column])) == len(beside[column])
        if is_name and name is None:
            name = column
        elif label is None:
            label = column
        notes.append(
            f"column {column + 1}, texts, "
            + ("names the images" if column == name else "labels the images" if column == label else "is left out")
        )
    matrix.flags.writeable = False
    return _Table(
        matrix,
        None if label is None else tuple(beside[label]),
        None if name is None else tuple(beside[name]),
        tuple(notes),
        rows,
    )


def _axis_of_rows(matrix: Array, pixels: list[int], dialect: Dialect) -> Axis | None:
    """The axis of the rows, if the first column is named as one, as in tables of spectra, and only rises or falls."""
    said = coordinate_name(dialect.names[0]) if dialect.names else None
    if said is None or pixels[0] != 0 or len(pixels) < 2 or not 2 < len(matrix) <= MOST:
        return None
    values = matrix[:, 0]
    if not (np.all(np.diff(values) > 0) or np.all(np.diff(values) < 0)):  # NaN is neither
        return None
    axis, _ = declared("band", len(values), name=said[0], unit=said[1], values=values)
    return axis


def _is_index(column: Array, has_name: bool) -> bool:
    """Whether numbers count rows: whole and different under a name of an index, else 0, 1, 2, ... or 1, 2, 3, ..."""
    if len(column) < 3 or not np.isfinite(column).all() or (column != np.round(column)).any():
        return False
    if has_name:
        return len(np.unique(column)) == len(column)
    return bool(column[0] in (0, 1) and (np.diff(column) == 1).all())
