"""The threads of the Networks view: one that opens, one that sorts and projects, one each for curves, accuracy, saving.

Nothing here is state: requests carry what they are about, so that answers about another network, grouping or target
than the present one can be dropped. Curves grow in a place that the worker swaps and the window reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from PySide6.QtCore import QObject

from gsp_studio.arrays import Array
from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.network.evaluation import EvaluationImages
from gsp_studio.gui.network.state import (
    AccuracyCurve,
    CurveState,
    DisplayedNetwork,
    NetworkSettings,
    NetworkSizes,
    ZerosCurve,
)

if TYPE_CHECKING:
    from gsp_studio.gui.network.compute import LayerPath
    from gsp_studio.pruning.checkpoint import Checkpoint
    from gsp_studio.pruning.path import NetworkPath

Point = TypeVar("Point")

#: Of a target that is found for a share of zeros.
_DECIMALS = 4


@dataclass(frozen=True, eq=False)
class SortRequest:
    """Weights to project, and to sort first where there is no path yet: of the network, of the layer alone.

    Where `zeros` is given, the target is that at which such a share of the weights is zero.
    """

    checkpoint: Checkpoint
    choice: NetworkSettings
    layer: str
    path: LayerPath | None
    alone: NetworkPath | None
    zeros: float | None = None


@dataclass(frozen=True, eq=False)
class SortedNetwork:
    """A network sorted and projected, and the path of the selected layer alone where previews need it."""

    path: LayerPath
    shown: DisplayedNetwork
    alone: NetworkPath | None


class SaveRequest(NamedTuple):
    """A network to write into a file as a choice prunes these layers of it."""

    checkpoint: Checkpoint
    choice: NetworkSettings
    names: Sequence[str]
    path: Path


class SizesRequest(NamedTuple):
    """A network as it is shown, to be measured."""

    checkpoint: Checkpoint
    shown: DisplayedNetwork


class GrowingCurve(Generic[Point]):
    """Points that a worker adds and the window reads."""

    def __init__(self, checkpoint: Checkpoint, path: LayerPath, choice: NetworkSettings) -> None:
        self.checkpoint, self.path, self.choice = checkpoint, path, choice
        self.points: tuple[Point, ...] = ()

    def add(self, point: Point) -> None:
        """One more; the tuple is swapped, never changed."""
        self.points = (*self.points, point)


class ZerosRequest(GrowingCurve[tuple[float, Array, Array, float]]):
    """Sparsities and zeros against s."""

    def curve(self, is_whole: bool) -> ZerosCurve:
        """Return the curve as far as it is known."""
        points = sorted(self.points, key=lambda point: point[0])
        s, sparsities, zeros, totals = (np.array(each) for each in zip(*points, strict=True))
        return ZerosCurve(s, sparsities, zeros, totals, is_whole)


class AccuracyRequest(GrowingCurve[tuple[float, float]]):
    """Accuracy against s on some images."""

    def __init__(
        self, checkpoint: Checkpoint, path: LayerPath, choice: NetworkSettings, layer: str, images: EvaluationImages
    ) -> None:
        super().__init__(checkpoint, path, choice)
        self.layer, self.images = layer, images

    @property
    def about(self) -> str:
        """The pruning that it is of, in words."""
        of = f" ({self.layer})" if self.choice.mode == "own" else ""
        return f"{self.choice.words}{of}"

    def curve(self, state: CurveState, problem: str = "") -> AccuracyCurve:
        """Return the curve as far as it is known."""
        from gsp_studio.gui.network.compute import PLANNED

        known = [point for point in self.points if point[1] == point[1]]
        dense = next((found for s, found in known if s != s), float("nan"))
        points = sorted(point for point in known if point[0] == point[0])
        s, accuracies = (np.array([point[k] for point in points]) for k in range(2))
        done = len(self.points)
        words, caution = self.images.words, self.images.caution
        return AccuracyCurve(words, s, accuracies, dense, done, PLANNED, state, problem, self.about, caution)


def _open(path: Path) -> Checkpoint:
    from gsp_studio.gui.network import compute

    return compute.open_checkpoint(path)


def _sort(request: SortRequest) -> SortedNetwork:
    from gsp_studio.gui.network import compute

    choice = request.choice
    path = request.path or compute.sorted_path(request.checkpoint, choice)
    if request.zeros is not None:
        choice = replace(choice, sparsity=round(path.target_for(request.zeros), _DECIMALS))
    alone = request.alone
    if alone is None and request.layer in path.names and choice.mode == "network" and not choice.is_by_zeros:
        alone = compute.alone(request.checkpoint[request.layer], choice)
    return SortedNetwork(path, compute.show(request.checkpoint, path, choice), alone)


def _save(request: SaveRequest) -> list[Path]:
    from gsp_studio.gui.network import compute

    return compute.save(*request)


class NetworkJobs(QObject):
    """The jobs; their threads start when a network is first opened."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.checkpoint: Job[Path, Checkpoint] = Job(_open, "gsp-network", self)
        self.projection: Job[SortRequest, SortedNetwork] = Job(_sort, "gsp-network-project", self)
        self.curve: Job[ZerosRequest, None] = Job(self._grow, "gsp-network-curve", self)
        self.accuracy: Job[AccuracyRequest, None] = Job(self._evaluate, "gsp-network-accuracy", self)
        self.sizes: Job[SizesRequest, NetworkSizes] = Job(self._measure, "gsp-network-sizes", self)
        self._places: tuple[Checkpoint, dict[str, int] | None] | None = None
        self.export: Job[SaveRequest, list[Path]] = Job(_save, "gsp-network-save", self, in_order=True)

    @property
    def all(self) -> tuple[Job[Any, Any], ...]:
        """Each of them."""
        return self.checkpoint, self.projection, self.curve, self.accuracy, self.sizes, self.export

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return any(job.is_busy for job in self.all)

    def close(self, timeout: float) -> bool:
        """End the threads; True when all have ended."""
        ended = [job.close(timeout) for job in self.all]
        return all(ended)

    def _grow(self, curve: ZerosRequest) -> None:
        from gsp_studio.gui.network import compute

        for point in compute.curve(curve.checkpoint, curve.path, curve.choice):
            if self.curve.is_superseded:
                return
            curve.add(point)
            self.curve.report()

    def _evaluate(self, curve: AccuracyRequest) -> None:
        from gsp_studio.gui.network import compute

        asked = (curve.checkpoint, curve.path, curve.choice, curve.layer, curve.images)
        for point in compute.accuracies(*asked, lambda: self.accuracy.is_superseded):
            curve.add(point)
            self.accuracy.report()

    def _measure(self, request: SizesRequest) -> NetworkSizes:
        from gsp_studio.gui.network import compute

        if self._places is None or self._places[0] is not request.checkpoint or self._places[1] is None:
            self._places = request.checkpoint, compute.places_known(request.checkpoint)
        return compute.sizes(*request, self._places[1])
