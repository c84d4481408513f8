"""Training loops of the recipes: plain SGD with Nesterov momentum and a cosine schedule, seeded, to be gone on with.

One function trains dense networks, fine-tunes pruned ones and trains with induced projection: what differs is the
pruner, which is called after every step. A long training keeps its state beside the results, once a minute.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import write_whole
from gsp_studio.pruning.images import IMAGENET, LabelledImages, LabelledSource

_EVALUATED = 256
#: Seconds between two states of a training that are kept.
_KEPT_EVERY = 60.0


class Pruner(Protocol):
    """A pruner that is called while a network is trained, and whose state is kept beside the network's."""

    def step(self, epoch: float | None = None) -> bool:
        """After a step of the optimizer."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""


@dataclass(frozen=True)
class Schedule:
    """Settings of the training of a network.

    Attributes
    ----------
    epochs, finetune : int
        Of training, and of fine-tuning after pruning.
    batch : int
    rate, finetune_rate : float
        Learning rates at the beginning; both fall to 0 along half a cosine.
    decay : float
        Weight decay.
    every : int
        Iterations between two induced projections.
    start : float
        Where induced projection begins, as a fraction of the epochs; gradual pruning, too, which ends at `end`.
    end : float
    sparsity : float
        Average Hoyer sparsity of "induced, then cut" while training.
    """

    epochs: int
    finetune: int
    batch: int = 128
    rate: float = 0.1
    finetune_rate: float = 0.02
    decay: float = 5e-4
    every: int = 50
    start: float = 0.25
    end: float = 0.75
    sparsity: float = 0.8


SCHEDULES: dict[str, Schedule] = {
    "lenet300": Schedule(30, 40, 64, 0.05, 0.1, 1e-4, every=20, sparsity=0.9),
    "lenet5": Schedule(30, 20, 64, 0.02, 0.01, 1e-4, every=20, sparsity=0.9),
    "resnet20": Schedule(160, 60),
    "vgg16": Schedule(160, 60, rate=0.05),
    "resnet50": Schedule(90, 30, 256, 0.1, 0.01, 1e-4, every=500),
}


@dataclass(frozen=True, eq=False)
class Sets:
    """Images to train with and to evaluate on, and the mean and deviation of each channel of the first."""

    train: LabelledSource
    test: LabelledSource
    means: Array
    deviations: Array

    def normalize(self, batch: Array) -> torch.Tensor:
        """A batch as a network sees it."""
        return torch.from_numpy((batch - self.means) / self.deviations)


def make_sets(train: LabelledSource, test: LabelledSource) -> Sets:
    """Sets with their normalization: the training images' own, ImageNet's where they are not in memory."""
    if isinstance(train, LabelledImages):
        means = train.images.mean((0, 2, 3), dtype=np.float64)
        deviations = np.maximum(train.images.std((0, 2, 3), dtype=np.float64), 1e-6)
    else:
        means, deviations = (np.array(part) for part in IMAGENET)
    shape = (1, -1, 1, 1)
    return Sets(train, test, means.reshape(shape).astype(np.float32), deviations.reshape(shape).astype(np.float32))


@dataclass(frozen=True)
class Stage:
    """One training of a network.

    Attributes
    ----------
    epochs : int
    rate : float
    seed : int
        Of the order of the images, and of their augmentation.
    batch : int
    decay : float
    """

    epochs: int
    rate: float
    seed: int
    batch: int
    decay: float


def train(
    model: nn.Module,
    sets: Sets,
    stage: Stage,
    pruner: Pruner | None = None,
    on_epoch: Callable[[], None] | None = None,
    state: Path | None = None,
) -> None:
    """Train a network in place.

    Parameters
    ----------
    model : nn.Module
        On the device that computes.
    sets : Sets
    stage : Stage
    pruner : Pruner, optional
        Called after every step of the optimizer, with the epoch and its fraction.
    on_epoch : callable, optional
        Called after each epoch; an exception from it ends the training.
    state : Path, optional
        Where the state of a long training is kept; one that is there is gone on with, and removed at the end.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.SGD(model.parameters(), stage.rate, momentum=0.9, nesterov=True, weight_decay=stage.decay)
    first = _resume(state, model, optimizer, pruner)
    for _ in range(first):
        if on_epoch is not None:
            on_epoch()
    kept = time.monotonic()
    per_epoch = math.ceil(len(sets.train.labels) / stage.batch)
    for epoch in range(first, stage.epochs):
        rng = np.random.default_rng((stage.seed, epoch))  # of each epoch its own, so that one can go on from any
        order = rng.permutation(len(sets.train.labels))
        model.train()
        for number in range(per_epoch):
            done = (epoch * per_epoch + number) / (stage.epochs * per_epoch)
            for group in optimizer.param_groups:
                group["lr"] = stage.rate * (1 + math.cos(math.pi * done)) / 2
            chosen = order[number * stage.batch : (number + 1) * stage.batch]
            if len(chosen) > 1:  # a batch norm needs two
                _step(model, sets, chosen, rng, optimizer, device)
            if pruner is not None:
                pruner.step(epoch + number / per_epoch)
        if on_epoch is not None:
            on_epoch()
        if state is not None and epoch + 1 < stage.epochs and time.monotonic() - kept > _KEPT_EVERY:
            kept = time.monotonic()
            _keep(state, epoch + 1, model, optimizer, pruner)
    if state is not None:
        state.unlink(missing_ok=True)


def _step(
    model: nn.Module, sets: Sets, chosen: Array, rng: np.random.Generator, optimizer: Any, device: torch.device
) -> None:
    x = sets.normalize(sets.train.batch(chosen, rng)).to(device)
    y = torch.from_numpy(sets.train.labels[chosen]).to(device)
    optimizer.zero_grad()
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        loss = functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()


def accuracy(model: nn.Module, sets: Sets) -> float:
    """The fraction of the images for evaluation that a network classifies right."""
    device = next(model.parameters()).device
    model.eval()
    right, count = 0, len(sets.test.labels)
    with torch.inference_mode():
        for first in range(0, count, _EVALUATED):
            chosen = np.arange(first, min(first + _EVALUATED, count))
            scores = model(sets.normalize(sets.test.batch(chosen)).to(device))
            right += int((scores.argmax(1).cpu().numpy() == sets.test.labels[chosen]).sum())
    return right / count


def _keep(state: Path, epoch: int, model: nn.Module, optimizer: Any, pruner: Pruner | None) -> None:
    content = {
        "epoch": epoch,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "pruner": pruner.state_dict() if pruner is not None else {},
    }
    write_whole(state, lambda path: torch.save(content, path))


def _resume(state: Path | None, model: nn.Module, optimizer: Any, pruner: Pruner | None) -> int:
    """Put a kept state back; the number of epochs that are done."""
    if state is None or not state.exists():
        return 0
    content = torch.load(state, map_location="cpu", weights_only=True)
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    if pruner is not None:
        pruner.load_state_dict(content["pruner"])
    return int(content["epoch"])
