"""Factors scaled for other programs: columns of W divided by a size of their own, and rows of H times it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gsp_studio.core.unit_spectra import UNITS, in_units
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.run_record import ExportedRun


def normalized(run: ExportedRun, by: str) -> ExportedRun:
    """A run whose basis images have a size of one, W H unchanged but for rounding; zero ones stay as they are.

    Parameters
    ----------
    run : ExportedRun
    by : str
        A key of `UNITS`.

    Returns
    -------
    ExportedRun
        With `normalized` in words: "of unit sum".

    Raises
    ------
    ExportError
        Another way, or coefficients beyond the numbers of their type.
    """
    if by not in UNITS:
        raise ExportError(f'factors cannot be normalized by "{by}"; accepted are {", ".join(UNITS)}')
    if by == "none":
        return run
    W, H = in_units(run.result.W, np.asarray(run.result.H), by)
    if not np.isfinite(H).all():
        raise ExportError(f"coefficients of basis images of {UNITS[by]} are beyond the numbers of {H.dtype}")
    return replace(run, result=replace(run.result, W=W, H=H), normalized=f"of {UNITS[by]}")
