"""Ctrl-C while a command computes a run and writes it."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gsp_studio.engine.runner import Runner

#: Seconds after which a run on a cluster that has not ended by itself is interrupted as one here is.
_PATIENCE = 5.0


class Interrupts:
    """Ends a run by Ctrl-C, once, and keeps later ones from what is made of it then.

    A KeyboardInterrupt may come up in code that drops it, as callbacks and finalizers do. So Ctrl-C is a cancellation,
    which the solver looks for between two iterations; beside it, the first one raises an exception in an iteration.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first = 0.0
        self._is_armed = True
        self._runner: Runner | None = None
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def watch(self, runner: Runner) -> None:
        """Let Ctrl-C end this run."""
        self._runner = runner
        if self.count:
            runner.cancel()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self._first = self._first or time.monotonic()
        runner = self._runner
        if runner is None:
            return
        runner.cancel()
        is_due = not runner.spec.scheduler or time.monotonic() - self._first > _PATIENCE
        if self._is_armed and is_due and runner.is_iterating:
            self._is_armed = False
            raise KeyboardInterrupt
