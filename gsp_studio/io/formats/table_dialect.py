"""Deduce from its first lines how a table of numbers is written: separator, number style, header, roles of columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import LABELS

#: A line that is neither blank nor a comment: its number in the file, from 1, and its text.
Line = tuple[int, str]

_SEPARATORS = (";", "\t", ",", "|", " ")
#: Decimal sign and separator of thousands, in the order in which they are tried.
_STYLES = ((".", ""), (",", ""), (".", ","), (",", "."), (".", "'"), (".", " "), (",", " "))
#: Between commas, "1,234" has to be quoted, and means a thousand as in spreadsheets.
_STYLES_OF_COMMAS = ((".", ""), (".", ","), (",", ""), (".", "'"), (".", " "))
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"})
_WORDS = {
    **dict.fromkeys(("", "nan", "na", "n/a", "#n/a", "null", "none"), float("nan")),
    **{"true": 1.0, "false": 0.0, "inf": float("inf"), "infinity": float("inf")},
}
_INDEX = ("", "unnamed: 0", "index", "idx", "id", "row", "no", "nr", "image", "sample")
_MOST_HEADER = 20
#: Columns from which a first line that only rises or only falls is taken for positions or wavelengths.
_MANY = 16
#: Columns from which a first line that counts from 0 or 1 is taken for their numbers.
_COUNTED = {"0": 4, "1": 8}
_LONGEST_CELL = 40
#: Cells of a row that are tried before all are.
_GLANCE = 100


@dataclass(frozen=True)
class Style:
    """Notation of numbers: decimal sign, "." or ",", and separator of thousands, "" for none."""

    decimal: str
    thousands: str

    def __post_init__(self) -> None:
        whole = r"\d++"
        if self.thousands:
            whole = rf"(?:\d{{1,3}}+(?:{re.escape(self.thousands)}\d{{3}})++(?!\d)|\d++)"
        sign = re.escape(self.decimal)
        # Possessive throughout: what does not match is found out in one pass, however long it is.
        pattern = rf"[+-]?+(?:{whole}(?:{sign}\d*+)?+|{sign}\d++)(?:[eE][+-]?+\d++)?+"
        object.__setattr__(self, "_number", re.compile(pattern, re.ASCII))

    def value(self, cell: str) -> float | None:
        """The number that a cell holds, NaN for one that is empty or says that a value is missing; None for others."""
        cell = cell.strip() if cell.isascii() else cell.translate(_SPACES).strip()
        if self._number.fullmatch(cell):  # type: ignore[attr-defined]
            return float(cell.replace(self.thousands, "").replace(self.decimal, ".") if cell else cell)
        word = _WORDS.get(cell.lstrip("+-").lower()) if len(cell) <= len("-infinity") else None
        return -word if word is not None and cell.startswith("-") else word

    def values(self, cells: Sequence[str]) -> list[float | None]:
        """Convert many cells as `value` does; the plain ones, nearly all, at once."""
        together = "".join(cells)
        if self.decimal == "." and not self.thousands and together.isascii() and "_" not in together:
            try:
                return [float(cell) for cell in cells]  # takes nothing else then that `value` does not
            except ValueError:
                pass
        return [self.value(cell) for cell in cells]


@dataclass(frozen=True)
class Dialect:
    """Dialect of a table.

    Attributes
    ----------
    separator : str
        " " for any white space.
    style : Style
    columns : int
        Fields of a row.
    header : tuple of int
        Numbers of the lines before the first row of numbers, comments left out.
    names : tuple of str
        Of the columns, lower case; () where there are none.
    texts : tuple of int
        Columns that hold no numbers.
    notes : tuple of str
        A sentence for each decision that the file does not spell out.
    """

    separator: str
    style: Style
    columns: int
    header: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    texts: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def fields(self, line: Line) -> list[str]:
        """The cells of a line; a separator after the last of them ends nothing."""
        found = fields(line, self.separator)
        return found[:-1] if len(found) == self.columns + 1 and not found[-1] else found

    @property
    def label(self) -> int | None:
        """The column of labels: the first that its name says to be that."""
        return next(iter(self.labels), None)

    @property
    def labels(self) -> tuple[int, ...]:
        """All columns that their names say to be labels."""
        outer = (0, self.columns - 1)
        named = ((column, name) for column, name in enumerate(self.names) if name in LABELS)
        return tuple(c for c, name in named if name != "y" or (c in outer and "x" not in self.names))

    @property
    def may_be_index(self) -> bool:
        """Whether the first column could count the rows: it has a name of an index, or none."""
        return 0 not in (*self.texts, self.label) and (not self.names or self.names[0] in _INDEX)


def fields(line: Line, separator: str) -> list[str]:
    """The cells of a line, without spaces and quotes around them."""
    number, text = line
    if '"' in text:
        try:
            [row] = csv.reader([text], delimiter=separator, skipinitialspace=True, strict=True)
        except (csv.Error, ValueError) as error:
            raise DatasetError(f"line {number} has a quotation mark that is not closed, or text behind one") from error
        return [cell for cell in row if cell] if separator == " " else [cell.strip() for cell in row]
    if separator == " ":
        return text.partition(" #")[0].split()
    cells = [cell.strip() for cell in text.split(separator)]
    value, mark, _ = cells[-1].partition("#")
    if mark and value and not value.strip().strip("0123456789+-.eE"):
        cells[-1] = value.strip()  # a comment behind a number
    return cells


def deduce(lines: Sequence[Line], comment: str, separator: str | None) -> Dialect:
    """The dialect of a table.

    Parameters
    ----------
    lines : sequence of Line
        Its first ones, and any that did not fit an earlier dialect.
    comment : str
        The last comment before them, which may name the columns.
    separator : str or None
        As the file declares it.

    Raises
    ------
    DatasetError
        No table of numbers; the message is a clause that names the fault and its place.
    """
    if not lines:
        raise DatasetError("contains no numbers")
    for one in _SEPARATORS if separator is None else (separator,):
        try:
            rows = [fields(line, one) for line in lines]
        except DatasetError:
            if separator is not None or len(lines) < 2:
                raise
            continue
        if _end_in_separators(rows):
            rows = [row[:-1] if len(row) > 1 and not row[-1] else row for row in rows]
        for style in _STYLES_OF_COMMAS if one == "," else _STYLES:
            found = _fits([number for number, _ in lines], rows, Dialect(one, Style(*style), 0))
            if found is not None:
                _require_plain(lines, rows, found)
                return found if found.names or not comment else _named(found, comment)
    raise DatasetError(_culprit(lines, separator))


def _end_in_separators(rows: list[list[str]]) -> bool:
    """Whether lines have a separator behind their last cell, and no column there that is named or has a value."""
    late = rows[len(rows) // 2 :]
    return all(len(row) > 1 and not row[-1] for row in late) and not any(
        row[-1] for row in rows if len(row) == len(late[-1])
    )


def _fits(numbers: list[int], rows: list[list[str]], plain: Dialect) -> Dialect | None:
    """The dialect in full, if these rows end in rows of numbers; None where they do not."""
    columns = Counter(map(len, rows[len(rows) // 2 :])).most_common(1)[0][0]
    if columns < 2:
        return None
    value = plain.style.value
    late = [row for row in rows[len(rows) // 2 :] if len(row) == columns]
    if sum(value(cell) is None for cell in late[-1][:_GLANCE]) > 2:
        return None  # most styles do not fit, and rows can be long
    found = [plain.style.values(row) for row in late]
    texts = tuple(c for c in range(columns) if found[-1][c] is None and all(row[c] is None for row in found))
    if len(texts) > 2 or len(texts) >= columns:
        return None
    pixels = [c for c in range(columns) if c not in texts]
    count = 0
    while count < min(len(rows) - 1, _MOST_HEADER) and _is_header(rows[count], columns, pixels, plain.style):
        count += 1
    body = [row for row in rows[count:] if len(row) == columns]
    if len(body) < len(rows) - count or not body:
        return None
    # Under names, numbers are numbers, however regular.
    numeric = 0 if any(len(row) == columns for row in rows[:count]) else _numeric_header(body, pixels, plain.style)
    top = body[0] if numeric else next((row for row in rows[:count][::-1] if columns - 1 <= len(row) <= columns), [])
    count += numeric
    rest = rows[count:]
    if not rest or any(None in plain.style.values([row[c] for c in pixels] if texts else row) for row in rest):
        return None
    names = [name.strip("\"' ").lower() for name in ([""] if 0 < len(top) < columns else []) + top]
    notes: tuple[str, ...] = ()
    if count > 1:
        notes = (f"lines {numbers[0]} to {numbers[count - 1]} are taken for a header",)
    elif numeric:
        notes = (f"line {numbers[0]}, {_ends(rows[0])}, is taken for a header",)
    if plain.style.thousands:
        notes = (*notes, f'"{plain.style.thousands}" in numbers is taken for a separator of thousands')
    return replace(plain, columns=columns, header=tuple(numbers[:count]), names=tuple(names), texts=texts, notes=notes)


def _is_header(row: list[str], columns: int, pixels: list[int], style: Style) -> bool:
    """Whether a row before the numbers holds none of them, or is a line of text of another length."""
    if len(row) == columns:
        cells = [row[c] for c in pixels if row[c]]
        return bool(cells) and all(style.value(cell) is None for cell in cells)
    if len(row) == columns - 1:  # R does not name the column of row names
        return all(style.value(cell) is None for cell in row) or _counts(row)
    return len(row) < columns and style.value(row[0]) is None


def _numeric_header(body: list[list[str]], pixels: list[int], style: Style) -> int:
    """Count the first rows that are a header of numbers: numbered columns, rows and columns of pixels, wavelengths."""
    first = [body[0][c] for c in pixels]
    others = [[row[c] for c in pixels] for row in body[1:]]
    if not others:
        return 0
    texts = [c for c, value in enumerate(style.values(first)) if value is None or not first[c]]
    if any(first[c].lower() not in (*LABELS, *(_INDEX if c == 0 else ())) for c in texts):
        return 0  # texts that are neither a label's name nor an index's: an error, which is reported when it is read
    numbers = [cell for c, cell in enumerate(first) if c not in texts]
    if _counts(numbers) and (texts or others[0][0] not in (numbers[0], str(int(numbers[-1]) + 1))):
        return 1
    if len(numbers) >= _MANY and _is_monotone(numbers, style):
        return int(bool(texts) or not any(_is_monotone(row, style) for row in others))
    return 2 * int(len(others) > 2 and _is_grid(first, others[0]))


def _counts(cells: Sequence[str]) -> bool:
    """Whether cells are 0, 1, 2, ... or 1, 2, 3, ..., and too many of them for chance."""
    if not cells or len(cells) < _COUNTED.get(cells[0], len(cells) + 1):
        return False
    start = int(cells[0])
    return all(cell == str(start + k) for k, cell in enumerate(cells))


def _is_monotone(cells: Sequence[str], style: Style) -> bool:
    steps = np.diff(np.array(style.values(cells), float))  # NaN for None
    return bool((steps > 0).all() or (steps < 0).all())


def _is_grid(above: Sequence[str], below: Sequence[str]) -> bool:
    """Whether two rows are the row and the column of each pixel."""
    width = sum(cell == above[0] for cell in above)
    if not 1 < width < len(above) or len(above) % width or above[0] not in ("0", "1"):
        return False
    start, height = int(above[0]), len(above) // width
    rows = [str(start + k // width) for k in range(height * width)]
    return list(above) == rows and list(below) == [str(start + k % width) for k in range(height * width)]


def _ends(row: Sequence[str]) -> str:
    return f"{row[0][:_LONGEST_CELL]!r} to {row[-1][:_LONGEST_CELL]!r}".replace("'", '"')


def _named(found: Dialect, comment: str) -> Dialect:
    """A dialect with the names of its columns from a comment, where that has as many."""
    names = tuple(name.strip("\"' ").lower() for name in fields((0, comment.replace('"', "")), found.separator))
    return replace(found, names=names) if len(names) == found.columns else found


def _require_plain(lines: Sequence[Line], rows: Sequence[Sequence[str]], found: Dialect) -> None:
    """Refuse numbers that may as well have a decimal comma as one between thousands."""
    if found.style != Style(",", "") or found.separator == ",":
        return
    last = set(found.header)
    body = [row for (number, _), row in zip(lines, rows, strict=True) if number not in last]
    commas = [cell for row in body for c, cell in enumerate(row) if "," in cell and c not in found.texts]
    if commas and all(re.fullmatch(r"[+-]?[1-9]\d?\d?,\d{3}", cell, re.ASCII) for cell in commas):
        raise DatasetError(
            f'the comma in "{commas[0]}" can be a decimal sign or stand between thousands; '
            "accepted are numbers without separators of thousands"
        )


def _culprit(lines: Sequence[Line], separator: str | None) -> str:
    """Find the reason why lines are no table: a cell that is not a number, or lines of different length."""
    separator = separator or next((one for one in _SEPARATORS if one in lines[-1][1]), ",")
    rows = [(number, fields((number, text), separator)) for number, text in lines]
    columns = Counter(len(row) for _, row in rows[len(rows) // 2 :]).most_common(1)[0][0]
    if columns < 2:
        return "has lines of one value; accepted are several numbers a line, an image each"
    full = [(number, row) for number, row in rows if len(row) == columns]
    style = max(
        (Style(*one) for one in _STYLES), key=lambda one: sum(one.value(c) is not None for c in full[-1][1][:_GLANCE])
    )
    # The odd one among rows of numbers, else the length of the last line.
    for number, row in (*full, full[-1]):
        wrong = [c for c, value in enumerate(style.values(row)) if value is None]
        if wrong and (2 * len(wrong) < columns or number == full[-1][0]):
            return not_a_number(number, wrong[0], row[wrong[0]])
    odd = next(((number, row) for number, row in rows[::-1] if len(row) != columns), rows[-1])
    return (
        f"is no table of numbers: its lines differ in length "
        f"(line {odd[0]} has {len(odd[1])} values, the first line of numbers has {columns})"
    )


def not_a_number(line: int, column: int, cell: str) -> str:
    """The clause about a cell that holds no number; `column` is counted from 0."""
    return f'line {line}, column {column + 1} is "{cell[:_LONGEST_CELL]}", which is not a number'
