"""Accuracy of pruned networks for ``gsp-studio prune``: on one file, and of all methods in one table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.pruning.accuracy import Normalization
    from gsp_studio.pruning.checkpoint import Checkpoint
    from gsp_studio.pruning.grouping import Grouping
    from gsp_studio.pruning.layers import Layer

Array = npt.NDArray[Any]


class Images:
    """Images of a command: those to evaluate on, and those to calibrate with.

    Parameters
    ----------
    checkpoint : Checkpoint
    args : Namespace
        ``images``, ``calibrate``, ``importance``, ``batch_norm`` and ``normalize``.

    Raises
    ------
    ValueError, OSError
        Images that cannot be read, or do not fit the network.
    """

    def __init__(self, checkpoint: Checkpoint, args: argparse.Namespace) -> None:
        self._checkpoint, self._args = checkpoint, args
        self._labelled = self._calibration = None
        if args.images is not None:
            from gsp_studio.pruning.images import labelled_from

            self._labelled = labelled_from(_loaded(checkpoint, Path(args.images)))
        if args.calibrate is not None:
            from gsp_studio.pruning.images import images_of

            self._calibration = images_of(_loaded(checkpoint, Path(args.calibrate)))
        for channels in [part.shape[part.ndim - 3] for part in self._arrays()]:
            if args.normalize == "imagenet" and channels != 3:
                raise ValueError("--normalize imagenet is for colours; accepted for grey images are unit and none")

    def _arrays(self) -> list[Array]:
        labelled = [] if self._labelled is None else [self._labelled.images]
        return labelled if self._calibration is None else [*labelled, self._calibration]

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of the labelled images; None without."""
        return None if self._labelled is None else self._labelled.shape

    @property
    def normalization(self) -> Normalization | None:
        """Means and deviations that were asked for; None: the usual ones."""
        from gsp_studio.pruning.images import IMAGENET

        each = {"imagenet": IMAGENET, "unit": ((0.5,), (0.5,)), "none": ((0.0,), (1.0,)), None: None}
        return each[self._args.normalize]

    def weighted(self, layers: Sequence[Layer], force: bool = False) -> Sequence[Layer]:
        """The layers with the importance of their inputs, where it was asked for."""
        if not (force or self._args.importance) or self._calibration is None:
            return layers
        from gsp_studio.pruning.calibration import input_norms, with_importance

        return with_importance(layers, input_norms(self._checkpoint, self._calibration, self.normalization))

    def statistics(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Re-estimated statistics of batch norms by name, where they were asked for."""
        if not self._args.batch_norm or self._calibration is None:
            return {}
        from gsp_studio.pruning.calibration import batch_norms

        return batch_norms(self._checkpoint, weights, self._calibration, self.normalization)

    def accuracy(self, weights: Mapping[str, Array], batch_norm: bool) -> float:
        """Accuracy on the labelled images."""
        from gsp_studio.pruning.accuracy import Evaluator

        assert self._labelled is not None
        settle = None
        if batch_norm and self._calibration is not None:
            from gsp_studio.pruning.calibration import settled

            settle = settled(self._calibration, self.normalization)
        return Evaluator(self._checkpoint, self._labelled, self.normalization, settle).accuracy(weights)

    def accuracies(self, weights: Mapping[str, Array]) -> tuple[float, float] | None:
        """Accuracy of the network as it is and with new weights; None without images."""
        if self._labelled is None:
            return None
        return self.accuracy({}, False), self.accuracy(weights, self._args.batch_norm)

    def accuracy_of(self, path: Path) -> float | None:
        """Accuracy of another file of the network; None without images."""
        if self._labelled is None:
            return None
        from gsp_studio.pruning.accuracy import Evaluator
        from gsp_studio.pruning.checkpoint import open_checkpoint

        return Evaluator(open_checkpoint(path), self._labelled, self.normalization).accuracy()

    def described(self, accuracies: tuple[float, float] | None) -> dict[str, Any]:
        """Entries of the report."""
        found: dict[str, Any] = {}
        if self._calibration is not None:
            found["calibration"] = {
                "images": str(Path(self._args.calibrate).absolute()),
                "importance": self._args.importance,
                "batch_norm": self._args.batch_norm,
            }
        if accuracies is not None:
            found["accuracy"] = {"images": self._where(), "before": accuracies[0], "after": accuracies[1]}
        return found

    def told(self, accuracies: tuple[float, float] | None) -> list[str]:
        """Lines about the accuracy: on how many images, normalized how, and whether compression has changed them."""
        if accuracies is None:
            return []
        return [f"accuracy {accuracies[0]:.2%} -> {accuracies[1]:.2%} on {self._where()}", *self.cautions()]

    def cautions(self) -> list[str]:
        """A line where the images are compressed with loss."""
        from gsp_studio.pruning.images import JPEG_CAUTION, is_jpeg

        return [JPEG_CAUTION] if self._labelled is not None and is_jpeg(Path(self._args.images)) else []

    def _where(self) -> str:
        assert self._labelled is not None
        shape = self._labelled.shape
        usual = "imagenet" if shape[0] == 3 else "none"
        return (
            f"{len(self._labelled.labels)} images of {self._args.images}, normalized: {self._args.normalize or usual}"
        )


def grouping_of(args: argparse.Namespace) -> Grouping:
    """The grouping that the arguments say."""
    from gsp_studio.pruning.grouping import Grouping

    return Grouping(
        args.group, args.vectors, tuple(args.layer), args.exclude, args.values, args.keep_one, shares=args.shares
    )


def compare(checkpoint: Checkpoint, args: argparse.Namespace) -> int:
    """Print the accuracy of every method at every share of zeros, without fine-tuning; the exit code."""
    from gsp_studio.pruning.methods import prune_layers

    images = Images(checkpoint, args)
    grouping = grouping_of(args)
    layers: Sequence[Layer] = checkpoint.layers
    network, layer = replace(grouping, scope="network"), replace(grouping, scope="layer")
    rows: list[tuple[str, str, Any, Sequence[Layer]]] = [
        ("magnitude, network", "magnitude", network, layers),
        ("magnitude, each layer", "magnitude", layer, layers),
        ("LAMP", "lamp", network, layers),
        (f"GSP, network ({grouping.shares})", "gsp", network, layers),
        ("GSP, each layer", "gsp", layer, layers),
        ("GSP, paper's values and shares", "gsp", replace(network, values="shrunken", shares="paper"), layers),
    ]
    if args.calibrate is not None:
        weighted = images.weighted(layers, force=True)
        rows.append((f"GSP, network ({grouping.shares}), weighted", "gsp", network, weighted))
        rows.append(("GSP, each layer, weighted", "gsp", layer, weighted))
    dense = images.accuracy({}, False)
    found = []
    for label, method, chosen, pruned in rows:
        for share in args.compare:
            weights = prune_layers(method, pruned, share, chosen).weights
            entry = {"method": label, "zeros": share, "accuracy": images.accuracy(weights, False)}
            if args.calibrate is not None:
                entry["batch_norm"] = images.accuracy(weights, True)
            found.append(entry)
    if args.json:
        print(json.dumps({"dense": dense, "rows": found}))
        return 0
    width = max(len(label) for label, *_ in rows)
    print(f"{'accuracy (%) at zeros of':{width}}  " + "  ".join(f"{100 * share:6g} %" for share in args.compare))
    for key, words in (("accuracy", ""), ("batch_norm", "batch norms re-estimated")):
        if key == "batch_norm" and args.calibrate is not None:
            print(words)
        for label, *_ in rows:
            values = [entry[key] for entry in found if entry["method"] == label and key in entry]
            if values:
                print(f"{label:{width}}  " + "  ".join(f"{100 * value:8.2f}" for value in values))
    print(f"dense: {dense:.2%}; on {images._where()}; nothing was fine-tuned")
    for line in images.cautions():
        print(line)
    return 0


def _loaded(checkpoint: Checkpoint, path: Path) -> Dataset:
    from gsp_studio.io.dataset import LoadOptions
    from gsp_studio.io.readers import load_dataset
    from gsp_studio.pruning.accuracy import channels_of

    return load_dataset(path, options=LoadOptions(colour="rgb" if channels_of(checkpoint) == 3 else "grey"))
