"""What the tests of windows share: one QApplication without a screen, sessions and windows that leave nothing behind.

Qt draws into memory here, whatever display there is, so that focus, size and fonts are the same everywhere.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"

sys.path.append(str(Path(__file__).parents[2] / "docs"))  # whose measures of legibility tests use

import pytest
import shiboken6
from handling import open_faces, settle, threads_of_sessions, wait_until
from PySide6.QtCore import QPoint, QSettings, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication, QWidget

from gsp_studio.gui.app import make_application
from gsp_studio.gui.garbage import GarbageCollector
from gsp_studio.gui.jobs import compute
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.theme import apply_theme, load_theme
from gsp_studio.gui.window.main_window import MainWindow

_FAR_AWAY = QPoint(-500, -500)
#: What Qt says about drawing without a screen.
_HARMLESS = ("This plugin does not support",)


def top_levels() -> set[int]:
    """Our own and all visible top-level widgets, by their C++ addresses.

    pyqtgraph's plots own menus without parents, which go when Python collects the plots; Qt keeps one tool tip.
    """
    return {
        shiboken6.getCppPointer(widget)[0]
        for widget in QApplication.topLevelWidgets()
        if (widget.isVisible() or type(widget).__module__.startswith("gsp_studio"))
        and widget.metaObject().className() != "QTipLabel"
    }


@pytest.fixture(scope="session")
def app() -> QApplication:
    """The one QApplication of the process."""
    made = make_application()
    apply_theme(made, load_theme("dark"))
    compute.warm_up()  # where kernels have to be compiled, no test meets a session that is busy with it
    made.findChild(GarbageCollector).freeze()
    return made


@pytest.fixture(autouse=True)
def nothing_goes_wrong_in_secret(app: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail on what Python or Qt would only print: an exception in a slot or a paint, a warning of Qt's."""
    said: list[str] = []

    def hear(kind: QtMsgType, context: object, text: str) -> None:
        if kind != QtMsgType.QtDebugMsg and not text.startswith(_HARMLESS):
            said.append(text)

    monkeypatch.setattr(sys, "excepthook", lambda *error: said.append("".join(traceback.format_exception(*error))))
    gc.disable()  # as in the app: on this thread only, by its collector
    before = qInstallMessageHandler(hear)
    QCursor.setPos(_FAR_AWAY)  # where a former test left the pointer, a new widget would take it for a hand's
    yield
    settle()
    app.findChild(GarbageCollector).collect()
    gc.enable()  # for tests without a window in this process
    qInstallMessageHandler(before)
    assert not said, "\n".join(said)


@pytest.fixture
def show(app: QApplication) -> Iterator[Callable[..., QWidget]]:
    """Show a widget on its own; it is deleted after the test."""
    shown: list[QWidget] = []

    def show(widget: QWidget, width: int = 0, height: int = 0) -> QWidget:
        if width:
            widget.resize(width, height)
        widget.show()
        widget.activateWindow()
        settle()
        shown.append(widget)
        return widget

    before = top_levels()
    yield show
    for widget in shown:
        if shiboken6.isValid(widget):
            widget.close()
            widget.deleteLater()
    shown.clear()
    settle()
    assert top_levels() <= before


@pytest.fixture
def session(app: QApplication) -> Iterator[Session]:
    """A session that has started and knows its solvers; no panel is near. Ends with no thread left."""
    made = Session()
    made.start()
    wait_until(lambda: made.phase.name == "EMPTY")
    yield made
    assert made.close(), "a thread of the session did not end"
    assert not threads_of_sessions()
    made.deleteLater()
    settle()


@pytest.fixture
def faces(session: Session) -> Session:
    """A session with the bundled faces, rank 9, a basis under the slider."""
    open_faces(session)
    return session


@pytest.fixture
def settings(tmp_path: Path) -> QSettings:
    """Settings in a file of the test's own."""
    return QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def make_window(app: QApplication, settings: QSettings) -> Iterator[Callable[[], MainWindow]]:
    """Make windows, each on a session of its own; afterwards all threads have ended and all widgets are gone."""
    made: list[MainWindow] = []
    before = top_levels()

    def make() -> MainWindow:
        window = MainWindow(Session(), settings)
        window.completed.connect(window.session.start)
        window.show()
        window.activateWindow()
        made.append(window)
        wait_until(lambda: window.session.phase.name == "EMPTY")
        return window

    yield make
    for window in made:
        window.unsaved.leave()
        assert window.session.close(), "a thread of the session did not end"
        window.deleteLater()
        window.session.deleteLater()
    assert not threads_of_sessions()
    made.clear()
    settle()
    assert top_levels() <= before, "a widget outlives its window"


@pytest.fixture
def window(make_window: Callable[[], MainWindow]) -> MainWindow:
    """A window on the screen whose session knows its solvers."""
    return make_window()


@pytest.fixture
def faces_window(window: MainWindow) -> MainWindow:
    """A window with the bundled faces, rank 9, a basis under the slider."""
    open_faces(window.session)
    settle()
    return window
