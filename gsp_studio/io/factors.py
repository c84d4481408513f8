"""The factors of exported runs, and other arrays in .npz files that exports write."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.formats.registry import list_arrays, read_array
from gsp_studio.io.paths import check_regular
from gsp_studio.io.swap import complete

FACTORS = "factors.npz"
#: Names of files that hold H alone.
COEFFICIENTS = {"npy": "H.npy", "zarr": "H.zarr.zip"}


def read_npz(path: Path, names: Collection[str] | None = None) -> dict[str, Array]:
    """Arrays of real numbers in a .npz that an export wrote, none larger than its file and the memory can hold.

    Parameters
    ----------
    path : Path
    names : collection of str, optional
        Those to read; by default all.

    Raises
    ------
    ExportError
        No file, or one that is damaged.
    """
    check_regular(path, ExportError)
    try:
        entries = [entry for entry in list_arrays(path, "npz") if names is None or entry.key in names]
        return {entry.key: read_array(path, "npz", entry) for entry in entries}
    except ValueError as error:
        raise ExportError(str(error)) from error


def _factors(path: Path) -> tuple[Array, Array]:
    found = read_npz(path, ("W", "H"))
    if "H" not in found:  # in a file of its own, of which parts are read
        beside = path.with_name(COEFFICIENTS["npy"])
        check_regular(beside, ExportError)
        [entry] = list_arrays(beside, "npy")
        found["H"] = read_array(beside, "npy", entry)
    if "W" not in found:
        raise ExportError(f"{path} has no W")
    W, H = found["W"], found["H"]
    if W.ndim != 2 or H.ndim != 2 or W.shape[1] != H.shape[0] or not {W.dtype.kind, H.dtype.kind} <= {"f"}:
        raise ExportError(f"W has shape {W.shape} and H {H.shape}, which are no factors of a matrix")
    return W, H


def read_factors(path: str | os.PathLike[str]) -> tuple[Array, Array]:
    """W (m, r) and H (r, n) of an exported run.

    Parameters
    ----------
    path : path-like
        factors.npz, or the folder of an export.

    Raises
    ------
    ExportError
        A file that is missing or damaged.
    """
    path = Path(path)
    path = path / FACTORS if path.is_dir() else path
    try:
        with contextlib.suppress(OSError):  # a disk that can only be read
            complete(path.parent)
        return _factors(path)
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} holds no factors of an exported run: {error}") from error


def read_basis(folder: Path) -> tuple[Array, Array | None]:
    """W (m, r) of an exported run, and what its pixels were divided by (m,) where they were scaled as counts.

    Its coefficients, which may be many, are not read.

    Raises
    ------
    ExportError
        A file that is missing or damaged.
    """
    found = read_npz(folder / FACTORS, ("W", "row_scale"))
    W = found.get("W")
    if W is None or W.ndim != 2 or W.dtype.kind != "f":
        raise ExportError(f"{folder / FACTORS} holds no basis of an exported run")
    return W, found.get("row_scale")


def same_factors(a: Path, b: Path) -> bool:
    """Whether two factors.npz hold the same W and H, bit by bit.

    Raises
    ------
    ExportError
        A file that is missing or damaged.
    """
    try:
        one, other = _factors(a), _factors(b)
        return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(one, other, strict=True))
    except (OSError, ValueError) as error:
        raise ExportError(f"{a} and {b} cannot be compared: {error}") from error
