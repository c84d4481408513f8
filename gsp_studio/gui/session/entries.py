"""Weights and masks of the next run that files bring, read in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.mask_text import KeptMask


class Entries(QObject):
    """Owns the mask of missing entries; weights are handed on to where they are kept."""

    weightsRead = Signal(object)  # ndarray (m,)
    maskChanged = Signal(object)  # KeptMask or None: no entry is missing
    edited = Signal(str)  # the user has finished a change that can be undone, called so
    failed = Signal(str, str)
    logged = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.mask: KeptMask | None = None
        self._dataset: Dataset | None = None
        self._weights: Job[tuple[Dataset, Path], Array] = Job(_read_weights, "gsp-weights-file", self)
        self._masks: Job[tuple[Dataset, Path], KeptMask] = Job(_read_mask, "gsp-mask-file", self)
        self._weights.answered.connect(lambda asked, found: self._take_weights(asked[0], asked[1], found))
        self._masks.answered.connect(lambda asked, found: self._take_mask(asked[0], found))
        for job in (self._weights, self._masks):
            job.failed.connect(self.failed)

    def set_dataset(self, dataset: Dataset) -> None:
        """Begin without a mask, for other data."""
        for job in (self._weights, self._masks):
            job.discard()
        self._dataset = dataset
        self.show_mask(None)

    def close(self, timeout: float) -> bool:
        """End the threads; True when they have ended."""
        ended = [job.close(timeout) for job in (self._weights, self._masks)]
        return all(ended)

    def load_weights(self, path: str | Path) -> None:
        """Read what it costs to use each pixel, or band, from a file."""
        if self._dataset is not None:
            self._weights.submit((self._dataset, Path(path)))

    def load_mask(self, path: str | Path) -> None:
        """Leave out in the next runs the entries that a file says; "" for none."""
        if not path:
            self._masks.discard()
            self.show_mask(None)
            self.edited.emit("mask")
        elif self._dataset is not None:
            self._masks.submit((self._dataset, Path(path)))

    @property
    def missing(self) -> Array | None:
        """True where an entry (m, n) is missing; None: none is."""
        return None if self.mask is None else self.mask.values

    def show_mask(self, mask: KeptMask | None) -> None:
        """Show a former mask, or that of a file."""
        if mask is not self.mask:
            self.mask = mask
            self.maskChanged.emit(mask)

    def _take_weights(self, dataset: Dataset, path: Path, weights: Array) -> None:
        if dataset is self._dataset:
            self.weightsRead.emit(weights)
            self.logged.emit(f"Weights read from {path.name}.")

    def _take_mask(self, dataset: Dataset, mask: KeptMask) -> None:
        if dataset is self._dataset:
            self.show_mask(mask)
            self.edited.emit("mask")
            self.logged.emit(
                f"Mask read from {mask.name}: the next runs leave out {100 * mask.share:.3f} % of the entries."
            )


def _read_weights(asked: tuple[Dataset, Path]) -> Array:
    from gsp_studio.io.pixels import read_weights

    weights = read_weights(asked[1], asked[0])
    weights.flags.writeable = False
    return weights


def _read_mask(asked: tuple[Dataset, Path]) -> KeptMask:
    import numpy as np

    from gsp_studio.io.dataset import DatasetError
    from gsp_studio.io.mask_text import KeptMask
    from gsp_studio.io.pixels import read_mask

    dataset, path = asked
    if not isinstance(dataset.X, np.ndarray):
        raise DatasetError(
            f"{dataset.name} stays in its file, block by block; a mask needs it in memory (Layout..., Read)"
        )
    values = read_mask(path, dataset)
    if not values.any() or values.all():
        which = "no entry" if not values.any() else "every entry"
        raise DatasetError(f"{path} leaves out {which}; accepted are masks that are not 0 where an entry is missing")
    return KeptMask(values, path.name)
