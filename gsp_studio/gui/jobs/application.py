"""The basis of a run applied to other images in the background, and written into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.texts import percent, plural

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset


class ApplyRequest(NamedTuple):
    """The images at `path`, the folder for what comes of them, a run and its data."""

    path: Path
    directory: Path
    dataset: Dataset
    entry: RunEntry


class ApplyJob(QObject):
    """Applies bases one after another; an application that was begun is finished, and replaces nothing."""

    failed = Signal(str, str)
    logged = Signal(str)
    activityChanged = Signal(str)  # what is being done, "" for nothing

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job[ApplyRequest, str] = Job(_apply, "gsp-apply", self, in_order=True)
        self._job.answered.connect(lambda _, words: self.logged.emit(words))
        self._job.failed.connect(self.failed)
        for ended in (self._job.answered, self._job.raised):
            ended.connect(lambda *_: self.activityChanged.emit(""))

    @property
    def is_busy(self) -> bool:
        """Whether an application has not ended."""
        return self._job.is_busy

    def close(self, timeout: float) -> bool:
        """Finish and end the thread; True when it has ended."""
        return self._job.close(timeout)

    def submit(self, request: ApplyRequest) -> None:
        """Apply a basis after those that were asked for before."""
        self.activityChanged.emit(f"applying the basis of {request.entry.name} to {request.path.name}")
        self._job.submit(request)


def _apply(request: ApplyRequest) -> str:
    from gsp_studio.core.methods import error_name
    from gsp_studio.io.export.applied import FixedBasis, check_free, export_application, options_for_others
    from gsp_studio.io.readers import load_dataset

    path, directory, dataset, entry = request
    result = entry.outcome.result
    assert result is not None
    check_free(directory)  # before the images are read
    shape = (dataset.image_shape, dataset.order, dataset.channels, dataset.grid)
    basis = FixedBasis(result.W, result.params, *shape, entry.name, result.gram.rows)
    other = load_dataset(path, **options_for_others(dataset.options))
    files, error = export_application(directory, basis, other)
    samples = plural(other.X.shape[1], other.nouns.sample, other.nouns.samples)
    words = f"{error_name(result.params)} {percent(error)}"
    return f"{entry.name} applied to {samples} of {other.name}: {words}; {len(files)} files in {directory}"
