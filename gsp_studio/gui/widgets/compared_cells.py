"""Basis images of a comparison in their cells, at one length: as they are, or what is left of each pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.gui.compared_basis import Comparison


@dataclass(frozen=True, eq=False)
class Cells:
    """The images of one basis, to be drawn.

    Attributes
    ----------
    values : ndarray (m, count)
        1 is white; of differences -1 to 1, 0 is black.
    white : ndarray (count,)
        The value of white in each cell, of images of length 1.
    is_signed : bool
        Whether these are differences.
    """

    values: Array
    white: Array
    is_signed: bool = False

    def ends(self, cell: int = -1) -> tuple[str, str]:
        """Return the values of black and white, or of both ends of the signed colours: of a cell, or of all."""
        tops = self.white if cell < 0 else self.white[cell : cell + 1]
        top = f"{tops[0]:.3g}" if len(tops) and (tops == tops[0]).all() else "max"
        return (f"−{top}", f"+{top}") if self.is_signed else ("0", top)


def in_cells(found: Comparison) -> list[Array]:
    """Every basis (m, count), each image of length 1, column i that of cell i; black where a basis has none."""
    sides = []
    for one, order in zip(found.runs, found.orders, strict=True):
        lengths = np.sqrt(np.einsum("ij,ij->j", one.W, one.W))
        unit = np.divide(one.W, lengths, out=np.zeros_like(one.W), where=lengths > 0)
        cells = np.zeros((one.W.shape[0], found.count), one.W.dtype, order="F")
        cells[:, order >= 0] = unit[:, order[order >= 0]]
        sides.append(cells)
    return sides


def as_they_are(sides: Sequence[Array], contrast: str) -> list[Cells]:
    """Every basis: white is each image's own maximum, or the same value in all of them, as `View.contrast` says."""
    if contrast == "tile":
        return [_cells(one, one.max(axis=0)) for one in sides]
    shared = _shared_white(sides, contrast)
    return [_cells(one, np.full(one.shape[1], shared)) for one in sides]


def differences(sides: Sequence[Array], contrast: str) -> list[Cells]:
    """The first basis as it is, and the others less the first; white is the larger maximum of a pair, or the same."""
    whites = [np.maximum(sides[0].max(axis=0), other.max(axis=0)) for other in sides[1:]]
    if contrast != "tile":
        whites = [np.full(sides[0].shape[1], _shared_white(sides, contrast))] * len(whites)
    others = [_cells(other - sides[0], white, True) for other, white in zip(sides[1:], whites, strict=True)]
    return [as_they_are(sides, contrast)[0], *others]


def _shared_white(sides: Sequence[Array], contrast: str) -> float:
    values = np.concatenate([one[one > 0] for one in sides])
    if not values.size:
        return 0.0
    return float(values.max() if contrast == "shared" else np.percentile(values, 99.5, method="higher"))


def _cells(one: Array, white: Array, is_signed: bool = False) -> Cells:
    values = np.divide(one, white, out=np.zeros_like(one), where=white > 0)
    return Cells(np.clip(values, -1.0, 1.0, out=values), white, is_signed)
