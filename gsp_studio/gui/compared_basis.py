"""Bases that are compared: runs of the list and the basis on the screen, with the numbers that are known of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.gui.state import DisplayedBasis, RunEntry
from gsp_studio.gui.texts import error_name, of_entries, percent, points, refined_words, signed
from gsp_studio.nouns import Nouns

if TYPE_CHECKING:
    from gsp_studio.core.results import Record

#: Key of the basis on the screen; those of runs are their numbers, from 1 on.
ON_SCREEN = 0
#: Cosines from here on count as the same basis image.
_SAME = 0.999
#: Differences of errors and sparsities up to which they are the same, in float32.
_SAME_NUMBER = 1e-5


def is_result(shown: DisplayedBasis, run: RunEntry) -> bool:
    """Whether the basis on the screen is the result of this run, to rounding; by its numbers, which takes no time."""
    now, own = (np.append(one.sparsities, one.error) for one in (shown, run.shown))
    return len(now) == len(own) and bool(np.allclose(now, own, rtol=0.0, atol=_SAME_NUMBER))


@dataclass(frozen=True, eq=False)
class ComparedBasis:
    """A basis in a comparison.

    Attributes
    ----------
    key : int
        Number of the run, or `ON_SCREEN`.
    name, label : str
        Name, and settings in words.
    W : ndarray (m, r)
    order, sparsities : ndarray (r,)
        As of `DisplayedBasis`.
    error : float
        A fraction; NaN where there is none.
    measure : str
        What the error is called: those of other measures are other numbers.
    entries : str
        Share of the entries that the error is about, in words; "" for all.
    is_weighted : bool
        Whether the sparsities are those of weighted pixels.
    seconds : float
        Time computing; NaN where that is unknown.
    records : tuple of Record
        Iterations, none where there is no curve.
    """

    key: int
    name: str
    label: str
    W: Array
    order: Array
    sparsities: Array
    error: float = math.nan
    measure: str = "error"
    entries: str = ""
    is_weighted: bool = False
    seconds: float = math.nan
    records: tuple[Record, ...] = ()

    @property
    def title(self) -> str:
        """Name and settings in a line."""
        return f"{self.name}: {self.label}"

    @property
    def attained(self) -> float:
        """Average sparsity."""
        return float(np.mean(self.sparsities))

    @classmethod
    def of_run(cls, entry: RunEntry) -> ComparedBasis:
        """Return the result of a run."""
        shown = entry.shown
        basis = (shown.W, shown.order, shown.sparsities)
        error = (shown.error, error_name(shown), of_entries(entry))
        of = (entry.number, entry.name, entry.label)
        return cls(*of, *basis, *error, shown.is_weighted, entry.seconds, entry.records)

    @classmethod
    def of_screen(cls, shown: DisplayedBasis, runs: Sequence[RunEntry]) -> ComparedBasis:
        """Return the basis on the screen, which is the result of none of these runs but may come from one."""
        parents = [entry for entry in runs if entry.pinned.origin == shown.origin]
        entries = of_entries(parents[0]) if parents else ""
        target = "no target" if math.isnan(shown.target) else f"s = {shown.target:.3f}"
        how = "projected" if not math.isnan(shown.baseline) else "as it is"
        if shown.iterations:
            how = refined_words(shown).partition(":")[0] if not shown.is_solved else "solved"
        label = f"{target}, {how}, {shown.origin}"
        return cls(
            *(ON_SCREEN, "On the screen", label, shown.W, shown.order, shown.sparsities),
            *(shown.error, error_name(shown), entries, shown.is_weighted),
        )


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two bases or more, their basis images matched with those of the first.

    Attributes
    ----------
    runs : tuple of ComparedBasis
    orders : tuple of ndarray (count,) of int
        Which basis image of each run is in each cell, -1 where it has none: in the cells of the first those that are
        most like its own, then those that are like none.
    cosines : tuple of ndarray (count,)
        How alike the image of each cell is to the first's, 0 to 1.
    """

    runs: tuple[ComparedBasis, ...]
    orders: tuple[Array, ...]
    cosines: tuple[Array, ...]

    @property
    def count(self) -> int:
        """Cells."""
        return len(self.orders[0])

    def words_of(self, k: int, nouns: Nouns) -> tuple[str, str, str]:
        """Return the results of a basis in words, with their differences to the first, and how alike the two are."""
        return *self._numbers_of(k), self._likeness_of(k, nouns)

    def _numbers_of(self, k: int) -> tuple[str, str]:
        first, one = self.runs[0], self.runs[k]
        error, sparsity = f"{one.measure} {percent(one.error)}{one.entries}", _sparsity_words(one)
        if k == 0:
            return error, sparsity + _time_words(one)
        if one.is_weighted is first.is_weighted:
            sparsity += f" ({signed(one.attained - first.attained, 4)})"
        by = "" if math.isnan(one.error - first.error) else f" ({points(one.error - first.error)})"
        if one.measure != first.measure:
            by = " (another measure: no difference)"
        elif one.entries != first.entries:
            by = " (other entries: no difference)"
        more = signed(one.seconds - first.seconds, 2)
        return error + by, sparsity + _time_words(one, "" if math.isnan(one.seconds - first.seconds) else more)

    def _likeness_of(self, k: int, nouns: Nouns) -> str:
        if k == 0:
            return "what the others are compared with"
        cosine, both = self.cosines[k], (self.orders[0] >= 0) & (self.orders[k] >= 0)
        there = int(np.count_nonzero((self.orders[0] >= 0) | (self.orders[k] >= 0)))
        same = int(np.count_nonzero(cosine >= _SAME))
        if same == there:
            return f"the same {nouns.bases}"
        middle = np.median(cosine[both]) if both.any() else 0.0
        return f"{same} of {there} {nouns.bases} the same  ·  median cosine {middle:.3f}"

    def words_of_cell(self, cell: int) -> str:
        """Say which basis images are in a cell, and how alike they are."""
        told = []
        for k, (one, order, cosine) in enumerate(zip(self.runs, self.orders, self.cosines, strict=True)):
            basis = int(order[cell])
            if basis < 0:
                told.append("none")
                continue
            alike = f", cosine {cosine[cell]:.3f}" if k and cosine[cell] else ""
            told.append(f"basis {basis + 1}, sparsity {one.sparsities[basis]:.3f}{alike}")
        return "  ·  ".join(told)


def _sparsity_words(one: ComparedBasis) -> str:
    return f"{'weighted ' * one.is_weighted}sparsity {one.attained:.4f}"


def _time_words(one: ComparedBasis, more: str = "") -> str:
    if math.isnan(one.seconds):
        return ""
    return f"  ·  {one.seconds:.2f} s" + (f" ({more} s)" if more else "")
