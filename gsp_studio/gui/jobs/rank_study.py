"""A study of ranks in the background: one at a time, its rows as they are ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.experiments.rank import RankRow, RankStudy
    from gsp_studio.gui.state import RunSettings
    from gsp_studio.io.dataset import Dataset

#: Iterations of each fit.
ITERATIONS = 100


class RankStudyJob(QObject):
    """Fits every rank of a range; `cancel` ends that after the fit that is under way."""

    progressed = Signal(int, int)  # fits done, of all
    rowReady = Signal(object)  # RankRow
    finished = Signal(object)  # RankStudy
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job[StudyRequest, RankStudy] = Job(self._fit, "gsp-rank", self)
        self._job.progressed.connect(self._tell_progress)
        self._job.answered.connect(lambda _, study: self._end(lambda: self.finished.emit(study)))
        self._job.failed.connect(lambda *error: self._end(lambda: self.failed.emit(*error)))
        self._study: StudyRequest | None = None
        self._told = 0

    @property
    def is_going(self) -> bool:
        """Whether a study is under way."""
        return self._study is not None

    def start(self, dataset: Dataset, ranks: range, choice: RunSettings, seeds: int) -> None:
        """Begin a study of these ranks with the method and the target of `choice`."""
        self.cancel()
        self._study, self._told = StudyRequest(dataset, ranks, choice, seeds), 0
        self._job.submit(self._study)

    def cancel(self) -> None:
        """Cancel the running study."""
        self._study = None
        self._job.discard()

    def close(self, timeout: float) -> bool:
        """End the thread; True when it has ended."""
        self.cancel()
        return self._job.close(timeout)

    def _tell_progress(self) -> None:
        study = self._study
        if study is None:
            return
        rows = study.rows[self._told :]
        self._told += len(rows)
        for row in rows:
            self.rowReady.emit(row)
        self.progressed.emit(study.done, study.total)

    def _end(self, tell: Callable[[], None]) -> None:
        self._tell_progress()
        self._study = None
        tell()

    def _fit(self, study: StudyRequest) -> RankStudy:
        """Run in the worker; each fit reports, and gives up where the study was cancelled."""
        from gsp_studio.backends import get_backend
        from gsp_studio.backends.blocks import Interrupted
        from gsp_studio.core.nmf import METHODS, Params
        from gsp_studio.experiments.rank import study_ranks
        from gsp_studio.gui.jobs.compute import solver_threads

        def step() -> None:
            study.done += 1
            self._job.report()
            if self._job.is_superseded:
                raise Interrupted

        choice = study.choice
        chosen = METHODS[choice.params.method]
        method = choice.params.method
        if chosen.uses_weights:  # it studies images, not pixels
            method = "gsphals" if chosen.has_price else "psnmf"
        params = Params(1, method, choice.params.sparsity, choice.params.seed, ITERATIONS, init=choice.params.init)
        backend = get_backend("auto", solver_threads())
        return study_ranks(study.dataset.X, study.ranks, params, backend, study.seeds, study.rows.append, step)


class StudyRequest:
    """A study, and what the worker adds for the window to read: fits that are done, and rows that are ready."""

    #: Blocks that are left out for each rank, as `bicross_validated_errors` does.
    BLOCKS = 8

    def __init__(self, dataset: Dataset, ranks: range, choice: RunSettings, seeds: int) -> None:
        self.dataset, self.ranks, self.choice, self.seeds = dataset, ranks, choice, seeds
        self.done, self.total = 0, len(ranks) * (self.BLOCKS + seeds)
        self.rows: list[RankRow] = []
