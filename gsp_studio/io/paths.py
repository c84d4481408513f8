"""Checks of paths before anything is opened: regular files only, and no links out of a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path


def check_regular(path: Path, error: Callable[[str], Exception]) -> None:
    """Raise `error` unless a path is that of a regular file: opening a pipe would wait for a writer."""
    try:
        is_file = path.is_file()
    except (OSError, ValueError) as reason:
        raise error(f"{path} cannot be read: {reason}") from reason
    if not is_file:
        raise error(f"{path} {'is not a file' if path.exists() else 'does not exist'}")


def leads_outside(path: Path, inside: str) -> bool:
    """Whether a name in a folder is a link that leads out of it, or no regular file."""
    file = os.path.join(path, inside)
    try:
        mode = os.lstat(file).st_mode
    except OSError:
        return True
    if stat.S_ISREG(mode):
        return False
    if stat.S_ISLNK(mode):
        root = os.path.realpath(path)
        target = os.path.realpath(file)
        if os.path.commonpath([root, target]) != root:
            return True
    return not os.path.isfile(file)  # dangling links, pipes, devices
