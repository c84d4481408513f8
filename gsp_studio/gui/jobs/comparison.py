"""Matches the basis images of runs in the background."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject

from gsp_studio.gui.jobs.job import Job
from gsp_studio.gui.state import Comparison, RunEntry


class ComparisonJob(Job[tuple[RunEntry, ...], Comparison]):
    """Matches runs with the first of them."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(lambda runs: compare_runs(*runs), "gsp-compare", parent)


def compare_runs(*runs: RunEntry) -> Comparison:
    """Runs with their basis images in the cells of those of the first that they are most like."""
    from gsp_studio.core.matching import match_bases

    first = runs[0].shown
    orders, cosines = [first.order], [np.ones(len(first.order))]
    for other in runs[1:]:
        matching = match_bases(first.W, other.shown.W)
        orders.append(matching.cells_of_second(first.order, other.shown.W.shape[1]))
        cosines.append(matching.cosine[first.order])
    count = max(map(len, orders))
    return Comparison(
        runs,
        tuple(np.pad(order, (0, count - len(order)), constant_values=-1) for order in orders),
        tuple(np.pad(cosine, (0, count - len(cosine))) for cosine in cosines),
    )
