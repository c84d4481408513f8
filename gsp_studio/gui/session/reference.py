"""The reference that results are compared with: spectra, abundances or labels of the same data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.core.truth import Truth
    from gsp_studio.io.dataset import Dataset


class Reference(QObject):
    """A reference, read in the background."""

    changed = Signal(object)  # Truth or None
    failed = Signal(str, str)
    logged = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.truth: Truth | None = None
        #: For session files, as `reference_as_json` gives it: made in the thread, as it may take long.
        self.as_json: dict[str, Any] = {}
        self._dataset: Dataset | None = None
        self._job: Job[tuple[Dataset, str], tuple[Truth, dict[str, Any]]] = Job(_read, "gsp-reference", self)
        self._job.answered.connect(lambda asked, found: self._found(asked[0], *found))
        self._job.failed.connect(self.failed)

    def set_dataset(self, dataset: Dataset) -> None:
        """Begin without a reference, for other data."""
        self._job.discard()
        self._dataset = dataset
        self._show(None)

    def close(self, timeout: float) -> bool:
        """End the thread; True when it has ended."""
        return self._job.close(timeout)

    def load(self, text: str) -> None:
        """Read a reference as ``--truth`` names it; "labels" for the labels of the data, "" to compare with nothing."""
        if not text:
            self._job.discard()
            self._show(None)
        elif self._dataset is not None:
            self._job.submit((self._dataset, text))

    def bring_back(self, truth: Truth | None, source: str) -> None:
        """Show a reference that a file brought; only its source where that holds no more."""
        from gsp_studio.io.reference_text import reference_as_json

        self._job.discard()
        if truth is None and source:
            self.load(source)
        else:
            self._show(truth, reference_as_json(truth, source))

    def _show(self, truth: Truth | None, as_json: dict[str, Any] | None = None) -> None:
        if truth is not self.truth:
            self.truth, self.as_json = truth, as_json or {}
            self.changed.emit(truth)

    def _found(self, dataset: Dataset, truth: Truth, as_json: dict[str, Any]) -> None:
        if dataset is self._dataset:
            self._show(truth, as_json)
            parts = [("spectra", truth.spectra), ("labels" if truth.is_labels else "abundances", truth.abundances)]
            told = " and ".join(name for name, part in parts if part is not None)
            self.logged.emit(f"Compared with a reference: {told} of {truth.count} materials.")


def _read(asked: tuple[Dataset, str]) -> tuple[Truth, dict[str, Any]]:
    from gsp_studio.io.dataset import DatasetError
    from gsp_studio.io.reference_text import reference_as_json
    from gsp_studio.io.references import Sizes
    from gsp_studio.io.truth_file import read_truth, truth_of_labels

    dataset, text = asked
    truth = truth_of_labels(dataset) if text == "labels" else read_truth([text], Sizes.of(dataset))
    if truth is None:
        raise DatasetError(f"{dataset.name} has no labels, or too many different ones, to compare with")
    return truth, reference_as_json(truth, text)
