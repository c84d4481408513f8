"""Opens data sets: in the background, after the solvers are there, and only those whose layout is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.formatting import told
from gsp_studio.gui.jobs.loading import Loading, Opened

if TYPE_CHECKING:
    from gsp_studio.io.dataset import LoadOptions


class DatasetLoader(QObject):
    """The newest source that was asked for wins."""

    opened = Signal(object)  # Dataset
    layoutNeeded = Signal(object)  # Peek: the layout is a guess, to be shown before it is accepted
    previewReady = Signal(object)  # Preview
    loadFailed = Signal(object, str, str)  # path, one sentence, details
    activityChanged = Signal(str)  # what is being done, "" for nothing
    logged = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._work: Any = None
        self._loading: Loading | None = None
        self._waiting: Callable[[], None] | None = None

    def start(self, work: Any) -> None:
        """The solvers are there; what was asked before is opened now."""
        self._work, self._loading = work, Loading(work)
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting()

    @property
    def is_loading(self) -> bool:
        """Whether a data set is on its way."""
        return self._loading is not None and self._loading.opening is not None

    def open(self, path: Path, options: LoadOptions | None) -> None:
        """Open a source; a layout that has to be guessed is shown first."""
        if self._loading is None:
            self._waiting = lambda: self.open(path, options)
            self.activityChanged.emit(f"getting the solvers ready, then opening {path.name}")
        else:
            self._loading.open(path, options)
            self.activityChanged.emit(f"opening {path.name}")

    def preview(self, path: Path, options: LoadOptions | None) -> None:
        """Ask for what a source would look like with these options; None: as the reader proposes."""
        if self._loading is not None:
            self._loading.preview(path, options)

    def cancel(self) -> None:
        """Give up what is being opened."""
        if self._loading is not None:
            self._loading.cancel()

    def poll(self) -> None:
        """Tell what has come."""
        if self._loading is None:
            return
        preview = self._loading.poll_preview()
        if preview is not None:
            self.previewReady.emit(preview)
        opened = self._loading.poll()
        if opened is not None:
            self._end(opened)
        elif self._loading.opening is not None:
            self.activityChanged.emit(self._loading.opening.activity)

    def _end(self, opened: Opened) -> None:
        self.activityChanged.emit("")
        if opened.was_cancelled:
            self.logged.emit(f"{opened.opening.path.name}: opening cancelled.")
        elif opened.error is not None:
            self.loadFailed.emit(opened.opening.path, *told(opened.error))
        elif isinstance(opened.value, self._work.Peek):
            self.layoutNeeded.emit(opened.value)
        else:
            self.opened.emit(opened.value)

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        return self._loading is None or self._loading.close(timeout)
