"""Work kept while the app runs, so that nothing is lost when it ends unexpectedly: a folder for each window.

A finished run is written once, when it ends; what else changes is small and stands in state.json, written anew. Every
file is whole or not there, so the folder can be read at any moment, also after the power has gone.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import WriteError, is_held, take_lock, write_whole
from gsp_studio.io.hdf5_content import SessionError
from gsp_studio.io.saved_run import SavedRun, read_run, write_run
from gsp_studio.io.session_file import SavedSession

_STATE, _LOCK, _WEIGHTS, _LIVE = "state.json", "lock", "weights.npy", "live.h5"
_REFINED = "refined.h5"
FORMAT = 1
#: Of the folders of this process: two of one moment are two.
_COUNT = itertools.count()


@dataclass(frozen=True)
class KeptWork:
    """Summary of a recovery folder, read without opening its runs.

    Attributes
    ----------
    folder : Path
    data : str
        Name of the data set, "" where the state lacks it.
    runs : int
        Runs in the folder; one that was still going counts.
    more : tuple of str
        What is kept beside runs, in words: painted weights, seeds, a refined basis.
    time : float
        When it was written to last, seconds since the epoch.
    """

    folder: Path
    data: str
    runs: int
    more: tuple[str, ...]
    time: float


class Recovery:
    """The folder of one window, made when there is something to keep. Used by one thread.

    Parameters
    ----------
    root : Path
        Where these folders lie.
    """

    def __init__(self, root: Path) -> None:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{time.monotonic_ns() % 10**6:06d}-{next(_COUNT)}"
        self.folder = root / name
        self._lock: Any = None

    def save_run(self, saved: SavedRun) -> None:
        """Keep a finished run; what was kept of it while it was going is not needed any more.

        Raises
        ------
        WriteError
        """
        self._open()
        write_run(self.folder / f"run-{saved.number:06d}.h5", saved)
        self.forget_live()

    def save_live(self, saved: SavedRun) -> None:
        """Keep what a run that is going has reached, in place of what was kept of it before; WriteError."""
        self._open()
        write_run(self.folder / _LIVE, saved)

    def save_refined(self, saved: SavedRun | None) -> None:
        """Keep the refined basis on the screen, in place of the one before; None: there is none. WriteError."""
        self._open()
        if saved is not None:
            write_run(self.folder / _REFINED, saved)
        else:
            with contextlib.suppress(OSError):
                (self.folder / _REFINED).unlink(missing_ok=True)

    def forget_live(self) -> None:
        """The run that was going has ended."""
        with contextlib.suppress(OSError):
            (self.folder / _LIVE).unlink(missing_ok=True)

    def save_state(self, data: dict[str, Any], state: dict[str, Any]) -> None:
        """Keep where the data lie and what the window shows, a few kilobytes; WriteError."""
        self._open()
        content = {"format": FORMAT, "data": data, "state": state}
        write_whole(self.folder / _STATE, lambda path: path.write_text(json.dumps(content), encoding="ascii"))

    def save_weights(self, weights: Array | None) -> None:
        """Keep painted weights; WriteError."""
        self._open()
        if weights is None:
            with contextlib.suppress(OSError):
                (self.folder / _WEIGHTS).unlink(missing_ok=True)
            return

        content = io.BytesIO()  # NumPy does not say why a file cannot be written
        np.save(content, weights, allow_pickle=False)
        write_whole(self.folder / _WEIGHTS, lambda path: path.write_bytes(content.getvalue()))

    @property
    def has_work(self) -> bool:
        """Whether anything is kept here that was computed, painted or chosen."""
        work = describe_folder(self.folder)
        return bool(work.runs or work.more)

    def discard(self) -> None:
        """Remove the folder: its content is saved elsewhere, or discarded."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Release the folder; what is in it is found as that of a window that was closed."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                (self.folder / _LOCK).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _open(self) -> None:
        if self._lock is not None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / _LOCK).open("w")
            take_lock(self._lock)
        except OSError as error:
            raise WriteError(f"{self.folder} cannot be written: {error.strerror or error}") from error


def lost(root: Path) -> list[Path]:
    """Folders of windows that ended without closing, the newest first: their locks are free."""
    return [folder for folder in _folders(root) if (folder / _LOCK).exists() and not is_held(folder / _LOCK)]


def closed(root: Path) -> list[Path]:
    """Folders of windows that were closed with runs that no session file has, the newest first."""
    return [folder for folder in _folders(root) if not (folder / _LOCK).exists()]


def _folders(root: Path) -> list[Path]:
    try:
        return sorted((f for f in root.iterdir() if (f / _STATE).exists()), key=lambda f: f.name, reverse=True)
    except OSError:
        return []


def idle(root: Path) -> list[Path]:
    """Folders that no window is using: of those that were closed and of those that ended otherwise, newest first."""
    return sorted([*lost(root), *closed(root)], key=lambda folder: folder.name, reverse=True)


def describe_folder(folder: Path) -> KeptWork:
    """Summarize a folder; one that is damaged, or gone meanwhile, is described as far as it can be read."""
    data, seeds, times, names = "", 0, [0.0], []
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads((folder / _STATE).read_text(encoding="ascii"))
        data = str(content["data"]["name"])
        seeds = len(content["state"]["seeds"])
    with contextlib.suppress(OSError):
        names = [path.name for path in folder.iterdir()]
        times = [0.0, *((folder / name).stat().st_mtime for name in names)]
    runs = sum(name == _LIVE or (name.startswith("run-") and name.endswith(".h5")) for name in names)
    told = {"painted weights": _WEIGHTS in names, "seeds": seeds > 0, "a refined basis": _REFINED in names}
    return KeptWork(folder, data, runs, tuple(words for words, is_there in told.items() if is_there), max(times))


def read_folder(folder: Path) -> SavedSession:
    """Read the content of a folder; a run that was going counts as stopped.

    Raises
    ------
    SessionError
        No state, or one of a newer version. Runs that are damaged are problems of the session.
    """
    try:
        content = json.loads((folder / _STATE).read_text(encoding="ascii"))
        data, state, version = dict(content["data"]), content["state"], int(content["format"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise SessionError(f"{folder} holds no session, or its state is damaged") from error
    if version > FORMAT:
        raise SessionError(f"{folder} was written by a newer version of GSP Studio; update to open it")
    runs: list[SavedRun] = []
    problems: list[str] = []
    others = [folder / name for name in (_LIVE, _REFINED) if (folder / name).exists()]
    for path in sorted(folder.glob("run-*.h5")) + others:
        try:
            saved = read_run(path)
        except SessionError as error:
            problems.append(str(error))
            continue
        if path not in others or saved.number not in {run.number for run in runs}:
            runs.append(saved)
            if path.name == _REFINED:  # written before the state, or after it
                state = {**state, "refined_run": saved.number} if isinstance(state, dict) else state
    weights = None
    if (folder / _WEIGHTS).exists():
        try:
            weights = np.load(folder / _WEIGHTS, allow_pickle=False)
        except (OSError, ValueError, EOFError, MemoryError):
            problems.append("the painted weights cannot be read: the file is damaged")
    return SavedSession(data=data, runs=tuple(runs), weights=weights, state=state, problems=tuple(problems))


def set_aside(folder: Path) -> None:
    """Count a folder that was lost among those of windows that were closed."""
    with contextlib.suppress(OSError):
        (folder / _LOCK).unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Remove a folder of discarded work."""
    shutil.rmtree(folder, ignore_errors=True)
