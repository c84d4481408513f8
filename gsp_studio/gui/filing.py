"""Sessions in the window: what the File menu says about them, and what is asked."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QObject, QSettings
from PySide6.QtWidgets import QFileDialog, QMenu

from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.keeping import SUFFIX, Keeping
from gsp_studio.gui.state import View
from gsp_studio.gui.words import plural
from gsp_studio.io.logfile import log_folder

if TYPE_CHECKING:
    from gsp_studio.gui.main_window import MainWindow
    from gsp_studio.gui.menus import Menus

_FILES = f"Sessions (*{SUFFIX});;All files (*)"
#: Files that are remembered.
_RECENT = 8


class Filing(QObject):
    """Saves, opens and recovers the sessions of a window."""

    def __init__(self, window: MainWindow, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._settings = window, settings
        self.keeping = Keeping(window.session, self._window_state)
        self._recent = QMenu("&Recent sessions", window)
        self._root: Path | None = None
        keeping = self.keeping
        keeping.saved.connect(self._saved)
        keeping.opened.connect(self._opened)
        keeping.failed.connect(window.session.failed)
        keeping.imagesMissing.connect(self._ask_for_images)
        keeping.modifiedChanged.connect(lambda _: self._title())
        window.session.datasetChanged.connect(lambda _: self._title())

    def add_to(self, menus: Menus) -> None:
        """The actions of the File menu."""
        menus.add("&File", "Open a &session...", self.ask_open, "")
        menus.submenu("&File", self._recent)
        menus.add("&File", "&Save the session", self.save, "Ctrl+S")
        menus.add("&File", "Save the session &as...", self.save_as, "Ctrl+Shift+S")
        menus.add("&File", "Save the session with its i&mages...", lambda: self.save_as(with_data=True))
        self._list_recent()

    # Saving

    def save(self) -> None:
        """Write the session where it was written before, or ask where."""
        if self.keeping.path is None:
            self.save_as()
        else:
            self.keeping.save(self.keeping.path, self.keeping.has_data)

    def save_as(self, with_data: bool = False) -> None:
        """Ask where the session is to be written."""
        dataset = self._window.session.dataset
        if dataset is None:
            self.keeping.save(Path())  # says that there is nothing
            return
        stem = Path(dataset.name).stem or "session"
        folder = Path(str(self._settings.value("sessions", str(Path.home()))))
        proposed = self.keeping.path or folder / f"{stem}{SUFFIX}"
        chosen, _ = QFileDialog.getSaveFileName(self._window, "Save the session", str(proposed), _FILES)
        if chosen:
            path = Path(chosen)
            self.keeping.save(path if path.suffix else path.with_suffix(SUFFIX), with_data)

    def _saved(self, path: Path) -> None:
        self._remember(path)
        self._title()
        self._window.on_logged(f"Session saved to {path}.")

    # Opening

    def ask_open(self) -> None:
        """Ask for a session file and open it."""
        folder = str(self._settings.value("sessions", str(Path.home())))
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open a session", folder, _FILES)
        if chosen:
            self.open(Path(chosen))

    def open(self, path: Path, data: Path | None = None) -> None:
        """Open a session file, or the folder of a session that was not closed."""
        self._window.on_logged(f"Opening {'what was kept' if path.is_dir() else path.name}...")
        self.keeping.open(path, data)

    def _opened(self, found: Any) -> None:
        window, state = self._window, found.state
        from gsp_studio.gui.saving import choice_from

        window.session.adopt(found.runs, choice_from(state.get("choice", {})), int(state.get("shown_run", 0)))
        self._restore(state)
        if not found.path.is_dir():
            self._remember(found.path)
        self._title()
        count = len(found.runs)
        name = "Recovered" if found.path.is_dir() else found.path.name
        window.on_logged(f"{name}: {plural(count, 'run')} of {found.dataset.name}.")
        if found.problems:
            window.session.failed.emit("Not all of the session is there: " + "; ".join(found.problems) + ".", "")

    def _restore(self, state: dict[str, Any]) -> None:
        """What the window looked like, as far as it is known."""
        window = self._window
        known = View()
        content = {name: value for name, value in state.get("view", {}).items() if hasattr(known, name)}
        window.session.set_view(View(**content))
        window.session.mark(tuple(int(basis) for basis in state.get("marked", ())))
        look = state.get("window", {})
        docks = QByteArray.fromBase64(str(look.get("docks", "")).encode("ascii", "replace"))
        if not docks.isEmpty():
            window.restore_docks(docks)
        if look.get("front") in window.centre.titles:
            window.centre.show_view(look["front"])

    def _window_state(self) -> dict[str, Any]:
        window = self._window
        return {"docks": bytes(window.docks_state().toBase64().data()).decode("ascii"), "front": window.centre.current}

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

    def _remember(self, path: Path) -> None:
        before = [str(name) for name in self._names() if str(name) != str(path)]
        self._settings.setValue("recentSessions", [str(path), *before][:_RECENT])
        self._settings.setValue("sessions", str(path.parent))
        self._list_recent()

    def _names(self) -> list[str]:
        stored = self._settings.value("recentSessions", [])
        several = stored if isinstance(stored, list) else [stored] if stored else []  # Qt makes one of a list of one
        return [str(name) for name in several]

    def _list_recent(self) -> None:
        self._recent.clear()
        for name in self._names():
            self._recent.addAction(name, partial(self.open, Path(name)))
        if self._root is not None:
            from gsp_studio.io.recovery import closed

            for folder in closed(self._root):
                self._recent.addAction(f"Not saved: {_when(folder)}", partial(self.open, folder))
        self._recent.setEnabled(not self._recent.isEmpty())

    def watch(self, root: Path) -> None:
        """Keep what is done under `root`, and offer what a window that was not closed has left there."""
        from gsp_studio.io.recovery import lost, tidy

        self._root = root
        left = lost(root)
        tidy(root)
        self._list_recent()
        self.keeping.watch(root)
        if left:
            self._offer(left)

    def _offer(self, left: list[Path]) -> None:
        newest = left[0]
        dialog = ErrorDialog(
            f"GSP Studio was not closed properly; its work up to {_when(newest)} was kept.",
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
        window, dataset = self._window, self._window.session.dataset
        name = "" if dataset is None else dataset.name
        if self.keeping.path is not None:
            name = f"{self.keeping.path.name} ({name})"
        window.setWindowTitle(f"{name}[*] – GSP Studio" if name else "GSP Studio")
        window.setWindowModified(self.keeping.is_modified)

    def close(self) -> None:
        """Write what is to be written."""
        self.keeping.close()


def _when(folder: Path) -> str:
    """When something was last written into a folder, for people."""
    from datetime import datetime

    newest = max((path.stat().st_mtime for path in folder.iterdir()), default=folder.stat().st_mtime)
    return datetime.fromtimestamp(newest).strftime("%Y-%m-%d %H:%M")
