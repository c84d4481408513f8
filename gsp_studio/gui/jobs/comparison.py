"""Matches the basis images of several bases in the background."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject

from gsp_studio.gui.compared_basis import ComparedBasis, Comparison
from gsp_studio.gui.jobs.job import Job


class ComparisonJob(Job[tuple[ComparedBasis, ...], Comparison]):
    """Matches bases with the first of them."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(lambda bases: compare_bases(*bases), "gsp-compare", parent)


def compare_bases(*bases: ComparedBasis) -> Comparison:
    """Bases with their images in the cells of those of the first that they are most like."""
    from gsp_studio.core.matching import match_bases

    first = bases[0]
    orders, cosines = [first.order], [np.ones(len(first.order))]
    for other in bases[1:]:
        matching = match_bases(first.W, other.W)
        orders.append(matching.cells_of_second(first.order, other.W.shape[1]))
        cosines.append(matching.cosine[first.order])
    count = max(map(len, orders))
    return Comparison(
        bases,
        tuple(np.pad(order, (0, count - len(order)), constant_values=-1) for order in orders),
        tuple(np.pad(cosine, (0, count - len(cosine))) for cosine in cosines),
    )
