"""Progress of a run, on a terminal or in a log."""

from __future__ import annotations

import contextlib
import shutil
from typing import TextIO

from gsp_studio.engine.run import Record


class ProgressBar:
    """One line on a terminal: bar, iteration, ms an iteration, time left, error. On a pipe: a line per 10 %."""

    def __init__(self, total: int, stream: TextIO, enabled: bool = True) -> None:
        self._total = total
        self._stream = stream
        self._enabled = enabled
        self._terminal = stream.isatty()
        self._shown = 0.0

    def show(self, record: Record) -> None:
        """Show an iteration, at most ten times a second of computing."""
        if not self._enabled:
            return
        try:
            self._write(record)
        except OSError:  # the reader has gone: the run goes on
            self._enabled = False

    def _write(self, record: Record) -> None:
        last = record.n_iter >= self._total
        if self._terminal:
            if last or record.seconds - self._shown >= 0.1:
                self._shown = record.seconds
                self._stream.write("\r" + self._line(record))
                self._stream.flush()
        elif last or record.n_iter % max(1, self._total // 10) == 0:
            self._stream.write(self._line(record).strip() + "\n")

    def _line(self, record: Record) -> str:
        done = record.n_iter / self._total
        each = record.seconds / record.n_iter
        left = each * (self._total - record.n_iter)
        text = (
            f" {record.n_iter:{len(str(self._total))}}/{self._total}  {1e3 * each:.1f} ms/it  "
            f"{int(left) // 60}:{int(left) % 60:02d} left  error {100 * record.error:.3f} %  s {record.sparsity:.4f} "
        )
        width = max(10, min(40, shutil.get_terminal_size().columns - len(text) - 3))
        filled = round(done * width)
        return f"[{'=' * filled}{'-' * (width - filled)}]{text}"

    def close(self) -> None:
        """End the line."""
        if self._enabled and self._terminal and self._shown:
            with contextlib.suppress(OSError):
                self._stream.write("\n")
