"""Arrays of numbers in MATLAB files of version 5: bounds are checked before a byte is taken.

SciPy's compiled reader trusts what a file declares, and a damaged one ends the whole process; an app that opens
whatever is dropped on it cannot have that. Read here are arrays of numbers, full or sparse, by themselves and in
structs, as "s.images"; cells of equal images, and struct arrays with an equal image in each element, are stacks along
the last axis. All else is listed by its class and skipped.

References
----------
.. [1] MAT-File Format, The MathWorks, chapter 1 (level 5).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.formats.matlab_bytes import Content
from gsp_studio.io.memory import free_memory

_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = ("", "cell", "struct", "object", "char", "sparse")
_CELL, _STRUCT, _SPARSE, _OPAQUE = 1, 2, 5, 17
_NUMBERS = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
_COMPLEX, _LOGICAL = 0x0800, 0x0200
#: Deflate makes at most this many bytes of one.
DEFLATE_MOST = 1032
#: Values of a sparse matrix for which room may have been kept.
_SPARE = 1 << 16
#: Parts of cells and structs of a file, and structs within each other, that are looked into.
_MOST_PARTS, _DEEPEST = 1 << 18, 8
#: Variables that are listed.
_MOST = 4096
#: Cells and structs are looked into while they are no larger than this, or compressed no more than this many times.
_LARGE, _DENSE = 1 << 30, 64


@dataclass(frozen=True)
class Variable:
    """A variable of a file, or a field of one.

    Attributes
    ----------
    name : str
        Of a field with the names of the structs that it is in, "s.images".
    shape : tuple of int
    dtype : numpy.dtype or None
        Of its values; None for variables without numbers.
    kind : str
        Its class where that is no array of real numbers: "cell array", "complex array"; else "".
    is_stack : bool
        Whether it is the equal images of a cell or of a struct array, along the last axis.
    is_sparse : bool
        Whether only the values that are not 0 are stored.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    kind: str
    is_stack: bool = False
    is_sparse: bool = False


@dataclass(frozen=True)
class _Header:
    """The header of an array: its class by its code, and as a variable."""

    code: int
    variable: Variable


def is_version_5(head: bytes) -> bool:
    """Whether the first 128 bytes of a file are the header of a MATLAB file of version 5 (also 6 and 7)."""
    return len(head) >= 128 and head[126:128] in (b"IM", b"MI") and version(head) == 0x0100 and 0 not in head[:4]


def version(head: bytes) -> int:
    """The version that a header of 128 bytes declares: 0x0100 for 5, 0x0200 for 7.3."""
    value: int = struct.unpack("<H" if head[126:128] == b"IM" else ">H", head[124:126])[0]
    return value


def list_variables(path: Path) -> list[Variable]:
    """The variables of a file, from their headers; fields of structs are variables of their own.

    Raises
    ------
    ValueError
        A truncated file. A single variable that is damaged is listed as that.
    OSError
    """
    with path.open("rb") as file:
        return [variable for variable, _ in _variables(file, None)][:_MOST]


def read_variable(path: Path, name: str) -> Array:
    """The values of a variable.

    Returns
    -------
    ndarray of the listed shape
        Doubles that MATLAB packed into smaller integers are doubles again; sparse matrices become full.

    Raises
    ------
    ValueError, zlib.error
        A damaged or truncated file, no such variable, or one that holds no real numbers.
    OSError
    """
    with path.open("rb") as file:
        for variable, values in _variables(file, name):
            if variable.name == name and values is not None:
                return values
    raise ValueError(f'no array "{name}"')


def _variables(file: IO[bytes], wanted: str | None) -> Iterator[tuple[Variable, Array | None]]:
    """The variables of a file; with the values of the one that is wanted."""
    head = file.read(128)
    if not is_version_5(head):
        raise ValueError("its header is not one of version 5")
    order = "<" if head[126:128] == b"IM" else ">"
    end = file.seek(0, 2)
    start, number, parts = 128, 0, iter(range(_MOST_PARTS))
    while start + 8 <= end and number < _MOST:
        file.seek(start)
        kind, length = struct.unpack(order + "II", file.read(8))
        start += 8 + length
        if kind not in (_MATRIX, _COMPRESSED):
            raise ValueError(f"it holds an element of unknown type {kind}")
        if start > end:
            raise ValueError("the file ends early")
        number += 1
        content = Content(file, length, order, length * DEFLATE_MOST if kind == _COMPRESSED else None)
        try:
            yield from _top(content, length, wanted, parts)
        except (ValueError, zlib.error) as error:
            if wanted is not None and not isinstance(error, _UnknownError):
                raise
            # The others can be read all the same: where each begins is known.
            yield Variable(f"variable {number}", (), None, f"damaged variable: {error}"), None


class _UnknownError(ValueError):
    """A variable whose name is not known, so that it is not the one that is wanted."""


def _top(
    content: Content, length: int, wanted: str | None, parts: Iterator[int]
) -> Iterator[tuple[Variable, Array | None]]:
    try:
        if content.is_compressed:
            kind, inner, _ = content.tag()
            if kind != _MATRIX:
                raise ValueError("it holds no variable where one is declared")
        else:
            inner = length
        header = _header(content)
    except (ValueError, zlib.error) as error:
        raise _UnknownError(str(error)) from error
    name = header.variable.name
    if not name or (wanted is not None and wanted != name and not wanted.startswith(f"{name}.")):
        return  # those without a name are MATLAB's own
    is_small = inner <= max(_LARGE, _DENSE * length) and inner <= free_memory()
    for variable, values in _within(header, content, wanted, parts, _DEEPEST if is_small else 0):
        if values is not None:
            content.finish()
        yield variable, values


def _header(content: Content, name: str = "") -> _Header:
    """The header of an array, whose name is given where it is a part of another."""
    order = content.order
    flags = content.part(8)
    if len(flags) != 8:
        raise ValueError("the header of a variable is damaged")
    word = struct.unpack(order + "I", flags[:4])[0]
    code = word & 0xFF
    if code == _OPAQUE:  # strings, tables, datetimes: a name, the system of types, the class
        own, _, kind = (content.part(256).decode("ascii", "replace") for _ in range(3))
        return _Header(code, Variable(name or own, (), None, f"{kind} array"))
    shape = content.part(8 * 64)
    name = content.part(256).decode("utf-8", "replace") or name
    if len(shape) % 4 or len(shape) < 8:
        raise ValueError("the header of a variable is damaged")
    sides = tuple(int(side) for side in np.frombuffer(shape, order + "i4"))
    if min(sides) < 0:
        raise ValueError(f"a variable has shape {sides}")
    if word & _COMPLEX:
        return _Header(code, Variable(name, sides, None, "complex array"))
    if code == _SPARSE:
        return _Header(code, Variable(name, sides, np.dtype(bool if word & _LOGICAL else "f8"), "", is_sparse=True))
    if not 6 <= code < 6 + len(_NUMBERS):
        kind = _CLASSES[code] if code < len(_CLASSES) else "function or object"
        return _Header(code, Variable(name, sides, None, f"{kind} array"))
    return _Header(code, Variable(name, sides, np.dtype(bool if word & _LOGICAL else _NUMBERS[code - 6]), ""))


def _within(
    header: _Header, content: Content, wanted: str | None, parts: Iterator[int], depth: int
) -> Iterator[tuple[Variable, Array | None]]:
    """A variable, or those that it is made of, with the values of the one that is wanted."""
    variable = header.variable
    if header.code not in (_CELL, _STRUCT) or not depth:
        is_wanted = variable.name == wanted and variable.dtype is not None
        yield variable, _values(variable, content) if is_wanted else None
        return
    fields = [""] if header.code == _CELL else _fields(content)
    names = [f"{variable.name}.{field}" if field else variable.name for field in fields]
    if header.code == _STRUCT and math.prod(variable.shape) == 1:
        for name in names:
            end = _part(content, parts)
            if end > content.position:
                part = _header(content, name)
                if wanted is None or wanted == name or wanted.startswith(f"{name}."):
                    yield from _within(part, content, wanted, parts, depth - 1)
            content.skip(end)
        return
    yield from _stacks(variable, names, content, wanted, parts)


def _stacks(
    variable: Variable, names: list[str], content: Content, wanted: str | None, parts: Iterator[int]
) -> Iterator[tuple[Variable, Array | None]]:
    """Stacks of the elements of a cell, or of each field of a struct array; else their class."""
    first: dict[str, Variable | None] = {}
    held: list[Array] = []
    for k in range(math.prod(variable.shape)):
        for name in names:
            end = _part(content, parts)
            part = _header(content, name).variable if end > content.position else None
            if k == 0:
                first[name] = part if part and _is_image(part) else None
            elif part is None or (part.shape, part.dtype) != _kind_of(first[name]):
                first[name] = None
            if name == wanted and part is not None and first[name] is not None:
                held.append(_values(part, content))
            content.skip(end)
    for name in names:
        image = first.get(name)
        if image is None:
            yield replace(variable, name=name), None
            continue
        # Images of one column are vectors, and are put side by side.
        sides = (math.prod(image.shape),) if 1 in image.shape else image.shape
        stack = Variable(name, (*sides, math.prod(variable.shape)), image.dtype, "", is_stack=True)
        stack = replace(stack, is_sparse=image.is_sparse)
        yield stack, np.stack([one.reshape(sides, order="F") for one in held], -1) if name == wanted else None


def _is_image(part: Variable) -> bool:
    is_stackable = len(part.shape) == 2 or (len(part.shape) == 3 and part.shape[2] == 3)
    return part.dtype is not None and is_stackable and min(part.shape) > 0


def _kind_of(variable: Variable | None) -> tuple[tuple[int, ...], np.dtype[Any] | None] | None:
    return None if variable is None else (variable.shape, variable.dtype)


def _part(content: Content, parts: Iterator[int]) -> int:
    """End of the array that begins here."""
    kind, length, short = content.tag()
    if kind != _MATRIX or short:
        raise ValueError("a cell or struct holds something that is no array")
    if next(parts, None) is None:
        raise ValueError(f"it has more than {_MOST_PARTS} parts")
    return content.position + length


def _fields(content: Content) -> list[str]:
    """The names of the fields of a struct."""
    length = content.part(4)
    (width,) = struct.unpack(content.order + "i", length) if len(length) == 4 else (0,)
    if not 0 < width <= 256:
        raise ValueError("the fields of a struct are damaged")
    text = content.part(width * _MOST)
    return [text[k : k + width].split(b"\0")[0].decode("ascii", "replace") for k in range(0, len(text), width)]


def _values(variable: Variable, content: Content) -> Array:
    if variable.is_sparse:
        return _sparse(variable, content)
    values = _numbers(content, math.prod(variable.shape), math.prod(variable.shape))
    return values.astype(variable.dtype, copy=False).reshape(variable.shape, order="F")


def _numbers(content: Content, least: int, most: int) -> Array:
    """The numbers of a part, at least and at most so many."""
    kind, length, short = content.tag()
    if kind not in _STORED:
        raise ValueError(f"its values are of unknown type {kind}")
    stored = np.dtype(content.order + _STORED[kind])
    if length % stored.itemsize or not least <= length // stored.itemsize <= most:
        raise ValueError(f"it declares {least} values and {length} bytes of {stored}")
    values = np.frombuffer(short or content.read(length), stored)
    if not short and content.has_more:
        content.read(-length % 8)  # parts are aligned
    return values


def _sparse(variable: Variable, content: Content) -> Array:
    """A full matrix of one by its columns: row of each value, where each column begins, values."""
    if len(variable.shape) != 2:
        raise ValueError(f"a sparse array has shape {variable.shape}")
    height, width = variable.shape
    most = height * width + _SPARE
    rows = _numbers(content, 0, most)
    begins = _numbers(content, width + 1, width + 1).astype(np.int64)
    count = int(begins[-1])
    if begins[0] != 0 or not 0 <= count <= len(rows) or (np.diff(begins) < 0).any():
        raise ValueError("the columns of a sparse array are damaged")
    values = _numbers(content, count, most)[:count]
    rows = rows[:count].astype(np.int64)
    if count and not 0 <= rows.min() <= rows.max() < height:
        raise ValueError("the rows of a sparse array are damaged")
    full = np.zeros((height, width), variable.dtype, order="F")
    full[rows, np.repeat(np.arange(width), np.diff(begins).astype(np.int64))] = values
    return full
