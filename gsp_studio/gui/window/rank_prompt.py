"""The dialog of a study of ranks, while it is open: what it asks goes to the study, what that finds comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMainWindow

from gsp_studio.gui.session.session import Session
from gsp_studio.gui.widgets.worded import say_nouns

if TYPE_CHECKING:
    from gsp_studio.gui.dialogs.rank import RankDialog


class RankPrompt(QObject):
    """Opens the dialog over `window`, one at a time."""

    def __init__(self, window: QMainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session = window, session
        self._dialog: RankDialog | None = None

    def ask(self) -> None:
        """Ask how many basis images there should be, and study it."""
        session, dataset = self._session, self._session.dataset
        if dataset is None:
            return
        if self._dialog is not None:
            self._dialog.activateWindow()
            return
        from gsp_studio.core.methods import METHODS
        from gsp_studio.gui.dialogs.rank import RankDialog

        most = max(1, min(dataset.X.shape) // 2)
        method = METHODS[session.settings.params.method].label
        dialog, study = RankDialog(most, method, self._window), session.analyses.rank_study
        dialog.studyRequested.connect(lambda ranks, seeds: study.start(dataset, ranks, session.settings.choice, seeds))
        dialog.studyCancelled.connect(study.cancel)
        dialog.rankChosen.connect(self._take)
        dialog.finished.connect(lambda _: self._forget())
        study.progressed.connect(dialog.set_progress)
        study.rowReady.connect(dialog.add_row)
        study.finished.connect(dialog.set_study)
        study.failed.connect(dialog.set_problem)
        session.datasetLeaving.connect(dialog.drop)
        self._dialog = dialog
        say_nouns(dialog, dataset.nouns)
        dialog.show()
        dialog.activateWindow()  # not every window manager gives a new window the keyboard

    def _take(self, rank: int) -> None:
        settings = self._session.settings
        settings.set_choice(settings.choice.with_params(rank=rank))

    def _forget(self) -> None:
        self._dialog = None
