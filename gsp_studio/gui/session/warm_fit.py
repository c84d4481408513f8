"""The slider's first basis: a short unconstrained fit of the chosen rank, before any run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.jobs.short_fit import ShortFit
from gsp_studio.gui.texts import plural

if TYPE_CHECKING:
    from gsp_studio.engine.run import Outcome
    from gsp_studio.gui.state import RunSettings
    from gsp_studio.io.dataset import Dataset

#: Milliseconds of rest before a changed rank or seed is fitted anew.
DELAY_MS = 350


class WarmFit(QObject):
    """One fit at a time."""

    due = Signal()  # a changed choice has rested
    fitted = Signal(object)  # Result
    activityChanged = Signal(str)  # what is being done, "" for nothing
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._fit = ShortFit(self)
        self._fit.ended.connect(self._end)
        self._fit.failed.connect(self._fail)
        self._rest = QTimer(self, interval=DELAY_MS, singleShot=True)
        self._rest.timeout.connect(self.due)

    @property
    def is_running(self) -> bool:
        """Whether a fit is under way."""
        return self._fit.is_running

    @property
    def is_coming(self) -> bool:
        """Whether another basis is under way or about to be."""
        return self._fit.is_running or self._rest.isActive()

    def fit_soon(self) -> None:
        """Say `due` after a rest."""
        self._rest.start()

    def fit(self, dataset: Dataset, choice: RunSettings) -> None:
        """Begin; what cannot be fitted is not."""
        from gsp_studio.gui.jobs.compute import new_warm_fit

        self.retire()
        try:
            self._fit.start(new_warm_fit(dataset.X, choice))
        except ValueError:
            return  # the model panel shows what is wrong, and Run says it: no dialog while a number is typed
        self.activityChanged.emit(
            f"fitting {plural(choice.params.rank, dataset.nouns.basis, dataset.nouns.bases)} for the slider"
        )

    def retire(self) -> None:
        """Drop the fit under way, and one that would come."""
        self._rest.stop()
        if self._fit.cancel():
            self.activityChanged.emit("")

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        self._rest.stop()
        return self._fit.close(timeout)

    def _end(self, outcome: Outcome) -> None:
        self.activityChanged.emit("")
        if outcome.result is None:
            self.failed.emit(outcome.error_text, outcome.details)
        else:
            self.fitted.emit(outcome.result)

    def _fail(self, sentence: str, details: str) -> None:
        self.activityChanged.emit("")
        self.failed.emit(sentence, details)
