"""Sessions in the window: what the File menu says about them, and what is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QByteArray, QObject, QSettings, Signal
from PySide6.QtWidgets import QFileDialog, QMainWindow, QMenu

from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.dialogs.question import ask, is_confirmed, path_to_write
from gsp_studio.gui.session_file.recent import RecentSession, RecentSessions
from gsp_studio.gui.session_file.store import SUFFIX, SessionStore
from gsp_studio.gui.texts import grouped, plural
from gsp_studio.io.logfile import log_folder

if TYPE_CHECKING:
    from gsp_studio.gui.network.state import KeptNetwork
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.session_file.run_records import RestoredSession
    from gsp_studio.gui.widgets.view_tabs import ViewTabs

_FILES = f"Sessions (*{SUFFIX});;All files (*)"
#: Entries of the menu; the dialog behind it has all.
_IN_MENU = 10
#: Problems of a session that its message lists; the others are among its details.
_TOLD = 3


class Collapsed(Protocol):
    """Docks of a window that are collapsed, by their titles."""

    @property
    def names(self) -> tuple[str, ...]: ...
    def set_names(self, names: Iterable[str]) -> None: ...


class Arrangement(Protocol):
    """Places of the views and docks of a window."""

    centre: ViewTabs

    @property
    def collapsed(self) -> Collapsed: ...
    def state(self) -> QByteArray: ...
    def restore(self, state: QByteArray) -> None: ...


class KeepsNetwork(Protocol):
    """The network that is open beside the images of a session."""

    def state(self) -> dict[str, Any]: ...
    def restore(self, kept: KeptNetwork) -> None: ...


class SessionFileMenu(QObject):
    """Saves, opens and recovers the sessions of a window.

    Attributes
    ----------
    recent : QMenu
        The recent sessions.
    """

    logged = Signal(str)  # what happened, a line

    def __init__(self, window: QMainWindow, session: Session, layout: Arrangement, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._session, self._layout, self._settings = window, session, layout, settings
        #: Calls what opens another session, when the work on this one is kept.
        self.before_other_data: Callable[[Callable[[], None]], None] = lambda go: go()
        #: Is kept in session files, too.
        self.network: KeepsNetwork | None = None
        self.store = SessionStore(session, self._window_state)
        self.sessions = RecentSessions(settings)
        self.recent = QMenu("&Recent sessions", window)
        self.recent.aboutToShow.connect(self._list_recent)
        store = self.store
        store.saved.connect(self._saved)
        store.opened.connect(self._opened)
        store.failed.connect(session.failed)
        store.imagesMissing.connect(self._ask_for_images)
        store.modifiedChanged.connect(lambda _: self._title())
        store.autosave.foldersChanged.connect(self._list_recent)
        session.datasetChanged.connect(lambda _: self._title())
        self._list_recent()

    # Saving

    def save(self) -> None:
        """Write the session where it was written before, or ask where."""
        path = self.path_to_save()
        if path is not None:
            self.write(path)

    def save_as(self, with_data: bool = False) -> None:
        """Ask where the session is to be written."""
        path = self._ask_path()
        if path is not None:
            self.store.save(path, with_data)

    def path_to_save(self) -> Path | None:
        """Return the file to write, asking where needed; None where the user has thought better of it."""
        store = self.store
        if store.path is None or not store.is_file_foreign:
            return store.path or self._ask_path()
        text = f"Replace {store.path.name}?"
        more = "It has been changed since this window read or wrote it, by another window or program."
        return store.path if is_confirmed(self._window, text, more, "Replace") else None

    def write(self, path: Path) -> None:
        """Write the session, with its images where the file had them."""
        store = self.store
        store.save(path, store.has_data and path == store.path)

    def _ask_path(self) -> Path | None:
        dataset = self._session.dataset
        if dataset is None:
            self.store.save(Path())  # says that there is nothing
            return None
        stem = Path(dataset.name).stem or "session"
        folder = Path(str(self._settings.value("sessions", str(Path.home()))))
        proposed = self.store.path or folder / f"{stem}{SUFFIX}"
        chosen, _ = QFileDialog.getSaveFileName(self._window, "Save the session", str(proposed), _FILES)
        return path_to_write(self._window, chosen, SUFFIX)

    def _saved(self, path: Path) -> None:
        session = self._session
        name = "" if session.dataset is None else session.dataset.name
        self._remember(path, name, len(session.runs.entries))
        self.logged.emit(f"Session saved to {path}.")

    # Opening

    def ask_open(self) -> None:
        """Ask for a session file and open it."""
        folder = str(self._settings.value("sessions", str(Path.home())))
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open a session", folder, _FILES)
        if chosen:
            self.open(Path(chosen))

    def open(self, path: Path, data: Path | None = None) -> None:
        """Open a session file, or the folder of a session that was not closed, when the work here is kept."""
        self.before_other_data(partial(self._open, path, data))

    def _open(self, path: Path, data: Path | None) -> None:
        self.logged.emit(f"Opening {'what was kept' if path.is_dir() else path.name}...")
        self.store.open(path, data)

    def _opened(self, found: RestoredSession) -> None:
        count, is_file = len(found.runs), not found.path.is_dir()
        self._restore(found)
        if is_file:
            self._remember(found.path, found.dataset.name, count)
        name = found.path.name if is_file else "Recovered"
        self.logged.emit(f"{name}: {plural(count, 'run')} of {found.dataset.name}.")
        if found.refined is not None:
            self.logged.emit(f"On the screen: a refined basis. {found.refined.remarks.note}.")
        if found.problems:
            self._tell_problems(found)
        if found.interrupted:
            self._offer_to_continue(found.interrupted)

    def _offer_to_continue(self, number: int) -> None:
        """Say that a run was interrupted, and offer what was left of it."""
        runs, control = self._session.runs, self._session.control
        entry = runs.at(runs.index_of(number))
        result = None if entry is None else entry.outcome.result
        if entry is None or result is None:
            return
        left = entry.spec.params.max_iter - result.n_iter
        if left < 1:
            return
        sentence = (
            f"{entry.name} was interrupted after {plural(result.n_iter, 'iteration')}; {grouped(left)} were left."
        )
        more = "Continued, a new run begins with its factors. Run > Continue does the same later."
        ask(self._window, sentence, more, "Continue it", lambda: control.continue_run(runs.index_of(number), left))

    def _tell_problems(self, found: RestoredSession) -> None:
        """Say what was left out, and what saving does then."""
        told, more = found.problems[:_TOLD], len(found.problems) - _TOLD
        listed = "; ".join(told) + (f"; and {more} more" if more > 0 else "")
        sentence = f"Not all of the session is there: {listed}."
        if not found.is_whole and not found.path.is_dir():
            sentence += f" {found.path.name} stays as it is: saving asks for another name."
        self._session.failed.emit(sentence, "\n".join(found.problems))

    def _restore(self, found: RestoredSession) -> None:
        """Restore the window's look, as far as it is known."""
        session, state = self._session, found.state
        session.display.set_view(state.view)
        session.display.mark(state.marked)
        if state.docks:
            self._layout.restore(QByteArray(state.docks))
            self._layout.collapsed.set_names(state.collapsed)
        if state.network is not None and self.network is not None:
            self.network.restore(state.network)
        if state.front in self._layout.centre.titles:
            self._layout.centre.show_view(state.front)
        self._title()

    def _window_state(self) -> dict[str, Any]:
        layout = self._layout
        docks = bytes(layout.state().toBase64().data()).decode("ascii")
        look = {"docks": docks, "front": layout.centre.current, "collapsed": list(layout.collapsed.names)}
        return look if self.network is None else {**look, "network": self.network.state()}

    def _ask_for_images(self, path: Path, sentence: str, source: str) -> None:
        dialog = ErrorDialog(f"{sentence[:1].upper()}{sentence[1:]}.", "", "Find them...", self._window, log_folder())
        dialog.accepted.connect(lambda: self._find_images(path, Path(source)))
        dialog.show()
        dialog.activateWindow()

    def _find_images(self, path: Path, source: Path) -> None:
        title = f"Where is {source.name}?"
        if source.suffix:
            chosen, _ = QFileDialog.getOpenFileName(self._window, title, str(path.parent))
        else:
            chosen = QFileDialog.getExistingDirectory(self._window, title, str(path.parent))
        if chosen:
            self.open(path, Path(chosen))

    # Recent sessions, and those that were not closed

    def _remember(self, path: Path, data: str, runs: int) -> None:
        self.sessions.remember(path, data, runs)
        self._list_recent()
        self._title()

    def _list_recent(self) -> None:
        entries = self.sessions.entries()
        self.recent.clear()
        for entry in entries[:_IN_MENU]:
            self.recent.addAction(_menu_text(entry), partial(self.open, entry.path))
        if entries:
            self.recent.addSeparator()
            self.recent.addAction("&Show all, remove...", self.show_recent)
        self.recent.menuAction().setEnabled(bool(entries))

    def show_recent(self) -> None:
        """Show all of them; the user may take them off the list."""
        from gsp_studio.gui.session_file.recent_dialog import RecentDialog

        dialog = RecentDialog(self.sessions, self._window)
        dialog.opened.connect(self.open)
        dialog.removed.connect(self._list_recent)
        dialog.show()
        dialog.activateWindow()

    def watch(self, root: Path) -> None:
        """Keep what is done under `root`, and offer what a window that was not closed has left there."""
        from gsp_studio.io.recovery import lost

        self.sessions.root = root
        left = lost(root)
        self._list_recent()
        self.store.autosave.start(root)
        if left:
            self._offer(left)

    def _offer(self, left: list[Path]) -> None:
        newest = left[0]
        about = next((entry for entry in self.sessions.entries() if entry.path == newest), None)
        dialog = ErrorDialog(
            f"GSP Studio was not closed properly; its work was kept: {', '.join(filter(None, about.facts))}."
            if about is not None
            else "GSP Studio was not closed properly; its work was kept.",
            "\n".join(map(str, left)),
            "Recover it",
            self._window,
            log_folder(),
        )
        dialog.accepted.connect(lambda: self.open(newest))
        dialog.rejected.connect(lambda: self._set_aside([newest]))
        self._set_aside(left[1:])
        dialog.show()

    def _set_aside(self, folders: list[Path]) -> None:
        """Not asked about again, but still to be found under the recent sessions."""
        from gsp_studio.io.recovery import set_aside

        for folder in folders:
            set_aside(folder)
        self._list_recent()

    def _title(self) -> None:
        window, dataset = self._window, self._session.dataset
        name = "" if dataset is None else dataset.name
        if self.store.path is not None:
            name = f"{self.store.path.name} ({name})"
        name = name.replace("[*]", "[*][*]")  # which Qt takes for the place of the star
        window.setWindowTitle(f"{name}[*] – GSP Studio" if name else "GSP Studio")
        window.setWindowModified(self.store.is_modified)

    def close(self, is_wanted: bool) -> None:
        """Write what is to be written; `is_wanted`: whether unsaved work is to be found again."""
        self.store.close(is_wanted)


def _menu_text(entry: RecentSession) -> str:
    """Return the text for a menu, where an ampersand would mark a key, a tab begin one."""
    return " ".join(entry.text.split()).replace("&", "&&")
