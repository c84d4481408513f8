"""Numeric variables of MATLAB files of version 5: bounds are checked before a byte is taken.

SciPy's compiled reader trusts what a file declares, and a damaged one ends the whole process; an app that opens
whatever is dropped on it cannot have that. Only arrays of numbers are read here, and cells of equal matrices, as stacks
along the last axis; other cells, structs, texts and sparse matrices are listed by their class.

References
----------
.. [1] MAT-File Format, The MathWorks, chapter 1 (level 5).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bytes = bytes | bytearray

_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = ("", "cell", "struct", "object", "char", "sparse")
_NUMBERS = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
_COMPLEX, _LOGICAL = 0x0800, 0x0200
#: Deflate makes at most this many bytes of one.
DEFLATE_MOST = 1032
_CHUNK = 1 << 16
_CELL = "cell array"
_MOST_CELLS = 1 << 20


@dataclass(frozen=True)
class Variable:
    """A variable of a file.

    Attributes
    ----------
    name : str
    shape : tuple of int
    dtype : numpy.dtype or None
        Of its values; None for what holds no numbers.
    kind : str
        What it is instead: "cell array", "complex array"; "" for real numbers.
    is_cell : bool
        Whether it is a cell of equal matrices, as the stack of these along the last axis.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    kind: str
    is_cell: bool = False


def is_version_5(head: bytes) -> bool:
    """Whether the first 128 bytes of a file are the header of a MATLAB file of version 5 (also 6 and 7)."""
    return len(head) >= 128 and head[126:128] in (b"IM", b"MI") and _version(head) == 0x0100 and 0 not in head[:4]


def list_variables(path: Path) -> list[Variable]:
    """The variables of a file, from their headers.

    Raises
    ------
    ValueError, zlib.error
        A damaged or truncated file.
    OSError
    """
    with path.open("rb") as file:
        return [_as_stack(variable, content) or variable for variable, content in _variables(file)]


def read_variable(path: Path, name: str) -> Array:
    """The values of a variable.

    Returns
    -------
    ndarray of the declared shape, Fortran order
        Doubles that MATLAB packed into smaller integers are doubles again.

    Raises
    ------
    ValueError, zlib.error
        A damaged or truncated file, no such variable, or one that holds no real numbers.
    OSError
    """
    with path.open("rb") as file:
        for variable, content in _variables(file):
            if variable.name == name and variable.kind == _CELL:
                images = [values for _, values in _cells(variable, content)]
                content.finish()
                return np.stack(images, axis=-1)
            if variable.name == name and variable.dtype is not None:
                values = _values(variable, content)
                content.finish()
                return values
    raise ValueError(f'no array "{name}"')


class _Content:
    """The bytes of one element, decompressed while they are read and never more than were asked for."""

    def __init__(self, file: IO[bytes], length: int, order: str, compressed: bool) -> None:
        self._file = file
        self._left = length
        self.order = order
        self._inflater = zlib.decompressobj() if compressed else None
        self._most = length * DEFLATE_MOST if compressed else length

    def read(self, count: int) -> Bytes:
        """So many bytes; ValueError when the element has fewer."""
        if count > self._most:
            raise ValueError(f"{count} bytes are declared, at most {self._most} can follow")
        data: Bytes = self._take(count) if self._inflater is None else self._inflate(count)
        if len(data) < count:
            raise ValueError("the file ends early")
        self._most -= count
        return data

    def tag(self) -> tuple[int, int, Bytes]:
        """Type and length of the next part; short ones come with their content, else b""."""
        head = self.read(8)
        kind, length = struct.unpack(self.order + "II", head)
        if kind >> 16:  # a short part: length and type share a word
            if kind >> 16 > 4:
                raise ValueError("a part is damaged")
            return kind & 0xFFFF, kind >> 16, head[4 : 4 + (kind >> 16)]
        return kind, length, b""

    def part(self, most: int) -> Bytes:
        """The content of the next part, which must not be longer than `most`."""
        _, length, content = self.tag()
        if content or not length:
            return content
        if length > most:
            raise ValueError(f"a part of {length} bytes is too long")
        return self.read(-(-length // 8) * 8)[:length]

    def finish(self) -> None:
        """Read to the end, where the checksum of compressed content is."""
        while self._inflater is not None and not self._inflater.eof:
            if not self._inflate(_CHUNK) and not self._inflater.eof:
                raise ValueError("the file ends early")

    def _take(self, count: int) -> bytes:
        data = self._file.read(min(count, self._left))
        self._left -= len(data)
        return data

    def _inflate(self, count: int) -> bytearray:
        assert self._inflater is not None
        found = bytearray()
        while len(found) < count and not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._take(_CHUNK)
            made = self._inflater.decompress(packed, count - len(found))
            if not packed and not made:
                break
            found += made
        return found


def _version(head: bytes) -> int:
    value: int = struct.unpack("<H" if head[126:128] == b"IM" else ">H", head[124:126])[0]
    return value


def _variables(file: IO[bytes]) -> Iterator[tuple[Variable, _Content]]:
    """Each variable of a file, with its content read as far as the values."""
    head = file.read(128)
    if not is_version_5(head):
        raise ValueError("its header is not one of version 5")
    order = "<" if head[126:128] == b"IM" else ">"
    end = file.seek(0, 2)
    start = 128
    while start + 8 <= end:
        file.seek(start)
        kind, length = struct.unpack(order + "II", file.read(8))
        start += 8 + length
        if kind not in (_MATRIX, _COMPRESSED):
            raise ValueError(f"it holds an element of unknown type {kind}")
        if start > end:
            raise ValueError("the file ends early")
        content = _Content(file, length, order, kind == _COMPRESSED)
        if kind == _COMPRESSED and content.tag()[0] != _MATRIX:
            raise ValueError("it holds no variable where one is declared")
        variable = _header(content)
        if variable.name:  # those without a name are MATLAB's own
            yield variable, content


def _header(content: _Content) -> Variable:
    order = content.order
    flags = content.part(8)
    shape = content.part(8 * 64)
    name = content.part(256).decode("utf-8", "replace")
    if len(flags) != 8 or len(shape) % 4 or len(shape) < 8:
        raise ValueError("the header of a variable is damaged")
    word = struct.unpack(order + "I", flags[:4])[0]
    sides = tuple(int(side) for side in np.frombuffer(shape, order + "i4"))
    if min(sides) < 0:
        raise ValueError(f"a variable has shape {sides}")
    code = word & 0xFF
    if not 6 <= code < 6 + len(_NUMBERS):
        kind = _CLASSES[code] if code < len(_CLASSES) else "function or object"
        return Variable(name, sides, None, f"{kind} array")
    if word & _COMPLEX:
        return Variable(name, sides, None, "complex array")
    return Variable(name, sides, np.dtype(bool if word & _LOGICAL else _NUMBERS[code - 6]), "")


def _as_stack(variable: Variable, content: _Content) -> Variable | None:
    """A cell of equal matrices as the stack that it is read as; None where it is none."""
    if variable.kind != _CELL or not 1 <= math.prod(variable.shape) <= _MOST_CELLS:
        return None
    first: Variable | None = None
    try:
        for cell, _ in _cells(variable, content):
            if first is None:
                first = cell
            if (cell.shape, cell.dtype) != (first.shape, first.dtype) or len(cell.shape) != 2:
                return None
    except (ValueError, zlib.error):
        return None  # damaged, or not numbers: it is listed by its class
    assert first is not None
    return Variable(variable.name, (*first.shape, math.prod(variable.shape)), first.dtype, "", is_cell=True)


def _cells(variable: Variable, content: _Content) -> Iterator[tuple[Variable, Array]]:
    """The arrays of a cell, each with its header."""
    for _ in range(math.prod(variable.shape)):
        kind, length, short = content.tag()
        if kind != _MATRIX or short or not length:
            raise ValueError("a cell holds no array")
        cell = _header(content)
        if cell.dtype is None:
            raise ValueError(f"a cell holds a {cell.kind}")
        yield cell, _values(cell, content, is_padded=True)


def _values(variable: Variable, content: _Content, is_padded: bool = False) -> Array:
    kind, length, short = content.tag()
    if kind not in _STORED:
        raise ValueError(f"its values are of unknown type {kind}")
    stored = np.dtype(content.order + _STORED[kind])
    if length != math.prod(variable.shape) * stored.itemsize:
        raise ValueError(f"it declares {math.prod(variable.shape)} values and {length} bytes of {stored}")
    values = np.frombuffer(short or content.read(length), stored)
    if is_padded and not short:
        content.read(-length % 8)
    assert variable.dtype is not None
    return values.astype(variable.dtype, copy=False).reshape(variable.shape, order="F")
