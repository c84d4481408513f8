"""Seeds of the next run: found in the background, kept in order, each with how long it is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.core.seeds import Seed
    from gsp_studio.io.dataset import Dataset

    #: Finds seeds in a data set; called in the worker, where it imports what is heavy.
    Find = Callable[[Dataset], Sequence[Seed]]


class SeedList(QObject):
    """The seeds, in the order of the columns of W0 that they become."""

    changed = Signal(object)  # tuple of Seed
    edited = Signal(str)  # the user has finished a change that can be undone, called so
    activityChanged = Signal(str)
    failed = Signal(str, str)
    logged = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.seeds: tuple[Seed, ...] = ()
        self._dataset: Dataset | None = None
        self._job: Job[tuple[Dataset, Find], Sequence[Seed]] = Job(lambda asked: asked[1](asked[0]), "gsp-seeds", self)
        self._job.answered.connect(lambda asked, found: self._found(asked[0], found))
        self._job.failed.connect(self._tell_failure)

    def set_dataset(self, dataset: Dataset) -> None:
        """Begin without seeds, for other data."""
        self._job.discard()
        self._dataset = dataset
        self.show(())

    def close(self, timeout: float) -> bool:
        """End the thread; True when it has ended."""
        return self._job.close(timeout)

    def find(self, find: Find, activity: str) -> None:
        """Add the seeds that `find` gives, when they are there."""
        if self._dataset is not None:
            self.activityChanged.emit(activity)
            self._job.submit((self._dataset, find))

    def add(self, seeds: Sequence[Seed]) -> None:
        """Add seeds behind the others."""
        self._set((*self.seeds, *seeds), "seeds added")
        self.logged.emit(f"Seeds added: {', '.join(seed.name for seed in seeds)}.")

    def remove(self, places: Sequence[int]) -> None:
        """Remove the seeds at these places."""
        self._set(tuple(seed for k, seed in enumerate(self.seeds) if k not in places), "seeds removed")

    def hold(self, places: Sequence[int], how: str) -> None:
        """Set how long the seeds at these places are held, a key of `core.seeds.HOLDS`."""
        kept = (replace(seed, hold=how) if k in places else seed for k, seed in enumerate(self.seeds))
        self._set(tuple(kept), "hold of seeds")

    def show(self, seeds: tuple[Seed, ...]) -> None:
        """Show former seeds, or those of a file."""
        if seeds is not self.seeds:
            self.seeds = seeds
            self.changed.emit(seeds)

    def _set(self, seeds: tuple[Seed, ...], text: str) -> None:
        self.show(seeds)
        self.edited.emit(text)

    def _found(self, dataset: Dataset, seeds: Sequence[Seed]) -> None:
        self.activityChanged.emit("")
        if dataset is self._dataset and seeds:
            self.add(seeds)

    def _tell_failure(self, sentence: str, details: str) -> None:
        self.activityChanged.emit("")
        self.failed.emit(sentence, details)
