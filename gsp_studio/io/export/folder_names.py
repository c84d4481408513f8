"""Names of export folders, and the runs that lie there already."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gsp_studio.io.atomic import ExportError
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.run_json import RUN, read_run
from gsp_studio.io.run_record import ExportedRun, RunRecord
from gsp_studio.io.swap import complete

_PLACES = ("data", "method", "rank", "sparsity", "seed", "error")


def folder_name(template: str, dataset: Dataset, run: ExportedRun) -> str:
    """The name of an export's folder from a template.

    Parameters
    ----------
    template : str
        With any of {data}, {method}, {rank}, {sparsity}, {seed}, {error}.

    Raises
    ------
    ExportError
        Another place in braces.

    Examples
    --------
    >>> named("{data}-{method}-s{sparsity}", dataset, run)  # doctest: +SKIP
    'faces-psnmf-s0.85'
    """
    params = run.start
    places = {
        "data": name_of(dataset),
        "method": params.method,
        "rank": params.rank,
        "sparsity": f"{params.sparsity:g}",
        "seed": params.seed,
        "error": f"{100 * run.result.error:.2f}",
    }
    return fill_template(template, places)


def name_of(dataset: Dataset) -> str:
    """{data} of a data set: the name of its file, also where that holds several arrays."""
    return name_of_data(dataset.source or dataset.name)


def name_of_data(path: str) -> str:
    """The name of a file or folder as that of an export: without its suffix, and nothing that means another place."""
    found = Path(path).absolute()
    stem = found.name if os.path.isdir(found) else found.stem
    name = re.sub(r"[^\w.-]+", "-", stem).strip(".")[:80].rstrip(".")
    return name if re.search(r"\w", name) else "data"


def holds_another(folder: Path, run: RunRecord, n_iter: int | None = None) -> str:
    """The run in a folder, in words, where it is another one than what is to be exported there; else "".

    Parameters
    ----------
    folder : Path
    run : RunRecord
        The run to be exported.
    n_iter : int, optional
        Iterations that it has done: a longer run is not replaced by a shorter one.
    """
    complete(folder)  # where a kill came between two moves, run.json is still to be moved
    if not (folder / RUN).exists():
        return ""
    try:
        there = read_run(folder)
    except ExportError:
        return "another run, which cannot be read"
    told = there.content
    is_same = there.is_repeated_by(run)
    if is_same and (n_iter is None or told["result"]["iterations"] <= n_iter):
        return ""
    kind = "more iterations of this run" if is_same else "another run"
    return f"{kind} ({there.start.method}, rank {there.start.rank}, of {told['data']['name']})"


def free_folder(folder: Path) -> Path:
    """A folder beside one that is taken: its name with -2, -3, ..."""
    return next(path for k in itertools.count(2) if not (path := folder.with_name(f"{folder.name}-{k}")).exists())


def check_name(template: str) -> None:
    """Raise ExportError when `folder_name` would, before there is a run."""
    fill_template(template, dict.fromkeys(_PLACES, "x"))


def fill_template(template: str, places: Mapping[str, Any]) -> str:
    """A template with its places filled in; ExportError for others in braces."""
    try:
        return template.format_map(places)
    except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
        accepted = ", ".join(f"{{{name}}}" for name in _PLACES)
        raise ExportError(f'the name "{template}" cannot be made; accepted places are {accepted}') from error
