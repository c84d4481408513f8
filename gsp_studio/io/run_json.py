"""run.json: all that repeats a run, as readable text. Arrays among the parameters lie in inputs.npz."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import gives_same_bits
from gsp_studio.core.diagnosis import cautions_of
from gsp_studio.core.edits import kind_of
from gsp_studio.core.masking import check_weights
from gsp_studio.core.methods import loss_words
from gsp_studio.core.nmf import Edit, Params
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.axes import axes_json
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.factors import read_npz
from gsp_studio.io.paths import check_regular
from gsp_studio.io.run_record import ExportedRun, RunFile, RunRecord
from gsp_studio.io.schema import (
    ARRAYS,
    INPUTS,
    RunContent,
    RunFileContent,
    SchemaError,
    check_ranges,
    conform,
    interventions_from,
    options_from,
    params_from,
    parse_json,
)
from gsp_studio.io.swap import complete
from gsp_studio.io.versions import versions_now
from gsp_studio.nouns import IMAGES, Nouns

FORMAT = 1
PROGRAM = "gsp-studio"
RUN = "run.json"
#: Exceptions from reading damaged text and archives.
DAMAGE = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


#: Agreement of a repeated run with the first.
_BITS = "the same bits on processors of the same type, whatever the threads, the storage and the workers"
_ROUNDING = "the same to rounding: workers computed on devices, or were lost and their coefficients fitted anew"


def describe_run(run: ExportedRun, nouns: Nouns = IMAGES) -> dict[str, Any]:
    """Description of a run without its data, for run.json and session files; `record_from` reads it."""
    result = run.result
    return {
        "params": params_json(run.start, "start"),
        "interventions": [
            {"after_iteration": n_iter, **_change_json(change, f"step{i}")}
            for i, (n_iter, change) in enumerate(run.interventions)
        ],
        "result": {
            "error": result.error,
            "error_of": loss_words(result.params),
            "held_out_error": None if math.isnan(result.held_out_error) else result.held_out_error,
            "sparsity": result.sparsity,
            "iterations": result.n_iter,
            "best_iteration": result.best_iter,
            "seconds": float(result.history.seconds[-1]),
            "finished": run.reason,
            "cautions": [caution.sentence for caution in cautions_of(result.W, result.gram, nouns)],
        },
        "mask": None if run.mask is None else {INPUTS: "mask"},
        "backend": {"asked": run.backend, "threads": run.threads, "computed": result.backend},
    }


def describe(dataset: Dataset, run: ExportedRun, files: Sequence[str]) -> dict[str, Any]:
    """Content of run.json: the run, its data, its software, and how it ended.

    Parameters
    ----------
    dataset : Dataset
    run : ExportedRun
    files : sequence of str
        Every file of the export, relative to its folder; a later export into the same folder may replace these.

    Returns
    -------
    dict
        Plain numbers, texts, lists and dicts. Arrays among the parameters are names in inputs.npz.
    """
    data = describe_data(dataset)
    versions = dict(run.versions) or versions_now()
    content = {
        "format": FORMAT,
        "program": PROGRAM,
        **describe_run(run, dataset.nouns),
        "data": {**data, "fingerprint": run.fingerprint or data["fingerprint"]},
        "deterministic": _BITS if gives_same_bits(run.result.backend) else _ROUNDING,
        "platform": versions.pop("platform", platform.platform()),
        "versions": versions,
        "files": list(files),
    }
    beside = {"remarks": dict(run.remarks), "truth": dict(run.truth), "normalized": run.normalized}
    return content | {name: told for name, told in beside.items() if told}


def summary_of(content: dict[str, Any]) -> dict[str, Any]:
    """Entries of run.json that a batch of runs is compared by."""
    params, result, data = content["params"], content["result"], content["data"]
    return {
        "source": data["source"],
        "fingerprint": data["fingerprint"],
        "notes": data["notes"],
        "method": params["method"],
        "rank": params["rank"],
        "seed": params["seed"],
        "target": params["sparsity"],
        "held_out": params["held_out"],
        **{
            name: result[name]
            for name in ("error", "held_out_error", "sparsity", "iterations", "best_iteration", "seconds", "finished")
        },
    }


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """Entry of the data in run.json: their source, their reading, and their fingerprint."""
    m, n = dataset.X.shape
    return {
        "name": dataset.name,
        "source": dataset.source,
        "pixels": m // dataset.channels,
        "images": n,
        "image_shape": list(dataset.image_shape),
        "order": dataset.order,
        "channels": dataset.channels,
        "grid": None if dataset.grid is None else list(dataset.grid),
        "axes": axes_json(dataset.axes),
        "dtype": dataset.X.dtype.name,
        "steps": list(dataset.steps),
        "notes": list(dataset.notes),
        "options": asdict(dataset.options),
        "fingerprint": dataset.fingerprint,
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write as UTF-8. What a file name holds that is no text becomes a JSON escape, which reads back as it was.

    Raises
    ------
    OSError
    """
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _change_json(change: Params | Edit, prefix: str) -> dict[str, Any]:
    """Convert a change during a run for JSON; arrays among parameters get names that begin with `prefix`."""
    if isinstance(change, Params):
        content = params_json(change, prefix)
        for name in {"init", "seed_basis"} & set(array_fields(change)):  # one object through the whole run
            content[name] = {INPUTS: f"start_{name}"}
        return {"params": content}
    return {"edit": kind_of(change), "basis": change.basis}


def params_json(params: Params, prefix: str) -> dict[str, Any]:
    """Parameters for JSON; arrays among them get names that begin with `prefix`, as `arrays_of` gives them."""
    content = {field.name: getattr(params, field.name) for field in fields(params)}
    for name in array_fields(params):
        content[name] = {INPUTS: f"{prefix}_{name}"}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in content.items()}


def array_fields(params: Params) -> list[str]:
    """Names of the parameters that are arrays."""
    return [name for name in ARRAYS if not isinstance(getattr(params, name), (str, type(None)))]


def arrays_of(run: ExportedRun) -> dict[str, Array]:
    """Arrays among the parameters, under the names that run.json refers to; a start (W0, H0) becomes two."""
    arrays = arrays_among(run.start, "start")
    for i, (_, change) in enumerate(run.interventions):
        if isinstance(change, Params):
            arrays |= arrays_among(replace(change, init="random", seed_basis=None), f"step{i}")
    if run.mask is not None:
        arrays["mask"] = run.mask
    return arrays


def arrays_among(params: Params, prefix: str) -> dict[str, Array]:
    """Arrays among parameters, under the names that `params_json` gives them."""
    arrays: dict[str, Array] = {}
    for name in array_fields(params):
        value = getattr(params, name)
        if isinstance(value, tuple):
            arrays |= {f"{prefix}_{name}_{k}": np.asarray(part) for k, part in enumerate(value)}
        else:
            arrays[f"{prefix}_{name}"] = np.asarray(value)
    return arrays


def read_run(path: str | os.PathLike[str]) -> RunFile:
    """Read a run.json back, with the arrays beside it.

    Parameters
    ----------
    path : path-like
        The file, or the folder of an export.

    Raises
    ------
    ExportError
        A file that is missing, damaged, or written by a newer version.

    Examples
    --------
    >>> run = read_run("out")  # doctest: +SKIP
    >>> data = load_dataset(run.source, run.options)  # doctest: +SKIP
    >>> run.check_data(data)  # doctest: +SKIP
    """
    path = Path(path)
    path = path / RUN if path.is_dir() else path
    try:
        with contextlib.suppress(OSError):  # a disk that can only be read
            complete(path.parent)
        check_regular(path, ExportError)
        content = parse_json(path.read_bytes())
        if not isinstance(content, dict) or not isinstance(content.get("format"), int):
            raise SchemaError("it has no format")
        if content["format"] > FORMAT:
            raise ExportError(f"{path} was written by a newer version of GSP Studio; update to read it")
        inputs = path.parent / INPUTS
        return _run_from(content, read_npz(inputs) if inputs.exists() else {})
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from error
    except ExportError:
        raise
    except ValueError as error:
        raise ExportError(f"{path} is not a run.json of GSP Studio, or is damaged: {error}") from error


def _run_from(content: dict[str, Any], arrays: dict[str, Array]) -> RunFile:
    told = conform(content, RunFileContent)
    record = replace(record_from(told, arrays), fingerprint=told.data.fingerprint)
    # Entries that an older version lacks have the defaults of then.
    content["params"] = {**params_json(Params(record.start.rank), ""), **told.params}
    content["result"] = {"held_out_error": None, **content["result"]}
    content["data"] = {**msgspec.to_builtins(told.data), **content["data"]}
    content["backend"] = {**msgspec.to_builtins(told.backend), **content["backend"]}
    options = options_from(told.data.options)
    return RunFile(**vars(record), source=told.data.source, options=options, content=content)


def record_from(told: RunContent, arrays: Mapping[str, Array]) -> RunRecord:
    """Read what `describe_run` wrote, with the arrays that it names.

    Raises
    ------
    ValueError
        In one sentence: an array that is missing, or parameters that no run can have.
    """
    start = params_from(told.params, arrays)
    check_ranges(start)
    return RunRecord(
        start=start,
        interventions=interventions_from(told.interventions, arrays, start),
        backend=told.backend.asked,
        threads=told.backend.threads,
        mask=None if told.mask is None else _mask_from(told.mask, arrays),
    )


def _mask_from(told: Mapping[str, str], arrays: Mapping[str, Array]) -> Array:
    mask = arrays.get(told.get(INPUTS, ""))
    if mask is None or mask.dtype.kind not in "bf" or mask.ndim != 2:
        raise SchemaError("the mask is missing, or is no matrix of true and false, or of weights")
    try:
        check_weights(mask, mask.shape)
    except ValueError as error:
        raise SchemaError(str(error)) from error
    return mask
