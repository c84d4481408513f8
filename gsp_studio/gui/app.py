"""Start-up: the window first, everything heavy after its first paint."""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("QT_API", "pyside6")

from PySide6.QtCore import QSettings, QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from gsp_studio.gui.garbage import GarbageCollector
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.theme import apply_theme, icon, load_theme, system_scheme
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.logfile import log_folder, recovery_folder, start_logging

_BAD_INPUT = 2
#: Of glibc's mallopt, and the arenas that it may make: one for the window, one for all other threads.
_M_ARENA_MAX, _ARENAS = -8, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Open the window, on a data set when one is named, and return the exit code."""
    args = _parse(argv)
    if args.path is not None and not args.path.exists():
        print(f"gsp-studio: {args.path} does not exist", file=sys.stderr)
        return _BAD_INPUT
    if sys.platform == "linux" and not _has_display():
        print("gsp-studio: there is no display; script/run shows the app on a virtual one", file=sys.stderr)
        return _BAD_INPUT
    app = make_application()
    window = make_window(settings=_settings(args))
    start_logging(log_folder())
    sys.excepthook = window.report_mistake  # what a slot raises would only be printed, and not be seen
    if args.demo is None:  # a demo's pictures are of one size
        fit(window, window.screen().availableSize())
    window.show()
    if args.demo is not None:
        from gsp_studio.gui.demo import Demo

        demo = Demo(window, args.demo, quick=args.quick)
        window.completed.connect(demo.start)
        app.exec()
        return _ended(window, demo.exit_code)
    collector = app.findChild(GarbageCollector)
    if collector is not None:
        window.session.known.connect(lambda _: collector.freeze())
    if args.path is None:  # else what is opened has the first word
        window.completed.connect(lambda: _greet(window))
    # Not at once: what it imports would hold up the window, which has nothing to keep before the solvers are there.
    window.session.known.connect(lambda _: window.session_menu.watch(recovery_folder()))
    app.commitDataRequest.connect(
        lambda _: window.session_menu.store.autosave.save()
    )  # the desktop ends without asking
    if args.path is not None:
        window.completed.connect(lambda: window.prompts.open(args.path))
    return _ended(window, app.exec())


def fit(window: MainWindow, room: QSize) -> None:
    """Make a window no larger than the screen's room: not every desktop does."""
    window.resize(window.size().boundedTo(room))


def _greet(window: MainWindow) -> None:
    """Offer the tour, unless work that was left behind is offered."""
    from gsp_studio.io.recovery import lost

    if not lost(recovery_folder()):
        window.offer_tour()


def _ended(window: MainWindow, code: int) -> int:
    """The exit code; where a thread is still compiling, the process ends here, as Python cannot end around it."""
    if not window.threads_ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="gsp-studio", description="Open the app; gsp-studio --help lists commands.", allow_abbrev=False
    )
    parser.add_argument("path", nargs="?", type=Path, metavar="PATH", help="a data set, a session (.gsps) or a network")
    parser.add_argument("--demo", type=Path, metavar="DIR", help="show the app at work once, write into DIR, and exit")
    parser.add_argument("--quick", action="store_true", help="with --demo: fewer iterations")
    return parser.parse_args(argv)


def _has_display() -> bool:
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _settings(args: argparse.Namespace) -> QSettings:
    if args.demo is not None:  # a demonstration shows the first day's layout, and keeps the user's
        args.demo.mkdir(parents=True, exist_ok=True)
        return QSettings(str(args.demo / ".settings.ini"), QSettings.Format.IniFormat)
    return QSettings("gsp-studio", "gsp-studio")


def make_application() -> QApplication:
    """The QApplication, with crisp scaling and our names."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    _bound_arenas()
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    app = QApplication(["gsp-studio"])
    app.setApplicationName("GSP Studio")
    app.setDesktopFileName("gsp-studio")
    GarbageCollector(app).setObjectName("garbage")
    return app


def _bound_arenas() -> None:
    """Let glibc keep few arenas; a user's own MALLOC_ARENA_MAX stays in force.

    Each thread may get an arena of its own, up to eight for each core, and every one keeps what was freed in it. Each
    run has a new thread, so its factors would leave their memory in one arena after another.
    """
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(OSError, AttributeError):  # another C library has no arenas
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def make_window(settings: QSettings) -> MainWindow:
    """The window with its session; the session starts after the first paint."""
    app = make_application()
    apply_theme(app, load_theme(str(settings.value("scheme", "")) or system_scheme()))
    window = MainWindow(Session(), settings)
    window.setWindowIcon(icon("app"))
    window.completed.connect(window.session.start)
    return window
