"""Use the app for a long time and see that it holds no more at the end: ``python -m benchmarks.soak --minutes 60``.

A person's round, again and again, in one window: open images, run, steer, cancel, drag, look at every view, save,
export, open what was saved. The log has a line for each: seconds, memory, open files, threads. The first fifth of the
time fills caches; from then on the medians of the next fifth and of the last have to agree within five per cent. Exit
code 1 where they do not.
"""

from __future__ import annotations

import argparse
import csv
import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.interaction import display, resident

if TYPE_CHECKING:
    from gsp_studio.gui.window.main_window import MainWindow

ROOT = Path(__file__).parents[1]
#: Growth that is allowed from the second to the last fifth.
FLAT = 1.05
#: Rounds, so that each fifth has one.
_FEWEST = 5
#: Open files and threads that come and go.
_SLACK = 3
_HEAD = ("seconds", "rounds", "bytes", "files", "threads")


class Person:
    """Simulated user who works at one window for a long time."""

    def __init__(self, folder: Path) -> None:
        from PySide6.QtCore import QSettings

        from gsp_studio.gui.app import make_application, make_window

        self.app = make_application()
        self.folder = folder
        self.rounds = 0
        self.window = make_window(QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat))
        self.window.session_menu.watch(folder / "recovery")
        self.window.show()
        self.wait(lambda: self.window.session.phase.name == "EMPTY")

    def wait(self, condition: Callable[[], object], seconds: float = 120.0) -> None:
        """Let the window work until something is so."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError("the app did not come to an end with something")
            self.process()
            time.sleep(0.002)

    def process(self) -> None:
        """Run one turn of the event loop, with the deletions that Qt postpones to its own loop."""
        from PySide6.QtCore import QEvent

        self.app.processEvents()
        self.app.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    def round(self) -> None:
        """Everything once, on two data sets."""
        for name in ("faces", "swimmer"):
            self._work_on(self.window, name)
        self.rounds += 1

    def close(self) -> None:
        """Close the window and wait for its threads."""
        self.window.unsaved.leave()

    def _work_on(self, window: MainWindow, name: str) -> None:
        from gsp_studio.gui.state import Phase, RunSettings
        from gsp_studio.io.resources import sample_path

        session, store = window.session, window.session_menu.store
        session.settings.set_choice(RunSettings().with_params(rank=16, max_iter=40))
        session.open(sample_path(name))
        self.wait(lambda: session.dataset is not None and session.dataset.name == f"{name}.npz")
        self.wait(lambda: session.display.shown is not None and session.basis.pinned is not None)
        for k in range(3):
            session.run()
            if k == 1:
                session.settings.set_sparsity(0.7)
            if k == 2:
                session.cancel()
            self.wait(lambda: session.phase is Phase.IDLE)
        for s in np.linspace(0.6, 0.95, 40):
            session.settings.set_sparsity(float(s))
            self.process()
        session.settings.settle_sparsity()
        session.display.select(0)
        for view in window.centre.titles:
            window.centre.show_view(view)
            self.wait(lambda: not session.can_cancel)
        window.centre.show_view("Basis")
        written: list[Any] = []
        session.exports.exported.connect(written.append)
        store.save(self.folder / f"{name}.gsps")
        session.exports.export(self.folder / f"export-{name}", session.runs.at(0))
        self.wait(lambda: written and not store.is_busy)
        session.exports.exported.disconnect(written.append)
        store.open(self.folder / f"{name}.gsps")
        self.wait(lambda: not store.is_busy and len(session.runs.entries) == 3)


def soak(seconds: float, log: Path | None) -> int:
    """Do rounds for so long, and on a slow machine longer, until there are enough; return the exit code."""
    rows: list[tuple[float, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        person, began = Person(Path(folder)), time.monotonic()
        while time.monotonic() - began < seconds or len(rows) < _FEWEST:
            person.round()
            gc.collect()
            held = (resident(), float(_open_files()), float(threading.active_count()))
            rows.append((time.monotonic() - began, float(person.rounds), *held))
            if log is not None:
                write_log(log, rows)
        person.close()
    return judge(rows)


def write_log(log: Path, rows: list[tuple[float, ...]]) -> None:
    """The log so far."""
    with log.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(_HEAD)
        table.writerows(rows)


def judge(rows: list[tuple[float, ...]]) -> int:
    """Report resources that have grown; 0 where none has."""
    if len(rows) < _FEWEST:
        print(f"{len(rows)} rounds are too few to tell", file=sys.stderr)
        return 2
    table = np.array(rows)
    part = max(1, len(rows) // 5)
    early, late = np.median(table[part : 2 * part], axis=0), np.median(table[-part:], axis=0)
    code = 0
    for k, name in enumerate(_HEAD[2:], 2):
        most = FLAT * early[k] if name == "bytes" else early[k] + _SLACK
        grown = late[k] > most
        print(f"{name}: {early[k]:.0f} then {late[k]:.0f}{', which is too much' if grown else ''}")
        code |= int(grown)
    print(f"{len(rows)} rounds in {table[-1, 0]:.0f} s")
    return code


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def main() -> int:
    """Run on a display of its own, in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--log", type=Path, help="a CSV file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        return soak(60 * args.minutes, args.log)
    command = [sys.executable, "-m", "benchmarks.soak", "--here", "--minutes", str(args.minutes)]
    command += [] if args.log is None else ["--log", str(args.log.absolute())]
    with display() as (env, platform):
        print(f"on {platform}", flush=True)
        return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
