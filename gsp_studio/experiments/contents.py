"""Contents of figures as numbers: error curves, errors over the target, basis images, or error maps.

Each of these knows its rows for the CSV, its lines for the terminal and its summary for run.json; how it is drawn
is defined in `plots.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.methods import METHODS
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.experiments.runs import FinishedRun
from gsp_studio.io.dataset import Dataset

#: The curve of PSNMF at the sparsity that A-HALS has reached.
AS_AHALS = "psnmf-as-ahals"
#: Where a method here is not the one that the paper names so.
NOTES = {
    "l1ahals": "l1 A-HALS is not the paper's: it penalizes basis images scaled to length 1, so scales do not count."
}


class Content(Protocol):
    """Numbers that can be tabled, printed and summed up."""

    def table(self) -> list[list[Any]]:
        """Rows of the CSV, the header first."""
        ...

    def lines(self) -> list[str]:
        """Lines for the terminal."""
        ...

    def summary(self) -> dict[str, Any]:
        """Entry for run.json."""
        ...


def by_method(runs: Sequence[FinishedRun]) -> dict[str, list[FinishedRun]]:
    """Runs of each method, in the order in which the methods first appear."""
    groups: dict[str, list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault(run.task.params.method, []).append(run)
    return groups


def label_of(curve: str) -> str:
    """The name of a method, or of a further curve, as figures and tables show it."""
    return "PSNMF, s of A-HALS" if curve == AS_AHALS else METHODS[curve].label


def notes_on(methods: Collection[str]) -> list[str]:
    """What has to be known of these methods to compare them with the paper's."""
    return [note for method, note in NOTES.items() if method in methods]


def best_of_each(runs: Sequence[FinishedRun]) -> dict[str, FinishedRun]:
    """The run with the lowest error of each method."""
    return {method: min(group, key=lambda run: run.best_error) for method, group in by_method(runs).items()}


@dataclass(frozen=True, eq=False)
class Curves:
    """Mean errors against iterations.

    Attributes
    ----------
    title : str
    percent : dict of method or `AS_AHALS` -> ndarray (iterations,)
        Mean over the runs, less `lowest`, in percent.
    final : dict of method -> ndarray (runs,)
        Errors after the last iteration, in percent, nothing subtracted.
    sparsity : dict of method -> float
        Mean over the runs, after the last iteration.
    lowest : float or None
        The lowest error of all runs, in percent, where it is subtracted.
    """

    title: str
    percent: dict[str, Array]
    final: dict[str, Array]
    sparsity: dict[str, float]
    lowest: float | None = None

    @classmethod
    def of(cls, groups: Mapping[str, Sequence[FinishedRun]], title: str, above_lowest: bool) -> Curves:
        """The curves of runs with equally many iterations, by method."""
        lowest = min(100.0 * float(run.error.min()) for g in groups.values() for run in g) if above_lowest else None
        percent = {m: 100.0 * np.mean([run.error for run in g], axis=0) - (lowest or 0.0) for m, g in groups.items()}
        final = {m: 100.0 * np.array([run.error[-1] for run in g]) for m, g in groups.items()}
        sparsity = {m: float(np.mean([run.sparsity[-1] for run in g])) for m, g in groups.items()}
        return cls(title, percent, final, sparsity, lowest)

    @property
    def quantity(self) -> str:
        """Quantity of the curves, with its unit."""
        return "mean relative error (%)" if self.lowest is None else "mean relative error − lowest (%)"

    def table(self) -> list[list[Any]]:
        """Iteration and a column for each method, in percent."""
        what = "error_percent" if self.lowest is None else "error_above_lowest_percent"
        n_iter = len(next(iter(self.percent.values())))
        rows = [[i + 1, *(float(curve[i]) for curve in self.percent.values())] for i in range(n_iter)]
        return [["iteration", *(f"{method}_{what}" for method in self.percent)], *rows]

    def lines(self) -> list[str]:
        """The errors at the end: mean, lowest and highest of the runs."""
        lines = [f"{'method':18} {'mean error':>12} {'lowest':>12} {'highest':>12} {'sparsity':>9}"]
        for method, errors in self.final.items():
            numbers = " ".join(f"{value:10.5f} %" for value in (errors.mean(), errors.min(), errors.max()))
            lines.append(f"{label_of(method):18} {numbers} {self.sparsity[method]:9.4f}")
        if self.lowest is not None:
            lines.append(f"lowest error of all: {self.lowest:.5f} %")
        return lines + notes_on(self.final)

    def summary(self) -> dict[str, Any]:
        """The same, as data."""
        methods = {
            method: {
                "mean_error_percent": float(errors.mean()),
                "lowest_error_percent": float(errors.min()),
                "highest_error_percent": float(errors.max()),
                "mean_sparsity": self.sparsity[method],
            }
            for method, errors in self.final.items()
        }
        return {"methods": methods} | ({} if self.lowest is None else {"lowest_error_percent": self.lowest})


@dataclass(frozen=True, eq=False)
class OverSparsity:
    """Errors against the target; a method without one has the sparsity that it finds.

    Attributes
    ----------
    title : str
    curves : dict of method -> ndarray (targets, 5)
        A row a target: the target (NaN: none), the mean attained sparsity, and mean, lowest and highest error of the
        runs, in percent, each of the best iterate.
    """

    title: str
    curves: dict[str, Array]

    @classmethod
    def of(cls, groups: Mapping[str, Sequence[FinishedRun]], title: str) -> OverSparsity:
        """The errors of runs, by method."""
        curves = {}
        for method, runs in groups.items():
            of_target: dict[float | None, list[FinishedRun]] = {}
            for run in runs:
                target = run.task.params.sparsity if METHODS[method].uses_sparsity else None
                of_target.setdefault(target, []).append(run)
            rows = []
            for target, some in of_target.items():
                errors = 100.0 * np.array([run.best_error for run in some])
                attained = np.mean([run.best_sparsity for run in some])
                rows.append([target, attained, errors.mean(), errors.min(), errors.max()])
            curves[method] = np.array(rows, dtype=np.float64)  # None becomes NaN
        return cls(title, curves)

    def table(self) -> list[list[Any]]:
        """A row a method and target."""
        rows = [[method, *map(float, row)] for method, curve in self.curves.items() for row in curve]
        return [["method", "target", "attained", "mean_percent", "lowest_percent", "highest_percent"], *rows]

    def lines(self) -> list[str]:
        """The same for the terminal."""
        lines = [f"{'method':18} {'target':>7} {'attained':>9} {'mean error':>12} {'lowest':>12} {'highest':>12}"]
        for method, curve in self.curves.items():
            for target, attained, *errors in curve:
                asked = "-" if np.isnan(target) else f"{target:.3f}"
                numbers = " ".join(f"{error:10.4f} %" for error in errors)
                lines.append(f"{label_of(method):18} {asked:>7} {attained:9.4f} {numbers}")
        return lines + notes_on(self.curves)

    def summary(self) -> dict[str, Any]:
        """The same, as data; None stands for no target."""
        header, *rows = self.table()
        return {"rows": [dict(zip(header, (None if x != x else x for x in row), strict=True)) for row in rows]}


@dataclass(frozen=True, eq=False)
class Bases:
    """Basis images of several methods.

    Attributes
    ----------
    dataset : Dataset
    runs : dict of method -> FinishedRun
    weights : ndarray (m,), optional
        What a pixel costs `wsnmf`.
    """

    dataset: Dataset
    runs: dict[str, FinishedRun]
    weights: Array | None = None

    def table(self) -> list[list[Any]]:
        """A row for each pixel: its place, its weight, and its value in every basis image."""
        header, columns = _places(self.dataset)
        if self.weights is not None:
            header.append("weight")
            columns.append(self.weights.tolist())
        for method, run in self.runs.items():
            digits = len(str(run.W.shape[1]))
            header += [f"{method}_{k + 1:0{digits}}" for k in range(run.W.shape[1])]
            columns += run.W.T.tolist()
        return [header, *map(list, zip(*columns, strict=True))]

    def lines(self) -> list[str]:
        """Error and average Hoyer sparsity of each basis, and the sparsity that the method sets, weighted or not."""
        return (
            [f"{'method':10} {'error':>9} {'sparsity':>9} {'as set':>9}"]
            + [
                f"{METHODS[method].label:10} {100 * run.best_error:7.3f} % {np.mean(hoyer_sparsity(run.W)):9.4f} "
                + (f"{run.best_sparsity:9.4f}" if METHODS[method].uses_sparsity else f"{'free':>9}")
                for method, run in self.runs.items()
            ]
            + notes_on(self.runs)
        )

    def summary(self) -> dict[str, Any]:
        """The same, as data."""
        methods = {
            method: {
                "error_percent": 100.0 * run.best_error,
                "hoyer_sparsity": float(np.mean(hoyer_sparsity(run.W))),
                "run": run.task.key,
            }
            for method, run in self.runs.items()
        }
        return {"methods": methods}


@dataclass(frozen=True, eq=False)
class ErrorMaps:
    """Squared error of each pixel, the mean over the images, without and with weights.

    Attributes
    ----------
    dataset : Dataset
    runs : dict of method -> FinishedRun
        Of "psnmf" and "wsnmf".
    weights : ndarray (m,)
    centre : ndarray (m,) of bool
        The half of the pixels with the smaller weights; the others are the border.
    """

    dataset: Dataset
    runs: dict[str, FinishedRun]
    weights: Array
    centre: Array

    def means(self) -> dict[str, tuple[float, float]]:
        """Mean squared error in the centre and at the border, by method."""
        return {
            method: (float(run.pixel_error[self.centre].mean()), float(run.pixel_error[~self.centre].mean()))
            for method, run in self.runs.items()
        }

    def table(self) -> list[list[Any]]:
        """A row for each pixel: its place, weight, region and errors."""
        header, columns = _places(self.dataset)
        columns += [self.weights.tolist(), ["centre" if inside else "border" for inside in self.centre]]
        columns += [run.pixel_error.tolist() for run in self.runs.values()]
        header += ["weight", "region", *(f"{method}_mean_squared_error" for method in self.runs)]
        return [header, *map(list, zip(*columns, strict=True))]

    def lines(self) -> list[str]:
        """The errors in the centre and at the border, and what the weights change."""
        means = self.means()
        lines = [f"{'mean squared error':20} {'centre':>12} {'border':>12} {'relative error':>16}"]
        for method, (centre, border) in means.items():
            error = 100 * self.runs[method].best_error
            lines.append(f"{METHODS[method].label:20} {centre:12.4e} {border:12.4e} {error:14.3f} %")
        change = [100 * (b / a - 1) if a > 0 else float("nan") for a, b in zip(*means.values(), strict=True)]
        lines.append(f"{'change by weights':20} {change[0]:+10.1f} % {change[1]:+10.1f} %")
        return lines

    def summary(self) -> dict[str, Any]:
        """The same, as data."""
        errors = {
            method: {
                "centre": centre,
                "border": border,
                "error_percent": 100.0 * self.runs[method].best_error,
                "run": self.runs[method].task.key,
            }
            for method, (centre, border) in self.means().items()
        }
        return {"centre": "the half of the pixels with the smaller weights", "mean_squared_error": errors}


def _places(dataset: Dataset) -> tuple[list[str], list[list[Any]]]:
    """Header and columns that say where in its image each pixel of a vector lies, from the upper left corner."""
    height, width = dataset.image_shape
    y, x = np.mgrid[:height, :width]
    return ["row", "column"], [y.ravel(order=dataset.order).tolist(), x.ravel(order=dataset.order).tolist()]
