"""Rows of the benchmark table, and timings by pairs.

A timing says little on its own: machines differ and are shared. Two things timed in turn, again and again, meet the
same weather; the median of the ratios of such pairs is what a row reports.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name : str
    value : float
    unit : str
    goal : float or None
        The most that the value may be; None where the row only informs.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the value reaches the goal; None without a goal."""
        return None if self.goal is None else self.value <= self.goal


def format_table(title: str, rows: list[Row]) -> str:
    """The rows as text: name, value, unit, goal, and what was missed."""
    width = max([len(row.name) for row in rows], default=0)
    lines = [title]
    for row in rows:
        goal = "" if row.goal is None else f"goal <= {row.goal:g}"
        missed = "  MISSED" if row.met is False else ""
        lines.append(f"  {row.name:<{width}}  {row.value:>10.4g}  {row.unit:<28}  {goal}{missed}".rstrip())
    return "\n".join(lines)


def seconds(function: Callable[[], object], repeats: int = 1) -> float:
    """Wall time of one call, from a run of `repeats` calls."""
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def paired_ratio(ours: Callable[[], object], peer: Callable[[], object], pairs: int) -> float:
    """Median over pairs of the time of `ours` over the time of `peer`, after one call of each to warm up."""
    ours()
    peer()
    return float(np.median([seconds(ours) / seconds(peer) for _ in range(pairs)]))


def median_seconds(function: Callable[[], object], times: int, repeats: int = 1) -> float:
    """Median wall time of one call, after one to warm up."""
    function()
    return float(np.median([seconds(function, repeats) for _ in range(times)]))
