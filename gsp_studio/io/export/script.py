"""repeat.py: a run as a script of one page, to be read, changed and run without the app."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from gsp_studio.core.params import PARAMETERS, Params, flag_of
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.run_json import array_fields
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.schema import INPUTS
from gsp_studio.io.steps import argument_of
from gsp_studio.io.steps import script_of as script_of_step
from gsp_studio.io.versions import software_versions

_SCRIPT = '''\
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
{inputs}
params = gs.Params({params})
{steering}
result = gs.factorize({call})
print(f"error {{100 * result.error:.3f}} %, sparsity {{result.sparsity:.4f}}, {{result.n_iter}} iterations")

if (here / "factors.npz").exists():
    exported = np.load(here / "factors.npz")
    factors = [name for name in ("W", "H") if name in exported]
    same = all(np.array_equal(getattr(result, name), exported[name]) for name in factors)
    print("the factors are the same to the last bit" if same else "the factors differ from the exported ones")
'''


def script_of(dataset: Dataset, run: ExportedRun) -> str:
    """The text of repeat.py, in ASCII.

    Parameters
    ----------
    dataset : Dataset
    run : ExportedRun
        Arrays among its parameters are read from inputs.npz, which lies beside the script.
    """
    start, steering = run.as_done()
    options = {name: value for name, value in _values(dataset.options).items() if value not in (None, ())}
    source = f"sys.argv[1] if len(sys.argv) > 1 else {dataset.source!a}"
    backend = f"gs.get_backend({run.backend!a}, threads={run.threads!a})"
    call = ["data.X", "params", backend]
    if run.mask is not None:
        call.append('mask=inputs["mask"]')
    has_arrays = run.mask is not None or bool(array_fields(start))
    numbers = {id(change): i for i, (_, change) in enumerate(run.interventions)}
    lines = []
    for n_iter, changes in steering.items():
        said = []
        for change, original in zip(changes, _changes_after(run, n_iter), strict=True):
            if isinstance(change, Params):
                has_arrays = has_arrays or bool(array_fields(change))
                said.append(f"replace(params{_join(_differing(change, start, f'step{numbers[id(original)]}'))})")
            else:
                said.append(f"gs.{type(change).__name__}({change.basis!a})")
        lines.append(f"    {n_iter}: [{', '.join(said)}],\n")
    if lines:
        call.append("steering=steering")
    text = _SCRIPT.format(
        version=software_versions()["gsp-studio"],
        arguments=_block([source, *(_option(name, value) for name, value in options.items())]),
        fingerprint=ascii(dataset.fingerprint),
        inputs=f'inputs = np.load(here / "{INPUTS}")\n' if has_arrays else "",
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
    words = ["gsp-studio", "fit", dataset.source]
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
    if run.threads is not None:
        words += ["--threads", str(run.threads)]
    return shlex.join([*words, "--out", "results"])


def _option(name: str, value: Any) -> str:
    if name == "steps":
        return f"steps=({', '.join(map(script_of_step, value))},)"
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
