"""Writes runs into folders in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PySide6.QtCore import QObject, Signal

from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.formatting import told
from gsp_studio.gui.state import Parts, RunEntry
from gsp_studio.io.atomic import FolderTaken

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset


class ExportRequest(NamedTuple):
    """An export into a folder; with `force` it replaces another run that lies there."""

    directory: Path
    dataset: Dataset
    entry: RunEntry
    parts: Parts
    force: bool = False


class Exporting(QObject):
    """One export at a time; `tell` gets what is being done, in words."""

    exported = Signal(object)  # list of Path
    failed = Signal(str, str)
    folderTaken = Signal(object, str)  # ExportRequest, one sentence: the folder holds another run

    def __init__(self, tell: Callable[[str], None], parent: QObject) -> None:
        super().__init__(parent)
        self._tell = tell
        self.extras: dict[str, tuple[str, str]] = {}
        self._worker: LatestOnly[ExportRequest, list[Path]] | None = None

    def start(self, work: Any) -> None:
        """The solvers are there."""
        self.extras = {name: (extra.title, extra.what) for name, extra in work.EXTRAS.items()}
        self._worker = LatestOnly(
            lambda asked: work.export(asked.directory, asked.dataset, asked.entry.exported(), asked.parts, asked.force),
            name="gsp-export",
        )

    def close(self, timeout: float) -> bool:
        """End the worker; True when it has ended."""
        return self._worker is None or self._worker.close(timeout)

    def export(self, request: ExportRequest) -> None:
        """Write parts of a run."""
        assert self._worker is not None
        self._tell(f"exporting {request.entry.name} to {request.directory}")
        self._worker.submit(request)

    def poll(self) -> None:
        """Tell how an export has ended."""
        answer = None if self._worker is None else self._worker.poll()
        if answer is None:
            return
        self._tell("")
        if isinstance(answer.error, FolderTaken):
            self.folderTaken.emit(answer.request, str(answer.error))
        elif answer.error is not None:
            self.failed.emit(*told(answer.error))
        else:
            self.exported.emit(answer.value)
