"""The heavy imports, in a thread of their own, so that the window is there before them."""

from __future__ import annotations

import importlib
import threading
from typing import Any


class Starter:
    """Imports and warms `gsp_studio.gui.jobs.compute`, which knows numba, SciPy and the solvers."""

    def __init__(self) -> None:
        self._work: Any = None
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; called after the first paint."""
        self._thread = threading.Thread(target=self._import, name="gsp-start", daemon=True)
        self._thread.start()

    def _import(self) -> None:
        try:
            self._work = importlib.import_module("gsp_studio.gui.jobs.compute")
            self._work.warm_up()
        except Exception as error:  # the thread's edge: the window has to say why nothing works
            self._error = error

    def poll(self) -> tuple[Any, Exception | None]:
        """The module, None before it is imported; and what went wrong, once."""
        found, self._error = (self._work, self._error), None
        return found

    def close(self, timeout: float) -> bool:
        """Wait for the imports, which cannot be broken off; True when the thread has ended."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()
