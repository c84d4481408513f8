"""Questions about the data, the runs and the basis on the screen; workers find the answers, signals bring them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.comparison import ComparisonJob
from gsp_studio.gui.jobs.inspection import BasisInspection
from gsp_studio.gui.jobs.rank_study import RankStudyJob
from gsp_studio.gui.jobs.stability_check import SEEDS, StabilityCheck
from gsp_studio.gui.jobs.weighted_pair import WeightedPair

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.gui.compared_basis import ComparedBasis
    from gsp_studio.gui.state import DisplayedBasis, RunEntry, UnprojectedBasis
    from gsp_studio.io.dataset import Dataset


class Analyses(QObject):
    """Asks about one data set, and one basis at a time."""

    comparisonReady = Signal(object)  # Comparison
    errorsFound = Signal(object, object)  # DisplayedBasis, Residuals of all images with it or None
    residualFound = Signal(object, float)  # RunEntry, the KKT residual of its result
    fitFound = Signal(object, int, object)  # DisplayedBasis, image, ImageFit
    pictureFound = Signal(object, int, object)  # DisplayedBasis, image that patches were cut from, io.patches.Picture
    usersFound = Signal(object, int, object)  # DisplayedBasis, basis image, Users
    meanFound = Signal(object)  # ndarray (m,), the mean of all images
    pairRequested = Signal()  # `pair` is to be asked
    pairChanged = Signal(object, object)  # DisplayedBasis without weights, DisplayedBasis with them or None
    stabilityFound = Signal(object, object)  # RunEntry that was asked about, BasisStability
    activityChanged = Signal(str)  # what is being done, "" for nothing
    failed = Signal(str, str)
    logged = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._dataset: Dataset | None = None
        self._shown: DisplayedBasis | None = None
        self._is_pairing = False
        #: KKT residuals that are known, by the number of the run.
        self._residuals: dict[int, float] = {}
        self._comparison, self._inspection = ComparisonJob(self), BasisInspection(self)
        self._pair, self.rank_study, self.stability_check = WeightedPair(self), RankStudyJob(self), StabilityCheck(self)
        self._comparison.answered.connect(lambda _, found: self.comparisonReady.emit(found))
        self.stability_check.activityChanged.connect(self.activityChanged)
        self._inspection.errorsFound.connect(self.errorsFound)
        self._inspection.fitFound.connect(self.fitFound)
        self._inspection.pictureFound.connect(self.pictureFound)
        self._inspection.usersFound.connect(self.usersFound)
        self._inspection.residualFound.connect(self._keep_residual)
        self._pair.paired.connect(self.pairChanged)
        self._pair.meanFound.connect(self.meanFound)
        self.stability_check.found.connect(self.stabilityFound)
        #: Failures of a study of ranks are told where it was asked for.
        for job in (self._comparison, self._inspection, self._pair, self.stability_check):
            job.failed.connect(self.failed)
        self._jobs = (self._comparison, self._inspection, self._pair, self.stability_check, self.rank_study)

    def close(self, timeout: float) -> bool:
        """Stop and wait; True when no thread is left."""
        ended = [job.close(timeout) for job in self._jobs]
        return all(ended)

    def set_dataset(self, dataset: Dataset) -> None:
        """Ask about other data: answers about the former are dropped."""
        self._dataset, self._residuals = dataset, {}
        self._comparison.discard()
        self._inspection.discard()
        self.rank_study.cancel()
        self.stability_check.cancel()
        self._pair.open(dataset)

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Ask about this basis."""
        self._shown = shown

    def compare(self, bases: tuple[ComparedBasis, ...]) -> None:
        """Match the images of bases with those of the first; `comparisonReady` brings them."""
        if bases:
            self._comparison.submit(bases)

    # The basis on the screen

    def find_errors(self) -> None:
        """Ask for the errors of all images with the basis on the screen; `errorsFound` brings them."""
        self._inspection.errors(self._dataset, self._shown)

    def find_fit(self, image: int) -> None:
        """Ask for what the basis on the screen makes of one image; `fitFound` brings it."""
        self._inspection.fit(self._dataset, self._shown, image)

    def find_picture(self, patch: int) -> None:
        """Ask for the image that a patch was cut from, put together again; `pictureFound` brings it."""
        self._inspection.picture(self._dataset, self._shown, patch)

    def find_users(self, basis: int, is_map: bool) -> None:
        """Ask which images use a basis image on the screen most, or for all of its coefficients, for a map."""
        self._inspection.users(self._shown, basis, is_map)

    def set_pairing(self, on: bool) -> None:
        """Turn on or off that the plain and the weighted basis are compared; `pairChanged` brings them then."""
        self._is_pairing = on
        if on:
            self.pairRequested.emit()

    def pair(self, pinned: UnprojectedBasis, order: Array, s: float, weights: Array | None) -> None:
        """Project a basis to s without weights and with these, where both are looked at."""
        if self._is_pairing:
            self._pair.pair(pinned, order, s, weights)

    # A run

    def find_residual(self, entry: RunEntry | None) -> None:
        """Ask how far a run's result is from standing still, while that is on the screen; `residualFound` tells."""
        if entry is None or self._shown is None or entry.shown.W is not self._shown.W:
            return
        if entry.number in self._residuals:
            self.residualFound.emit(entry, self._residuals[entry.number])
        else:
            self._inspection.residual(self._dataset, entry)

    def _keep_residual(self, entry: RunEntry, residual: float) -> None:
        self._residuals[entry.number] = residual
        self.residualFound.emit(entry, residual)

    def check_stability(self, entry: RunEntry) -> None:
        """Ask what further seeds make of a run; `stabilityFound` brings it. One at a time."""
        if self._dataset is not None and self.stability_check.entry is None:
            self.stability_check.check(self._dataset, entry)
            self.logged.emit(f"{entry.name}: fitting from {SEEDS} further seeds.")

    def keep_check_of(self, entry: RunEntry | None) -> None:
        """Give up the check of any other run: it is not on the screen any more."""
        checked = self.stability_check.entry
        if checked is not None and (entry is None or entry.number != checked.number):
            self.stability_check.cancel()
            self.logged.emit(f"{checked.name}: its check was given up, as it is not on the screen any more.")
