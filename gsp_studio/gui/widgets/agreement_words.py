"""Words about how bases agree with a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.gui.texts import percent

if TYPE_CHECKING:
    from gsp_studio.core.truth import Agreement, Truth
    from gsp_studio.gui.state import DisplayedBasis, RunEntry


def about_agreement(agreement: Agreement | None) -> str:
    """Agreement with a reference; None for one that does not fit."""
    if agreement is None:
        return "The reference does not fit these data"
    parts = []
    if np.isfinite(agreement.mean_angle):
        each = ", ".join("-" if np.isnan(a) else f"{a:.1f}°" for a in agreement.angle)
        parts.append(f"spectral angle {agreement.mean_angle:.2f}° ({each})")
    if np.isfinite(agreement.total_rmse):
        parts.append(f"abundance RMSE {agreement.total_rmse:.4f} (of shares that sum to one)")
    if np.isfinite(agreement.accuracy):
        parts.append(f"labels {percent(agreement.accuracy)}")
    return f"Reference: {'  ·  '.join(parts)}"


def agreement_beside(truth: Truth | None, key: int, runs: Sequence[RunEntry], on_screen: DisplayedBasis | None) -> str:
    """Agreement of a compared basis, by its key, in few words; "" without a reference or coefficients."""
    shown = next((run.shown for run in runs if run.number == key), on_screen)
    if truth is None or shown is None or not isinstance(shown.H, np.ndarray):
        return ""
    from gsp_studio.core.truth import compare_with_truth

    try:
        found = compare_with_truth(shown.W, shown.H, truth)
    except ValueError:
        return "the reference does not fit"
    told = []
    if np.isfinite(found.mean_angle):
        told.append(f"angle {found.mean_angle:.2f}°")
    if np.isfinite(found.total_rmse):
        told.append(f"RMSE {found.total_rmse:.4f}")
    if np.isfinite(found.accuracy):
        told.append(f"labels {percent(found.accuracy)}")
    return f"reference: {', '.join(told)}"
