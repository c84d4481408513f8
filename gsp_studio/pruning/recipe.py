"""The paper's experiments on pruning: train, prune in several ways to equal shares of zeros, fine-tune, compare.

Every run is a small file named by a digest of all that it depends on, so an interrupted recipe goes on where it was.
The dense network that the others are compared with is trained on for as long as they are fine-tuned.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gsp_studio import __version__
from gsp_studio.io.atomic import write_whole
from gsp_studio.io.run_json import DAMAGE, write_json
from gsp_studio.pruning.gradual import GradualMagnitude
from gsp_studio.pruning.grouping import Grouping, Values
from gsp_studio.pruning.methods import METHODS, SHARED, pruned_weights
from gsp_studio.pruning.models import make_model
from gsp_studio.pruning.pruner import GSPPruner
from gsp_studio.pruning.training import Pruner, Schedule, Sets, Stage, accuracy, train

RUNS = "runs"
DENSE = "dense"
#: Version of the files of runs: raised when their content, or its computation, changes.
FORMAT = 2
SHARES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)


@dataclass(frozen=True)
class Plan:
    """Plan of a comparison.

    Attributes
    ----------
    model : str
        A key of `models.MODELS`.
    schedule : Schedule
    seeds : int
        Networks that are trained, from seed 0 on; numbers are means over them.
    shares : tuple of float
        Shares of zeros.
    methods : tuple of str
        Keys of `METHODS`.
    grouping : Grouping
    data : str
        Fingerprint of the images.
    """

    model: str
    schedule: Schedule
    seeds: int
    shares: tuple[float, ...]
    methods: tuple[str, ...]
    grouping: Grouping
    data: str

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}; accepted is a whole number >= 1")
        for share in self.shares:
            if not 0 < share < 1:
                raise ValueError(f"a share of zeros is {share}; accepted are numbers between 0 and 1")
        for method in self.methods:
            if method not in METHODS:
                raise ValueError(f'method "{method}" is not known; accepted are {", ".join(METHODS)}')
        if not self.shares or not self.methods:
            raise ValueError("a recipe compares at least one method at one share of zeros")

    def tasks(self) -> list[Task]:
        """All runs: of every seed the dense network first."""
        return [
            Task(self, seed, method, share)
            for seed in range(self.seeds)
            for method, share in [(DENSE, 0.0), *((m, s) for s in self.shares for m in self.methods)]
        ]


@dataclass(frozen=True)
class Task:
    """One run: a network of a seed, pruned by a method to a share of zeros; or the dense one, share 0."""

    plan: Plan
    seed: int
    method: str
    share: float

    @property
    def epochs(self) -> int:
        """Number of epochs trained for, counting neither runs nor parts of runs that are there."""
        schedule = self.plan.schedule
        is_whole = self.method == DENSE or METHODS[self.method].is_induced
        return schedule.epochs + schedule.finetune if is_whole else schedule.finetune

    def describe(self) -> dict[str, Any]:
        """Describe everything that its numbers depend on."""
        own = {} if self.method == DENSE else {"share": self.share, "grouping": asdict(self.plan.grouping)}
        schedule = asdict(self.plan.schedule)
        if self.method not in SHARED:
            del schedule["sparsity"]  # which others do not look at
        return {
            "format": FORMAT,
            "version": __version__,
            "model": self.plan.model,
            "schedule": schedule,
            "data": self.plan.data,
            "seed": self.seed,
            "method": self.method,
            **own,
        }

    @property
    def name(self) -> str:
        """Name of its files."""
        digest = hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()[:24]
        return f"{self.method}-{digest}"


@dataclass(frozen=True)
class Outcome:
    """Result of a run.

    Attributes
    ----------
    method, share, seed
        Of the task.
    accuracy : float
        After fine-tuning, a fraction.
    before : float
        Right after pruning; of the dense network, before it was trained on.
    zeros : float
        The share of zeros that it has.
    seconds : float
        Time that it took.
    layers : tuple of (name, zeros)
        The share of zeros of each layer.
    """

    method: str
    share: float
    seed: int
    accuracy: float
    before: float
    zeros: float
    seconds: float
    layers: tuple[tuple[str, float], ...] = field(default=())


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; so many of all runs are kept."""

    def __init__(self, finished: int, total: int) -> None:
        super().__init__(f"{finished} of {total} runs")
        self.finished, self.total = finished, total


Progress = Callable[[int, int], None]


class _Epochs:
    """Progress of the recipe, from the epochs of its runs."""

    def __init__(self, progress: Progress, done: int, finished: int) -> None:
        self._progress, self._done, self._finished = progress, done, finished

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, self._finished)


def run_all(plan: Plan, sets: Sets, folder: Path, device: torch.device, progress: Progress) -> list[Outcome]:
    """Do the runs of a plan that are not there yet.

    Parameters
    ----------
    plan : Plan
    sets : Sets
    folder : Path
        Where runs are kept; made when it is missing.
    device : torch.device
    progress : (epochs done, runs finished) -> None

    Raises
    ------
    Interrupted
        Ctrl-C; finished runs are kept, and the state of a long one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    done = 0
    tasks = plan.tasks()
    try:
        for task in tasks:
            found = load(task, folder)
            if found is None or (task.method == DENSE and not _dense_file(task, folder).exists()):
                found = _run(task, sets, folder, device, _Epochs(progress, done, len(outcomes)))
                _save(task, found, folder)
            outcomes.append(found)
            done += task.epochs
            progress(done, len(outcomes))
    except KeyboardInterrupt as stop:
        raise Interrupted(len(outcomes), len(tasks)) from stop
    return outcomes


def load(task: Task, folder: Path) -> Outcome | None:
    """The outcome of a run that is kept; None where there is none, or where its file is damaged."""
    try:
        kept = json.loads((folder / f"{task.name}.json").read_text(encoding="utf-8"))
        if kept["task"] != json.loads(json.dumps(task.describe())):
            return None
        layers = tuple((str(name), float(zeros)) for name, zeros in kept["outcome"].pop("layers"))
        return Outcome(**kept["outcome"], layers=layers)
    except (FileNotFoundError, *DAMAGE, TypeError, AttributeError):
        return None


def _save(task: Task, outcome: Outcome, folder: Path) -> None:
    content = {"task": task.describe(), "outcome": asdict(outcome)}
    write_whole(folder / f"{task.name}.json", lambda path: write_json(path, content))


def _dense_file(task: Task, folder: Path) -> Path:
    """Path of the dense network of a task's seed, before further training."""
    return folder / f"{Task(task.plan, task.seed, DENSE, 0.0).name}.pt"


def _run(task: Task, sets: Sets, folder: Path, device: torch.device, on_epoch: Callable[[], None]) -> Outcome:
    started = time.monotonic()
    model = make_model(task.plan.model, sets.train.shape, len(sets.train.classes), task.seed).to(device)
    if task.method == DENSE:
        return _run_dense(task, model, sets, folder, on_epoch, started)
    pruner = GSPPruner(model, zeros=task.share, group=task.plan.grouping)
    if METHODS[task.method].is_induced:
        _train_pruned(task, model, sets, folder, on_epoch)
    else:
        model.load_state_dict(torch.load(_dense_file(task, folder), map_location=device, weights_only=True))
    with torch.no_grad():
        places = dict(model.named_parameters())
        for name, values in pruned_weights(task.method, pruner.layers(), task.share, pruner.grouping).items():
            places[name].copy_(torch.from_numpy(np.array(values)))
    pruner.freeze_masks()
    before = accuracy(model, sets)
    train(model, sets, _finetuning(task), pruner, on_epoch, folder / f"{task.name}.finetune.pt")
    summary = pruner.summary()
    return Outcome(
        method=task.method,
        share=task.share,
        seed=task.seed,
        accuracy=accuracy(model, sets),
        before=before,
        zeros=summary.zeros,
        seconds=time.monotonic() - started,
        layers=tuple((layer.name, layer.zeros) for layer in summary.layers),
    )


def _train_pruned(task: Task, model: nn.Module, sets: Sets, folder: Path, on_epoch: Callable[[], None]) -> None:
    """Train as a method that acts meanwhile does; trainings that do not depend on the share are kept for the others."""
    schedule = task.plan.schedule
    start = schedule.start * schedule.epochs
    layers = replace(task.plan.grouping, scope="layer")  # as the authors' code: each layer at the same s
    pruner: Pruner
    kept = None
    if task.method in SHARED:
        kept = folder / f"{replace(task, share=0.0).name}.pt"
        values: Values = "shrunken" if task.method == "cut" else "kept"
        pruner = GSPPruner(
            model, schedule.sparsity, every=schedule.every, start=start, group=layers, while_training=values
        )
    elif task.method == "gradual":
        inner = GSPPruner(model, zeros=task.share, group=task.plan.grouping)
        pruner = GradualMagnitude(inner, task.share, schedule.every, start, schedule.end * schedule.epochs)
    else:
        pruner = GSPPruner(model, zeros=task.share, every=schedule.every, start=start, group=task.plan.grouping)
    if kept is not None and kept.exists():
        model.load_state_dict(torch.load(kept, map_location=next(model.parameters()).device, weights_only=True))
        for _ in range(schedule.epochs):
            on_epoch()
        return
    train(model, sets, _training(task), pruner, on_epoch, folder / f"{task.name}.partial.pt")
    if isinstance(pruner, GradualMagnitude):
        pruner.pruner.finish()
    if kept is not None:
        write_whole(kept, lambda path: torch.save(model.state_dict(), path))


def _run_dense(
    task: Task, model: nn.Module, sets: Sets, folder: Path, on_epoch: Callable[[], None], started: float
) -> Outcome:
    train(model, sets, _training(task), None, on_epoch, folder / f"{task.name}.partial.pt")
    before = accuracy(model, sets)
    write_whole(_dense_file(task, folder), lambda path: torch.save(model.state_dict(), path))
    train(model, sets, _finetuning(task), None, on_epoch, folder / f"{task.name}.finetune.pt")
    return Outcome(DENSE, 0.0, task.seed, accuracy(model, sets), before, 0.0, time.monotonic() - started)


def _training(task: Task) -> Stage:
    schedule = task.plan.schedule
    return Stage(schedule.epochs, schedule.rate, 2 * task.seed, schedule.batch, schedule.decay)


def _finetuning(task: Task) -> Stage:
    schedule = task.plan.schedule
    return Stage(schedule.finetune, schedule.finetune_rate, 2 * task.seed + 1, schedule.batch, schedule.decay)


def mean_and_spread(
    outcomes: Sequence[Outcome], method: str, share: float, before: bool = False
) -> tuple[float, float]:
    """Accuracy of a method at a share of zeros, in percent: the mean over seeds and the standard deviation.

    Parameters
    ----------
    outcomes : sequence of Outcome
    method : str
    share : float
    before : bool
        Right after pruning, before any fine-tuning.
    """
    found = [
        100 * (outcome.before if before else outcome.accuracy)
        for outcome in outcomes
        if (outcome.method, outcome.share) == (method, share)
    ]
    return float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else 0.0
