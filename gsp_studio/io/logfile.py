"""The log on the disk: what the log panel and commands say, with the details of errors, kept for a report.

It lies where the platform keeps the files of programs, with what was not saved beside it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

LOG = logging.getLogger("gsp_studio")
LOG.addHandler(logging.NullHandler())  # without a file nothing is printed either
NAME = "gsp-studio.log"
_BYTES, _FILES = 1_000_000, 3


def data_folder() -> Path:
    """Folder of this platform for files of the program."""
    return platformdirs.user_data_path("gsp-studio", appauthor=False)


def log_folder() -> Path:
    """Folder of the log."""
    return data_folder() / "logs"


def recovery_folder() -> Path:
    """Folder of work that was not saved."""
    return data_folder() / "recovery"


def sweeps_folder() -> Path:
    """Folder of the finished runs of sweeps."""
    return data_folder() / "sweeps"


def start_logging(folder: Path) -> logging.Handler | None:
    """Write the log into a folder from now on, a few files in turn; None where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            folder / NAME, maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8", errors="backslashreplace"
        )
    except OSError:
        return None  # the program works without
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    return handler


@contextlib.contextmanager
def logged_into(folder: Path) -> Iterator[Path | None]:
    """Write the log into a folder for a while; gives its file, None where it cannot be written."""
    handler = start_logging(folder)
    try:
        yield None if handler is None else folder / NAME
    finally:
        if handler is not None:
            LOG.removeHandler(handler)
            handler.close()
