"""One run in an HDF5 file: all that repeats it, its result, and what the app knows besides."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.methods import METHODS
from gsp_studio.core.metrics import GramError, unknown_error
from gsp_studio.core.nmf import History, Params, Record, Result, Stop
from gsp_studio.core.results import HISTORY, WHOLE
from gsp_studio.core.units import Unit
from gsp_studio.io.atomic import careful_hdf5, write_whole
from gsp_studio.io.dataset import DatasetError
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
from gsp_studio.io.run_json import array_fields, arrays_among, arrays_of, describe_run, params_json, record_from
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.schema import (
    INPUTS,
    SavedRunContent,
    SchemaError,
    check_floats,
    check_ranges,
    conform,
    params_from,
    with_start_of,
)

#: The array that pixels were divided by, where they were.
_ROWS = "scale of rows"
#: Columns of the history that files of older versions lack.
_LATER = ("held_out_error", "trial", "follows")


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


def write_run(path: Path, saved: SavedRun) -> None:
    """Write one run into a file of its own, all of it or nothing; WriteError in one sentence."""

    write_whole(path, lambda temporary: careful_hdf5(temporary, lambda file, check: write_into(file, saved)))


def read_run(path: Path) -> SavedRun:
    """Read what `write_run` wrote; SessionError in one sentence."""
    check_regular(path, SessionError)
    try:
        with h5py.File(path, "r") as file:
            return read_from(file)
    except (SchemaError, DatasetError) as error:
        raise SessionError(f"{path} is not a run of GSP Studio, or is damaged: {error}") from error
    except DAMAGE as error:
        raise SessionError(f"{path} is not a run of GSP Studio, or is damaged") from error


def write_into(group: h5py.Group, saved: SavedRun) -> None:
    """Write a run into a group."""
    run, result = saved.run, saved.run.result
    inputs, last = arrays_of(run), params_json(result.params, "start")
    for name in array_fields(result.params):
        if getattr(result.params, name) is not getattr(run.start, name):  # most runs end with what they began with
            alone = replace(Params(result.params.rank), **{name: getattr(result.params, name)})
            inputs |= arrays_among(alone, "last")
            last[name] = params_json(alone, "last")[name]
    told = describe_run(run)
    content = {
        **told,
        "number": saved.number,
        "fingerprint": run.fingerprint,
        "versions": dict(run.versions),
        "result": {
            **told["result"],
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
    write_text(group, "content", content)
    for name in ("W", "H", "dense"):
        write_array(group, name, getattr(result, name))
    write_array(group, "XHt", result.gram.A)
    write_array(group, "HHt", result.gram.G)
    if result.gram.rows is not None:
        write_array(group, _ROWS, result.gram.rows)
    history = group.create_group("history")
    for name in HISTORY:
        write_array(history, name, getattr(result.history, name))
    for title, several in (("inputs", inputs), ("beside", saved.arrays)):
        arrays = group.create_group(title)
        for name, values in several.items():
            write_array(arrays, name, values)


def read_from(group: h5py.Group) -> SavedRun:
    """A run in a group; one of `DAMAGE` where it is damaged, SchemaError where that can be said."""
    content = conform(_as_today(read_text(group, "content")), SavedRunContent)
    inputs = {name: read_array(group_of(group, "inputs"), name) for name in names_of(group, "inputs")}
    record = replace(record_from(content, inputs), fingerprint=content.fingerprint)
    last = params_from(content.result.params, inputs)
    check_ranges(replace(last, init="random"))
    last = with_start_of(last, record.start)
    result, reason = _read_result(group, content, last), content.result.finished
    run = ExportedRun(**vars(record), result=result, reason=reason, versions=content.versions)
    if run.mask is not None and run.mask.shape != (len(run.result.W), len(run.result.H.T)):
        raise SchemaError("its mask has another shape than its data")
    return SavedRun(content.number, run, content.details, _read_beside(group))


def _as_today(content: Any) -> Any:
    """Content of a run as the first format of session files had it, in the terms of run.json."""
    if not isinstance(content, dict) or "start" not in content:
        return content
    result = content["result"]
    ended = {"iterations": result["n_iter"], "best_iteration": result["best_iter"], "finished": content["reason"]}
    return {
        **content,
        "params": content["start"],
        "backend": {"asked": content["backend"], "threads": content["threads"], "computed": result["backend"]},
        "mask": {INPUTS: "mask"} if content["has_mask"] else None,
        "result": {**result, **ended, "seconds": 0.0},
    }


def _read_result(group: h5py.Group, content: SavedRunContent, params: Params) -> Result:
    """Read the end of a run, with arrays whose shapes agree."""
    told = content.result
    W, H = read_array(group, "W"), read_array(group, "H")
    if W.ndim != 2 or H.ndim != 2 or not min(*W.shape, *H.shape):
        raise SchemaError(f"W has shape {W.shape} and H {H.shape}; expected are matrices")
    (m, r), n = W.shape, H.shape[1]
    dense, A, G = (read_array(group, name) for name in ("dense", "XHt", "HHt"))
    for name, matrix in (("W", W), ("H", H), ("dense", dense), ("XHt", A), ("HHt", G)):
        if not np.all(np.isfinite(matrix)):
            raise SchemaError(f"{name} holds values that are not finite")
    try:
        stop = None if told.stop is None else Stop(told.stop)
    except ValueError as error:
        raise SchemaError(f"it stopped for a reason that is not known, {told.stop!r}") from error
    return Result(
        W=check_floats("W", W, (m, r)),
        H=check_floats("H", H, (r, n)),
        error=told.error,
        sparsity=told.sparsity,
        n_iter=told.iterations,
        best_iter=told.best_iteration,
        history=_read_history(group),
        params=params,
        backend=content.backend.computed,
        dense=check_floats("the basis before its projection", dense, (m, r)),
        gram=GramError(
            check_floats("X H'", A, (m, r)),
            check_floats("H H'", G, (r, r)),
            told.x_norm2,
            told.of,
            Unit(*told.unit),
            None if METHODS[params.method].is_least_squares else unknown_error,
            check_floats("the scale of rows", read_array(group, "scale of rows"), (m,))
            if "scale of rows" in group
            else None,
        ),
        sparsity_h=told.sparsity_h,
        dead=told.dead,
        stop=stop,
        held_out_error=math.nan if told.held_out_error is None else told.held_out_error,
    )


def _read_history(group: h5py.Group) -> History:
    """Read the iterations of a run; older files lack the columns that have a default."""
    there = names_of(group, "history")
    names = [name for name in HISTORY if name in there or name not in _LATER]
    columns = {name: read_array(group_of(group, "history"), name) for name in names}
    for name, column in columns.items():
        if column.ndim != 1 or len(column) != len(columns["n_iter"]) or not len(column):
            raise SchemaError(f"the column {name} of its history has shape {column.shape}")
        if column.dtype.kind not in ("iu" if name in WHOLE else "f"):
            raise SchemaError(f"the column {name} of its history has the type {column.dtype}")
    return History.of([Record(*row) for row in zip(*(column.tolist() for column in columns.values()), strict=True)])


def _read_beside(group: h5py.Group) -> dict[str, Array]:
    """Arrays that the app knows besides, those that can be read; older files have none."""
    found = {}
    for name in names_of(group, "beside") if "beside" in group else ():
        with contextlib.suppress(*DAMAGE):
            found[name] = read_array(group_of(group, "beside"), name)
    return found
