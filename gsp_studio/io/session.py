"""The session file: data by link or copied in, all runs with their factors, weights, and what the window shows.

HDF5. A group a run, so that a damaged file can be read as far as it goes; texts are JSON. What repeats a run is what
run.json has, from the same functions.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gsp_studio.core.metrics import GramError
from gsp_studio.core.nmf import History, Params, Result, Stop
from gsp_studio.core.units import Unit
from gsp_studio.io.atomic import CarefulFile, write_whole
from gsp_studio.io.dataset import Dataset, DatasetError, LoadOptions, one_line
from gsp_studio.io.runfile import (
    ExportedRun,
    array_fields,
    arrays_among,
    arrays_of,
    change_from,
    change_json,
    describe_data,
    params_from,
    params_json,
    software_versions,
)

Array = npt.NDArray[Any]

FORMAT = 1
PROGRAM = "gsp-studio session"
SUFFIX = ".gsps"
_HISTORY = ("n_iter", "error", "sparsity", "target", "seconds")
#: What h5py raises for files that are damaged, and Python for texts that are.
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, RecursionError)
#: Bytes from which on an array is compressed.
_WORTHWHILE = 1 << 14


class SessionError(ValueError):
    """A session that cannot be read; the message is one sentence: what, where and why."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ImagesMissing(SessionError):
    """The images of a session are not where they were; `source` is where that was."""

    def __init__(self, message: str, source: str) -> None:
        super().__init__(message)
        self.source = source


@dataclass(frozen=True, eq=False)
class SavedRun:
    """A run as a session keeps it.

    Attributes
    ----------
    number : int
    run : ExportedRun
        All that repeats it, and its result.
    details : dict
        What the app knows besides, plain JSON: its choice, its note, the texts of its interventions.
    arrays : dict of str to ndarray
        Arrays that the app knows besides. Versions that do not know them leave them out, and the run opens; so it
        does where they are damaged.
    """

    number: int
    run: ExportedRun
    details: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SavedSession:
    """A session as it is kept.

    Attributes
    ----------
    data : dict
        As `describe_data` tells of the data; empty without any.
    dataset : Dataset or None
        The data themselves where they are copied in.
    runs : tuple of SavedRun
    weights : ndarray (m,) or None
    state : dict
        What the window showed, plain JSON.
    problems : tuple of str
        What could not be read of a damaged file, a sentence each.
    """

    data: dict[str, Any] = field(default_factory=dict)
    dataset: Dataset | None = None
    runs: tuple[SavedRun, ...] = ()
    weights: Array | None = None
    state: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def options(self) -> LoadOptions:
        """``load_dataset(source, options)`` gives the data, if they have not changed."""
        return LoadOptions(**self.data["options"])

    def find_data(self, beside: Path) -> Path:
        """Where the data lie now.

        Parameters
        ----------
        beside : Path
            The session's own file: data that were moved along with it are found.

        Raises
        ------
        ImagesMissing
            They are neither where they were nor where they were seen from the session.
        """
        tried = [Path(self.data["source"])]
        if self.data.get("relative"):
            tried.insert(0, beside.parent / self.data["relative"])
        for path in tried:
            if path.exists():
                return path
        listed = " and ".join(dict.fromkeys(map(str, tried)))
        message = f"the images of {beside.name} are not there any more; looked for at {listed}"
        raise ImagesMissing(message, str(self.data["source"]))


def write_session(path: Path, session: SavedSession) -> None:
    """Write a session file, all of it or nothing.

    Parameters
    ----------
    path : Path
    session : SavedSession
        With `dataset`, the data are copied in.

    Raises
    ------
    WriteError
    """

    def write(file: h5py.File, check: Callable[[], None]) -> None:
        _write_text(file, "about", {"program": PROGRAM, "format": FORMAT, "versions": software_versions()})
        data = dict(session.data)
        if data:
            data["relative"] = _relative(data["source"], path)
        _write_text(file, "data", data)
        _write_text(file, "state", session.state)
        if session.weights is not None:
            _write_array(file, "weights", session.weights)
        if session.dataset is not None:
            _write_dataset(file.create_group("images"), session.dataset)
        runs = file.create_group("runs")
        for saved in session.runs:
            check()
            _write_run(runs.create_group(f"{saved.number:06d}"), saved)

    _write_file(path, write)


def _relative(source: str, path: Path) -> str:
    try:
        return os.path.relpath(source, path.absolute().parent)
    except ValueError:  # another drive
        return ""


def read_session(path: Path) -> SavedSession:
    """Read a session file; of a damaged one what can be read.

    Raises
    ------
    SessionError
        Another kind of file, one of a newer version, or one that is damaged where it begins.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise SessionError(f"{path} does not exist") from error
    except _DAMAGE as error:
        raise SessionError(f"{path} is not a session of GSP Studio, or is damaged") from error
    with file:
        try:
            about = _read_text(file, "about")
            program, version = about["program"], int(about["format"])
        except _DAMAGE as error:
            raise SessionError(f"{path} is not a session of GSP Studio, or is damaged") from error
        if program != PROGRAM:
            raise SessionError(f"{path} is not a session of GSP Studio")
        if version > FORMAT:
            raise SessionError(f"{path} was written by a newer version of GSP Studio; update to open it")
        return _read(file)


def _read(file: h5py.File) -> SavedSession:
    problems: list[str] = []

    def attempt(what: str, read: Callable[[], Any], default: Any) -> Any:
        try:
            return read()
        except _DAMAGE:
            problems.append(f"{what} cannot be read: the file is damaged")
            return default

    data = attempt("where the data lie", lambda: _read_text(file, "data"), {})
    state = attempt("what the window showed", lambda: _read_text(file, "state"), {})
    weights = attempt("the painted weights", lambda: _read_array(file["weights"]) if "weights" in file else None, None)
    dataset = attempt(
        "the copy of the images", lambda: _read_dataset(file["images"], data) if "images" in file else None, None
    )
    names = attempt("the list of runs", lambda: sorted(file["runs"]), [])
    runs = [attempt(f"run {name.lstrip('0')}", partial(_read_run_of, file, name), None) for name in names]
    return SavedSession(
        data=data,
        dataset=dataset,
        runs=tuple(run for run in runs if run is not None),
        weights=weights,
        state=state,
        problems=tuple(problems),
    )


def _read_run_of(file: h5py.File, name: str) -> SavedRun:
    return _read_run(file["runs"][name])


# Runs


def write_run(path: Path, saved: SavedRun) -> None:
    """Write one run into a file of its own, all of it or nothing; WriteError in one sentence."""

    _write_file(path, lambda file, check: _write_run(file, saved))


def read_run(path: Path) -> SavedRun:
    """Read what `write_run` wrote; SessionError in one sentence."""
    try:
        with h5py.File(path, "r") as file:
            return _read_run(file)
    except _DAMAGE as error:
        raise SessionError(f"{path} is not a run of GSP Studio, or is damaged") from error


def _write_run(group: h5py.Group, saved: SavedRun) -> None:
    run, result = saved.run, saved.run.result
    inputs, last = arrays_of(run), params_json(result.params, "start")
    for name in array_fields(result.params):
        if getattr(result.params, name) is not getattr(run.start, name):  # most runs end with what they began with
            alone = replace(Params(result.params.rank), **{name: getattr(result.params, name)})
            inputs |= arrays_among(alone, "last")
            last[name] = params_json(alone, "last")[name]
    content = {
        "number": saved.number,
        "start": params_json(run.start, "start"),
        "interventions": [
            {"after_iteration": n_iter, **change_json(change, f"step{i}")}
            for i, (n_iter, change) in enumerate(run.interventions)
        ],
        "reason": run.reason,
        "backend": run.backend,
        "threads": run.threads,
        "has_mask": run.mask is not None,
        "fingerprint": run.fingerprint,
        "versions": dict(run.versions),
        "result": {
            "error": result.error,
            "sparsity": result.sparsity,
            "n_iter": result.n_iter,
            "best_iter": result.best_iter,
            "backend": result.backend,
            "sparsity_h": result.sparsity_h,
            "dead": list(result.dead),
            "stop": None if result.stop is None else result.stop.value,
            "params": last,
            "x_norm2": result.gram.x_norm2,
            "of": result.gram.of,
            "unit": [result.gram.unit.basis, result.gram.unit.coefficients],
        },
        "details": saved.details,
    }
    _write_text(group, "content", content)
    for name in ("W", "H", "dense"):
        _write_array(group, name, getattr(result, name))
    _write_array(group, "XHt", result.gram.A)
    _write_array(group, "HHt", result.gram.G)
    history = group.create_group("history")
    for name in _HISTORY:
        _write_array(history, name, getattr(result.history, name))
    for title, several in (("inputs", inputs), ("beside", saved.arrays)):
        arrays = group.create_group(title)
        for name, values in several.items():
            _write_array(arrays, name, values)


def _read_run(group: h5py.Group) -> SavedRun:
    content = _read_text(group, "content")
    inputs = {name: _read_array(group["inputs"][name]) for name in group["inputs"]}
    start = params_from(content["start"], inputs)
    told = content["result"]
    history = History(*(_read_array(group["history"][name]) for name in _HISTORY))
    last: Params = params_from(told["params"], inputs)
    if not isinstance(start.init, str) and not isinstance(last.init, str):
        last = replace(last, init=start.init)  # one object through the whole run
    result = Result(
        W=_read_array(group["W"]),
        H=_read_array(group["H"]),
        error=float(told["error"]),
        sparsity=float(told["sparsity"]),
        n_iter=int(told["n_iter"]),
        best_iter=int(told["best_iter"]),
        history=history,
        params=last,
        backend=str(told["backend"]),
        dense=_read_array(group["dense"]),
        gram=GramError(
            _read_array(group["XHt"]),
            _read_array(group["HHt"]),
            float(told["x_norm2"]),
            told["of"],
            Unit(*map(int, told.get("unit", (0, 0)))),
        ),
        sparsity_h=float(told["sparsity_h"]),
        dead=tuple(map(int, told["dead"])),
        stop=None if told["stop"] is None else Stop(told["stop"]),
    )
    run = ExportedRun(
        result=result,
        start=start,
        interventions=tuple(
            (int(step["after_iteration"]), change_from(step, inputs, start)) for step in content["interventions"]
        ),
        reason=str(content["reason"]),
        backend=str(content["backend"]),
        threads=content["threads"],
        mask=inputs["mask"] if content["has_mask"] else None,
        # The first session files say these two of the session alone.
        fingerprint=str(content.get("fingerprint", "")),
        versions=dict(content.get("versions", {})),
    )
    return SavedRun(int(content["number"]), run, dict(content["details"]), _read_beside(group))


def _read_beside(group: h5py.Group) -> dict[str, Array]:
    """Arrays that the app knows besides, those that can be read; older files have none."""
    found = {}
    for name in group.get("beside", ()):
        with contextlib.suppress(*_DAMAGE):
            found[name] = _read_array(group["beside"][name])
    return found


# Data


def describe(dataset: Dataset) -> dict[str, Any]:
    """What a session keeps of data that are linked."""
    return json.loads(json.dumps(describe_data(dataset)))  # type: ignore[no-any-return]


def _write_dataset(group: h5py.Group, dataset: Dataset) -> None:
    _write_array(group, "X", dataset.X[:, :])
    about = {
        "names": list(dataset.names),
        "labels": None if dataset.labels is None else list(dataset.labels),
        "options": asdict(dataset.options),
    }
    _write_text(group, "about", about)


def _read_dataset(group: h5py.Group, data: dict[str, Any]) -> Dataset:
    about = _read_text(group, "about")
    try:
        return Dataset(
            X=_read_array(group["X"]),
            image_shape=tuple(data["image_shape"]),
            order=data["order"],
            name=data["name"],
            names=tuple(about["names"]),
            labels=None if about["labels"] is None else tuple(about["labels"]),
            source=data["source"],
            steps=tuple(data["steps"]),
            options=LoadOptions(**about["options"]),
            notes=tuple(data["notes"]),
            channels=data["channels"],
            grid=None if data["grid"] is None else tuple(data["grid"]),
        )
    except DatasetError as error:
        raise ValueError(str(error)) from error


# HDF5


def _write_file(path: Path, write: Callable[[h5py.File, Callable[[], None]], None]) -> None:
    """Write an HDF5 file, whole or not at all; `write` gets the file, and what raises when the disk is full."""

    def careful(temporary: Path) -> None:
        with CarefulFile(temporary) as raw:
            with h5py.File(raw, "w") as file:
                write(file, raw.check)
            raw.check()

    write_whole(path, careful)


def _write_text(group: h5py.Group, name: str, content: Any) -> None:
    """JSON as bytes: attributes end at 64 KiB, and file names may hold what is no text."""
    text = json.dumps(content).encode("ascii")
    _write_array(group, name, np.frombuffer(text, np.uint8))


def _read_text(group: h5py.Group, name: str) -> Any:
    return json.loads(bytes(np.asarray(group[name][()], np.uint8)).decode("ascii"))


def _write_array(group: h5py.Group, name: str, values: Array) -> None:
    """An array with its bits and its order in memory."""
    values = np.asarray(values)
    is_fortran = values.ndim == 2 and values.flags.f_contiguous and not values.flags.c_contiguous
    stored = values.T if is_fortran else values
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if values.nbytes >= _WORTHWHILE else {}
    made = group.create_dataset(name, data=stored, fletcher32=values.nbytes >= _WORTHWHILE, **packed)
    made.attrs["fortran"] = is_fortran


def _read_array(item: h5py.Dataset) -> Array:
    if item.external is not None or item.is_virtual:
        raise ValueError("its values are in another file")
    values: Array = item[()]
    return values.T if item.attrs.get("fortran", False) else values
