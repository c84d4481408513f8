"""Vectors whose squares leave float64's range, brought to size by powers of two: exact, and undone exactly.

Every vector gets its own power, so its largest entry lies in [0.5, 1). The multiplier that the vectors share is
searched in a unit of its own, the middle of their sizes: below 1e-308 it would lose digits, above 1e308 there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu.root import DELTA, FINE, GAIN, MU

#: Gains stay finite; only groups that hold vectors 2**2000 apart have gains to cut, of their smallest and largest.
_MOST = 1000


@dataclass(frozen=True, eq=False)
class Scaled:
    """Vectors of a flat buffer, scaled.

    Attributes
    ----------
    c : ndarray (N,)
        The vectors, largest entries in [0.5, 1); zero vectors as they are.
    offsets : ndarray (r + 1,)
    exponents : ndarray (r,)
        The powers of two taken out of the vectors.
    shift : int
        The unit of the multiplier is ``2 ** shift``.
    """

    c: Array
    offsets: Array
    exponents: Array
    shift: int

    def set_gains(self, table: Array) -> None:
        """Gains for the scaled vectors and the multiplier's unit, from those of the vectors themselves."""
        table[GAIN] = np.ldexp(table[GAIN], np.clip(self.shift - self.exponents, -_MOST, _MOST))

    def multiplier(self, mu: float) -> float:
        """A multiplier in the unit 1; infinite where float64 cannot hold it."""
        with np.errstate(over="ignore", under="ignore"):
            return float(np.ldexp(mu, self.shift))

    def restore_state(self, state: Array) -> None:
        """The multiplier of a search in the unit 1."""
        for part in (MU, FINE, DELTA):
            state[part] = self.multiplier(state[part])

    def restore(self, values: Array, out: Array) -> bool:
        """Results at their own sizes into `out`; False, and nothing written, where one is beyond its type."""
        with np.errstate(over="ignore", under="ignore"):
            sized = np.ldexp(values, np.repeat(self.exponents, np.diff(self.offsets)))
        if not np.isfinite(sized).all():
            return False
        out[...] = sized
        return True


def scale_vectors(c: Array, offsets: Array) -> Scaled:
    """Every vector times the power of two that brings its largest entry to [0.5, 1)."""
    tops = np.maximum.reduceat(np.abs(c), offsets[:-1])
    exponents = np.frexp(tops)[1]
    sizes = exponents[tops > 0]
    shift = (int(sizes.min()) + int(sizes.max())) // 2 if len(sizes) else 0
    return Scaled(np.ldexp(c, -np.repeat(exponents, np.diff(offsets))), offsets, exponents, shift)
