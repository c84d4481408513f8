"""Writes runs into folders in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.state import Parts, RunEntry
from gsp_studio.gui.words import told

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset


class Exporting(QObject):
    """One export at a time; `tell` gets what is being done, in words."""

    exported = Signal(object)  # list of Path
    failed = Signal(str, str)

    def __init__(self, tell: Callable[[str], None], parent: QObject) -> None:
        super().__init__(parent)
        self._tell = tell
        self.extras: dict[str, tuple[str, str]] = {}
        self._worker: LatestOnly[tuple[Any, ...], list[Path]] | None = None

    def start(self, work: Any) -> None:
        """The solvers are there."""
        self.extras = {name: (extra.title, extra.what) for name, extra in work.EXTRAS.items()}
        self._worker = LatestOnly(lambda request: work.export(*request), name="gsp-export")

    def close(self, timeout: float) -> bool:
        """End the worker; True when it has ended."""
        return self._worker is None or self._worker.close(timeout)

    def export(self, directory: Path, dataset: Dataset, entry: RunEntry, parts: Parts) -> None:
        """Write these parts of a run."""
        assert self._worker is not None
        self._tell(f"exporting {entry.name} to {directory}")
        self._worker.submit((directory, dataset, entry.exported(), parts))

    def poll(self) -> None:
        """Tell how an export has ended."""
        answer = None if self._worker is None else self._worker.poll()
        if answer is None:
            return
        self._tell("")
        if answer.error is not None:
            self.failed.emit(*told(answer.error))
        else:
            self.exported.emit(answer.value)
