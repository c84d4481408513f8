"""The threads of the Networks view: one that opens, one that sorts and projects, one each for curves, accuracy, saving.

Nothing here is state: requests carry what they are about, and answers about another network, grouping or target than
the present one are dropped by whoever polls. Curves grow in a place that the worker swaps and the window reads.
"""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.network.state import AccuracyCurve, NetworkChoice, NetworkShown, ZerosCurve

if TYPE_CHECKING:
    from gsp_studio.pruning.checkpoint import Checkpoint
    from gsp_studio.pruning.path import NetworkPath


def network_work() -> Any:
    """The module that computes; its first import is made by a worker."""
    return importlib.import_module("gsp_studio.gui.network.compute")


@dataclass(frozen=True, eq=False)
class Sorting:
    """What has to be projected, and sorted first where there is no path yet: of the network, of the layer alone."""

    checkpoint: Checkpoint
    choice: NetworkChoice
    layer: str
    path: NetworkPath | None
    alone: NetworkPath | None


@dataclass(frozen=True, eq=False)
class Sorted:
    """A network sorted and projected, and the path of the selected layer alone where previews need it."""

    path: NetworkPath
    shown: NetworkShown
    alone: NetworkPath | None


class Growing:
    """What a worker adds points to and the window reads; `unwanted` ends it."""

    def __init__(self, checkpoint: Checkpoint, path: NetworkPath) -> None:
        self.checkpoint, self.path = checkpoint, path
        self.unwanted = threading.Event()
        self.points: tuple[tuple[Any, ...], ...] = ()

    def add(self, point: tuple[Any, ...]) -> None:
        """One more; the tuple is swapped, never changed."""
        self.points = (*self.points, point)


class CurveGrowing(Growing):
    """Sparsities and zeros against s."""

    def curve(self, is_whole: bool) -> ZerosCurve:
        """As far as it is known."""
        points = sorted(self.points, key=lambda point: point[0])
        s, sparsities, zeros, totals = (np.array(each) for each in zip(*points, strict=True))
        return ZerosCurve(s, sparsities, zeros, totals, is_whole)


class AccuracyGrowing(Growing):
    """Accuracy against s on some images."""

    def __init__(
        self, checkpoint: Checkpoint, path: NetworkPath, choice: NetworkChoice, layer: str, source: Any, words: str
    ) -> None:
        super().__init__(checkpoint, path)
        self.choice, self.layer, self.source, self.words = choice, layer, source, words

    def add_words(self, normalization: str) -> None:
        """How the images are normalized."""
        self.words = f"{self.words}, {normalization}"

    def curve(self, state: Any, problem: str = "") -> AccuracyCurve:
        """As far as it is known."""
        known = [point for point in self.points if point[1] == point[1]]
        dense = next((found for s, found in known if s != s), float("nan"))
        points = sorted(point for point in known if point[0] == point[0])
        s, accuracies = (np.array([point[k] for point in points]) for k in range(2))
        done = len(self.points)
        return AccuracyCurve(self.words, s, accuracies, dense, done, network_work().PLANNED, state, problem)


def _sort(request: Sorting) -> Sorted:
    work = network_work()
    path = request.path or work.sorted_path(request.checkpoint, request.choice)
    alone = request.alone
    if alone is None and request.layer in path.names and request.choice.mode == "network":
        alone = work.alone(request.checkpoint[request.layer])
    return Sorted(path, work.show(request.checkpoint, path, request.choice), alone)


def _grow(study: CurveGrowing) -> None:
    for point in network_work().curve(study.checkpoint, study.path):
        if study.unwanted.is_set():
            return
        study.add(point)


def _evaluate(study: AccuracyGrowing) -> None:
    given = (study.checkpoint, study.path, study.choice, study.layer, study.source)
    for point in network_work().accuracies(*given, study.unwanted.is_set, study.add_words):
        study.add(point)


class NetworkWorkers:
    """The threads; made when a network is first opened."""

    def __init__(self) -> None:
        self.opening: LatestOnly[Path, Checkpoint] = LatestOnly(
            lambda path: network_work().open_checkpoint(path), name="gsp-network"
        )
        self.sorting: LatestOnly[Sorting, Sorted] = LatestOnly(_sort, name="gsp-network-project")
        self.curve: LatestOnly[CurveGrowing, None] = LatestOnly(_grow, name="gsp-network-curve")
        self.accuracy: LatestOnly[AccuracyGrowing, None] = LatestOnly(_evaluate, name="gsp-network-accuracy")
        self.saving: LatestOnly[tuple[Any, ...], list[Path]] = LatestOnly(
            lambda request: network_work().save(*request), name="gsp-network-save"
        )

    @property
    def all(self) -> tuple[LatestOnly[Any, Any], ...]:
        """Each of them."""
        return self.opening, self.sorting, self.curve, self.accuracy, self.saving

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way or waits to be fetched."""
        return any(worker.is_busy for worker in self.all)

    def close(self, timeout: float) -> bool:
        """End the threads; True when all have ended."""
        ended = [worker.close(timeout) for worker in self.all]
        return all(ended)
