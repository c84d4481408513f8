"""Course of the run of the curves: its iterations, changes made in it, and the run that it branched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from gsp_studio.core.nmf import Params
    from gsp_studio.engine.run import Intervention, Record
    from gsp_studio.gui.state import RunEvent


class Course(QObject):
    """Of the run on the screen, or of the one that is going."""

    recordsReset = Signal(object)  # tuple of Record: curves of another run
    recordsAdded = Signal(object)  # tuple of Record
    originChanged = Signal(object)  # tuple of Record: the run that this one is a branch of
    marksChanged = Signal(object)  # tuple of RunEvent: what was changed in the run
    logged = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.records: list[Record] = []
        self.marks: tuple[RunEvent, ...] = ()
        #: Of the run whose curves these are, 0 for none.
        self.number = 0
        self._logged = 0

    def show(
        self, number: int, records: Sequence[Record], marks: tuple[RunEvent, ...], origin: tuple[Record, ...]
    ) -> None:
        """Show the run of this number, which has ended, and the one that it branched off."""
        self.number, self.records, self._logged = number, list(records), len(marks)
        self.originChanged.emit(origin)
        self.recordsReset.emit(tuple(records))
        self._set_marks(marks)

    def begin(self, number: int, origin: tuple[Record, ...]) -> None:
        """Follow the run of this number from its first iteration on."""
        self.show(number, (), (), origin)

    def add(self, records: tuple[Record, ...]) -> None:
        """The run has come further."""
        self.records += records
        self.recordsAdded.emit(records)
        self.log_marks(is_over=False)

    def mark(self, start: Params, steps: tuple[Intervention, ...]) -> None:
        """Mark all that was done so far to the run, which began with `start`."""
        from gsp_studio.gui.jobs.run_events import marks_of

        self._set_marks(marks_of(start, steps, self.records))

    def _set_marks(self, marks: tuple[RunEvent, ...]) -> None:
        if marks != self.marks:
            self.marks = marks
            self.marksChanged.emit(marks)

    def log_marks(self, is_over: bool) -> None:
        """Say what was done; the last one may still go on while the slider moves."""
        from gsp_studio.gui.jobs.run_events import is_past

        for mark in self.marks[self._logged :]:
            is_last = mark is self.marks[-1]
            if is_last and mark.is_target and not is_over and not is_past(mark, self.records):
                return
            self.logged.emit(f"Run {self.number}, {mark.line}.")
            self._logged += 1
