"""A study of ranks in the background: one at a time, its rows as they are ready."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.formatting import told

if TYPE_CHECKING:
    from gsp_studio.gui.state import Choice
    from gsp_studio.io.dataset import Dataset

_POLL_MS = 50


class Ranking(QObject):
    """Asks `work` for a study; `cancel` ends it after the fit that is under way."""

    progressed = Signal(int, int)  # fits done, of all
    rowReady = Signal(object)  # RankRow
    finished = Signal(object)  # RankStudy
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._worker: LatestOnly[tuple[Any, ...], Any] | None = None
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self.poll)
        self._study: _Study | None = None
        self._told = 0

    def start(self, work: Any) -> None:
        """The solvers are there."""
        self._worker = LatestOnly(lambda request: work.ranked(*request), name="gsp-rank")

    @property
    def is_going(self) -> bool:
        """Whether a study is under way."""
        return self._study is not None

    def study(self, dataset: Dataset, ranks: range, choice: Choice, seeds: int) -> None:
        """Begin a study of these ranks with the method and the target of `choice`."""
        assert self._worker is not None
        self.cancel()
        self._study, self._told = _Study(ranks, seeds), 0
        self._worker.submit((dataset.X, ranks, choice, seeds, self._study))
        self._timer.start()

    def cancel(self) -> None:
        """Nobody wants the study any more."""
        if self._study is not None:
            self._study.unwanted.set()
            self._study = None
            self._timer.stop()

    def poll(self) -> None:
        """Tell what is new."""
        study = self._study
        if study is None or self._worker is None:
            return
        answer = self._worker.poll()
        for row in study.rows[self._told :]:
            self._told += 1
            self.rowReady.emit(row)
        self.progressed.emit(study.done, study.total)
        if answer is None or answer.request[-1] is not study:
            return
        self._study = None
        self._timer.stop()
        if answer.error is not None:
            self.failed.emit(*told(answer.error))
        else:
            self.finished.emit(answer.value)

    def close(self, timeout: float) -> bool:
        """End the worker; True when it has ended."""
        self.cancel()
        return self._worker is None or self._worker.close(timeout)


class _Study:
    """What the worker and the window share: counters, rows that are ready, and whether anybody still wants it."""

    #: Blocks that are left out for each rank, as `bicross_validated_errors` does.
    BLOCKS = 8

    def __init__(self, ranks: range, seeds: int) -> None:
        self.unwanted = threading.Event()
        self.done, self.total = 0, len(ranks) * (self.BLOCKS + seeds)
        self.rows: list[Any] = []
