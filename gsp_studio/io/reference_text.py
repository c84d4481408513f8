"""References in session files and recoveries: their values as text, with where they come from."""

from __future__ import annotations

from typing import Any

from gsp_studio.arrays import Array
from gsp_studio.core.truth import Truth
from gsp_studio.io.packed_text import packed, unpacked

#: Bytes of values up to which a reference is kept itself; of a larger one only where it comes from.
_MOST_BYTES = 16 << 20
_MOST_MATERIALS = 1 << 16


def reference_as_json(truth: Truth | None, source: str) -> dict[str, Any]:
    """A reference and its source as plain JSON, which `reference_from_json` reads; {} for none of both."""
    if truth is None:
        return {"source": source} if source else {}
    told: dict[str, Any] = {"source": source}
    parts = {name: part for name, part in _parts(truth).items() if part is not None}
    if sum(part.nbytes for part in parts.values()) <= _MOST_BYTES:
        told |= {name: packed(part) for name, part in parts.items()}
        told |= {"count": truth.count, "names": list(truth.names), "is_labels": truth.is_labels, "words": truth.source}
    return told


def reference_from_json(content: object, shape: tuple[int, int], problems: list[str]) -> tuple[Truth | None, str]:
    """Read a reference of data of `shape` (m, n); a damaged one is left out, with a sentence in `problems`.

    Returns
    -------
    (Truth or None, str)
        The reference, and its source; the source alone where the file does not hold the reference itself.
    """
    if not content:
        return None, ""
    source = content.get("source") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(source, str):
        problems.append("what the window showed: the reference is damaged")
        return None, ""
    if "count" not in content:
        return None, source
    truth = _read(content, shape)
    if truth is None:
        problems.append("what the window showed: the reference is of other data, or damaged")
        return None, ""
    return truth, source


def _parts(truth: Truth) -> dict[str, Array | None]:
    return {"spectra": truth.spectra, "abundances": truth.abundances}


def _read(content: dict[str, Any], shape: tuple[int, int]) -> Truth | None:
    count, names = content["count"], content.get("names", [])
    if type(count) is not int or not 1 <= count <= _MOST_MATERIALS or not isinstance(content.get("is_labels"), bool):
        return None
    if not isinstance(names, list) or len(names) not in (0, count) or not all(isinstance(name, str) for name in names):
        return None
    found: dict[str, Array] = {}
    for name, sides in (("spectra", (shape[0], count)), ("abundances", (count, shape[1]))):
        if name in content:
            values = unpacked(content[name], sides[0] * sides[1])
            if values is None or values.min() < 0:
                return None
            found[name] = values.reshape(sides)
    if not found:
        return None
    words = content.get("words", "")  # older files have none
    if not isinstance(words, str):
        return None
    return Truth(found.get("spectra"), found.get("abundances"), tuple(names), content["is_labels"], words)
