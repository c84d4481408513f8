"""Runs on their way out of the window: into folders, and as a text that repeats them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from gsp_studio.gui.jobs.application import ApplyJob, ApplyRequest
from gsp_studio.gui.jobs.export import ExportJob, ExportRequest
from gsp_studio.gui.texts import error_texts
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.nouns import IMAGES

if TYPE_CHECKING:
    from gsp_studio.core.truth import Truth
    from gsp_studio.gui.state import RunEntry
    from gsp_studio.io.dataset import Dataset


class Exports(ExportJob):
    """Exports runs of one data set, one after another."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._dataset: Dataset | None = None
        #: Reference that exported runs are compared with.
        self._truth: Truth | None = None
        self._application = ApplyJob(self)
        self._application.failed.connect(self.failed)
        self._application.logged.connect(self.logged)
        self._application.activityChanged.connect(self.activityChanged)

    def close(self, timeout: float) -> bool:
        """Finish what was asked for and end the threads; True when they have ended."""
        ended = [self._application.close(timeout), super().close(timeout)]
        return all(ended)

    def apply(self, path: str | Path, directory: str | Path, entry: RunEntry) -> None:
        """Apply the basis of a run to other images, in the background."""
        if self._dataset is not None:
            self._application.submit(ApplyRequest(Path(path), Path(directory), self._dataset, entry))

    @property
    def is_applying(self) -> bool:
        """Whether a basis is being applied to other images."""
        return self._application.is_busy

    def set_dataset(self, dataset: Dataset) -> None:
        """Export runs of these data from now on."""
        self._dataset = dataset

    def set_truth(self, truth: Truth | None) -> None:
        """Export runs beside this reference from now on; None with none."""
        self._truth = truth

    @property
    def extras(self) -> dict[str, tuple[str, str]]:
        """Extras of an export besides its parts: title and words of each."""
        from gsp_studio.io.export.formats import EXTRAS

        has_pictures = self._dataset is not None and self._dataset.whole is not None
        offered = {name: extra for name, extra in EXTRAS.items() if name != "pictures" or has_pictures}
        nouns = IMAGES if self._dataset is None else self._dataset.nouns
        return {name: (extra.title, nouns.of(extra.what)) for name, extra in offered.items()}

    def export(self, directory: str | Path, entry: RunEntry | None, parts: ExportOptions | None = None) -> None:
        """Write a run into a folder, in the background; by default all of its parts."""
        if self._dataset is None or entry is None:
            self.failed.emit("There is no run to export yet; press Run first.", "")
            return
        self.submit(ExportRequest(Path(directory), self._dataset, entry, parts or ExportOptions(), truth=self._truth))

    def replace(self, request: ExportRequest) -> None:
        """Carry out an export whose folder holds another run, which goes."""
        self.submit(request._replace(force=True))

    def text_of(self, kind: str, entry: RunEntry | None) -> str:
        """A run as "python" or as a "command"; "" where that cannot be."""
        if self._dataset is None or entry is None:
            return ""
        from gsp_studio.gui.jobs.compute import as_text

        try:
            return as_text(kind, self._dataset, entry)
        except ValueError as error:
            self.failed.emit(*error_texts(error))
            return ""
