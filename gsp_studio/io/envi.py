"""ENVI cubes: a text header beside a file of plain values, read as a memory map whatever their order.

Each band is an image, of `lines` x `samples` pixels.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.entry import ArrayEntry

Array = npt.NDArray[Any]

_TYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}
#: Order of the axes in the file, and how they become (band, line, sample).
_INTERLEAVES = {"bsq": ("bls", (0, 1, 2)), "bil": ("lbs", (1, 0, 2)), "bip": ("lsb", (2, 0, 1))}
_DATA_SUFFIXES = ("", ".raw", ".img", ".dat", ".bin", ".bsq", ".bil", ".bip", ".cube")
_LONGEST_HEADER = 1 << 22


@dataclass(frozen=True)
class Header:
    """What an ENVI header says.

    Attributes
    ----------
    path, data : Path
        The header, and the file of values.
    shape : (bands, lines, samples)
    interleave : "bsq" | "bil" | "bip"
    dtype : numpy.dtype
        With its byte order.
    offset : int
        Bytes before the first value.
    bands : tuple of str
        Names, or wavelengths with their unit; empty where there are none.
    """

    path: Path
    data: Path
    shape: tuple[int, int, int]
    interleave: str
    dtype: np.dtype[Any]
    offset: int
    bands: tuple[str, ...]


def is_envi(path: Path, head: bytes) -> bool:
    """Whether a file is an ENVI header, or lies beside one that has its name."""
    return head.startswith(b"ENVI") or _header_beside(path) is not None


def list_arrays(path: Path) -> list[ArrayEntry]:
    """The cube, its bands as images."""
    header = read_header(path)
    entry = ArrayEntry("", header.shape, header.dtype, is_certain=True)
    held = header.data.stat().st_size - header.offset
    if entry.nbytes > held:
        raise DatasetError(f"{header.data}: its header declares {entry}, {entry.nbytes} bytes, but {held} bytes follow")
    return [entry]


def read_array(path: Path, entry: ArrayEntry) -> Array:
    """The values (bands, lines, samples), a view of a memory map."""
    header = read_header(path)
    axes, order = _INTERLEAVES[header.interleave]
    sizes = dict(zip("bls", header.shape, strict=True))
    stored = tuple(sizes[axis] for axis in axes)
    return np.memmap(header.data, header.dtype, "r", header.offset, stored).transpose(order)


def names(path: Path, entry: ArrayEntry) -> tuple[str, ...] | None:
    """Names of the bands."""
    return read_header(path).bands or None


def read_header(path: Path) -> Header:
    """Read the header at `path`, or that of the values at `path`.

    Raises
    ------
    DatasetError
        A header without its values, or one that does not say what they are.
    """
    found = path if _starts_like_envi(path) else _header_beside(path)
    if found is None:
        raise DatasetError(f"{path} has no ENVI header beside it")
    if found.stat().st_size > _LONGEST_HEADER:
        raise DatasetError(f"{found} is too large for an ENVI header")
    fields = _fields(found.read_text(encoding="utf-8", errors="replace"))
    shape = tuple(_whole(fields, key, found) for key in ("bands", "lines", "samples"))
    if math.prod(shape) == 0:
        raise DatasetError(f"{found} describes {shape[0]} bands of {shape[1]} x {shape[2]}: it contains no images")
    interleave = fields.get("interleave", "bsq").strip().lower()
    if interleave not in _INTERLEAVES:
        raise DatasetError(f'{found}: interleave is "{interleave}"; accepted are {", ".join(_INTERLEAVES)}')
    code = _whole(fields, "data type", found)
    if code not in _TYPES:
        raise DatasetError(f"{found}: data type {code} is no type of real numbers; accepted are {_listed(_TYPES)}")
    dtype = np.dtype(_TYPES[code]).newbyteorder(">" if _whole(fields, "byte order", found, 0) == 1 else "<")
    bands = _list(fields.get("band names", "")) or _wavelengths(fields)
    return Header(
        path=found,
        data=_data_of(found, path),
        shape=(shape[0], shape[1], shape[2]),
        interleave=interleave,
        dtype=dtype,
        offset=_whole(fields, "header offset", found, 0),
        bands=bands if len(bands) == shape[0] else (),
    )


def _starts_like_envi(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"ENVI"


def _header_beside(path: Path) -> Path | None:
    for candidate in (path.with_suffix(".hdr"), path.with_name(path.name + ".hdr")):
        if candidate != path and candidate.is_file() and _starts_like_envi(candidate):
            return candidate
    return None


def _data_of(header: Path, path: Path) -> Path:
    if path != header:
        return path
    stem = header.with_suffix("") if header.suffix.lower() == ".hdr" else header
    tried = [stem.with_name(stem.name + suffix) for suffix in _DATA_SUFFIXES]
    for candidate in tried:
        if candidate != header and candidate.is_file():
            return candidate
    listed = ", ".join(candidate.name for candidate in tried if candidate != header)
    raise DatasetError(f"{header}: the file with the values is not beside it; tried were {listed}")


def _fields(text: str) -> dict[str, str]:
    """``key = value`` and ``key = { ... }`` over several lines; keys in lower case."""
    found = re.findall(r"^\s*([^=;\n{}]+?)\s*=\s*(\{[^}]*\}|[^\n]*)", text, re.MULTILINE)
    return {re.sub(r"\s+", " ", key).lower(): value.strip() for key, value in found}


def _whole(fields: dict[str, str], key: str, path: Path, default: int | None = None) -> int:
    value = fields.get(key)
    if value is None and default is not None:
        return default
    if value is None or not re.fullmatch(r"\d{1,18}", value.strip()):
        said = "is missing" if value is None else f'is "{value}"'
        raise DatasetError(f'{path}: "{key}" {said}; accepted is a whole number')
    return int(value)


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.strip("{} \n").split(",")) if value.startswith("{") else ()


def _wavelengths(fields: dict[str, str]) -> tuple[str, ...]:
    unit = {"nanometers": "nm", "micrometers": "µm"}.get(
        fields.get("wavelength units", "").lower(), fields.get("wavelength units", "")
    )
    return tuple(f"{value} {unit}".strip() for value in _list(fields.get("wavelength", "")))


def _listed(types: dict[int, str]) -> str:
    return ", ".join(map(str, types))
