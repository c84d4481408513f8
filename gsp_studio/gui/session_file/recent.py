"""The recent sessions: files, and folders with work that no file has, newest first; nothing leaves them by itself."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QSettings

from gsp_studio.gui.texts import plural

#: Files that are remembered; folders are never dropped by count.
_FILES = 8


@dataclass(frozen=True)
class RecentSession:
    """One that can be opened again.

    Attributes
    ----------
    path : Path
        A session file, or the folder of work that no file has.
    data : str
        Name of the data set, "" where that is not known.
    runs : int
        -1 where that is not known.
    time : float
        When it was written last, or opened; 0 where that is not known.
    is_file : bool
    more : tuple of str
        What is kept beside runs, in words.
    """

    path: Path
    data: str
    runs: int
    time: float
    is_file: bool
    more: tuple[str, ...] = ()

    @property
    def facts(self) -> tuple[str, str, str]:
        """Data, number of runs and time, for people."""
        runs = "" if self.runs < 0 else plural(self.runs, "run") if self.runs else "no runs"
        if self.more and not self.runs:
            runs = ", ".join(self.more)
        return self.data or "unknown images", runs, when(self.time)

    @property
    def text(self) -> str:
        """All of it in a line."""
        about = ", ".join(filter(None, self.facts if self.runs >= 0 or self.data else ()))
        if not self.is_file:
            return f"Not saved: {about}"
        return f"{self.path.name}: {about}" if about else str(self.path)


class RecentSessions:
    """Recent files in the settings, and the content of the folder of unsaved work."""

    def __init__(self, settings: QSettings) -> None:
        self._settings = settings
        self.root: Path | None = None

    def entries(self) -> list[RecentSession]:
        """All of them, newest first."""
        told = self._told()
        found = []
        for path in self._files():
            about = told.get(str(path), {})
            data, runs, moment = about.get("data"), about.get("runs"), about.get("time")
            found.append(
                RecentSession(
                    path,
                    data if isinstance(data, str) else "",
                    runs if type(runs) is int else -1,
                    float(moment) if isinstance(moment, (int, float)) else 0.0,
                    is_file=True,
                )
            )
        if self.root is not None:
            from gsp_studio.io.recovery import describe_folder, idle

            found += [
                RecentSession(kept.folder, kept.data, kept.runs, kept.time, False, kept.more)
                for kept in map(describe_folder, idle(self.root))
            ]
        return sorted(found, key=lambda entry: -entry.time)

    def remember(self, path: Path, data: str, runs: int) -> None:
        """Put a file at the top."""
        path = Path(os.path.realpath(path))
        files = [path, *(other for other in self._files() if other != path)][:_FILES]
        told = {name: about for name, about in self._told().items() if Path(name) in files}
        told[str(path)] = {"data": data, "runs": runs, "time": time.time()}
        self._settings.setValue("recentSessions", [str(file) for file in files])
        self._settings.setValue("recentAbout", json.dumps(told))
        self._settings.setValue("sessions", str(path.parent))

    def remove(self, entry: RecentSession) -> None:
        """Take a file off the list, or delete a folder; not one that another window has opened meanwhile."""
        if entry.is_file:
            self._settings.setValue("recentSessions", [str(file) for file in self._files() if file != entry.path])
            return
        from gsp_studio.io.recovery import forget, idle

        if self.root is not None and entry.path in idle(self.root):
            forget(entry.path)

    def _files(self) -> list[Path]:
        stored = self._settings.value("recentSessions", [])
        several = stored if isinstance(stored, list) else [stored] if stored else []  # Qt makes one of a list of one
        return list(dict.fromkeys(Path(os.path.realpath(str(name))) for name in several))

    def _told(self) -> dict[str, dict[str, object]]:
        with contextlib.suppress(ValueError):
            told = json.loads(str(self._settings.value("recentAbout", "{}")))
            if isinstance(told, dict):
                return {str(name): about for name, about in told.items() if isinstance(about, dict)}
        return {}


def when(seconds: float) -> str:
    """A time for people; "" where it is not known."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        if seconds > 0:
            return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
    return ""
