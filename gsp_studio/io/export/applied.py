"""A basis applied to other images, written into a folder: coefficients, errors, and what they are of."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.application import Application, applications, quotient
from gsp_studio.core.params import Params
from gsp_studio.core.seeds import seed_of
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.csv_text import plain_text
from gsp_studio.io.dataset import Dataset, LoadOptions, as_images
from gsp_studio.io.export.run_folder import check_directory, write_together
from gsp_studio.io.run_json import PROGRAM, describe_data, params_json, write_json
from gsp_studio.io.versions import versions_now

COEFFICIENTS, ERRORS, TABLE, ABOUT = "applied.npy", "applied_errors.npy", "applied.csv", "applied.json"
#: Rows of the table that are written together.
_ROWS = 1 << 12


@dataclass(frozen=True, eq=False)
class FixedBasis:
    """The basis of a run, with all that says how it is applied to other images.

    Attributes
    ----------
    W : ndarray (m, r)
    params : Params
        Of the run.
    image_shape, order, channels, grid
        Of its data, as `Dataset` has them.
    source : str
        The run, in words or by its path.
    row_scale : ndarray (m,), optional
        `Result.gram.rows` of the run.
    """

    W: Array
    params: Params
    image_shape: tuple[int, int]
    order: str
    channels: int
    grid: tuple[int, int] | None
    source: str
    row_scale: Array | None = None

    def as_columns_of(self, dataset: Dataset) -> tuple[Array, Array | None]:
        """The basis and the scale of its pixels, in the order of other images.

        Raises
        ------
        ExportError
            Images of another shape.
        """
        own, other = (_shape_words(part) for part in (self, dataset))
        if own != other:
            raise ExportError(f"{dataset.name} has {other}; the basis of {self.source} is of {own}")
        if dataset.order == self.order or self.grid is not None:
            return self.W, self.row_scale
        rows = self.W.T if self.row_scale is None else np.vstack([self.W.T, self.row_scale])
        images = as_images(rows, self.image_shape, self.order, self.channels)
        values = np.moveaxis(images, -1, 1) if self.channels == 3 else images[:, None]
        vectors = [[plane.ravel(order=dataset.order) for plane in image] for image in values]
        columns = np.ascontiguousarray(np.reshape(vectors, rows.shape).T)
        return (columns, None) if self.row_scale is None else (columns[:, :-1], columns[:, -1])


#: Options that are about the images of a run alone.
_OWN = ("subset", "labels", "storage")


def options_for_others(options: LoadOptions) -> dict[str, Any]:
    """How the images of a run were read, as far as others can be read alike."""
    found = {name: value for name, value in vars(options).items() if name not in _OWN}
    if options.samples == "pixels":
        del found["image_shape"]  # another picture of spectra has a size of its own
    return found


def check_free(directory: Path) -> None:
    """Raise ExportError where the folder cannot be written, or holds an application already."""
    check_directory(directory)
    for name in (COEFFICIENTS, ERRORS, TABLE, ABOUT):
        if (directory / name).exists() or (directory / name).is_symlink():
            raise ExportError(f"{directory} already holds {name}; choose another folder, or move that file away")


def export_application(
    directory: Path, basis: FixedBasis, dataset: Dataset, backend: Any = "auto", mask: Array | None = None
) -> tuple[list[Path], float]:
    """Apply a basis to a data set, some images after others, and write what comes of it; nothing is replaced.

    Parameters
    ----------
    directory : Path
        Made when it is missing.
    basis : FixedBasis
    dataset : Dataset
    backend : str or Backend
    mask : ndarray (m, n) of bool or floating numbers, optional
        True where an entry is missing; or what entries count, from 0, missing, to 1.

    Returns
    -------
    files : list of Path
        applied.npy (r, n), applied_errors.npy (n,), applied.csv with a row an image, applied.json.
    error : float
        Of all images, a fraction.

    Raises
    ------
    ExportError
        A folder that cannot be written or holds such files; nothing is left behind then.
    ValueError
        Images that the basis does not fit.
    """
    check_free(directory)
    W, row_scale = basis.as_columns_of(dataset)
    parts = applications(dataset.X, W, basis.params, backend, mask, row_scale)
    n, total = dataset.X.shape[1], [0.0, 0.0]
    errors = np.zeros(n)

    def write_coefficients(path: Path) -> None:
        total[:] = _write_parts(path, parts, errors, n)

    def write_about(path: Path) -> None:
        about = {
            "program": PROGRAM,
            "basis": {"source": basis.source, "params": {**params_json(basis.params, "run"), "init": None}},
            "data": describe_data(dataset),
            "error": quotient(*total),
            "has_mask": mask is not None,
            "versions": versions_now(),
        }
        write_json(path, about)

    writers = {
        COEFFICIENTS: write_coefficients,
        ERRORS: lambda path: np.save(path, errors),
        TABLE: lambda path: _write_table(path, path.with_name(COEFFICIENTS), errors, dataset, basis.params),
        ABOUT: write_about,
    }
    return write_together(directory, writers), quotient(*total)


def _write_parts(path: Path, parts: Iterable[Application], errors: Array, n: int) -> tuple[float, float]:
    """Write coefficients image after image, and keep the errors; returns ``||X - W H||_F`` and ``||X||_F``."""
    left, of, has_header = 0.0, 0.0, False
    with path.open("wb") as file:
        for part in parts:
            if not has_header:
                shape = {"descr": np.lib.format.dtype_to_descr(part.H.dtype), "fortran_order": True}
                np.lib.format.write_array_header_1_0(file, {**shape, "shape": (len(part.H), n)})
                has_header = True
            file.write(np.asfortranarray(part.H).tobytes("F"))
            errors[part.some] = part.errors
            more = part.totals
            left, of = math.hypot(left, more[0]), math.hypot(of, more[1])
    return left, of


def _write_table(path: Path, coefficients: Path, errors: Array, dataset: Dataset, params: Params) -> None:
    H = np.load(coefficients, mmap_mode="r")
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        labels = dataset.labels
        title = ["image", *(["label"] if labels is not None else []), "error"]
        seeds = (seed_of(params, k) for k in range(len(H)))
        table.writerow([*title, *(f"basis_{k + 1}{f': {seed}' if seed else ''}" for k, seed in enumerate(seeds))])
        for start in range(0, H.shape[1], _ROWS):
            some = range(start, min(start + _ROWS, H.shape[1]))
            values = np.asarray(H[:, start : some.stop]).T.tolist()
            for j, row in zip(some, values, strict=True):
                label = [] if labels is None else [plain_text(str(labels[j]))]
                table.writerow([plain_text(dataset.names[j]), *label, repr(float(errors[j])), *map(repr, row)])


def _shape_words(of: Any) -> str:
    if of.grid is not None:
        return f"spectra of {of.image_shape[1]} values"
    colours = " in colour" if of.channels == 3 else ""
    return f"images of {of.image_shape[0]} x {of.image_shape[1]}{colours}"
