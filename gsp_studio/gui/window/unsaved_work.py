"""Nothing that was computed goes without the user's word: what is asked before a window closes or other data come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from gsp_studio.gui.state import Phase
from gsp_studio.gui.texts import plural

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMainWindow

    from gsp_studio.gui.dialogs.question import UnsavedQuestion
    from gsp_studio.gui.network.session import NetworkSession
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.session_file.menu import SessionFileMenu
    from gsp_studio.gui.sweep.background_sweep import BackgroundSweep

_SHELF = "File > Recent sessions"


class UnsavedWork(QObject):
    """Asks about the unsaved work of a window, and goes on once the answer has been carried out."""

    def __init__(
        self,
        window: QMainWindow,
        session: Session,
        sweep: BackgroundSweep,
        session_menu: SessionFileMenu,
        networks: NetworkSession,
    ) -> None:
        super().__init__(window)
        self._window, self._session, self._session_menu = window, session, session_menu
        self._networks, self._is_network_written = networks, False
        networks.savingChanged.connect(self._follow_network)
        self._store, self._sweep = session_menu.store, sweep
        self.question: UnsavedQuestion | None = None
        #: Whether unsaved work is to be found among the recent sessions after the window has closed.
        self.is_wanted = True
        self._may_close = False
        self._is_saved_first = False
        #: Steps to take when the run has ended, and when the session's file is written.
        self._after_run: Callable[[], None] | None = None
        self._after_save: Callable[[], object] | None = None
        self._session.phaseChanged.connect(lambda _: QTimer.singleShot(0, self._go_on_without_run))
        self._store.saved.connect(lambda _: self._go_on_saved())
        self._store.failed.connect(lambda *_: self._forget_save())

    # Before the window closes

    def allows_close(self) -> bool:
        """Whether the window may close now; where it may not, it is asked or waited for, and closes then."""
        store, going = self._store, [*self._of_data(), *self._beside_data()]
        if self._may_close or not (store.is_modified or going):
            return True
        if store.is_saving and not self._is_saved_first:  # the file is on its way: nothing may be left to ask
            self._is_saved_first = True
            self._after_save = self._window.close
            return False
        self._is_saved_first = False
        if not store.is_modified:
            self._ask("Close GSP Studio?", "\n".join(going), {"discard": self.leave}, "Close")
            return False
        answers: dict[str, Callable[[], None]] = {
            "save": partial(self._save, self.leave),
            "keep": partial(self._end_run, partial(self._keep, self.leave), is_patient=False),
            "discard": self._discard_and_leave,
        }
        more = f"Kept for later, it is found under {_SHELF}."
        if not store.autosave.is_on:
            del answers["keep"]
            more = ""
        sentences = [*self._work(), *going, more]
        self._ask(f"Save the work on {self._name} before closing?", "\n".join(filter(None, sentences)), answers)
        return False

    def leave(self) -> None:
        """Close without a question; unsaved work is kept for later where that is possible."""
        self._may_close = True
        self._session.exports.cancel()  # which may take minutes, and would end half-way
        self._window.close()

    def _discard_and_leave(self) -> None:
        self.is_wanted = False
        self.leave()

    # Before other data come

    def before_other_data(self, go: Callable[[], None]) -> None:
        """Call `go`, which opens other data, when the work on these is kept; where it cannot be, or is going, ask."""
        session, store, going = self._session, self._store, self._of_data()
        if session.phase.is_run:  # nothing is opened then
            go()
        elif going:
            more = "\n".join([*going, "It ends for other data."])
            self._ask("Open other data now?", more, {"discard": partial(self._archive, go)}, "Open")
        elif store.is_modified:
            self._archive(go)
        else:
            go()

    def _archive(self, go: Callable[[], None]) -> None:
        if self._store.is_modified:
            self._store.autosave.settle(lambda problem: self._ask_to_give_up(problem, go) if problem else go())
        else:
            go()

    def _ask_to_give_up(self, problem: str, go: Callable[[], None]) -> None:
        def discard() -> None:
            self._store.give_up()
            go()

        text = f"Save the work on {self._name} before other data are opened?"
        more = f"It cannot be kept for later: {problem.rstrip('.')}."
        self._ask(text, "\n".join([*self._work(), more]), {"save": partial(self._save, go), "discard": discard})

    # Questions

    @property
    def _name(self) -> str:
        dataset, path = self._session.dataset, self._store.path
        return path.name if path is not None else "these data" if dataset is None else dataset.name

    def _work(self) -> list[str]:
        """List unsaved work in sentences."""
        session = self._session
        told = []
        if session.runs.entries:
            count, path = plural(len(session.runs.entries), "run"), self._store.path
            is_one = len(session.runs.entries) == 1
            told.append(
                f"{count} {'is' if is_one else 'are'} in no file yet."
                if path is None
                else f"{path.name} does not have the {count} as {'it is' if is_one else 'they are'} now."
            )
        if session.settings.weights is not None:
            told.append(session.nouns.of("The pixels have painted weights."))
        if session.phase.is_run:
            done = plural(session.control.branch_end, "iteration")
            standing = "is ending" if session.phase is Phase.CANCELLING else f"is going ({done} done) and ends here"
            told.append(f"Run {session.runs.next_number} {standing}; its best iterate so far is part of the work.")
        return told

    def _of_data(self) -> list[str]:
        """List what is going besides a run and ends with the data, a sentence each."""
        session = self._session
        told = []
        if self._sweep.is_going:
            told.append("A sweep is going: its finished runs stay on the disk, the one that is going is lost.")
        if session.analyses.rank_study.is_going:
            told.append(session.nouns.of("The search for the number of basis images is going, and is lost."))
        if session.analyses.stability_check.entry is not None:
            told.append(
                f"The check of {session.analyses.stability_check.entry.name} with further seeds is going, and is lost."
            )
        return told

    def _beside_data(self) -> list[str]:
        """List what is going and ends with the window, but not with the data, a sentence each."""
        exports, accuracy = self._session.exports, self._networks.curves.accuracy
        told = []
        if exports.is_going:
            told.append("An export is going: closed now, nothing of it is left.")
        if exports.is_applying:
            told.append("A basis is being applied to other images; that may be lost.")
        if accuracy is not None and accuracy.state == "going":
            told.append("The accuracy of the network is being measured: its points are lost.")
        if self._is_network_written:
            told.append("The pruned network is being written; that may be lost.")
        return told

    def _follow_network(self, is_written: bool) -> None:
        self._is_network_written = is_written

    def _ask(self, text: str, more: str, answers: dict[str, Callable[[], None]], discard: str = "") -> None:
        from gsp_studio.gui.dialogs.question import UnsavedQuestion

        if self.question is not None:
            self.question.box.activateWindow()
            return
        answered: dict[str, Callable[[], None]] = {}
        answered |= {name: partial(self._answered, then) for name, then in answers.items()}
        cancelled = partial(self._answered, self._stay)
        self.question = UnsavedQuestion(self._window, text, more, answered, cancelled, discard)

    def _answered(self, then: Callable[[], None]) -> None:
        self.question = None
        then()

    def _stay(self) -> None:
        self._after_run = self._after_save = None

    # Answers

    def _save(self, go: Callable[[], None]) -> None:
        path = self._session_menu.path_to_save()
        if path is not None:
            self._end_run(partial(self._write, path, go))

    def _write(self, path: Path, go: Callable[[], None]) -> None:
        self._after_save = go
        self._session_menu.write(path)

    def _go_on_saved(self) -> None:
        go, self._after_save = self._after_save, None
        if go is None:
            return
        if self._store.is_modified and go == self.leave:  # there is more than has been written
            self._window.close()
        else:
            go()

    def _forget_save(self) -> None:
        self._after_save = None

    def _keep(self, go: Callable[[], None]) -> None:
        def kept(problem: str) -> None:
            if problem:
                self._session.failed.emit(f"The work on {self._name} cannot be kept for later: {problem}", problem)
            else:
                go()

        self._store.autosave.settle(kept)

    def _end_run(self, then: Callable[[], None], is_patient: bool = True) -> None:
        """Go on when the run has ended; not patient: asked once more, go on with what it has reached so far."""
        session, is_again = self._session, self._after_run is not None
        if not session.phase.is_run or (is_again and not is_patient):
            self._after_run = None
            then()
            return
        self._after_run = then
        if session.phase is not Phase.CANCELLING:
            session.cancel()

    def _go_on_without_run(self) -> None:
        if self._after_run is None:
            return
        if self._session.phase.is_run:
            if self._session.phase is not Phase.CANCELLING:  # a branch that was asked for before
                self._session.cancel()
            return
        then, self._after_run = self._after_run, None
        then()
