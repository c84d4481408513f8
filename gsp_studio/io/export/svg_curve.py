"""Curves of a run as SVG."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.core.lineage import leads, settled, settled_held_out, starts_of
from gsp_studio.core.nmf import History

Array = npt.NDArray[Any]

_BLUE, _AMBER = "#3b82f6", "#d97706"


@dataclass(frozen=True, eq=False)
class Line:
    """Points that a line joins in order, but for those at `starts` (indices, from 0) and the ones before them."""

    name: str
    x: Array
    y: Array
    colour: str = _BLUE
    starts: Array = field(default_factory=lambda: np.zeros(1, np.int64))


def error_curve(history: History) -> str:
    """The error of a run, and that of held-out entries; trials that led to nothing are in history.csv alone."""
    kept = history.chosen(leads(history))
    starts, unseen = starts_of(kept), 100 * kept.held_out_error
    values, lines = settled(history), [Line("error", kept.n_iter, 100 * kept.error, starts=starts)]
    if np.isfinite(unseen).any():
        lines.append(Line("held-out error", kept.n_iter, unseen, _AMBER, starts))
        values = np.r_[values, settled_held_out(kept, values)]
    return _figure("error, %", lines, 100 * values)


def sparsity_curve(history: History) -> str:
    """The average sparsity of a run, without trials that led to nothing."""
    kept = history.chosen(leads(history))
    return _figure("average sparsity", [Line("", kept.n_iter, kept.sparsity, starts=starts_of(kept))], kept.sparsity)


def _figure(name: str, lines: Sequence[Line], values: Array) -> str:
    """Lines over the range of these values, which stand at its ends; what is above is cut off."""
    x = np.concatenate([line.x for line in lines])
    values = values[np.isfinite(values)]
    if len(values) < 2 or len(x) < 2:
        return ""
    low, high, first, last = float(values.min()), float(values.max()), int(x.min()), int(x.max())
    labels: list[tuple[float, float, str, str, str]] = [
        (56, 24, f"{high:.4g}", "end", ""),
        (56, 154, f"{low:.4g}", "end", ""),
        (60, 170, f"{first}", "start", ""),
        (700, 170, f"iteration {last}", "end", ""),
        (60, 12, name, "start", ""),
    ]
    if len(lines) > 1:
        labels += [(400 + 150 * k, 12, line.name, "start", line.colour) for k, line in enumerate(lines)]
    texts = "".join(itertools.starmap(_text, labels))
    drawn = "".join(points for line in lines for points in _polylines(line, (first, last), (low, high)))
    inside = f'<svg x="60" y="18" width="640" height="134">{drawn}</svg>'  # cuts off what is outside
    return f'<p><svg viewBox="0 0 720 176" role="img" aria-label="{html.escape(name)}">{inside}{texts}</svg></p>'


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    style = f' style="fill: {colour}"' if colour else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{style}>{html.escape(text)}</text>'


def _polylines(line: Line, across: tuple[int, int], up: tuple[float, float]) -> Iterable[str]:
    x = 640 * (line.x - across[0]) / ((across[1] - across[0]) or 1.0)
    y = 132 - 130 * (line.y - up[0]) / ((up[1] - up[0]) or 1.0)
    for a, b in zip(line.starts, [*line.starts[1:], len(x)], strict=True):
        points = " ".join(f"{p:.1f},{q:.1f}" for p, q in zip(x[a:b], y[a:b], strict=True) if np.isfinite(q))
        yield f'<polyline fill="none" stroke="{line.colour}" stroke-width="1.5" points="{points}"/>'
