"""The part of a session that answers: exports, comparisons, errors, pairs of bases. Nothing here changes the state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsp_studio.gui.formatting import about_stability
from gsp_studio.gui.jobs.comparison import Comparing
from gsp_studio.gui.jobs.export import Exporting, ExportRequest
from gsp_studio.gui.jobs.inspection import Inspecting
from gsp_studio.gui.jobs.rank_study import Ranking
from gsp_studio.gui.jobs.stability_check import SEEDS, Checking
from gsp_studio.gui.jobs.weighted_pair import Weighing
from gsp_studio.gui.session.activity import Activity
from gsp_studio.gui.session.basis import PinnedBasis
from gsp_studio.gui.session.display import Display
from gsp_studio.gui.session.run_list import RunList
from gsp_studio.gui.session.settings import Settings
from gsp_studio.gui.session.signals import SessionSignals
from gsp_studio.gui.state import Parts, RunEntry

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from gsp_studio.experiments.stability import BasisStability
    from gsp_studio.io.dataset import Dataset


class Answering(SessionSignals):
    """Questions about the data, the runs and the basis on the screen; workers find the answers, signals bring them."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.display = Display(self)
        self.settings = Settings(self)
        self.dataset: Dataset | None = None
        self.basis = PinnedBasis(self)
        self.runs = RunList(self)
        self.activity = Activity(self)
        self._exporting = Exporting(self.activity.set, self)
        self._comparing, self._inspecting, self._weighing = Comparing(self), Inspecting(self), Weighing(self)
        self.ranking, self.checking = Ranking(self), Checking(self.activity.set, self)
        self._answering: tuple[Any, ...] = (
            self._exporting,
            self._comparing,
            self._inspecting,
            self._weighing,
            self.checking,
            self.ranking,
        )
        self._is_pairing = False
        self._exporting.exported.connect(self.exported)
        self._exporting.folderTaken.connect(self.folderTaken)
        self._comparing.compared.connect(self.comparisonReady)
        self._inspecting.errorsFound.connect(self.errorsFound)
        self._inspecting.fitFound.connect(self.fitFound)
        self._inspecting.pictureFound.connect(self.pictureFound)
        self._inspecting.usersFound.connect(self.usersFound)
        self._inspecting.residualFound.connect(self.residualFound)
        self._weighing.paired.connect(self.pairChanged)
        self._weighing.meanFound.connect(self.meanFound)
        self.display.shownChanged.connect(self._pair)
        self.checking.found.connect(self._keep_stability)
        self.runs.changed.connect(self._give_up_check)
        for part in self._answering[:-1]:  # what goes wrong with a study is told where it was asked for
            part.failed.connect(self.failed)

    def _start_answering(self, work: Any) -> None:
        for part in self._answering:
            part.start(work)

    def _poll_answers(self) -> None:
        for part in self._answering:
            part.poll()

    def _answer_about(self, dataset: Dataset) -> None:
        """Other data: answers about the former are not wanted any more."""
        self._comparing.drop()
        self._inspecting.drop()
        self.ranking.cancel()
        self.checking.cancel()
        self._weighing.open(dataset)

    @property
    def extras(self) -> dict[str, tuple[str, str]]:
        """What an export can have besides its parts: title and words of each."""
        has_pictures = self.dataset is not None and self.dataset.whole is not None
        return {name: words for name, words in self._exporting.extras.items() if name != "pictures" or has_pictures}

    def export(self, directory: str | Path, index: int, parts: Parts | None = None) -> None:
        """Write a run into a folder, in the background; by default all of its parts."""
        entry = self.runs.at(index)
        if self.dataset is None or entry is None:
            self.failed.emit("There is no run to export yet; press Run first.", "")
            return
        self._exporting.export(ExportRequest(Path(directory), self.dataset, entry, parts or Parts()))

    def replace_export(self, request: ExportRequest) -> None:
        """Carry out an export whose folder holds another run, which goes."""
        self._exporting.export(request._replace(force=True))

    def compare(self, places: tuple[int, ...]) -> None:
        """Match the basis images of runs of the list with those of the first; `comparisonReady` brings them."""
        runs = [entry for entry in map(self.runs.at, places) if entry is not None]
        if len(runs) == len(places):
            self._comparing.compare(tuple(runs))

    def find_errors(self) -> None:
        """Ask for the errors of all images with the basis on the screen; `errorsFound` brings them."""
        self._inspecting.errors(self.dataset, self.display.shown)

    def find_fit(self, image: int) -> None:
        """Ask for what the basis on the screen makes of one image; `fitFound` brings it."""
        self._inspecting.fit(self.dataset, self.display.shown, image)

    def find_picture(self, patch: int) -> None:
        """Ask for the image that a patch was cut from, put together again; `pictureFound` brings it."""
        self._inspecting.picture(self.dataset, self.display.shown, patch)

    def find_users(self, basis: int, is_map: bool) -> None:
        """Ask which images use a basis image on the screen most, or for all of its coefficients, for a map."""
        self._inspecting.users(self.display.shown, basis, is_map)

    def find_residual(self, entry: RunEntry) -> None:
        """Ask how far a run's result is from standing still; `residualFound` tells."""
        self._inspecting.residual(self.dataset, entry)

    def check_stability(self) -> None:
        """Ask what further seeds make of the run on the screen; `stabilityChanged` brings it, kept with the run."""
        entry = self.runs.current
        if self.dataset is None or entry is None:
            return
        if entry.stability is not None:
            self._tell_stability(entry)
        elif self.checking.entry is None:
            self.checking.check(self.dataset, entry)
            self.logged.emit(f"{entry.name}: fitting from {SEEDS} further seeds.")

    def _keep_stability(self, of: RunEntry, found: BasisStability) -> None:
        self._tell_stability(self.runs.keep_stability(of, found))

    def _tell_stability(self, entry: RunEntry) -> None:
        self.display.set_view(replace(self.display.view, spread=True))
        self.logged.emit(about_stability(entry))

    def _give_up_check(self, runs: tuple[RunEntry, ...], index: int) -> None:
        """Give up the check of a run that is not on the screen any more."""
        checked, entry = self.checking.entry, self.runs.current
        if checked is not None and (entry is None or entry.number != checked.number):
            self.checking.cancel()
            self.logged.emit(f"{checked.name}: its check was given up, as it is not on the screen any more.")

    def set_pairing(self, on: bool) -> None:
        """Whether somebody looks at the plain and the weighted basis side by side; `pairChanged` brings them then."""
        self._is_pairing = on
        self._pair()

    def _pair(self) -> None:
        if self._is_pairing and self.basis.pinned is not None and self.display.shown is not None:
            self._weighing.pair(
                self.basis.pinned, self.display.shown.order, self.settings.choice.sparsity, self.settings.weights
            )
