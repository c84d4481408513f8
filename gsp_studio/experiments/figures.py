"""The paper's figures as data: which runs each needs, and what it shows of them.

`FIGURES` maps a figure's name to these; `reproduce.py` does the runs and writes the files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.blocks import Matrix
from gsp_studio.core.methods import METHODS
from gsp_studio.core.nmf import Params, check_params
from gsp_studio.experiments.contents import (
    AS_AHALS,
    Bases,
    Content,
    Curves,
    ErrorMaps,
    OverSparsity,
    best_of_each,
    by_method,
)
from gsp_studio.experiments.runs import FinishedRun, Task
from gsp_studio.experiments.synthetic import synthetic_data
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.fingerprint import fingerprint_of

#: Steps of the fast gradient in one update, as in the paper; our own default is larger.
PAPER_STEPS = 10
#: The target of l1 A-HALS on synthetic data, as in the paper; the other methods' is the sparsity of the true W.
L1_TARGET = 0.5


@dataclass(frozen=True)
class Settings:
    """Settings of a figure.

    Attributes
    ----------
    repeats : int
        Data sets for synthetic data, starts for others: seeds 0, 1, ...
    rank : int
    sparsity : float or None
        The target; None: the true one of each synthetic data set.
    max_iter : int
        Outer iterations of each run.
    backend : str
        A backend's name.
    dtype : str, optional
        Type of synthetic data.
    """

    repeats: int
    rank: int
    sparsity: float | None
    max_iter: int = 500
    backend: str = "cpu"
    dtype: str = "float64"


@dataclass(frozen=True, eq=False)
class Plan:
    """Runs to do, and their data by fingerprint."""

    tasks: tuple[Task, ...]
    data: dict[str, Matrix]


@dataclass(frozen=True)
class Figure:
    """A figure of the paper.

    Attributes
    ----------
    summary : str
        What it shows, in one line.
    methods : tuple of str
    repeats, rank, sparsity
        The paper's settings.
    show : (runs, settings, dataset) -> Content
        What it shows of the finished runs.
    synthetic : bool
        Whether it draws its own data.
    sparsities : tuple of float
        Targets of a figure over these; empty: `sparsity` alone, as where another one is chosen.
    further : (runs) -> tuple of Task, optional
        Runs whose parameters depend on finished ones; `show` gets them after these.
    """

    summary: str
    methods: tuple[str, ...]
    repeats: int
    rank: int
    sparsity: float | None
    show: Callable[[Sequence[FinishedRun], Settings, Dataset | None], Content]
    synthetic: bool = False
    sparsities: tuple[float, ...] = ()
    further: Callable[[Sequence[FinishedRun]], tuple[Task, ...]] | None = None

    def settings(self, **chosen: Any) -> Settings:
        """The paper's settings, but for what was chosen (None: as in the paper).

        Raises
        ------
        ValueError
            Fewer than one repeat.
        """
        given = {name: value for name, value in chosen.items() if value is not None}
        settings = replace(Settings(self.repeats, self.rank, self.sparsity), **given)
        if settings.repeats < 1:
            raise ValueError(f"the number of seeds or sets is {settings.repeats}; accepted is a whole number >= 1")
        return settings

    def plan(self, settings: Settings, dataset: Dataset | None) -> Plan:
        """The runs that it needs.

        Parameters
        ----------
        settings : Settings
        dataset : Dataset or None
            None for a figure of synthetic data.

        Raises
        ------
        ValueError
            Settings that the data do not allow.
        """
        data: dict[str, Matrix] = {}
        tasks: list[Task] = []
        for seed in range(settings.repeats):
            X, fingerprint, target = _data(seed, settings, dataset)
            data[fingerprint] = X
            for method, s in self._asked(settings, target):
                # The same seed is the same start.
                params = Params(settings.rank, method, s, seed, settings.max_iter, tol=0.0)
                if not METHODS[method].has_price:  # the paper's runs are plain
                    params = replace(params, n_steps=PAPER_STEPS, extrapolate=False)
                if method == "wsnmf" and dataset is not None:
                    params = replace(params, weights=centre_weights(dataset))
                if method == "l1ahals" and settings.sparsity is None:
                    params = replace(params, sparsity=L1_TARGET)
                check_params(params, *X.shape)
                tasks.append(Task(fingerprint, params, settings.backend))
        return Plan(tuple(tasks), data)

    def _asked(self, settings: Settings, target: float) -> list[tuple[str, float]]:
        """Methods and targets of each start; one run of a method without a target."""
        targets = self.sparsities if settings.sparsity == self.sparsity and self.sparsities else (target,)
        return [
            (method, s) for method in self.methods for s in (targets if METHODS[method].uses_sparsity else targets[:1])
        ]


def _data(seed: int, settings: Settings, dataset: Dataset | None) -> tuple[Matrix, str, float]:
    """X, its fingerprint and the target of its runs."""
    if dataset is not None:
        assert settings.sparsity is not None  # only figures of synthetic data have none
        return dataset.X, dataset.fingerprint, settings.sparsity
    X, sparsity = synthetic_data(seed, rank=10, dtype=settings.dtype)
    return X, fingerprint_of(X), sparsity if settings.sparsity is None else settings.sparsity


def centre_weights(dataset: Dataset) -> Array:
    """Weights 0.1 in the centre of an image, rising evenly to 1 at the middle of its sides and beyond.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    ndarray (m,), float64

    Raises
    ------
    ValueError
        Images so small that every pixel has the same weight.

    Notes
    -----
    The paper shows its weight image without numbers; only its form, small in the centre and large at the border, is
    taken from there.
    """
    height, width = dataset.image_shape
    y, x = np.mgrid[:height, :width]
    down = (y - (height - 1) / 2) / max(1, (height - 1) / 2)
    across = (x - (width - 1) / 2) / max(1, (width - 1) / 2)
    weights: Array = 0.1 + 0.9 * np.minimum(np.hypot(down, across), 1.0)
    if np.ptp(weights) == 0:
        raise ValueError(f"images of {height} x {width} have no centre; the weights need at least 3 pixels on a side")
    return weights.ravel(order=dataset.order)


def inner_half(weights: Array) -> Array:
    """The half of the pixels with the smaller weights, as a mask; never all of them."""
    inner: Array = weights <= np.median(weights)
    return weights < np.median(weights) if inner.all() else inner


def _synthetic_curves(runs: Sequence[FinishedRun], settings: Settings, dataset: Dataset | None) -> Content:
    sets = f"{settings.repeats} synthetic data set{'s' * (settings.repeats > 1)}"
    return Curves.of(by_method(runs), f"{sets} of 100 × 100, rank {settings.rank}", above_lowest=False)


def _data_curves(runs: Sequence[FinishedRun], settings: Settings, dataset: Dataset | None) -> Content:
    assert dataset is not None
    starts = f"{settings.repeats} start{'s' * (settings.repeats > 1)}"
    title = f"{dataset.name}, rank {settings.rank}, sparsity {settings.sparsity}, {starts}"
    planned = settings.repeats * len(_ALL)
    return Curves.of(by_method(runs[:planned]) | {AS_AHALS: runs[planned:]}, title, above_lowest=True)


def _over_sparsity(runs: Sequence[FinishedRun], settings: Settings, dataset: Dataset | None) -> Content:
    assert dataset is not None
    starts = f"{settings.repeats} start{'s' * (settings.repeats > 1)}"
    return OverSparsity.of(by_method(runs), f"{dataset.name}, rank {settings.rank}, {starts}")


def _at_the_sparsity_of_ahals(runs: Sequence[FinishedRun]) -> tuple[Task, ...]:
    """PSNMF from each start once more, at the sparsity that A-HALS has reached from it without a constraint."""
    groups = by_method(runs)
    return tuple(
        replace(run.task, params=replace(run.task.params, sparsity=free.best_sparsity))
        for run, free in zip(groups["psnmf"], groups["ahals"], strict=True)
    )


def _bases(runs: Sequence[FinishedRun], settings: Settings, dataset: Dataset | None) -> Content:
    assert dataset is not None
    best = best_of_each(runs)
    return Bases(dataset, best, centre_weights(dataset) if "wsnmf" in best else None)


def _error_maps(runs: Sequence[FinishedRun], settings: Settings, dataset: Dataset | None) -> Content:
    assert dataset is not None
    weights = centre_weights(dataset)
    return ErrorMaps(dataset, best_of_each(runs), weights, inner_half(weights))


_ALL = ("nenmf", "ahals", "psnmf", "cpsnmf", "l1ahals")

FIGURES: dict[str, Figure] = {
    "fig1-synthetic": Figure(
        "error against iterations on synthetic data", _ALL, 50, 10, None, _synthetic_curves, synthetic=True
    ),
    "fig1-cbcl": Figure(
        "error above the lowest against iterations on faces",
        _ALL,
        10,
        49,
        0.85,
        _data_curves,
        further=_at_the_sparsity_of_ahals,
    ),
    "fig3": Figure("basis without and with weights", ("psnmf", "wsnmf"), 1, 49, 0.85, _bases),
    "fig4": Figure(
        "squared error of each pixel without and with weights", ("psnmf", "wsnmf"), 1, 49, 0.85, _error_maps
    ),
    "fig5": Figure(
        "basis of four methods at one sparsity", ("nenmf", "psnmf", "l1ahals", "cpsnmf"), 1, 49, 0.85, _bases
    ),
    "over-sparsity": Figure(
        "error of all methods against the target; not of the paper",
        ("ahals", "psnmf", "cpsnmf", "l1ahals", "gsphals"),
        3,
        49,
        0.85,
        _over_sparsity,
        sparsities=(0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97),
    ),
}
