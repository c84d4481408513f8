"""Components with their axes for other programs: maps as TIFF and ENVI, spectra as CSV, both as signals of hyperspy."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile

from gsp_studio.arrays import Array
from gsp_studio.core.hyperspy_signals import axes_entries, images_and_curves
from gsp_studio.core.seeds import seed_of
from gsp_studio.io.atomic import ExportError, careful_hdf5
from gsp_studio.io.csv_text import plain_text
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.run_record import ExportedRun

Writers = dict[str, Callable[[Path], object]]

#: Pixels a unit that tags of resolution can hold: ratios of numbers of 32 bits.
_LEAST, _MOST = 1e-8, 1e8
#: Metres of units of length.
_METRES = {"pm": 1e-12, "Å": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3}
#: Units in the ASCII of TIFF and ENVI headers.
_ASCII = {"µm": "um", "Å": "Angstrom", "cm⁻¹": "1/cm", "°": "degree"}
_ENVI_UNITS = {"nm": "Nanometers", "µm": "Micrometers", "m": "Meters", "°": "Degrees", "cm⁻¹": "Wavenumber"}


def map_writers(dataset: Dataset, run: ExportedRun, style: object = None) -> Writers:
    """Maps of the components as one TIFF of floats, with the size of a pixel as ImageJ has it."""
    maps = _grey(dataset, run)[0]
    names, scaling = component_names(run), _scaling(dataset, run)
    return {"maps.tif": lambda path: write_imagej(path, maps, dataset, names, scaling)}


def write_imagej(path: Path, images: Array, dataset: Dataset, names: Sequence[str], info: str = "") -> None:
    """Write images (k, height, width) as float32, a page each, with their names and the size and unit of a pixel.

    ImageJ shows `info` under Image > Show Info.
    """
    y, x = dataset.axis("y"), dataset.axis("x")
    metadata: dict[str, Any] = {"axes": "ZYX", "Labels": list(names), "mode": "grayscale"}
    if info:
        metadata["Info"] = info
    resolution = None
    if x.unit and y.unit and x.spacing and y.spacing:
        across, down = 1 / x.spacing, 1 / y.spacing
        if all(_LEAST < one < _MOST for one in (across, down)):
            resolution = (across, down)
            metadata |= {"unit": _ascii(x.unit)} | ({} if x.unit == y.unit else {"yunit": _ascii(y.unit)})
    pages = np.ascontiguousarray(images, np.float32)
    tifffile.imwrite(path, pages, imagej=True, resolution=resolution, metadata=metadata)


def centimetre_tags(dataset: Dataset) -> tuple[float, float] | None:
    """Pixels a centimetre across and down, for tags of resolution.

    Returns
    -------
    (float, float) or None
        None where the size of a pixel is not known, no length, or beyond the tags.
    """
    sizes = [_METRES.get(axis.unit, 0.0) * (axis.spacing or 0.0) for axis in (dataset.axis("x"), dataset.axis("y"))]
    if dataset.grid is not None or not all(sizes):
        return None
    across, down = (0.01 / size for size in sizes)
    return (across, down) if all(_LEAST < one < _MOST for one in (across, down)) else None


def envi_writers(dataset: Dataset, run: ExportedRun, style: object = None) -> Writers:
    """Maps as an ENVI cube with the names of its bands, and spectra as an ENVI library with their wavelengths."""
    maps, curves = _grey(dataset, run)
    names = [re.sub(r"[,{}]+", " ", name) for name in component_names(run)]
    cube = {"samples": maps.shape[2], "lines": maps.shape[1], "bands": len(maps), "band names": _listed(names)}
    if run.normalized:
        cube["description"] = f"{{{_scaling(dataset, run)}}}"
    y, x, band = (dataset.axis(dimension) for dimension in ("y", "x", "band"))
    if x.spacing and y.spacing and x.unit == y.unit and x.unit:
        unit = _ENVI_UNITS.get(x.unit, _ascii(x.unit))
        cube["pixel size"] = f"{{{x.spacing!r}, {y.spacing!r}, units={unit}}}"
    library: dict[str, object] = {
        "samples": curves.shape[1],
        "lines": len(curves),
        "bands": 1,
        "file type": "ENVI Spectral Library",
        "spectra names": _listed(names),
    }
    if run.normalized:
        library["description"] = cube["description"]
    if band.is_calibrated:
        library["wavelength"] = _listed(map(repr, band.coordinates(curves.shape[1]).tolist()))
        library["wavelength units"] = _ENVI_UNITS.get(band.unit, _ascii(band.unit)) or "Unknown"
    return {
        "maps.hdr": lambda path: _write_header(path, cube),
        "maps.img": lambda path: np.ascontiguousarray(maps, "<f4").tofile(path),
        "spectra.hdr": lambda path: _write_header(path, library),
        "spectra.sli": lambda path: np.ascontiguousarray(curves, "<f4").tofile(path),
    }


def _write_header(path: Path, fields: dict[str, Any]) -> None:
    said = {**fields, "data type": 4, "interleave": "bsq", "byte order": 0, "header offset": 0}
    path.write_text("\n".join(["ENVI", *(f"{key} = {value}" for key, value in said.items()), ""]), encoding="utf-8")


def spectra_writers(dataset: Dataset, run: ExportedRun, style: object = None) -> Writers:
    """The spectra, or the coefficients along the images, as a table: coordinates first, then a column a component."""
    curves = images_and_curves(run.result.W, np.asarray(run.result.H), dataset)[1]
    band = dataset.axis("band")

    def write(path: Path) -> None:
        at = band.coordinates(curves.shape[1]).tolist()
        labels = [["name"], *([label] for label in band.labels)] if band.labels else [[]] * (len(at) + 1)
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            table = csv.writer(file)
            table.writerow([plain_text(band.title), *labels[0], *component_heads(run)])
            for place, label, values in zip(at, labels[1:], curves.T.tolist(), strict=True):
                table.writerow([repr(place), *map(plain_text, label), *map(repr, values)])

    return {"spectra.csv": write}


def hyperspy_writers(dataset: Dataset, run: ExportedRun, style: object = None) -> Writers:
    """Maps and spectra as two signals in one file that hyperspy opens, each with its axes."""
    maps, curves = _grey(dataset, run)
    of_maps, of_curves = axes_entries(dataset, maps, curves)
    title = dataset.name.encode("utf-8", "backslashreplace").decode()

    def write(file: h5py.File, check: Callable[[], None]) -> None:
        file.attrs.update({"file_format": "HyperSpy", "file_format_version": "3.1"})
        for name, values, axes in (("maps", maps, of_maps), ("spectra", curves, of_curves)):
            group = file.create_group(f"Experiments/{name}")
            group.attrs.update({"package": "", "package_version": ""})
            group.create_dataset("data", data=values, compression="gzip", compression_opts=1)
            for k, axis in enumerate(axes):
                _write_axis(group.create_group(f"axis-{k}"), axis)
            group.create_group("metadata/General").attrs["title"] = f"{title}: {name}"
            if run.normalized:
                group["metadata/General"].attrs["notes"] = _scaling(dataset, run)
            group.create_group("metadata/Signal").attrs["signal_type"] = ""
            for empty in ("original_metadata", "learning_results"):
                group.create_group(empty)
            check()

    return {"components.hspy": lambda path: careful_hdf5(path, write)}


def _write_axis(group: h5py.Group, axis: dict[str, Any]) -> None:
    listed = axis.get("axis")
    group.attrs["_type"] = "UniformDataAxis" if listed is None else "DataAxis"
    group.attrs["is_binned"] = False
    for key, value in axis.items():
        if key == "axis":
            group["axis"] = np.array(value)
        else:
            group.attrs[key] = value


def _grey(dataset: Dataset, run: ExportedRun) -> tuple[Array, Array]:
    """Images and curves of the components, which this format can only have in grey."""
    if dataset.channels != 1:
        raise ExportError("maps are grey; of images in colour, the basis as TIFF keeps all digits")
    images, curves = images_and_curves(run.result.W, np.asarray(run.result.H), dataset)
    if not all(np.isfinite(part.astype(np.float32)).all() for part in (images, curves)):
        raise ExportError("the factors are beyond the numbers of 32 bits of these files; MATLAB and HDF5 keep them")
    return images, curves


def _scaling(dataset: Dataset, run: ExportedRun) -> str:
    """How maps and spectra were normalized, in words; "" for not at all."""
    basis, coefficients = ("spectrum", "map") if dataset.grid is not None else ("map", "curve")
    return f"each {basis} {run.normalized}, its {coefficients} scaled inversely" if run.normalized else ""


def component_names(run: ExportedRun) -> list[str]:
    """Names of the components: "component 2", and what seeded it, "component 2: soil from library.csv"."""
    return [_with_seed(f"component {k + 1}", run, k) for k in range(run.result.W.shape[1])]


def component_heads(run: ExportedRun, kind: str = "component") -> list[str]:
    """Heads of columns of a table, a component each: as `component_names`, and how its basis image was normalized."""
    ending = f", basis image {run.normalized}" if run.normalized else ""
    return [_with_seed(f"{kind}_{k + 1}", run, k) + ending for k in range(run.result.W.shape[1])]


def _with_seed(name: str, run: ExportedRun, k: int) -> str:
    seed = seed_of(run.result.params, k)
    return f"{name}: {seed}" if seed else name


def _listed(parts: Any) -> str:
    return "{" + ", ".join(parts) + "}"


def _ascii(unit: str) -> str:
    return _ASCII.get(unit, unit).encode("ascii", "replace").decode().replace(",", " ").replace("}", " ")
