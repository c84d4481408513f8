"""Many runs of the solver, finished ones kept on disk: what was computed once is not computed again.

A run is named by a digest of all that its bits depend on: parameters, data, backend and the program's version. Threads
and processes are not among these, as the bits do not depend on them. A file of a run appears when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio import __version__
from gsp_studio.arrays import Array
from gsp_studio.backends import get_backend
from gsp_studio.backends.blocks import Matrix
from gsp_studio.core.nmf import Iterate, Params, factorize
from gsp_studio.core.residuals import error_map
from gsp_studio.io.run_json import DAMAGE

#: Of the files of runs; another number when what they hold changes.
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Task:
    """A run to do.

    Attributes
    ----------
    data : str
        Fingerprint of X.
    params : Params
    backend : str
        A backend's name; "auto" would not say what computes.
    """

    data: str
    params: Params
    backend: str

    def describe(self) -> dict[str, Any]:
        """Describe everything that the bits of the run depend on, for JSON; arrays as their digests."""
        return {"format": FORMAT, **describe(self.data, self.params, self.backend)}

    @property
    def key(self) -> str:
        """The run's name: 32 hexadecimal digits."""
        return digest_of(self.describe())

    def path(self, folder: Path) -> Path:
        """Path of the finished run."""
        return folder / f"{self.key}.npz"


def describe(data: str, params: Params, backend: str, without: Collection[str] = ()) -> dict[str, Any]:
    """Describe everything that the bits of runs depend on, for JSON.

    Parameters
    ----------
    data : str
        Fingerprint of X.
    params : Params
    backend : str
    without : collection of str
        Parameters that are left out: those in which the runs of a group differ.
    """
    values = {field.name: plain(getattr(params, field.name)) for field in fields(params) if field.name not in without}
    return {"version": __version__, "data": data, "backend": backend, "params": values}


def digest_of(content: dict[str, Any]) -> str:
    """32 hexadecimal digits that stand for plain JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def plain(value: Any) -> Any:
    """Value of a parameter for JSON; arrays as their digests."""
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(f"{value.shape} {value.dtype.str}".encode() + np.ascontiguousarray(value).tobytes())
        return {"sha256": digest.hexdigest()}
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """Stored results of a run.

    Attributes
    ----------
    task : Task
    error, sparsity : ndarray (iterations,)
        After each iteration: the error as a fraction, and the average sparsity of the basis.
    seconds : float
        Time computing.
    W : ndarray (m, r)
        The basis of the best iterate that meets the target.
    best_iter : int
        Its iteration.
    pixel_error : ndarray (m,), float64
        Its squared error at each pixel, the mean over the images.
    """

    task: Task
    error: Array
    sparsity: Array
    seconds: float
    W: Array
    best_iter: int
    pixel_error: Array

    @property
    def best_error(self) -> float:
        """The error of the basis that is kept."""
        return float(self.error[self.best_iter - 1])

    @property
    def best_sparsity(self) -> float:
        """The sparsity of the basis that is kept: the weighted one where the method has weights."""
        return float(self.sparsity[self.best_iter - 1])


def solve(
    task: Task, X: Matrix, threads: int | None = None, on_iterate: Callable[[Iterate], None] | None = None
) -> FinishedRun:
    """Do a run.

    Parameters
    ----------
    task : Task
    X : ndarray (m, n)
        The data of that fingerprint.
    threads : int, optional
        By default all cores.
    on_iterate : callable, optional
        Called with every iterate; what it raises ends the run.

    Returns
    -------
    FinishedRun

    Raises
    ------
    ValueError, BackendUnavailable
        As for `factorize`.
    """
    backend = get_backend(task.backend, threads)
    with backend.scope():  # with one BLAS thread here too: its sums depend on how many there are
        result = factorize(X, task.params, backend, on_iterate)
        pixel_error = error_map(X, result.W, result.H)
    return FinishedRun(
        task=task,
        error=result.history.error,
        sparsity=result.history.sparsity,
        seconds=float(result.history.seconds[-1]),
        W=result.W,
        best_iter=result.best_iter,
        pixel_error=pixel_error,
    )


def save(finished: FinishedRun, folder: Path) -> None:
    """Write a run under its name, complete or not at all.

    Raises
    ------
    OSError
    """
    path = finished.task.path(folder)
    temporary = path.with_name(f".{path.stem}-{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(
                file,
                described=np.array(json.dumps(finished.task.describe(), sort_keys=True)),
                error=finished.error,
                sparsity=finished.sparsity,
                seconds=np.array(finished.seconds),
                W=finished.W,
                best_iter=np.array(finished.best_iter),
                pixel_error=finished.pixel_error,
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(task: Task, folder: Path) -> FinishedRun | None:
    """The run of a task, if it was finished before; None where it was not, or where its file is damaged."""
    try:
        with task.path(folder).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if str(kept["described"]) != json.dumps(task.describe(), sort_keys=True):
                return None
            return FinishedRun(
                task=task,
                error=kept["error"],
                sparsity=kept["sparsity"],
                seconds=float(kept["seconds"]),
                W=kept["W"],
                best_iter=int(kept["best_iter"]),
                pixel_error=kept["pixel_error"],
            )
    except (FileNotFoundError, *DAMAGE):
        return None
