"""Factors scaled for other programs: columns of W divided by a size of their own, and rows of H times it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.run_record import ExportedRun

#: Ways to normalize, and their words in the files.
NORMS = {
    "none": "",
    "max": "divided by its maximum",
    "sum": "divided by its sum",
    "norm": "divided by its Euclidean norm",
}
_SIZES: dict[str, Callable[[Array], Array]] = {
    "max": lambda W: W.max(axis=0),
    "sum": lambda W: W.sum(axis=0),
    "norm": lambda W: np.sqrt(np.square(W).sum(axis=0)),
}


def normalized(run: ExportedRun, by: str) -> ExportedRun:
    """A run whose basis images have a size of one, W H unchanged but for rounding; zero ones stay as they are.

    Parameters
    ----------
    run : ExportedRun
    by : str
        A key of `NORMS`.

    Returns
    -------
    ExportedRun
        With `normalized` in the words of `NORMS`.

    Raises
    ------
    ExportError
        Another way, or coefficients beyond the numbers of their type.
    """
    if by not in NORMS:
        raise ExportError(f'factors cannot be normalized by "{by}"; accepted are {", ".join(NORMS)}')
    if by == "none":
        return run
    result = run.result
    W = result.W.astype(np.float64)
    largest = W.max(axis=0)
    units = np.where(largest > 0, largest, 1.0)  # squares of very large values overflow
    sizes = units * np.where(largest > 0, _SIZES[by](W / units), 1.0)
    with np.errstate(over="ignore"):
        H = (result.H * sizes[:, None]).astype(result.H.dtype)
    if not np.isfinite(H).all():
        raise ExportError(f"coefficients of basis images {NORMS[by]} are beyond the numbers of {result.H.dtype}")
    scaled = replace(result, W=(W / sizes).astype(result.W.dtype), H=H)
    return replace(run, result=scaled, normalized=NORMS[by])
