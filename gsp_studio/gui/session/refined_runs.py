"""The refined basis on the screen as a run: kept in the list, handed out for an export, brought back from a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from gsp_studio.io.annotations import Annotations

if TYPE_CHECKING:
    from gsp_studio.gui.session.basis import PinnedBasis
    from gsp_studio.gui.session.display import Display
    from gsp_studio.gui.session.run_control import RunControl
    from gsp_studio.gui.session.run_list import RunList
    from gsp_studio.gui.session.settings import Settings
    from gsp_studio.gui.session.slider import Slider
    from gsp_studio.gui.state import RunEntry


class RefinedRuns(QObject):
    """Joins what is pinned, what is on the screen and the list of runs, which do not know each other."""

    def __init__(
        self,
        settings: Settings,
        basis: PinnedBasis,
        slider: Slider,
        display: Display,
        runs: RunList,
        control: RunControl,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._settings, self._basis, self._slider, self._display = settings, basis, slider, display
        self._runs, self._control = runs, control

    @property
    def can_keep(self) -> bool:
        """Whether the basis on the screen has been refined and can become a run of the list."""
        return self._slider.is_free and self._basis.refinement.can_be_kept

    def keep(self) -> None:
        """List the refined basis on the screen as a run, and stop refining it; the next runs keep its settings."""
        entry = self._made()
        if entry is not None:
            self._control.list_run(replace(entry, remarks=Annotations()))

    def on_screen(self) -> RunEntry | None:
        """The run on the screen: one of the list, a refined basis as a run that is in no list yet, or the last run."""
        return self.run() or self._runs.current or self._runs.at(len(self._runs.entries) - 1)

    def run(self) -> RunEntry | None:
        """The refined basis on the screen as a run that is in no list yet; None where there is none."""
        if self.can_keep:
            self._basis.stop_refining()  # what is written is what is seen
        return self._made()

    def _made(self) -> RunEntry | None:
        """The run that refined the basis; its note tells the path of its targets."""
        found, pinned, shown = self._basis.refinement.so_far(), self._basis.pinned, self._display.shown
        if not self.can_keep or found is None or pinned is None or shown is None:
            return None
        from gsp_studio.gui.jobs.compute import entry_of, targets_of

        spec, outcome = found
        assert outcome.result is not None
        parent = next((entry.number for entry in self._runs.entries if entry.pinned is pinned), 0)
        entry = entry_of(self._runs.next_number, spec, outcome, outcome.result.history.records(), (parent, 0))
        kept = entry.choice.params
        choice = self._settings.choice.with_params(
            rank=kept.rank, method=kept.method, sparsity=kept.sparsity, sparsity_h=kept.sparsity_h
        )
        path = " → ".join(f"{s:.4f}" for s in targets_of(spec.params, outcome))
        remarks = Annotations(name=f"Refined basis of {pinned.origin}", note=f"Refined from {pinned.origin}: s {path}")
        return replace(entry, choice=choice, shown=replace(entry.shown, order=shown.order), remarks=remarks)

    def bring_back(self, refined: RunEntry) -> None:
        """Show the refined basis that a session file has kept, over the basis that it was refined from."""
        self._slider.bring_back(refined, self._runs.at(self._runs.index_of(refined.origin[0])))
