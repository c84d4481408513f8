"""Differences between seeds, over the tiles of a basis: a veil in one colour, and dots around unstable ones.

Both are about the basis of a finished run. The slider's projections of it keep the numbers of its basis images, so
they stay over these; over another basis there is nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gsp_studio.gui.texts import STABILITY, over_seeds
from gsp_studio.gui.widgets.tile_buffer import Contrast, TileBuffer

if TYPE_CHECKING:
    from gsp_studio.gui.state import DisplayedBasis, RunEntry
    from gsp_studio.gui.widgets.tile_view import TileView
    from gsp_studio.io.dataset import Dataset

Array = npt.NDArray[Any]

#: The veil is thickest where the deviation is this part of the largest value of the basis image, or more.
THICKEST = 0.5


def relative_spread(entry: RunEntry) -> Array | None:
    """Standard deviations over seeds (m, r), as parts of the largest value of each basis image; None: not known."""
    found, W = entry.stability, entry.shown.W
    if found is None or found.spread is None:
        return None
    peaks = W.max(axis=0).astype(np.float64)
    lengths = np.sqrt(np.einsum("ik,ik->k", W, W, dtype=np.float64))
    scale = np.divide(lengths, peaks, out=np.zeros_like(peaks), where=peaks > 0)
    relative: Array = found.spread * scale.astype(np.float32)
    return relative


class TileSpread:
    """Draws into a `TileView`; `draw` after the view has got the tiles that it is about."""

    def __init__(self, view: TileView) -> None:
        self._view = view
        self._entry: RunEntry | None = None
        self._relative: Array | None = None
        self._is_on = True
        self._drawn: tuple[object, ...] = ()
        self._kept: tuple[object, ...] = ()

    def set_entry(self, entry: RunEntry | None) -> None:
        """The run that the tiles are of, if its stability is known."""
        self._entry = entry
        self._relative = None if entry is None else relative_spread(entry)

    def set_on(self, on: bool) -> None:
        """Show or hide the veil; the dots stay."""
        self._is_on = on

    def draw(self, shown: DisplayedBasis | None, dataset: Dataset | None, tiles: TileBuffer | None) -> None:
        """Show it over these tiles; nothing is drawn again that is there already."""
        entry = self._entry if _is_about(self._entry, shown) else None
        order = () if shown is None else tuple(shown.order.tolist())
        now = (order, self._is_on, id(entry), id(tiles), 0 if tiles is None else tiles.columns)
        if now == self._drawn:
            return
        # Kept, so that no other object gets their ids.
        self._drawn, self._kept = now, (entry, tiles)
        if entry is None or entry.stability is None or shown is None or dataset is None or tiles is None:
            self._view.set_spread(None)
            self._view.set_unstable(())
            return
        self._view.set_unstable(tuple(shown.tile_of(basis) for basis in entry.stability.unstable))
        self._view.set_spread(self._veil(shown, dataset, tiles) if self._is_on else None)

    def _veil(self, shown: DisplayedBasis, dataset: Dataset, tiles: TileBuffer) -> TileBuffer | None:
        if self._relative is None:
            return None
        images = dataset.as_images(self._relative)
        if images.ndim == 4:  # in colour: where any of the three differs
            images = images.max(axis=3)
        veil = TileBuffer(
            tiles.count,
            tiles.height,
            tiles.width,
            tiles.gap,
            bands=tiles.bands,
            columns=tiles.columns,
            strip=tiles.strip,
        )
        veil.hold_level(1.0 if tiles.bands else THICKEST)  # a curve has the scale of the one that it lies over
        veil.fill(images.reshape(len(images), -1).T, shown.order, False, Contrast.PERCENTILE)
        return veil

    @property
    def caption(self) -> str:
        """Caption for the line above the tiles; "" for nothing."""
        found = None if self._entry is None else self._entry.stability
        if found is None:
            return ""
        return f"  ·  {len(found.unstable) or 'none'} unstable {over_seeds(found.seeds)}"

    @property
    def legend(self) -> str:
        """Meaning of the veil and the dots; "" if there are none."""
        if self._entry is None:
            return ""
        return (
            "Pink: the standard deviation from seed to seed; full from "
            f"{100 * THICKEST:.0f} % of a basis image's brightest value on.\n"
            "Of spectra it is a curve on their own scale. U shows and hides it. Dots: unstable.\n"
            f"{STABILITY}"
        )

    def under(self, shown: DisplayedBasis, dataset: Dataset, basis: int, row: int, column: int) -> str:
        """The deviation of one pixel in words; "" for nothing."""
        found = None if self._entry is None else self._entry.stability
        if found is None or self._relative is None or not _is_about(self._entry, shown):
            return ""
        value = float(np.max(dataset.as_images(self._relative[:, basis : basis + 1])[0][row, column]))
        return f"  ·  ± {100 * value:.0f} % of its brightest {over_seeds(found.seeds)}"


def _is_about(entry: RunEntry | None, shown: DisplayedBasis | None) -> bool:
    """Whether these are the run's basis images, or projected; the run may be told before what is shown of it."""
    is_its_own = shown is not None and not shown.iterations
    return entry is not None and shown is not None and is_its_own and entry.shown.W.shape == shown.W.shape
