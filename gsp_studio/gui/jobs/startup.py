"""The heavy imports, in a thread of their own, so that the window is there before them."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.state import Capabilities


class Startup(QObject):
    """Imports and warms what computes: numba, SciPy and the solvers."""

    ready = Signal(object)  # Capabilities: all is imported, kernels may still have to be compiled
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._known: Capabilities | None = None
        self._job: Job[None, None] = Job(self._prepare, "gsp-start", self)
        self._job.progressed.connect(lambda: self.ready.emit(self._known))
        self._job.failed.connect(self._fail)

    def start(self) -> None:
        """Begin; called after the first paint."""
        self._job.submit(None)

    def close(self, timeout: float) -> bool:
        """Wait for the imports, which cannot be broken off; True when the thread has ended."""
        return self._job.close(timeout)

    def _prepare(self, _: None) -> None:
        from gsp_studio.gui.jobs import compute

        self._known = compute.known()
        self._job.report()
        compute.warm_up()

    def _fail(self, sentence: str, details: str) -> None:
        self.failed.emit(f"GSP Studio cannot compute here: {sentence}", details)
