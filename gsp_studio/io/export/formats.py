"""Exports that not every run needs: other formats of the factors and figures, residuals, animations, a report.

`EXTRAS` is the table of them. Each makes files with fixed names, so that a later export knows its own files.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import tifffile
from PIL import Image

from gsp_studio.arrays import Array
from gsp_studio.backends.powers import exponent_of, scaled
from gsp_studio.core.nmf import iterate
from gsp_studio.core.path import SparsityPath
from gsp_studio.core.residuals import residuals
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.io.atomic import ExportError, careful_hdf5
from gsp_studio.io.axes import axes_json
from gsp_studio.io.csv_text import plain_text
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.export.components import (
    centimetre_tags,
    component_heads,
    component_names,
    envi_writers,
    hyperspy_writers,
    map_writers,
    spectra_writers,
)
from gsp_studio.io.export.figures import TILE, FigureStyle, labelled_montage
from gsp_studio.io.montage import montage_image, to_grey
from gsp_studio.io.patches import Picture, put_back
from gsp_studio.io.run_record import ExportedRun

Writers = dict[str, Callable[[Path], object]]

#: Frames of an animation, milliseconds each, and how long the last one stays.
_FRAMES, _FRAME_MS, _LAST_MS = 40, 100, 1500


@dataclass(frozen=True)
class Extra:
    """A kind of export.

    Attributes
    ----------
    title, what : str
        For dialogs and help texts.
    files : tuple of str
        Patterns (regular expressions) of the names of all files that it may make.
    make : (dataset, run, style) -> dict of name to writer
    holds_factors : bool
        Whether it has W or H for other programs and papers, which can be normalized.
    """

    title: str
    what: str
    files: tuple[str, ...]
    make: Callable[[Dataset, ExportedRun, FigureStyle], Writers]
    holds_factors: bool = False


# Factors


def _mat(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    result = run.result
    content = {
        "W": result.W,
        "H": result.H,
        "image_shape": np.array(dataset.image_shape, np.float64),
        "order": dataset.order,
        "error": result.error,
        "sparsity": result.sparsity,
        "normalized": run.normalized,
        "axes": json.dumps(axes_json(dataset.axes)),
        "seeds": list(component_names(run)),
    }

    def write(path: Path) -> None:
        with path.open("wb") as file:
            scipy.io.savemat(file, content, do_compression=True)

    return {"factors.mat": write}


def _csv_factors(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    def writer(values: Array) -> Callable[[Path], object]:
        digits = "%.9g" if values.dtype == np.float32 else "%.17g"  # each reads back to the bit
        return lambda path: np.savetxt(path, values, digits, ",")

    return {"factors_W.csv": writer(run.result.W), "factors_H.csv": writer(run.result.H)}


def _hdf5(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    def write(file: h5py.File, check: Callable[[], None]) -> None:
        for name in ("W", "H"):
            file.create_dataset(name, data=getattr(run.result, name), compression="gzip", compression_opts=1)
            check()
        file["image_shape"] = dataset.image_shape
        file["names"] = [name.encode("utf-8", "backslashreplace") for name in dataset.names]
        file["components"] = [name.encode("utf-8", "backslashreplace") for name in component_names(run)]
        file.attrs.update(order=dataset.order, channels=dataset.channels, error=run.result.error)
        file.attrs.update(normalized=run.normalized, axes=json.dumps(axes_json(dataset.axes)))
        _write_scales(file, dataset)

    return {"factors.h5": lambda path: careful_hdf5(path, write)}


def _write_scales(file: h5py.File, dataset: Dataset) -> None:
    """Name the dimensions of W and H, and attach the coordinates of bands to that which counts these."""
    of, other = (("W", 0), ("H", 1)) if dataset.grid is not None else (("H", 1), ("W", 0))
    band = dataset.axis("band")
    for name, k in (("W", 1), ("H", 0)):
        file[name].dims[k].label = "component"
    file[other[0]].dims[other[1]].label = "pixel"
    bands = file[of[0]].dims[of[1]]
    bands.label = band.name or "band"
    if band.is_calibrated:
        scale = file.create_dataset("band", data=band.coordinates(file[of[0]].shape[of[1]]))
        scale.attrs.update(units=band.unit, long_name=bands.label)
        scale.make_scale(bands.label)
        bands.attach_scale(scale)


def _coefficients(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    H = run.result.H

    def write(path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            table = csv.writer(file)
            labels = ["label"] if dataset.labels is not None else []
            table.writerow(["image", *labels, *component_heads(run, "basis")])
            for j, name in enumerate(dataset.names):
                label = [] if dataset.labels is None else [dataset.labels[j]]
                table.writerow([plain_text(name), *map(plain_text, label), *map(repr, H[:, j].tolist())])

    return {"coefficients.csv": write}


# Figures


def _deep(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    """Write basis images as PNG of 16 bits: black is 0, white the maximum."""
    images = np.asarray(dataset.pictures(run.result.W), np.float64)
    if images.ndim == 4:
        raise ExportError("16-bit PNG is for grey images; of images in colour, TIFF keeps all digits")
    top = images.max(axis=(1, 2), keepdims=True)
    top = np.full_like(top, top.max()) if style.scale == "shared" else top
    levels = np.round(np.divide(images * 65535, top, out=np.zeros_like(images), where=top > 0)).astype(np.uint16)
    digits = len(str(len(levels)))

    def writer(image: Array) -> Callable[[Path], object]:
        return lambda path: Image.fromarray(image).save(path, format="PNG")

    return {f"basis16/basis_{k + 1:0{digits}}.png": writer(image) for k, image in enumerate(levels)}


def _tiff(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    """Write the values themselves as TIFF for Fiji, a page a basis image."""
    W = run.result.W
    images = np.ascontiguousarray(dataset.as_images(W), _type_of_pages(W))
    kind = "rgb" if images.ndim == 4 else "minisblack"

    resolution = centimetre_tags(dataset)
    metadata = {
        "axes": "ZYXS" if images.ndim == 4 else "ZYX",
        "axes_of_data": axes_json(dataset.axes),
        "components": component_names(run),
        "normalized": run.normalized,
    }

    def write(path: Path) -> None:
        unit = None if resolution is None else "CENTIMETER"
        tifffile.imwrite(path, images, photometric=kind, metadata=metadata, resolution=resolution, resolutionunit=unit)

    return {"basis.tif": write}


def _type_of_pages(values: Array) -> np.dtype[Any]:
    """Float32, as most programs open it; the values' own type where float32 has no such numbers."""
    is_single = -126 < exponent_of(float(values.max())) <= 127
    return np.dtype(np.float32) if is_single else values.dtype


def _labelled(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    return {"montage_labelled.png": lambda path: labelled_montage(dataset, run, style).save(path, format="PNG")}


def _vector(kind: str) -> Callable[[Dataset, ExportedRun, FigureStyle], Writers]:
    def make(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
        try:
            from gsp_studio.io.export.vector_figure import draw_curves, draw_montage
        except ImportError as error:
            raise ExportError(f'{kind.upper()} needs matplotlib: pip install "gsp-studio[figures]"') from error
        return {
            f"montage.{kind}": lambda path: draw_montage(path, kind, dataset, run, style),
            f"curves.{kind}": lambda path: draw_curves(path, kind, run),
        }

    return make


# Residuals


def _residuals(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    result, unit = run.result, run.result.gram.unit
    # The squares of extreme data are beyond any number's range, but they can be drawn.
    inside = unit.data_inside(dataset.X), unit.basis_inside(result.W), unit.coefficients_inside(result.H)
    found = residuals(*inside)
    image = to_grey(np.maximum(dataset.pictures(found.pixels.astype(np.float32)[:, None]), 0))[0]
    zoom = style.zoom or max(1, -(-TILE * 2 // min(image.shape[:2])))

    def write_errors(path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            table = csv.writer(file)
            table.writerow(["image", "error"])
            table.writerows(
                [plain_text(name), repr(float(e))] for name, e in zip(dataset.names, found.images, strict=True)
            )

    return {
        "residual_map.png": lambda path: Image.fromarray(
            np.ascontiguousarray(image.repeat(zoom, axis=0).repeat(zoom, axis=1))
        ).save(path, format="PNG"),
        "residual_map.csv": lambda path: np.savetxt(
            path, dataset.as_map(scaled(found.pixels, 2 * unit.data)), "%.9g", ","
        ),
        "residuals.csv": write_errors,
    }


# Animations


def _path_gif(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    """The basis before its projection, from its own sparsity to 1."""
    weights = run.result.params.weights
    dense = run.result.dense
    if dense.shape[0] < 2:
        raise ExportError("an animation of sparsities needs images of at least 2 pixels")
    path = SparsityPath(dense, weights)
    own = float(np.mean(hoyer_sparsity(dense, weights)))
    bases = (path.project(float(s)).values for s in np.linspace(own, 1.0, _FRAMES))
    return {"path.gif": lambda target: _animate(target, bases, dataset, style)}


def _run_gif(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    """The basis while it was found: the run is repeated, which gives the same iterates again."""
    start, steering = run.as_done()
    shown = set(np.unique(np.geomspace(1, run.result.n_iter, _FRAMES).astype(int)).tolist())

    def bases() -> Any:
        from gsp_studio.backends import get_backend

        solver, step = iterate(dataset.X, start, get_backend(run.backend, run.threads), run.mask), None
        while True:
            style.check()
            try:
                it = solver.send(step)
            except StopIteration:
                return
            if it.n_iter in shown and it.W.shape == run.result.W.shape:
                yield it.W
            step = steering.get(it.n_iter)

    return {"run.gif": lambda path: _animate(path, bases(), dataset, style)}


def _animate(path: Path, bases: Any, dataset: Dataset, style: FigureStyle) -> None:
    frames = []
    for W in bases:
        images = dataset.pictures(W)
        zoom = style.zoom or max(1, TILE // 2 // min(images.shape[1:3]))
        frames.append(Image.fromarray(np.ascontiguousarray(montage_image(images, gap=2, scale=style.scale, zoom=zoom))))
    save_animation(path, iter(frames), len(frames), _FRAME_MS)


def save_animation(path: Path, frames: Iterator[Image.Image], count: int, each: int) -> None:
    """Write `count` images of one size as an animated GIF: `each` is a frame's time in milliseconds, the last stays."""
    times = [each] * (count - 1) + [_LAST_MS]
    next(frames).save(path, format="GIF", save_all=True, append_images=frames, duration=times, loop=0)


def _report(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    from gsp_studio.io.export.html_report import report_of

    return {"report.html": lambda path: path.write_text(report_of(dataset, run, style), encoding="utf-8")}


def _pictures(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> Writers:
    """Original, reconstruction and residual of each image that was cut into patches, side by side."""
    if dataset.whole is None:
        raise ExportError("pictures are put together from patches, and these images are no patches (a step cuts them)")
    count = dataset.whole[0]

    @lru_cache(1)  # two files of each picture are written one after the other
    def picture(k: int) -> Picture:
        return put_back(dataset, run.result.W, run.result.H, k)

    writers: Writers = {}
    for k in range(count):
        name = "picture" if count == 1 else f"picture_{k + 1:0{len(str(count))}}"
        writers[f"{name}.png"] = partial(_write_plates, picture, k)
        writers[f"{name}.tif"] = partial(_write_pages, picture, k)
    return writers


def _write_plates(make: Callable[[int], Picture], k: int, path: Path) -> None:
    """Original, reconstruction, and the size of the residual, as grey or colour with one white."""
    picture = make(k)
    white = float(picture.original.max()) or 1.0
    plates = [picture.original, picture.reconstruction, np.abs(picture.residual)]
    gap = np.ones((len(plates[0]), 4, *plates[0].shape[2:])) * white
    sheet = np.concatenate([plates[0], gap, plates[1], gap, plates[2]], axis=1)
    Image.fromarray((np.clip(sheet / white, 0, 1) * 255).round().astype(np.uint8)).save(path, format="PNG")


def _write_pages(make: Callable[[int], Picture], k: int, path: Path) -> None:
    """Write the three with all digits, the residual with its sign: three pages."""
    picture = make(k)
    pages = np.stack([picture.original, picture.reconstruction, picture.residual])
    pages = pages.astype(_type_of_pages(pages))
    kind = "rgb" if pages.ndim == 4 else "minisblack"
    tifffile.imwrite(path, pages, photometric=kind, metadata={"axes": "ZYXS" if pages.ndim == 4 else "ZYX"})


EXTRAS: Mapping[str, Extra] = {
    "mat": Extra("MATLAB", "W and H as factors.mat", (r"factors\.mat",), _mat, True),
    "csv": Extra("CSV", "W and H as text, to the last digit", (r"factors_[WH]\.csv",), _csv_factors, True),
    "h5": Extra("HDF5", "W and H as factors.h5", (r"factors\.h5",), _hdf5, True),
    "coefficients": Extra(
        "Coefficients", "a line an image, with its name", (r"coefficients\.csv",), _coefficients, True
    ),
    "png16": Extra("16-bit PNG", "basis images with 65,536 greys", (r"basis16/basis_[0-9]+\.png",), _deep),
    "tiff": Extra("Float TIFF", "basis images with their values, a stack", (r"basis\.tif",), _tiff, True),
    "maps": Extra("Maps", "float TIFF with the size of a pixel", (r"maps\.tif",), map_writers, True),
    "spectra": Extra("Spectra", "CSV with wavelengths", (r"spectra\.csv",), spectra_writers, True),
    "envi": Extra(
        "ENVI", "maps and a spectral library", (r"maps\.(hdr|img)", r"spectra\.(hdr|sli)"), envi_writers, True
    ),
    "hspy": Extra("hyperspy", "maps and spectra as signals", (r"components\.hspy",), hyperspy_writers, True),
    "labels": Extra("Labelled montage", "with numbers and sparsities", (r"montage_labelled\.png",), _labelled),
    "svg": Extra("SVG", "labelled montage and curves, for papers", (r"(montage|curves)\.svg",), _vector("svg"), True),
    "pdf": Extra("PDF", "the same as PDF", (r"(montage|curves)\.pdf",), _vector("pdf"), True),
    "residuals": Extra(
        "Residuals", "errors of pixels and of images", (r"residual_map\.(png|csv)", r"residuals\.csv"), _residuals
    ),
    "pictures": Extra(
        "Whole pictures",
        "images that were cut into patches, put together again",
        (r"picture(_[0-9]+)?\.(png|tif)",),
        _pictures,
    ),
    "path": Extra("Sparsity path", "an animated GIF from dense to sparse", (r"path\.gif",), _path_gif),
    "run": Extra("The run", "an animated GIF of its iterates", (r"run\.gif",), _run_gif),
    "report": Extra("Report", "one HTML file with everything", (r"report\.html",), _report),
}
