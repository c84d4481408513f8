"""The schema of run.json and of session files: types, ranges and enumerations, checked before anything is used.

Ranges of parameters are those of `core.validation`, which a run has to pass as well.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import msgspec
import numpy as np
from msgspec import Meta, Struct

from gsp_studio.arrays import Array
from gsp_studio.core.edits import KINDS
from gsp_studio.core.nmf import Edit, Params
from gsp_studio.core.validation import check_params
from gsp_studio.io.dataset import LoadOptions, one_line

Content = TypeVar("Content")

#: Where run.json keeps arrays, and the key under which it names them.
INPUTS = "inputs.npz"
#: Parameters that can be arrays.
ARRAYS = ("init", "weights", "seed_basis")
#: Bytes of JSON that are read at most: names and labels of millions of images fit.
LARGEST_TEXT = 1 << 28

_Count = Annotated[int, Meta(ge=0, le=2**53)]
_Side = Annotated[int, Meta(ge=1, le=2**31)]
_Exponent = Annotated[int, Meta(ge=-600, le=600)]
_Backend = Annotated[str, Meta(pattern=r"^(auto|cpu|reference|cuda(:[0-9]{1,3})?)\Z")]
_Fingerprint = Annotated[str, Meta(pattern=r"^[0-9a-f]{0,128}\Z")]


class SchemaError(ValueError):
    """Content that a file should not have; one sentence: what, where in the file, and what is accepted."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message if len(message) <= 300 else f"{message[:297]}..."))


class DataContent(Struct):
    """Data of a run, as `describe_data` gives them."""

    name: str
    source: str
    image_shape: tuple[_Side, _Side]
    order: Literal["C", "F"]
    options: dict[str, Any]
    fingerprint: _Fingerprint
    channels: Literal[1, 3] = 1
    grid: tuple[_Side, _Side] | None = None
    axes: tuple[dict[str, Any], ...] = ()
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    relative: str = ""


class StepContent(Struct):
    """Something that a run took on its way: new parameters, or an edit of a basis image."""

    after_iteration: _Count
    params: dict[str, Any] | None = None
    edit: Literal["kill", "split", "reseed"] | None = None
    basis: _Count = 0


class BackendContent(Struct):
    """Requested device, and the one that computed."""

    asked: _Backend
    threads: Annotated[int, Meta(ge=1, le=1 << 16)] | None
    computed: str = ""


class ResultContent(Struct):
    """End of a run, in run.json; a sparsity that has no meaning is NaN, an error None."""

    error: float
    sparsity: float
    iterations: Annotated[int, Meta(ge=1, le=2**53)]
    best_iteration: _Count
    seconds: float
    finished: str
    held_out_error: float | None = None


class RemarksContent(Struct):
    """Words that were written beside a run."""

    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    accepted: tuple[_Count, ...] = ()
    rejected: tuple[_Count, ...] = ()


class RunContent(Struct):
    """A run, in run.json and in session files, as `run_json.describe_run` gives it."""

    params: dict[str, Any]
    interventions: tuple[StepContent, ...]
    backend: BackendContent
    mask: dict[str, str] | None = None
    versions: dict[str, str] = {}


class RunFileContent(RunContent, kw_only=True):
    """A run.json."""

    program: Literal["gsp-studio"]
    result: ResultContent
    data: DataContent
    files: tuple[str, ...] = ()
    remarks: RemarksContent = msgspec.field(default_factory=RemarksContent)


class SavedResultContent(ResultContent, kw_only=True):
    """End of a run, in a session file; its arrays lie beside."""

    sparsity_h: float
    dead: tuple[_Count, ...]
    stop: str | None
    params: dict[str, Any]
    x_norm2: float
    of: float | None
    # The first session files are of data that needed no unit of their own.
    unit: tuple[_Exponent, _Exponent] = (0, 0)


class SavedRunContent(RunContent, kw_only=True):
    """A run in a session file."""

    number: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    result: SavedResultContent
    details: dict[str, Any]
    # The first session files say it, and the versions, of the session alone.
    fingerprint: _Fingerprint = ""


class AboutContent(Struct):
    """Program that wrote a session file."""

    program: str
    format: _Count


class ImagesContent(Struct):
    """Names and options of images that a session file holds itself."""

    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    options: dict[str, Any]
    whole: tuple[_Side, _Side, _Side] | None = None


def parse_json(text: str | bytes) -> Any:
    """Plain Python of JSON, as `json.dumps` writes it.

    Raises
    ------
    SchemaError
        No JSON, or a number that no double holds, such as 1e999.
    """
    if len(text) > LARGEST_TEXT:
        raise SchemaError(f"its text has {len(text)} bytes; accepted are up to {LARGEST_TEXT}")
    try:
        return json.loads(text, parse_float=_number)
    except SchemaError:
        raise
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"it is no JSON that can be read: {error}") from error


def _number(text: str) -> float:
    value = float(text)
    if abs(value) == float("inf"):
        raise SchemaError(f"{text[:40]} is larger than any number that can be computed with")
    return value


def conform(content: Any, kind: type[Content]) -> Content:
    """Content of a file as the type that it should be.

    Raises
    ------
    SchemaError
        Something is missing, or has another type or value than it may.
    """
    try:
        return msgspec.convert(content, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise SchemaError(str(error).replace("`", '"').replace("$.", "")) from error


def params_from(content: Mapping[str, Any], arrays: Mapping[str, Array]) -> Params:
    """Read parameters from the JSON of `run_json.params_json`; `check_ranges` checks their ranges.

    Parameters
    ----------
    content : mapping
    arrays : mapping of str to ndarray
        Those that `content` names.

    Raises
    ------
    SchemaError
        A field of another type, one that is not known, or an array that is missing.
    """
    known = {part.name for part in fields(Params)}
    if unknown := sorted(map(str, content.keys() - known)):
        raise SchemaError(f"there is no parameter {unknown[0]!r}; accepted are {', '.join(sorted(known))}")
    values = {"extrapolate": False, **content}  # runs from before there was such a choice
    found = {name: _array(name, values.pop(name), arrays) for name in ARRAYS if isinstance(values.get(name), dict)}
    params = conform(values, Params)
    if not isinstance(params.init, str):
        raise SchemaError("init is neither the name of a start nor that of arrays")
    for name in ("weights", "seed_basis"):
        if getattr(params, name) is not None:
            raise SchemaError(f"{name} is neither none nor the name of an array")
    return replace(params, **found)


def _array(name: str, told: dict[str, Any], arrays: Mapping[str, Array]) -> Any:
    key = told.get(INPUTS)
    if not isinstance(key, str):
        raise SchemaError(f"{name} does not name its arrays")
    several = (key,) if key in arrays else (f"{key}_0", f"{key}_1")
    for one in several:
        if one not in arrays:
            raise SchemaError(f"the array {one!r} is missing")
        if arrays[one].dtype.kind not in "fiub" or not 1 <= arrays[one].ndim <= 2:
            raise SchemaError(f"the array {one!r} is {arrays[one].ndim}-dimensional, of {arrays[one].dtype}")
    found = tuple(arrays[one] for one in several)
    if name == "init" and (len(found) != 2 or any(part.ndim != 2 for part in found)):
        raise SchemaError("init is not a pair of matrices")
    return found if len(found) == 2 else found[0]


def check_ranges(params: Params, m: int = sys.maxsize, n: int = sys.maxsize) -> None:
    """Raise ValueError, in one sentence, unless a run of (m, n) data can have these parameters."""
    if params.weights is not None:
        m = min(m, len(params.weights))
    if params.seed_basis is not None:
        m = min(m, len(params.seed_basis))
    check_params(params, m, n)
    if not isinstance(params.init, str):
        W, H = params.init
        if W.shape[1] != params.rank or H.shape[0] != params.rank:
            raise SchemaError(f"the start has shapes {W.shape} and {H.shape}; the rank is {params.rank}")


def interventions_from(
    steps: tuple[StepContent, ...], arrays: Mapping[str, Array], start: Params
) -> tuple[tuple[int, Params | Edit], ...]:
    """The steps that a run took on its way, each with the iteration after which it took it."""
    return tuple((step.after_iteration, _change_from(step, arrays, start)) for step in steps)


def _change_from(step: StepContent, arrays: Mapping[str, Array], start: Params) -> Params | Edit:
    if (step.params is None) == (step.edit is None):
        raise SchemaError("a step of the run holds not either parameters or an edit")
    if step.edit is not None:
        return KINDS[step.edit](step.basis)
    params = with_start_of(params_from(step.params or {}, arrays), start)
    check_ranges(replace(params, init="random"))
    return params


def with_start_of(params: Params, start: Params) -> Params:
    """Parameters of a run that goes on: a start and seeds that are arrays are one object through the whole run."""
    return replace(params, init=start.init, seed_basis=start.seed_basis)


def options_from(content: Mapping[str, Any]) -> LoadOptions:
    """Read the options of the data.

    Raises
    ------
    SchemaError
        An option that is not known, or of another type.
    DatasetError
        A value that is not accepted.
    """
    hints = get_type_hints(LoadOptions)
    if unknown := sorted(map(str, content.keys() - hints.keys())):
        raise SchemaError(f"there is no option {unknown[0]!r}; accepted are {', '.join(sorted(hints))}")
    for name, value in content.items():
        if name == "steps":
            conform(value, tuple[dict[str, int | float | bool | str | None], ...])
        elif name == "axes":
            conform(value, tuple[dict[str, Any], ...])
        else:
            conform({"value": value}, dict[str, hints[name]])  # type: ignore[valid-type]
    return LoadOptions(**content)


def check_floats(name: str, values: Array, shape: tuple[int, ...]) -> Array:
    """An array of real numbers of this shape; SchemaError where it is another."""
    if values.shape != shape or values.dtype not in (np.float32, np.float64):
        raise SchemaError(
            f"{name} has shape {values.shape} and type {values.dtype}; expected are {shape} and float32 or float64"
        )
    return values
