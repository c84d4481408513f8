"""Sparsity path of a network: its groups sorted once, then the projection and the sparsity of each layer at any target.

Sorting is linear in the weights and takes seconds for 25 million; `project` of some layers alone writes only
these, where each is a group for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.core.vectors import check_target
from gsp_studio.pruning.grouping import Group, Grouping
from gsp_studio.pruning.layers import Layer
from gsp_studio.pruning.projection import problems_of, smallest, weights_of, zeros_of
from gsp_studio.pruning.support import count_of


class NetworkPath:
    """All projections of a network's layers, sorted once.

    Parameters
    ----------
    layers : sequence of Layer
        Those of a checkpoint, or some of them: a preview of one layer.
    grouping : Grouping, optional

    Attributes
    ----------
    groups : tuple of Group
    names : tuple of str
        The layers that are projected, group by group.

    Raises
    ------
    ValueError
        As `groups_of`.

    Notes
    -----
    The weights are those of `project_checkpoint`, to rounding. Several threads may ask one path.
    """

    def __init__(self, layers: Sequence[Layer], grouping: Grouping | None = None) -> None:
        self._problems = problems_of(layers, grouping)
        self.groups: tuple[Group, ...] = tuple(problem.group for problem in self._problems)
        self.names = tuple(layer.name for group in self.groups for layer in group.layers)
        self._paths = [problem.path() for problem in self._problems]

    @property
    def size(self) -> int:
        """Weights that are projected."""
        return sum(group.size for group in self.groups)

    @property
    def start(self) -> float:
        """The smallest target that changes anything."""
        return min(path.start for path in self._paths)

    def project(self, s: float, only: Collection[str] | None = None) -> dict[str, Array]:
        """The weights at a target, by name.

        Parameters
        ----------
        s : float
            Groups with a target of their own have that.
        only : collection of str, optional
            The layers that are wanted.
        """
        target = check_target(s)
        new: dict[str, Array] = {}
        for problem, path in zip(self._problems, self._paths, strict=True):
            group = problem.group
            if only is None or any(layer.name in only for layer in group.layers):
                projection = path.project(target if group.own is None else group.own)
                new.update(weights_of(group, problem.found(projection)))
        return {name: values for name, values in new.items() if only is None or name in only}

    def at(self, s: float) -> tuple[dict[str, Array], dict[str, float]]:
        """The weights and the sparsities of the projection at a target, for the price of one search."""
        target = check_target(s)
        new: dict[str, Array] = {}
        found: dict[str, float] = {}
        for problem, path in zip(self._problems, self._paths, strict=True):
            group = problem.group
            projection = path.project(target if group.own is None else group.own)
            new.update(weights_of(group, problem.found(projection)))
            found.update(_averages(group, projection.sparsities))
        return new, found

    def sparsities(self, s: float) -> dict[str, float]:
        """Average sparsity of each layer's projection at a target, without its weights.

        Kept values are less sparse by Hoyer's measure than this: what is left of them is not shrunken.
        """
        target = check_target(s)
        found = {}
        for group, path in zip(self.groups, self._paths, strict=True):
            found.update(_averages(group, path.sparsities(target if group.own is None else group.own)))
        return found

    def zeros(self, s: float) -> dict[str, float]:
        """The fraction of zeros of each layer at a target."""
        return {name: zeros_of(values) / values.size for name, values in self.project(s).items()}

    def target_for(self, zeros: float) -> float:
        """The smallest target at which this fraction of all weights is zero, to 1e-12."""
        return smallest(self._count, count_of(check_target(zeros, "zeros"), self.size))

    def _count(self, s: float) -> int:
        return sum(zeros_of(values) for values in self.project(s).values())


def _averages(group: Group, sparsities: Array) -> dict[str, float]:
    each = np.asarray(sparsities).reshape(-1)
    pairs = zip(group.layers, group.members, strict=True)
    return {layer.name: float(np.mean(each[members])) for layer, members in pairs}
