"""Images that a network is evaluated on in the window: read once, and normalized as suits the network best."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.gui.texts import plural
from gsp_studio.io.dataset import Dataset, LoadOptions

if TYPE_CHECKING:
    from gsp_studio.pruning.accuracy import Normalization
    from gsp_studio.pruning.checkpoint import Checkpoint
    from gsp_studio.pruning.images import LabelledImages

Source = Path | Dataset | str

#: The word for scikit-learn's digits among sources of images.
DIGITS = "digits"
#: Images that a normalization is chosen with.
_TRIED = 250


class EvaluationImages:
    """Labelled images for one network.

    How images were normalized in training is not in a file: of the common ways the one that suits the network best is
    taken, and told.

    Parameters
    ----------
    source : Path, Dataset or "digits"
    name : str
        For a reader.

    Attributes
    ----------
    words : str
        The name, and once they are read how many they are and how they are normalized.
    caution : str
        Why an accuracy on them is not the checkpoint's; "" where nothing is known against it.
    dense : float or None
        Accuracy of the network as it is in its file, once it is measured.
    """

    def __init__(self, source: Source, name: str) -> None:
        self.source, self.name = source, name
        self.words, self.caution = name, ""
        self.dense: float | None = None
        self._prepared: tuple[LabelledImages, Normalization] | None = None

    def again(self) -> EvaluationImages:
        """The same for another network."""
        return EvaluationImages(self.source, self.name)

    def prepare(self, checkpoint: Checkpoint, unwanted: Callable[[], bool]) -> tuple[LabelledImages, Normalization]:
        """The images and their normalization; read and chosen when first asked for.

        Raises
        ------
        ValueError, OSError
        """
        if self._prepared is None:
            images = self._load(checkpoint)
            self.caution = self._caution()
            count = plural(len(images.labels), "image")
            self.words = f"{self.name}: {count}"
            words, normalization = _best_normalization(checkpoint, images, unwanted)
            self.words = f"{self.name}: {count}, {words}"
            if unwanted():
                return images, normalization
            self._prepared = images, normalization
        return self._prepared

    def _load(self, checkpoint: Checkpoint) -> LabelledImages:
        from gsp_studio.io.readers import load_dataset
        from gsp_studio.pruning.accuracy import channels_of
        from gsp_studio.pruning.images import digits, labelled_from

        if self.source == DIGITS:
            return digits()
        if isinstance(self.source, Dataset):
            return labelled_from(self.source)
        options = LoadOptions(colour="rgb" if channels_of(checkpoint) == 3 else "grey")
        return labelled_from(load_dataset(self.source, options=options))

    def _caution(self) -> str:
        from gsp_studio.pruning.images import JPEG_CAUTION, is_jpeg

        path = Path(self.source.source) if isinstance(self.source, Dataset) else self.source
        return JPEG_CAUTION if isinstance(path, Path) and path.exists() and is_jpeg(path) else ""


def _best_normalization(
    checkpoint: Checkpoint, images: LabelledImages, unwanted: Callable[[], bool]
) -> tuple[str, Normalization]:
    """The way to normalize images that the network classifies most of a few of them right with."""
    from gsp_studio.pruning.accuracy import Evaluator
    from gsp_studio.pruning.images import IMAGENET

    few = images.part(np.random.default_rng(0).permutation(len(images.labels))[:_TRIED])
    channels = images.shape[0]
    means = images.images.mean((0, 2, 3), dtype=np.float64)
    deviations = np.maximum(images.images.std((0, 2, 3), dtype=np.float64), 1e-6)
    ways: dict[str, Normalization] = {"values as they are": ((0.0,) * channels, (1.0,) * channels)}
    ways["values from -1 to 1"] = (0.5,) * channels, (0.5,) * channels
    ways["values from 0 to 255"] = (0.0,) * channels, (1 / 255,) * channels
    ways["their own mean and deviation"] = tuple(means.tolist()), tuple(deviations.tolist())
    if channels == 3:
        ways["ImageNet's mean and deviation"] = IMAGENET
    found = {words: Evaluator(checkpoint, few, way).accuracy(None, unwanted) for words, way in ways.items()}
    best = max(found, key=lambda words: found[words])
    return best, ways[best]
