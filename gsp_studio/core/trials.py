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
LENGTH, SHORTEST = 200, 20
#: The share of the price that a rising one begins with, and the part of its trial in which it rises.
_LOW, _RISING = 0.05, 0.8

#: Trials of a dense basis after the first ones, at most. Each follows where iterations gained less than a fraction.
_LATER, _WINDOW, _GAIN = 3, 10, 5e-5
#: How many trials come first.
_FIRST = 3

Factors = tuple[Any, ...]


def trial_words(trial: int) -> str:
    """Say which trial an iteration belongs to; "" for none."""
    if trial == 0:
        return ""
    return f"start {trial} of {_FIRST}" if trial <= _FIRST else f"further start {trial}"


def is_further(trial: int) -> bool:
    """Whether an iteration belongs to a further start, beside a run that has stood still with a better basis."""
    return trial > _FIRST


class Trials:
    """The trials of one run.

    1. The full price from the start on, for a tenth of the iterations.
    2. As many without a price, then a quarter with the full price for the dense basis.
    3. From the start again, a price that rises to the full one.

    Once the best of these stands still, the dense basis goes on for as long as before and is priced again, at most
    `_LATER` times.

    Parameters
    ----------
    length : int
        Iterations of the first three; 0 for a run without any trials.
    resumes : int
        The iteration with whose factors the next one begins; 0 for the one before it.
    """

    def __init__(self, length: int, resumes: int = 0) -> None:
        self._resumes = resumes
        tenth, quarter = length // 10, length // 4
        self._tenth, self._jump = tenth, tenth + quarter
        self._dense = range(tenth + 1, 2 * tenth + 1)
        rising_from = tenth + self._jump
        self._rising = range(rising_from + 1, length + 1)
        self._ends = {tenth, rising_from, length} - {0}
        self._later = _LATER if length else 0
        #: The last iteration of a trial that is planned.
        self.length = length
        self._start: Factors = ()
        self._unpriced: Factors = ()
        self._best: Factors = ()
        self._best_at = self._unpriced_at = 0
        self._lowest = math.inf
        self._errors: list[float] = []
        self._count = 0
        #: Number of the trial that the last iteration belongs to, 1 for the first; 0 for the run that goes on.
        self.number = 0
        #: The iteration with whose factors the last one began; 0 is the start.
        self.follows = 0

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
        self.follows, self._resumes = self._resumes or n_iter - 1, 0
        if n_iter == 1:
            self._start = now
            if self.length:
                self._begin_trial(0)
        if n_iter - 1 == self._dense.stop - 1 and n_iter <= self.length:
            self._unpriced, self._unpriced_at = now, n_iter - 1
        if n_iter - 1 in self._ends:
            if error < self._lowest:
                self._lowest, self._best, self._best_at = error, now, n_iter - 1
            if n_iter <= self.length and is_priced:
                self._begin_trial(0)
                return self._start
            if not is_priced:
                self._later = 0
            self.length, self._ends, self._errors = n_iter - 1, set(), []
            self.number, self.follows = 0, self._best_at
            return self._best
        if self._later and n_iter > self.length and self._stands_still(error):
            self._later -= 1
            self._lowest, self._best, self._best_at = error, now, n_iter - 1
            self._dense, self.length = range(n_iter, n_iter + self._tenth), n_iter - 1 + self._jump
            self._ends = {self.length}
            self._begin_trial(self._unpriced_at)
            return self._unpriced
        return now

    def end(self, error: float) -> tuple[Trials, Factors]:
        """End all trials: those of a run that goes on now, and the factors that it goes on with, () for its own.

        Parameters
        ----------
        error : float
            Of the last iterate: a further start that has led to no better basis gives way to the one before it.
        """
        if is_further(self.number) and not error < self._lowest:
            return Trials(0, self._best_at), self._best
        return Trials(0), ()

    def _begin_trial(self, follows: int) -> None:
        self._count += 1
        self.number, self.follows = self._count, follows

    def _stands_still(self, error: float) -> bool:
        self._errors = [*self._errors[-_WINDOW:], error]
        return len(self._errors) > _WINDOW and self._errors[0] - error < _GAIN * error

    def settle(self, tol: float) -> float:
        """The iteration until which a tolerance ends no run; one finer than the trials' own waits for all of them."""
        return math.inf if self._later and tol <= _GAIN else self.length

    def share(self, n_iter: int) -> float:
        """The share of the price that is in force; 0 is none at all."""
        if n_iter > self.length:
            return 1.0
        if n_iter in self._dense:
            return 0.0
        if n_iter not in self._rising:
            return 1.0
        rises = max(1.0, _RISING * len(self._rising))
        return float(_LOW ** max(0.0, 1.0 - (n_iter - self._rising.start + 1) / rises))


def new_trials(params: Params, has_price: bool) -> Trials:
    """Make the trials of a run: `Params.continuation` is their length; given factors and seeds go on at once."""
    length = params.continuation or (LENGTH if isinstance(params.init, str) and params.seed_basis is None else 0)
    return Trials(length if has_price and length >= SHORTEST else 0)
