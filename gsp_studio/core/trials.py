"""Ways to the target, tried one after another from the same start; a run goes on from where the best one led.

Shared-price HALS meets its target in every iterate, and which optimum it finds is decided in its first iterations. No
way to the target is always the best: a price that rises slowly shares the sparsity among all basis images, the full
price at once leaves some dense and many of one pixel, which has the lower error where the target is high.
"""

from __future__ import annotations

import math
from typing import Any

from gsp_studio.core.params import Params

#: Iterations of all trials together where none are asked for, and of the fewest that are worth a comparison.
LENGTH, SHORTEST = 160, 16
#: The share of the price that a rising one begins with, and the part of its trial in which it rises.
_LOW, _RISING = 0.05, 0.8

Factors = tuple[Any, ...]


class Trials:
    """The trials of one run.

    1. The full price from the start on, for an eighth of the iterations.
    2. As many without a price, then as many with the full price for the dense basis.
    3. From the start again, a price that rises to the full one.

    Parameters
    ----------
    length : int
        Iterations of all; 0 for a run without any.
    can_be_dense : bool
        Whether the second is one of them.
    """

    def __init__(self, length: int, can_be_dense: bool = True) -> None:
        self.length = length
        eighth = length // 8
        self._dense = range(eighth + 1, 2 * eighth + 1) if can_be_dense else range(0)
        self._rising_from = (3 if can_be_dense else 1) * eighth
        self._ends = {eighth, self._rising_from, length} - {0}
        self._start: Factors = ()
        self._best: Factors = ()
        self._lowest = math.inf

    def factors(self, n_iter: int, now: Factors, error: float, is_priced: bool) -> Factors:
        """The factors that iteration `n_iter`, 1 for the first, begins with.

        Parameters
        ----------
        n_iter : int
        now : tuple
            The run's factors.
        error : float
            Of the last iterate.
        is_priced : bool
            Whether that needed a price: all ways are the same where the target asks for none, and the first goes on.

        Returns
        -------
        tuple
            `now`; after a trial those of the start, after the last one those at the end of the best.
        """
        if n_iter == 1:
            self._start = now
        if n_iter - 1 not in self._ends:
            return now
        if error < self._lowest:
            self._lowest, self._best = error, now
        if n_iter <= self.length and is_priced:
            return self._start
        best = self._best
        self.length, self._ends, self._start, self._best = n_iter - 1, set(), (), ()
        return best

    def share(self, n_iter: int) -> float:
        """The share of the price that is in force; 0 is none at all."""
        if n_iter > self.length:
            return 1.0
        if n_iter in self._dense:
            return 0.0
        if n_iter <= self._rising_from:
            return 1.0
        rises = max(1.0, _RISING * (self.length - self._rising_from))
        return float(_LOW ** max(0.0, 1.0 - (n_iter - self._rising_from) / rises))


def new_trials(params: Params, has_price: bool, can_be_dense: bool) -> Trials:
    """Those of a run: `Params.continuation` says how many iterations, and factors that are given go on at once."""
    length = params.continuation or (LENGTH if isinstance(params.init, str) else 0)
    return Trials(length if has_price and length >= SHORTEST else 0, can_be_dense)
