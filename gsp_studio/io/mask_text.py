"""Masks of missing entries in session files and recoveries, as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.packed_text import packed_bytes, unpacked_bytes


@dataclass(frozen=True, eq=False)
class KeptMask:
    """A mask with its text, which takes a while to make.

    Attributes
    ----------
    values : ndarray (m, n) of bool
        True where an entry is missing. Never written again.
    name : str
        Where it comes from, for people.
    as_json : dict
        Plain JSON, which `mask_from_json` reads.
    """

    values: Array
    name: str
    as_json: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        bits = packed_bytes(np.packbits(self.values).tobytes())
        told = {"name": self.name, "shape": list(self.values.shape), "bits": bits}
        object.__setattr__(self, "as_json", told)

    @property
    def share(self) -> float:
        """The share of the entries that are missing."""
        return float(self.values.mean())


def mask_from_json(content: object, shape: tuple[int, int], problems: list[str]) -> KeptMask | None:
    """Read a mask of data of `shape` (m, n); a damaged one is left out, with a sentence in `problems`."""
    if not content:
        return None
    values = _read(content, shape)
    if values is None:
        problems.append("what the window showed: the mask is of other data, or damaged")
        return None
    assert isinstance(content, dict)
    return KeptMask(values, content["name"])


def _read(content: Any, shape: tuple[int, int]) -> Array | None:
    size = shape[0] * shape[1]
    try:
        is_ours = isinstance(content["name"], str) and content["shape"] == list(shape)
        bits = unpacked_bytes(content["bits"], (size + 7) // 8)
    except (TypeError, KeyError):
        return None
    if not is_ours or bits is None:
        return None
    values = np.unpackbits(np.frombuffer(bits, np.uint8), count=size).astype(bool).reshape(shape)
    return values if values.any() and not values.all() else None
