"""A session file, or a recovery, back in the session: its runs, and what was on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gsp_studio.gui.session.basis import PinnedBasis
    from gsp_studio.gui.session.run_control import RunControl
    from gsp_studio.gui.session.run_list import RunList
    from gsp_studio.gui.session.settings import Settings
    from gsp_studio.gui.session.slider import Slider
    from gsp_studio.gui.state import RunEntry, RunSettings


class Restoration:
    """Joins the parts that what was kept goes to, which do not know each other."""

    def __init__(
        self, settings: Settings, basis: PinnedBasis, slider: Slider, runs: RunList, control: RunControl
    ) -> None:
        self._settings, self._basis, self._slider = settings, basis, slider
        self._runs, self._control = runs, control

    def bring_back(
        self,
        runs: tuple[RunEntry, ...],
        choice: RunSettings,
        number: int,
        *,
        refined: RunEntry | None = None,
        locked: dict[int, float] | None = None,
        order: Sequence[int] = (),
    ) -> None:
        """Take runs that were kept in place of those that are here, and show what was on the screen.

        Parameters
        ----------
        runs : tuple of RunEntry
        choice : RunSettings
            Settings of the next run.
        number : int
            Of the run to show, 0 for none.
        refined : RunEntry, optional
            The run, in no list, that made the refined basis to show, over the basis that it was refined from.
        locked : dict of basis image to sparsity, optional
        order : sequence of int
            Order of the tiles, () for that of the run.
        """
        settings, slider, weights = self._settings, self._slider, self._settings.weights
        self._runs.take(runs)
        settings.set_choice(choice)
        shown = self._runs.at(self._runs.index_of(number))
        if shown is not None:
            self._control.show(self._runs.index_of(number))
            kept = shown.choice.params
            choice = choice.with_params(rank=kept.rank, seed=kept.seed)
            settings.bring_back(choice, weights)  # the weights may have been painted since
            slider.reweigh()
        if refined is not None:
            parent = self._runs.at(self._runs.index_of(refined.origin[0]))
            settings.take(choice.with_params(rank=refined.choice.params.rank))
            slider.bring_back(refined, parent, _fitting(locked, len(refined.shown.order)))
            return
        pinned = self._basis.pinned
        if shown is None or pinned is None:
            return  # the short fit that is under way is shown, and refined
        if sorted(order) == list(range(pinned.W.shape[1])):
            slider.set_order(np.array(order))
        slider.lock(_fitting(locked, pinned.W.shape[1]))
        if choice.params.sparsity != shown.choice.params.sparsity or (
            choice.params.sparsity_h != shown.choice.params.sparsity_h
        ):
            settings.set_targets(choice.params.sparsity, choice.params.sparsity_h)
            self._basis.settle()


def _fitting(locked: dict[int, float] | None, rank: int) -> dict[int, float]:
    return {basis: s for basis, s in (locked or {}).items() if 0 <= basis < rank}
