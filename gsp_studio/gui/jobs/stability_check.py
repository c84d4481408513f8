"""How stable a run's basis images are: fits from further seeds in the background, one run at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.formatting import told

if TYPE_CHECKING:
    from gsp_studio.gui.state import RunEntry
    from gsp_studio.io.dataset import Dataset

#: Fits beside the run: enough to tell a basis image that always comes from one that does not.
SEEDS = 5


class Checking(QObject):
    """Asks `work` for the stability of a run; `cancel` ends it after the iteration that is under way."""

    found = Signal(object, object)  # RunEntry that it is about, BasisStability
    failed = Signal(str, str)

    def __init__(self, tell: Callable[[str], None], parent: QObject) -> None:
        super().__init__(parent)
        self._tell = tell
        self._worker: LatestOnly[tuple[Any, ...], Any] | None = None
        self._check: Check | None = None

    def start(self, work: Any) -> None:
        """The solvers are there."""
        self._worker = LatestOnly(lambda request: work.stability(*request), name="gsp-stability")

    @property
    def entry(self) -> RunEntry | None:
        """The run that is being checked, if one is."""
        return None if self._check is None else self._check.entry

    def check(self, dataset: Dataset, entry: RunEntry) -> None:
        """Begin with this run."""
        assert self._worker is not None
        self.cancel()
        self._check = Check(entry)
        self._worker.submit((dataset.X, self._check))
        self._tell(self._check.words)

    def cancel(self) -> bool:
        """Nobody wants the answer any more; whether there was one on its way."""
        if self._check is None:
            return False
        self._check.unwanted.set()
        self._check = None
        self._tell("")
        return True

    def poll(self) -> None:
        """Tell what is new."""
        check, answer = self._check, None if self._worker is None else self._worker.poll()
        if check is None:
            return
        if answer is None or answer.request[-1] is not check:
            self._tell(check.words)
            return
        self._check = None
        self._tell("")
        if answer.error is not None:
            self.failed.emit(*told(answer.error))
        else:
            self.found.emit(check.entry, answer.value)

    def close(self, timeout: float) -> bool:
        """End the worker; True when it has ended."""
        self.cancel()
        return self._worker is None or self._worker.close(timeout)


class Check:
    """What the worker and the window share: the run, how far the fits are, and whether anybody still wants them."""

    def __init__(self, entry: RunEntry) -> None:
        self.entry = entry
        self.unwanted = threading.Event()
        #: Fits that are done, and iterations of the next; one tuple, as the worker swaps it.
        self.done = (0, 0)

    @property
    def words(self) -> str:
        """How far it is."""
        fits, iterations = self.done
        return f"checking {self.entry.name}: seed {fits + 1} of {SEEDS}, iteration {iterations}"
