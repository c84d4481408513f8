"""Accuracy against sparsity as a figure, readable in print and without colour; matplotlib is imported here only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from gsp_studio.io.export.print_style import finish_curves, print_style
from gsp_studio.pruning.methods import METHODS
from gsp_studio.pruning.recipe import DENSE, Outcome, Plan, mean_and_spread

#: Colour (of Okabe and Ito), dashes and marker of each method.
_LINES = {
    "gsp": ("#000000", "-", "o"),
    "cut": ("#0072B2", "-", "P"),
    "control": ("#56B4E9", (0, (3, 1, 1, 1)), "X"),
    "induced": ("#0072B2", (0, (5, 1.5)), "s"),
    "gradual": ("#CC79A7", (0, (4, 2)), "v"),
    "lamp": ("#E69F00", (0, (2, 1)), "<"),
    "magnitude": ("#D55E00", (0, (6, 1.5, 1, 1.5)), "D"),
    "hoyer": ("#009E73", (0, (1, 1)), "^"),
}


def save_figure(plan: Plan, outcomes: Sequence[Outcome], title: str, path: Path) -> None:
    """Draw accuracy against the share of zeros and write it as a PNG."""
    with print_style():
        draw(plan, outcomes, title).savefig(path, format="png")


def draw(plan: Plan, outcomes: Sequence[Outcome], title: str) -> Figure:
    """Draw the figure: a line a method with its spread over seeds, over the logarithm of the kept share."""
    sheet = Figure(figsize=(6.4, 4.0))
    axes = sheet.add_subplot()
    shares = sorted(plan.shares)
    axes.set_xscale("log")
    axes.set_xlim(1.2 * (1 - shares[0]), (1 - shares[-1]) / 1.2)
    mean, spread = mean_and_spread(outcomes, DENSE, 0.0)
    axes.axhline(mean, color="0.45", linewidth=1.2, label="dense")
    axes.axhspan(mean - spread, mean + spread, color="0.45", alpha=0.12, linewidth=0)
    for number, method in enumerate(plan.methods):
        colour, dashes, marker = _LINES[method]
        found = np.array([mean_and_spread(outcomes, method, share) for share in shares])
        # Side by side where they would lie on each other: a few percent of the kept share.
        kept = (1 - np.array(shares)) * 1.03 ** (number - (len(plan.methods) - 1) / 2)
        axes.errorbar(
            kept,
            found[:, 0],
            found[:, 1],
            color=colour,
            linestyle=dashes,
            marker=marker,
            markersize=4.5,
            linewidth=1.5,
            elinewidth=0.8,
            capsize=2,
            label=METHODS[method].label,
        )
    axes.xaxis.set_major_locator(FixedLocator([1 - share for share in shares]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda kept, _: f"{100 * (1 - kept):g}"))
    axes.set_xlabel("zeros (% of the weights; log of what is kept)")
    axes.set_ylabel("accuracy after fine-tuning (%)")
    finish_curves(sheet, axes, title)
    return sheet
