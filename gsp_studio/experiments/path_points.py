"""The points of a solved path as numbers: rows for the CSV, lines for the terminal, an entry for run.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.diagnosis import cautions_of, single_pixels
from gsp_studio.core.knee import knee
from gsp_studio.core.nmf import Params, Result
from gsp_studio.core.results import attained_tolerance
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.experiments.runs import describe, digest_of, plain
from gsp_studio.io.dataset import Dataset


@dataclass(frozen=True, eq=False)
class PathSpec:
    """All that a solved path depends on.

    Attributes
    ----------
    dataset : Dataset
    params : Params
        Their target is not used.
    targets : tuple of float
    backend : str
        A backend's name.
    mask : ndarray (m, n) of bool or floating numbers, optional
        True where an entry is missing; or what entries count, from 0, missing, to 1.
    """

    dataset: Dataset
    params: Params
    targets: tuple[float, ...]
    backend: str
    mask: Array | None = None

    @property
    def key(self) -> str:
        """32 hexadecimal digits that stand for the path: every point is the same to the bit where they are."""
        of_runs = describe(self.dataset.fingerprint, self.params, self.backend, without=("sparsity",))
        return digest_of({**of_runs, "mask": plain(self.mask), "targets": sorted(self.targets)})


@dataclass(frozen=True, eq=False)
class PathPoints:
    """The solved points of a path.

    Attributes
    ----------
    spec : PathSpec
    results : mapping of float to Result
        By target, in the order asked for; of a path that was interrupted those that there are.
    """

    spec: PathSpec
    results: Mapping[float, Result]

    @property
    def sorted_results(self) -> list[tuple[float, Result]]:
        """Targets and results, the lowest target first."""
        return sorted(self.results.items(), key=lambda point: point[0])

    @property
    def knee(self) -> float:
        """Up to which target sparsity costs little, see `core.knee`; NaN for none."""
        points = self.sorted_results
        return knee(np.array([target for target, _ in points]), np.array([result.error for _, result in points]))

    def one_pixel(self, result: Result) -> int:
        """Number of basis images with one pixel, or as good as that; those of zeros are dead."""
        used = result.W[:, result.W.any(axis=0)]
        return single_pixels(np.atleast_1d(hoyer_sparsity(used))) if used.shape[1] else 0

    def table(self) -> list[list[Any]]:
        """Rows of the CSV, the header first: a point each, in the order asked for."""
        header = [
            "target",
            "attained",
            "error",
            "iterations",
            "dead",
            "one_pixel",
            "solved_at",
            "file",
            "held_out_error",
        ]
        rows = [
            [
                target,
                result.sparsity,
                result.error,
                result.n_iter,
                len(result.dead),
                self.one_pixel(result),
                result.params.sparsity,
                name,
                "" if math.isnan(result.held_out_error) else result.held_out_error,
            ]
            for (target, result), name in zip(self.results.items(), self.files(), strict=True)
        ]
        return [header, *rows]

    def files(self) -> list[str]:
        """Names of the files of factors, in the order asked for."""
        digits = len(str(len(self.spec.targets)))
        numbers = [k for k, target in enumerate(self.spec.targets) if target in self.results]
        return [f"point_{k + 1:0{digits}}.npz" for k in numbers]

    def lines(self) -> list[str]:
        """Lines for the terminal."""
        lines = [f"{'s':>8} {'attained':>9} {'error':>11} {'iterations':>11} {'dead':>5} {'one pixel':>10}"]
        for target, attained, error, n_iter, dead, single, *_ in self.table()[1:]:
            lines.append(f"{target:8.4f} {attained:9.4f} {100 * error:9.3f} % {n_iter:11} {dead:5} {single:10}")
        return [*lines, self.words_of_knee()]

    def words_of_knee(self) -> str:
        """Name the knee, or say that there is none."""
        at = self.knee
        if math.isnan(at):
            return "no knee: the error rises evenly, at once to more than three times the lowest, or not at all"
        return f"knee at s = {at:.4f}, error {100 * self.results[at].error:.3f} %"

    def cautions(self) -> list[str]:
        """Sentences on targets that are missed, as penalties may, and on a basis at the knee that is poor."""
        at, least = self.knee, attained_tolerance(next(iter(self.results.values())).W.dtype)
        missed = sum(result.sparsity < target - least for target, result in self.results.items())
        told = [f"{missed} of {len(self.results)} points miss their target; more iterations may reach it"][: missed > 0]
        found = (
            () if math.isnan(at) else cautions_of(self.results[at].W, self.results[at].gram, self.spec.dataset.nouns)
        )
        return [*told, *(f"at the knee, {caution.sentence}" for caution in found)]

    def summary(self) -> dict[str, Any]:
        """Entry for run.json."""
        header, *rows = self.table()
        at = self.knee
        points = [dict(zip(header, row, strict=True)) for row in rows]
        return {"knee": None if math.isnan(at) else at, "points": points}
