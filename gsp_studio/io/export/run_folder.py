"""The folder of an exported run: figures, factors, history and the description of the run.

Everything is written into a temporary folder first and renamed into place when it is complete; run.json comes last, so
a folder that has one is a complete export. Only files that the run.json of an earlier export lists are ever replaced: a
file of another origin in the way is an error. Sizes in pixels depend on the data alone, never on a screen.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.core.nmf import Result
from gsp_studio.core.trials import trial_words
from gsp_studio.io.atomic import ExportError, FolderTaken, failure_reason
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.export.coefficients import WRITERS
from gsp_studio.io.export.figures import FigureStyle
from gsp_studio.io.export.folder_names import holds_another
from gsp_studio.io.export.formats import EXTRAS
from gsp_studio.io.export.normalization import normalized
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.export.script import script_of
from gsp_studio.io.factors import COEFFICIENTS, FACTORS
from gsp_studio.io.montage import GAP_LEVEL, montage_image, to_grey
from gsp_studio.io.run_json import PROGRAM, RUN, arrays_of, describe, write_json
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.schema import INPUTS
from gsp_studio.io.swap import complete, staging_folder, swap
from gsp_studio.io.truth_file import REFERENCE, TABLE, write_agreement, write_reference

SCRIPT = "repeat.py"
#: Folders within an export.
_FOLDERS = ("basis", "basis16")
#: Shorter side of an exported basis image, in pixels, at least: small images stay visible in any viewer.
_VISIBLE = 128
#: Pixels of a figure at most.
_MOST_PIXELS = 1 << 28
#: The names that exports write, and so may remove.
MAPS = "maps.png"
_NAMES = (
    r"basis/basis_[0-9]+\.png",
    r"(montage|maps)\.png",
    r"(factors|inputs|reference)\.npz",
    r"(history|truth)\.csv",
    r"H\.npy",
    r"H\.zarr\.zip",
    r"path\.(csv|png|svg|pdf)",
    r"strip\.png",
    r"point_[0-9]+\.npz",
)
_OURS = re.compile(
    "|".join([*_NAMES, r"repeat\.py", r"run\.json", *(name for extra in EXTRAS.values() for name in extra.files)])
)


def export_run(
    directory: str | os.PathLike[str],
    dataset: Dataset,
    run: ExportedRun,
    options: ExportOptions | None = None,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write a run into a folder.

    Parameters
    ----------
    directory : path-like
        Made when it is missing. Files of an earlier export of this run in it are replaced, others are left alone.
    dataset : Dataset
    run : ExportedRun
    options : ExportOptions, optional
        By default everything.
    force : bool, optional
        Replace another run that lies in the folder.
    progress : callable, optional
        Called with the number of files that are written and that of all, before each of them and within those that
        take long; what it raises ends the export.

    Returns
    -------
    list of Path
        The files: basis/basis_01.png ..., montage.png, of spectra maps.png (where each is), factors.npz, history.csv,
        truth.csv and reference.npz (of a run beside a reference), those of `options.extras`, inputs.npz (of a run that
        took arrays), repeat.py, run.json.

    Raises
    ------
    FolderTaken
        The folder holds another run, or more iterations of this one; it is left as it is.
    ExportError
        The folder cannot be written, or a file in it that no export wrote is in the way; nothing of this export is left
        behind then, and an earlier one is as it was.
    """
    check_directory(directory)
    directory, options = Path(directory), options or ExportOptions()
    if not force:
        known = replace(run, fingerprint=run.fingerprint or dataset.fingerprint)
        if another := holds_another(directory, known, run.result.n_iter):
            raise FolderTaken(
                f"{directory} holds {another}; choose another folder, or replace that run with force=True"
            )
    writers: dict[str, Callable[[Path], object]] = {}
    done = 0

    def check() -> None:
        if progress is not None:
            progress(done, len(writers))

    def count() -> None:
        nonlocal done
        check()
        done += 1

    images = dataset.pictures(run.result.W)
    _check_zoom(options.zoom, images)
    zoom = options.zoom or _visible_zoom(images)
    if options.basis:
        digits = len(str(len(images)))
        for k, grey in enumerate(to_grey(images, options.scale)):
            writers[f"basis/basis_{k + 1:0{digits}}.png"] = _image_writer(_coloured(grey, options.palette), zoom)
    if options.montage:
        writers["montage.png"] = lambda path: save_image(_montage(images, options, zoom), path)
    H = run.result.H
    if is_out_of_core(H) and (options.extras or dataset.grid is not None):
        raise ExportError("H is on the cluster, too large to be fetched; accepted are exports that do without it")
    scaled = normalized(run, options.normalize)
    has_maps = options.montage and dataset.grid is not None
    if has_maps:
        maps = dataset.maps(scaled.result.H)
        writers[MAPS] = lambda path: save_image(
            montage_image(maps, gap=2, scale=options.scale, zoom=options.zoom or _visible_zoom(maps)), path
        )
    if options.factors:
        apart = options.coefficients or ("npy" if is_out_of_core(H) else None)
        writers[FACTORS] = lambda path: write_factors(path, dataset, run.result, apart is None)
        if apart is not None:
            writers[COEFFICIENTS[apart]] = lambda path: WRITERS[apart](path, H)
    if options.history:
        writers["history.csv"] = lambda path: _write_history(path, run.result)
    if run.truth:
        writers[TABLE] = lambda path: write_agreement(path, dict(run.truth))
    if (reference := run.reference) is not None:
        writers[REFERENCE] = lambda path: write_reference(path, reference)
    style = FigureStyle(options.scale, options.zoom, options.order, options.palette, check)
    for name in options.extras:
        if name not in EXTRAS:
            raise ExportError(f'"{name}" is no export; accepted are {", ".join(EXTRAS)}')
        extra = EXTRAS[name]
        writers |= extra.make(dataset, scaled if extra.holds_factors else run, style)
    arrays = arrays_of(run)
    if arrays:
        writers[INPUTS] = lambda path: np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    script = script_of(dataset, run)
    writers[SCRIPT] = lambda path: path.write_text(script, encoding="ascii")
    is_told = has_maps or any(EXTRAS[name].holds_factors for name in options.extras)
    told = replace(run, normalized=scaled.normalized if is_told else "")  # the rest is about the run as it was computed
    content = describe(dataset, told, [*writers, RUN])
    writers[RUN] = lambda path: write_json(path, content)
    return write_together(directory, writers, count)


def _coloured(grey: Array, palette: bytes) -> Array:
    """Greys in the colours of a palette; colours of their own stay."""
    if not palette or grey.ndim == 3:
        return grey
    return np.frombuffer(palette, np.uint8).reshape(256, 3)[grey]


def _montage(images: Array, options: ExportOptions, zoom: int) -> Array:
    """All basis images in one, in the order and colours of the options; lines between them stay grey."""
    if options.order is not None:
        images = images[list(options.order)]
    grey = montage_image(images, gap=2, scale=options.scale, zoom=zoom)
    coloured = _coloured(grey, options.palette)
    if coloured is not grey:
        coloured[montage_image(np.zeros_like(images), gap=2, zoom=zoom) > 0] = GAP_LEVEL
    return coloured


def write_together(
    directory: Path, writers: Mapping[str, Callable[[Path], object]], before_each: Callable[[], None] = lambda: None
) -> list[Path]:
    """Write several files into `directory`, all or none: first under temporary names, then renamed in order.

    Files of an earlier export that this one lacks are removed: an old basis image beside new ones would lie.

    Raises
    ------
    ExportError
        A file could not be written; the former files are there again.
    """
    within = [directory / name for name in _FOLDERS]
    made = [folder for folder in (*within, directory, *directory.parents) if not folder.exists()]
    with contextlib.ExitStack() as undo:
        for folder in reversed(made):  # what is inside goes first
            undo.callback(_remove_if_empty, folder)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            complete(directory)
            with staging_folder(directory) as new:
                for name, write in writers.items():
                    before_each()
                    (new / name).parent.mkdir(parents=True, exist_ok=True)
                    _write(write, new / name)
                swap(directory, new, list(writers), _former_files(directory, list(writers)))
        except OSError as error:
            name = f" ({Path(os.fsdecode(error.filename)).name})" if isinstance(error.filename, str | bytes) else ""
            raise ExportError(f"{directory} cannot be written: {error.strerror or error}{name}") from error
        undo.pop_all()  # all is written: nothing is taken back
    return [directory / name for name in writers]


def _write(write: Callable[[Path], object], path: Path) -> None:
    try:
        write(path)
    except OSError as error:
        if error.errno:
            raise
        # NumPy does not say why a file cannot be written.
        raise OSError(errno.EIO, failure_reason(error, path), path.name) from error


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not there, or not empty
        folder.rmdir()


def _former_files(directory: Path, names: list[str]) -> list[str]:
    """Files of an earlier export, run.json first. Nothing else is in the way: `check_directory` has looked."""
    present = [name for name in _listed(directory) | set(names) if _is_file(directory / name)]
    return sorted(present, key=lambda name: (name != RUN, name))


def _listed(directory: Path) -> set[str]:
    """Files that the run.json of an earlier export lists, as far as exports give such names."""
    try:
        content = json.loads((directory / RUN).read_text(encoding="utf-8"))
        if content["program"] != PROGRAM:
            return set()
        return {name for name in content["files"] if isinstance(name, str) and _OURS.fullmatch(name)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()


def _is_file(path: Path) -> bool:
    return path.is_file() or path.is_symlink()


def _in_the_way(directory: Path) -> list[str]:
    """Files with names that exports give and that no export has written."""
    inside = [(path, path.name) for path in directory.iterdir()] if directory.is_dir() else []
    for folder in _FOLDERS:
        within = directory / folder
        if within.is_symlink():
            raise ExportError(f"{within} is a link; exports write into folders only, move it away")
        inside += [(path, f"{folder}/{path.name}") for path in within.iterdir()] if within.is_dir() else []
    named = {name for path, name in inside if _OURS.fullmatch(name) and _is_file(path)}
    return sorted(named - _listed(directory)) if named else []


def check_directory(directory: str | os.PathLike[str]) -> None:
    """Check that an export can be written into a folder; completes the moves of an export that was killed.

    Raises
    ------
    ExportError
        A file where the folder should be, no permission, or a file in the way that no export has written.
    """
    if not os.fspath(directory):
        raise ExportError("the name of the export folder is empty")
    directory = Path(directory)
    existing = directory
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
    except OSError as error:
        raise ExportError(f"{directory} cannot be the export folder: {error.strerror or error}") from error
    if not existing.is_dir():
        raise ExportError(f"{directory} cannot be the export folder: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ExportError(f"{directory} cannot be written: permission denied for {existing}")
    try:
        complete(directory)
        foreign = _in_the_way(directory)
    except OSError as error:
        raise ExportError(f"{directory} cannot be read: {error.strerror or error}") from error
    if foreign:
        raise ExportError(
            f"{directory} already holds {foreign[0]}, which no earlier export there lists; "
            "choose another folder, or move that file away"
        )


def save_image(grey: Array, path: Path) -> None:
    """Write a PNG.

    Parameters
    ----------
    grey : ndarray (height, width) or (height, width, 3), uint8
    path : Path

    Raises
    ------
    OSError
    """
    Image.fromarray(np.ascontiguousarray(grey)).save(path, format="PNG", optimize=True)


def _image_writer(grey: Array, zoom: int) -> Callable[[Path], None]:
    return lambda path: save_image(grey.repeat(zoom, axis=0).repeat(zoom, axis=1), path)


def _check_zoom(zoom: int | None, images: Array) -> None:
    if zoom is None:
        return
    most = max(1, math.isqrt(_MOST_PIXELS // max(1, math.prod(images.shape[:3]))))
    if not 1 <= zoom <= most:
        raise ExportError(f"zoom is {zoom}; accepted for {len(images)} basis images of this size are 1 to {most}")


def _visible_zoom(images: Array) -> int:
    shorter = int(min(images.shape[1:3]))
    return max(1, math.ceil(_VISIBLE / shorter))


def write_factors(path: Path, dataset: Dataset, result: Result, with_h: bool = True) -> None:
    """Write W, H and what makes images of them as a .npz, which `io.factors.read_factors` reads."""
    with_coefficients: dict[str, Any] = {"H": result.H} if with_h else {}
    scale: dict[str, Any] = {} if result.gram.rows is None else {"row_scale": result.gram.rows}
    np.savez_compressed(
        path,
        W=result.W,
        **with_coefficients,
        **scale,
        image_shape=np.array(dataset.image_shape),
        order=np.array(dataset.order),
        channels=np.array(dataset.channels),
        names=np.array(list(dataset.names)),
    )


def _write_history(path: Path, result: Result) -> None:
    history = result.history
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        names = ["iteration", "error", "error_percent", "sparsity", "target", "seconds"]
        table.writerow([*names, "held_out_error", "phase", "follows"])
        for row in history.records():
            # NaN: the method has no target, the run has held nothing out.
            target, unseen = ("" if value != value else repr(value) for value in (row.target, row.held_out_error))
            numbers = [row.n_iter, repr(row.error), f"{100 * row.error:.6f}", repr(row.sparsity), target]
            phase = trial_words(row.trial) or "run"
            table.writerow([*numbers, f"{row.seconds:.6f}", unseen, phase, row.follows])
