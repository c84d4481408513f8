"""Undo and redo: the state of the screen before and after every step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoStack

from gsp_studio.gui.state import DisplayedBasis, RunSettings, View
from gsp_studio.gui.undo_step import UndoStep

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.seeds import Seed
    from gsp_studio.gui.session.basis import PinnedBasis
    from gsp_studio.gui.session.display import Display
    from gsp_studio.gui.session.entries import Entries
    from gsp_studio.gui.session.run_control import RunControl
    from gsp_studio.gui.session.run_list import RunList
    from gsp_studio.gui.session.seed_list import SeedList
    from gsp_studio.gui.session.settings import Settings
    from gsp_studio.gui.session.slider import Slider
    from gsp_studio.gui.solutions import RefinementState
    from gsp_studio.gui.state import UnprojectedBasis
    from gsp_studio.io.annotations import Annotations
    from gsp_studio.io.mask_text import KeptMask

#: Steps that are kept, and bytes of the bases in them that are in memory for them alone.
_DEPTH, MOST_BYTES = 200, 512 << 20


@dataclass(frozen=True, eq=False)
class Snapshot:
    """State that can be undone. Arrays are never written again, so that holding them is enough.

    Attributes
    ----------
    choice : RunSettings
    weights : ndarray (m,) or None
    seeds : tuple of Seed
    mask : KeptMask or None
    locked : dict of basis image to sparsity
    marked : tuple of int
        The selected basis images.
    view : View
    remarks : dict of run number to Annotations
    deleted : frozenset of int
        Numbers of the runs that were deleted.
    run : int
        Number of the run on the screen, 0 for none.
    curves : int
        Number of the run whose curves are on the screen, 0 for none.
    pinned : UnprojectedBasis or None
    shown : DisplayedBasis or None
        None while a run is going: then nothing but its targets and weights, the view and the selection come back; and
        of steps that are so old that no room is left for them, which are projected again.
    refinement : RefinementState or None
        The iterations that made what is shown.
    is_fit_due : bool
        The basis of this choice was still being fitted.
    """

    choice: RunSettings
    weights: Array | None
    seeds: tuple[Seed, ...]
    mask: KeptMask | None
    locked: dict[int, float]
    marked: tuple[int, ...]
    view: View
    remarks: dict[int, Annotations]
    deleted: frozenset[int]
    run: int
    curves: int
    pinned: UnprojectedBasis | None
    shown: DisplayedBasis | None
    refinement: RefinementState | None
    is_fit_due: bool

    def is_as(self, other: Snapshot) -> bool:
        """Whether nothing differs that the user can change; iterations and fits change what is shown, too."""
        return (
            self.weights is other.weights
            and self.seeds is other.seeds
            and self.mask is other.mask
            and self.pinned is other.pinned
            and self.choice == other.choice
            and self.locked == other.locked
            and self.marked == other.marked
            and self.view == other.view
            and self.remarks == other.remarks
            and self.deleted == other.deleted
            and self.run == other.run
        )

    def has_order_of(self, other: Snapshot) -> bool:
        """Whether the tiles stand in the same order, as far as that is known."""
        if self.shown is None or other.shown is None:
            return True
        return np.array_equal(self.shown.order, other.shown.order)

    def arrays(self) -> Iterable[Any]:
        """Arrays that may be in memory for this step alone; those of a run or of the data are not."""
        if self.shown is not None:
            yield from (self.shown.W, self.shown.H)
        if self.refinement is not None:
            yield from self.refinement.arrays()


class UndoHistory(QObject):
    """Joins the parts whose state can be undone, which do not know each other, in one history of steps."""

    def __init__(
        self,
        settings: Settings,
        display: Display,
        basis: PinnedBasis,
        slider: Slider,
        runs: RunList,
        control: RunControl,
        seeds: SeedList,
        entries: Entries,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._settings, self._display, self._basis, self._slider = settings, display, basis, slider
        self._runs, self._control, self._seeds, self._entries = runs, control, seeds, entries
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(_DEPTH)
        self._is_restoring = False
        #: The last state in which no run was going.
        self._idle: Snapshot | None = None
        self._last = self._read()
        told = (settings.settled, settings.edited, display.edited, slider.edited, runs.edited, control.edited)
        for edited in (*told, seeds.edited, entries.edited):
            edited.connect(self._note)
        for found in (basis.projected, basis.refined, slider.fitted):
            found.connect(lambda *_: self._see())

    def _read(self) -> Snapshot:
        settings, display, basis, runs = self._settings, self._display, self._basis, self._runs
        current = runs.current
        return Snapshot(
            choice=settings.choice,
            weights=settings.weights,
            seeds=self._seeds.seeds,
            mask=self._entries.mask,
            locked=basis.locked,
            marked=display.marked,
            view=display.view,
            remarks={entry.number: entry.remarks for entry in runs.entries},
            deleted=runs.deleted,
            run=0 if current is None else current.number,
            curves=self._control.number_of_curves,
            pinned=basis.pinned,
            shown=display.shown if self._slider.is_free else None,
            refinement=basis.refinement.state(),
            is_fit_due=self._slider.is_fit_due,
        )

    def _note(self, text: str) -> None:
        """The user has finished a change, called `text`; nothing happens where none was made."""
        if self._is_restoring:
            return
        now, before = self._read(), self._last
        if before.shown is None and now.shown is not None and self._idle is not None:
            before = self._idle  # a run that was steered has ended
        if now.is_as(before) and now.has_order_of(before):
            self._ripen(now)
        else:
            self.stack.push(UndoStep(text, before, now, self._bring_back))
            self._lighten()
            self._keep(now)

    def _ripen(self, now: Snapshot) -> None:
        """The last step has led here by now."""
        step = self.stack.command(self.stack.index() - 1)
        if isinstance(step, UndoStep) and step.after is self._last:
            step.after = now
        self._keep(now)

    def _keep(self, now: Snapshot) -> None:
        self._last = now
        if now.shown is not None:
            self._idle = now

    def _see(self) -> None:
        """More has been found of what the last step asked for: that is where one comes back to."""
        if self._is_restoring:
            return
        now, last = self._read(), self._last
        is_fitted = now.pinned is not last.pinned  # the slider may be moving as its basis comes
        if is_fitted and last.pinned is not None and not last.is_fit_due:
            return
        if is_fitted:
            now = replace(now, choice=last.choice)
        if not is_fitted and not now.is_as(last):
            return
        self._ripen(now)

    def start_from_here(self) -> None:
        """Take the present state as the start of undo."""
        self._idle = None
        self._keep(self._read())

    def clear(self) -> None:
        """Other data: nothing of what was can come back."""
        self.stack.clear()
        self.start_from_here()

    def _bring_back(self, snapshot: Snapshot) -> None:
        self._is_restoring = True
        try:
            self._restore(snapshot)
        finally:
            self._is_restoring = False
        self._keep(snapshot if self._slider.is_free and snapshot.shown is not None else self._read())

    def _restore(self, to: Snapshot) -> None:
        settings, basis = self._settings, self._basis
        self._display.set_view(to.view)
        self._runs.set_deleted(to.deleted)
        self._seeds.show(to.seeds)
        self._entries.show_mask(to.mask)
        for number, remarks in to.remarks.items():
            self._runs.remark_run(number, remarks)
        if not self._slider.is_free:
            settings.set_weights(to.weights)
            settings.set_targets(to.choice.params.sparsity, to.choice.params.sparsity_h)
            self._display.mark(to.marked)
            return
        self._slider.leave()
        settings.bring_back(to.choice, to.weights)
        if to.pinned is not basis.pinned:
            self._slider.pin(to.pinned, None if to.shown is None else to.shown.order)
        self._control.mark_shown(to.run, to.curves)
        basis.lock(to.locked)
        if to.shown is None:
            settings.set_targets(to.choice.params.sparsity, to.choice.params.sparsity_h)
            settings.settle_sparsity()
        else:
            basis.reorder(to.shown.order)
            basis.refinement.bring_back(to.refinement)
            self._display.show(to.shown)
            if to.shown.is_refining:
                basis.settle()  # it goes on
        self._display.move_marks(to.marked)
        if to.is_fit_due:
            self._slider.fit()

    def _lighten(self) -> None:
        """Keep the newest bases in memory: those of older steps are projected again when one comes back to them."""
        held: set[int] = set()
        total = 0
        for k in range(self.stack.index() - 1, -1, -1):
            step = self.stack.command(k)
            assert isinstance(step, UndoStep)
            for name in ("after", "before"):
                snapshot: Snapshot = getattr(step, name)
                for part in snapshot.arrays():
                    if isinstance(part, np.ndarray) and id(part) not in held:
                        held.add(id(part))
                        total += part.nbytes
                if total > MOST_BYTES:
                    setattr(step, name, replace(snapshot, shown=None, refinement=None))
