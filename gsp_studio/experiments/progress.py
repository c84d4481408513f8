"""Progress of many runs: one line on a terminal, a line per 10 % on a pipe."""

from __future__ import annotations

import shutil
import time
from typing import TextIO


class Meter:
    """Iterations done of all that are to do, runs finished, and the time left.

    Parameters
    ----------
    n_iter : int
        Iterations to do.
    n_runs : int
        Runs to do.
    stream : text file, optional
        None: nothing is shown.
    """

    def __init__(self, n_iter: int, n_runs: int, stream: TextIO | None) -> None:
        self._n_iter, self._n_runs, self._stream = max(1, n_iter), n_runs, stream
        self._terminal = stream is not None and stream.isatty()
        self._started = self._shown_at = time.monotonic()
        self._tenths = self._length = 0

    def show(self, iterations: int, runs: int) -> None:
        """Show how far it is: at most ten times a second on a terminal."""
        if self._stream is None:
            return
        now = time.monotonic()
        last = runs == self._n_runs
        if self._terminal:
            if last or now - self._shown_at >= 0.1:
                self._shown_at = now
                line = self._line(iterations, runs, now)
                self._stream.write("\r" + line.ljust(self._length))  # over what is left of a longer one
                self._length = len(line)
                self._stream.flush()
            return
        tenths = 10 if last else min(9, iterations * 10 // self._n_iter)  # all iterations done, a run not yet written
        if tenths > self._tenths:
            self._tenths = tenths
            self._stream.write(self._line(iterations, runs, now).strip() + "\n")
            self._stream.flush()

    def close(self) -> None:
        """End the line."""
        if self._stream is not None and self._terminal:
            self._stream.write("\n")

    def _line(self, iterations: int, runs: int, now: float) -> str:
        left = round((now - self._started) * (self._n_iter - iterations) / max(1, iterations))
        text = f" {runs}/{self._n_runs} runs  {100 * iterations // self._n_iter:3d} %"
        text += f"  {left // 60}:{left % 60:02d} left " if iterations else "  starting "
        width = max(10, min(40, shutil.get_terminal_size().columns - len(text) - 3))
        filled = round(width * iterations / self._n_iter)
        return f"[{'=' * filled}{'-' * (width - filled)}]{text}"
