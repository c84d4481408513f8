"""Stability of a run's basis images: fits from further seeds in the background, one run at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.core.nmf import Iterate
    from gsp_studio.experiments.stability import BasisStability
    from gsp_studio.gui.state import RunEntry
    from gsp_studio.io.dataset import Dataset

#: Fits beside the run: enough to tell a basis image that always comes from one that does not.
SEEDS = 5


class StabilityCheck(QObject):
    """Fits a run's data from further seeds; `cancel` ends that after the iteration that is under way."""

    found = Signal(object, object)  # RunEntry that it is about, BasisStability
    failed = Signal(str, str)
    activityChanged = Signal(str)  # how far it is, "" for nothing

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job[CheckRequest, BasisStability] = Job(self._fit, "gsp-stability", self)
        self._job.progressed.connect(self._tell_progress)
        self._job.answered.connect(self._finish)
        self._job.failed.connect(self._fail)
        self._check: CheckRequest | None = None

    @property
    def entry(self) -> RunEntry | None:
        """The run that is being checked, if one is."""
        return None if self._check is None else self._check.entry

    def check(self, dataset: Dataset, entry: RunEntry) -> None:
        """Begin with this run."""
        self.cancel()
        self._check = CheckRequest(dataset, entry)
        self._job.submit(self._check)
        self._tell_progress()

    def cancel(self) -> bool:
        """Cancel the running check; whether there was one."""
        if self._check is None:
            return False
        self._job.discard()
        self._end()
        return True

    def close(self, timeout: float) -> bool:
        """End the thread; True when it has ended."""
        self.cancel()
        return self._job.close(timeout)

    def _tell_progress(self) -> None:
        if self._check is not None:
            self.activityChanged.emit(self._check.words)

    def _end(self) -> None:
        self._check = None
        self.activityChanged.emit("")

    def _finish(self, check: CheckRequest, found: BasisStability) -> None:
        self._end()
        self.found.emit(check.entry, found)

    def _fail(self, sentence: str, details: str) -> None:
        self._end()
        self.failed.emit(sentence, details)

    def _fit(self, check: CheckRequest) -> BasisStability:
        """Run in the worker; the further fits have the parameters that the run ended with, from the first iteration."""
        from gsp_studio.backends import get_backend
        from gsp_studio.backends.blocks import Interrupted
        from gsp_studio.backends.data_access import watched
        from gsp_studio.experiments.stability import basis_stability
        from gsp_studio.gui.jobs.compute import solver_threads

        def step(fits: int, it: Iterate) -> None:
            check.done = (fits, it.n_iter)
            self._job.report()
            if self._job.is_superseded:
                raise Interrupted

        result, X = check.entry.outcome.result, check.dataset.X
        assert result is not None
        data = watched(X, lambda: self._job.is_superseded)
        backend = get_backend("auto", solver_threads())
        return basis_stability(data, result.W, result.params, backend, SEEDS, check.entry.spec.mask, step)


class CheckRequest:
    """A run that is checked, and how far the worker is."""

    def __init__(self, dataset: Dataset, entry: RunEntry) -> None:
        self.dataset, self.entry = dataset, entry
        #: Fits that are done, and iterations of the next; one tuple, as the worker swaps it.
        self.done = (0, 0)

    @property
    def words(self) -> str:
        """Say how far the check is."""
        fits, iterations = self.done
        return f"checking {self.entry.name}: seed {fits + 1} of {SEEDS}, iteration {iterations}"
