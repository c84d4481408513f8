"""The app shown at work by itself: ``gsp-studio --demo DIR`` on the bundled faces, in the real window.

Opens the data, runs, drags the slider with the mouse, exports, saves a screenshot, and ends. What it does goes through
the same buttons, events and threads as a user's hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from gsp_studio.gui.panels.run import RunPanel
from gsp_studio.gui.panels.sparsity import SparsityPanel
from gsp_studio.gui.state import Phase, RunSettings
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.resources import sample_path

_TICK_MS = 20
#: Seconds after which a step that has not come to its end is given up.
_PATIENCE = 300.0
_DRAG_STEPS = 40


class Demo(QObject):
    """Plays the steps one after another, each when the one before is through."""

    def __init__(self, window: MainWindow, folder: Path, quick: bool) -> None:
        super().__init__(window)
        self._window, self._folder, self._quick = window, folder, quick
        self.exit_code = 1
        self._failed: list[str] = []
        self._waited = 0.0
        self._steps: Iterator[Callable[[], bool]] = iter(())
        self._until: Callable[[], bool] = lambda: True
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        window.session.failed.connect(lambda sentence, _: self._failed.append(sentence))

    def start(self) -> None:
        """Begin."""
        self._steps = self._play()
        self._timer.start()

    def _tick(self) -> None:
        self._waited += _TICK_MS / 1000
        if self._failed or self._waited > _PATIENCE:
            self._end(self._failed[0] if self._failed else "the demonstration waited in vain")
            return
        if not self._until():
            return
        self._waited = 0.0
        following = next(self._steps, None)
        if following is None:
            self._end(None)
        else:
            self._until = following

    def _end(self, problem: str | None) -> None:
        self._timer.stop()
        self.exit_code = 0 if problem is None else 1
        if problem is None:
            print(f"A screenshot and the exports are in {self._folder}")
        else:
            print(f"gsp-studio: the demonstration failed: {problem}")
        self._window.unsaved.leave()
        QApplication.quit()

    def _play(self) -> Iterator[Callable[[], bool]]:
        window, session = self._window, self._window.session
        session.open(sample_path("faces"))
        yield lambda: session.basis.pinned is not None
        session.settings.set_choice(
            RunSettings().with_params(rank=49, sparsity=0.85, max_iter=20 if self._quick else 300)
        )
        window.arrangement.panel(RunPanel).run.click()
        yield lambda: session.phase is Phase.IDLE and bool(session.runs.entries)
        yield from self._drag(session.settings.params.sparsity, 0.95)
        yield from self._drag(0.95, 0.9)
        session.display.select(8)
        yield self._settled()
        window.grab().save(str(self._folder / "screenshot.png"))
        session.exports.export(self._folder, session.runs.at(0))
        yield lambda: (self._folder / "run.json").exists()

    def _settled(self) -> Callable[[], bool]:
        remaining = iter(range(10))  # some ticks, for the last paint
        return lambda: next(remaining, None) is None

    def _drag(self, start: float, end: float) -> Iterator[Callable[[], bool]]:
        """Drag the slider's handle with the left button, step by step."""
        slider = self._window.arrangement.panel(SparsityPanel).slider
        self._window.session.settings.set_sparsity(start)
        y = round(slider.handle_position().y())
        QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(round(slider.handle_position().x()), y))
        room = slider.width() - 24
        for step in range(1, _DRAG_STEPS + 1):
            value = start + (end - start) * 0.5 * (1 - math.cos(math.pi * step / _DRAG_STEPS))
            QTest.mouseMove(slider, QPoint(round(12 + value * room), y))
            yield lambda: True
        QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(round(12 + end * room), y))
        yield lambda: True
