"""Grids of runs that differ in rank, sparsity and seed alone, and the folders that keep the finished ones.

A folder is named by a digest of all that its runs share: the data, the other parameters, what computes, the program's
version. So the next grid on the same data, with the same method, finds the runs that were computed before.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.nmf import METHODS, Params, check_params
from gsp_studio.experiments.runs import describe, digest_of, plain
from gsp_studio.io.atomic import WriteError, write_whole
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.hdf5_content import SessionError
from gsp_studio.io.run_json import DAMAGE, arrays_among, describe_data, params_json
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.saved_run import SavedRun, read_run, write_run
from gsp_studio.io.schema import INPUTS, params_from
from gsp_studio.io.versions import software_versions

FORMAT = 1
ABOUT = "sweep.json"
#: Seconds after which a partial file counts as left behind.
_STALE = 3600.0
#: Parameters in which the runs of a grid differ.
_AXES = ("rank", "sparsity", "seed")


@dataclass(frozen=True, order=True)
class Cell:
    """One run of a grid; `sparsity` is None where the method has no target."""

    rank: int
    sparsity: float | None
    seed: int

    @property
    def name(self) -> str:
        """Name of its file, without the suffix: no two runs of a grid have the same."""
        target = "" if self.sparsity is None else f"-s{self.sparsity!r}"
        return f"rank{self.rank}{target}-seed{self.seed}"

    def __str__(self) -> str:
        target = "" if self.sparsity is None else f", s = {self.sparsity:g}"
        return f"rank {self.rank}{target}, seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """Runs to do: all ranks with all sparsities with all seeds.

    Attributes
    ----------
    base : Params
        All that the runs share; its rank, sparsity and seed do not count.
    ranks : sequence of int
    sparsities : sequence of float
        Without meaning where the method has no target.
    seeds : sequence of int

    Raises
    ------
    ValueError
        An axis with nothing on it, or a method that is not known.
    """

    base: Params
    ranks: Sequence[int]
    sparsities: Sequence[float]
    seeds: Sequence[int] = (0,)
    has_target: bool = field(init=False)

    def __post_init__(self) -> None:
        if self.base.method not in METHODS:
            unknown = f'method "{self.base.method}" is not known; accepted are {", ".join(METHODS)}'
            raise ValueError(METHODS.reason(self.base.method) or unknown)
        has_target = METHODS[self.base.method].uses_sparsity
        axes = {
            "ranks": tuple(sorted({int(rank) for rank in self.ranks})),
            "sparsities": tuple(sorted({float(s) for s in self.sparsities})) if has_target else (),
            "seeds": tuple(sorted({int(seed) for seed in self.seeds})),
        }
        for name, values in axes.items():
            if not values and (has_target or name != "sparsities"):
                raise ValueError(f"a sweep needs {name}; there are none")
            object.__setattr__(self, name, values)
        object.__setattr__(self, "has_target", has_target)
        object.__setattr__(self, "base", replace(self.base, rank=self.ranks[0], seed=self.seeds[0]))

    @property
    def targets(self) -> tuple[float | None, ...]:
        """The columns of the map: the sparsities, or None alone where the method has no target."""
        return tuple(self.sparsities) if self.has_target else (None,)

    @functools.cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Cells in the order of computation: the first seed of all before the second of any."""
        return tuple(Cell(rank, s, seed) for seed in self.seeds for rank in self.ranks for s in self.targets)

    def params_of(self, cell: Cell) -> Params:
        """The parameters of a run."""
        params = replace(self.base, rank=cell.rank, seed=cell.seed)
        return params if cell.sparsity is None else replace(params, sparsity=cell.sparsity)

    def check(self, m: int, n: int) -> None:
        """Raise ValueError, in one sentence, unless (m, n) data can have all of these runs."""
        for rank in self.ranks:
            for s in self.targets:
                for seed in self.seeds:
                    check_params(self.params_of(Cell(rank, s, seed)), m, n)


@dataclass(frozen=True)
class Numbers:
    """Numbers of a finished run for a map: error (a fraction), attained sparsity, seconds computing, iterations."""

    error: float
    sparsity: float
    seconds: float
    n_iter: int


@dataclass(frozen=True, eq=False)
class GridFolder:
    """Folder of the runs that share all but rank, sparsity and seed.

    Parameters
    ----------
    root : Path
        Where such folders lie; it need not be there yet.
    data : str
        Fingerprint of the data.
    base : Params
    backend : str
        A backend's name; "auto" would not say what computes.
    mask : ndarray (m, n) of bool or floating numbers, optional
        True where an entry is missing; or what entries count, from 0, missing, to 1.
    """

    root: Path
    data: str
    base: Params
    backend: str
    mask: Array | None = None

    @functools.cached_property
    def folder(self) -> Path:
        """Name of the folder: the method, to be readable, and the digest."""
        shared = describe(self.data, self.base, self.backend, without=_AXES)
        digest = digest_of({"sweep": FORMAT, **shared, "mask": plain(self.mask)})
        return self.root / f"{self.base.method}-{digest[:16]}"

    def path(self, cell: Cell) -> Path:
        """Path of a finished run."""
        return self.folder / f"{cell.name}.h5"

    def keep(self, cell: Cell, run: ExportedRun) -> Numbers:
        """Write a finished run, all of it or nothing; WriteError in one sentence."""
        write_run(self.path(cell), SavedRun(0, run))
        return _numbers(run)

    def read(self, cell: Cell) -> SavedRun:
        """A finished run.

        Raises
        ------
        SessionError
            It is not there, it is damaged, or it is the run of another cell.
        """
        return _read(self.path(cell), cell, self.base.method)

    def numbers(self, cell: Cell) -> Numbers | None:
        """Numbers of a finished run; None where its file is missing or damaged, and it is to be computed."""
        try:
            path = self.path(cell)
            told = path.stat()
            return _read_numbers(path, cell, self.base.method, told.st_mtime_ns, told.st_size)
        except (OSError, SessionError):
            return None

    def write_about(self, dataset: Dataset, grid: Grid) -> None:
        """Write beside the runs their data, their common parameters, and the last grid; WriteError where that fails."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"{self.folder} cannot be made: {error.strerror or error}") from error
        self._tidy()
        arrays = arrays_among(grid.base, "base") | ({} if self.mask is None else {"mask": self.mask})
        if arrays:
            content = io.BytesIO()  # NumPy does not say why a file cannot be written
            np.savez_compressed(content, **cast(Any, arrays))
            write_whole(self.folder / INPUTS, lambda path: path.write_bytes(content.getvalue()))
        about = {
            "format": FORMAT,
            "program": "gsp-studio sweep",
            "data": describe_data(dataset),
            "base": params_json(grid.base, "base"),
            "ranks": grid.ranks,
            "sparsities": grid.sparsities,
            "seeds": grid.seeds,
            "backend": self.backend,
            "versions": software_versions(),
        }
        text = json.dumps(about, indent=2)
        write_whole(self.folder / ABOUT, lambda path: path.write_text(text, encoding="ascii"))

    def _tidy(self) -> None:
        """Remove files that a killed process had begun to write; no write takes so long."""
        for part in self.folder.glob(".*.part"):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > _STALE:
                    part.unlink()


def _numbers(run: ExportedRun) -> Numbers:
    result = run.result
    return Numbers(result.error, result.sparsity, float(result.history.seconds[-1]), result.n_iter)


def _read(path: Path, cell: Cell, method: str) -> SavedRun:
    if not path.exists():
        raise SessionError(f"{path} does not exist; that run is not finished")
    saved = read_run(path)
    start = saved.run.start
    found = Cell(start.rank, None if cell.sparsity is None else start.sparsity, start.seed)
    if found != cell or start.method != method:
        raise SessionError(f"{path} holds another run than its name says: {found}")
    return saved


@functools.lru_cache(maxsize=4096)
def _read_numbers(path: Path, cell: Cell, method: str, changed: int, size: int) -> Numbers:
    """Once for each file as it is: all of it is read, which is what finds damage."""
    return _numbers(_read(path, cell, method).run)


def last_grid(root: Path, fingerprint: str) -> Grid | None:
    """Read the last grid on these data, of those under `root`; None where there is none to be read."""
    found = []
    for about in root.glob(f"*/{ABOUT}"):
        try:
            content = json.loads(about.read_text(encoding="utf-8"))
            if content["data"]["fingerprint"] == fingerprint and content["format"] <= FORMAT:
                found.append((about.stat().st_mtime_ns, about.parent, content))
        except (OSError, *DAMAGE, TypeError):
            continue
    for _, folder, content in sorted(found, key=lambda one: one[0], reverse=True):
        try:
            arrays = {}
            if (folder / INPUTS).exists():
                with (folder / INPUTS).open("rb") as file, np.load(file, allow_pickle=False) as archive:
                    arrays = dict(archive)
            base = params_from(content["base"], arrays)
            return Grid(base, content["ranks"], content["sparsities"], content["seeds"])
        except (OSError, *DAMAGE, TypeError, AttributeError):
            continue
    return None
