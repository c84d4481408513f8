"""The slider's journey while no run is going: settings, pinned basis, display; and where the basis comes from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.nouns import IMAGES

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.results import Result
    from gsp_studio.gui.session.basis import PinnedBasis
    from gsp_studio.gui.session.display import Display
    from gsp_studio.gui.session.settings import Settings
    from gsp_studio.gui.session.warm_fit import WarmFit
    from gsp_studio.gui.state import BasisPreview, DisplayedBasis, RunEntry, RunSettings, UnprojectedBasis
    from gsp_studio.io.dataset import Dataset


class Slider(QObject):
    """Joins the four parts that a move of the slider passes through, which do not know each other."""

    runLeft = Signal()  # what is pinned now is of no run of the list
    edited = Signal(str)  # the user has finished a change that can be undone, called so
    fitted = Signal()  # a short fit has brought a basis to the screen

    def __init__(
        self, settings: Settings, basis: PinnedBasis, warm_fit: WarmFit, display: Display, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._settings, self._basis, self._warm_fit, self._display = settings, basis, warm_fit, display
        self._dataset: Dataset | None = None
        #: No run is going on, and there are data.
        self.is_free = False
        #: The targets have been moved since the basis was pinned.
        self.is_moved = False
        settings.choiceChanged.connect(basis.path.set_choice)
        settings.choiceSet.connect(self._follow_choice)
        settings.targetsSet.connect(self._follow_targets)
        settings.weightsSet.connect(self.reweigh)
        settings.settled.connect(lambda _: basis.settle())
        basis.refinesChanged.connect(self._follow_switch)
        basis.projected.connect(self._show)
        basis.glimpsed.connect(self._show_glimpse)
        basis.refined.connect(self._show_refined)
        basis.rested.connect(lambda: self._refine(is_at_rest=True))
        warm_fit.due.connect(self.fit)
        warm_fit.fitted.connect(self._pin_warm_fit)

    def set_dataset(self, dataset: Dataset) -> None:
        """Other data: there is no basis until one is fitted."""
        self._dataset = dataset
        self.pin(None, None)
        self._display.show(None)
        self._display.move_marks(())

    def pin(self, pinned: UnprojectedBasis | None, order: Array | None) -> None:
        """Pin another basis, its tiles in this order; None: none. Nothing is selected that it does not have."""
        if pinned is not None and max(self._display.marked, default=-1) >= pinned.W.shape[1]:
            self._display.move_marks(())
        self.is_moved = False
        self._basis.pin(pinned, self._dataset, order)

    def _project(self) -> None:
        self._basis.project(self._settings.choice)

    def _show(self, shown: DisplayedBasis) -> None:
        if self.is_free:
            self._display.show(shown)
            if self.is_moved:
                self._refine(is_at_rest=False)

    def _show_refined(self, shown: DisplayedBasis) -> None:
        if self.is_free:
            self._display.show(shown)

    def _show_glimpse(self, glimpse: BasisPreview) -> None:
        if self.is_free:
            self._display.show_glimpse(glimpse)

    @property
    def _order(self) -> Array | None:
        """Order of the tiles on the screen: none of them moves."""
        return None if self._display.shown is None else self._display.shown.order

    @property
    def can_sort(self) -> bool:
        """Whether the tiles can be sorted: in a run, and while a basis is refined, they keep their places."""
        return self.is_free and self._display.shown is not None and not self._basis.is_refining

    def sort_tiles(self, by: str) -> None:
        """Sort the tiles by falling "energies" or "sparsities" of now; from then on each keeps its place."""
        shown = self._display.shown
        if shown is not None and self.can_sort:
            values = shown.energies if by == "energies" else shown.sparsities
            self.set_order(values.argsort(kind="stable")[::-1].copy())
            self.edited.emit("order of the tiles")

    def set_order(self, order: Array) -> None:
        """Give the tiles on the screen, and those to come, this order."""
        shown = self._display.shown
        if shown is not None:
            self._basis.reorder(order)
            self._display.show(replace(shown, order=order))

    # What is set

    def _follow_targets(self) -> None:
        if self.is_free:
            self.is_moved = True
            self._project()

    def _follow_switch(self, on: bool) -> None:
        """Refine what is shown from now on; or show the pinned basis as it is projected, where it was refined."""
        shown = self._display.shown
        if not on and self.is_free and shown is not None and shown.iterations:
            self._project()
        self._settings.settle_sparsity()

    def _follow_choice(self, before: RunSettings, choice: RunSettings) -> None:
        """A new rank or seed gives the slider a new basis after a short rest."""
        self.reweigh()
        if self.is_free and (choice.params.rank, choice.params.seed) != (before.params.rank, before.params.seed):
            self._warm_fit.fit_soon()

    def reweigh(self) -> None:
        """Pin the same basis under the weights in force, where these are others than before."""
        pinned = self._basis.reweight(self._settings.choice, self._settings.weights) if self.is_free else None
        if pinned is not None:
            self.pin(pinned, self._order)
            self._project()

    def reset_sparsity(self) -> None:
        """Back to the sparsity of the unprojected basis, where the projection leaves it as it is."""
        pinned = self._basis.pinned
        if pinned is not None:
            self._settings.set_sparsity(min(1.0, max(0.0, math.floor(pinned.sparsity * 1e4) / 1e4)))
            self._settings.settle_sparsity()

    def toggle_locked(self, *bases: int) -> None:
        """Lock basis images at the sparsities that they have now; where all of them are locked, unlock them."""
        shown = self._display.shown
        if shown is None or self._basis.pinned is None or not self.is_free:
            return
        locked = dict(self._basis.locked)
        free = [basis for basis in bases if basis not in locked]
        if free:
            locked |= {basis: float(shown.sparsities[basis]) for basis in free}
        else:
            locked = {basis: s for basis, s in locked.items() if basis not in bases}
        self.lock(locked)

    def lock(self, locked: dict[int, float]) -> None:
        """Lock exactly these basis images at these sparsities."""
        if self._basis.lock(locked):
            self._project()
            if self._basis.refinement.latest is not None:
                self._basis.settle()  # the others are solved for anew
            nouns = IMAGES if self._dataset is None else self._dataset.nouns
            self.edited.emit(f"locked {nouns.bases}")

    # Where the basis comes from

    def fit(self) -> None:
        """Fit a dense basis of the chosen rank, which is there before any run."""
        if self._dataset is not None and self.is_free:
            self._basis.stop_refining()  # of a basis that is about to go
            self._warm_fit.fit(self._dataset, self._settings.choice)

    def _pin_warm_fit(self, result: Result) -> None:
        from gsp_studio.gui.jobs.compute import unprojected_basis

        self.pin(unprojected_basis(result, "a short fit without constraint"), None)
        self.runLeft.emit()
        self._project()
        self._basis.settle()  # the target is asked for as if the slider had come to rest there
        self.fitted.emit()

    def bring_back(self, refined: RunEntry, parent: RunEntry | None, locked: dict[int, float]) -> None:
        """Show a refined basis as it was, over the basis of its parent; without one over its own, unprojected."""
        from gsp_studio.gui.jobs.compute import refinement_of

        self.leave()
        pinned = replace(refined.pinned, origin="a refined basis") if parent is None else parent.pinned
        self.pin(pinned, refined.shown.order)
        self._basis.lock(locked)
        params = refined.choice.params
        projected = self._basis.error_at(params.sparsity, params.sparsity_h)
        state, shown = refinement_of(refined, pinned, self._settings.choice, projected)
        self._basis.refinement.bring_back(state)
        self._display.show(shown)

    @property
    def is_fit_due(self) -> bool:
        """Whether the basis of the choice is still being fitted."""
        return self._warm_fit.is_coming

    def leave(self) -> None:
        """Stop what is under way for the present basis: another one takes its place."""
        self._warm_fit.retire()
        self._basis.drop_refinement()

    def _refine(self, *, is_at_rest: bool) -> None:
        shown = self._display.shown
        if self.is_free and not self._warm_fit.is_coming and shown is not None:
            self._basis.refine(self._settings.choice, shown, is_at_rest=is_at_rest)
