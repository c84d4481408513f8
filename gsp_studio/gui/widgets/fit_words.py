"""What is said of one sample and its fit: its error, what it is made of, and what it is without a part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.gui.texts import percent

if TYPE_CHECKING:
    from gsp_studio.core.residuals import ImageFit, Residuals
    from gsp_studio.io.dataset import Dataset

_HINT = "Point at a basis image to see this image without it"
_NONE = "No basis image is used for this image"


def facts_of(dataset: Dataset, sample: int, fit: ImageFit, overall: float) -> str:
    """Name a sample, with its error and that of all."""
    number, title = f"{dataset.nouns.sample} {sample + 1}", dataset.names[sample]
    return (
        f"{number} of {dataset.X.shape[1]}  ·  {'' if title == number else f'{title}  ·  '}"
        f"error {_error_of(fit.error)}, overall {percent(overall)}"
    )


def words_of_all(dataset: Dataset, fit: ImageFit) -> tuple[str, str]:
    """Say what can be done, and of how many parts the sample is made."""
    nouns, count = dataset.nouns, np.count_nonzero(fit.shares)
    told = f"made of {count} of {len(fit.h)} {nouns.bases}, largest share first" if count else ""
    return nouns.of(_HINT if count else _NONE), told


def words_without(dataset: Dataset, fit: ImageFit, k: int, known: Residuals | None, seed: str) -> tuple[str, str]:
    """Say what errors become without a part, and what that part is to the sample."""
    overall = "overall: computing..." if known is None else f"{_change(known.error, float(known.without[k]))} overall"
    here = f"a zero {dataset.nouns.sample} has no relative error"
    if math.isfinite(fit.error):
        here = f"{_change(fit.error, float(fit.without[k]))} for this {dataset.nouns.sample}"
    told = f"coefficient {fit.h[k]:.4g}  ·  share {100 * fit.shares[k]:.1f} %"
    return f"Without basis {k + 1}: {here}, {overall}", f"{told}  ·  seed {seed}" if seed else told


def _error_of(error: float) -> str:
    """An image's error; that of a zero image is no fraction of anything."""
    return "none, it is zero" if math.isinf(error) else percent(error)


def _change(before: float, after: float) -> str:
    return f"{percent(before)} → {percent(after)}"
