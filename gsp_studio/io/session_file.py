"""The session file: data by link or copied in, all runs with their factors, weights, and what the window shows.

HDF5. A group a run, so that a damaged file can be read as far as it goes; texts are JSON. What repeats a run is what
run.json has, from the same functions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import careful_hdf5, write_whole
from gsp_studio.io.axes import AxisError, as_axes
from gsp_studio.io.dataset import Dataset, DatasetError, LoadOptions
from gsp_studio.io.hdf5_content import (
    DAMAGE,
    SessionError,
    group_of,
    names_of,
    read_array,
    read_text,
    write_array,
    write_text,
)
from gsp_studio.io.paths import check_regular
from gsp_studio.io.run_json import describe_data
from gsp_studio.io.saved_run import SavedRun, read_from, write_into
from gsp_studio.io.schema import (
    AboutContent,
    DataContent,
    ImagesContent,
    SchemaError,
    conform,
    options_from,
)
from gsp_studio.io.versions import software_versions

#: Files of format 1 describe runs in terms of their own.
FORMAT = 2
PROGRAM = "gsp-studio session"
SUFFIX = ".gsps"


class ImagesMissing(SessionError):
    """The images of a session are not where they were; `source` is where that was."""

    def __init__(self, message: str, source: str) -> None:
        super().__init__(message)
        self.source = source


@dataclass(frozen=True, eq=False)
class SavedSession:
    """A session as it is kept.

    Attributes
    ----------
    data : dict
        The data as `describe_data` gives them; empty without any.
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
        return options_from(self.data["options"])

    def find_data(self, beside: Path) -> Path:
        """Find the path of the data.

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
        write_text(file, "about", {"program": PROGRAM, "format": FORMAT, "versions": software_versions()})
        data = dict(session.data)
        if data:
            data["relative"] = _relative(data["source"], path)
        write_text(file, "data", data)
        write_text(file, "state", session.state)
        if session.weights is not None:
            write_array(file, "weights", session.weights)
        if session.dataset is not None:
            _write_dataset(file.create_group("images"), session.dataset)
        runs = file.create_group("runs")
        for saved in session.runs:
            check()
            write_into(runs.create_group(f"{saved.number:06d}"), saved)

    write_whole(path, lambda temporary: careful_hdf5(temporary, write))


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
    check_regular(path, SessionError)
    try:
        file = h5py.File(path, "r")
    except PermissionError as error:
        raise SessionError(f"{path} cannot be read: {os.strerror(error.errno or 13)}") from error
    except DAMAGE as error:
        raise SessionError(f"{path} is not a session of GSP Studio, or is damaged") from error
    with file:
        try:
            about = conform(read_text(file, "about"), AboutContent)
        except DAMAGE as error:
            raise SessionError(f"{path} is not a session of GSP Studio, or is damaged") from error
        if about.program != PROGRAM:
            raise SessionError(f"{path} is not a session of GSP Studio")
        if about.format > FORMAT:
            raise SessionError(f"{path} was written by a newer version of GSP Studio; update to open it")
        return _read(file)


def _read(file: h5py.File) -> SavedSession:
    problems: list[str] = []

    def attempt(what: str, read: Callable[[], Any], default: Any) -> Any:
        try:
            return read()
        except (SchemaError, DatasetError, AxisError) as error:
            problems.append(f"{what} cannot be read: {error}")
        except DAMAGE:
            problems.append(f"{what} cannot be read: the file is damaged")
        return default

    data = attempt("where the data lie", lambda: _read_data(file), {})
    state = attempt("what the window showed", lambda: read_text(file, "state"), {})
    weights = attempt("the painted weights", lambda: _read_weights(file), None)
    dataset = attempt("the copy of the images", lambda: _read_dataset(file, data), None)
    names = attempt("the list of runs", lambda: names_of(file, "runs"), [])
    runs: dict[int, SavedRun] = {}
    for name in names:
        saved = attempt(f"run {name.lstrip('0')}", partial(_read_run_of, file, name), None)
        if saved is not None and saved.number in runs:
            free = max(runs) + 1
            problems.append(f"the number of run {saved.number} is that of another one: now {free}")
            saved = replace(saved, number=free)
        if saved is not None:
            runs[saved.number] = saved
    return SavedSession(
        data=data,
        dataset=dataset,
        runs=tuple(runs.values()),
        weights=weights,
        state=state,
        problems=tuple(problems),
    )


def _read_data(file: h5py.File) -> dict[str, Any]:
    """Entry of the data, checked; empty where there are none."""
    content = read_text(file, "data")
    if content:
        options_from(conform(content, DataContent).options)
    elif content != {}:
        raise SchemaError("its value is not a set of named values")
    return dict(content)


def _read_weights(file: h5py.File) -> Array | None:
    if "weights" not in file:
        return None
    weights = read_array(file, "weights")
    if weights.ndim != 1 or weights.dtype.kind != "f" or not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise SchemaError("they are no vector of finite numbers >= 0")
    return weights


def _read_run_of(file: h5py.File, name: str) -> SavedRun:
    return read_from(group_of(group_of(file, "runs"), name))


# Data


def describe(dataset: Dataset) -> dict[str, Any]:
    """Entry of data that are linked."""
    return json.loads(json.dumps(describe_data(dataset)))  # type: ignore[no-any-return]


def _write_dataset(group: h5py.Group, dataset: Dataset) -> None:
    write_array(group, "X", dataset.X[:, :])
    about = {
        "names": list(dataset.names),
        "labels": None if dataset.labels is None else list(dataset.labels),
        "options": asdict(dataset.options),
        "whole": dataset.whole,
    }
    write_text(group, "about", about)


def _read_dataset(file: h5py.File, data: dict[str, Any]) -> Dataset | None:
    if "images" not in file:
        return None
    group, told = group_of(file, "images"), conform(data, DataContent)
    about = conform(read_text(group, "about"), ImagesContent)
    return Dataset(
        X=read_array(group, "X"),
        image_shape=told.image_shape,
        order=told.order,
        name=told.name,
        names=about.names,
        labels=about.labels,
        source=told.source,
        steps=told.steps,
        options=options_from(about.options),
        notes=told.notes,
        channels=told.channels,
        grid=told.grid,
        whole=about.whole,
        axes=as_axes(told.axes),
    )
