"""Errors as sentences, for the terminal and the window."""

from __future__ import annotations

import errno
import os


def describe_error(error: BaseException) -> str:
    """An error as one sentence; the system's errors without their numbers."""
    if isinstance(error, MemoryError):
        told = str(error)
        return f"there is not enough memory{f': {told}' if told else ''}"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or type(error).__name__
    reason = error.strerror[:1].lower() + error.strerror[1:]
    if error.filename is None:
        return reason
    name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
    if error.errno == errno.ENOENT:
        return f"{name} does not exist"
    done = "written" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG) else "opened"
    return f"{name} cannot be {done}: {reason}"
