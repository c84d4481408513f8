"""The runs that have ended, which of them is on the screen, and what is written beside each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.texts import remark_words
from gsp_studio.nouns import IMAGES

if TYPE_CHECKING:
    from gsp_studio.engine.run import Record
    from gsp_studio.experiments.stability import BasisStability
    from gsp_studio.gui.state import RunEntry
    from gsp_studio.io.annotations import Annotations


class RunList(QObject):
    """The runs of a session, in the order in which they have ended."""

    changed = Signal(object, int)  # tuple of RunEntry, index of the one on the screen or -1
    noted = Signal(object)  # RunEntry with other remarks
    edited = Signal(str)  # the user has finished a change that can be undone, called so
    stabilityFound = Signal(object)  # RunEntry of which it is known now
    stabilityChanged = Signal(object)  # RunEntry on the screen if its stability is known, else None

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        #: Those that were deleted included, so that they can come back.
        self._all: tuple[RunEntry, ...] = ()
        #: Numbers of the runs that were deleted.
        self.deleted: frozenset[int] = frozenset()
        self.entries: tuple[RunEntry, ...] = ()
        #: Of the run on the screen, -1 where none is.
        self.index = -1
        #: Of the data.
        self.nouns = IMAGES

    @property
    def current(self) -> RunEntry | None:
        """The run on the screen."""
        return self.at(self.index)

    @property
    def next_number(self) -> int:
        """Of the run that is going, or the next one."""
        return self._all[-1].number + 1 if self._all else 1

    def at(self, index: int) -> RunEntry | None:
        """A run of the list; None where there is none."""
        return self.entries[index] if 0 <= index < len(self.entries) else None

    def records_of(self, number: int) -> tuple[Record, ...]:
        """The iterations of a run by its number; none of a run that is not there."""
        return next((entry.records for entry in self._all if entry.number == number), ())

    # The list

    def _list(self, entries: tuple[RunEntry, ...], deleted: frozenset[int]) -> None:
        self._all, self.deleted = entries, deleted
        self.entries = tuple(entry for entry in entries if entry.number not in deleted)

    def clear(self) -> None:
        """Forget all runs; `show` tells it."""
        self._list((), frozenset())

    def append(self, entry: RunEntry) -> int:
        """Take a run in, and give its index; `show` tells it."""
        self._list((*self._all, entry), self.deleted)
        return len(self.entries) - 1

    def take(self, entries: tuple[RunEntry, ...]) -> None:
        """List these runs in place of the others; none of them is on the screen."""
        self._list(entries, frozenset())
        self.show(-1)

    def set_deleted(self, numbers: frozenset[int]) -> None:
        """Take exactly the runs of these numbers out of the list."""
        if numbers != self.deleted:
            current = self.current
            self._list(self._all, numbers)
            self.show(-1 if current is None else self.index_of(current.number))

    def show(self, index: int) -> None:
        """Mark this run as the one on the screen; -1: none is."""
        self.index = index
        self.changed.emit(self.entries, index)
        entry = self.current
        self.stabilityChanged.emit(entry if entry is not None and entry.stability is not None else None)

    # Beside a run

    def remark(self, index: int, remarks: Annotations) -> None:
        """Write something beside a run."""
        entry = self.at(index)
        if entry is not None and remarks != entry.remarks:
            changed = self._replace(replace(entry, remarks=remarks))
            self.noted.emit(changed)
            self.edited.emit(remark_words(entry, changed, self.nouns))

    def remark_run(self, number: int, remarks: Annotations) -> None:
        """The same by the number of the run, which may be gone."""
        self.remark(self.index_of(number), remarks)

    def index_of(self, number: int) -> int:
        """Index of the run of this number, -1 for none."""
        return next((index for index, entry in enumerate(self.entries) if entry.number == number), -1)

    def can_judge(self, bases: tuple[int, ...]) -> bool:
        """Whether there is a run on the screen, and a basis image of it that is meant."""
        return self.current is not None and bool(bases)

    def judge(self, bases: tuple[int, ...], accept: bool) -> None:
        """Accept basis images of the run on the screen, or reject them; once more takes it back."""
        if self.current is not None and bases:
            self.remark(self.index, self.current.remarks.judge(bases, accept))

    def keep_stability(self, of: RunEntry, found: BasisStability) -> RunEntry:
        """Write to a run what further seeds make of it; it may have remarks that it had not when this was asked."""
        known = next(entry for entry in self._all if entry.number == of.number)
        entry = self._replace(replace(known, stability=found))
        self.stabilityFound.emit(entry)
        if self.current is entry:
            self.stabilityChanged.emit(entry)
        return entry

    def _replace(self, entry: RunEntry) -> RunEntry:
        self._list(tuple(entry if known.number == entry.number else known for known in self._all), self.deleted)
        return entry
