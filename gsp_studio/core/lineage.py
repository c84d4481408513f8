"""Which iterations of a run led to its result, for curves that are to be read: trials go their own ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.core.results import History, attained_tolerance

Array = npt.NDArray[Any]

#: First iterations of a run that are far above the rest: a share, and at most so many.
_YOUNG, _MOST = 10, 20


def starts_of(history: History) -> Array:
    """Indices of the iterations that do not follow the one before: the first, and where a trial begins or ends."""
    if not len(history.n_iter):
        return np.zeros(0, np.int64)
    jumps: Array = np.flatnonzero(history.follows[1:] != history.n_iter[:-1])
    return np.concatenate([[0], jumps + 1])


def leads(history: History) -> Array:
    """Return which iterations belong to no trial, or to one that led to the best iterate of the newest target.

    Returns
    -------
    ndarray of bool
        False for trials that were given up.
    """
    is_trial = history.trial != 0
    if not is_trial.any():
        return np.ones(len(is_trial), bool)
    found = np.zeros(len(is_trial), bool)
    starts, target = starts_of(history), history.target[-1]
    is_met = np.isnan(target) | (history.sparsity >= target - attained_tolerance(np.float32))
    errors = np.where(is_met, history.error, np.inf)
    end = len(found) - 1 - int(np.argmin(errors[::-1]))  # of equals the last, which goes on
    while end >= 0 and not found[end]:
        start = starts[np.searchsorted(starts, end, side="right") - 1]
        found[start : end + 1] = True
        end = int(np.searchsorted(history.n_iter, history.follows[start], side="right")) - 1
    return np.asarray(found | ~is_trial)


def ends_of_trials(history: History) -> Array:
    """Indices of the last iterations of trials that are over."""
    last = starts_of(history)[1:] - 1
    return np.asarray(last[history.trial[last] != 0])


def settled(history: History) -> Array:
    """Errors that a readable plot has to hold: those of the run, and those that its trials ended with.

    Left out are the first ones of a run, and all of trials on their way, which are far above.
    """
    error, main = history.error, history.trial == 0
    if main.all():
        return np.asarray(error[min(len(error) // _YOUNG, _MOST) :])
    ends = error[ends_of_trials(history)]
    if main.any():
        return np.concatenate([ends, error[main]])
    best = error[leads(history)]
    best = best[min(len(best) // _YOUNG, _MOST) :]
    return np.concatenate([ends, best[best <= ends.max()] if len(ends) else best])


def settled_held_out(kept: History, errors: Array) -> Array:
    """Held-out errors beside those that `settled` names, of the iterations that `leads` does."""
    return np.asarray(kept.held_out_error[kept.error <= np.max(errors)])
