"""repeat.py: a run as a script of one page, to be read, changed and run without the app."""

from __future__ import annotations

import base64
import io
import math
import os
import shlex
import textwrap
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from gsp_studio.core.params import PARAMETERS, Params, flag_of
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.axis_text import argument_of_axis, script_of_axis
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.run_json import array_fields, arrays_of
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.schema import INPUTS
from gsp_studio.io.steps import argument_of
from gsp_studio.io.steps import script_of as script_of_step
from gsp_studio.io.versions import software_versions

_HEAD = '''\
"""A run of GSP Studio {version}: the same factors, to the last bit on processors of the same type.

    python repeat.py [DATA]

DATA says where the images are, if they have moved.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import gsp_studio as gs

here = Path(__file__).resolve().parent
data = gs.load_dataset({arguments})
if data.fingerprint != {fingerprint}:
    sys.exit(f"{{data.source}} does not hold the data of this run")
'''
_HEAD_ALONE = """\
# A run of GSP Studio {version}: the same factors, to the last bit on processors of the same type.
import base64
import io
from dataclasses import replace

import numpy as np

import gsp_studio as gs

data = gs.load_dataset({arguments})
if data.fingerprint != {fingerprint}:
    raise ValueError(f"{{data.source}} does not hold the data of this run")
"""
_BODY = """\
{inputs}
params = gs.Params({params})
{steering}
result = gs.factorize({call})
print(f"error {{100 * result.error:.3f}} %, sparsity {{result.sparsity:.4f}}, {{result.n_iter}} iterations")
"""
_CHECK = """
if (here / "factors.npz").exists():
    exported = np.load(here / "factors.npz")
    factors = [name for name in ("W", "H") if name in exported]
    same = all(np.array_equal(getattr(result, name), exported[name]) for name in factors)
    print("the factors are the same to the last bit" if same else "the factors differ from the exported ones")
"""


#: Bytes of arrays, compressed, that a text holds at most.
_MOST_BYTES = 512 << 10


def text_of_run(dataset: Dataset, run: ExportedRun) -> str:
    """The run as a text that needs no file but the data: for a cell of a notebook, in ASCII.

    Raises
    ------
    ExportError
        Its weights, masks or factors are too large for a text.
    """
    arrays = arrays_of(run)
    inputs = ""
    if arrays:
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        packed = stream.getvalue()
        if len(packed) > _MOST_BYTES:
            raise ExportError(
                f"the weights, masks or factors that this run began with ({', '.join(sorted(arrays))}) take "
                f"{len(packed) >> 10:,} KiB, too much for a text ({_MOST_BYTES >> 10} KiB at most); export the run: "
                "its repeat.py reads them from inputs.npz"
            )
        lines = textwrap.wrap(base64.b64encode(packed).decode("ascii"), 100)
        inputs = 'inputs = np.load(io.BytesIO(base64.b64decode("""\n' + "\n".join(lines) + '\n""")))\n'
    text = _script(dataset, run, _HEAD_ALONE + _BODY, inputs, ascii(_place(dataset)))
    return text if arrays else text.replace("import base64\nimport io\n", "")


def _place(dataset: Dataset) -> str:
    """Where its data lie, from whatever folder that is read."""
    source = dataset.source
    return os.path.abspath(source) if os.path.exists(source) else source


def script_of(dataset: Dataset, run: ExportedRun) -> str:
    """The text of repeat.py, in ASCII.

    Parameters
    ----------
    dataset : Dataset
    run : ExportedRun
        Arrays among its parameters are read from inputs.npz, which lies beside the script.
    """
    source = f"sys.argv[1] if len(sys.argv) > 1 else {_place(dataset)!a}"
    read = f'inputs = np.load(here / "{INPUTS}")\n' if arrays_of(run) else ""
    return _script(dataset, run, _HEAD + _BODY + _CHECK, read, source)


def _script(dataset: Dataset, run: ExportedRun, template: str, inputs: str, source: str) -> str:
    """Fill a template; `inputs`: the line that reads arrays, `source`: the expression of where the data are."""
    start, steering = run.as_done()
    options = {name: value for name, value in _values(dataset.options).items() if value not in (None, ())}
    backend = f"gs.get_backend({run.backend!a}, threads={run.threads!a})"
    call = ["data.X", "params", backend]
    if run.mask is not None:
        call.append('mask=inputs["mask"]')
    numbers = {id(change): i for i, (_, change) in enumerate(run.interventions)}
    lines = []
    for n_iter, changes in steering.items():
        said = []
        for change, original in zip(changes, _changes_after(run, n_iter), strict=True):
            if isinstance(change, Params):
                said.append(f"replace(params{_join(_differing(change, start, f'step{numbers[id(original)]}'))})")
            else:
                said.append(f"gs.{type(change).__name__}({change.basis!a})")
        lines.append(f"    {n_iter}: [{', '.join(said)}],\n")
    if lines:
        call.append("steering=steering")
    text = template.format(
        version=software_versions()["gsp-studio"],
        arguments=_block([source, *(_option(name, value) for name, value in options.items())]),
        fingerprint=ascii(dataset.fingerprint),
        inputs=inputs,
        params=_block(_differing(start, Params(rank=0, method=""), "start")),
        steering="# What the run took on its way, and after which iteration.\nsteering = {\n" + "".join(lines) + "}\n"
        if lines
        else "",
        call=_block(call),
    )
    # `replace` is imported for changes of parameters during the run.
    return text if "replace(" in text else text.replace("from dataclasses import replace\n", "")


def command_of(dataset: Dataset, run: ExportedRun) -> str:
    """The command that runs the same without a window, for a shell.

    Raises
    ------
    ExportError
        A run that was steered, or that has arrays among its parameters: no command line holds these.
    """
    start, steering = run.as_done()
    if steering or array_fields(start) or run.mask is not None or start.frozen:
        raise ExportError(
            "this run was steered, or has weights or a start of its own, which no command line holds; "
            "export it, and then: gsp-studio fit --config run.json"
        )
    words = ["gsp-studio", "fit", _place(dataset)]
    told = {
        "rank": start.rank,
        "method": start.method,
        "sparsity": start.sparsity,
        "max_iter": start.max_iter,
        **start.unusual(),
    }
    for name, parameter in PARAMETERS.items():
        if name in told and parameter.is_flag:
            value = told[name]
            words += [flag_of(name, value)] if isinstance(value, bool) else [flag_of(name), str(value)]
    options = dataset.options
    if options.image_shape is not None:
        words += ["--image-shape", f"{options.image_shape[0]}x{options.image_shape[1]}"]
    if options.subset is not None:
        words += ["--subset", ":".join(map(str, options.subset))]
    if options.labels is not None:
        words += [f"--labels={options.labels or 'none'}"]
    for name in ("order", "images_in", "key", "negative", "nonfinite", "dtype", "colour", "samples", "storage"):
        value = getattr(options, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}={value}"]  # one word, whatever the value begins with
    for step in options.steps:
        if step.is_on:
            words += ["--step", argument_of(step)]
    for axis in options.axes:
        told_axis = argument_of_axis(axis)
        if told_axis is None:
            raise ExportError(
                f"the {axis.dimension} axis has names with commas or the like, which no command line holds; "
                "export the run, and then: gsp-studio fit --config run.json"
            )
        words += ["--axis", told_axis]
    if run.threads is not None:
        words += ["--threads", str(run.threads)]
    return shlex.join([*words, "--out", "results"])


def _option(name: str, value: Any) -> str:
    if name == "steps":
        return f"steps=({', '.join(map(script_of_step, value))},)"
    if name == "axes":
        return f"axes=({', '.join(map(script_of_axis, value))},)"
    return f"{name}={_literal(value)}"


def _changes_after(run: ExportedRun, n_iter: int) -> list[Any]:
    return [change for n, change in run.interventions if n == n_iter]


def _values(options: Any) -> dict[str, Any]:
    return {field.name: getattr(options, field.name) for field in fields(options)}


def _differing(params: Params, other: Params, prefix: str) -> list[str]:
    """Arguments that make `params` of `other`, with arrays by their names in inputs.npz."""
    said = []
    arrays = array_fields(params)
    for field in fields(params):
        name, value, before = field.name, getattr(params, field.name), getattr(other, field.name)
        if value is before:
            continue
        if name not in arrays:
            plain = value.item() if isinstance(value, np.generic) else value
            if plain != before:
                said.append(f"{name}={_literal(plain)}")
        elif isinstance(value, tuple):
            said.append(f'{name}=(inputs["{prefix}_{name}_0"], inputs["{prefix}_{name}_1"])')
        else:
            said.append(f'{name}=inputs["{prefix}_{name}"]')
    return said


def _literal(value: Any) -> str:
    """A value as Python that gives it again, in ASCII; nothing in it can end the literal."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return ascii(value)


def _join(arguments: Iterable[str]) -> str:
    return "".join(f", {argument}" for argument in arguments)


def _block(arguments: Iterable[str]) -> str:
    return "\n" + "".join(f"    {argument},\n" for argument in arguments)
