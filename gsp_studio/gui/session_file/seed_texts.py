"""Seeds in session files and recoveries: names and holds as text, values compressed."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from gsp_studio.core.seeds import HOLDS, Seed


def seeds_as_json(seeds: Sequence[Seed]) -> list[dict[str, str]]:
    """Seeds as plain JSON; `seeds_from_json` reads them."""
    return [
        {
            "name": seed.name,
            "hold": seed.hold,
            "values": base64.b64encode(zlib.compress(seed.values.astype("<f8").tobytes(), 1)).decode("ascii"),
        }
        for seed in seeds
    ]


def seeds_from_json(content: object, m: int, problems: list[str]) -> tuple[Seed, ...]:
    """Read seeds of images of m values; each that is damaged is left out, with a sentence in `problems`."""
    found = []
    for k, told in enumerate(content if isinstance(content, list) else [content]):
        seed = _read(told, m)
        if seed is None:
            problems.append(f"what the window showed: seed {k + 1} is of other images, or damaged")
        else:
            found.append(seed)
    return tuple(found)


def _read(told: Any, m: int) -> Seed | None:
    try:
        name, hold, text = told["name"], told["hold"], told["values"]
        inflate = zlib.decompressobj()
        packed = inflate.decompress(base64.b64decode(text, validate=True), 8 * m + 1)  # no more than a seed has
    except (TypeError, KeyError, ValueError, binascii.Error, zlib.error):
        return None
    if not isinstance(name, str) or hold not in HOLDS or len(packed) != 8 * m:
        return None
    values = np.frombuffer(packed, "<f8").astype(np.float64)
    is_seed = bool(np.all(np.isfinite(values)) and values.min() >= 0 and values.max() > 0)
    return Seed(name, values, hold) if is_seed else None
