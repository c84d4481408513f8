"""Arguments of pruning while a model is trained, as they are accepted: one sentence for what is not."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import numpy as np


def whole_number(value: Any, name: str, least: int = 1) -> int:
    """A whole number, of Python or NumPy, that is at least some number.

    Raises
    ------
    ValueError
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} is {value!r:.60}; accepted is a whole number >= {least}")
    return int(value)


def epoch_number(value: Any, name: str) -> float:
    """A finite number of epochs.

    Raises
    ------
    ValueError
    """
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value!s:.60}; accepted is an epoch, a finite number")
    return number
