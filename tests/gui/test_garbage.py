"""Reference cycles go on the thread of the window, whichever thread leaves them behind."""

from __future__ import annotations

import gc
import threading
from typing import ClassVar

from handling import wait_until
from PySide6.QtWidgets import QApplication

from gsp_studio.gui.garbage import GarbageCollector


class Ring:
    """A reference to itself; tells where it went."""

    ended: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        self.ended.append(threading.get_ident())


def test_rings_of_other_threads_go_on_this_one(app: QApplication) -> None:
    Ring.ended.clear()
    worker = threading.Thread(target=lambda: [None for _ in range(20_000) if Ring() is None])
    worker.start()
    worker.join()
    assert Ring.ended == [], "collected by the thread that made them"
    wait_until(lambda: len(Ring.ended) == 20_000)
    assert set(Ring.ended) == {threading.main_thread().ident}


def test_each_generation_is_collected_in_its_turn(app: QApplication) -> None:
    """Older cycles, too: at Python's own thresholds."""
    collector = app.findChild(GarbageCollector)
    done: list[int] = []

    def note(phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            done.append(about["generation"])

    gc.callbacks.append(note)
    try:
        kept = []
        for _ in range(400):
            kept.append([[] for _ in range(1000)])
            collector.collect()
    finally:
        gc.callbacks.remove(note)
    assert {0, 1, 2} == set(done)
    assert done.count(0) > done.count(1) > done.count(2)
