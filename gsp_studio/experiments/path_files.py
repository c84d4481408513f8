"""A solved path as files: table, curve, strip, animation, and the factors of every point."""

from __future__ import annotations

import csv
import importlib.util
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import gives_same_bits
from gsp_studio.core.matching import match_bases
from gsp_studio.experiments.path_points import PathPoints
from gsp_studio.io.export.figures import captioned_montage, side_by_side
from gsp_studio.io.export.formats import save_animation
from gsp_studio.io.export.run_folder import save_image, write_factors, write_together
from gsp_studio.io.run_json import DAMAGE, FORMAT, PROGRAM, RUN, arrays_among, describe_data, params_json, write_json
from gsp_studio.io.schema import INPUTS
from gsp_studio.io.versions import software_versions

TABLE, CURVE, STRIP, ANIMATION = "path.csv", "path", "strip.png", "path.gif"
#: Bases in the strip, and milliseconds of the animation without its last frame.
_IN_STRIP, _ALL_MS, _LONGEST_MS = 5, 5000, 400


def can_draw() -> bool:
    """Whether the curve can be drawn: matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def path_in(directory: Path) -> tuple[str, int] | None:
    """Key and number of points of the path in a folder; "" for the key where its run.json is about something else.

    None for a folder without a run.json.
    """
    try:
        content = json.loads((directory / RUN).read_text(encoding="utf-8"))
        found = content["path"]
        return str(found["key"]), len(found["points"])
    except FileNotFoundError:
        return None
    except (OSError, *DAMAGE, TypeError, AttributeError, RecursionError):
        return "", 0


def write_path(points: PathPoints, directory: Path) -> list[Path]:
    """Write path.csv, the curve as PNG, SVG and PDF, strip.png, path.gif, a file of factors a point, and run.json.

    All are written, or none; those of an earlier export in the folder go. Without matplotlib there is no curve.

    Raises
    ------
    ExportError
        The folder cannot be written.
    """
    dataset = points.spec.dataset
    writers: dict[str, Callable[[Path], object]] = {TABLE: lambda path: _write_table(points.table(), path)}
    if can_draw():
        from gsp_studio.experiments.plots import save_figure

        writers |= {f"{CURVE}.{kind}": lambda path: save_figure(points, path) for kind in ("png", "svg", "pdf")}
    writers[STRIP] = lambda path: save_image(np.asarray(_strip(points)), path)
    writers[ANIMATION] = lambda path: _animate(points, path)
    for name, result in zip(points.files(), points.results.values(), strict=True):
        writers[name] = lambda path, result=result: write_factors(path, dataset, result)  # type: ignore[misc]
    arrays = arrays_among(points.spec.params, "start")
    arrays |= {} if points.spec.mask is None else {"mask": points.spec.mask}
    if arrays:
        writers[INPUTS] = lambda path: np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    content = _describe(points, [*writers, RUN])
    writers[RUN] = lambda path: write_json(path, content)
    return write_together(directory, writers)


def _write_table(rows: Sequence[Sequence[Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _describe(points: PathPoints, files: Sequence[str]) -> dict[str, Any]:
    spec = points.spec
    params = params_json(spec.params, "start")
    del params["sparsity"]
    computed = next(iter(points.results.values())).backend
    bits = "the same bits on processors of the same type, whatever the threads"
    return {
        "format": FORMAT,
        "program": PROGRAM,
        "path": {"key": spec.key, "targets": list(spec.targets), **points.summary()},
        "params": params,
        "mask": None if spec.mask is None else {INPUTS: "mask"},
        "backend": {"asked": spec.backend, "computed": computed},
        "data": describe_data(spec.dataset),
        "deterministic": bits if gives_same_bits(computed) else "the same to rounding",
        "platform": platform.platform(),
        "versions": software_versions(),
        "files": list(files),
    }


def _bases(points: PathPoints) -> Iterator[tuple[str, Array]]:
    """Captions and bases, the densest first; basis images that are most alike keep their place."""
    before: Array | None = None
    for target, result in points.sorted_results:
        W = result.W
        if before is not None:
            W = W[:, match_bases(before, W).cells_of_second(np.arange(W.shape[1]), W.shape[1])]
        before = W
        yield f"s = {target:.3f}   error {100 * result.error:.2f} %", W


def _strip(points: PathPoints) -> Image.Image:
    """Bases up to the knee at equal distances, and the sparsest."""
    targets = [target for target, _ in points.sorted_results]
    last = len(targets) - 1
    at = targets.index(points.knee) if points.knee in targets else last
    steps = _IN_STRIP - 1 if at == last else _IN_STRIP - 2
    chosen = {round(k * at / steps) for k in range(steps + 1)} | {last}
    bases = (basis for k, basis in enumerate(_bases(points)) if k in chosen)
    return side_by_side([captioned_montage(points.spec.dataset, W, caption) for caption, W in bases])


def _animate(points: PathPoints, path: Path) -> None:
    count = len(points.results)
    frames = (captioned_montage(points.spec.dataset, W, caption) for caption, W in _bases(points))
    save_animation(path, frames, count, min(_LONGEST_MS, max(20, _ALL_MS // count)))
