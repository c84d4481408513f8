"""Opens data sets: in the background, after the solvers are there, and only those whose layout is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.dataset import OpenJob, OpenRequest, Preview, PreviewJob, PreviewRequest
from gsp_studio.gui.texts import error_texts

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset, LoadOptions
    from gsp_studio.io.readers import Peek


class DatasetLoader(QObject):
    """Opens the newest source that was asked for."""

    opened = Signal(object)  # Dataset
    layoutNeeded = Signal(object)  # Peek: the layout is a guess, to be shown before it is accepted
    previewReady = Signal(object)  # Preview
    loadFailed = Signal(object, str, str)  # path, one sentence, details
    activityChanged = Signal(str)  # what is being done, "" for nothing
    logged = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._is_ready = False
        #: The source under way, or waiting for the solvers.
        self._asked: OpenRequest | None = None
        self._job, self._preview = OpenJob(self), PreviewJob(self)
        self._job.progressed.connect(self._tell_activity)
        self._job.answered.connect(self._end)
        self._job.raised.connect(self._fail)
        self._preview.answered.connect(lambda _, preview: self.previewReady.emit(preview))
        self._preview.raised.connect(lambda _, error: self.previewReady.emit(Preview(None, None, str(error))))

    def start(self) -> None:
        """The solvers are there; what was asked before is opened now."""
        self._is_ready = True
        if self._asked is not None:
            self.open(self._asked.path, self._asked.options)

    @property
    def is_loading(self) -> bool:
        """Whether a data set is on its way."""
        return self._is_ready and self._asked is not None

    def open(self, path: Path, options: LoadOptions | None) -> None:
        """Open a source; a layout that has to be guessed is shown first. One that is being opened is given up."""
        self.cancel()
        self._job.discard()
        self._asked = OpenRequest(path, options)
        if self._is_ready:
            self._job.submit(self._asked)
            self._tell_activity()
        else:
            self.activityChanged.emit(f"getting the solvers ready, then opening {path.name}")

    def preview(self, path: Path, options: LoadOptions | None) -> None:
        """Ask for what a source would look like with these options; None: as the reader proposes."""
        self._preview.discard()
        self._preview.submit(PreviewRequest(path, options))

    def cancel(self) -> None:
        """Give up what is being opened, at its next image."""
        if self._asked is not None:
            self._asked.cancelled.set()

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        self.cancel()
        ended = [job.close(timeout) for job in (self._job, self._preview)]
        return all(ended)

    def _tell_activity(self) -> None:
        if self._asked is not None:
            self.activityChanged.emit(self._asked.activity)

    def _end(self, asked: OpenRequest, found: Dataset | Peek) -> None:
        from gsp_studio.io.readers import Peek

        if not self._is_cancelled(asked):
            (self.layoutNeeded if isinstance(found, Peek) else self.opened).emit(found)

    def _fail(self, asked: OpenRequest, error: Exception) -> None:
        if not self._is_cancelled(asked):
            self.loadFailed.emit(asked.path, *error_texts(error))

    def _is_cancelled(self, asked: OpenRequest) -> bool:
        """Whether the user gave it up, which is logged; nothing is under way from now on."""
        self._asked = None
        self.activityChanged.emit("")
        if asked.cancelled.is_set():
            self.logged.emit(f"{asked.path.name}: opening cancelled.")
        return asked.cancelled.is_set()
