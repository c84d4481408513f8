"""The log on the disk: what the log panel shows and the details of errors, kept for a report."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from PySide6.QtCore import QStandardPaths

LOG = logging.getLogger("gsp_studio.gui")
LOG.addHandler(logging.NullHandler())  # without a file nothing is printed either
_NAME = "gsp-studio.log"
_BYTES, _FILES = 1_000_000, 3


def log_folder() -> Path:
    """Where this platform keeps the app's files."""
    data = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    return Path(data) / "gsp-studio" / "logs"


def recovery_folder() -> Path:
    """Where this platform keeps what was not saved."""
    return log_folder().parent / "recovery"


def sweeps_folder() -> Path:
    """Where this platform keeps the finished runs of sweeps."""
    return log_folder().parent / "sweeps"


def start_logging(folder: Path) -> logging.Handler | None:
    """Write the log into a folder from now on, a few files in turn; None where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(folder / _NAME, maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8")
    except OSError:
        return None  # the app works without
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    return handler
