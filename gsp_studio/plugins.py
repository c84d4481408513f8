"""Tables of the program that other packages extend by entry points.

A plug-in is a package that its user has installed: no file that is opened brings one. It is imported when its row is
asked for, so that it costs those who do not use it nothing but the look at the names of the entry points.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import Generic, TypeVar

Row = TypeVar("Row")
#: Entry points by which packages extend the program.
GROUPS = ("gsp_studio.methods", "gsp_studio.readers")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def source_of(entry: EntryPoint) -> str:
    """Name and version of the package that has an entry point."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.module


def plugin_versions() -> dict[str, str]:
    """Versions of the packages that extend the program, by name."""
    found = (entry.dist for group in GROUPS for entry in entry_points(group=group))
    return dict(sorted((dist.name, dist.version) for dist in found if dist is not None))


class PluginTable(Mapping[str, Row], Generic[Row]):
    """Rows of the program by name, then those of other packages.

    A row that cannot be used is none: it is not in the table, and `reason` says why.

    Parameters
    ----------
    kind : str
        A row's word in sentences: "method".
    group : str
        Of the entry points, each with the name of its row.
    own : dict of name -> row
    accept : (object, source) -> row
        Checks what a plug-in brought, of the package `source`; ValueError of one sentence about it otherwise.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, Row], accept: Callable[[object, str], Row]) -> None:
        self._kind, self._group, self._own, self._accept = kind, group, dict(own), accept
        self._rows: dict[str, Row] = {}
        self._reasons: dict[str, str] = {}
        self._lock = RLock()

    @cached_property
    def _found(self) -> dict[str, EntryPoint]:
        """Entry points by name; of a name that is taken, none."""
        found = sorted(entry_points(group=self._group), key=lambda entry: (entry.name, source_of(entry)))
        many = Counter(entry.name for entry in found)
        for entry in found:
            others = [source_of(other) for other in found if other.name == entry.name]
            if not _NAME.fullmatch(entry.name):
                words = f"{source_of(entry)}; accepted are letters, digits and _ . - in a name"
                self._reasons[entry.name] = f'the {self._kind} "{entry.name}" is brought by {words}'
            elif entry.name in self._own:
                words = f"{source_of(entry)} brings one of the same name, which is not used"
                self._reasons[entry.name] = f'the {self._kind} "{entry.name}" is that of GSP Studio; {words}'
            elif many[entry.name] > 1:
                words = f"brought by {' and '.join(others)}; accepted is one package for a name"
                self._reasons[entry.name] = f'the {self._kind} "{entry.name}" is {words}'
        return {entry.name: entry for entry in found if entry.name not in self._reasons}

    @property
    def names(self) -> list[str]:
        """Names of all rows, also of those that will turn out not to be usable; imports no plug-in."""
        return [*self._own, *self._found]

    @property
    def problems(self) -> dict[str, str]:
        """Sentences about the plug-ins that cannot be used, by the name of the row; imports all."""
        self._load_all()
        return dict(self._reasons)

    def reason(self, name: str) -> str:
        """Sentence that says why a row cannot be used; "" where it can, or where there is none of this name."""
        self._load(name)
        return "" if name in self else self._reasons.get(name, "")

    def _load_all(self) -> None:
        for name in self._found:
            self._load(name)

    def _load(self, name: str) -> None:
        if name in self._own or name not in self._found:
            return
        with self._lock:
            if name in self._rows or name in self._reasons:
                return
            entry = self._found[name]
            told = f'the {self._kind} "{name}" of {source_of(entry)} cannot be used'
            self._reasons[name] = f"{told}: it asks for itself while it is imported"  # replaced once that is over
            try:
                self._rows[name] = self._accept(entry.load(), source_of(entry))
            except (Exception, SystemExit) as error:
                self._reasons[name] = f"{told}: {_one_line(error)}"
            else:
                del self._reasons[name]

    def __getitem__(self, name: str) -> Row:
        if name in self._own:
            return self._own[name]
        self._load(name)
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        self._load_all()
        return iter([*self._own, *(name for name in self._found if name in self._rows)])

    def __len__(self) -> int:
        return len(list(iter(self)))


def _one_line(error: BaseException) -> str:
    words = " ".join(str(error).split())
    if isinstance(error, ValueError) and words:
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
