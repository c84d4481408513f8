"""The question which basis images of the run on the screen other seeds find, from the hand to the list of runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gsp_studio.gui.texts import about_stability

if TYPE_CHECKING:
    from gsp_studio.gui.session.analyses import Analyses
    from gsp_studio.gui.session.display import Display
    from gsp_studio.gui.session.run_list import RunList
    from gsp_studio.gui.state import RunEntry


class RunStability(QObject):
    """Joins the parts that the answer passes through, which do not know each other."""

    logged = Signal(str)

    def __init__(self, runs: RunList, analyses: Analyses, display: Display, parent: QObject) -> None:
        super().__init__(parent)
        self._runs, self._analyses, self._display = runs, analyses, display
        runs.changed.connect(lambda *_: analyses.keep_check_of(runs.current))
        analyses.stabilityFound.connect(lambda of, found: self._tell(runs.keep_stability(of, found)))

    def check(self) -> None:
        """Ask what further seeds make of the run on the screen, which is kept with the run."""
        entry = self._runs.current
        if entry is not None and entry.stability is not None:
            self._tell(entry)
        elif entry is not None:
            self._analyses.check_stability(entry)

    def _tell(self, entry: RunEntry) -> None:
        self._display.set_view(replace(self._display.view, spread=True))
        self.logged.emit(about_stability(entry, self._runs.nouns))
