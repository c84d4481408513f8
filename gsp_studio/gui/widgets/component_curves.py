"""Curves of components, pixels and references, and the words about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.core.unit_spectra import unit_scales
from gsp_studio.gui.texts import percent
from gsp_studio.gui.widgets.spectrum_plot import COLOURS, Curve

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.truth import Agreement, Truth
    from gsp_studio.gui.state import DisplayedBasis
    from gsp_studio.io.dataset import Dataset


@dataclass(frozen=True, eq=False)
class ChosenSamples:
    """Samples that were picked in a scene, by their numbers, and the word for them."""

    numbers: Array
    name: str


def curves_of(
    dataset: Dataset,
    shown: DisplayedBasis,
    chosen: ChosenSamples,
    wanted: Sequence[int],
    selected: int,
    references: tuple[Truth, Agreement] | None,
    unit: str = "none",
) -> list[Curve]:
    """Curves of the wanted components, the chosen samples with their fit, and the reference spectra.

    Spectra of components have no scale of their own: beside a pixel they are drawn as much as it has of them, else as
    much as a sample usually has of its strongest component. With a unit, a key of `core.unit_spectra.UNITS`, each curve
    has that sum, maximum or norm.
    """
    H, curves = np.asarray(shown.H), []
    scales = np.full(len(H), float(H.max(axis=0).mean()) or 1.0)
    if len(chosen.numbers):
        scales = H[:, chosen.numbers].mean(axis=1)
        x = np.asarray(dataset.X[:, chosen.numbers]).mean(axis=1)
        curves = [
            Curve(f"fit of the {chosen.name}", shown.W @ scales, "", 1.0, is_dashed=True),
            Curve(chosen.name, x, "", 2.0),
        ]
    for k in wanted:
        width = 2.5 if k == selected and len(wanted) > 1 else 1.5
        curves.append(Curve(str(k + 1), scales[k] * shown.W[:, k], COLOURS[k % len(COLOURS)], width))
    truth, agreement = references or (None, None)
    if truth is not None and agreement is not None and truth.spectra is not None:
        for material, k in enumerate(agreement.partner):
            if k in wanted:
                m, w = truth.spectra[:, material], scales[k] * shown.W[:, k]
                like = float(m @ w) / (float(m @ m) or 1.0)
                name = f"reference {agreement.names[material]}"
                curves.append(Curve(name, like * m, COLOURS[k % len(COLOURS)], 1.0, is_dashed=True))
    if unit == "none":
        return curves
    return [replace(curve, values=curve.values / unit_scales(curve.values[:, None], unit)) for curve in curves]


def about_samples(dataset: Dataset, shown: DisplayedBasis, samples: Array, basis: int, unit: str = "none") -> str:
    """Name, error, coefficient of a component, in a unit of its spectrum, and shares of the samples; "" for none."""
    if not len(samples):
        return ""
    x, h = np.asarray(dataset.X[:, samples], np.float64), np.asarray(shown.H)[:, samples]
    left, length = float(np.linalg.norm(x - shown.W @ h)), float(np.linalg.norm(x))
    error = percent(left / length) if length else "none, it is zero"
    what = f"{len(samples)} pixels" if len(samples) > 1 else str(dataset.names[int(samples[0])])
    shares = h.mean(axis=1) * np.linalg.norm(shown.W, axis=0)
    total = float(shares.sum()) or 1.0
    parts = [f"{k + 1}: {100 * shares[k] / total:.0f} %" for k in np.argsort(-shares)[:4] if shares[k] > 0]
    own = float(h[basis].mean() * unit_scales(shown.W[:, basis, None], unit)[0])
    return f"{what}  ·  error {error}  ·  coefficient of {basis + 1}: {own:.4g}  ·  {'  '.join(parts)}"
