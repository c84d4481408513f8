"""Planes and channels of a moment, in image files: as many as each file holds, or as the files' names tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from gsp_studio.io.images.archives import Member
from gsp_studio.io.images.headers import Header
from gsp_studio.io.peek import mixed_pages

_T = TypeVar("_T")

#: Marks of numbers in file names, "t003", "z2", "w1GFP", and what they count.
_MARKS = {
    **dict.fromkeys(("t", "tp", "time", "frame"), "time"),
    **dict.fromkeys(("z", "slice"), "z"),
    **dict.fromkeys(("c", "ch", "channel", "w"), "channel"),
}
_MARKED = re.compile(r"([A-Za-z]+)([0-9]{1,9})([A-Za-z].*)?")
_BETWEEN = re.compile(r"[_\-.\s]+")
#: Missing numbers that are listed, and the part of all moments up to which they are gaps.
_LISTED, _GAPS = 6, 0.5


@dataclass(frozen=True)
class Planes:
    """Images of one moment.

    Attributes
    ----------
    count : int
        How many there are of each; 1 where a file is a moment of its own.
    apart : int
        How far these lie apart: 1 where they follow each other, else the number of moments.
    names : tuple of str
        A name each, "z 2, channel 1"; empty where they have none.
    mixture : str
        A note for the case that all are read as images of one set.
    gaps : tuple of str
        A note on moments that are missing between others, if any.
    """

    count: int = 1
    apart: int = 1
    names: tuple[str, ...] = ()
    mixture: str = ""
    gaps: tuple[str, ...] = ()


def planes_of(files: Sequence[Member], headers: Sequence[Header]) -> Planes:
    """Find the planes and channels of each moment.

    Parameters
    ----------
    files : sequence of Member
        In the order in which they are read.
    headers : sequence of Header
        Of these.

    Returns
    -------
    Planes
    """
    held = {header.frames for header in headers}
    if len(files) < 2 or len(held) > 1:
        return Planes()
    [count] = held
    if count > 1:
        return Planes(count, mixture=mixed_pages(f"each of {len(files)} files holds", count))
    marks = [_marks_of(file.inside) for file in files]
    if "time" not in marks[0] or any(found.keys() != marks[0].keys() for found in marks):
        return Planes()
    times, names = [found["time"] for found in marks], [_name_of(found) for found in marks]
    gaps, moments, pages = _gaps_in(times), len(set(times)), len(set(names))
    if pages < 2 or moments < 2:
        return Planes(gaps=gaps)
    if list(zip(times, names, strict=True)) == [(t, name) for t in _once(times) for name in _once(names)]:
        apart = 1
    elif list(zip(names, times, strict=True)) == [(name, t) for name in _once(names) for t in _once(times)]:
        apart = moments
    else:
        return Planes(gaps=gaps)
    return Planes(pages, apart, _once(names), mixed_pages("each moment has", pages, apart), gaps)


def _once(values: Sequence[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))


def _marks_of(name: str) -> dict[str, int]:
    """Numbers that a file's name gives by their marks: {"time": 3, "z": 2}; empty where it has one mark twice."""
    found: dict[str, int] = {}
    for part in _BETWEEN.split(PurePath(name).stem):
        marked = _MARKED.fullmatch(part)
        what = _MARKS.get(marked[1].lower()) if marked else None
        if marked and what:
            if what in found:
                return {}
            found[what] = int(marked[2])
    return found


def _name_of(marks: dict[str, int]) -> str:
    return ", ".join(f"{what} {number}" for what, number in marks.items() if what != "time")


def _gaps_in(times: Sequence[int]) -> tuple[str, ...]:
    """A note on the moments that are missing between the first and the last; none where most are."""
    there = set(times)
    missing = sorted(set(range(min(there), max(there))) - there) if max(there) - min(there) < 2 * len(there) else []
    if not missing or len(missing) > _GAPS * len(there):
        return ()
    listed = ", ".join(map(str, missing[:_LISTED])) + (", ..." if len(missing) > _LISTED else "")
    moments = "moment is" if len(missing) == 1 else "moments are"
    return (f"{len(missing)} {moments} missing by the files' names: {listed}; the others follow each other",)
