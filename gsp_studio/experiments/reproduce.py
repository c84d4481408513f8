"""The paper's figures, from the runs to the files.

Runs are kept in the folder's ``runs``, so a figure that was interrupted goes on, and one that needs the runs of
another in the same folder takes them. The files of a figure are all written or none; run.json describes each figure in
the folder.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from gsp_studio.experiments.contents import Content, notes_on
from gsp_studio.experiments.figures import FIGURES, Settings
from gsp_studio.experiments.runs import FinishedRun, Task
from gsp_studio.experiments.solver_pool import Machine, solve_all
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.export.run_folder import check_directory, write_together
from gsp_studio.io.run_json import DAMAGE, FORMAT, PROGRAM, RUN, describe_data, write_json
from gsp_studio.io.versions import software_versions

RUNS = "runs"


@dataclass(frozen=True, eq=False)
class ReproducedFigure:
    """A figure that was made: what it shows, and its files."""

    content: Content
    paths: tuple[Path, ...]


def check_figure(name: str, directory: str | os.PathLike[str]) -> None:
    """Check that a figure can be drawn and written into a folder; writes nothing.

    Raises
    ------
    ValueError
        An unknown figure, a folder that cannot be written or that holds something else, or no matplotlib.
    """
    if name not in FIGURES:
        raise ValueError(f'figure "{name}" is not known; accepted are {", ".join(FIGURES)}')
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError('figures need matplotlib, which is not installed; pip install "gsp-studio[figures]" adds it')
    check_directory(directory)
    directory = Path(directory)
    described = _figures_in(directory)
    listed = {file for figure in described.values() for file in figure["files"]}
    for file in _files(name)[:-1]:
        if (directory / file).exists() and file not in listed:
            raise ExportError(f"{directory} already holds {file}, which no figure made there; choose another folder")
    if (directory / RUNS).exists() and not (directory / RUNS).is_dir():
        raise ExportError(f"{directory / RUNS} is a file; the folder of the finished runs has that name")


def reproduce(
    name: str,
    directory: Path,
    settings: Settings,
    dataset: Dataset | None = None,
    machine: Machine | None = None,
    stream: TextIO | None = None,
) -> ReproducedFigure:
    """Do the runs of a figure that are not there yet, draw it, and write its files.

    Parameters
    ----------
    name : str
        A key of `FIGURES`.
    directory : Path
        Made when it is missing.
    settings : Settings
        See `Figure.settings`.
    dataset : Dataset, optional
        Not for a figure of synthetic data.
    machine : Machine, optional
        What is computed does not depend on it.
    stream : text file, optional
        For the progress.

    Returns
    -------
    ReproducedFigure
        Its files: NAME.png, NAME.pdf, NAME.csv and run.json.

    Raises
    ------
    Interrupted
        Ctrl-C; the finished runs are kept in ``directory / "runs"``.
    ValueError, OSError
        Bad settings, or a folder that cannot be written.
    """
    check_figure(name, directory)
    figure = FIGURES[name]
    plan = figure.plan(settings, dataset)
    finished = solve_all(plan.tasks, plan.data, directory / RUNS, machine, stream)
    if figure.further is not None:
        finished += solve_all(figure.further(finished), plan.data, directory / RUNS, machine, stream)
    content = figure.show(finished, settings, dataset)
    common = _common_params([run.task for run in finished])
    described = {
        "shows": figure.summary,
        "settings": {k: v for k, v in asdict(settings).items() if dataset is None or k != "dtype"},
        "data": _describe_data(dataset, plan.tasks),
        "methods": common,
        "runs": [_describe_run(run, common[run.task.params.method]) for run in finished],
        "result": content.summary(),
        "notes": notes_on(common),
        "deterministic": "the same bits on processors of the same type, however many processes and threads",
        "versions": software_versions() | {"matplotlib": version("matplotlib")},
        "platform": platform.platform(),
        "files": _files(name)[:-1],
    }
    return ReproducedFigure(content, tuple(_write(name, directory, content, described)))


def _files(name: str) -> list[str]:
    """Its files, run.json last: that one is there when all others are."""
    return [f"{name}.png", f"{name}.pdf", f"{name}.csv", RUN]


def _write(name: str, directory: Path, content: Content, described: dict[str, Any]) -> list[Path]:
    from gsp_studio.experiments.plots import save_figure

    figures = _figures_in(directory) | {name: described}
    files = [file for figure in figures.values() for file in figure["files"]]
    whole = {"format": FORMAT, "program": PROGRAM, "figures": figures, "files": [*files, RUN]}
    writers: dict[str, Callable[[Path], None]] = {
        f"{name}.png": lambda path: save_figure(content, path),
        f"{name}.pdf": lambda path: save_figure(content, path),
        f"{name}.csv": lambda path: _write_table(content.table(), path),
        RUN: lambda path: write_json(path, whole),
    }
    return write_together(directory, writers)


def _write_table(rows: Sequence[Sequence[Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _figures_in(directory: Path) -> dict[str, dict[str, Any]]:
    """Read the figures in the run.json of a folder; ExportError where it describes something else."""
    path = directory / RUN
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        figures: dict[str, dict[str, Any]] = content["figures"]
        for figure in figures.values():
            [str(file) for file in figure["files"]]
        return figures
    except FileNotFoundError:
        return {}
    except (OSError, *DAMAGE, TypeError, AttributeError, RecursionError) as error:
        raise ExportError(f"{path} is not that of figures but of something else; choose another folder") from error


def _describe_data(dataset: Dataset | None, tasks: Sequence[Task]) -> dict[str, Any]:
    if dataset is None:
        return {
            "synthetic": "max(0, N(0, 1)) (100 x 10) times U(0, 1) (10 x 100), numpy.random.default_rng((seed, 1))",
            "fingerprints": list(dict.fromkeys(task.data for task in tasks)),
        }
    return describe_data(dataset)


def _common_params(tasks: Sequence[Task]) -> dict[str, dict[str, Any]]:
    """The parameters that all runs of a method share."""
    common: dict[str, dict[str, Any]] = {}
    for task in tasks:
        params = task.describe()["params"]
        shared = common.setdefault(task.params.method, params)
        common[task.params.method] = {name: value for name, value in shared.items() if params[name] == value}
    return common


def _describe_run(run: FinishedRun, common: dict[str, Any]) -> dict[str, Any]:
    """A run, with the parameters that it does not have in common with the others of its method."""
    own = {name: value for name, value in run.task.describe()["params"].items() if name not in common}
    if "sparsity" in own:
        own["target"] = own.pop("sparsity")
    if "weights" in common and common["weights"] is not None:
        own["weights"] = "in the column weight of the CSV"
    return {
        "method": run.task.params.method,
        "seed": run.task.params.seed,
        **own,
        "data": run.task.data,
        "backend": run.task.backend,
        "error": run.best_error,
        "sparsity": run.best_sparsity,
        "best_iteration": run.best_iter,
        "iterations": len(run.error),
        "seconds": run.seconds,
        "file": f"{RUNS}/{run.task.key}.npz",
    }
