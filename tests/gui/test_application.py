"""The application: fonts, themes, and nothing heavy before the window is there."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from handling import settle, wait_until
from PySide6.QtCore import QEvent, QObject, QSize
from PySide6.QtGui import QColor, QFontDatabase, QFontMetrics, QImage
from PySide6.QtWidgets import QApplication, QWidget

from gsp_studio.gui import app as app_module
from gsp_studio.gui.theme import Themed, icon, load_theme, pixmap
from gsp_studio.gui.window.main_window import MainWindow

ROOT = Path(__file__).resolve().parents[2]
CANVAS = "#16181c"


def colour_at(widget: QWidget, x: int, y: int) -> str:
    """What is painted at a point."""
    return QColor(widget.grab().toImage().pixel(x, y)).name()


def run_python(code: str, tmp_path: Path) -> str:
    """Standard output of a fresh interpreter, which has to succeed."""
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_a_font_and_letters_are_not_all_the_same_box(app: QApplication) -> None:
    assert QFontDatabase.families()
    metrics = QFontMetrics(app.font())
    assert metrics.inFont("s")
    assert metrics.horizontalAdvance("iiii") < metrics.horizontalAdvance("WWWW")


def test_figures_have_one_width_so_that_numbers_do_not_jitter(app: QApplication) -> None:
    metrics = QFontMetrics(app.font())
    assert len({metrics.horizontalAdvance(figure * 8) for figure in "0123456789"}) == 1


def test_other_theme_repaints_panels_and_leaves_the_canvas(faces_window: MainWindow) -> None:
    window = faces_window
    colours = {}
    for scheme in ("dark", "light", "dark"):
        window.set_scheme(scheme)
        settle()
        # A corner of the montage that no tile reaches, the space beside the slider, and a curve's background.
        found = (
            colour_at(window.montage.view, 3, 3),
            colour_at(window.sparsity, 2, 2),
            colour_at(window.data, 2, 2),
        )
        assert colours.setdefault(scheme, found) == found, "going back does not bring the same colours"
    dark, light = colours["dark"], colours["light"]
    assert dark[0] == light[0] == CANVAS
    assert dark[1] == load_theme("dark").window
    assert light[1] == load_theme("light").window
    assert dark[2] != light[2]


def test_everything_that_holds_colours_takes_those_of_another_theme(faces_window: MainWindow) -> None:
    window = faces_window
    themed = [window, *(widget for widget in window.findChildren(QWidget) if isinstance(widget, Themed))]
    assert len(themed) > 12
    for scheme in ("light", "dark"):
        before = window.run.cancel.icon().cacheKey(), window.actions_by_name["run"].icon().cacheKey()
        window.set_scheme(scheme)
        settle()
        assert {widget._tinted for widget in themed} == {load_theme(scheme)}
        assert not {window.run.cancel.icon().cacheKey(), window.actions_by_name["run"].icon().cacheKey()} & {*before}


def test_theme_is_remembered(make_window: Callable[[], MainWindow], app: QApplication) -> None:
    make_window().set_scheme("light")
    second = make_window()
    assert str(second._settings.value("scheme")) == "light"
    second.set_scheme("dark")
    assert app.property("theme") == "dark"


def test_both_themes_keep_the_canvas() -> None:
    assert load_theme("dark").canvas == load_theme("light").canvas == CANVAS


def test_icons_have_a_mark_in_the_colour_asked_for_at_every_scale(app: QApplication) -> None:
    for ratio in (1.0, 2.0):
        image = pixmap("warning", "#ff0000", 16, ratio).toImage().convertToFormat(QImage.Format.Format_ARGB32)
        assert image.width() == 16 * ratio
        pixels = [QColor.fromRgba(image.pixel(x, y)) for x in range(image.width()) for y in range(image.height())]
        assert any(c.alpha() > 200 and (c.red(), c.green(), c.blue()) == (255, 0, 0) for c in pixels)
        assert any(c.alpha() == 0 for c in pixels)
    assert not icon("run").isNull()


def test_start_imports_neither_solvers_nor_plots_before_the_first_paint(tmp_path: Path) -> None:
    code = """
import os, sys
from PySide6.QtCore import QSettings
import gsp_studio.gui.app as app
window = app.make_window(QSettings(os.path.join(os.environ["XDG_CONFIG_HOME"], "ini"), QSettings.Format.IniFormat))
window.firstPainted.disconnect()
def tell():
    heavy = ("numba", "scipy", "llvmlite", "threadpoolctl", "PIL", "pyqtgraph", "h5py", "gsp_studio.core.nmf",
             "gsp_studio.gui.jobs.compute")
    print([name for name in heavy if name in sys.modules])
    app.QApplication.quit()
window.firstPainted.connect(tell)
window.show()
app.make_application().exec()
window.close()
"""
    assert run_python(code, tmp_path).strip() == "[]"


class Shown(QObject):
    """Remembers the windows that come to the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.windows: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow():
            self.windows.append(type(watched).__name__)
        return False


def test_nothing_but_the_window_comes_to_the_screen(app: QApplication, make_window: Callable[[], MainWindow]) -> None:
    shown = Shown()
    app.installEventFilter(shown)
    window = make_window()
    app.removeEventFilter(shown)
    assert window.arrangement.is_whole
    assert set(shown.windows) == {"MainWindow"}
    assert window.isActiveWindow()


def test_session_starts_once_the_window_is_whole(make_window: Callable[[], MainWindow]) -> None:
    window = make_window()
    assert window._painted
    wait_until(lambda: window.model.method.count() > 0)


COUNT_ARENAS = """
import ctypes, os, threading
from gsp_studio.gui.app import make_application
app = make_application()
libc, full, over = ctypes.CDLL(None), threading.Barrier(33), threading.Event()
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
libc.malloc_info.argtypes, libc.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]

def hold():
    block = libc.malloc(4096)
    full.wait()
    over.wait()
    libc.free(block)

threads = [threading.Thread(target=hold) for _ in range(32)]
for thread in threads:
    thread.start()
full.wait()
file = libc.fopen(b"arenas.xml", b"w")
libc.malloc_info(0, file)
libc.fclose(file)
over.set()
for thread in threads:
    thread.join()
print(open("arenas.xml").read().count("<heap "))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's arenas")
@pytest.mark.parametrize("own", [None, "5"])
def test_threads_share_few_arenas_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    if own is not None:
        monkeypatch.setenv("MALLOC_ARENA_MAX", own)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    monkeypatch.chdir(tmp_path)
    assert int(run_python(COUNT_ARENAS, tmp_path)) == int(own or 2)


def test_a_window_is_no_larger_than_its_screen(make_window: Callable[[], MainWindow]) -> None:
    window = make_window()
    window.resize(1440, 900)
    app_module.fit(window, QSize(1280, 720))
    assert (window.width(), window.height()) == (1280, 720)
    app_module.fit(window, QSize(2560, 1440))
    assert (window.width(), window.height()) == (1280, 720)


def test_the_tour_does_not_meet_work_that_was_left_behind(
    make_window: Callable[[], MainWindow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make_window()
    monkeypatch.setattr(app_module, "recovery_folder", lambda: tmp_path)
    left = tmp_path / "20260101-000000"
    left.mkdir()
    for name in ("state.json", "lock"):
        (left / name).touch()
    app_module._greet(window)
    assert window.tour is None
    (left / "lock").unlink()
    app_module._greet(window)
    assert window.tour is not None


@pytest.mark.parametrize("with_path", [False, True])
def test_the_tour_does_not_meet_what_is_opened_at_the_start(tmp_path: Path, with_path: bool) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 5, 5), np.uint8))
    arguments = [str(tmp_path / "x.npy")] if with_path else []
    code = f"""
import os
from PySide6.QtWidgets import QApplication
from gsp_studio.gui import app
from gsp_studio.gui.window.main_window import MainWindow

def go(*_):
    for _ in range(100):
        QApplication.processEvents()
    return 0

MainWindow.offer_tour = lambda self: print("tour", flush=True)
QApplication.exec = go
os._exit(app.main({arguments!r}))
"""
    assert ("tour" in run_python(code, tmp_path)) is not with_path
