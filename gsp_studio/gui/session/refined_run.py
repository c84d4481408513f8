"""The run that a refined basis on the screen is: into the list, and out of the window."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gsp_studio.io.annotations import Annotations

if TYPE_CHECKING:
    from gsp_studio.gui.session.basis import PinnedBasis
    from gsp_studio.gui.session.display import Display
    from gsp_studio.gui.session.run_control import RunControl
    from gsp_studio.gui.session.run_list import RunList
    from gsp_studio.gui.session.settings import Settings
    from gsp_studio.gui.session.slider import Slider
    from gsp_studio.gui.state import RunEntry


class RefinedRun:
    """Joins the parts that a refined basis passes through as it becomes a run, which do not know each other."""

    def __init__(
        self,
        settings: Settings,
        display: Display,
        basis: PinnedBasis,
        slider: Slider,
        runs: RunList,
        control: RunControl,
    ) -> None:
        self._settings, self._display, self._basis = settings, display, basis
        self._slider, self._runs, self._control = slider, runs, control

    @property
    def is_there(self) -> bool:
        """Whether the basis on the screen has been refined and can become a run."""
        return self._slider.is_free and self._basis.refinement.can_be_kept

    def entry(self) -> RunEntry | None:
        """It as a run that is in no list yet, its note the path of its targets; None where there is none.

        Refining stops: what is written is what is seen.
        """
        if not self.is_there:
            return None
        self._basis.stop_refining()
        found, pinned, shown = self._basis.refinement.so_far(), self._basis.pinned, self._display.shown
        if found is None or pinned is None or shown is None:
            return None
        from gsp_studio.gui.jobs.compute import refined_entry

        parent = next((entry.number for entry in self._runs.entries if entry.pinned is pinned), 0)
        return refined_entry(self._runs.next_number, parent, found, pinned.origin, shown.order, self._settings.choice)

    def keep(self) -> None:
        """List it; the next runs keep their settings."""
        entry = self.entry()
        if entry is not None:
            self._control.keep(replace(entry, remarks=Annotations()))

    def or_listed(self) -> RunEntry | None:
        """It, or else the run of the list that is on the screen, or the last one."""
        return self.entry() or self._runs.current or self._runs.at(len(self._runs.entries) - 1)
