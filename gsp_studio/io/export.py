"""What a run leaves on disk: figures, factors, history and the run's own description.

Everything is written into a temporary folder first and renamed into place when it is complete; run.json comes last, so
a folder that has one is a complete export. Sizes in pixels depend on the data alone, never on a screen.
"""

from __future__ import annotations

import csv
import json
import math
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gsp_studio.core.nmf import Params, Result
from gsp_studio.io.dataset import Dataset, LoadOptions
from gsp_studio.io.montage import montage_image, to_grey

Array = npt.NDArray[Any]

FORMAT = 1
#: Shorter side of an exported basis image, in pixels, at least: small images stay visible in any viewer.
_VISIBLE = 128
_PACKAGES = ("numpy", "scipy", "numba", "threadpoolctl", "Pillow")


class ExportError(ValueError):
    """An export that could not be written or read; one sentence: what, where and why."""


@dataclass(frozen=True, eq=False)
class ExportedRun:
    """A finished run as the export needs it.

    Attributes
    ----------
    result : Result
    start : Params
        The parameters that the run began with.
    interventions : sequence of (n_iter, Params)
        New parameters that it took, and after which iteration.
    reason : str
        Why it ended, in words.
    backend, threads
        What was asked for; what computed is in `result`.
    """

    result: Result
    start: Params
    interventions: Sequence[tuple[int, Params]] = ()
    reason: str = ""
    backend: str = "auto"
    threads: int | None = None


@dataclass(frozen=True, eq=False)
class RunFile:
    """A run.json that was read back: all that repeats the run."""

    start: Params
    interventions: tuple[tuple[int, Params], ...]
    backend: str
    threads: int | None
    source: str
    options: LoadOptions
    fingerprint: str
    content: dict[str, Any]


@dataclass(frozen=True)
class What:
    """Which parts to write; run.json always is."""

    basis: bool = True
    montage: bool = True
    factors: bool = True
    history: bool = True


def export_run(
    directory: str | os.PathLike[str], dataset: Dataset, run: ExportedRun, what: What | None = None
) -> list[Path]:
    """Write a run into a folder.

    Parameters
    ----------
    directory : path-like
        Made when it is missing. Files of an earlier export in it are replaced, others are left alone.
    dataset : Dataset
    run : ExportedRun
    what : What, optional
        By default everything.

    Returns
    -------
    list of Path
        The files: basis/basis_01.png ..., montage.png, factors.npz, history.csv, run.json.

    Raises
    ------
    ExportError
        The folder cannot be written; nothing of this export is left behind then.
    """
    directory, what = Path(directory), what or What()
    check_directory(directory)
    writers: dict[str, Callable[[Path], None]] = {}
    images = dataset.as_images(run.result.W)
    if what.basis:
        digits = len(str(len(images)))
        for k in range(len(images)):
            writers[f"basis/basis_{k + 1:0{digits}}.png"] = _image_writer(images[k : k + 1])
    if what.montage:
        writers["montage.png"] = lambda path: save_image(montage_image(images, gap=2, zoom=_zoom(images)), path)
    if what.factors:
        writers["factors.npz"] = lambda path: _write_factors(path, dataset, run.result)
    if what.history:
        writers["history.csv"] = lambda path: _write_history(path, run.result)
    arrays = _arrays_of(run)
    if arrays:
        writers["inputs.npz"] = lambda path: np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    content = describe(dataset, run, [*writers, "run.json"])
    writers["run.json"] = lambda path: _write_json(path, content)
    return write_together(directory, writers)


def write_together(directory: Path, writers: dict[str, Callable[[Path], None]]) -> list[Path]:
    """Write several files into `directory`, all or none: first under temporary names, then renamed in order.

    Files that an earlier run.json in the folder lists and this export lacks are removed: an old basis image beside new
    ones would lie.
    """
    stale = _listed_files(directory) - set(writers)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".export-", dir=directory))
    except OSError as error:
        raise ExportError(f"{directory} cannot be written: {error.strerror or error}") from error
    try:
        for name, write in writers.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            write(temporary / name)
        for name in writers:
            (directory / name).parent.mkdir(exist_ok=True)
            os.replace(temporary / name, directory / name)
        for name in stale:
            (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise ExportError(f"the export to {directory} failed: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [directory / name for name in writers]


def _listed_files(directory: Path) -> set[str]:
    """Files of an earlier export; only plain names inside the folder are believed."""
    try:
        names = json.loads((directory / "run.json").read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {n for n in names if isinstance(n, str) and not os.path.isabs(n) and ".." not in Path(n).parts}


def check_directory(directory: str | os.PathLike[str]) -> None:
    """Raise ExportError, in one sentence, when files could not be written into this folder. Writes nothing."""
    directory = Path(directory)
    existing = directory
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise ExportError(f"{directory} cannot be the export folder: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ExportError(f"{directory} cannot be written: permission denied for {existing}")


def save_image(grey: Array, path: Path) -> None:
    """Write a uint8 image (height, width) as PNG."""
    Image.fromarray(np.ascontiguousarray(grey)).save(path, format="PNG", optimize=True)


def _image_writer(image: Array) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        zoom = _zoom(image)
        save_image(to_grey(image)[0].repeat(zoom, axis=0).repeat(zoom, axis=1), path)

    return write


def _zoom(images: Array) -> int:
    return max(1, math.ceil(_VISIBLE / min(images.shape[1:])))


def _write_factors(path: Path, dataset: Dataset, result: Result) -> None:
    np.savez_compressed(
        path,
        W=result.W,
        H=result.H,
        image_shape=np.array(dataset.image_shape),
        order=np.array(dataset.order),
        names=np.array(dataset.names),
    )


def _write_history(path: Path, result: Result) -> None:
    history = result.history
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["iteration", "error", "error_percent", "sparsity", "target", "seconds"])
        for row in zip(history.n_iter, history.error, history.sparsity, history.target, history.seconds, strict=True):
            n_iter, error, sparsity, target, seconds = (value.item() for value in row)
            goal = "" if target != target else repr(target)  # NaN: the method has no target
            table.writerow([n_iter, repr(error), f"{100 * error:.6f}", repr(sparsity), goal, f"{seconds:.6f}"])


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def describe(dataset: Dataset, run: ExportedRun, files: Sequence[str]) -> dict[str, Any]:
    """The content of run.json: what ran, on what, with what, and how it ended."""
    result = run.result
    m, n = dataset.X.shape
    return {
        "format": FORMAT,
        "program": "gsp-studio",
        "params": _params_json(run.start, "start"),
        "interventions": [
            {"after_iteration": n_iter, "params": _params_json(params, f"step{i}")}
            for i, (n_iter, params) in enumerate(run.interventions)
        ],
        "result": {
            "error": result.error,
            "sparsity": result.sparsity,
            "iterations": result.n_iter,
            "best_iteration": result.best_iter,
            "seconds": float(result.history.seconds[-1]),
            "finished": run.reason,
        },
        "data": {
            "name": dataset.name,
            "source": dataset.source,
            "pixels": m,
            "images": n,
            "image_shape": list(dataset.image_shape),
            "order": dataset.order,
            "dtype": dataset.X.dtype.name,
            "steps": list(dataset.steps),
            "options": asdict(dataset.options),
            "fingerprint": dataset.fingerprint,
        },
        "backend": {"asked": run.backend, "threads": run.threads, "computed": result.backend},
        "deterministic": "the same bits on the same machine with the same number of threads",
        "versions": software_versions(),
        "platform": platform.platform(),
        "files": list(files),
    }


def software_versions() -> dict[str, str]:
    """Versions of the program, of Python and of the libraries that compute."""
    found = {"python": platform.python_version()}
    for package in ("gsp-studio", *_PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def _params_json(params: Params, prefix: str) -> dict[str, Any]:
    content = {field.name: getattr(params, field.name) for field in fields(params)}
    for name in _array_fields(params):
        content[name] = {"inputs.npz": f"{prefix}_{name}"}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in content.items()}


def _array_fields(params: Params) -> list[str]:
    return [name for name in ("init", "weights") if not isinstance(getattr(params, name), (str, type(None)))]


def _arrays_of(run: ExportedRun) -> dict[str, Array]:
    """Arrays among the parameters, under the names that run.json refers to; a start (W0, H0) becomes two."""
    arrays: dict[str, Array] = {}
    every = [("start", run.start), *((f"step{i}", params) for i, (_, params) in enumerate(run.interventions))]
    for prefix, params in every:
        for name in _array_fields(params):
            value = getattr(params, name)
            if isinstance(value, tuple):
                arrays |= {f"{prefix}_{name}_{k}": np.asarray(part) for k, part in enumerate(value)}
            else:
                arrays[f"{prefix}_{name}"] = np.asarray(value)
    return arrays


def read_run(path: str | os.PathLike[str]) -> RunFile:
    """Read a run.json back, with the arrays beside it.

    Raises
    ------
    ExportError
        A file that is missing, damaged, or written by a newer version.
    """
    path = Path(path)
    path = path / "run.json" if path.is_dir() else path
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] > FORMAT:
            raise ExportError(f"{path} was written by a newer version of GSP Studio; update to read it")
        arrays = _read_inputs(path.parent / "inputs.npz")
        data, backend = content["data"], content["backend"]
        shape = data["options"]["image_shape"]
        start = _params_from(content["params"], arrays)
        steps = [(step["after_iteration"], step["params"]) for step in content["interventions"]]
        return RunFile(
            start=start,
            # A start that is given as arrays is one object through the whole run.
            interventions=tuple((n, replace(_params_from(p, arrays), init=start.init)) for n, p in steps),
            backend=backend["asked"],
            threads=backend["threads"],
            source=data["source"],
            options=LoadOptions(**{**data["options"], "image_shape": tuple(shape) if shape else None}),
            fingerprint=data["fingerprint"],
            content=content,
        )
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from error
    except ExportError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(f"{path} is not a run.json of GSP Studio, or is damaged ({error})") from error


def _read_inputs(path: Path) -> dict[str, Array]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def _params_from(content: dict[str, Any], arrays: dict[str, Array]) -> Params:
    values = dict(content)
    for name in ("init", "weights"):
        if isinstance(values.get(name), dict):
            key = values[name]["inputs.npz"]
            values[name] = arrays[key] if key in arrays else (arrays[f"{key}_0"], arrays[f"{key}_1"])
    return Params(**values)
