"""Seeds in session files and recoveries: names and holds as text, values compressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gsp_studio.core.seeds import HOLDS, Seed
from gsp_studio.io.packed_text import packed, unpacked


def seeds_as_json(seeds: Sequence[Seed]) -> list[dict[str, str]]:
    """Seeds as plain JSON; `seeds_from_json` reads them."""
    return [{"name": seed.name, "hold": seed.hold, "values": packed(seed.values)} for seed in seeds]


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
        name, hold, values = told["name"], told["hold"], unpacked(told["values"], m)
    except (TypeError, KeyError):
        return None
    if not isinstance(name, str) or hold not in HOLDS or values is None:
        return None
    return Seed(name, values, hold) if values.min() >= 0 and values.max() > 0 else None
