"""The log on the disk: lines, errors with their details, a few files in turn, and folders that cannot be written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest
from handling import Listener, settle
from PySide6.QtWidgets import QApplication

from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io import logfile


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[RotatingFileHandler]:
    handler = logfile.start_logging(tmp_path / "logs")
    assert isinstance(handler, RotatingFileHandler)
    yield handler
    logfile.LOG.removeHandler(handler)
    handler.close()


@pytest.fixture
def log(handler: RotatingFileHandler) -> Path:
    return Path(handler.baseFilename)


def test_lines_and_errors_are_written(window: MainWindow, log: Path) -> None:
    window.session.logged.emit("Run 1 started: 5 % of \u00b5m.")
    window.session.failed.emit("the disk is full", "Traceback: here")
    text = log.read_text(encoding="utf-8")
    assert "INFO Run 1 started: 5 % of \u00b5m." in text
    assert "ERROR the disk is full\nTraceback: here" in text


def test_a_long_log_takes_a_few_files_in_turn(window: MainWindow, handler: RotatingFileHandler, log: Path) -> None:
    handler.maxBytes = 2000
    for k in range(300):
        window.session.logged.emit(f"line {k} of many")
    files = sorted(path.name for path in log.parent.iterdir())
    assert files == ["gsp-studio.log", *(f"gsp-studio.log.{k}" for k in (1, 2, 3))]
    assert "line 299" in log.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert logfile.start_logging(tmp_path / "file") is None


def test_a_mistake_in_a_slot_is_told_and_the_window_goes_on(window: MainWindow, log: Path) -> None:
    heard = Listener(window.session, "failed")
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError:
        window.report_mistake(*sys.exc_info())  # as Python calls sys.excepthook
    settle()
    [(sentence, details)] = heard["failed"]
    assert "ZeroDivisionError: division by zero" in sentence
    assert "Traceback" in details
    (dialog,) = [w for w in QApplication.topLevelWidgets() if isinstance(w, ErrorDialog)]
    assert dialog.isVisible()
    assert window.isVisible()
    assert "ZeroDivisionError" in log.read_text(encoding="utf-8")
    dialog.close()
    settle()


def test_ctrl_c_closes_the_window(window: MainWindow) -> None:
    window.report_mistake(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not window.isVisible()
