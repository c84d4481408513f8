"""Writes runs into folders in the background."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.texts import error_texts
from gsp_studio.io.atomic import ExportCancelled, FolderTaken
from gsp_studio.io.export.options import ExportOptions

if TYPE_CHECKING:
    from gsp_studio.core.truth import Truth
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.run_record import ExportedRun


class ExportRequest(NamedTuple):
    """An export into a folder; with `force` it replaces another run that lies there, `truth`: beside this reference."""

    directory: Path
    dataset: Dataset
    entry: RunEntry
    parts: ExportOptions
    force: bool = False
    cancelled: threading.Event | None = None
    truth: Truth | None = None


class ExportJob(QObject):
    """Carries out all exports that are asked for, one after another."""

    exported = Signal(object)  # list of Path
    failed = Signal(str, str)
    logged = Signal(str)
    folderTaken = Signal(object, str)  # ExportRequest, one sentence: the folder holds another run
    activityChanged = Signal(str)  # what is being written, "" for nothing

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job[ExportRequest, list[Path]] = Job(self._export, "gsp-export", self, in_order=True)
        self._job.progressed.connect(self._tell_activity)
        #: Files of the export under way that are written, and of all.
        self._files = (0, 0)
        self._job.answered.connect(self._finish)
        self._job.raised.connect(self._fail)
        #: Exports that have not ended, in their order.
        self._open: list[ExportRequest] = []

    def close(self, timeout: float) -> bool:
        """Finish the exports that were asked for and end the thread; True when it has ended."""
        return self._job.close(timeout)

    def submit(self, request: ExportRequest) -> None:
        """Write parts of a run, after all exports that were asked for before."""
        request = request._replace(cancelled=threading.Event())
        self._open.append(request)
        self._job.submit(request)
        self._tell_activity()

    @property
    def is_going(self) -> bool:
        """Whether there is an export that has not ended."""
        return bool(self._open)

    def cancel(self) -> bool:
        """Give up all exports that have not ended, of which nothing is left; whether there were any."""
        for request in self._open:
            if request.cancelled is not None:
                request.cancelled.set()
        return self.is_going

    def _export(self, request: ExportRequest) -> list[Path]:
        from gsp_studio.io.export.run_folder import export_run

        def progress(done: int, total: int) -> None:
            if request.cancelled is not None and request.cancelled.is_set():
                raise ExportCancelled("the export was cancelled")
            if self._files != (done, total):
                self._files = (done, total)
                self._job.report()

        run = _beside(request.entry.exported(), request.truth)
        return export_run(
            request.directory, request.dataset, run, request.parts, force=request.force, progress=progress
        )

    def _finish(self, request: ExportRequest, written: list[Path]) -> None:
        self._end(request)
        self.exported.emit(written)

    def _fail(self, request: ExportRequest, error: Exception) -> None:
        self._end(request)
        if isinstance(error, ExportCancelled):
            self.logged.emit(f"The export of {request.entry.name} was cancelled; nothing of it is left.")
        elif isinstance(error, FolderTaken):
            self.folderTaken.emit(request, str(error))
        else:
            self.failed.emit(*error_texts(error, is_loss=True))

    def _end(self, request: ExportRequest) -> None:
        self._open.pop(0)
        self._files = (0, 0)
        self._tell_activity()

    def _tell_activity(self) -> None:
        if not self._open:
            self.activityChanged.emit("")
            return
        first, left = self._open[0], len(self._open) - 1
        done, total = self._files
        more = f" ({done} of {total} files)" if total else ""
        more += f" ({left} more to follow)" if left else ""
        self.activityChanged.emit(f"exporting {first.entry.name} to {first.directory}{more}")


def _beside(run: ExportedRun, truth: Truth | None) -> ExportedRun:
    """A run with its agreement with a reference; as it is without one, or where its coefficients are on a cluster."""
    if truth is None or not isinstance(run.result.H, np.ndarray):
        return run
    from gsp_studio.core.truth import compare_with_truth
    from gsp_studio.io.truth_file import describe_agreement

    found = describe_agreement(compare_with_truth(run.result.W, run.result.H, truth))
    return replace(run, truth=found, reference=truth)
