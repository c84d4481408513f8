"""Look through a pickle before anything is made of it: how many steps it has, and how deep its content is nested.

Python's own reader keeps no account of either. Tuples within tuples, 100,000 deep, end the whole process as soon as
they are a key of a dict, and 25 million empty lists take gigabytes.
"""

from __future__ import annotations

import pickle
import pickletools
from typing import IO, Any

#: Steps and nesting of what is opened.
MOST_STEPS, DEEPEST = 1_000_000, 100
#: Steps that put what is above into what is below, so that this gets no deeper with each.
_INTO = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")


class PickleError(ValueError):
    """A pickle that is too long or too deep; the message is a clause about it."""


def check_pickle(stream: IO[bytes], most: int = MOST_STEPS) -> None:
    """Read a pickle to its end without making anything of it.

    Parameters
    ----------
    stream : binary file
        Left behind the pickle.
    most : int
        Steps that it may have.

    Raises
    ------
    PickleError
        A pickle that is too long or too deep.
    pickle.UnpicklingError
        A damaged one.
    """
    depths: list[int] = []  # of what lies on the reader's stack
    marks: list[int] = []
    memo: dict[Any, int] = {}
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if step >= most:
                raise PickleError(f"has more than {most} steps")
            depth = _apply(opcode, argument, depths, marks, memo, most)
            if depth > DEEPEST:
                raise PickleError(f"is nested more than {DEEPEST} deep")
    except (PickleError, MemoryError):
        raise
    except Exception as error:  # pickletools raises exceptions of many kinds for damage
        raise pickle.UnpicklingError("it is damaged, or no pickle") from error


def _apply(
    opcode: pickletools.OpcodeInfo, argument: Any, depths: list[int], marks: list[int], memo: dict[Any, int], most: int
) -> int:
    """Do to the depths what a step does to the stack; the depth of what it leaves on top."""
    name = opcode.name
    if name == "MARK":
        marks.append(len(depths))
        return 0
    if name == "POP" and marks and marks[-1] == len(depths):  # takes off a mark as well
        marks.pop()
        return 0
    if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
        place = len(memo) if name == "MEMOIZE" else argument
        if place >= most:  # up to which Python's reader makes room
            raise PickleError("takes note of more than it has")
        memo[place] = depths[-1]
        return 0
    if name in ("GET", "BINGET", "LONG_BINGET"):
        depths.append(memo[argument])
        return depths[-1]
    if name == "DUP":
        depths.append(depths[-1])
        return depths[-1]
    before = opcode.stack_before
    taken: list[int] = []
    if pickletools.markobject in before:
        taken = _above(depths, marks.pop())
        # What lies below the mark is taken as well where the step names it: the list that is appended to.
        below = before.index(pickletools.markobject)
    else:
        below = len(before)
    if below:
        taken = _above(depths, len(depths) - below) + taken
    if not opcode.stack_after:
        return 0
    *into, inner = (taken[:1], taken[1:]) if name in _INTO else (taken,)
    depth = max((*(max(held) for held in into), 1 + max(inner, default=-1)))
    depths.append(depth)
    return depth


def _above(depths: list[int], start: int) -> list[int]:
    """Take off what lies above a place."""
    if start < 0:
        raise pickle.UnpicklingError("it is damaged, or no pickle")
    taken = depths[start:]
    del depths[start:]
    return taken
