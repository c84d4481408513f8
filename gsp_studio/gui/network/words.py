"""Sizes of a network in words."""

from __future__ import annotations

from gsp_studio.gui.network.state import NetworkSizes
from gsp_studio.gui.texts import grouped, plural


def size_lines(sizes: NetworkSizes) -> list[str]:
    """Weights, filters, bytes and multiply-adds, shortest facts first."""
    packed = "" if sizes.gzipped is None else f", {_bytes(sizes.gzipped)} gzipped"
    lines = [
        f"{grouped(sizes.nonzeros)} of {plural(sizes.parameters, 'weight')}",
        f"{grouped(sizes.emptied)} of {grouped(sizes.filters)} filters or rows empty, "
        f"{grouped(sizes.single)} with a single weight",
        f"layers {_bytes(sizes.bytes)}{packed}, {_bytes(sizes.csr_bytes)} as sparse rows",
    ]
    if sizes.macs is not None and sizes.effective_macs is not None:
        lines.append(f"multiply-adds {_count(sizes.macs)}, {_count(sizes.effective_macs)} by weights that are not zero")
    return lines


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1000:.1f} kB"


def _count(number: int) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)
