"""Check a pickle by its opcodes before anything is made of it: nesting, size, integers and memo numbers.

Python's own reader trusts them: it hashes a key of 300,000 nested tuples by recursion until the process dies, unfolds
shared tuples 2^n times, fills a memo of any declared length, and converts integers of any length. The walk
here takes time and memory in proportion to the number of opcodes, which is limited, and builds no object.
"""

from __future__ import annotations

import pickletools
from typing import BinaryIO

#: Values within values.
DEEPEST = 100
MOST_OPCODES = 2_000_000
#: Of an integer.
MOST_DIGITS = 100
#: Values that are hashed or handed to a constructor, each counted as often as it is met.
_MOST_VISITS = 10 * MOST_OPCODES
_MOST_INTEGER_BYTES = 42
_LONGEST_NUMBER = MOST_DIGITS + 8  # the sign, "L" and the end of the line

_OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
#: Bytes that hold the length of an argument.
_LENGTH_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_LINES = {"GLOBAL": 2, "INST": 2}
_NUMBERS_IN_TEXT = {"INT", "LONG", "FLOAT", "GET", "PUT"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_NEW_CONTAINERS = {"EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "EMPTY_TUPLE"}
#: From the stack: how many values make one.
_TAKES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "REDUCE": 2, "NEWOBJ": 2, "NEWOBJ_EX": 3, "STACK_GLOBAL": 2}
_TAKES |= {"BINPERSID": 1, "READONLY_BUFFER": 1}
_FROM_MARK = {"TUPLE", "LIST", "DICT", "FROZENSET", "OBJ", "INST"}
_INTO = {"APPEND": 1, "SETITEM": 2, "BUILD": 1}
_INTO_FROM_MARK = {"APPENDS", "SETITEMS", "ADDITEMS"}
_CONSTRUCTS = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "BUILD"}


class PickleError(ValueError):
    """A pickle that is not loaded; its text is the rest of a sentence that begins "... is a pickle that"."""


class _Value:
    """Record of a value in the walk: its depth of nesting, and the number of values in it when unfolded."""

    __slots__ = ("depth", "size")

    def __init__(self, depth: int = 0, size: int = 1) -> None:
        self.depth, self.size = depth, size


_ATOM = _Value()


def check_pickle(file: BinaryIO, end: int) -> None:
    """Walk through the opcodes of a pickle; the file then stands behind it.

    Parameters
    ----------
    file : binary file
        Stands where the pickle begins.
    end : int
        Position at which the file ends.

    Raises
    ------
    PickleError
        Values nested more than `DEEPEST`, more than `MOST_OPCODES` opcodes, an integer of more than `MOST_DIGITS`
        digits, keys that take too long to hash, memo numbers that are too large, and damage of every kind.
    """
    try:
        _Walk(file, end).run()
    except (IndexError, KeyError) as error:  # a stack, memo or table that lacks what an opcode asks for
        raise PickleError("is damaged") from error


class _Walk:
    """One walk: the stack, the marks in it and the memo, as the reader would have them."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self._end = file, end
        self._stack: list[_Value] = []
        self._stacks: list[list[_Value]] = []  # those below the marks
        self._memo: dict[int, _Value] = {}
        self._visits = 0

    def run(self) -> None:
        """Go from the first opcode to STOP."""
        read = self._file.read
        for _ in range(MOST_OPCODES):
            code = read(1)
            if not code:
                raise PickleError("ends too early")
            opcode = _OPCODES[code[0]]
            number = self._argument(opcode)
            if opcode.name == "STOP":
                self._stack.pop()
                return
            self._step(opcode.name, number)
        raise PickleError(f"has more than {MOST_OPCODES:,} opcodes")

    def _argument(self, opcode: pickletools.OpcodeInfo) -> int:
        """Pass over an argument; its value where it is a whole number."""
        kind = opcode.arg
        if kind is None:
            return 0
        if kind.n == pickletools.UP_TO_NEWLINE:
            return self._text(opcode.name)
        length = _LENGTH_BYTES.get(kind.n, kind.n)
        number = int.from_bytes(self._bytes(length), "little")
        if kind.n in _LENGTH_BYTES:
            if opcode.name in ("LONG1", "LONG4") and number > _MOST_INTEGER_BYTES:
                raise PickleError(f"holds an integer of more than {MOST_DIGITS} digits")
            self._skip(number)
        elif opcode.name == "FRAME" and number > self._end - self._file.tell():
            raise PickleError("ends too early")
        return number

    def _text(self, name: str) -> int:
        for _ in range(_LINES.get(name, 1)):
            longest = _LONGEST_NUMBER if name in _NUMBERS_IN_TEXT else -1
            line = self._file.readline(longest)
            if not line.endswith(b"\n"):
                what = "ends too early" if len(line) != longest else f"holds a number of more than {MOST_DIGITS} digits"
                raise PickleError(what)
        if name not in _PUTS | _GETS:
            return 0
        if not line.strip().isdigit():
            raise PickleError("is damaged")
        return int(line)

    def _bytes(self, count: int) -> bytes:
        content = self._file.read(count)
        if len(content) != count:
            raise PickleError("ends too early")
        return content

    def _skip(self, count: int) -> None:
        if count < 64:
            self._bytes(count)
        elif count > self._end - self._file.tell():
            raise PickleError("ends too early")
        else:
            self._file.seek(count, 1)

    def _step(self, name: str, number: int) -> None:
        """Do to the stack as an opcode does."""
        stack = self._stack
        if name in _PUTS or name == "MEMOIZE":
            number = len(self._memo) if name == "MEMOIZE" else number
            if number > MOST_OPCODES:
                raise PickleError(f"numbers a value {number}, of at most {MOST_OPCODES:,}")
            self._memo[number] = stack[-1]
        elif name in _GETS:
            stack.append(self._memo[number])
        elif name == "MARK":
            self._stacks.append(stack)
            self._stack = []
        elif name in _NEW_CONTAINERS:
            stack.append(_Value(1))
        elif name in _TAKES:
            self._make(name, self._taken(_TAKES[name]))
        elif name in _FROM_MARK:
            self._make(name, self._since_mark())
        elif name in _INTO:
            self._put_in(name, self._taken(_INTO[name]))
        elif name in _INTO_FROM_MARK:
            self._put_in(name, self._since_mark())
        elif name == "POP_MARK" or (name == "POP" and not stack):
            self._since_mark()
        elif name == "POP":
            stack.pop()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name not in ("PROTO", "FRAME"):
            stack.append(_ATOM)

    def _taken(self, count: int) -> list[_Value]:
        if len(self._stack) < count:
            raise PickleError("is damaged")
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _since_mark(self) -> list[_Value]:
        taken, self._stack = self._stack, self._stacks.pop()
        return taken

    def _make(self, name: str, parts: list[_Value]) -> None:
        """Replace values by the one that is made of them."""
        made = _Value(1)
        self._stack.append(made)
        self._take_in(name, made, parts)

    def _put_in(self, name: str, parts: list[_Value]) -> None:
        """Put values into the container that lies below them."""
        into = self._stack[-1]
        if into is _ATOM:  # such as the object that a constructor fills
            into = self._stack[-1] = _Value(1)
        self._take_in(name, into, parts)

    def _take_in(self, name: str, into: _Value, parts: list[_Value]) -> None:
        for part in parts:
            into.depth = max(into.depth, part.depth + 1)
            into.size = min(into.size + part.size, _MOST_VISITS + 1)
        if into.depth > DEEPEST:
            raise PickleError(f"nests values more than {DEEPEST} deep")
        hashed = parts[::2] if name in ("SETITEM", "SETITEMS", "DICT") else parts
        if name in ("SETITEM", "SETITEMS", "DICT", "FROZENSET", "ADDITEMS") or name in _CONSTRUCTS:
            self._visits += sum(part.size for part in hashed)
            if self._visits > _MOST_VISITS:
                raise PickleError("repeats values within values too often")
