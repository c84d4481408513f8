"""Progress on a terminal or in a log: one line that is written over, or a line for each 10 %."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from gsp_studio.core.trials import trial_words

if TYPE_CHECKING:
    from gsp_studio.engine.run import Record

#: Seconds between two lines on a terminal, at least.
_PACE = 0.1


class ProgressLine:
    """Writes a bar and words.

    Parameters
    ----------
    stream : text file, optional
        None: nothing is written.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._is_terminal = stream is not None and stream.isatty()
        self._written_at, self._tenths, self._length = 0.0, 0, 0

    def write(self, done: float, is_last: bool, words: Callable[[], str]) -> None:
        """Write the line if it is time for one; `done`: the fraction of the work that is done, 0 to 1."""
        now, tenths = time.monotonic(), 10 if is_last else min(9, int(10 * done))
        is_due = now - self._written_at >= _PACE if self._is_terminal else tenths > self._tenths
        if self._stream is None or not (is_due or (is_last and self._is_terminal)):
            return
        self._written_at, self._tenths = now, tenths
        text = words()
        width = max(10, min(40, shutil.get_terminal_size().columns - len(text) - 4))
        filled = round(width * done)
        line = f"[{'=' * filled}{'-' * (width - filled)}] {text}"
        try:
            if self._is_terminal:
                self._stream.write("\r" + line.ljust(self._length))  # over what is left of a longer one
                self._length = len(line)
            else:
                self._stream.write(line + "\n")
            self._stream.flush()
        except OSError:  # the reader has gone: the work goes on
            self._stream = None

    def close(self) -> None:
        """End the line."""
        if self._stream is not None and self._length:
            self._stream.write("\n")


class ProgressBar(ProgressLine):
    """Progress of a run: iteration, ms an iteration, time left, error."""

    def __init__(self, total: int, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._total = total

    def show(self, record: Record) -> None:
        """Show an iteration."""
        self.write(record.n_iter / self._total, record.n_iter >= self._total, lambda: self._words(record))

    def _words(self, record: Record) -> str:
        each = record.seconds / record.n_iter
        left = minutes(each * (self._total - record.n_iter))
        trying = f"trying {trial_words(record.trial)}  " if record.trial else ""
        of_others = "" if math.isnan(record.held_out_error) else f"held out {100 * record.held_out_error:.3f} %  "
        return (
            f"{record.n_iter:{len(str(self._total))}}/{self._total}  {1e3 * each:.1f} ms/it  {left} left  "
            f"{trying}error {100 * record.error:.3f} %  {of_others}s {record.sparsity:.4f} "
        )


class RunsProgress(ProgressLine):
    """Progress of many runs: runs finished, iterations or epochs done of all, time left.

    Parameters
    ----------
    steps : int
        Iterations or epochs of all runs.
    runs : int
    stream : text file, optional
    """

    def __init__(self, steps: int, runs: int, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._steps, self._runs = max(1, steps), runs
        self._started, self._first = time.monotonic(), -1

    def show(self, steps: int, runs: int) -> None:
        """Show steps and runs that are done of all."""
        self._first = steps if self._first < 0 else self._first  # those of finished runs took no time
        self.write(steps / self._steps, runs == self._runs, lambda: self._words(steps, runs))

    def _words(self, steps: int, runs: int) -> str:
        text = f"{runs}/{self._runs} runs  {100 * steps // self._steps:3d} %  "
        done = steps - self._first
        if done <= 0:
            return text + "starting "
        return f"{text}{minutes((time.monotonic() - self._started) * (self._steps - steps) / done)} left "


def minutes(seconds: float) -> str:
    """A time as "3:07"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
