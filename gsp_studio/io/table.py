"""Tables of numbers as text: the separator, the decimal sign and a header are found by looking at the first lines.

A row is an image unless told otherwise. A first column that its header calls a label, class or target is that.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.entry import ArrayEntry
from gsp_studio.io.source import require_memory

Array = npt.NDArray[Any]

_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat")
_SEPARATORS = (";", "\t", ",", "|", " ")
_LABELS = ("label", "labels", "class", "target", "y")
_POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
#: What a number of a table takes while it is read: its text, the text again, the number.
_BYTES_A_BYTE = 4


@dataclass(frozen=True)
class Dialect:
    """How a table is written: separator, whether decimals have a comma, lines before the first number, label column."""

    separator: str
    comma: bool
    header: int
    has_labels: bool
    columns: int


def is_table(path: Path, head: bytes) -> bool:
    """Whether a file is text by its content, and a table by its name or by the numbers in its first line."""
    if b"\0" in head or not head:
        return False
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        line = head.decode("ascii").splitlines()[0]
    except UnicodeDecodeError:
        return False
    fields = re.split(r"[;,\t ]+", line.strip())[:-1]  # the last may be cut
    return len(fields) > 1 and all(_POINT.fullmatch(field) for field in fields)


def list_arrays(path: Path) -> list[ArrayEntry]:
    """The one table of a file, which has to be read for that."""
    values, _ = _table(path, path.stat().st_mtime_ns, path.stat().st_size)
    return [ArrayEntry("", values.shape, values.dtype)]


def read_array(path: Path, entry: ArrayEntry) -> Array:
    """Its numbers, float64."""
    return _table(path, path.stat().st_mtime_ns, path.stat().st_size)[0]


def labels(path: Path, entry: ArrayEntry) -> tuple[str, ...] | None:
    """The column of labels, where there is one."""
    return _table(path, path.stat().st_mtime_ns, path.stat().st_size)[1]


@lru_cache(maxsize=1)
def _table(path: Path, changed: int, size: int) -> tuple[Array, tuple[str, ...] | None]:
    require_memory(_BYTES_A_BYTE * size, f"{path}, a table of {size} bytes of text,")
    text = _text(path)
    dialect = _dialect(text, path)
    rows = [row for row in _rows(text, dialect) if any(field.strip() for field in row)][dialect.header :]
    first = int(dialect.has_labels)
    values = np.empty((len(rows), dialect.columns - first))
    for i, row in enumerate(rows):
        line = i + dialect.header + 1
        if len(row) != dialect.columns:
            raise DatasetError(
                f"{path}: line {line} has {len(row)} values, the first line of numbers has {dialect.columns}"
            )
        try:
            values[i] = [float(field.replace(",", ".") if dialect.comma else field) for field in row[first:]]
        except ValueError:
            _name_the_culprit(row, first, line, dialect, path)
    found = tuple(row[0].strip() for row in rows) if dialect.has_labels else None
    values.flags.writeable = False
    return values, found


def _text(path: Path) -> str:
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DatasetError(f"{path} is no text")


def _rows(text: str, dialect: Dialect) -> list[list[str]]:
    if dialect.separator == " ":
        return [line.split() for line in text.splitlines()]
    try:
        return [_stripped(row) for row in csv.reader(io.StringIO(text), delimiter=dialect.separator)]
    except csv.Error as error:
        raise DatasetError(f"the table cannot be read ({error})") from error


def _stripped(row: list[str]) -> list[str]:
    """Fields without spaces around them; a separator at the end of a line ends nothing."""
    fields = [field.strip() for field in row]
    return fields[:-1] if len(fields) > 1 and not fields[-1] else fields


def _dialect(text: str, path: Path) -> Dialect:
    lines = [line for line in text.splitlines()[:40] if line.strip()][:20]
    if not lines:
        raise DatasetError(f"{path} contains no numbers")
    for separator in _SEPARATORS:
        for comma in (False, True):
            if comma and separator == ",":
                continue
            found = _fits(lines, separator, comma)
            if found is not None:
                return found
    for separator in _SEPARATORS:
        if separator in lines[-1]:
            break
    header = Dialect(separator, False, 0, False, len(lines[-1].split(separator)))
    fields = _stripped(lines[-1].split(separator)) if separator != " " else lines[-1].split()
    _name_the_culprit(fields, 0, len(lines), header, path)
    raise DatasetError(f"{path} is no table of numbers: its lines differ in length")


def _fits(lines: list[str], separator: str, comma: bool) -> Dialect | None:
    """The dialect, if the last of these lines are rows of as many numbers each."""
    number = _COMMA if comma else _POINT
    rows = [line.split() if separator == " " else _stripped(line.split(separator)) for line in lines]
    columns = len(rows[-1])
    if columns < 2:
        return None
    header = 0 if all(number.fullmatch(field) for field in rows[0]) else 1
    body = rows[header:]
    if not body or any(len(row) != columns for row in body):
        return None
    named = header == 1 and rows[0][0].strip("\"' ").lower() in _LABELS
    first = int(named)
    if columns - first < 1 or not all(number.fullmatch(field) for row in body for field in row[first:]):
        return None
    return Dialect(separator, comma, header, named, columns)


def _name_the_culprit(row: list[str], first: int, line: int, dialect: Dialect, path: Path) -> None:
    number = _COMMA if dialect.comma else _POINT
    for column, field in enumerate(row):
        if column >= first and not number.fullmatch(field.strip()):
            said = field.strip()[:40]
            raise DatasetError(f'{path}: line {line}, column {column + 1} is "{said}", which is not a number')
