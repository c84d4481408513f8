"""Progress in a log and on a terminal."""

from __future__ import annotations

import io

from gsp_studio.engine.progress import ProgressBar, RunsProgress
from gsp_studio.engine.run import Record


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_log_has_a_line_for_each_tenth() -> None:
    log = io.StringIO()
    bar = ProgressBar(50, log)
    for n in range(1, 51):
        bar.show(Record(n, 0.25, 0.5, 0.5, 0.01 * n))
    bar.close()
    lines = log.getvalue().splitlines()
    assert len(lines) == 10
    assert " 5/50  10.0 ms/it  0:00 left  error 25.000 %  s 0.5000" in lines[0]
    assert lines[-1].startswith("[==========")
    assert "50/50" in lines[-1]


def test_a_terminal_has_one_line_and_shows_the_end() -> None:
    screen = Terminal()
    progress = RunsProgress(1000, 2, screen)
    for steps in range(1, 1001):
        progress.show(steps, 2 if steps == 1000 else steps // 501)
    progress.close()
    assert screen.getvalue().count("\n") == 1
    assert "2/2 runs  100 %" in screen.getvalue().split("\r")[-1]


def test_a_reader_that_has_gone_does_not_end_the_run() -> None:
    bar = ProgressBar(2, Gone())
    bar.show(Record(1, 0.25, 0.5, 0.5, 0.01))
    bar.show(Record(2, 0.25, 0.5, 0.5, 0.02))
    bar.close()


def test_a_trial_and_held_out_entries_are_told() -> None:
    log = io.StringIO()
    bar = ProgressBar(2, log)
    bar.show(Record(1, 0.85, 0.5, 0.5, 0.01, 0.9, trial=2, follows=0))
    bar.show(Record(2, 0.25, 0.5, 0.5, 0.02))
    trying, going = log.getvalue().splitlines()
    assert "left  trying start 2 of 3  error 85.000 %  held out 90.000 %  s 0.5000" in trying
    assert "left  error 25.000 %  s 0.5000" in going
