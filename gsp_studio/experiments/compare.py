"""Methods side by side on the same data, from the same start: the columns of the paper's Figure 1, as numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import Backend
from gsp_studio.core.nmf import METHODS, History, Params, factorize
from gsp_studio.core.sparsity import hoyer_sparsity


@dataclass(frozen=True, eq=False)
class Comparison:
    """One method's run: its caption, the best error (fraction), sparsity, least basis sparsity, seconds, history."""

    label: str
    params: Params
    error: float
    sparsity: float
    least_sparsity: float
    seconds: float
    history: History


def compare(
    X: npt.ArrayLike,
    runs: Iterable[Params],
    backend: str | Backend = "auto",
    on_done: Callable[[Comparison], None] | None = None,
) -> tuple[Comparison, ...]:
    """Run each of `runs` on X (m, n) and gather what a table of methods shows.

    Parameters
    ----------
    X : array_like (m, n), >= 0
    runs : iterable of Params
        The same rank and seed give the same start.
    backend : str or Backend
    on_done : callable, optional
        Called with each Comparison as it is ready.

    Returns
    -------
    tuple of Comparison, in the order of `runs`

    Raises
    ------
    ValueError, BackendUnavailable
        As for `factorize`.

    References
    ----------
    Ohib et al., TMLR 2022, Figure 1 and section 5.1.
    """
    rows = []
    for params in runs:
        result = factorize(X, params, backend)
        row = Comparison(
            label=METHODS[params.method].label,
            params=params,
            error=result.error,
            sparsity=result.sparsity,
            least_sparsity=float(np.min(hoyer_sparsity(result.W))),
            seconds=float(result.history.seconds[-1]),
            history=result.history,
        )
        rows.append(row)
        if on_done is not None:
            on_done(row)
    return tuple(rows)
