"""Matches the basis images of runs in the background."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal

from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.formatting import told
from gsp_studio.gui.state import Comparison, RunEntry


class Comparing(QObject):
    """The newest runs that were asked for win."""

    compared = Signal(object)  # Comparison
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._worker: LatestOnly[tuple[RunEntry, ...], Comparison] | None = None

    def start(self, work: Any) -> None:
        """The solvers are there."""
        self._worker = LatestOnly(lambda runs: work.compared(*runs), name="gsp-compare")

    def close(self, timeout: float) -> bool:
        """End the worker; True when it has ended."""
        return self._worker is None or self._worker.close(timeout)

    def compare(self, runs: tuple[RunEntry, ...]) -> None:
        """Match these with the first of them."""
        assert self._worker is not None
        self._worker.submit(runs)

    def drop(self) -> None:
        """Another data set: forget what was asked."""
        if self._worker is not None:
            self._worker.discard()

    def poll(self) -> None:
        """Tell what has come out."""
        answer = None if self._worker is None else self._worker.poll()
        if answer is None:
            return
        if answer.error is not None:
            self.failed.emit(*told(answer.error))
        else:
            self.compared.emit(answer.value)
