"""Methods side by side on the same data, from the same start: the columns of the paper's Figure 1, as numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import Backend
from gsp_studio.core.matching import above_chance, chance_cosines, match_bases
from gsp_studio.core.nmf import METHODS, History, Params, factorize
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.truth import Agreement, Truth, compare_with_truth
from gsp_studio.io.factors import read_factors
from gsp_studio.io.references import Sizes
from gsp_studio.io.run_json import read_run, summary_of
from gsp_studio.io.truth_file import describe_agreement, read_truth


@dataclass(frozen=True, eq=False)
class Comparison:
    """One method's run: its caption, the best error (fraction), sparsity, least basis sparsity, seconds, history.

    `agreement` is that with the reference, where there is one.
    """

    label: str
    params: Params
    error: float
    sparsity: float
    least_sparsity: float
    seconds: float
    history: History
    agreement: Agreement | None = None


def compare(
    X: npt.ArrayLike,
    runs: Iterable[Params],
    backend: str | Backend = "auto",
    on_done: Callable[[Comparison], None] | None = None,
    truth: Truth | None = None,
) -> tuple[Comparison, ...]:
    """Run each of `runs` on X (m, n) and gather what a table of methods shows.

    Parameters
    ----------
    X : array_like (m, n), >= 0
    runs : iterable of Params
        The same rank and seed give the same start.
    backend : str or Backend
    on_done : callable, optional
        Called with each Comparison as it is ready.
    truth : Truth, optional
        A reference that each is compared with.

    Returns
    -------
    tuple of Comparison, in the order of `runs`

    Raises
    ------
    ValueError, BackendUnavailable
        As for `factorize`.

    References
    ----------
    Ohib et al., TMLR 2022, Figure 1 and section 5.1.
    """
    rows = []
    for params in runs:
        result = factorize(X, params, backend)
        row = Comparison(
            label=METHODS[params.method].label,
            params=params,
            error=result.error,
            sparsity=result.sparsity,
            least_sparsity=float(np.min(hoyer_sparsity(result.W))),
            seconds=float(result.history.seconds[-1]),
            history=result.history,
            agreement=None if truth is None else compare_with_truth(result.W, result.H, truth),
        )
        rows.append(row)
        if on_done is not None:
            on_done(row)
    return tuple(rows)


def compared_exports(folders: Iterable[str | os.PathLike[str]], references: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Exported runs beside the first of them.

    Parameters
    ----------
    folders : iterable of path-like
        Exports of runs on images of one shape, factors included.
    references : sequence of str
        Where a reference is, as for `truth_file.read_truth`; ":" is the file of each run's data.

    Returns
    -------
    list of dict
        Entries of `summary_of` for each, with its folder as "run"; "similarity", the mean of how alike the basis
        images of the first are to those of its own that they match best (1: the same, in any order and scale; 0: no
        more than by chance, see `matching.above_chance`); and "differs", by how much error and sparsity differ from
        the first's, without the error where only one of the two is that of all entries ("held_out"). With references
        "truth": how well it agrees with them.

    Raises
    ------
    ExportError
        No export, or one without factors.
    ValueError
        Runs on images of different sizes.
    """
    rows: list[dict[str, Any]] = []
    first: Any = None
    chance: Any = None
    for folder in folders:
        run, (W, H) = read_run(folder), read_factors(Path(folder) if Path(folder).is_dir() else Path(folder).parent)
        if first is None:
            first, chance = W, chance_cosines(W)
        row = {"run": str(folder), **summary_of(run.content)}
        row["similarity"] = float(above_chance(match_bases(first, W).cosine, chance).mean())
        if references:
            truth = read_truth(references, Sizes.of_run(run.content["data"]))
            row["truth"] = describe_agreement(compare_with_truth(W, H, truth))
        rows.append(row)
        same = ("error", "sparsity") if row["held_out"] == rows[0]["held_out"] else ("sparsity",)
        row["differs"] = {name: row[name] - rows[0][name] for name in same}
    return rows
