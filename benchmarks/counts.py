"""Which loss finds the parts of counts: ``python -m benchmarks.counts`` prints mean angles to the true spectra.

A cube like those of X-ray maps: 30 x 30 pixels of a background that falls with the energy and of three materials, of
which one is strong, one has a third and one a tenth of it; Poisson counts. Parts are matched as they fit best.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

import gsp_studio as gs

Array = npt.NDArray[np.float64]

_CHANNELS, _SIDE = 120, 30
_LINES = ((20, 45, 90), (30, 60, 100), (38, 70, 110))
_PLACES = ((8, 8, 30, 1.0), (20, 10, 20, 0.3), (15, 22, 40, 0.1))
_RUNS = {
    "A-HALS": ("ahals", False),
    "A-HALS, Poisson scaling": ("ahals", True),
    "KL": ("kl", False),
    "GSP-HALS": ("gsphals", False),
    "GSP-HALS, Poisson scaling": ("gsphals", True),
    "GSP-KL": ("gspkl", False),
}


def draw(seed: int, peak: float) -> tuple[Array, Array]:
    """Counts (channels, pixels) and the true spectra (channels, 4); `peak`: counts of the strongest line."""
    energies = np.arange(_CHANNELS)
    spectra = np.zeros((_CHANNELS, 4))
    spectra[:, 0] = 0.3 * (np.exp(-energies / 25.0) + 0.02)
    for k, lines in enumerate(_LINES, 1):
        for height, centre in zip((1.0, 0.25, 0.06), lines, strict=True):
            spectra[:, k] += height * np.exp(-0.5 * ((energies - centre) / 2.0) ** 2)
    y, x = np.mgrid[:_SIDE, :_SIDE]
    maps = [np.ones(_SIDE * _SIDE)]
    maps += [(most * np.exp(-((y - a) ** 2 + (x - b) ** 2) / width)).ravel() for a, b, width, most in _PLACES]
    counts = np.random.default_rng(seed).poisson(peak * spectra @ np.array(maps)).astype(float)
    seen = counts.sum(axis=1) > 0
    return counts[seen], spectra[seen]


def mean_angle(W: Array, spectra: Array) -> float:
    """Mean angle of matched spectra, degrees."""
    one, other = (part / np.maximum(np.linalg.norm(part, axis=0), 1e-12) for part in (spectra, W))
    cosines = np.clip(one.T @ other, 0.0, 1.0)
    return float(np.degrees(np.arccos(cosines[linear_sum_assignment(-cosines)])).mean())


def main() -> None:
    """Print a table: mean angle over five draws, and the least and the largest."""
    for peak in (10.0, 50.0, 200.0):
        for name, (method, poisson) in _RUNS.items():
            angles = []
            for seed in range(5):
                X, spectra = draw(seed, peak)
                target = float(np.mean(gs.hoyer_sparsity(spectra)))
                params = gs.Params(4, method, sparsity=target, poisson=poisson, seed=seed, max_iter=500)
                angles.append(mean_angle(gs.factorize(X, params, "cpu").W, spectra))
            print(f"peak {peak:g}: {name}: {np.mean(angles):.1f} ({min(angles):.1f} to {max(angles):.1f})", flush=True)


if __name__ == "__main__":
    main()
