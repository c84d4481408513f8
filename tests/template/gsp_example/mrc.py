"""A reader of MRC2014 files, stacks of electron microscopy: https://www.ccpem.ac.uk/mrc-format/mrc2014/."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import ArrayEntry, Format, require_held

#: Bytes before the extended header.
_HEADER = 1024
_MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


def is_mrc(path: Path, head: bytes) -> bool:
    """Whether a file is of this kind; its signature lies behind the bytes that are handed over."""
    return path.suffix.lower() in (".mrc", ".mrcs") and len(head) == 128


def list_stacks(path: Path) -> list[ArrayEntry]:
    """The one stack of a file, from its header; what that declares is compared with the file's size."""
    entry, begin, _ = header(path)
    require_held(entry, path, path.stat().st_size - begin)
    return [entry]


def read_stack(path: Path, entry: ArrayEntry) -> np.ndarray:
    """The values (sections, rows, columns)."""
    known, begin, _ = header(path)
    values = np.fromfile(path, known.dtype, entry.shape[0] * entry.shape[1] * entry.shape[2], offset=begin)
    return values.reshape(entry.shape).astype(known.dtype.newbyteorder("="), copy=False)


def pixel_axes(path: Path, entry: ArrayEntry) -> tuple[tuple[Axis | None, ...], tuple[str, ...]]:
    """Rows and columns in ångström, where the file says how large its cell is."""
    _, _, sides = header(path)
    axes = [Axis("y", unit="Å", scale=float(side)) if side > 0 else None for side in sides]
    return (None, axes[1], axes[0]), ()


def header(path: Path) -> tuple[ArrayEntry, int, np.ndarray]:
    """The stack, where its values begin, and the sides of a pixel (x, y) in ångström, 0 where they are not known.

    Raises
    ------
    DatasetError
        A file that is too short, or values of a type that is none of images.
    """
    with path.open("rb") as file:
        held = file.read(_HEADER)
    if len(held) < _HEADER:
        raise DatasetError(f"{path} has {len(held)} bytes; an MRC file begins with a header of {_HEADER}")
    order = ">" if held[212:213] == b"\x11" else "<"
    whole, real = np.frombuffer(held, f"{order}i4"), np.frombuffer(held, f"{order}f4")
    columns, rows, sections, mode = (int(one) for one in whole[:4])
    if mode not in _MODES:
        raise DatasetError(f"{path}: values of mode {mode}; accepted are the modes {', '.join(map(str, _MODES))}")
    if min(columns, rows, sections) < 1:
        raise DatasetError(f"{path}: its header declares {columns} x {rows} x {sections}; accepted are sides from 1 on")
    entry = ArrayEntry("", (sections, rows, columns), np.dtype(order + _MODES[mode]), is_certain=True)
    with np.errstate(all="ignore"):
        sides = real[10:12].astype(float) / whole[7:9]
    return entry, _HEADER + max(0, int(whole[23])), np.where(np.isfinite(sides), sides, 0.0)


FORMAT = Format(
    name="MRC",
    recognises=is_mrc,
    suffixes=(".mrc", ".mrcs"),
    list=list_stacks,
    read=read_stack,
    axes=pixel_axes,
)
